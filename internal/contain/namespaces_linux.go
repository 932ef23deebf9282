package contain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cloneFlags are the namespaces of a contained program. Its forks end with it,
// since it is the first process of its own.
const cloneFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC

// launcherCaps are what the launcher needs in its own user namespace, until it
// becomes the program.
func launcherCaps() []uintptr {
	return []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SETPCAP, unix.CAP_SYS_CHROOT}
}

// systemFolders are what programs and interpreters are made of.
func systemFolders() []string {
	return []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"}
}

// systemFiles are what libraries look up: the linker's cache, certificates,
// time zones, names. Nothing in them is secret; /etc as a whole is.
func systemFiles() []string {
	return []string{
		"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
		"/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ssl/cert.pem", "/etc/pki/tls", "/etc/pki/ca-trust", "/etc/ca-certificates",
		"/etc/localtime", "/etc/timezone", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/mime.types",
		"/etc/services", "/etc/protocols",
	}
}

// hostsFile is where names of granted places lead to the forwarder.
const hostsFile = "/etc/hosts"

func devices() []string {
	return []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}
}

// enter makes this process's namespaces fit for the program.
func enter(o *order) error {
	if err := mapUser(o.UID, o.GID); err != nil {
		return err
	}
	if err := forward(o.Net); err != nil {
		return err
	}
	r := root{filepath.Join(o.Base, rootFolder)}
	if err := r.build(&o.Policy); err != nil {
		return err
	}
	return r.pivot()
}

// mapUser has the user and group be in the namespace what they are outside.
// The process does it itself: who started it may not be looked into, and so
// cannot write these files.
func mapUser(uid, gid int) error {
	for _, f := range []struct{ name, text string }{
		{"setgroups", "deny"},
		{"uid_map", fmt.Sprintf("%d %d 1", uid, uid)},
		{"gid_map", fmt.Sprintf("%d %d 1", gid, gid)},
	} {
		if err := os.WriteFile("/proc/self/"+f.name, []byte(f.text), 0); err != nil {
			return err
		}
	}
	return nil
}

// root is a root folder in the making.
type root struct{ at string }

// build makes a file system of what the program may see.
func (r root) build(p *Policy) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount /: %w", err)
	}
	if err := unix.Mount("tmpfs", r.at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=4m,mode=0755"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	for _, path := range slices.Concat(systemFolders(), systemFiles()) {
		if err := r.expose(path, readOnly); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, path := range devices() {
		if err := r.expose(path, device); err != nil {
			return err
		}
	}
	reads := append(fewer(p.Read), p.Path)
	slices.SortFunc(reads, func(a, b string) int { return len(a) - len(b) }) // folders before what is in them
	for _, path := range reads {
		if err := r.expose(path, readOnly); err != nil {
			return err
		}
	}
	for _, path := range append(slices.Clone(p.Write), p.Base) {
		if err := r.expose(path, writable); err != nil {
			return err
		}
	}
	if err := r.hosts(p.Net); err != nil {
		return err
	}
	proc := filepath.Join(r.at, "proc")
	if err := os.Mkdir(proc, 0o555); err != nil {
		return err
	}
	// A container that hides a part of /proc does not let it be mounted anew.
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// maxMounts is how many paths are mounted one by one; a kernel has a limit, and
// each takes time.
const maxMounts = 256

// fewer gives folders in place of very many paths. What else is in them can then
// be seen, and Landlock keeps it from being read.
func fewer(paths []string) []string {
	list := slices.Clone(paths)
	for len(list) > maxMounts {
		for i, path := range list {
			list[i] = filepath.Dir(path)
		}
		slices.Sort(list)
		list = slices.Compact(list)
	}
	return list
}

// hosts writes names of granted places, unless a granted folder has it.
func (r root) hosts(targets []Target) error {
	text := "127.0.0.1 localhost\n"
	for name, address := range addresses(targets) {
		text += address + " " + name + "\n"
	}
	file := filepath.Join(r.at, hostsFile)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// How a path is made visible.
type access int

const (
	readOnly access = iota
	writable
	device
)

// maxLinks bounds the symbolic links on the way to a path.
const maxLinks = 40

// expose makes a path visible where it is, with the symbolic links on its way.
func (r root) expose(path string, how access) error {
	for range maxLinks {
		next, err := r.step(path, how)
		if err != nil || next == "" {
			return err
		}
		path = next
	}
	return fmt.Errorf("%s: %w", path, unix.ELOOP)
}

// step goes down a path to its end or to the first symbolic link, of which it
// makes another and tells where it leads.
func (r root) step(path string, how access) (next string, err error) {
	parts := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for i := range parts {
		at := "/" + filepath.Join(parts[:i+1]...)
		info, err := os.Lstat(at)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		to, err := os.Readlink(at)
		if err != nil {
			return "", err
		}
		link := filepath.Join(r.at, at)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return "", err
		}
		if err := os.Symlink(to, link); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, unix.EROFS) {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(at), to)
		}
		return filepath.Join(append([]string{to}, parts[i+1:]...)...), nil
	}
	return "", r.bind(filepath.Clean(path), how)
}

// bind makes a path visible that no symbolic link is on.
func (r root) bind(path string, how access) error {
	to := filepath.Join(r.at, path)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if there, err := os.Lstat(to); err == nil && how == readOnly && os.SameFile(info, there) {
		return nil // with a folder above it
	} else if err != nil {
		if err := makePoint(to, info.IsDir()); err != nil {
			return err
		}
	}
	flags := uintptr(unix.MS_BIND | unix.MS_REC)
	if how == writable {
		flags = unix.MS_BIND // it is fresh: nothing is mounted in it but, in one, this root
	}
	if err := unix.Mount(path, to, "", flags, ""); err != nil {
		return fmt.Errorf("mount %s: %w", path, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if how == readOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("mount %s: %w", path, err)
	}
	return nil
}

// makePoint makes what a path is mounted on.
func makePoint(path string, folder bool) error {
	if folder {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// pivot makes the folder the root, of which nothing leads out.
func (r root) pivot() error {
	if err := os.Chdir(r.at); err != nil {
		return err
	}
	if err := syscall.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("umount: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	return unix.MountSetattr(unix.AT_FDCWD, "/", 0, &attr)
}
