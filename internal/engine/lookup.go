package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// wanted are the steps that are to be built: the targets and what they rest
// on, or all.
func (e *Engine) wanted() ([]*spec.Step, error) {
	if len(e.opts.Targets) == 0 {
		return e.opts.Recipe.Steps, nil
	}
	want, err := e.find(e.opts.Targets, "target")
	if err != nil {
		return nil, err
	}
	var steps []*spec.Step
	for i := len(e.opts.Recipe.Steps) - 1; i >= 0; i-- {
		s := e.opts.Recipe.Steps[i]
		if !want[s] {
			continue
		}
		for _, in := range slices.Concat(s.Inputs, s.After) {
			want[in] = true
		}
		steps = append(steps, s)
	}
	slices.Reverse(steps)
	return steps, nil
}

// refreshed are the steps whose rows are made anew. The scenarios of an evaluation
// are as they are, whoever tries them again.
func (e *Engine) refreshed() (map[*spec.Step]bool, error) {
	steps, err := e.find(e.opts.Refresh, "refresh")
	maps.DeleteFunc(steps, func(s *spec.Step, _ bool) bool { return s.Kind == spec.DistillStep })
	return steps, err
}

// Covers says whether an address stands for a step: it is the step's own, that of
// the block whose for_each makes it and others, or that of the evaluation that the
// step is part of.
func Covers(address string, s *spec.Step) bool {
	if s.Address == address || strings.HasPrefix(s.Address, address+"[") {
		return true
	}
	block := EvaluationOf(s.Address)
	return block != "" && (block == address || strings.HasPrefix(block, address+"["))
}

// EvaluationOf is the address of the evaluation that a step is, or is part of; "" if
// it is part of none.
func EvaluationOf(address string) string {
	rest, ok := strings.CutPrefix(address, "evaluation.")
	if !ok {
		return ""
	}
	dot := strings.IndexByte(rest, '.')
	if dot < 0 {
		return ""
	}
	end := dot + 1 + strings.IndexAny(rest[dot+1:]+".", ".[")
	if strings.HasPrefix(rest[end:], `["`) { // a key may hold anything
		for end += len(`["`); end < len(rest) && rest[end] != '"'; end++ {
			if rest[end] == '\\' {
				end++
			}
		}
		end = min(end+len(`"]`), len(rest))
	}
	return "evaluation." + rest[:end]
}

// find gives the steps of addresses.
func (e *Engine) find(addresses []string, option string) (map[*spec.Step]bool, error) {
	found := map[*spec.Step]bool{}
	for _, a := range addresses {
		any := false
		for _, s := range e.opts.Recipe.Steps {
			if Covers(a, s) {
				found[s], any = true, true
			}
		}
		if !any {
			return nil, &UnknownAddressError{Address: a, Option: option}
		}
	}
	return found, nil
}

// prepare derives what of the keys of some steps does not depend on rows. Their
// models must be known.
func (b *build) prepare(steps []*stepState) error {
	anew := map[cache.Digest]bool{}
	for _, st := range steps {
		st.prepared = true
		if st.Kind == spec.DistillStep {
			st.base = distillBase(st.Step)
		}
		if st.Kind == spec.EvaluationStep {
			var err error
			if st.base, err = b.evaluationBase(st.Step); err != nil {
				return err
			}
		}
		if st.Role == nil {
			continue
		}
		b.giveModels(st)
		var err error
		if st.base, err = partsOf(st.Step, st.Role, b.fileDigest); err != nil {
			return fmt.Errorf("%s: %w", st.Address, err)
		}
		if st.refresh {
			anew[st.base.Digest()] = true
		}
	}
	if len(anew) == 0 {
		return nil
	}
	for _, st := range steps { // a twin has the same rows
		st.refresh = st.refresh || st.Role != nil && anew[st.base.Digest()]
		if st.refresh && st.Role != nil {
			if err := b.markRefresh(st); err != nil {
				return err
			}
		}
	}
	return nil
}

// isSource says whether a step is a threat source.
func isSource(s *spec.Step) bool {
	return s.Kind == spec.RoleStep && s.Role.Component.Role == schema.ThreatSource
}

// stepParts are the parts of a step's key. Its input must be whole.
func (b *build) stepParts(st *stepState) key.List {
	switch st.Kind {
	case spec.DistillStep:
		return distillKey(st.base, b.input(st))
	case spec.EvaluationStep:
		return b.evaluationKey(st)
	}
	parts := stepKey(st.base, b.input(st), st.Role)
	if b.opts.Limit > 0 && isSource(st.Step) {
		parts.AddInt("limit", int64(b.opts.Limit))
	}
	return parts
}

// inputWhole says whether all rows of a step's input are known.
func (b *build) inputWhole(st *stepState) bool {
	if st.Kind == spec.FinetuneStep {
		return st.feed != nil
	}
	for _, in := range st.Inputs {
		if !b.states[in].whole {
			return false
		}
	}
	return true
}

