package engine

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// stepParts are the parts of a step's key. Its input must be finished.
func (b *build) stepParts(st *stepState) (key.List, error) {
	if st.Kind == spec.DistillStep {
		return distillKey(st.Step, b.input(st)), nil
	}
	base, err := baseParts(st.Step, b.fileDigest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.Address, err)
	}
	return stepKey(base, b.input(st), st.Role), nil
}

// record stores what a finished step came to.
func (b *build) record(st *stepState) error {
	parts, err := b.stepParts(st)
	if err != nil {
		return err
	}
	k := cache.Digest(parts.Digest())
	rec := &stepRecord{
		Rows: st.rowsOut, RowsIn: st.rowsIn, Tasks: st.tasks,
		Digest: st.flow.sum(), Dropped: st.dropRecords(), Failed: st.failed, Again: st.transient,
	}
	old, known, err := getRecord[stepRecord](b.opts.Store, k)
	if err != nil {
		return err
	}
	if known && old.Digest == rec.Digest && old.Again == rec.Again {
		st.cutOff = !rec.Again && !st.ranAnyhow()
	}
	// Also where nothing is new: what the old record names may be lost.
	if rec.Parts, err = b.opts.Store.PutBlob(parts.Encode()); err != nil {
		return err
	}
	if rec.Manifest, err = st.flow.manifest(); err != nil {
		return err
	}
	return putRecord(b.opts.Store, k, rec)
}

// ranAnyhow says whether a component worked although it came to what was
// known already.
func (st *stepState) ranAnyhow() bool {
	return st.Kind == spec.RoleStep && (st.Role.Component.Role == schema.ThreatSource || st.rowsHit < st.tasks)
}

func (st *stepState) dropRecords() []countRecord {
	var list []countRecord
	if st.Kind == spec.DistillStep {
		for i, op := range st.Distill {
			if n := st.dropped[opReason(op)]; n > 0 {
				list = append(list, countRecord{Op: i + 1, N: n})
			}
		}
		return list
	}
	for _, reason := range sortedKeys(st.dropped) {
		list = append(list, countRecord{Reason: reason, N: st.dropped[reason]})
	}
	return list
}

// runRole runs a step's component.
func (b *build) runRole(st *stepState) error {
	base, err := baseParts(st.Step, b.fileDigest)
	if err != nil {
		return fmt.Errorf("%s: %w", st.Address, err)
	}
	if st.Role.Component.Role == schema.ThreatSource {
		return b.runSource(st)
	}
	s := &rowStep{
		build: b, st: st, keys: newRowKeys(base),
		seq:     newSequencer(maxOpenRows),
		pending: map[uint64]pendingTask{},
		places:  make(chan struct{}, inFlightLimit(st.Role)),
		samples: max(1, st.Role.Samples),
	}
	return s.run()
}

// start starts a run of a component. Where its plugin refuses the
// configuration, the error carries the diagnostics.
func (b *build) start(st *stepState, body *spec.RoleBody, address, workDir string) (Run, error) {
	config, err := withFiles(body)
	if err != nil {
		return nil, err
	}
	run, err := b.opts.Runner.Start(b.ctx, RunSpec{
		Address: address, Plugin: body.Plugin, Role: body.Component.Role, Component: body.Component.Name,
		Config: config, Models: body.Models, Seed: st.Seed, Generation: st.Generation, WorkDir: workDir,
	})
	if err != nil {
		return nil, addressed(err, address)
	}
	return addressedRun{run, address}, nil
}

// addressedRun puts the step's address on the errors of a run.
type addressedRun struct {
	Run
	address string
}

func (r addressedRun) Recv() (RunEvent, error) {
	ev, err := r.Run.Recv()
	return ev, addressed(err, r.address)
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
	for _, attr := range sortedKeys(b.Files) {
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
	if allowed(st.Step, st.failures()) {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", st.Address, ErrTooManyFailures, rowErr.Error())
}
