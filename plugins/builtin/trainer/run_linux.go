package trainer

import (
	"os/exec"
	"runtime"
	"syscall"
)

// attributes have a command die with this process, however that ends: two trainers
// in one folder would spoil each other's checkpoints.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// start starts a command from a thread that lives as long as it does: the system
// takes the end of that thread for the parent's.
func start(cmd *exec.Cmd, done chan<- error) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	return <-started
}
