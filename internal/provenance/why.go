package provenance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// Question is what Why is asked.
type Question struct {
	Recipe  *spec.Recipe
	Plan    *engine.Plan
	Last    *Build // nil: nothing was built
	Address string
	Row     string // id; "" asks about the step
}

// Why compares what a step would be made of now with what it was made of in
// the last build that finished it. Where nothing is to be done, it compares
// that build with the one before in which the step's key was another.
func Why(ctx context.Context, store *cache.Store, q Question) (*WhyReport, error) {
	i := slices.IndexFunc(q.Plan.Steps, func(p engine.StepPlan) bool { return p.Address == q.Address })
	if i < 0 {
		return nil, fmt.Errorf("the plan has no step %s", q.Address)
	}
	p := q.Plan.Steps[i]
	w := &why{ctx: ctx, store: store, WhyReport: &WhyReport{
		Address: q.Address, Pending: p.Status != engine.StatusHit, Status: p.Status, Reason: p.Reason, Parts: []PartDiff{},
	}}
	w.after = planned(ctx, store, q.Recipe, q.Plan)
	h := newHistory(store, q.Last)
	w.chooseBefore(h)
	if h.err != nil {
		return nil, h.err
	}
	w.compareStep()
	if err := w.compareInput(); err != nil {
		return nil, err
	}
	w.findCauses()
	w.explainInput()
	if q.Row != "" {
		w.prices = pricesOf(h.builds...)
		row, err := w.row(q.Row)
		if err != nil {
			return nil, err
		}
		w.Row = row
	}
	return w.WhyReport, nil
}

// why is a Why at work.
type why struct {
	*WhyReport
	ctx           context.Context
	store         *cache.Store
	before, after *state // before is nil where there is none
	prices        prices
}

func (w *why) note(format string, args ...any) {
	w.Notes = append(w.Notes, fmt.Sprintf(format, args...))
}

// chooseBefore picks the builds that are compared.
func (w *why) chooseBefore(h *history) {
	now := w.after.nodes[w.Address].identity()
	n := 0
	var found *node
	for ; h.at(n) != nil; n++ {
		if nd := stateOf(w.ctx, w.store, h.at(n)).finished(w.Address); nd != nil {
			found = nd
			break
		}
	}
	if found == nil {
		w.note("No build of this recipe has finished this step before.")
		return
	}
	if w.Pending || found.identity() != now {
		if !w.Pending {
			w.note("What it would make now was made before and is still in the cache.")
		}
		w.before = stateSince(w.ctx, h, n)
		ref := h.at(n).Ref()
		w.Before = &ref
		return
	}
	told := false
	for m := n + 1; h.at(m) != nil; m++ {
		nd := stateOf(w.ctx, w.store, h.at(m)).finished(w.Address)
		switch {
		case nd == nil:
			continue
		case nd.identity() == now:
			if found.wrote() && found.kind == spec.DatasetStep && !told {
				w.note("Build %s wrote the same again: an output was missing, changed or in another place.", h.at(n).ID)
				told = true
			}
			n, found = m, nd
			continue
		}
		w.before, w.after = stateSince(w.ctx, h, m), stateSince(w.ctx, h, n)
		before, after := h.at(m).Ref(), h.at(n).Ref()
		w.Before, w.After = &before, &after
		return
	}
	w.note("It was first made in build %s; there is nothing before to compare with.", h.at(n).ID)
	w.before = stateSince(w.ctx, h, n)
}

// finished is a step that the state has whole; nil if it has not.
func (s *state) finished(address string) *node {
	nd := s.nodes[address]
	switch {
	case nd == nil:
		return nil
	case nd.kind == spec.DatasetStep && len(nd.outputs) == 0, nd.kind != spec.DatasetStep && nd.key == (cache.Digest{}):
		return nil
	}
	return nd
}

// wrote says whether an output of a dataset was written.
func (nd *node) wrote() bool {
	return slices.ContainsFunc(nd.outputs, func(o *output) bool { return o.status != engine.StatusHit })
}

// identity is the key of a step; of a dataset the keys of its outputs.
func (nd *node) identity() cache.Digest {
	if nd.kind != spec.DatasetStep {
		return nd.key
	}
	var all []byte
	for _, o := range nd.outputs {
		all = append(all, o.key[:]...)
	}
	return cache.Sum(all)
}

// compareStep compares the step's own parts, or those of its outputs.
func (w *why) compareStep() {
	nd := w.after.nodes[w.Address]
	if nd.kind == spec.DatasetStep {
		w.compareOutputs(nd)
		return
	}
	if w.before == nil {
		return
	}
	diffs, same, ok := w.partsDiff(w.Address)
	if !ok {
		w.note("The parts of the step's key in build %s are no longer in the cache.", w.before.build.ID)
		return
	}
	w.Parts, w.Same = append(w.Parts, diffs...), same
	if nd.kind == spec.EvaluationStep && w.After == nil && nd.wrote() {
		w.compareOutputs(nd)
	}
}

