//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package cache

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// lockRange locks the byte at an offset of f, or reports false if another
// process has it.
func lockRange(f *os.File, at int64) (ok bool, err error) {
	err = flockByte(f, syscall.F_WRLCK, at)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return false, nil
	}
	return err == nil, err
}

func unlockRange(f *os.File, at int64) { _ = flockByte(f, syscall.F_UNLCK, at) }

func flockByte(f *os.File, how int16, at int64) error {
	for {
		lock := syscall.Flock_t{Type: how, Whence: io.SeekStart, Start: at, Len: 1}
		err := syscall.FcntlFlock(f.Fd(), setLock(), &lock)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
