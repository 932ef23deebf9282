package vfs

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Entry is a file with its content, outside of a file system.
type Entry struct {
	Kind    Kind      `json:"kind"`
	Mode    uint32    `json:"mode"` // 0 to 07777
	Owner   string    `json:"owner"`
	Group   string    `json:"group"`
	Changed time.Time `json:"changed"`          // by the file system's clock
	Target  string    `json:"target,omitempty"` // of a link; a device's name
	Content []byte    `json:"content,omitempty"`
	Inode   uint64    `json:"inode"` // one number for all names of a file
}

// Since tells the files that changed since a generation, the paths of all files,
// and the generation now. What is told of content is shared, so it must not be
// changed.
func (f *FS) Since(gen uint64) (changed map[string]Entry, all []string, now uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed = map[string]Entry{}
	var visit func(name string, n *node)
	visit = func(name string, n *node) {
		all = append(all, name)
		if n.gen > gen {
			e := Entry{Kind: n.kind, Mode: n.mode, Owner: n.owner, Group: n.group, Changed: n.changed, Target: n.target, Inode: n.ino}
			if n.kind == Device {
				e.Target = n.device
			}
			e.Content = slices.Clone(n.data)
			changed[name] = e
		}
		for _, child := range slices.Sorted(maps.Keys(n.children)) {
			visit(path.Join(name, child), n.children[child])
		}
	}
	visit("/", f.root)
	return changed, all, f.gen
}

// Put puts a file there as it is, with the folders above it, whatever the limits
// and permissions.
func (f *FS) Put(name string, e Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.root
	parts := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	if parts[0] == "" {
		f.fill(at, e)
		return
	}
	for i, part := range parts {
		next := at.children[part]
		if next != nil && next.kind == Link && i < len(parts)-1 {
			if _, _, to, err := f.walk(Who{User: "root"}, "/"+strings.Join(parts[:i+1], "/"), true); err == nil && to != nil {
				next = to
			}
		}
		if next == nil || (i < len(parts)-1 && next.kind != Dir) {
			next = f.newNode(Dir, 0o755, at.owner, at.group)
			at.children[part] = next
		}
		at = next
	}
	f.fill(at, e)
}

func (f *FS) fill(n *node, e Entry) {
	f.bytes += int64(len(e.Content)) - int64(len(n.data))
	f.mark(n)
	n.kind, n.mode, n.owner, n.group, n.changed = e.Kind, e.Mode, e.Owner, e.Group, e.Changed
	n.data, n.target, n.device = slices.Clone(e.Content), "", ""
	switch e.Kind {
	case Dir:
		if n.children == nil {
			n.children = map[string]*node{}
		}
		return
	case Link:
		n.target = e.Target
	case Device:
		n.device = e.Target
	}
	n.children = nil
}

// Load makes the file system hold just those files.
func (f *FS) Load(files map[string]Entry) {
	f.mu.Lock()
	f.bytes, f.files = 0, 0
	f.root = f.newNode(Dir, 0o755, "root", "root")
	f.mu.Unlock()
	first := map[uint64]string{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		e := files[name]
		if other, ok := first[e.Inode]; ok && e.Inode != 0 && e.Kind != Dir {
			if f.Hardlink(Who{User: "root"}, other, name) == nil {
				continue
			}
		}
		first[e.Inode] = name
		f.Put(name, e)
	}
}

// Size is the number of bytes of a file's content.
func (e Entry) Size() int { return len(e.Content) }

// SHA256 is the hex digest of a file's content.
func (e Entry) SHA256() string {
	sum := sha256.Sum256(e.Content)
	return hex.EncodeToString(sum[:])
}
