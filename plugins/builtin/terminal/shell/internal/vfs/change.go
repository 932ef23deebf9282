package vfs

import (
	"slices"
	"syscall"
	"time"
)

// place finds where a new file would be, for someone who may put it there.
func (f *FS) place(w Who, name string) (*node, string, error) {
	parent, last, n, err := f.walk(w, name, false)
	switch {
	case err != nil:
		return nil, "", err
	case n != nil:
		return nil, "", syscall.EEXIST
	case parent.kind != Dir:
		return nil, "", syscall.ENOTDIR
	case !w.may(parent, 3):
		return nil, "", syscall.EACCES
	case f.files >= f.limits.Files:
		f.full("files")
		return nil, "", syscall.ENOSPC
	}
	return parent, last, nil
}

func (f *FS) add(w Who, parent *node, name string, kind Kind, mode uint32) *node {
	n := f.newNode(kind, mode, w.User, w.User)
	if parent.mode&0o2000 != 0 {
		n.group = parent.group
		if kind == Dir {
			n.mode |= 0o2000
		}
	}
	parent.children[name] = n
	f.touch(parent)
	return n
}

// Mkdir makes a folder.
func (f *FS) Mkdir(w Who, name string, mode uint32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(name) > 1 && name[len(name)-1] == '/' {
		name = name[:len(name)-1]
	}
	parent, last, err := f.place(w, name)
	if err != nil {
		return fail("mkdir", name, err)
	}
	f.add(w, parent, last, Dir, mode)
	return nil
}

// Symlink makes a symbolic link.
func (f *FS) Symlink(w Who, target, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	parent, last, err := f.place(w, name)
	if err == nil && (target == "" || len(target) > maxPath) {
		err = syscall.ENOENT
	}
	if err != nil {
		return fail("symlink", name, err)
	}
	f.add(w, parent, last, Link, 0o777).target = target
	return nil
}

// Hardlink gives a file another name.
func (f *FS) Hardlink(w Who, old, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(w, old, false)
	if err == nil && n.kind == Dir {
		err = syscall.EPERM
	}
	var parent *node
	var last string
	if err == nil {
		parent, last, err = f.place(w, name)
	}
	if err != nil {
		return fail("link", name, err)
	}
	n.links++
	parent.children[last] = n
	f.mark(n)
	f.touch(parent)
	return nil
}

// removable says why one may not take a name out of a folder.
func removable(w Who, parent, n *node) error {
	switch {
	case parent == nil:
		return syscall.EBUSY
	case !w.may(parent, 3):
		return syscall.EACCES
	case parent.mode&0o1000 != 0 && !w.Root() && w.User != n.owner && w.User != parent.owner:
		return syscall.EPERM
	}
	return nil
}

func (f *FS) drop(parent *node, name string) {
	n := parent.children[name]
	delete(parent.children, name)
	f.touch(parent)
	if n.links--; n.links == 0 {
		f.files--
		f.bytes -= int64(len(n.data))
	} else {
		f.mark(n)
	}
}

// Remove removes a file, or with dir an empty folder.
func (f *FS) Remove(w Who, name string, dir bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	parent, last, n, err := f.walk(w, name, false)
	switch {
	case err != nil:
	case n == nil:
		err = syscall.ENOENT
	case dir && n.kind != Dir:
		err = syscall.ENOTDIR
	case !dir && n.kind == Dir:
		err = syscall.EISDIR
	default:
		if err = removable(w, parent, n); err == nil && len(n.children) > 0 {
			err = syscall.ENOTEMPTY
		}
	}
	if err != nil {
		return fail("remove", name, err)
	}
	f.drop(parent, last)
	return nil
}

// holds says whether a folder is, or lies in, another.
func holds(dir, n *node) bool {
	if dir == n {
		return true
	}
	for _, c := range dir.children {
		if c.kind == Dir && holds(c, n) {
			return true
		}
	}
	return false
}

// Rename gives a file or folder another name, in the place of what had it.
func (f *FS) Rename(w Who, old, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.rename(w, old, name); err != nil {
		return fail("rename", name, err)
	}
	return nil
}

func (f *FS) rename(w Who, old, name string) error {
	from, oldLast, n, err := f.walk(w, old, false)
	if err != nil || n == nil {
		return orNotExist(err)
	}
	to, last, there, err := f.walk(w, name, false)
	if err != nil {
		return err
	}
	if there == n {
		return nil
	}
	if err := removable(w, from, n); err != nil {
		return err
	}
	if to == nil || to.kind != Dir {
		return syscall.EBUSY
	}
	if !w.may(to, 3) {
		return syscall.EACCES
	}
	if n.kind == Dir && holds(n, to) {
		return syscall.EINVAL
	}
	if there != nil {
		switch {
		case there.kind == Dir && n.kind != Dir:
			return syscall.EISDIR
		case there.kind != Dir && n.kind == Dir:
			return syscall.ENOTDIR
		case len(there.children) > 0:
			return syscall.ENOTEMPTY
		}
		if err := removable(w, to, there); err != nil {
			return err
		}
		f.drop(to, last)
	}
	delete(from.children, oldLast)
	to.children[last] = n
	f.touch(from)
	f.touch(to)
	f.markAll(n)
	return nil
}

// markAll has all paths below a moved folder count as new.
func (f *FS) markAll(n *node) {
	f.mark(n)
	for _, c := range n.children {
		f.markAll(c)
	}
}

func orNotExist(err error) error {
	if err == nil {
		return syscall.ENOENT
	}
	return err
}

// change changes a file that one owns.
func (f *FS) change(w Who, op, name string, follow bool, allowed func(*node) bool, do func(*node)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(w, name, follow)
	if err == nil && !w.Root() && !allowed(n) {
		err = syscall.EPERM
	}
	if err != nil {
		return fail(op, name, err)
	}
	do(n)
	f.mark(n)
	return nil
}

// Chmod sets a file's mode, 0 to 07777.
func (f *FS) Chmod(w Who, name string, mode uint32) error {
	owns := func(n *node) bool { return n.owner == w.User }
	return f.change(w, "chmod", name, true, owns, func(n *node) { n.mode = mode & 0o7777 })
}

// Chown sets a file's owner and group, where they are not "". Only root gives
// files away; an owner may choose a group that it is in.
func (f *FS) Chown(w Who, name, owner, group string, follow bool) error {
	allowed := func(n *node) bool {
		return n.owner == w.User && (owner == "" || owner == w.User) && (group == "" || group == w.User || slices.Contains(w.Groups, group))
	}
	return f.change(w, "chown", name, follow, allowed, func(n *node) {
		if owner != "" {
			n.owner = owner
		}
		if group != "" {
			n.group = group
		}
	})
}

// Chtimes sets when a file was changed.
func (f *FS) Chtimes(w Who, name string, at time.Time) error {
	allowed := func(n *node) bool { return n.owner == w.User || w.may(n, 2) }
	return f.change(w, "utimes", name, true, allowed, func(n *node) { n.changed = at })
}
