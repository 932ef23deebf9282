package provenance

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// Lineage tells where a row of a build comes from: each step it went through,
// up to its source, with the calls that were made for it. A row that is not in
// the step is looked for upstream, and followed down to where it was left.
func Lineage(ctx context.Context, store *cache.Store, b *Build, address, id string) (*LineageReport, error) {
	if _, ok := b.Step(address); !ok {
		return nil, &NoStepError{address, b.ID}
	}
	l := &lineage{
		state: stateOf(ctx, store, b), prices: pricesOf(b),
		LineageReport: &LineageReport{Build: b.Ref(), Address: address, ID: id, Path: []Hop{}},
	}
	at, err := l.locate(address, id)
	if err != nil {
		return nil, err
	}
	r, err := l.state.rowAt(at)
	if err != nil {
		return nil, err
	}
	l.Row = r.Bytes()
	if err := l.climb(at, r); err != nil {
		return nil, err
	}
	l.Verdicts = l.verdicts(r)
	return l.LineageReport, nil
}

// lineage is a Lineage at work.
type lineage struct {
	*LineageReport
	state  *state
	prices prices
}

// locate finds the row: in the step, or else the nearest upstream, from where
// it is followed down.
func (l *lineage) locate(target, id string) (spot, error) {
	t, err := l.state.output(target)
	if err != nil {
		return spot{}, err
	}
	pos, _, matches, err := t.find(l.state.ctx, id)
	if err != nil {
		return spot{}, err
	}
	if matches > 0 {
		l.Found, l.Matches = true, matches
		if l.state.nodes[target].kind == spec.DatasetStep {
			at, err := l.state.inputSpot(target, pos)
			l.Path = append(l.Path, Hop{Address: target, Kind: string(spec.DatasetStep), ID: id, Position: pos})
			return at, err
		}
		return spot{target, pos}, nil
	}
	for _, candidate := range ancestors(id) {
		at, way, ok, err := l.upstream(target, candidate)
		if err != nil {
			return spot{}, err
		}
		if ok {
			l.Fates, err = l.fates(at, candidate, way, id)
			if why, told := unreadable(err); told {
				l.Notes = append(l.Notes, why)
				err = nil
			}
			return at, err
		}
	}
	return spot{}, &NoRowError{target, id}
}

// maxAncestors bounds the ids that are tried: for each, rows are read.
const maxAncestors = 16

// ancestors are the ids that a row with the id given may come from, nearest
// first: the id itself, then without what each step may have added to it.
func ancestors(id string) []string {
	list := []string{id}
	for len(list) < maxAncestors {
		i := strings.LastIndexAny(id, ".-")
		if i <= 0 {
			return list
		}
		if _, err := strconv.ParseUint(id[i+1:], 10, 31); err != nil {
			return list
		}
		id = id[:i]
		list = append(list, id)
	}
	return list
}

// upstream finds a row in what a step is made of, and the way from there down
// to the step: the addresses after the row's own.
func (l *lineage) upstream(target, id string) (at spot, way []string, ok bool, err error) {
	type place struct {
		address string
		way     []string
	}
	queue := []place{{target, nil}}
	seen := map[string]bool{target: true}
	for ; len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		if p.address != target {
			t, err := l.state.output(p.address)
			if err != nil {
				return spot{}, nil, false, err
			}
			pos, _, matches, err := t.find(l.state.ctx, id)
			if err != nil {
				return spot{}, nil, false, err
			}
			if matches > 0 {
				return spot{p.address, pos}, p.way, true, nil
			}
		}
		for _, in := range l.state.nodes[p.address].inputs {
			if !seen[in] && l.state.nodes[in] != nil {
				seen[in] = true
				queue = append(queue, place{in, append([]string{p.address}, p.way...)})
			}
		}
	}
	return spot{}, nil, false, nil
}

// climb follows a row from step to step up to its source.
func (l *lineage) climb(at spot, r row.Row) error {
	for range l.state.nodes { // a record that goes in circles is not ours
		hop, up, err := l.hop(at, r)
		if why, told := unreadable(err); told {
			hop.Gone = why
		} else if err != nil {
			return err
		}
		if err != nil || l.state.isSource(at.address) {
			l.Path = append(l.Path, hop)
			if err == nil {
				l.Origin = originOf(at.address, r)
			}
			return nil
		}
		above, err := l.state.rowAt(up)
		if err == nil {
			hop.Writes = slices.DeleteFunc(columnsChanged(above, r), func(name string) bool { return name == "id" })
		} else if why, told := unreadable(err); told {
			hop.Gone = why
			l.Path = append(l.Path, hop)
			return nil
		} else {
			return err
		}
		l.Path = append(l.Path, hop)
		at, r = up, above
	}
	return nil
}

