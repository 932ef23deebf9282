//go:build unix

package trainer

import (
	"os/exec"
	"syscall"
)

// prepare gives a command a process group of its own.
func prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = attributes()
}

// end ends a command and its children.
func end(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Process.Kill()
}
