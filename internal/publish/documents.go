package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/internal/provenance"
	"github.com/autosafe/autosafe/spec"
)

// behaviour is the version of what is written here. Raise it with every change
// of the files' bytes.
const behaviour = 1

// Options are what documents are made of beside a dataset.
type Options struct {
	Store   *cache.Store
	Version string            // of autosafe
	Recipe  provenance.Recipe // its folder is not looked at
	// Lock is the digest of the file autosafe.lock.hcl; zero: there is none.
	Lock cache.Digest
}

// New makes the documents of datasets. The options are asked for when there is
// a card, and once.
func New(options func() (Options, error)) engine.Documenter {
	return &documenter{options: options}
}

type documenter struct {
	options func() (Options, error)
}

// Names implements engine.Documenter.
func (w *documenter) Names(card *spec.Card) []string {
	names := []string{CardName, CroissantName, SumsName, StatementName}
	for _, p := range plotNames() {
		names = append(names, PlotsFolder+"/"+p)
	}
	if card.Lineage {
		names = append(names, LineageName, LineageZstdName)
	}
	return names
}

// Parts implements engine.Documenter.
func (w *documenter) Parts(card *spec.Card) (key.List, error) {
	opts, err := w.options()
	if err != nil {
		return nil, err
	}
	var list key.List
	list.AddInt("documents", behaviour)
	list.AddString("version", opts.Version)
	list.AddString("recipe", opts.Recipe.Digest.String())
	if opts.Lock != (cache.Digest{}) {
		list.AddString("lock", opts.Lock.String())
	}
	text, err := json.Marshal(card)
	if err != nil {
		return nil, err
	}
	list.Add("card", text)
	list.AddString("path", card.Output.Path)
	return list, nil
}

// MediaType is the media type of a document by its name; "" if none is called so.
func MediaType(name string) string {
	if folder, plot, ok := strings.Cut(name, "/"); ok && folder == PlotsFolder && slices.Contains(plotNames(), plot) {
		return "image/svg+xml"
	}
	switch name {
	case CardName:
		return "text/markdown"
	case CroissantName:
		return "application/ld+json"
	case SumsName:
		return "text/plain"
	case StatementName:
		return "application/vnd.in-toto+json"
	case LineageName:
		return "application/jsonl"
	case LineageZstdName:
		return "application/zstd"
	}
	return ""
}

// document is a file that is made whole in memory.
type document struct {
	name    string
	content []byte
}

// Write implements engine.Documenter.
func (w *documenter) Write(ctx context.Context, d *engine.Dataset, dir string) ([]engine.Artifact, error) {
	opts, err := w.options()
	if err != nil {
		return nil, err
	}
	f, err := gather(ctx, opts, d)
	if err != nil {
		return nil, err
	}
	m := &maker{facts: f, dir: dir}
	steps := []func() error{m.plots, m.card, m.croissant, m.lineage, m.statement, m.sums}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return m.files, nil
}

// maker makes the files one after the other: some tell of those before them.
type maker struct {
	*facts
	dir   string
	files []engine.Artifact
	made  []file
}

// file is a file of the dataset, outputs' among them.
type file struct {
	path      string // below the card's folder
	sha256    string
	size      int64
	rows      int64
	mediaType string
}

// put writes a document.
func (m *maker) put(doc document) error {
	path := filepath.Join(m.dir, filepath.FromSlash(doc.name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(path, doc.content, 0o666); err != nil {
		return err
	}
	m.add(doc.name, cache.Sum(doc.content), int64(len(doc.content)))
	return nil
}

func (m *maker) add(name string, sum cache.Digest, size int64) {
	m.files = append(m.files, engine.Artifact{Path: name, MediaType: MediaType(name)})
	m.made = append(m.made, file{path: name, sha256: sum.String(), size: size, mediaType: MediaType(name)})
}

// all are the files of the dataset so far, in order of name.
func (m *maker) all() []file {
	list := slices.Clone(m.made)
	for _, o := range m.outputs {
		list = append(list, o.files...)
	}
	slices.SortFunc(list, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return list
}

// sums writes the checksums of all files but its own, as sha256sum -c reads
// them.
func (m *maker) sums() error {
	var b strings.Builder
	for _, f := range m.all() {
		// A name with these is written in a form that not every tool reads.
		if strings.ContainsAny(f.path, "\\\n\r") {
			return fmt.Errorf("%s cannot list the file %q: its name has a backslash or a line break", SumsName, f.path)
		}
		fmt.Fprintf(&b, "%s  %s\n", f.sha256, f.path)
	}
	return m.put(document{name: SumsName, content: []byte(b.String())})
}

// sortedKeys are the keys of a map, in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
