// Package vfs is a file system in memory: folders, files, links, devices, with
// modes, owners and times of a clock that it is given, and with limits. It is for
// the sandboxed shell; nothing in it knows of the host's files.
package vfs

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Kind is what a file is.
type Kind string

// The kinds.
const (
	File   Kind = "file"
	Dir    Kind = "dir"
	Link   Kind = "link"
	Device Kind = "device"
)

const (
	maxName  = 255
	maxPath  = 4096
	maxLinks = 40
)

// Who acts: a user and the groups it is in. root may do everything.
type Who struct {
	User   string
	Groups []string
}

// Root says whether permissions do not bind.
func (w Who) Root() bool { return w.User == "root" }

type node struct {
	kind     Kind
	mode     uint32
	owner    string
	group    string
	changed  time.Time
	data     []byte
	target   string
	device   string
	children map[string]*node
	links    int
	ino      uint64
	gen      uint64
}

// Limits bound what a file system holds.
type Limits struct {
	Bytes int64
	Files int
}

// FS is a file system. It may be used by many at once.
type FS struct {
	mu     sync.Mutex
	root   *node
	limits Limits
	bytes  int64
	files  int
	ino    uint64
	gen    uint64
	moved  int64 // bytes read from and written to devices
	now    func() time.Time
	random *rand.Rand
	full   func(what string)
}

// New makes a file system with an empty root folder. Full is told of each
// refusal for want of room, "disk" or "files", and of "steps" if more goes through
// devices than ends in a sensible time.
func New(limits Limits, seed uint64, now func() time.Time, full func(what string)) *FS {
	f := &FS{limits: limits, now: now, full: full, random: rand.New(rand.NewPCG(seed, 1))}
	f.root = f.newNode(Dir, 0o755, "root", "root")
	return f
}

func (f *FS) newNode(kind Kind, mode uint32, owner, group string) *node {
	f.ino++
	f.gen++
	f.files++
	n := &node{kind: kind, mode: mode, owner: owner, group: group, changed: f.now(), links: 1, ino: f.ino, gen: f.gen}
	if kind == Dir {
		n.children = map[string]*node{}
	}
	return n
}

func (f *FS) touch(n *node) {
	f.gen++
	n.gen = f.gen
	n.changed = f.now()
}

func (f *FS) mark(n *node) {
	f.gen++
	n.gen = f.gen
}

// Abs is the clean absolute form of a path as seen from a folder.
func Abs(dir, name string) string {
	if !strings.HasPrefix(name, "/") {
		name = dir + "/" + name
	}
	return path.Clean("/" + name)
}

func fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// may says whether one may read (4), write (2) or search (1) a node.
func (w Who) may(n *node, want uint32) bool {
	if w.Root() {
		return want&1 == 0 || n.kind == Dir || n.mode&0o111 != 0
	}
	bits := n.mode & 7
	switch {
	case n.owner == w.User:
		bits = n.mode >> 6 & 7
	case n.group == w.User || slices.Contains(w.Groups, n.group):
		bits = n.mode >> 3 & 7
	}
	return bits&want == want
}

// parts are the names in a path.
func parts(name string) []string {
	names := strings.Split(name, "/")
	return slices.DeleteFunc(names, func(part string) bool { return part == "" || part == "." })
}

// walk finds a node by an absolute path that need not be clean. Where the last
// part is not there, node is nil and parent is where it would be.
func (f *FS) walk(w Who, name string, follow bool) (parent *node, last string, n *node, err error) {
	if name == "" {
		return nil, "", nil, syscall.ENOENT
	}
	if len(name) > maxPath {
		return nil, "", nil, syscall.ENAMETOOLONG
	}
	stack := []*node{f.root}
	names := []string{"/"}
	rest := parts(name)
	mustDir := strings.HasSuffix(name, "/") || strings.HasSuffix(name, "/.")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		at := stack[len(stack)-1]
		if at.kind != Dir {
			return nil, "", nil, syscall.ENOTDIR
		}
		if !w.may(at, 1) {
			return nil, "", nil, syscall.EACCES
		}
		if part == ".." {
			if len(stack) > 1 {
				stack, names = stack[:len(stack)-1], names[:len(names)-1]
			}
			continue
		}
		if len(part) > maxName {
			return nil, "", nil, syscall.ENAMETOOLONG
		}
		final := len(rest) == 0
		next, ok := at.children[part]
		if !ok {
			if final {
				return at, part, nil, nil
			}
			return nil, "", nil, syscall.ENOENT
		}
		if next.kind == Link && (!final || follow || mustDir) {
			if links++; links > maxLinks {
				return nil, "", nil, syscall.ELOOP
			}
			if strings.HasPrefix(next.target, "/") {
				stack, names = stack[:1], names[:1]
			}
			rest = append(parts(next.target), rest...)
			continue
		}
		stack, names = append(stack, next), append(names, part)
	}
	n = stack[len(stack)-1]
	if mustDir && n.kind != Dir && n.kind != Link {
		return nil, "", nil, syscall.ENOTDIR
	}
	if len(stack) > 1 {
		parent = stack[len(stack)-2]
	}
	return parent, names[len(names)-1], n, nil
}

