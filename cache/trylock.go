package cache

import "os"

// TryLock takes the lock of an open file for this process, or reports false
// if somebody has it: another process, or another open of it in this one. The
// system frees it when the process ends, however it ends.
func TryLock(f *os.File) (unlock func(), ok bool, err error) { return tryLock(f) }
