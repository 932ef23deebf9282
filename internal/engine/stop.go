package engine

import (
	"errors"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// errStopped ends a step because another one failed or the user said so.
var errStopped = errors.New("stopped")

// errBlocked ends a step because one that it rests on failed.
var errBlocked = errors.New("an earlier step failed")

// fail stops the build for a reason. Steps that end only because of it report
// errStopped, which never takes the reason's place.
func (b *build) fail(err error) {
	b.stop()
	b.note(err)
}

func (b *build) note(err error) { b.noteFor(nil, err) }

// noteFor notes why a step failed, which a build that keeps going tells of each.
func (b *build) noteFor(st *stepState, err error) {
	if errors.Is(err, errStopped) || errors.Is(err, errAborted) || errors.Is(err, errBlocked) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	if st != nil && st.failure == nil {
		st.failure = err
	}
}

// Failures are the errors of a build that kept going, in the order of the
// steps. There are at least two.
type Failures []error

func (f Failures) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the errors to errors.Is and errors.As.
func (f Failures) Unwrap() []error { return f }

// outcome is what the build ends with: the first error that matters, or all
// where it kept going and several steps failed. The caller holds mu.
func (b *build) outcome() error {
	var all Failures
	first := true // is none of a step
	for _, st := range b.order {
		if st.failure != nil {
			all = append(all, st.failure)
			first = first && st.failure != b.err
		}
	}
	if failed := b.assertError(); failed != nil {
		if b.err == nil {
			return failed
		}
		if all != nil && !first {
			all = append(all, failed)
		}
	}
	if len(all) < 2 || first {
		return b.err
	}
	return all
}

// cause is the first error that matters; nil if there was none.
func (b *build) cause() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// failStep ends one step, and the build too unless that keeps going: then
// what does not rest on the step is finished.
func (b *build) failStep(st *stepState, err error) {
	if !b.opts.KeepGoing || errors.As(err, new(*damagedError)) {
		b.fail(err)
		return
	}
	b.noteFor(st, err)
	st.blocked.Store(errors.Is(err, errBlocked))
	st.stopped.Store(true)
	st.flow.abort()
	for _, in := range st.Inputs { // whose writers must not wait for it
		b.states[in].flow.unbound()
	}
}

// halted says that a step must begin nothing new.
func (b *build) halted(st *stepState) bool { return st.stopped.Load() || b.stopping.Load() }

// stop lets what is in flight finish and starts nothing new. Writers that
// wait for a reader are let go.
func (b *build) stop() {
	b.stopping.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.writing {
		f.abort()
	}
}

// beginWriting lets stop know the flows that are written from now on. Where it
// came before, nothing is started.
func (b *build) beginWriting() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, st := range b.stage() {
		if !st.hit {
			b.writing = append(b.writing, st.flow)
		}
	}
}

// watchInterrupt stops the build when the user asks for it.
func (b *build) watchInterrupt() func() {
	done := make(chan struct{})
	go func() {
		select {
		case <-b.opts.Interrupt:
			b.stop()
		case <-b.ctx.Done():
			b.stop()
		case <-done:
		}
	}()
	return func() { close(done) }
}

// ending says whether rows may be cut short because the build is ending.
func (b *build) ending() bool {
	select {
	case <-b.opts.Interrupt: // the plugins may hear of it before stop does
		return true
	default:
		return b.stopping.Load() || b.ctx.Err() != nil
	}
}

// linkTwins finds steps that have their rows under the same keys: the same
// component or operations, configured alike. The later one follows the
// earlier, so that no task runs twice and which of the two runs it is
// no matter of luck.
func (b *build) linkTwins() {
	last := map[cache.Digest]*stepState{}
	for _, st := range b.stage() {
		if st.Kind == spec.DatasetStep || st.hit || b.stopping.Load() {
			continue
		}
		d := cache.Digest(st.base.Digest())
		st.twin = last[d]
		last[d] = st
		if st.twin != nil {
			st.table = st.twin.table
		} else {
			st.table = newTaskTable()
		}
	}
}

// follow waits until a step may begin beside its twin: with its tasks, once the
// twin's are all under way, since those are waited for one by one. A build
// that keeps going waits for the twin's end: were it to fail, nobody would run
// what waits for it.
func (b *build) follow(st *stepState) {
	switch {
	case st.twin == nil || st.Kind == spec.DistillStep || st.Kind == spec.EvaluationStep:
	case isSource(st.Step) || b.opts.KeepGoing:
		<-st.twin.ended
	default:
		<-st.twin.sent
	}
}

// dispatched says that all tasks of a step are under way, or will never be.
func (st *stepState) dispatched() { st.sentOnce.Do(func() { close(st.sent) }) }

// linkRoom bounds how far a step may be ahead of its reader, where exactly
// one step reads it and reads nothing else. Elsewhere a bound could deadlock;
// there the cache takes what is not read yet.
func (b *build) linkRoom() {
	readers := map[*spec.Step]int{}
	waits := map[*spec.Step]bool{} // a step after it waits for its twin
	for _, st := range b.order {
		for _, in := range st.Inputs {
			if !st.hit {
				readers[in]++
			}
		}
	}
	for i := len(b.order) - 1; i >= 0; i-- {
		if st := b.order[i]; st.twin != nil || waits[st.Step] {
			for _, in := range st.Inputs {
				waits[in] = true
			}
		}
	}
	for _, st := range b.stage() {
		if len(st.Inputs) != 1 || st.hit || st.Kind != spec.RoleStep {
			continue
		}
		room, keep := linearRoom, chunksInMemory
		if len(st.Role.Models) > 0 {
			room, keep = slowRoom, slowChunks
			st.flow.keep = keep
		}
		if in := b.states[st.Inputs[0]]; readers[in.Step] == 1 && !in.hit && !waits[in.Step] {
			in.flow.room, in.flow.keep = int64(room), min(in.flow.keep, keep)
		}
	}
}
