package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
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
	// cache has them, with new answers of their models. Rows that an earlier
	// build made anew for the same Refresh, but did not end well, stay.
	Refresh []string
	// KeepGoing finishes what does not rest on a failed step before the build
	// fails; if several steps did, with Failures.
	KeepGoing bool
	// Last tells what the last build had under an address, for plans to
	// compare with; it may be nil.
	Last func(address string) (LastStep, bool)
	// DecodeCall reads what a stored model call took, for the estimates of
	// plans; where it is nil they rest on what components declare.
	DecodeCall func(value []byte) (CallUsage, error)

	// Documents makes what stands beside the outputs of datasets that have a
	// card; without it nothing does.
	Documents Documenter
	// Evaluator makes the figures of evaluations, and their reports. A recipe that
	// has one needs it.
	Evaluator Evaluator

	// Interrupt, once closed, lets what is in flight finish and starts
	// nothing new. It may be nil.
	Interrupt <-chan struct{}
}

// LastStep is a step as an earlier build left it.
type LastStep struct {
	Key cache.Digest // under which LoadStep finds its record
}

// CallUsage is what a stored model call took.
type CallUsage struct {
	Model        string // the endpoint's name for the model that was asked
	InputTokens  int
	OutputTokens int
	Seconds      float64 // 0: not known
}

// Errors that end a build.
var (
	// ErrInterrupted means that Options.Interrupt was closed. What was
	// finished is kept.
	ErrInterrupted = errors.New("interrupted")
	// ErrTooManyFailures means that more rows failed than their step allows.
	ErrTooManyFailures = errors.New("more rows failed than allowed")
)

// UnknownAddressError says that Options name a step that the recipe does not
// have.
type UnknownAddressError struct {
	Address string
	Option  string // "target" or "refresh"
}

func (e *UnknownAddressError) Error() string {
	return fmt.Sprintf("-%s %s: there is no such step in this recipe", e.Option, e.Address)
}

// Engine builds one recipe.
type Engine struct {
	opts      Options
	mark      uint64                  // of this engine and the refreshes that it begins, see refreshRecord
	refreshes map[cache.Digest]uint64 // under way, by refreshKey
	events    sync.Mutex
}

// New gives an engine.
func New(opts Options) *Engine {
	return &Engine{opts: opts, mark: rand.Uint64() | 1 | 1<<32, refreshes: map[cache.Digest]uint64{}}
}

// maxHeals bounds how often a build starts over because the cache had lost
// rows that a record promised.
const maxHeals = 8

// Build brings every step and output up to date. The summary is never nil
// and tells how far it came.
func (e *Engine) Build(ctx context.Context) (*Summary, error) {
	start := time.Now()
	var spent []StepSummary // calls of attempts that were given up
	for heals := 0; ; heals++ {
		b, err := e.newBuild(ctx, nil)
		if err != nil {
			return emptySummary(err), err
		}
		err = b.run()
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
		asserts := err != nil && builtWell(err)
		if builtWell(err) {
			rerr := e.endRefreshes()
			asserts, err = asserts && rerr == nil, errors.Join(err, rerr)
		}
		sum := b.summary()
		sum.AssertsFailed = asserts
		addCalls(sum, spent)
		sum.Seconds = time.Since(start).Seconds()
		sum.OK = err == nil
		if err != nil {
			sum.Error = err.Error()
		}
		return sum, err
	}
}

