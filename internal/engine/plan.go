package engine

import (
	"context"
	"fmt"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// Plan says what Build would do, by the same look-ups and without running
// anything. Behind a step that must run, nothing is known: it may yield the
// rows that it yielded before.
func (e *Engine) Plan(ctx context.Context) (*Plan, error) {
	b := e.newBuild(ctx)
	defer b.cancel()
	plan := &Plan{Steps: []StepPlan{}, Outputs: []OutputPlan{}}
	for _, st := range b.order {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if st.Kind == spec.DatasetStep {
			if err := b.planOutputs(plan, st); err != nil {
				return nil, err
			}
			continue
		}
		if err := b.lookUp(st); err != nil {
			return nil, err
		}
		p, err := b.planStep(st)
		if err != nil {
			return nil, err
		}
		plan.Steps = append(plan.Steps, *p)
	}
	return plan, nil
}

func (b *build) planStep(st *stepState) (*StepPlan, error) {
	p := &StepPlan{Address: st.Address, Status: StatusRun}
	if st.hit {
		p.Status, p.Known, p.Reason = StatusHit, true, "in the cache"
		p.RowsIn, p.RowsOut, p.RowsHit = st.rowsIn, st.rowsOut, st.tasks
		return p, nil
	}
	if waits := b.waitsFor(st); waits != "" {
		p.Reason = inputFirst(st, waits)
		return p, nil
	}
	p.Known = true
	switch {
	case st.Kind == spec.DistillStep:
		p.Reason = "these operations have not seen this input; no model is asked"
		p.RowsIn = b.inputRows(st)
		p.RowsMiss = p.RowsIn
	case st.Role.Component.Role == schema.ThreatSource:
		p.Status, p.Reason = StatusNew, "no such source is in the cache"
	default:
		return p, b.planRows(st, p)
	}
	return p, nil
}

// waitsFor names an input that is not known yet.
func (b *build) waitsFor(st *stepState) string {
	for _, in := range st.Inputs {
		if !b.states[in].hit {
			return in.Address
		}
	}
	return ""
}

// inputFirst is the reason of a step that waits for an input, which is named
// where there are several.
func inputFirst(st *stepState, input string) string {
	if len(st.Inputs) == 1 {
		return "its input must run first"
	}
	return "its input " + input + " must run first"
}

func (b *build) inputRows(st *stepState) (n int64) {
	for _, in := range st.Inputs {
		n += b.states[in].rowsOut
	}
	return n
}

// planRows looks a step's rows up one by one.
func (b *build) planRows(st *stepState, p *StepPlan) error {
	base, err := baseParts(st.Step, b.fileDigest)
	if err != nil {
		return fmt.Errorf("%s: %w", st.Address, err)
	}
	s := &rowStep{build: b, st: st, keys: newRowKeys(base)}
	in := b.reader(st)
	for {
		items, err := in.next()
		if err != nil {
			return err
		}
		if len(items) == 0 {
			break
		}
		p.RowsIn += int64(len(items))
		for _, it := range items {
			digest := cache.Sum(s.reads(it.row))
			for sample := range max(1, st.Role.Samples) {
				rec, err := getRow(b.opts.Store, s.keys.key(digest, sample))
				if err != nil {
					return err
				}
				if rec != nil {
					p.RowsHit++
				} else {
					p.RowsMiss++
				}
			}
		}
	}
	switch {
	case p.RowsHit == 0:
		p.Status, p.Reason = StatusNew, "none of its rows is in the cache"
	case p.RowsMiss == 0:
		p.Reason = "every row is in the cache; they are put together anew"
	default:
		p.Reason = fmt.Sprintf("%d of %d rows are not in the cache", p.RowsMiss, p.RowsHit+p.RowsMiss)
	}
	return nil
}

// planOutputs looks a dataset's outputs up.
func (b *build) planOutputs(plan *Plan, st *stepState) error {
	status := StatusHit
	waits := b.waitsFor(st)
	for _, out := range st.Dataset.Outputs {
		p := OutputPlan{Address: out.Address, Path: b.outDir(out.Path), Status: StatusRun}
		if waits != "" {
			p.Reason = inputFirst(st, waits)
		} else if err := b.planOutput(st, out, &p); err != nil {
			return err
		}
		if p.Status != StatusHit {
			status = StatusRun
		}
		plan.Outputs = append(plan.Outputs, p)
	}
	step := StepPlan{Address: st.Address, Status: status, Known: waits == ""}
	step.Reason = "every output is in place"
	if waits != "" {
		step.Reason = inputFirst(st, waits)
	} else {
		step.RowsIn = b.inputRows(st)
		step.RowsOut = step.RowsIn
		if status != StatusHit {
			step.Reason = "outputs must be written"
		}
	}
	plan.Steps = append(plan.Steps, step)
	return nil
}

func (b *build) planOutput(st *stepState, out *spec.OutputBody, p *OutputPlan) error {
	parts, err := outputKey(st.Dataset, out, st.offline, b.input(st), b.fileDigest)
	if err != nil {
		return fmt.Errorf("%s: %w", out.Address, err)
	}
	rec, ok, err := getRecord[outputRecord](b.opts.Store, cache.Digest(parts.Digest()))
	switch {
	case err != nil:
		return err
	case !ok:
		p.Status, p.Reason = StatusNew, "these rows were not written in this form"
	case !b.inPlace(st, out, p.Path, rec):
		p.Reason = "its files are missing or were changed"
	default:
		p.Status, p.Reason = StatusHit, "its files are in place"
	}
	return nil
}

// NotBuiltError says that a step's rows are not in the cache.
type NotBuiltError struct{ Address string }

func (e *NotBuiltError) Error() string { return e.Address + " has not been built" }

// Rows gives the rows of a step as the last build left them: for a dataset
// those that it was made of. It runs nothing; a step that is not in the cache
// is a *NotBuiltError.
func (e *Engine) Rows(ctx context.Context, address string) (func(yield func(row.Row, error) bool), error) {
	b := e.newBuild(ctx)
	defer b.cancel()
	b.showing = true
	var found *stepState
	for _, st := range b.order {
		if st.Kind != spec.DatasetStep {
			if err := b.lookUp(st); err != nil {
				return nil, err
			}
		}
		if st.Address == address {
			found = st
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no step %s in this recipe", address)
	}
	in := &reader{flows: []*flow{found.flow}}
	if found.Kind == spec.DatasetStep {
		in = b.reader(found)
		if waits := b.waitsFor(found); waits != "" {
			return nil, &NotBuiltError{waits}
		}
	} else if !found.hit {
		return nil, &NotBuiltError{address}
	}
	return func(yield func(row.Row, error) bool) {
		for {
			items, err := in.next()
			if err != nil {
				yield(row.Row{}, err)
				return
			}
			if len(items) == 0 {
				return
			}
			for _, it := range items {
				if !yield(it.row, nil) {
					return
				}
			}
		}
	}, nil
}
