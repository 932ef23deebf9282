//go:build darwin || linux

package cache

import "runtime"

// setLock is F_OFD_SETLK, which syscall does not name: a lock of the open
// file, so that two stores in one process exclude each other as two processes
// do, and closing another handle of the file lets go of nothing.
func setLock() int {
	if runtime.GOOS == "darwin" {
		return 90
	}
	return 37
}
