package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// graph is a recipe under test with several branches. Its nodes are in order;
// each takes rows of earlier ones.
type graph struct {
	t     *testing.T
	dir   string
	store *cache.Store
	fake  *fakeRunner
	nodes []*node
	last  map[string]LastStep // of the last build

	limit            int
	targets, refresh []string
}

type node struct {
	kind    string // source, sim, distill, data
	inputs  []int
	rows    []string // of a source
	prompt  string
	samples int
	reads   []string
	filter  string
	max     int
}

func newGraph(t *testing.T, rng *rand.Rand) *graph {
	t.Helper()
	g := &graph{t: t, dir: t.TempDir(), last: map[string]LastStep{}}
	store, err := cache.Open(filepath.Join(g.dir, "cache"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g.store = store
	t.Cleanup(func() { store.Close() })
	g.fake = &fakeRunner{workFor: graphWork, rows: func(address string) []string { return g.node(address).rows }}
	for i, kind := range []string{"source", "source", "sim", "sim", "distill", "sim", "distill", "data", "data"} {
		g.nodes = append(g.nodes, &node{kind: kind})
		g.reshape(rng, i)
	}
	return g
}

func (n *node) address(i int) string {
	return map[string]string{"source": "threat_source.a", "sim": "simulator.b", "distill": "distill", "data": "dataset"}[n.kind] + fmt.Sprintf(".n%d", i)
}

func (g *graph) node(address string) *node {
	for i, n := range g.nodes {
		if n.address(i) == address {
			return n
		}
	}
	return nil
}

// reshape makes one node anew.
func (g *graph) reshape(rng *rand.Rand, i int) string {
	n := g.nodes[i]
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	if n.kind == "source" {
		n.rows = nil
		for range rng.IntN(6) {
			n.rows = append(n.rows, fmt.Sprintf(`{"n":%d,"extra":%d}`, rng.IntN(6), rng.IntN(2)))
		}
		return fmt.Sprint(n.address(i), n.rows)
	}
	n.inputs = nil
	for _, in := range rng.Perm(i)[:min(i, 1+rng.IntN(2))] {
		if g.nodes[in].kind != "data" {
			n.inputs = append(n.inputs, in)
		}
	}
	if len(n.inputs) == 0 {
		n.inputs = []int{0}
	}
	n.prompt, n.samples, n.reads = pick("p", "p", "q", "r"), 1+rng.IntN(2), []string{"n"}
	if rng.IntN(3) == 0 {
		n.reads = []string{"extra", "n"}
	}
	n.filter, n.max = pick("true", "row.n > 1", "row.n >= 0", "row.extra == 1"), rng.IntN(8)
	return fmt.Sprintf("%s %+v", n.address(i), *n)
}

// graphWork gives one row, two, none or a failure, always the same for the
// same task. Some prompts agree on some rows.
func graphWork(s RunSpec, t Task) Result {
	var in struct{ N, Extra int }
	if err := json.Unmarshal(t.Row, &in); err != nil {
		return Result{Err: &RowError{Code: "bad", Summary: err.Error()}}
	}
	prompt := string(s.Config)
	res := Result{Rows: [][]byte{fmt.Appendf(nil, `{"made":"%d/%d/%v"}`, in.N, t.Sample, prompt == `"q"` && in.N > 3)}}
	switch {
	case prompt == `"r"` && in.N == 1:
		return Result{Err: &RowError{Code: "invalid_reply", Summary: "no JSON"}}
	case prompt == `"r"` && in.N == 2:
		return Result{Dropped: "unsolved"}
	case in.N == 4 && t.Sample == 0:
		res.Rows = append(res.Rows, []byte(`{"made":"more","extra":1}`))
	}
	return res
}

func (g *graph) recipe() *spec.Recipe {
	r := &spec.Recipe{Dir: g.dir}
	model := &spec.Model{ID: "m", Name: "m", Provider: &spec.Provider{Type: spec.ProviderOpenAI, BaseURL: "http://x"}}
	for i, n := range g.nodes {
		s := &spec.Step{Address: n.address(i), Name: fmt.Sprintf("n%d", i), OnError: spec.OnErrorDrop, MaxFailures: 1000}
		for _, in := range n.inputs {
			s.Inputs = append(s.Inputs, r.Steps[in])
		}
		config := fmt.Appendf(nil, "%q", n.prompt)
		body := &spec.RoleBody{Plugin: spec.PluginRef{Source: "builtin"}, Config: config,
			Component: &schema.Component{Role: schema.Simulator, Name: "b", BehaviorVersion: "1"}}
		switch n.kind {
		case "source":
			body.Component = &schema.Component{Role: schema.ThreatSource, Name: "a", BehaviorVersion: "1"}
			body.KeyConfig = []spec.ConfigPart{{Name: "rows", Value: fmt.Append(nil, n.rows)}}
			s.Kind, s.Role = spec.RoleStep, body
		case "sim":
			body.KeyConfig = []spec.ConfigPart{{Name: "prompt", Value: []byte(n.prompt)}}
			body.Models, body.Reads, body.Samples = map[string]*spec.Model{"agent": model}, n.reads, n.samples
			s.Kind, s.Role = spec.RoleStep, body
		case "distill":
			s.Kind = spec.DistillStep
			s.Distill = []*spec.Op{{Kind: spec.OpFilter, Name: "f", Keep: mustExpr(n.filter)}, {Kind: spec.OpDedupe, Name: "d", By: mustExpr("string(row.n)"), Similarity: 1}, {Kind: spec.OpLimit, Name: "l", Max: n.max}}
		case "data":
			out := *body
			out.Component, out.ReadsAll = &schema.Component{Role: schema.Output, Name: "rows", BehaviorVersion: "1"}, true
			s.Kind = spec.DatasetStep
			s.Dataset = &spec.DatasetBody{Outputs: []*spec.OutputBody{{Address: s.Address + ".output.rows", Path: s.Name, Role: out}}}
		}
		r.Steps = append(r.Steps, s)
	}
	return r
}

func (g *graph) engine() *Engine {
	return New(Options{Recipe: g.recipe(), Store: g.store, Runner: g.fake, Limit: g.limit, Targets: g.targets, Refresh: g.refresh,
		Last: func(address string) (LastStep, bool) { l, ok := g.last[address]; return l, ok }})
}

func (g *graph) build() *Summary {
	g.t.Helper()
	sum, err := g.engine().Build(context.Background())
	if err != nil {
		g.t.Fatal(err)
	}
	for _, s := range sum.Steps {
		if s.Key != (cache.Digest{}) {
			g.last[s.Address] = LastStep{s.Key}
		}
	}
	return sum
}

// outputs is the content of the files of the datasets that were built.
func (g *graph) outputs(sum *Summary) string {
	var all strings.Builder
	for _, o := range sum.Outputs {
		b, err := os.ReadFile(filepath.Join(o.Path, "rows.jsonl"))
		if err != nil {
			g.t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s\n%s\n", o.Address, b)
	}
	return all.String()
}

// edit makes one change, or asks for something special, and says what.
func (g *graph) edit(rng *rand.Rand) string {
	any := func() string { i := rng.IntN(len(g.nodes)); return g.nodes[i].address(i) }
	switch rng.IntN(10) {
	case 0:
		g.limit = rng.IntN(4)
		return fmt.Sprint("limit ", g.limit)
	case 1:
		g.targets = []string{any()}
		return "target " + g.targets[0]
	case 2:
		g.refresh = []string{any()}
		return "refresh " + g.refresh[0]
	case 3:
		i := rng.IntN(2) + 7
		_ = os.Remove(filepath.Join(g.dir, fmt.Sprintf("n%d", i), "rows.jsonl"))
		return "a file is gone"
	case 4:
		return "nothing"
	}
	return g.reshape(rng, rng.IntN(len(g.nodes)))
}

// TestRandomGraphs edits recipes with several branches, equal rows and equal
// steps. What a plan knows the build must do, to the row; the outputs must be
// those of a build from an empty cache; and a second build must do nothing.
func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 7))
		g := newGraph(t, rng)
		for round := range 25 {
			g.targets, g.refresh = nil, nil
			var edits []string
			for range 1 + rng.IntN(2) {
				edits = append(edits, g.edit(rng))
			}
			name := fmt.Sprintf("seed %d, round %d (%s)", seed, round, strings.Join(edits, "; "))
			g.fake.jitter = round%5 == 0
			g.round(name)
			if t.Failed() {
				return
			}
		}
	}
}

