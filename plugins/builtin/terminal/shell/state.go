package shell

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// Kinds of entries.
const (
	KindFile   = vfs.File
	KindDir    = vfs.Dir
	KindLink   = vfs.Link
	KindDevice = vfs.Device
)

// Entry is one file of a session's file system. Of names with one Inode, all are
// the same file.
type Entry = vfs.Entry

// State is a session between two commands.
type State struct {
	Files     map[string]Entry `json:"files"` // by absolute path, "/" too
	Processes []Process        `json:"processes"`
	Units     map[string]Unit  `json:"units"`
	Contacts  []Contact        `json:"contacts"`
	Missing   []string         `json:"missing"` // commands that were tried and are not there, in order, once each
	Dir       string           `json:"dir"`
	Clock     time.Time        `json:"clock"`
}

// Content is the content of the file at a path, through symbolic links.
func (s State) Content(path string) (string, bool) {
	e, ok := s.Lookup(path)
	return string(e.Content), ok && e.Kind == KindFile
}

// Lookup is the entry at a path, through symbolic links.
func (s State) Lookup(path string) (Entry, bool) {
	path, ok := s.resolve(path, 0)
	if !ok {
		return Entry{}, false
	}
	e, ok := s.Files[path]
	return e, ok
}

func (s State) resolve(path string, depth int) (string, bool) {
	if depth > 40 {
		return "", false
	}
	at := ""
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		switch part {
		case "", ".":
			continue
		case "..":
			at = at[:max(strings.LastIndexByte(at, '/'), 0)]
			continue
		}
		next := at + "/" + part
		e, ok := s.Files[next]
		if !ok {
			return "", false
		}
		if e.Kind == KindLink {
			target := e.Target
			if !strings.HasPrefix(target, "/") {
				target = at + "/" + target
			}
			return s.resolve(strings.Join(append([]string{target}, parts[i+1:]...), "/"), depth+1)
		}
		at = next
	}
	if at == "" {
		at = "/"
	}
	return at, true
}

// Change is a difference between two states.
type Change struct {
	Path string `json:"path"`
	What string `json:"what"` // created, deleted, content, kind, mode, owner, target
}

// Diff says what changed from one state to another, sorted by path. Times are no
// difference.
func Diff(from, to State) []Change {
	var changes []Change
	paths := maps.Clone(from.Files)
	maps.Copy(paths, to.Files)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		a, was := from.Files[path]
		b, is := to.Files[path]
		note := func(differs bool, what string) {
			if differs {
				changes = append(changes, Change{Path: path, What: what})
			}
		}
		if !was || !is {
			note(!was, "created")
			note(!is, "deleted")
			continue
		}
		note(a.Kind != b.Kind, "kind")
		note(string(a.Content) != string(b.Content), "content")
		note(a.Mode != b.Mode, "mode")
		note(a.Owner != b.Owner || a.Group != b.Group, "owner")
		note(a.Target != b.Target, "target")
	}
	return changes
}
