package provenance

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// maxTasks bounds the tasks of a row that are told of.
const maxTasks = 20

// place is a row of a step's input at one time.
type place struct {
	row    row.Row
	pos    int64
	sample int // that is asked about; -1: all
	found  bool
}

// row says why a row of the step runs, or ran. The id may be that of a row
// that the step takes, or of one that it gives.
func (w *why) row(id string) (*RowWhy, error) {
	out := &RowWhy{ID: id, Input: id, Tasks: []TaskWhy{}}
	b, err := w.place(w.after, id, out, &out.AfterUnknown)
	if err != nil {
		return nil, err
	}
	var a place
	if w.before != nil && w.before.nodes[w.Address] != nil {
		if a, err = w.place(w.before, id, out, &out.BeforeUnknown); err != nil {
			return nil, err
		}
	}
	out.Before, out.After = a.found, b.found
	if !a.found && !b.found {
		if out.BeforeUnknown || out.AfterUnknown { // it may be there
			return out, nil
		}
		return nil, &NoRowError{w.Address, id}
	}
	nd := w.after.nodes[w.Address]
	baseA, baseB := w.bases()
	out.BaseChanged = baseA != nil && baseB != nil && !baseA.Equal(baseB)
	if nd.kind != spec.RoleStep || len(nd.inputs) == 0 {
		if a.found && b.found {
			out.Columns = diffJSON(a.row.Bytes(), b.row.Bytes())
		}
		return out, w.outcomes(out, a, b)
	}
	w.reads(out, baseA, baseB, a, b)
	return out, w.tasks(out, baseA, baseB, a, b)
}

// bases are the step's own parts before and after; nil where not known.
func (w *why) bases() (a, b key.List) {
	if w.before != nil {
		a, _ = w.before.partsOf(w.Address)
	}
	b, _ = w.after.partsOf(w.Address)
	return a, b
}

// place finds the row of a step's input that an id stands for. What cannot be
// read is a note.
func (w *why) place(s *state, id string, out *RowWhy, unknown *bool) (place, error) {
	p, err := s.place(w.Address, id)
	if why, told := unreadable(err); told {
		*unknown = true
		when := "Now"
		if s.build != nil {
			when = "In build " + s.build.ID
		}
		out.Notes = append(out.Notes, fmt.Sprintf("%s: %s.", when, why))
		return place{}, nil
	}
	if p.found {
		out.Input = p.row.String("id")
	}
	return p, err
}

func (s *state) place(address, id string) (place, error) {
	read := s.input
	if s.isSource(address) {
		read = s.output
	}
	t, err := read(address)
	if err != nil {
		return place{}, err
	}
	pos, r, matches, err := t.find(s.ctx, id)
	if err != nil || matches > 0 {
		return place{r, pos, -1, matches > 0}, err
	}
	// Of what the step gave, the task tells the input row; what it did not
	// give has the id that it would have had.
	if nd := s.nodes[address]; nd.kind == spec.RoleStep && !s.isSource(address) {
		if p, ok, err := s.placeOfOutput(address, id, t); err != nil || ok {
			return p, err
		}
	}
	parent, number, ok := cutLast(id)
	if !ok {
		return place{}, nil
	}
	pos, r, matches, err = t.find(s.ctx, parent)
	return place{r, pos, number, matches > 0}, err
}

// cutLast takes the last number off an id.
func cutLast(id string) (parent string, number int, ok bool) {
	i := strings.LastIndexByte(id, '.')
	if i <= 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(id[i+1:], 10, 31)
	return id[:i], int(n), err == nil
}

func (s *state) placeOfOutput(address, id string, input table) (place, bool, error) {
	out, err := s.output(address)
	if err != nil { // not made yet
		_, told := unreadable(err)
		if told {
			err = nil
		}
		return place{}, false, err
	}
	pos, _, matches, err := out.find(s.ctx, id)
	if err != nil || matches == 0 {
		return place{}, false, err
	}
	t, err := s.taskOf(spot{address, pos})
	if err != nil {
		return place{}, false, err
	}
	rows, err := input.at(s.ctx, []int64{t.input})
	r, ok := rows[t.input]
	return place{r, t.input, t.sample, ok}, ok, err
}

