//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a program into a process group of its own, with what it starts.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends what is left of a program's process group.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // there may be nothing left
