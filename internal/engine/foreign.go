package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// Files that stand in an output's folder are overwritten only if they are ours:
// if the card there lists them, whether or not they were edited since, or, should
// the card be lost, if the cache knows that these very bytes were written by an
// output. A file of the user's own is never touched; the build ends instead.

// foreignFile is the error for a file that is not ours.
func foreignFile(out *spec.OutputBody, file string) error {
	return &RunError{
		Address: out.Address, Code: "foreign_file", Summary: "a file is in the way",
		Detail: fmt.Sprintf("%s is not among the files that %s beside it lists as written by autosafe, so it is not overwritten. "+
			"Move it away or delete it, or give the output another path.", file, cardName),
	}
}

// checkForeign looks for files in the way of outputs before anything is run
// that costs. A build that keeps going goes without the datasets that they are
// in the way of.
func (b *build) checkForeign() error {
	if !b.costs() {
		return nil // each output looks for itself
	}
	var all Failures
	for _, st := range b.order {
		err := b.checkOutputs(st)
		switch {
		case err == nil:
		case !errors.As(err, new(*RunError)):
			return err
		case b.opts.KeepGoing:
			b.failStep(st, err)
		default:
			all = append(all, err)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

// costs says whether a step must run that is more than the writing of rows.
func (b *build) costs() bool {
	return slices.ContainsFunc(b.order, func(st *stepState) bool { return st.Kind != spec.DatasetStep && !st.hit })
}

// checkOutputs looks for what is in the way of what a step writes; most write
// nothing.
func (b *build) checkOutputs(st *stepState) error {
	switch {
	case st.Evaluation != nil:
		return b.checkReport(st)
	case st.Dataset == nil:
		return nil
	}
	for _, out := range st.Dataset.Outputs {
		if err := b.checkOutput(st, out); err != nil {
			return err
		}
	}
	return b.checkDocuments(st)
}

// checkOutput looks for what is in the way of an output that was not made yet.
// What its component will call its files is not known then: what is looked for
// are data files named after a split, as most are.
func (b *build) checkOutput(st *stepState, out *spec.OutputBody) error {
	dir := b.outDir(out.Path)
	if err := checkPath(out, dir); err != nil {
		return err
	}
	return b.checkFolder(out, dir, splitNames(st.Dataset.Split))
}

// checkPath looks for what stands where an output's folder should be, or one
// that this is in.
func checkPath(out *spec.OutputBody, dir string) error {
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			info, err = os.Lstat(at) // a link that leads nowhere
		}
		switch {
		case err == nil && info.IsDir(), at == filepath.Dir(at):
			return nil
		case err == nil:
			return &RunError{
				Address: out.Address, Code: "foreign_file", Summary: "a file is in the way",
				Detail: fmt.Sprintf("%s is no folder, and the output is to be written to the folder %s. "+
					"Move it away or delete it, or give the output another path, or the build another -out.", at, dir),
			}
		}
	}
}

func (b *build) checkFolder(out *spec.OutputBody, dir string, splits []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // there is none yet; or it says so when it is written to
	}
	old, _ := readCard(dir) // without one, the cache tells
	for _, e := range entries {
		if !isData(e.Name()) || SplitOfFile(e.Name(), splits) == "" || old.lists(e.Name()) {
			continue
		}
		check := b.checkFile
		if e.IsDir() {
			check = b.checkSubfolder
		}
		if err := check(out, filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// checkSubfolder looks at a folder that is named as a file of an output, and in
// the way unless outputs write files into folders of that name.
func (b *build) checkSubfolder(out *spec.OutputBody, folder string) error {
	below := filepath.Base(folder) + "/"
	ours, err := b.wrote(func(f fileRecord) bool { return strings.HasPrefix(f.Path, below) })
	if err != nil || ours {
		return err
	}
	return &RunError{
		Address: out.Address, Code: "foreign_file", Summary: "a folder is in the way",
		Detail: fmt.Sprintf("%s is named as a file that the output is to write. "+
			"Move it away or delete it, or give the output another path.", folder),
	}
}

// checkFile looks at a file that no card lists.
func (b *build) checkFile(out *spec.OutputBody, file string) error {
	d, err := b.fileDigest(file)
	if err != nil {
		return foreignFile(out, file)
	}
	ours, err := b.wrote(func(f fileRecord) bool { return f.Digest == d })
	if err != nil || ours {
		return err
	}
	return foreignFile(out, file)
}

// wrote says whether the cache knows of a file that an output wrote.
func (b *build) wrote(is func(fileRecord) bool) (bool, error) {
	found := errors.New("an output wrote it")
	err := b.opts.Store.Each(cache.Steps, func(_ cache.Digest, value []byte) error {
		var rec outputRecord // a step's has no files
		if json.Unmarshal(value, &rec) == nil && slices.ContainsFunc(rec.Files, is) {
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		return true, nil
	}
	return false, err
}

// isData says whether a file is named as those that datasets are made of.
func isData(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	return slices.Contains([]string{".jsonl", ".parquet"}, path.Ext(name))
}

// splitNames are the splits that rows may be in.
func splitNames(s *spec.Split) []string {
	if s == nil {
		return []string{defaultSplit}
	}
	var names []string
	for _, r := range s.Ratios {
		names = append(names, r.Name)
	}
	return names
}

// SplitOfFile is the split that a file is named after (train.jsonl,
// train-00000-of-00001.parquet); "" if it is none.
func SplitOfFile(name string, splits []string) string {
	longest := ""
	for _, s := range splits {
		rest, ok := strings.CutPrefix(name, s)
		if ok && rest != "" && (rest[0] == '.' || rest[0] == '-') && len(s) > len(longest) {
			longest = s
		}
	}
	return longest
}

// checkInstall looks for files in the way of those that an output has made.
func (b *build) checkInstall(out *spec.OutputBody, dir string, old *card, files []fileRecord) error {
	for _, f := range files {
		if old.lists(f.Path) || !filepath.IsLocal(filepath.FromSlash(f.Path)) { // which install refuses
			continue
		}
		to := filepath.Join(dir, filepath.FromSlash(f.Path))
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := b.checkFile(out, to); err != nil {
			return err
		}
	}
	return nil
}

// lists says whether a card, which may be nil, has a file.
func (c *card) lists(name string) bool {
	return c != nil && slices.ContainsFunc(c.Files, func(f fileRecord) bool { return f.Path == name })
}

// interimCard lists what is about to be installed and what the card before it
// listed: were the build killed in between, all of it would still be ours.
func interimCard(content *card, old *card) *card {
	both := *content
	both.Files = slices.Clone(content.Files)
	if old != nil {
		for _, f := range old.Files {
			if !content.lists(f.Path) {
				both.Files = append(both.Files, f)
			}
		}
	}
	return &both
}
