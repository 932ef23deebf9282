package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// Options are what an Engine works with.
type Options struct {
	Recipe *spec.Recipe
	Store  *cache.Store
	Runner Runner

	// OutDir is the folder that output paths are relative to; empty is the
	// recipe's folder.
	OutDir string
	// Events is told what happens, one event at a time; it may be nil.
	Events func(Event)
	// Limit, if above 0, cuts every source off after so many rows. What is
	// made of them is cached like all else, and a later full build reuses it.
	Limit int
	// Targets, if any, are the addresses that are built, with all that they
	// rest on; nothing else is.
	Targets []string
	// Refresh are addresses of steps whose rows are made anew although the
	// cache has them, with new answers of their models.
	Refresh []string
	// KeepGoing finishes what does not rest on a failed step before the build
	// fails.
	KeepGoing bool
	// Last tells what the last build had under an address, for plans to
	// compare with; it may be nil.
	Last func(address string) (LastStep, bool)

	// Interrupt, once closed, lets what is in flight finish and starts
	// nothing new. It may be nil.
	Interrupt <-chan struct{}
}

// LastStep is a step as an earlier build left it.
type LastStep struct {
	Key cache.Digest // under which LoadStep finds its record
}

// Errors that end a build.
var (
	// ErrInterrupted means that Options.Interrupt was closed. What was
	// finished is kept.
	ErrInterrupted = errors.New("interrupted")
	// ErrTooManyFailures means that more rows failed than their step allows.
	ErrTooManyFailures = errors.New("more rows failed than allowed")
)

// Engine builds one recipe.
type Engine struct {
	opts   Options
	events sync.Mutex
}

// New gives an engine.
func New(opts Options) *Engine { return &Engine{opts: opts} }

// maxHeals bounds how often a build starts over because the cache had lost
// rows that a record promised.
const maxHeals = 8

// Build brings every step and output up to date. The summary is never nil
// and tells how far it came.
func (e *Engine) Build(ctx context.Context) (*Summary, error) {
	start := time.Now()
	var spent []StepSummary // calls of attempts that were given up
	for heals := 0; ; heals++ {
		b := e.newBuild(ctx)
		err := b.run()
		var damaged *damagedError
		if errors.As(err, &damaged) && heals < maxHeals && ctx.Err() == nil {
			e.emit(Event{Notice: &Notice{Warning: true, Summary: "Cache damage healed", Detail: damaged.Error() + "; the step that made them runs again."}})
			werr := b.withdrawDamaged()
			if werr == nil {
				spent = append(spent, b.summary().Steps...)
				continue
			}
			err = errors.Join(err, werr)
		}
		sum := b.summary()
		addCalls(sum, spent)
		sum.Seconds = time.Since(start).Seconds()
		sum.OK = err == nil
		if err != nil {
			sum.Error = err.Error()
		}
		return sum, err
	}
}

// addCalls adds the calls of attempts that were given up to a summary, so
// that totals stay exact.
func addCalls(sum *Summary, spent []StepSummary) {
	for _, s := range spent {
		for i := range sum.Steps {
			if sum.Steps[i].Address == s.Address {
				sum.Steps[i].Calls.Add(s.Calls)
				sum.Calls.Add(s.Calls)
			}
		}
	}
}

func (e *Engine) emit(ev Event) {
	if e.opts.Events == nil {
		return
	}
	e.events.Lock()
	defer e.events.Unlock()
	e.opts.Events(ev)
}

// build is one attempt at building.
type build struct {
	*Engine
	ctx    context.Context
	cancel context.CancelFunc
	states map[*spec.Step]*stepState
	order  []*stepState

	showing  bool        // rows are to be shown, not built upon
	stopping atomic.Bool // start nothing new; what is in flight goes on
	mu       sync.Mutex
	err      error // the first that matters
	outputs  map[*spec.OutputBody]*OutputSummary
}

// stepState is a step of this build.
type stepState struct {
	*spec.Step
	flow    *flow
	offline bool         // rests on the offline model
	key     cache.Digest // of the record that a hit came from
	hit     bool
	started bool
	begin   time.Time
	seconds float64

	progress // what the summary is made of
}

func (e *Engine) newBuild(ctx context.Context) *build {
	b := &build{Engine: e, states: map[*spec.Step]*stepState{}, outputs: map[*spec.OutputBody]*OutputSummary{}}
	b.ctx, b.cancel = context.WithCancel(ctx)
	for _, s := range e.opts.Recipe.Steps {
		st := &stepState{Step: s, flow: newFlow(e.opts.Store), offline: usesOffline(s)}
		st.dropped, st.failed = map[string]int64{}, map[string]int64{}
		for _, in := range s.Inputs {
			st.offline = st.offline || b.states[in].offline
		}
		b.states[s] = st
		b.order = append(b.order, st)
	}
	return b
}

// usesOffline says whether a step asks the offline model.
func usesOffline(s *spec.Step) bool {
	if s.Role == nil {
		return false
	}
	for _, m := range s.Role.Models {
		if m.Provider.Type == spec.ProviderOffline {
			return true
		}
	}
	return false
}

