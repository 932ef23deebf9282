//go:build !unix

package control

import "io/fs"

// hasModes: folders for temporary files are the user's own here.
const hasModes = false

func isOwn(fs.FileInfo) bool { return true }
