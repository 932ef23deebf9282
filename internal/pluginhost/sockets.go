package pluginhost

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/cache"
)

// go-plugin makes a folder for the sockets of each process, directly in the
// system's folder for temporary files: a socket's path may have only about 104
// bytes. A host that is killed leaves the folder behind, so it holds the lock of
// a file in it, which the system frees however the host ends, and the next host
// removes the folders of which nobody holds it. Folders without such a file are
// of other programs, and left alone.

const (
	socketsPrefix = "plugin-dir"
	// socketsLock begins as the sockets do, so that a plugin whose host was
	// killed clears it away with them.
	socketsLock = "plugin.lock"
)

// sockets is the folder with the sockets of one process.
type sockets struct {
	dir  string
	once sync.Once
	lock *os.File // nil: there is none
}

// holdSockets takes the lock of a folder. While the file is empty its lock may
// be about to be taken; from then on it is not.
func holdSockets(dir string) *sockets {
	s := &sockets{dir: dir}
	f, err := os.Create(filepath.Join(dir, socketsLock))
	if err != nil {
		return s
	}
	s.lock = f
	if _, ok, err := cache.TryLock(f); err == nil && ok {
		_, _ = f.WriteString("held\n") // or else nobody takes it for left behind
	}
	return s
}

// remove removes the folder. It may be called more than once, and of a nil one.
func (s *sockets) remove() {
	if s == nil {
		return
	}
	s.once.Do(func() {
		if s.lock != nil {
			_ = s.lock.Close() // not every system removes open files
		}
		removeAll(s.dir)
	})
}

// removeAll removes a folder of a process that has ended, also folders in it
// that the process has made unreadable.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() { // no link: nothing outside is touched
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(dir) // what is left is left for the system
}

// sweepSockets removes the folders that hosts left behind which were killed.
// What fails is left for the next one.
func sweepSockets(tmp string) {
	d, err := os.Open(tmp)
	if err != nil {
		return
	}
	defer func() { _ = d.Close() }()
	names, _ := d.Readdirnames(-1) // those that it could read
	for _, name := range names {
		if strings.HasPrefix(name, socketsPrefix) {
			removeLeftSockets(filepath.Join(tmp, name))
		}
	}
}

func removeLeftSockets(dir string) {
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return
	}
	f, err := os.OpenFile(filepath.Join(dir, socketsLock), os.O_RDWR, 0)
	if err != nil {
		return
	}
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		if _, ok, err := cache.TryLock(f); err == nil && ok {
			(&sockets{dir: dir, lock: f}).remove()
			return
		}
	}
	_ = f.Close()
}
