//go:build !linux

package contain

import (
	"errors"
	"os/exec"
)

// Supported says that this system can contain programs at all.
const Supported = false

// Launcher starts contained programs; on this system it cannot.
type Launcher struct {
	Self, Argument string
	Plain          bool
}

// Process is a contained program that was started.
type Process struct {
	*exec.Cmd
	Level   Level
	Refused bool
}

// Start starts no program: it could not be contained.
func (Launcher) Start(Policy, func(*exec.Cmd), func(*exec.Cmd) error, func() error) (*Process, error) {
	return nil, errors.New("only Linux can contain programs")
}

// Close does nothing.
func (*Process) Close() {}

// Launch is the launcher's main, which this system has no use for.
func Launch([]string) int { return 1 }

// Hide keeps others from looking into this process, which this system's own
// rules do.
func Hide() {}

// Shut does nothing on this system.
func Shut() {}