// hop tells of one step and which row the row was made of.
func (l *lineage) hop(at spot, r row.Row) (Hop, spot, error) {
	nd := l.state.nodes[at.address]
	hop := Hop{Address: at.address, Kind: string(nd.kind), ID: r.String("id"), Position: at.pos, Component: nd.step.Component}
	switch {
	case l.state.isSource(at.address):
		hop.Writes = slices.DeleteFunc(r.Names(), func(name string) bool { return name == "id" })
		return hop, spot{}, nil
	case nd.kind == spec.EvaluationStep: // a figure, which is of all trials
		return hop, spot{}, &GoneError{at.address, "a figure is made of all trials"}
	case nd.kind == spec.DistillStep:
		drops, _, err := l.state.drops(at.address, nil)
		if err != nil {
			return hop, spot{}, err
		}
		for i, op := range nd.step.Distill {
			hop.Ops = append(hop.Ops, OpPass{Position: i + 1, Op: op, Passed: true})
		}
		input, ok := drops.came(at.pos)
		if !ok {
			return hop, spot{}, &GoneError{at.address, "its trace is of other rows"}
		}
		up, err := l.state.inputSpot(at.address, input)
		return hop, up, err
	}
	t, err := l.state.taskOf(at)
	if err != nil {
		return hop, spot{}, err
	}
	if hop.Task, _, err = l.task(t); err != nil {
		return hop, spot{}, err
	}
	up, err := l.state.inputSpot(at.address, t.input)
	return hop, up, err
}

// task reads a task and its calls.
func (l *lineage) task(t taskSpot) (*Task, *engine.TaskRecord, error) {
	out := &Task{Key: t.Key.String(), Sample: t.sample, Rows: t.Rows}
	rec, ok, err := engine.LoadTask(l.state.store, t.Key)
	if err != nil || !ok {
		return out, nil, err
	}
	out.Stored = true
	for _, k := range rec.Calls {
		call, err := loadCall(l.state.store, k, l.prices)
		if err != nil {
			return out, nil, err
		}
		out.Calls = append(out.Calls, call)
	}
	return out, rec, nil
}

func originOf(address string, r row.Row) *Origin {
	o := &Origin{}
	if raw, ok := r.Column("origin"); !ok || json.Unmarshal(raw, o) != nil {
		o = &Origin{}
	}
	o.Address = address
	return o
}

// verdicts finds what looks like a judge's decision in a row, and which step
// wrote it.
func (l *lineage) verdicts(r row.Row) []Verdict {
	wrote := map[string]string{}
	for _, hop := range slices.Backward(l.Path) { // the last to write it counts
		for _, name := range hop.Writes {
			wrote[name] = hop.Address
		}
	}
	var list []Verdict
	for _, name := range r.Names() {
		raw, _ := r.Column(name)
		if !bytes.Contains(raw, []byte(`"reason"`)) {
			continue
		}
		v, ok := decodeJSON(raw)
		if !ok {
			continue
		}
		eachVerdict(name, v, 0, func(found Verdict) {
			found.Address = wrote[name]
			list = append(list, found)
		})
	}
	return list
}

// maxVerdictDepth is how deep in a column verdicts are looked for.
const maxVerdictDepth = 4

// eachVerdict gives objects with a reason and a label, or a score.
func eachVerdict(path string, v any, depth int, f func(Verdict)) {
	if depth > maxVerdictDepth {
		return
	}
	switch x := v.(type) {
	case []any:
		for i, e := range x {
			eachVerdict(path+"["+strconv.Itoa(i)+"]", e, depth+1, f)
		}
	case map[string]any:
		reason, hasReason := x["reason"].(string)
		label, hasLabel := x["label"].(string)
		if score, ok := x["score"].(json.Number); ok && !hasLabel {
			label, hasLabel = score.String(), true
		}
		if hasReason && hasLabel {
			outcome, _ := x["outcome"].(string)
			f(Verdict{Path: path, Label: label, Outcome: outcome, Reason: reason})
			return
		}
		for _, name := range slices.Sorted(maps.Keys(x)) {
			eachVerdict(member(path, name), x[name], depth+1, f)
		}
	}
}
