//go:build unix

package control

import (
	"io/fs"
	"os"
	"syscall"
)

// hasModes: the mode of a folder says who may use it.
const hasModes = true

// isOwn says whether a file belongs to this user.
func isOwn(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}
