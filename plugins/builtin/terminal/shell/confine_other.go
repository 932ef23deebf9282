//go:build !unix

package shell

import "errors"

// confine fails: the interpreter takes paths for the host's, which begin otherwise
// here.
func confine(Limits) error { return errors.New("the terminal needs Linux, macOS or another Unix") }