// outcomes says what a distill step did with a row.
func (w *why) outcomes(out *RowWhy, a, b place) error {
	if w.after.nodes[w.Address].kind != spec.DistillStep {
		return nil
	}
	for _, side := range []struct {
		name  string
		state *state
		place place
	}{{"Before", w.before, a}, {"After", w.after, b}} {
		if !side.place.found {
			continue
		}
		_, ops, err := side.state.drops(w.Address, map[int64]bool{side.place.pos: true})
		if why, told := unreadable(err); told {
			if side.state.build != nil {
				out.Notes = append(out.Notes, side.name+": "+why+".")
			}
			continue
		}
		if err != nil {
			return err
		}
		op, dropped := ops[side.place.pos]
		out.Notes = append(out.Notes, side.name+": "+outcomeOf(side.state.nodes[w.Address], op, dropped)+".")
	}
	return nil
}

func outcomeOf(nd *node, op int, dropped bool) string {
	switch {
	case !dropped:
		return "it passed every operation"
	case op == 0:
		return "an expression had no value for it"
	case nd.step != nil && op <= len(nd.step.Distill):
		o := nd.step.Distill[op-1]
		return fmt.Sprintf("operation %d, %s %q, left it out", op, o.Kind, o.Name)
	}
	return fmt.Sprintf("operation %d left it out", op)
}

// reads compares the columns that the component reads.
func (w *why) reads(out *RowWhy, baseA, baseB key.List, a, b place) {
	base := baseB
	if base == nil {
		base = baseA
	}
	names, all := readsOf(base)
	if !all {
		out.Reads = names
	}
	if a.found && b.found {
		out.Columns = diffJSON(project(a.row, base).Bytes(), project(b.row, base).Bytes())
	}
}

// project is what of a row a component with this base reads.
func project(r row.Row, base key.List) row.Row {
	names, all := readsOf(base)
	if all {
		return r
	}
	return r.Project(names)
}

// tasks looks the row's tasks up, under the keys of before and after.
func (w *why) tasks(out *RowWhy, baseA, baseB key.List, a, b place) error {
	samples := func(s *state, p place) (n int) {
		if s != nil && p.found {
			n = s.samples(w.Address)
		}
		return n
	}
	nA, nB := samples(w.before, a), samples(w.after, b)
	only := -1
	for _, p := range []place{a, b} {
		if p.found && p.sample >= 0 {
			only = p.sample
		}
	}
	for sample := range max(nA, nB) {
		if only >= 0 && sample != only && only < max(nA, nB) {
			continue
		}
		if len(out.Tasks) == maxTasks {
			out.Notes = append(out.Notes, fmt.Sprintf("The first %d of its tasks are shown.", maxTasks))
			return nil
		}
		var before, after *cache.Digest
		if a.found && baseA != nil && sample < nA {
			before = taskKey(baseA, a.row, sample)
		}
		if b.found && baseB != nil && sample < nB {
			after = taskKey(baseB, b.row, sample)
		}
		t, err := w.task(sample, before, after)
		if err != nil {
			return err
		}
		out.Tasks = append(out.Tasks, *t)
	}
	return nil
}

func taskKey(base key.List, r row.Row, sample int) *cache.Digest {
	k := engine.TaskKey(base, cache.Sum(project(r, base).Bytes()), sample)
	return &k
}

// task tells of one task. Without a key after, it is no task any more.
func (w *why) task(sample int, before, after *cache.Digest) (*TaskWhy, error) {
	t := &TaskWhy{Sample: sample}
	load := func(k *cache.Digest, name *string) (*engine.TaskRecord, error) {
		if k == nil {
			return nil, nil
		}
		*name = k.String()
		rec, _, err := engine.LoadTask(w.store, *k)
		return rec, err
	}
	was, err := load(before, &t.Before)
	if err != nil {
		return nil, err
	}
	is, err := load(after, &t.After)
	if err != nil {
		return nil, err
	}
	t.Hit = is != nil || after == nil && was != nil
	shown := is
	if shown == nil {
		shown = was
	}
	if shown == nil {
		return t, nil
	}
	t.Outcome = outcomeText(shown)
	if was != nil && is != nil && t.Before != t.After {
		t.Calls, err = diffCalls(w.store, was.Calls, is.Calls, w.prices)
		return t, err
	}
	for _, k := range shown.Calls {
		call, err := loadCall(w.store, k, w.prices)
		if err != nil {
			return nil, err
		}
		t.Calls = append(t.Calls, CallDiff{Change: changeOnly, After: call.brief()})
	}
	return t, nil
}

// changeOnly is the change of a call that there is nothing to compare with.
const changeOnly = "only"

func outcomeText(rec *engine.TaskRecord) string {
	switch {
	case rec.Err != nil:
		return "failed: " + rec.Err.Error()
	case rec.Dropped != "":
		return "dropped: " + rec.Dropped
	case len(rec.Rows) == 1:
		return "1 row"
	}
	return fmt.Sprintf("%d rows", len(rec.Rows))
}