func (g *graph) round(name string) {
	t := g.t
	plan, err := g.engine().Plan(context.Background())
	if err != nil {
		t.Fatal(name, err)
	}
	if started, _ := g.fake.taken(); started != nil {
		t.Fatal(name, "the plan started", started)
	}
	again, err := g.engine().Plan(context.Background())
	if err != nil || again.ID != plan.ID {
		t.Fatal(name, "another plan of the same", again, err)
	}
	sum := g.build()
	started, tasks := g.fake.taken()
	compareGraph(t, name, plan, sum, started, tasks)
	g.equalFresh(name, sum)

	refresh := g.refresh
	g.refresh = nil
	if plan, err = g.engine().Plan(context.Background()); err != nil || plan.Changes() {
		t.Errorf("%s: a second build would do something: %+v, %v", name, plan, err)
	}
	if g.build(); t.Failed() {
		return
	}
	if started, _ := g.fake.taken(); started != nil {
		t.Errorf("%s: a second build started %v (refresh %v)", name, started, refresh)
	}
}

// equalFresh holds what a build wrote against a build from an empty cache.
func (g *graph) equalFresh(name string, sum *Summary) {
	g.t.Helper()
	fresh := *g
	fresh.dir, fresh.refresh, fresh.last = g.t.TempDir(), nil, map[string]LastStep{}
	var err error
	if fresh.store, err = cache.Open(filepath.Join(fresh.dir, "cache"), cache.Options{}); err != nil {
		g.t.Fatal(err)
	}
	want, got := fresh.outputs(fresh.build()), g.outputs(sum)
	if got != want {
		g.t.Errorf("%s: the outputs differ from those of a build from nothing:\n%s\nwant\n%s", name, got[:min(len(got), 2000)], want[:min(len(want), 2000)])
	}
	fresh.store.Close()
	g.fake.taken()
}

