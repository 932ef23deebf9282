package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// record stores what a finished step came to.
func (b *build) record(st *stepState) error {
	if b.changedSince(st) {
		return nil
	}
	parts := b.stepParts(st)
	k := cache.Digest(parts.Digest())
	rec := &stepRecord{
		Rows: st.rowsOut, RowsIn: st.rowsIn, Tasks: st.tasks,
		Digest: st.flow.sum(), Dropped: st.dropRecords(), Failed: st.failed, Again: st.transient,
	}
	old, known, err := getRecord[stepRecord](b.opts.Store, k)
	if err != nil {
		return err
	}
	if known && old.Digest == rec.Digest && old.Again == rec.Again && !st.ranAnyhow(k) {
		st.count(func(p *progress) { p.cutOff, p.rowsHit = true, p.tasks })
	}
	// Also where nothing is new: what the old record names may be lost.
	if rec.Parts, err = b.opts.Store.PutBlob(parts.Encode()); err != nil {
		return err
	}
	if rec.Manifest, err = st.flow.manifest(); err != nil {
		return err
	}
	if rec.Trace, err = st.trace.finish(); err != nil {
		return err
	}
	if b.opts.Limit > 0 && isSource(st.Step) {
		whole, err := b.usable(st, stepKey(st.base, b.input(st), st.Role).Digest())
		if err != nil {
			return err
		}
		if whole != nil {
			rec.From = &whole.Digest
		}
	}
	st.key, st.rec = k, rec
	return putRecord(b.opts.Store, k, rec)
}

// changedSince says whether a file that a step was given is no longer what it
// was when the step's key was made. What the component read of it is not
// known then, so the step is not recorded.
func (b *build) changedSince(st *stepState) bool {
	var now key.List
	var err error
	switch {
	case st.Evaluation != nil:
		now, err = b.evaluationBase(st.Step)
	case st.Role == nil || len(st.Role.Files)+len(st.Role.Granted) == 0:
		return false
	default:
		now, err = partsOf(st.Step, st.Role, b.fileDigest)
	}
	if err == nil && now.Equal(st.base) {
		return false
	}
	b.emit(Event{Notice: &Notice{Warning: true, Address: st.Address, Summary: "A file changed while the build ran",
		Detail: "What " + st.Address + " read of it is not known, so the next build runs the step again."}})
	return true
}

// ranAnyhow says whether a step did work although it came to what was known
// already.
func (st *stepState) ranAnyhow(k cache.Digest) bool {
	switch {
	case st.sameBefore(k) != nil: // the one before it did
		return st.rowsHit < st.tasks && st.Role != nil
	case isSource(st.Step), st.refresh, st.transient:
		return true
	case st.Kind == spec.DistillStep:
		return false
	}
	return st.rowsHit < st.tasks
}

// sameBefore is the twin that left a record under a key, if one did.
func (st *stepState) sameBefore(k cache.Digest) *stepState {
	for t := st.twin; t != nil; t = t.twin {
		if t.key == k {
			return t
		}
	}
	return nil
}

func (st *stepState) dropRecords() []countRecord {
	var list []countRecord
	if st.Kind == spec.DistillStep {
		for i, op := range st.Distill {
			if n := st.dropped[opReason(op)]; n > 0 {
				list = append(list, countRecord{Op: i + 1, N: n})
			}
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(st.dropped)) {
		if slices.ContainsFunc(st.Distill, func(op *spec.Op) bool { return opReason(op) == reason }) {
			continue
		}
		list = append(list, countRecord{Reason: reason, N: st.dropped[reason]})
	}
	return list
}

// runRole runs a step's component.
func (b *build) runRole(st *stepState) error {
	if st.Role.Component.Role == schema.ThreatSource {
		return b.runSource(st)
	}
	st.trace = b.tracer(traceTasks)
	st.rows = newRowStep(b, st)
	return st.rows.run()
}

// tracer is what collects the trace of a step; a plan traces nothing.
func (b *build) tracer(kind byte) *tracer {
	if b.dry != nil {
		return nil
	}
	return &tracer{store: b.opts.Store, kind: kind}
}

// start starts a run of a component. Where its plugin refuses the
// configuration, the error carries the diagnostics.
func (b *build) start(st *stepState, body *spec.RoleBody, address, workDir string, blocks *sourceBlocks) (Run, error) {
	config, err := withFiles(body)
	if err != nil {
		return nil, err
	}
	run := RunSpec{
		Address: address, Depth: st.depth, Plugin: body.Plugin, Role: body.Component.Role, Component: body.Component.Name,
		Config: config, Models: body.Models, Seed: st.Seed, Generation: st.Generation, WorkDir: workDir, Refresh: st.refresh, RefreshMark: st.mark & ofRefresh,
	}
	run.Whole = body.Component.Grain == schema.DatasetGrain
	for _, list := range body.Files {
		for _, f := range list {
			run.Files = append(run.Files, f.Path)
		}
	}
	blocks.ask(&run)
	if st.Kind == spec.FinetuneStep {
		if err := b.tuning(st, &run); err != nil {
			return nil, err
		}
	}
	running, err := b.opts.Runner.Start(b.ctx, run)
	if err != nil {
		return nil, addressed(err, address)
	}
	if st.Kind == spec.FinetuneStep {
		running = b.endable(st, running)
	}
	return addressedRun{running, address, st}, nil
}

// addressedRun puts the step's address on the errors of a run, and takes out
// what it says of how far it is.
type addressedRun struct {
	Run
	address string
	st      *stepState
}

func (r addressedRun) Recv() (RunEvent, error) {
	for {
		ev, err := r.Run.Recv()
		if err != nil || ev.Note == nil {
			return ev, addressed(err, r.address)
		}
		r.st.mu.Lock()
		r.st.note = ev.Note
		r.st.mu.Unlock()
	}
}

func addressed(err error, address string) error {
	var e *RunError
	if errors.As(err, &e) && e.Address == "" {
		e.Address = address
	}
	return err
}

// blockColumn gives the column that stands for the block its name.
func blockColumn(r row.Row, b *spec.RoleBody) row.Row {
	if b.BlockColumn == "" {
		return r
	}
	return r.Rename(schema.BlockName, b.BlockColumn)
}

// withFiles is a component's configuration with its files filled in.
func withFiles(b *spec.RoleBody) ([]byte, error) {
	if len(b.Files) == 0 {
		return b.Config, nil
	}
	config, err := row.Parse(b.Config)
	if err != nil {
		return nil, err
	}
	for _, attr := range slices.Sorted(maps.Keys(b.Files)) {
		list, err := json.Marshal(b.Files[attr])
		if err != nil {
			return nil, err
		}
		config = config.With(attr, list)
	}
	return config.Bytes(), nil
}

// rowFailed counts a failed row and says whether the step may go on.
func (b *build) rowFailed(st *stepState, id string, rowErr *RowError) error {
	st.count(func(p *progress) {
		p.failed[rowErr.Code]++
		p.transient = p.transient || rowErr.Transient
	})
	b.emit(Event{Failed: &RowFailed{Address: st.Address, Row: id, Error: rowErr}})
	if b.dry != nil { // which counts them all
		return nil
	}
	if allowed(st.Step, st.failures()) {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", st.Address, ErrTooManyFailures, rowErr.Error())
}