// emptySummary is the outcome of a build that did not begin.
func emptySummary(err error) *Summary {
	return &Summary{Type: "summary", Steps: []StepSummary{}, Outputs: []OutputSummary{}, Error: err.Error()}
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

// emit tells an event; a plan has none.
func (b *build) emit(ev Event) {
	if b.dry == nil {
		b.Engine.emit(ev)
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

// build is one attempt at building, or the making of a plan.
type build struct {
	*Engine
	ctx    context.Context
	cancel context.CancelFunc
	states map[*spec.Step]*stepState
	order  []*stepState

	dry      *dryRun     // of a plan: nothing runs and nothing is stored
	showing  bool        // rows are to be shown, not built upon
	stopping atomic.Bool // start nothing new; what is in flight goes on
	mu       sync.Mutex
	err      error   // the first that matters
	writing  []*flow // of the steps that may start; none while steps are looked up
	outputs  map[*spec.OutputBody]*OutputSummary

	concluded map[*spec.Step]*concluded // evaluations; with mu
}

// stepState is a step of this build.
type stepState struct {
	*spec.Step
	// Role is that of the Step, with the models that were trained for it.
	Role     *spec.RoleBody
	flow     *flow
	feed     *flow        // of a finetune step: its input, once it is known
	tuned    *tunedModel  // of a finetune step that has come to its end
	prepared bool         // what does not depend on rows is known of its keys
	settled  bool         // it is a hit, or has ended
	depth    int          // steps on the longest way here from a source
	offline  bool         // rests on the offline model
	base     key.List     // the key's parts that the input is not among
	key      cache.Digest // of the record, once it was found or made
	rec      *stepRecord  // under the key; nil if it was not recorded
	trace    *tracer
	refresh  bool // stored rows do not count, but those with the mark
	mark     uint64
	twin     *stepState // an earlier step with the same rows under the same keys
	hit      bool
	whole    bool // all of its rows are known
	started  bool
	begin    time.Time
	seconds  float64

	stopped atomic.Bool   // it failed; what is in flight goes on
	failure error         // why, if the build keeps going; with build.mu
	blocked atomic.Bool   // it rests on a step that failed
	ended   chan struct{} // closed when it has run

	evaluated *Evaluation // of an evaluation, once figures or a report are made
	damage    error       // of its trials' rows; with build.mu

	rows     *rowStep // of a component that works row by row, once it runs
	table    *taskTable
	sent     chan struct{} // closed when all of its tasks are under way
	sentOnce sync.Once

	progress // what the summary is made of
}

func (e *Engine) newBuild(ctx context.Context, dry *dryRun) (*build, error) {
	steps, err := e.wanted()
	if err != nil {
		return nil, err
	}
	refresh, err := e.refreshed()
	if err != nil {
		return nil, err
	}
	b := &build{Engine: e, dry: dry, states: map[*spec.Step]*stepState{}, outputs: map[*spec.OutputBody]*OutputSummary{}, concluded: map[*spec.Step]*concluded{}}
	b.ctx, b.cancel = context.WithCancel(ctx)
	for _, s := range steps {
		st := &stepState{Step: s, Role: s.Role, flow: newFlow(b.blobs()), offline: usesOffline(s), refresh: refresh[s], ended: make(chan struct{}), sent: make(chan struct{})}
		st.dropped, st.failed = map[string]int64{}, map[string]int64{}
		for _, in := range slices.Concat(s.Inputs, s.After) {
			st.offline = st.offline || b.states[in].offline
			st.depth = max(st.depth, b.states[in].depth+1)
		}
		b.states[s] = st
		b.order = append(b.order, st)
	}
	return b, nil
}

// usesOffline says whether a step asks the offline model, or reads what a build
// wrote that did.
func usesOffline(s *spec.Step) bool {
	if s.Role == nil {
		return false
	}
	for _, m := range s.Role.Models {
		if m.Provider.Type == spec.ProviderOffline {
			return true
		}
	}
	return readsOffline(s)
}

// run starts every step in order. A step whose input is known is looked up;
// if it is not found, or its input is still being made, it runs beside the
// others and follows its input row by row.
func (b *build) run() error {
	defer b.cancel()
	stopWatch := b.watchInterrupt()
	defer stopWatch()
	defer b.reportProjection()()
	for first := true; b.runStage(first); first = false {
	}
	for _, st := range b.order { // whose models were not trained
		if !st.settled {
			close(st.ended)
			st.dispatched()
		}
	}
	if err := b.opts.Store.Sync(); err != nil {
		b.fail(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && b.stopping.Load() {
		b.err = ErrInterrupted
	}
	return b.outcome()
}

// runStage runs the steps whose models are known, and says whether any are left
// that can be run now. The first stage is all there is, unless models are trained.
func (b *build) runStage(first bool) (more bool) {
	if err := b.lookUpAll(func(st *stepState) { b.emit(Event{Finished: st.finished(StatusHit)}) }); err != nil {
		b.fail(err)
	} else if first {
		if err := b.checkForeign(); err != nil {
			b.fail(err)
		}
	}
	b.linkTwins()
	b.linkRoom()
	b.beginWriting()
	var wg sync.WaitGroup
	stage := b.stage()
	for _, st := range stage {
		st.settled = true
		if b.stopping.Load() || st.hit && st.Kind != spec.EvaluationStep || st.stopped.Load() {
			close(st.ended)
			st.dispatched()
			continue
		}
		if st.hit { // its asserts and its report are looked at all the same
			wg.Go(func() { defer close(st.ended); defer st.dispatched(); b.endEvaluation(st) })
			continue
		}
		st.started = true
		wg.Go(func() { defer close(st.ended); defer st.dispatched(); b.runStep(st) })
	}
	wg.Wait()
	return b.endStage(stage)
}

// lookUpAll finds the steps that the cache knows, in order, as far as their
// models are known, and tells of the hits.
func (b *build) lookUpAll(hit func(*stepState)) error {
	for {
		ready := b.ready()
		if len(ready) == 0 {
			return nil
		}
		if err := b.prepare(ready); err != nil {
			return err
		}
		for _, st := range ready {
			if st.Kind == spec.DatasetStep {
				continue
			}
			if err := b.lookUp(st); err != nil {
				return err
			}
			if !st.hit {
				continue
			}
			if err := b.learnTuned(st); err != nil {
				return err
			}
			hit(st)
		}
	}
}

// runStep runs one step to its end.
func (b *build) runStep(st *stepState) {
	b.follow(st)
	st.begin = time.Now()
	err := b.work(st)
	told := err
	if told != nil {
		told = errBlocked // for those who read it
	}
	if ferr := st.flow.finish(told); err == nil {
		err = ferr
	}
	if err == nil && st.Kind != spec.DatasetStep {
		if st.twin != nil {
			<-st.twin.ended // whose record comes first
		}
		err = b.record(st)
	}
	if err == nil && st.Kind == spec.EvaluationStep {
		err = b.conclude(st)
	}
	if err == nil {
		err = b.learnTuned(st)
	}
	st.seconds = time.Since(st.begin).Seconds()
	if err != nil {
		b.failStep(st, err)
		if st.rows != nil {
			st.table.release(st.rows)
		}
		return
	}
	if st.Kind != spec.DatasetStep {
		b.emit(Event{Finished: st.finished(st.status())})
	}
}

// endEvaluation ends an evaluation whose figures were known.
func (b *build) endEvaluation(st *stepState) {
	if err := b.conclude(st); err != nil {
		b.failStep(st, err)
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
	switch st.Kind {
	case spec.DistillStep:
		return b.runDistill(st)
	case spec.FinetuneStep:
		return b.runFinetune(st)
	case spec.EvaluationStep:
		return b.runEvaluation(st)
	}
	return b.runRole(st)
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
