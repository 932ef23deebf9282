//go:build !linux

package trainer

import "os/exec"

// start starts a command.
func start(cmd *exec.Cmd, done chan<- error) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { done <- cmd.Wait() }()
	return nil
}
