//go:build unix && !linux

package pluginhost

import "syscall"

// processAttributes give a plugin a process group of its own. That this
// process has died, a plugin learns from its standard input.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// killGroup kills a process with its children.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
