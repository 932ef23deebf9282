package toolkit

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

	"github.com/autosafe/autosafe/spec/schema"
)

// ToolEmuFile is the name of ToolEmu's file of toolkits. Where it is among the
// files of a folder, the others there (cases, examples, licence) are not read.
const ToolEmuFile = "all_toolkits.json"

// Load reads the toolkits of a file, or of the JSON files of a folder, in the
// order given. Among several files those that hold no toolkits are passed
// over. Two toolkits of one name are an error.
func Load(files []schema.File) ([]Toolkit, error) {
	files, err := Expand(files)
	if err != nil {
		return nil, err
	}
	files = candidates(files)
	var out []Toolkit
	from := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, Cause(err))
		}
		list, err := Parse(f.Name, data)
		if errors.Is(err, ErrNoToolkits) && len(files) > 1 {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, t := range list {
			if other, ok := from[t.Name]; ok {
				return nil, fmt.Errorf("%s: the toolkit %q stands in %s already; rename one of them", f.Name, t.Name, other)
			}
			from[t.Name] = f.Name
		}
		out = append(out, list...)
	}
	if len(out) == 0 {
		return nil, errors.New("path: no toolkits were found; a JSON file in the project's or in ToolEmu's shape is needed")
	}
	return out, nil
}

// Expand puts the files of a folder in the folder's place, in order of name;
// hidden ones are left out. A host that has expanded folders itself gives none.
func Expand(files []schema.File) ([]schema.File, error) {
	var out []schema.File
	for _, f := range files {
		info, err := os.Stat(f.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, Cause(err))
		}
		if !info.IsDir() {
			out = append(out, f)
			continue
		}
		err = filepath.WalkDir(f.Path, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			hidden := strings.HasPrefix(d.Name(), ".") && p != f.Path
			switch {
			case hidden && d.IsDir():
				return fs.SkipDir
			case hidden || !d.Type().IsRegular():
				return nil
			}
			rel, err := filepath.Rel(f.Path, p)
			if err != nil {
				return err
			}
			out = append(out, schema.File{Name: path.Join(f.Name, filepath.ToSlash(rel)), Path: p})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, Cause(err))
		}
	}
	return out, nil
}

// candidates leaves the files that can hold toolkits: those named *.json, and
// a single file whatever its name.
func candidates(files []schema.File) []schema.File {
	if len(files) <= 1 {
		return files
	}
	out := slices.DeleteFunc(slices.Clone(files), func(f schema.File) bool {
		return !strings.HasSuffix(strings.ToLower(f.Name), ".json")
	})
	for _, f := range out {
		if path.Base(f.Name) != ToolEmuFile {
			continue
		}
		prefix := strings.TrimSuffix(f.Name, ToolEmuFile)
		out = slices.DeleteFunc(out, func(g schema.File) bool {
			return g.Name != f.Name && strings.HasPrefix(g.Name, prefix)
		})
		break
	}
	return out
}

// Cause leaves out the absolute path that os puts into its errors.
func Cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// ReadJSON reads a whole JSON file; an error names the file, the line and what
// is wrong.
func ReadJSON(f schema.File, into any) error {
	data, err := os.ReadFile(f.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, Cause(err))
	}
	data = []byte(strings.TrimPrefix(string(data), "\ufeff"))
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", f.Name, located(data, err))
	}
	return nil
}

// located adds the line to an error of encoding/json.
func located(data []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("line %d: it is not valid JSON: %w", lineAt(data, syntax.Offset), err)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("line %d: %s: a %s stands where %s is needed", lineAt(data, wrong.Offset), wrong.Field, wrong.Value, kindName(wrong.Type.Kind().String()))
	}
	return err
}

func kindName(kind string) string {
	switch kind {
	case "slice":
		return "an array"
	case "struct", "map":
		return "an object"
	case "bool":
		return "true or false"
	}
	return "a " + kind
}

func lineAt(data []byte, offset int64) int {
	return 1 + strings.Count(string(data[:min(max(offset, 0), int64(len(data)))]), "\n")
}