// compareGraph holds a build against the plan that was made before it.
func compareGraph(t *testing.T, name string, plan *Plan, sum *Summary, started, tasks []string) {
	t.Helper()
	if len(plan.Steps) != len(sum.Steps) {
		t.Fatalf("%s: %d steps planned, %d built", name, len(plan.Steps), len(sum.Steps))
	}
	ran := map[string]int64{}
	for _, task := range tasks {
		address, _, _ := strings.Cut(task, " ")
		ran[address]++
	}
	if len(slices.Compact(slices.Sorted(slices.Values(tasks)))) < len(tasks) {
		t.Errorf("%s: equal tasks of a step ran twice: %v", name, tasks)
	}
	for i, s := range plan.Steps {
		b := sum.Steps[i]
		if !s.Known {
			continue
		}
		source := strings.HasPrefix(s.Address, "threat_source.")
		if (s.Status == StatusHit) != (b.Status == StatusHit) {
			t.Errorf("%s: %s is planned as %s (%s) and built as %s", name, s.Address, s.Status, s.Reason, b.Status)
		}
		if s.RowsIn != b.RowsIn || !source && s.RowsHit != b.RowsHit || strings.HasPrefix(s.Address, "simulator.") && s.RowsMiss != ran[s.Address] {
			t.Errorf("%s: planned %+v, built %+v with %d tasks", name, s, b, ran[s.Address])
		}
		if s.RowsOut > b.RowsOut || s.Reason == "in the cache" && s.RowsOut != b.RowsOut {
			t.Errorf("%s: %s: %d rows out planned, %d built", name, s.Address, s.RowsOut, b.RowsOut)
		}
		if s.Work.Tasks.Exact != s.Known || s.RowsMiss == 0 && !s.Work.Calls.Exact {
			t.Errorf("%s: work of what is known: %+v", name, s.Work)
		}
	}
	for i, o := range plan.Outputs {
		if data := planOf(plan, strings.TrimSuffix(o.Address, ".output.rows")); data.Known && (o.Status == StatusHit) != (sum.Outputs[i].Status == StatusHit) {
			t.Errorf("%s: %s planned as %s (%s), built as %s", name, o.Address, o.Status, o.Reason, sum.Outputs[i].Status)
		}
	}
	if !plan.Changes() && len(started) > 0 {
		t.Errorf("%s: no change was planned, yet %v ran", name, started)
	}
}

func planOf(plan *Plan, address string) *StepPlan {
	for i := range plan.Steps {
		if plan.Steps[i].Address == address {
			return &plan.Steps[i]
		}
	}
	return &StepPlan{}
}
