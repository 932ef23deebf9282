//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package cache

import (
	"errors"
	"io/fs"
	"os"
)

// tryLock takes the lock of a file by creating another beside it. Where a
// process was killed the file stays: that segment is still read but no longer
// appended to, until somebody removes the .lock file.
func tryLock(f *os.File) (unlock func(), ok bool, err error) {
	name := f.Name() + ".lock"
	l, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, filePerm)
	if errors.Is(err, fs.ErrExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if err := l.Close(); err != nil {
		return nil, false, errors.Join(err, os.Remove(name))
	}
	return func() { _ = os.Remove(name) }, true, nil
}

// lockRange is not there: claims are given at once.
func lockRange(*os.File, int64) (ok bool, err error) { return false, errors.ErrUnsupported }

func unlockRange(*os.File, int64) {}

// syncDir does nothing: not every system can flush a folder.
func syncDir(string) error { return nil }

// inode is not known here; size and time have to do.
func inode(fs.FileInfo) uint64 { return 0 }

func isDiskFull(error) bool { return false }

func isReadOnlyFS(error) bool { return false }

func isTooManyOpen(error) bool { return false }
