package pluginhost

import (
	"os/exec"
	"runtime"
	"sync"
)

// starter starts processes from one thread that lives as long as the Host.
// Linux kills a child when the thread that started it ends, not the process,
// so that the thread must be kept.
type starter struct {
	once sync.Once
	jobs chan func()
	done chan struct{}
}

func newStarter() *starter {
	return &starter{jobs: make(chan func()), done: make(chan struct{})}
}

// start starts a command.
func (s *starter) start(cmd *exec.Cmd) error {
	s.once.Do(func() { go s.loop() })
	result := make(chan error, 1)
	select {
	case s.jobs <- func() { result <- cmd.Start() }:
		return <-result
	case <-s.done:
		return errClosed
	}
}

func (s *starter) loop() {
	runtime.LockOSThread() // and never unlocked: the thread ends with the loop
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-s.done:
			return
		}
	}
}

// close ends the thread, and on Linux with it what it started.
func (s *starter) close() { close(s.done) }
