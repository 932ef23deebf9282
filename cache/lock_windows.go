package cache

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"syscall"
	"unsafe"
)

// What the system says; syscall does not name these.
const (
	errorLockViolation syscall.Errno = 33
	errorHandleDisk    syscall.Errno = 39
	errorDisk          syscall.Errno = 112
	errorWriteProtect  syscall.Errno = 19
)

// tryLock takes the lock of an open file, or reports false if somebody has
// it. The system frees it when the process ends. A lock keeps others from
// reading what it covers, so it stands behind all content.
func tryLock(f *os.File) (unlock func(), ok bool, err error) {
	const at = math.MaxInt64 - 1
	if ok, err = lockRange(f, at); err != nil {
		return nil, false, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return func() { unlockRange(f, at) }, ok, nil
}

// lockRange locks the byte at an offset of f, or reports false if somebody
// else has it.
func lockRange(f *os.File, at int64) (ok bool, err error) {
	const failImmediately, exclusive = 1, 2
	o := overlapped(at)
	r, _, err := syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx").
		Call(f.Fd(), failImmediately|exclusive, 0, 1, 0, uintptr(unsafe.Pointer(o)))
	switch {
	case r != 0:
		return true, nil
	case errors.Is(err, errorLockViolation) || errors.Is(err, syscall.ERROR_IO_PENDING):
		return false, nil
	}
	return false, err
}

func unlockRange(f *os.File, at int64) {
	o := overlapped(at)
	_, _, _ = syscall.NewLazyDLL("kernel32.dll").NewProc("UnlockFileEx").
		Call(f.Fd(), 0, 1, 0, uintptr(unsafe.Pointer(o)))
}

func overlapped(at int64) *syscall.Overlapped {
	return &syscall.Overlapped{Offset: uint32(at), OffsetHigh: uint32(at >> 32)}
}

// syncDir does nothing: folders cannot be flushed here.
func syncDir(string) error { return nil }

// inode is not known here; size and time have to do.
func inode(fs.FileInfo) uint64 { return 0 }

func isDiskFull(err error) bool {
	return errors.Is(err, errorDisk) || errors.Is(err, errorHandleDisk)
}

func isReadOnlyFS(err error) bool { return errors.Is(err, errorWriteProtect) }

func isTooManyOpen(error) bool { return false }