// partsDiff compares a step's parts before and after: all of them, or, where
// its input is not known, those that do not depend on it.
func (w *why) partsDiff(address string) (diffs []PartDiff, same int, ok bool) {
	baseA, partsA := w.before.partsOf(address)
	baseB, partsB := w.after.partsOf(address)
	ok = partsA != nil && partsB != nil
	if ok {
		diffs, same = diffParts(partsA, partsB)
	} else {
		diffs, same = diffParts(baseA, baseB)
		ok = baseA != nil && baseB != nil
	}
	for i := range diffs {
		if diffs[i].Kind == PartCode {
			diffs[i].Before = versioned(diffs[i].Before, w.before.nodes[address])
			diffs[i].After = versioned(diffs[i].After, w.after.nodes[address])
		}
	}
	return diffs, same, ok
}

// versioned adds the plugin's version to what of its code stands in keys.
func versioned(code string, nd *node) string {
	if code == "" || nd == nil || nd.version == "" {
		return code
	}
	return "version " + nd.version + ", " + code
}

func (w *why) compareOutputs(nd *node) {
	old := map[string]*output{}
	if w.before != nil && w.before.nodes[w.Address] != nil {
		for _, o := range w.before.nodes[w.Address].outputs {
			old[o.path] = o
		}
	}
	for _, o := range nd.outputs {
		out := OutputWhy{Address: o.address, Path: o.path, Status: o.status, Reason: o.reason}
		was := old[o.path]
		if was != nil {
			a, okA := w.outputParts(was)
			b, okB := w.outputParts(o)
			if okA && okB {
				if _, whole := part(b, inputPart); !whole {
					a = baseOf(a)
				}
				out.Parts, _ = diffParts(a, b)
			}
		}
		w.Outputs = append(w.Outputs, out)
	}
}

func (w *why) outputParts(o *output) (key.List, bool) {
	if o.parts != nil {
		return o.parts, true
	}
	return loadParts(w.store, o.key)
}

// compareInput compares the rows that the step takes.
func (w *why) compareInput() error {
	if w.before == nil || w.before.nodes[w.Address] == nil || len(w.after.nodes[w.Address].inputs) == 0 {
		return nil
	}
	a, errA := w.before.input(w.Address)
	b, errB := w.after.input(w.Address)
	for _, err := range []error{errA, errB} {
		if err == nil {
			continue
		}
		why, ok := unreadable(err)
		if !ok {
			return err
		}
		w.Input = &RowsDiff{Unknown: why}
		return nil
	}
	if a.equal(b) {
		return nil
	}
	d, err := diffRows(w.ctx, a, b)
	if err != nil {
		why, ok := unreadable(err)
		if !ok {
			return err
		}
		d = &RowsDiff{Before: a.len(), After: b.len(), Unknown: why}
	}
	w.Input = d
	return nil
}

// findCauses walks up from the step to those whose own parts differ. Above a
// step whose input is the same nothing can be the cause.
func (w *why) findCauses() {
	if w.before == nil {
		return
	}
	type place struct {
		address string
		via     []string
	}
	queue := []place{}
	seen := map[string]bool{w.Address: true}
	up := func(from string, via []string) {
		above := w.after.nodes[from].after
		if !w.inputSame(from) {
			above = slices.Concat(w.after.nodes[from].inputs, above)
		}
		for _, in := range above {
			if !seen[in] && w.after.nodes[in] != nil {
				seen[in] = true
				queue = append(queue, place{in, via})
			}
		}
	}
	for up(w.Address, []string{}); len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		if w.before.nodes[p.address] == nil {
			w.Causes = append(w.Causes, Cause{Address: p.address, Via: p.via, New: true, Parts: []PartDiff{}})
			continue
		}
		if diffs := w.ownDiff(p.address); len(diffs) > 0 {
			w.Causes = append(w.Causes, Cause{Address: p.address, Via: p.via, Parts: diffs})
		}
		up(p.address, append([]string{p.address}, p.via...))
	}
}

// ownDiff are the parts of a step that differ, but for its input.
func (w *why) ownDiff(address string) []PartDiff {
	diffs, _, ok := w.partsDiff(address)
	if !ok {
		return nil
	}
	return slices.DeleteFunc(diffs, func(d PartDiff) bool { return d.Kind == PartInput })
}

// inputSame says whether a step's input is known to be as before.
func (w *why) inputSame(address string) bool {
	_, a := w.before.partsOf(address)
	_, b := w.after.partsOf(address)
	x, okA := part(a, inputPart)
	y, okB := part(b, inputPart)
	return okA && okB && x == y
}

// explainInput says what parts cannot: another step feeds this one, or rows
// differ without any setting that does.
func (w *why) explainInput() {
	if w.before == nil {
		return
	}
	nd, old := w.after.nodes[w.Address], w.before.nodes[w.Address]
	if old != nil && !slices.Equal(nd.inputs, old.inputs) {
		w.note("It takes the rows of %s; before it took those of %s.", listed(nd.inputs), listed(old.inputs))
		return
	}
	differs := slices.ContainsFunc(w.Parts, func(p PartDiff) bool { return p.Name == inputPart })
	if differs && len(w.Causes) == 0 {
		w.note("No setting upstream differs: rows that had failed were made, or steps were refreshed.")
	}
}

func listed(addresses []string) string {
	if len(addresses) == 0 {
		return "no step"
	}
	return strings.Join(addresses, ", ")
}
