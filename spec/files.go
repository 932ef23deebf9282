package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec/schema"
)

// maxFiles bounds what one attribute of kind Files may name, so that a slip
// such as "/" is an error and not a walk through the disk.
const maxFiles = 100_000

// files finds the files of an attribute. What is written may be a file, a
// folder (all regular files below it, hidden ones left out) or a glob.
func (d *decoder) files(b *RoleBody, name string) hcl.Diagnostics {
	v, ok := b.value.known(name)
	if !ok {
		return nil
	}
	var diags hcl.Diagnostics
	found := map[string]schema.File{}
	for i, elem := range v.AsValueSlice() {
		at := subExpr(b.value.expr(name), []pathStep{{index: i}}).Range()
		if elem.IsNull() || elem.AsString() == "" {
			diags = append(diags, problemAt(at, "Unsuitable value", "%q takes a file, a folder or a glob, or a list of them; an empty path was given.", name))
			continue
		}
		if diag := findFiles(d.src.Dir, elem.AsString(), at, found); diag != nil {
			diags = append(diags, diag)
		}
	}
	if b.Files == nil {
		b.Files = map[string][]schema.File{}
	}
	list := []schema.File{}
	for _, key := range sortedKeys(found) {
		list = append(list, found[key])
	}
	b.Files[name] = list
	return diags
}

// fileFinder collects the files that one pattern names.
type fileFinder struct {
	base   string // names are relative to it
	found  map[string]schema.File
	hidden bool // hidden files count
}

var errTooManyFiles = errors.New("too many files")

func findFiles(dir, pattern string, rng hcl.Range, found map[string]schema.File) *hcl.Diagnostic {
	root, err := filepath.Abs(dir)
	if err != nil {
		return problemAt(rng, "Unreadable file", "The working folder is not known: %s.", err)
	}
	full := resolvePath(root, pattern)
	f := &fileFinder{base: root, found: found}
	if filepath.IsAbs(filepath.FromSlash(pattern)) {
		// Names stand in keys; a name from the root of the disk would tie
		// them to this machine.
		f.base = filepath.Dir(fixedPart(full))
		root = ""
	}
	matches := []string{full}
	if _, err := os.Stat(full); err != nil {
		if matches, err = filepath.Glob(filepath.Join(quoteGlob(root), filepath.FromSlash(pattern))); err != nil {
			return problemAt(rng, "Invalid pattern", "%q is not a glob pattern: an opening bracket has no end.", pattern)
		}
	}
	before := len(found)
	seen := 0
	for _, match := range matches {
		if match != full && hidden(filepath.Base(match)) && !hidden(filepath.Base(full)) {
			continue
		}
		seen++
		switch err := f.add(match); {
		case errors.Is(err, errTooManyFiles):
			return problemAt(rng, "Too many files", "%q names more than %d files. Name a smaller folder.", pattern, maxFiles)
		case err != nil:
			return problemAt(rng, "Unreadable file", "%q cannot be read: %s.", pattern, plainPathError(err))
		}
	}
	if seen == 0 {
		return problemAt(rng, "No such file", "Nothing is at %q. A relative path starts at the recipe's folder, %q.", pattern, dir)
	}
	if len(found) == before && !f.has(matches) {
		return problemAt(rng, "No such file", "%q holds no file (hidden files do not count).", pattern)
	}
	return nil
}

// has says whether a match was found by an earlier pattern.
func (f *fileFinder) has(matches []string) bool {
	for _, file := range f.found {
		for _, match := range matches {
			if file.Path == match || strings.HasPrefix(file.Path, match+string(filepath.Separator)) {
				return true
			}
		}
	}
	return false
}

// fixedPart is the part of a pattern before its first special character, cut
// at a separator.
func fixedPart(pattern string) string {
	i := strings.IndexAny(pattern, `*?[`)
	if i < 0 {
		return pattern
	}
	return filepath.Dir(pattern[:i] + "x")
}

// quoteGlob makes a path that a glob takes as it is.
func quoteGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") && name != "." && name != ".." }

// add takes a file, or every file below a folder.
func (f *fileFinder) add(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return fmt.Errorf("it is neither a file nor a folder")
		}
		return f.addFile(path)
	}
	visited := 0
	return filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if visited++; visited > 4*maxFiles {
			return errTooManyFiles
		}
		switch {
		case err != nil:
			return err
		case p == path:
			return nil
		case hidden(e.Name()) && !f.hidden && e.IsDir():
			return filepath.SkipDir
		case hidden(e.Name()) && !f.hidden || e.IsDir():
			return nil
		}
		if info, err := os.Stat(p); err != nil || !info.Mode().IsRegular() {
			return nil // a device, a dangling link, a link to a folder
		}
		return f.addFile(p)
	})
}

// name is a file's path from the base, or from as far above it as no other
// file has the same: absolute paths to different folders may end alike.
func (f *fileFinder) name(path string) string {
	for base := f.base; ; base = filepath.Dir(base) {
		rel, err := filepath.Rel(base, path)
		if err != nil {
			rel = filepath.Base(path)
		}
		name := filepath.ToSlash(rel)
		other, taken := f.found[name]
		if !taken || other.Path == path || base == filepath.Dir(base) {
			return name
		}
	}
}

func (f *fileFinder) addFile(path string) error {
	name := f.name(path)
	f.found[name] = schema.File{Name: name, Path: path}
	if len(f.found) > maxFiles {
		return errTooManyFiles
	}
	return nil
}
