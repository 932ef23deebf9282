package provenance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// maxFates bounds the rows that are followed down.
const maxFates = 50

// Outcomes of a row in a step.
const (
	outcomeKept    = "kept"
	outcomeDropped = "dropped"
	outcomeFailed  = "failed"
	outcomeLost    = "lost"
)

// follower is a row on its way down.
type follower struct {
	spot
	id string
}

// fates follows a row down a way of steps. Of its children only those are
// followed that can have become the row wanted.
func (l *lineage) fates(at spot, id string, way []string, wanted string) ([]Fate, error) {
	var all []Fate
	rows := []follower{{at, id}}
	for _, address := range way {
		if kind := l.state.nodes[address].kind; kind == spec.DatasetStep || kind == spec.EvaluationStep { // takes all
			for _, r := range rows {
				all = append(all, Fate{Address: address, Input: r.id, Outcome: outcomeKept, Rows: []string{r.id}})
			}
			break
		}
		fates, next, err := l.through(address, rows)
		if err != nil {
			return all, err
		}
		fates, next = narrow(fates, next, wanted)
		if len(all)+len(fates) > maxFates {
			l.Notes = append(l.Notes, fmt.Sprintf("The row became so many that only the first %d are followed.", maxFates))
			fates = fates[:max(0, maxFates-len(all))]
			next = next[:min(len(next), maxFates)]
		}
		all, rows = append(all, fates...), next
		if len(rows) == 0 {
			break
		}
	}
	return all, nil
}

// narrow leaves the fates that have to do with the row wanted, if any has.
func narrow(fates []Fate, rows []follower, wanted string) ([]Fate, []follower) {
	leads := func(id string) bool {
		rest, ok := strings.CutPrefix(wanted, id)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '-')
	}
	concerns := func(f Fate) bool {
		return leads(f.Input+"."+strconv.Itoa(f.Sample)) || slices.ContainsFunc(f.Rows, leads)
	}
	if !slices.ContainsFunc(fates, func(f Fate) bool { return f.Input != wanted && concerns(f) }) {
		return fates, rows
	}
	fates = slices.DeleteFunc(fates, func(f Fate) bool { return !concerns(f) })
	return fates, slices.DeleteFunc(rows, func(r follower) bool { return !leads(r.id) })
}

// through tells what became of rows in a step, and which rows they are then.
func (l *lineage) through(address string, rows []follower) ([]Fate, []follower, error) {
	inputs := map[int64]follower{}
	for _, r := range rows {
		pos, err := l.state.inputPos(address, r.spot)
		if err != nil {
			return nil, nil, err
		}
		inputs[pos] = r
	}
	var fates []Fate
	var next []follower
	var err error
	if l.state.nodes[address].kind == spec.DistillStep {
		fates, next, err = l.throughDistill(address, inputs)
	} else {
		fates, next, err = l.throughRole(address, inputs)
	}
	if err != nil {
		return nil, nil, err
	}
	return fates, next, l.nameRows(fates, next)
}

func (l *lineage) throughDistill(address string, inputs map[int64]follower) ([]Fate, []follower, error) {
	wanted := map[int64]bool{}
	for pos := range inputs {
		wanted[pos] = true
	}
	drops, ops, err := l.state.drops(address, wanted)
	if err != nil {
		return nil, nil, err
	}
	var fates []Fate
	var next []follower
	list := l.state.nodes[address].step.Distill
	for _, pos := range sortedPositions(inputs) {
		f := Fate{Address: address, Input: inputs[pos].id, Outcome: outcomeKept}
		op, out := ops[pos]
		switch {
		case !out:
			next = append(next, follower{spot{address, drops.left(pos)}, inputs[pos].id})
			f.Rows = []string{inputs[pos].id}
		case op == 0:
			f.Outcome, f.Reason = outcomeFailed, "an expression had no value for this row"
		case op <= len(list):
			f.Outcome, f.Op = outcomeDropped, &OpPass{Position: op, Op: list[op-1]}
			f.Reason = list[op-1].reason(" ")
		default:
			f.Outcome = outcomeDropped
		}
		fates = append(fates, f)
	}
	return fates, next, nil
}

func (l *lineage) throughRole(address string, inputs map[int64]follower) ([]Fate, []follower, error) {
	last := slices.Max(sortedPositions(inputs))
	var spots []taskSpot
	err := l.state.tasks(address, func(t taskSpot) bool {
		if _, ok := inputs[t.input]; ok {
			spots = append(spots, t)
		}
		return t.input <= last && len(spots) <= maxFates
	})
	if err != nil {
		return nil, nil, err
	}
	var fates []Fate
	var next []follower
	for _, t := range spots {
		f := Fate{Address: address, Input: inputs[t.input].id, Sample: t.sample, Outcome: outcomeKept}
		var rec *engine.TaskRecord
		if f.Task, rec, err = l.task(t); err != nil {
			return nil, nil, err
		}
		for i := range min(t.Rows, maxFates) {
			next = append(next, follower{spot{address, t.first + int64(i)}, ""})
			f.Rows = append(f.Rows, "")
		}
		switch {
		case t.Rows > 0:
		case rec == nil:
			f.Outcome, f.Reason = outcomeLost, "it failed for a reason that may pass, or its record is no longer in the cache"
		case rec.Err != nil:
			f.Outcome, f.Error = outcomeFailed, rec.Err
		case rec.Dropped != "":
			f.Outcome, f.Reason = outcomeDropped, rec.Dropped
		default:
			f.Outcome, f.Reason = outcomeDropped, "the component gave no row for it"
		}
		fates = append(fates, f)
	}
	return fates, next, nil
}

func sortedPositions(inputs map[int64]follower) []int64 {
	list := make([]int64, 0, len(inputs))
	for pos := range inputs {
		list = append(list, pos)
	}
	slices.Sort(list)
	return list
}

// nameRows fills in the ids of the rows that a component gave.
func (l *lineage) nameRows(fates []Fate, next []follower) error {
	if len(next) == 0 || next[0].id != "" {
		return nil
	}
	t, err := l.state.output(next[0].address)
	if err != nil {
		return err
	}
	positions := make([]int64, len(next))
	for i, r := range next {
		positions[i] = r.pos
	}
	rows, err := t.at(l.state.ctx, positions)
	if err != nil {
		return err
	}
	n := 0
	for i := range fates {
		for j := range fates[i].Rows {
			id := rows[next[n].pos].String("id")
			fates[i].Rows[j], next[n].id = id, id
			n++
		}
	}
	return nil
}
