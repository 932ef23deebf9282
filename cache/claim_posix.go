//go:build dragonfly || freebsd || netbsd || openbsd

package cache

import "syscall"

// setLock is the lock of a process. Two stores of one folder in a process do
// not exclude each other here.
func setLock() int { return syscall.F_SETLK }
