package engine

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// measureAll records what the files hold, and has the disk hold it too.
func measureAll(work string, files []fileRecord) error {
	for i := range files {
		if err := measure(work, &files[i]); err != nil {
			return err
		}
	}
	return nil
}

func measure(work string, f *fileRecord) error {
	if !filepath.IsLocal(filepath.FromSlash(f.Path)) {
		return &RunError{Code: "bad_result", Summary: "the output named a file outside its folder", Detail: fmt.Sprintf("%q", f.Path)}
	}
	in, err := os.Open(filepath.Join(work, filepath.FromSlash(f.Path)))
	if err != nil {
		return fmt.Errorf("output file: %w", err)
	}
	defer in.Close()
	synced := make(chan error, 1) // the disk works while the file is read
	go func() { synced <- in.Sync() }()
	h := sha256.New()
	f.Size, err = io.Copy(h, in)
	if err = errors.Join(err, <-synced); err != nil {
		return fmt.Errorf("output file: %w", err)
	}
	f.Digest = cache.Digest(h.Sum(nil))
	return nil
}

// install moves one file into place.
func install(work, dir string, f fileRecord) error {
	to := filepath.Join(dir, filepath.FromSlash(f.Path))
	if err := makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	return os.Rename(filepath.Join(work, filepath.FromSlash(f.Path)), to)
}

// cardName is a file beside an output's files that says what they are. It is
// also how a later build knows which files there are its own.
const cardName = "autosafe.json"

// card is the content of that file. It holds nothing that differs between two
// builds of the same rows.
type card struct {
	Format         string           `json:"format"`
	NotForTraining bool             `json:"not_for_training"`
	Note           string           `json:"note,omitempty"`
	Rows           int64            `json:"rows"`
	Splits         map[string]int64 `json:"splits"`
	Skipped        map[string]int64 `json:"skipped,omitempty"`
	Files          []fileRecord     `json:"files"`
}

const offlineNote = "Made with autosafe's offline model, a scripted stand-in. " +
	"These rows show and test the pipeline; do not train on them."

// cardOf is the card of an output.
func cardOf(out *spec.OutputBody, offline bool, rec *outputRecord) *card {
	c := &card{
		Format: out.Role.Component.Name, NotForTraining: offline,
		Rows: rec.Rows, Splits: rec.Splits, Skipped: rec.Skipped, Files: rec.Files,
	}
	if offline {
		c.Note = offlineNote
	}
	return c
}

func (c *card) encode() ([]byte, error) {
	b, err := json.MarshalIndent(c, "", "  ")
	return append(b, '\n'), err
}

// writeCard writes a card in a folder and moves it into place.
func writeCard(work, dir string, c *card) error {
	content, err := c.encode()
	if err != nil {
		return err
	}
	tmp, err := os.Create(filepath.Join(work, cardName))
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), filepath.Join(dir, cardName))
}

func readCard(dir string) (*card, error) {
	b, err := os.ReadFile(filepath.Join(dir, cardName))
	if err != nil {
		return nil, err
	}
	var c card
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	return &c, nil
}

// readsOffline says whether a step reads a file of an output that rests on the
// offline model: what its own card says of it holds for what is made from it.
func readsOffline(s *spec.Step) bool {
	cards := map[string]*card{} // by folder; nil: there is none
	for _, files := range s.Role.Files {
		for _, f := range files {
			dir, name := filepath.Split(f.Path)
			if _, ok := cards[dir]; !ok {
				cards[dir], _ = readCard(dir)
			}
			if c := cards[dir]; c != nil && c.NotForTraining && slices.ContainsFunc(c.Files, func(r fileRecord) bool { return r.Path == name }) {
				return true
			}
		}
	}
	return false
}

// removeStale removes files that an earlier build wrote and this one did not.
// Files that were changed since are not ours any more and stay.
func removeStale(dir string, old *card, rec *outputRecord, digest fileDigest) error {
	if old == nil {
		return nil
	}
	current := map[string]bool{}
	for _, f := range rec.Files {
		current[f.Path] = true
	}
	for _, f := range old.Files {
		if current[f.Path] || !filepath.IsLocal(filepath.FromSlash(f.Path)) {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if d, err := digest(path); err != nil || d != f.Digest {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}
