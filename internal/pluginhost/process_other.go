//go:build !unix

package pluginhost

import "syscall"

// processAttributes are the system's own.
func processAttributes() *syscall.SysProcAttr { return nil }

// killGroup has no meaning here; the process itself is killed by its handle.
func killGroup(int) {}