// run starts every step in order. A step whose input is known is looked up;
// if it is not found, or its input is still being made, it runs beside the
// others and follows its input row by row.
func (b *build) run() error {
	defer b.cancel()
	stopWatch := b.watchInterrupt()
	defer stopWatch()
	var wg sync.WaitGroup
	for _, st := range b.order {
		if st.Kind == spec.DatasetStep {
			continue
		}
		if err := b.lookUp(st); err != nil {
			b.fail(err)
			break
		}
		if st.hit {
			b.emit(Event{Finished: st.finished(StatusHit)})
		}
	}
	b.linkRoom()
	for _, st := range b.order {
		if b.stopping.Load() || st.hit {
			continue
		}
		st.started = true
		wg.Go(func() { b.runStep(st) })
	}
	wg.Wait()
	if err := b.opts.Store.Sync(); err != nil {
		b.fail(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && b.stopping.Load() {
		b.err = ErrInterrupted
	}
	return b.err
}

// runStep runs one step to its end.
func (b *build) runStep(st *stepState) {
	st.begin = time.Now()
	err := b.work(st)
	if ferr := st.flow.finish(err); err == nil {
		err = ferr
	}
	if err == nil && st.Kind != spec.DatasetStep {
		err = b.record(st)
	}
	st.seconds = time.Since(st.begin).Seconds()
	if err != nil {
		b.fail(err)
		return
	}
	if st.Kind != spec.DatasetStep {
		b.emit(Event{Finished: st.finished(st.status())})
	}
}

// work does what the kind of the step asks for. When it returns, no more
// progress is told.
func (b *build) work(st *stepState) error {
	if st.Kind == spec.DatasetStep {
		return b.runDataset(st)
	}
	b.emit(Event{Started: &StepStarted{st.Address}})
	defer b.reportProgress(st)()
	if st.Kind == spec.DistillStep {
		return b.runDistill(st)
	}
	return b.runRole(st)
}

// errStopped ends a step because another one failed or the user said so.
var errStopped = errors.New("stopped")

// fail stops the build for a reason. Steps that end only because of it report
// errStopped, which never takes the reason's place.
func (b *build) fail(err error) {
	b.stop()
	if errors.Is(err, errStopped) || errors.Is(err, errAborted) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
}

// stop lets what is in flight finish and starts nothing new. Writers that
// wait for a reader are let go.
func (b *build) stop() {
	b.stopping.Store(true)
	for _, st := range b.order {
		st.flow.abort()
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

// linkRoom bounds how far a step may be ahead of its reader, where exactly
// one step reads it and reads nothing else. Elsewhere a bound could deadlock;
// there the cache takes what is not read yet.
func (b *build) linkRoom() {
	readers := map[*spec.Step]int{}
	for _, st := range b.order {
		for _, in := range st.Inputs {
			if !st.hit {
				readers[in]++
			}
		}
	}
	for _, st := range b.order {
		if len(st.Inputs) != 1 || st.hit || st.Kind != spec.RoleStep {
			continue
		}
		if in := b.states[st.Inputs[0]]; readers[in.Step] == 1 && !in.hit {
			in.flow.room = linearRoom
		}
	}
}

// lookUp finds a step whose inputs are all known in the cache.
func (b *build) lookUp(st *stepState) error {
	for _, in := range st.Inputs {
		if !b.states[in].hit {
			return nil
		}
	}
	parts, err := b.stepParts(st)
	if err != nil {
		return err
	}
	k := cache.Digest(parts.Digest())
	rec, ok, err := getRecord[stepRecord](b.opts.Store, k)
	if err != nil || !ok {
		return err
	}
	failed := rec.failed()
	if !b.showing && (rec.Again || !allowed(st.Step, failed) || nothingWorked(st.Step, failed, rec.Tasks)) {
		return nil
	}
	f, err := openFlow(b.opts.Store, rec.Manifest, rec.Rows)
	if err != nil {
		return nil // the manifest is lost: a miss
	}
	f.known = &rec.Digest
	st.flow, st.key, st.hit = f, k, true
	st.recall(rec)
	return nil
}

// allowed says whether a step may end well with so many failed rows.
func allowed(s *spec.Step, failed int64) bool {
	return s.OnError == spec.OnErrorDrop && s.MaxFailures < 0 || failed <= int64(s.MaxFailures)
}

// nothingWorked says whether every task of a component failed, where the
// recipe names no number that may. That is no yield, however low: something is
// wrong with the endpoint or the recipe, and a build of nothing must not look
// well.
func nothingWorked(s *spec.Step, failed, tasks int64) bool {
	return s.Kind == spec.RoleStep && s.MaxFailures < 0 && failed > 0 && failed == tasks
}

// input is the ordered digest of a step's input, which must be finished.
func (b *build) input(st *stepState) cache.Digest {
	if len(st.Inputs) == 1 {
		return b.states[st.Inputs[0]].flow.sum()
	}
	var all []byte
	for _, in := range st.Inputs {
		d := b.states[in].flow.sum()
		all = append(all, d[:]...)
	}
	return cache.Sum(all)
}

func (b *build) reader(st *stepState) *reader {
	r := &reader{}
	for _, in := range st.Inputs {
		r.flows = append(r.flows, b.states[in].flow)
	}
	return r
}

func (b *build) fileDigest(path string) (cache.Digest, error) {
	d, _, err := b.opts.Store.FileDigest(path)
	return d, err
}

// withdrawDamaged makes the records of this attempt's hits misses where their
// rows cannot be read any more.
func (b *build) withdrawDamaged() error {
	for _, st := range b.order {
		if !st.hit {
			continue
		}
		r := &reader{flows: []*flow{st.flow}}
		for {
			items, err := r.next()
			if err != nil {
				if err := withdraw(b.opts.Store, st.key); err != nil {
					return err
				}
				break
			}
			if len(items) == 0 {
				break
			}
		}
	}
	return nil
}

// outDir is the folder that an output's path leads to.
func (e *Engine) outDir(path string) string {
	base := e.opts.OutDir
	if base == "" {
		base = e.opts.Recipe.Dir
	}
	return filepath.Join(base, filepath.FromSlash(path))
}

// makeDir makes a folder for an output.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("output folder: %w: choose another one with -out or path", err)
	}
	return nil
}
