package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// TestCutOff changes the first steps of a recipe in which each kind of step
// has several inputs, so that they yield the rows that they yielded before:
// everything behind them must come out as found, and nothing must start.
func TestCutOff(t *testing.T) {
	all := []string{"n", "extra"}
	nodes := func() []*node {
		return []*node{
			{kind: "source", rows: []string{`{"n":1,"extra":0}`, `{"n":5,"extra":1}`}},
			{kind: "source", rows: []string{`{"n":2,"extra":0}`}},
			{kind: "sim", inputs: []int{0, 1}, prompt: "p", samples: 1, reads: all},
			{kind: "sim", inputs: []int{2, 0}, prompt: "p", samples: 2, reads: all},
			{kind: "distill", inputs: []int{2, 3}, filter: "row.n > 0", max: 9},
			{kind: "sim", inputs: []int{4, 3}, prompt: "x", samples: 1, reads: all},
			{kind: "distill", inputs: []int{5, 4}, filter: "row.n > 0", max: 9},
			{kind: "data", inputs: []int{6, 2}},
			{kind: "data", inputs: []int{5}},
		}
	}
	for _, c := range []struct {
		name string
		edit func(*graph)
		run  []string // steps that are not found
	}{
		{"a source's text", func(g *graph) { g.nodes[0].rows[0] = `{ "extra":0, "n":1 }` }, []string{"threat_source.a.n0"}},
		{"a prompt", func(g *graph) { g.nodes[2].prompt = "p2" }, []string{"simulator.b.n2"}},
		{"another prompt", func(g *graph) { g.nodes[3].prompt = "p2" }, []string{"simulator.b.n3"}},
		{"a filter", func(g *graph) { g.nodes[4].filter = "row.n >= 1" }, []string{"distill.n4"}},
		{"all of them", func(g *graph) {
			g.nodes[0].rows[0], g.nodes[2].prompt, g.nodes[4].filter = `{ "extra":0, "n":1 }`, "p2", "row.n >= 1"
		}, []string{"threat_source.a.n0", "simulator.b.n2", "distill.n4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGraph(t, rand.New(rand.NewPCG(1, 1)))
			g.nodes = nodes()
			g.build()
			g.fake.taken()
			c.edit(g)
			sum := g.build()
			var ran []string
			for _, s := range sum.Steps {
				if s.Status != StatusHit {
					ran = append(ran, s.Address)
				}
			}
			slices.Sort(c.run)
			slices.Sort(ran)
			if d := cmp.Diff(c.run, ran); d != "" {
				t.Errorf("steps that ran: %s", d)
			}
			started, _ := g.fake.taken()
			for _, s := range started {
				if !slices.Contains(c.run, s) {
					t.Errorf("%s was started", s)
				}
			}
		})
	}
}

// TestTwins has steps that are configured alike: a task of theirs runs once in
// a build, and it is always the first of them that runs it.
func TestTwins(t *testing.T) {
	g := newGraph(t, rand.New(rand.NewPCG(1, 1)))
	n := []string{"n"}
	source := []string{`{"n":1,"extra":0}`, `{"n":3,"extra":1}`}
	g.nodes = []*node{
		{kind: "source", rows: source}, {kind: "source", rows: source},
		{kind: "sim", inputs: []int{0}, prompt: "p", samples: 1, reads: n},
		{kind: "sim", inputs: []int{1, 0}, prompt: "p", samples: 1, reads: n},
		{kind: "sim", inputs: []int{2}, prompt: "p", samples: 1, reads: n}, // on its own twin
		{kind: "data", inputs: []int{3, 4}},
	}
	g.round("twins")
	g.nodes[0].rows = append(slices.Clone(source), `{"n":0,"extra":1}`)
	sum := g.build()
	if started, tasks := g.fake.taken(); len(tasks) != 1 || tasks[0] != `simulator.b.n2 {"n":0} 0` {
		t.Errorf("%v, %v\n%+v", started, tasks, sum.Steps)
	}
}

