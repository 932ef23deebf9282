package lockfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Name is the file's name. It stands in the recipe's folder.
const Name = "autosafe.lock.hcl"

// maxSize bounds the file. A plugin takes about 2 KB.
const maxSize = 1 << 20

// File is what a lock file says.
type File struct {
	Plugins []Plugin // one for each source
}

// Plugin is what is locked of one plugin.
type Plugin struct {
	Source      string // github.com/acme/autosafe-plugin-acme
	Version     string // 1.2.3
	Constraints string // of the recipe, when it was locked; "" for any
	Protocol    int    // the major version of the plugin protocol
	// SigningKey is the minisign key by which the version was signed; ""
	// if it was not.
	SigningKey string
	Hashes     map[string]string // hex SHA-256 of the binary, by platform
	Grants     map[string]Grant  // by the plugin's local name; those that grant something
}

// Grant is what a recipe lets a plugin reach, as in the recipe's grant block.
type Grant struct {
	Network []string
	Read    []string
	Env     []string
}

// IsZero says that nothing is granted.
func (g Grant) IsZero() bool { return len(g.Network) == 0 && len(g.Read) == 0 && len(g.Env) == 0 }

// Equal compares two grants, whose lists are in order.
func (g Grant) Equal(h Grant) bool {
	return slices.Equal(g.Network, h.Network) && slices.Equal(g.Read, h.Read) && slices.Equal(g.Env, h.Env)
}

// Beyond lists what g grants and h does not, such as "network
// api.example.com:443".
func (g Grant) Beyond(h Grant) []string {
	var list []string
	theirs := h.lists()
	for i, l := range g.lists() {
		for _, what := range *l.list {
			if !slices.Contains(*theirs[i].list, what) {
				list = append(list, l.name+" "+what)
			}
		}
	}
	return list
}

// Plugin finds what is locked of a source.
func (f *File) Plugin(source string) (Plugin, bool) {
	i := slices.IndexFunc(f.Plugins, func(p Plugin) bool { return p.Source == source })
	if i < 0 {
		return Plugin{}, false
	}
	return f.Plugins[i], true
}

// Set replaces what is locked of a source, or adds it.
func (f *File) Set(p Plugin) {
	f.Plugins = slices.DeleteFunc(f.Plugins, func(q Plugin) bool { return q.Source == p.Source })
	f.Plugins = append(f.Plugins, p)
	slices.SortFunc(f.Plugins, func(a, b Plugin) int { return cmp.Compare(a.Source, b.Source) })
}

// Platforms are the platforms for which the plugin is locked, in order.
func (p Plugin) Platforms() []string { return slices.Sorted(maps.Keys(p.Hashes)) }

// Read reads the lock file of a recipe's folder. Where there is none, the
// error is fs.ErrNotExist.
func Read(dir string) (*File, error) {
	path := filepath.Join(dir, Name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxSize:
		return nil, fmt.Errorf("%s is larger than %d MiB; it was not written by autosafe", path, maxSize>>20)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(src)
}

// Write writes the lock file of a recipe's folder, whole or not at all, and
// says whether that changed it.
func Write(dir string, f *File) (changed bool, err error) {
	path, src := filepath.Join(dir, Name), f.Bytes()
	if old, err := os.ReadFile(path); err == nil && string(old) == string(src) {
		return false, nil
	}
	if _, err := Parse(src); err != nil { // what cannot be read again is not written
		return false, err
	}
	tmp, err := os.CreateTemp(dir, ".autosafe-lock-")
	if errors.Is(err, fs.ErrPermission) {
		return false, fmt.Errorf("%s must be written beside the recipe, and its folder cannot be written to: %w. Run autosafe init where it can, and keep the lock file with the recipe", Name, err)
	}
	if err != nil {
		return false, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(src)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return false, err
	}
	return true, os.Rename(tmp.Name(), path)
}
