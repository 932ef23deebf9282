package cli

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// interrupts is the watch for signals during a build.
type interrupts struct {
	once  atomic.Bool
	twice atomic.Bool // the user does not want to wait
	asked chan bool   // to stop otherwise than by a signal; true: at once
	end   func()
}

// stop does what the first interrupt does, or with now the second.
func (i *interrupts) stop(now bool) {
	select {
	case i.asked <- now:
	default: // enough was asked
	}
}

// patience is how long a build may take to end once it was told to stop at
// once.
const patience = 10 * time.Second

// watchSignals closes the session's stop channel at the first interrupt and
// cancels the context at the second. A build that does not end then is ended
// here, after patience; its plugins' processes die with it. None of this waits for the view:
// it waits itself where nobody reads what it writes.
func (inv *invocation) watchSignals(s *session, patience time.Duration) (context.Context, *interrupts) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done, watched := make(chan struct{}), make(chan struct{})
	i := &interrupts{asked: make(chan bool, 2), end: func() { signal.Stop(signals); close(done); <-watched; cancel() }}
	go func() {
		defer close(watched)
		now := false
		select {
		case <-signals:
		case now = <-i.asked:
		case <-done:
			return
		}
		i.once.Store(true)
		s.halt()
		told := inBackground(func() {
			inv.view.Notify("Stopping", "calls in flight are finished and kept; interrupt again to stop at once")
		})
		for !now {
			select {
			case <-signals:
				now = true
			case now = <-i.asked:
			case <-done:
				<-told
				return
			}
		}
		i.twice.Store(true)
		cancel()
		select {
		case <-signals:
		case <-time.After(patience):
		case <-done:
			<-told
			return
		}
		select {
		case <-inBackground(func() { inv.view.EndProgress(); inv.view.Exit(exitInterrupted) }):
		case <-time.After(patience):
		}
		os.Exit(exitInterrupted)
	}()
	return ctx, i
}

// inBackground runs f and closes the channel when it is done.
func inBackground(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}