func (f *FS) find(w Who, name string, follow bool) (*node, error) {
	_, _, n, err := f.walk(w, name, follow)
	if err == nil && n == nil {
		err = syscall.ENOENT
	}
	return n, err
}

// Real is a path without links in it. All but the last part must be there, and
// with exists the last part too.
func (f *FS) Real(w Who, name string, exists bool) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(w, name, true)
	if err != nil && (exists || !errors.Is(err, syscall.ENOENT)) {
		return "", fail("realpath", name, err)
	}
	parent, last, _, err := f.walk(w, name, true)
	if err != nil {
		return "", fail("realpath", name, err)
	}
	if n == f.root {
		return "/", nil
	}
	return path.Join(f.pathOf(parent), last), nil
}

// pathOf searches for a folder from the root: rare enough.
func (f *FS) pathOf(dir *node) string {
	var search func(at *node, name string) string
	search = func(at *node, name string) string {
		if at == dir {
			return name
		}
		for _, child := range slices.Sorted(maps.Keys(at.children)) {
			if c := at.children[child]; c.kind == Dir {
				if found := search(c, path.Join(name, child)); found != "" {
					return found
				}
			}
		}
		return ""
	}
	return search(f.root, "/")
}

// Info describes a file.
type Info struct {
	name    string
	Kind    Kind
	Perm    uint32 // with setuid, setgid and sticky, 0 to 07777
	Owner   string
	Group   string
	Bytes   int64
	Changed time.Time
	Target  string
	Links   int
	Inode   uint64
}

func (n *node) info(name string) *Info {
	i := &Info{
		name: name, Kind: n.kind, Perm: n.mode, Owner: n.owner, Group: n.group, Bytes: int64(len(n.data)),
		Changed: n.changed, Target: n.target, Links: n.links, Inode: n.ino,
	}
	switch n.kind {
	case Dir:
		i.Bytes = 4096
		i.Links = 2
		for _, c := range n.children {
			if c.kind == Dir {
				i.Links++
			}
		}
	case Link:
		i.Bytes = int64(len(n.target))
	}
	return i
}

// Name and the methods below make an Info an fs.FileInfo.
func (i *Info) Name() string { return i.name }

// Size is the length in bytes.
func (i *Info) Size() int64 { return i.Bytes }

// ModTime is when the content was last changed.
func (i *Info) ModTime() time.Time { return i.Changed }

// IsDir says whether it is a folder.
func (i *Info) IsDir() bool { return i.Kind == Dir }

// Sys is nil: there is nothing below.
func (i *Info) Sys() any { return nil }

// Mode is the mode as Go writes it.
func (i *Info) Mode() fs.FileMode {
	m := fs.FileMode(i.Perm & 0o777)
	for bit, mode := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if i.Perm&bit != 0 {
			m |= mode
		}
	}
	switch i.Kind {
	case Dir:
		m |= fs.ModeDir
	case Link:
		m |= fs.ModeSymlink
	case Device:
		m |= fs.ModeDevice | fs.ModeCharDevice
	}
	return m
}

// Stat describes a file; with follow, what a link leads to.
func (f *FS) Stat(w Who, name string, follow bool) (*Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, last, n, err := f.walk(w, name, follow)
	if err == nil && n == nil {
		err = syscall.ENOENT
	}
	if err != nil {
		return nil, fail("stat", name, err)
	}
	return n.info(last), nil
}

// Access says whether one may do something with a file: 4 read, 2 write, 1
// execute or search.
func (f *FS) Access(w Who, name string, want uint32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(w, name, true)
	if err == nil && !w.may(n, want) {
		err = syscall.EACCES
	}
	if err != nil {
		return fail("access", name, err)
	}
	return nil
}

// List describes what is in a folder, by name.
func (f *FS) List(w Who, name string) ([]*Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(w, name, true)
	if err == nil && n.kind != Dir {
		err = syscall.ENOTDIR
	}
	if err == nil && !w.may(n, 4) {
		err = syscall.EACCES
	}
	if err != nil {
		return nil, fail("open", name, err)
	}
	var infos []*Info
	for _, child := range slices.Sorted(maps.Keys(n.children)) {
		infos = append(infos, n.children[child].info(child))
	}
	return infos, nil
}

// Usage is how many bytes and files there are.
func (f *FS) Usage() (bytes int64, files int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes, f.files
}

// Limits are the limits that New was given.
func (f *FS) Limits() Limits { return f.limits }
