package datacheck

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/export"
)

// cardName is the file in which autosafe says what an output's files are.
const cardName = "autosafe.json"

// infoName is LLaMA-Factory's file about data.
const infoName = "dataset_info.json"

// group are files of one format whose rows are compared with each other.
type group struct {
	name   string // for people: the folder, or the first file
	format export.Format
	files  []string
}

// merged puts groups of files that were named one by one together, so that
// they are compared.
func merged(groups []group) []group {
	var out []group
	for _, g := range groups {
		i := slices.IndexFunc(out, func(o group) bool {
			return o.format.Name == g.format.Name && filepath.Dir(o.files[0]) == filepath.Dir(g.files[0])
		})
		if i < 0 {
			out = append(out, g)
			continue
		}
		for _, f := range g.files {
			if !slices.Contains(out[i].files, f) {
				out[i].files = append(out[i].files, f)
			}
		}
	}
	return out
}

// find lists the files to check at a path.
func (c *checker) find(path, format string) ([]group, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return c.folders(path, format)
	}
	if filepath.Base(path) == infoName {
		return nil, c.datasetInfo(path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file: pipes and devices are not read", path)
	}
	if !isData(path) {
		return nil, fmt.Errorf("%s is no file of data: those end in .jsonl, .json or .parquet, the first two also in .gz or .zst behind that", path)
	}
	if format == "" {
		if card, err := readCard(filepath.Dir(path)); err == nil {
			format = card.Format
		}
	}
	f, err := known(format, path)
	if err != nil {
		return nil, err
	}
	return []group{{name: path, format: f, files: []string{path}}}, nil
}

// folders goes through a folder and those in it. Of symbolic links those to
// files are followed, and the root if it is one: links to folders can make a
// circle.
func (c *checker) folders(root, format string) ([]group, error) {
	if info, err := os.Lstat(root); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		root += string(filepath.Separator)
	}
	var out []group
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case p != root && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		}
		g, err := c.folder(p, format)
		if err == nil && len(g.files) > 0 {
			out = append(out, g)
		}
		return err
	})
	return out, err
}

// folder lists the files of data in one folder.
func (c *checker) folder(dir, format string) (group, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return group{}, err
	}
	card, err := readCard(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.problem(Problem{File: filepath.Join(dir, cardName), Message: err.Error()})
	}
	var files []string
	for _, e := range entries {
		switch path := filepath.Join(dir, e.Name()); {
		case !isFile(path, e):
		case e.Name() == infoName:
			if err := c.datasetInfo(path); err != nil {
				return group{}, err
			}
		case isData(path) && (card == nil || card.lists(e.Name())):
			files = append(files, path)
		}
	}
	if card != nil {
		c.cardFiles(dir, card, files)
		if format == "" {
			if _, ok := export.FormatNamed(card.Format); !ok { // what a plugin wrote, or documents of the dataset
				if len(files) > 0 {
					c.note("%s: its files are passed over; format %q is not known here", dir, card.Format)
				}
				return group{}, nil
			}
			format = card.Format
		}
	}
	if len(files) == 0 {
		return group{}, nil
	}
	f, err := known(format, files[0])
	return group{name: dir, format: f, files: files}, err
}

// isFile says whether an entry of a folder is a file, or a link to one, as in
// the cache of Hugging Face's libraries.
func isFile(path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// card is what of autosafe.json is needed here.
type card struct {
	Format         string `json:"format"`
	NotForTraining bool   `json:"not_for_training"`
	Files          []struct {
		Path string `json:"path"`
	} `json:"files"`
}

func (c *card) lists(name string) bool {
	for _, f := range c.Files {
		if f.Path == name {
			return true
		}
	}
	return false
}

func readCard(dir string) (*card, error) {
	text, err := os.ReadFile(filepath.Join(dir, cardName))
	if err != nil {
		return nil, err
	}
	var c card
	if err := json.Unmarshal(text, &c); err != nil {
		var badType *json.UnmarshalTypeError
		if errors.As(err, &badType) {
			return nil, errors.New("is not what autosafe writes")
		}
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return &c, nil
}

// cardFiles holds the folder to its autosafe.json.
func (c *checker) cardFiles(dir string, card *card, found []string) {
	if card.NotForTraining {
		c.note("%s: the rows rest on the offline model and are not for training", dir)
	}
	for _, f := range card.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if isData(path) && filepath.Dir(path) == filepath.Clean(dir) && !slices.Contains(found, path) {
			c.problem(Problem{File: path, Message: "is listed in " + cardName + " and is not there"})
		}
	}
}

// datasetInfo checks LLaMA-Factory's file about data.
func (c *checker) datasetInfo(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c.totals.Files++
	for _, p := range export.CheckDatasetInfo(text) {
		c.problem(Problem{File: path, Message: p.Error()})
	}
	return nil
}

// isData says whether a file holds rows, by its name.
func isData(path string) bool {
	name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".gz"), ".zst")
	switch filepath.Ext(name) {
	case ".jsonl":
		return true
	case ".json":
		return !slices.Contains([]string{cardName, infoName, "croissant.json", "provenance.intoto.json", "package.json"}, name)
	case ".parquet":
		return name == filepath.Base(path)
	}
	return false
}

// known is the format of that name. Where none is given, the error says which
// ones the file's first row fits.
func known(name, path string) (export.Format, error) {
	if f, ok := export.FormatNamed(name); ok {
		return f, nil
	}
	var names, fits []string
	first := firstRow(path)
	for _, f := range export.Formats() {
		names = append(names, f.Name)
		if first != nil && f.Name != "rows" && f.Name != "parquet" && f.Validate(first) == nil {
			fits = append(fits, f.Name)
		}
	}
	what := fmt.Sprintf("which format %s is in is not known; say it with -format", path)
	if name != "" {
		what = fmt.Sprintf("there is no format %q", name)
	}
	if len(fits) > 0 {
		return export.Format{}, fmt.Errorf("%s; its first row fits %s", what, strings.Join(fits, " and "))
	}
	return export.Format{}, fmt.Errorf("%s; the formats are %s", what, strings.Join(names, ", "))
}

// errEnough ends reading after the first rows.
var errEnough = errors.New("enough rows")

func firstRow(path string) []byte {
	var first []byte
	_ = readRows(path, export.Format{}, func(rows []row) error {
		first = rows[0].text
		return errEnough
	})
	return first
}