// TestTwinsDoNotBlock has a long flow into a step that waits for its twin.
func TestTwinsDoNotBlock(t *testing.T) {
	g := newGraph(t, rand.New(rand.NewPCG(1, 1)))
	var source []string
	for i := range 3 * linearRoom {
		source = append(source, fmt.Sprintf(`{"n":%d}`, i))
	}
	n := []string{"n"}
	g.nodes = []*node{
		{kind: "source", rows: source},
		{kind: "sim", inputs: []int{0}, prompt: "p", samples: 1, reads: n},
		{kind: "sim", inputs: []int{1}, prompt: "q", samples: 1, reads: n},
		{kind: "sim", inputs: []int{2}, prompt: "p", samples: 1, reads: n},
		{kind: "data", inputs: []int{3}},
	}
	if sum := g.build(); sum.Steps[3].RowsHit != sum.Steps[3].RowsIn {
		t.Errorf("%+v", sum.Steps[3])
	}
}

// TestTwinsRunBesideEachOther has two steps that are configured alike, of
// which the first has a task that ends only when one of the second has begun.
func TestTwinsRunBesideEachOther(t *testing.T) {
	for _, fails := range []bool{false, true} {
		g := newGraph(t, rand.New(rand.NewPCG(1, 1)))
		n := []string{"n"}
		g.nodes = []*node{
			{kind: "source", rows: []string{`{"n":1}`, `{"n":3}`}},
			{kind: "source", rows: []string{`{"n":3}`, `{"n":5}`, `{"n":3,"extra":1}`}},
			{kind: "sim", inputs: []int{0}, prompt: "p", samples: 1, reads: n},
			{kind: "sim", inputs: []int{1}, prompt: "p", samples: 1, reads: n},
			{kind: "data", inputs: []int{2, 3}},
		}
		begun := make(chan struct{})
		g.fake.workFor = func(s RunSpec, task Task) Result {
			switch string(task.Row) {
			case `{"n":3}`:
				<-begun
				if fails {
					return Result{Rows: [][]byte{[]byte("no row")}}
				}
			case `{"n":5}`:
				if s.Address != "simulator.b.n3" {
					t.Errorf("the task ran in %s", s.Address)
				}
				close(begun)
			}
			return graphWork(s, task)
		}
		e := g.engine()
		if fails {
			for _, s := range e.opts.Recipe.Steps {
				s.OnError, s.MaxFailures = spec.OnErrorFail, 0
			}
		}
		sum, err := e.Build(context.Background())
		if fails != errors.Is(err, ErrTooManyFailures) {
			t.Fatalf("fails %v: %v", fails, err)
		}
		if _, tasks := g.fake.taken(); len(tasks) != 3 {
			t.Errorf("tasks %v", tasks)
		}
		if !fails && (sum.Steps[2].RowsHit != 0 || sum.Steps[3].RowsHit != 2 || sum.Steps[3].RowsOut != 3) {
			t.Errorf("%+v", sum.Steps[2:4])
		}
	}
}

// TestTwinOfOneThatDies has a step wait for a task of its twin whose plugin
// dies: the build must end.
func TestTwinOfOneThatDies(t *testing.T) {
	for _, keep := range []bool{false, true} {
		g := newGraph(t, rand.New(rand.NewPCG(1, 1)))
		n := []string{"n"}
		source := []string{`{"n":0}`, `{"n":1}`, `{"n":3}`}
		g.nodes = []*node{
			{kind: "source", rows: source}, {kind: "source", rows: source},
			{kind: "sim", inputs: []int{0}, prompt: "p", samples: 1, reads: n},
			{kind: "sim", inputs: []int{1}, prompt: "p", samples: 1, reads: n},
			{kind: "data", inputs: []int{2, 3}},
		}
		g.fake.dieAt = 1
		e := g.engine()
		e.opts.KeepGoing = keep
		if _, err := e.Build(context.Background()); !errors.Is(err, errDied) {
			t.Errorf("keep going %v: %v", keep, err)
		}
	}
}

