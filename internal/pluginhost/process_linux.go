package pluginhost

import "syscall"

// processAttributes give a plugin a process group of its own and have the
// kernel kill it when this process dies, however it dies.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills a process with its children.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