// lookUp finds a step whose input is known in the cache.
func (b *build) lookUp(st *stepState) error {
	if err := b.feedKnown(st); err != nil {
		return err
	}
	if st.refresh || !b.inputWhole(st) {
		return nil
	}
	k := cache.Digest(b.stepParts(st).Digest())
	rec, err := b.usable(st, k)
	if err != nil {
		return err
	}
	if b.opts.Limit > 0 && isSource(st.Step) {
		return b.lookUpSlice(st, k, rec)
	}
	if rec != nil {
		b.take(st, k, rec)
	}
	return nil
}

// usable gives the record under a key if a build can rest on it.
func (b *build) usable(st *stepState, k cache.Digest) (*stepRecord, error) {
	rec, ok, err := getRecord[stepRecord](b.opts.Store, k)
	if err != nil || !ok || b.dry != nil && b.dry.lost[k] {
		return nil, err
	}
	failed := rec.failed()
	if !b.showing && (rec.Again || !allowed(st.Step, failed) || nothingWorked(st.Step, failed, rec.Tasks)) {
		return nil, nil
	}
	return rec, nil
}

// take makes a step a hit, unless its rows cannot be found.
func (b *build) take(st *stepState, k cache.Digest, rec *stepRecord) {
	f, err := openLater(b.blobs(), rec.Manifest, rec.Rows)
	if err != nil {
		return // the manifest is lost: a miss
	}
	f.known = &rec.Digest
	st.flow, st.key, st.hit, st.whole = f, k, true, true
	st.recall(rec)
}

// lookUpSlice finds the first rows of a source: as they were recorded, if that
// agrees with what is known of the whole source, or cut from it.
func (b *build) lookUpSlice(st *stepState, k cache.Digest, rec *stepRecord) error {
	wholeKey := cache.Digest(stepKey(st.base, b.input(st), st.Role).Digest())
	whole, err := b.usable(st, wholeKey)
	if err != nil {
		return err
	}
	if rec != nil && (whole == nil || rec.From != nil && *rec.From == whole.Digest) {
		b.take(st, k, rec)
		return nil
	}
	if whole == nil {
		return nil
	}
	full, err := openFlow(b.blobs(), whole.Manifest, whole.Rows)
	if err != nil {
		return nil
	}
	f, err := b.cut(full, b.opts.Limit)
	if errors.As(err, new(*damagedError)) {
		return nil // the source runs
	}
	if err != nil {
		return err
	}
	// Which of the whole's failures stand before the cut is not known. None is
	// left out: a twin may allow fewer.
	slice := &stepRecord{Rows: f.rows, Digest: f.sum(), From: &whole.Digest, Dropped: whole.Dropped, Failed: whole.Failed}
	if rec != nil && rec.Digest == slice.Digest { // it was read, and counted
		slice.Dropped, slice.Failed = rec.Dropped, rec.Failed
	}
	rec = slice
	if b.dry == nil && !b.showing {
		if err := b.keepSlice(st, k, f, rec); err != nil {
			return err
		}
	}
	st.flow, st.key, st.hit, st.whole = f, k, true, true
	st.recall(rec)
	return nil
}

// cut gives the first rows of a flow.
func (b *build) cut(full *flow, rows int) (*flow, error) {
	f := newFlow(b.blobs())
	in := &reader{flows: []*flow{full}}
	for rows > 0 {
		items, err := in.next()
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			break
		}
		items = items[:min(rows, len(items))]
		rows -= len(items)
		if err := f.pass(items); err != nil {
			return nil, err
		}
	}
	return f, f.finish(nil)
}

func (b *build) keepSlice(st *stepState, k cache.Digest, f *flow, rec *stepRecord) (err error) {
	if rec.Manifest, err = f.manifest(); err != nil {
		return err
	}
	if rec.Parts, err = b.opts.Store.PutBlob(b.stepParts(st).Encode()); err != nil {
		return err
	}
	return putRecord(b.opts.Store, k, rec)
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
	switch {
	case st.feed != nil:
		return st.feed.sum()
	case st.Kind == spec.FinetuneStep:
		return cache.Digest{} // not known
	}
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
	switch {
	case st.feed != nil:
		r.flows = []*flow{st.feed}
		return r
	case st.Kind == spec.FinetuneStep:
		return r
	}
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
	return b.eachDamaged(func(st *stepState) error { return withdraw(b.opts.Store, st.key) })
}

// eachDamaged finds the hits of which some rows cannot be read.
func (b *build) eachDamaged(f func(*stepState) error) error {
	for _, st := range b.order {
		if !st.hit {
			continue
		}
		r := &reader{flows: []*flow{st.flow}}
		for {
			items, err := r.next()
			if err != nil {
				if err := f(st); err != nil {
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
