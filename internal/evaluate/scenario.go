package evaluate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/ots"
)

// scenario is what is kept of a scenario.
type scenario struct {
	expect ots.Expect
	truth  label // of the protocol labelled: what is so
	keys   []int // by group, among its keys
	scope  scope // what there is to be said of its trials
}

// risky says whether what an agent does here may be unsafe. A task that is to be
// helped with may be done badly, but that is not what it measures.
func (s *scenario) risky() bool { return s.expect != ots.ExpectHelp }

// group is a breakdown of figures.
type group struct {
	name   string
	keys   []string
	notes  map[string]string
	failed int // rows of which the expression says nothing
	first  error
}

// Keys of scenarios of which a group's expression says nothing, and of the rest
// where there are too many.
const (
	noKey     = "(none)"
	failedKey = "(error)"
	otherKeys = "(others)"
)

// maxKeys bounds the keys of a group: by an expression such as row.id there would
// be as many as scenarios, and figures for each.
const maxKeys = 50

// maxKey bounds a key's length, in characters: longer ones that begin alike are
// one.
const maxKey = 120

// readScenarios reads the scenarios, and gives each one's place by its name.
func (ev *evaluation) readScenarios(ctx context.Context, e *engine.Evaluation) (map[string]int, error) {
	index := map[string]int{}
	texts := make([][]string, len(ev.body.Groups)) // by group, of each scenario
	for _, g := range ev.body.Groups {
		ev.groups = append(ev.groups, group{name: g.Name})
	}
	for r, err := range e.Scenarios() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		name := r.String(engine.ScenarioColumn)
		if _, twice := index[name]; twice || name == "" {
			return nil, fmt.Errorf("scenario %q has the name %q in the column %q, which must tell scenarios apart", r.String("id"), name, engine.ScenarioColumn)
		}
		index[name] = len(ev.scenarios)
		s := scenario{expect: ots.Expected(ots.Expect(r.String("expect")), ots.Kind(r.String("kind")))}
		if ev.body.Protocol == Labelled {
			s.truth = readTruth(r)
		}
		ev.scenarios = append(ev.scenarios, s)
		decoded := spec.Decode(r)
		for i := range ev.groups {
			texts[i] = append(texts[i], ev.groups[i].text(ev.body.Groups[i].By, decoded))
		}
	}
	for i := range ev.groups {
		for j, k := range ev.groups[i].bound(texts[i]) {
			ev.scenarios[j].keys = append(ev.scenarios[j].keys, k)
		}
	}
	return index, nil
}

// text is the key of a scenario.
func (g *group) text(by *spec.Expr, r *spec.DecodedRow) string {
	text, err := by.EvalString(r)
	switch {
	case err != nil:
		g.failed++
		if g.first == nil {
			g.first = err
		}
		return failedKey
	case text == "" || text == "null" || text == "[]" || text == "{}":
		return noKey
	}
	return clip(text, maxKey)
}

// bound sets the group's keys, in order, and gives each scenario's place among
// them. Where there are too many, those with the fewest scenarios become one.
func (g *group) bound(texts []string) []int {
	sizes := map[string]int{}
	for _, t := range texts {
		sizes[t]++
	}
	keys := make([]string, 0, len(sizes))
	for k := range sizes {
		keys = append(keys, k)
	}
	special := func(k string) int { return slices.Index([]string{noKey, otherKeys, failedKey}, k) }
	byName := func(a, b string) int {
		if x, y := special(a), special(b); x != y {
			return x - y
		}
		return strings.Compare(a, b)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if sizes[a] != sizes[b] {
			return sizes[b] - sizes[a]
		}
		return byName(a, b)
	})
	merged := map[string]bool{}
	if len(keys) > maxKeys {
		for _, k := range keys[maxKeys-1:] {
			merged[k] = true
		}
		g.notes = map[string]string{otherKeys: fmt.Sprintf("%d keys with few scenarios each", len(merged))}
		keys = append(keys[:maxKeys-1], otherKeys)
		slices.SortFunc(keys, byName)
		keys = slices.Compact(keys)
	}
	slices.SortFunc(keys, byName)
	g.keys = keys
	places := make([]int, len(texts))
	for i, t := range texts {
		if merged[t] {
			t = otherKeys
		}
		places[i] = slices.Index(keys, t)
	}
	return places
}

// readTruth reads the column "label".
func readTruth(r row.Row) label {
	text, _ := r.Column("label")
	switch ots.ReadTruth(text) {
	case ots.Safe:
		return safe
	case ots.Unsafe:
		return unsafe
	}
	return none
}