// TestTwinOfOneThatFails has a row fail for now: the step that is configured
// alike takes that from the first as it takes rows, and is a hit, as planned.
func TestTwinOfOneThatFails(t *testing.T) {
	g := newGraph(t, rand.New(rand.NewPCG(1, 1)))
	n := []string{"n"}
	g.nodes = []*node{
		{kind: "source", rows: []string{`{"n":1}`, `{"n":3}`}},
		{kind: "sim", inputs: []int{0}, prompt: "p", samples: 1, reads: n},
		{kind: "data", inputs: []int{1}},
	}
	g.build() // the source is known, the rest is not
	q := node{kind: "sim", inputs: []int{0}, prompt: "q", samples: 1, reads: n}
	twin := q
	g.nodes = []*node{g.nodes[0], &q, &twin, {kind: "data", inputs: []int{1, 2}}}
	g.fake.taken()
	g.fake.workFor = func(s RunSpec, task Task) Result {
		if string(task.Row) == `{"n":3}` {
			return Result{Err: &RowError{Code: "unavailable", Summary: "not now", Transient: true}}
		}
		return graphWork(s, task)
	}
	e := g.engine()
	for _, s := range e.opts.Recipe.Steps {
		s.OnError, s.MaxFailures = spec.OnErrorDrop, -1
	}
	plan, err := e.Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	sum, err := e.Build(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if p, s := plan.Steps[2], sum.Steps[2]; p.Status != StatusHit || s.Status != StatusHit || s.RowsHit != 2 || s.RowsFailed != 1 {
		t.Errorf("planned as %s, %+v", p.Status, s)
	}
	if _, tasks := g.fake.taken(); len(tasks) != 2 {
		t.Errorf("tasks %v", tasks)
	}
}

// TestEstimateUnits holds single parts of estimates.
func TestEstimateUnits(t *testing.T) {
	openAI := &spec.Provider{Type: spec.ProviderOpenAI, Limits: spec.Limits{Concurrency: 2, RequestsPerMinute: 60, TokensPerMinute: 600}}
	for _, c := range []struct{ calls, tokens, seconds, want float64 }{
		{10, 10, 1, 10}, {10, 1000, 1, 100}, {10, 10, 60, 30}, {1, 1, 60, 60}, {0, 0, 0, 0},
	} {
		if got := atLimits(openAI, c.calls, c.tokens, c.seconds); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if n := configNumber([]byte(`{"a":7,"b":null,"c":"x"}`), "a"); n != 7 {
		t.Error(n)
	}
	for _, attr := range []string{"b", "c", "d"} {
		if n := configNumber([]byte(`{"a":7,"b":null,"c":"x"}`), attr); n != 1 {
			t.Error(attr, n)
		}
	}
	body := &spec.RoleBody{Component: &schema.Component{Calls: &schema.Calls{Min: 2, Max: 2}}, Models: map[string]*spec.Model{
		"a": {Name: "cheap", MaxTokens: 10, Provider: openAI, Price: &spec.Price{Input: 1}},
		"b": {Name: "free", Provider: &spec.Provider{Type: spec.ProviderOffline}},
		"c": {Name: "who knows", Provider: openAI},
	}}
	e := estimator{step: &spec.Step{Role: body}}
	w := Work{Tasks: Range{Low: 5, High: 5}}
	e.work(&w)
	if w.Calls != (Range{0, 10, false}) || w.OutputTokens != (Range{0, 10000, false}) || w.CostUSD != (Range{0, 10 * .004, false}) {
		t.Errorf("%+v", w)
	}
	if d := cmp.Diff([]string{"who knows"}, w.Unpriced); d != "" {
		t.Error(d)
	}
	body.Component.Calls = nil
	if e.work(&w); w.Basis != basisUnknown || w.Calls != (Range{0, 15, false}) {
		t.Errorf("%+v", w)
	}
	var s stat
	for i := range 100 {
		s.add(float64(i % 2))
	}
	if r := s.total(Range{Low: 100, High: 100}); r.Low > 30 || r.Low < 20 || r.High < 70 || r.High > 80 {
		t.Errorf("%+v", r)
	}
}
