package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// lastOf remembers what a build had under each address.
func lastOf(sum *Summary) func(string) (LastStep, bool) {
	keys := map[string]LastStep{}
	for _, s := range sum.Steps {
		if s.Key != (cache.Digest{}) {
			keys[s.Address] = LastStep{s.Key}
		}
	}
	return func(address string) (LastStep, bool) { l, ok := keys[address]; return l, ok }
}

// TestReasons says what a plan says of each step, after one edit.
func TestReasons(t *testing.T) {
	source, sim, dist := "threat_source.a.x", "simulator.b.y", "distill.z"
	for _, c := range []struct {
		name    string
		edit    func(*pipe, *Options)
		address string
		reason  string
		changed []string
	}{
		{"nothing", func(*pipe, *Options) {}, sim, "in the cache", nil},
		{"no build before", func(p *pipe, o *Options) { o.Last = nil; p.prompt = "q" }, sim, "none of its rows is in the cache", nil},
		{"prompt", func(p *pipe, _ *Options) { p.prompt = "q" }, sim, "prompt changed: none of its rows is in the cache", []string{"config.prompt"}},
		{"behind it", func(p *pipe, _ *Options) { p.prompt = "q" }, dist, "its input must run first", nil},
		{"changed, and behind it", func(p *pipe, _ *Options) { p.prompt, p.filter = "q", "row.n > 0" }, dist, `filter "f" changed; its input must run first`, []string{"op.0.filter"}},
		{"model and prompt", func(p *pipe, _ *Options) { p.prompt, p.provider = "q", spec.ProviderOffline }, sim,
			"prompt and the model of slot agent changed: none of its rows is in the cache", []string{"config.prompt", "model.agent"}},
		{"samples", func(p *pipe, _ *Options) { p.samples = 3 }, sim, "samples changed: 3 of 9 rows are not in the cache", []string{"samples"}},
		{"fewer samples", func(p *pipe, _ *Options) { p.samples = 1 }, sim, "samples changed: every row is in the cache; they are put together anew", []string{"samples"}},
		{"filter", func(p *pipe, _ *Options) { p.filter = "row.n > 0" }, dist, `filter "f" changed`, []string{"op.0.filter"}},
		{"another operation", func(p *pipe, _ *Options) {
			p.ops = []*spec.Op{{Kind: spec.OpFilter, Name: "f", Keep: mustExpr("true")}, {Kind: spec.OpLimit, Name: "l", Max: 1}}
		}, dist, `limit "l" is new`, []string{"op.1.limit"}},
		{"an operation before", func(p *pipe, _ *Options) {
			p.ops = []*spec.Op{{Kind: spec.OpFilter, Name: "e", Keep: mustExpr("1 == 1")}, {Kind: spec.OpFilter, Name: "f", Keep: mustExpr("true")}}
		}, dist, `filter "e" is new`, []string{"op.0.filter"}},
		{"an operation less", func(p *pipe, _ *Options) { p.ops = []*spec.Op{{Kind: spec.OpLimit, Name: "l", Max: 1}} }, dist,
			`limit "l" is new, operation 1 (filter) is gone`, []string{"op.0.limit", "op.0.filter"}},
		{"distill's input", func(p *pipe, _ *Options) { p.samples = 1 }, dist, "its input changed (3 rows, 6 before)", []string{"input"}},
		{"distill's input lost rows", func(p *pipe, o *Options) { o.Limit = 2 }, dist, "its input changed (4 rows, 6 before)", []string{"input"}},
		{"source", func(p *pipe, _ *Options) { p.source = rows(4) }, source, "rows changed", []string{"config.rows"}},
		{"refresh", func(_ *pipe, o *Options) { o.Refresh = []string{sim} }, sim, "asked for with -refresh", nil},
		{"refresh a source", func(_ *pipe, o *Options) { o.Refresh = []string{source} }, source, "asked for with -refresh", nil},
		{"limit", func(_ *pipe, o *Options) { o.Limit = 2 }, source, "-limit changed; known from an earlier build", []string{"limit"}},
		{"behind a limit", func(_ *pipe, o *Options) { o.Limit = 2 }, sim,
			"its input changed (1 row is gone): every row is in the cache; they are put together anew", []string{"input"}},
		{"lost", func(p *pipe, o *Options) { l, _ := o.Last(sim); must(withdraw(p.store, l.Key)) }, sim,
			"the cache lost its record: every row is in the cache; they are put together anew", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPipe(t, rows(3)...)
			e := p.engine()
			e.opts.Last = lastOf(p.build(nil))
			last := e.opts.Last
			opts := e.opts
			c.edit(p, &opts)
			opts.Recipe = p.recipe()
			plan, err := New(opts).Plan(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			got := planOf(plan, c.address)
			if got.Reason != c.reason || !slices.Equal(got.Changed, c.changed) {
				t.Errorf("%q (%q)\nwant %q (%q)", got.Reason, got.Changed, c.reason, c.changed)
			}
			if l, _ := last(c.address); got.Known && c.name == "nothing" && l.Key != got.Parts.Digest() {
				t.Error("the parts are not those of the key")
			}
		})
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// TestReasonRows says which of a step's rows are new and which are gone.
func TestReasonRows(t *testing.T) {
	p := newPipe(t, rows(5)...)
	first := p.build(nil)
	p.source = []string{rows(6)[5], rows(2)[0], rows(2)[0], rows(9)[8], rows(3)[2]}
	p.build(nil)
	e := p.engine()
	e.opts.Last = lastOf(first)
	// The rows are known now; only their record under these keys is not.
	p.samples = 3
	e.opts.Recipe = p.recipe()
	plan, err := e.Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := "samples changed, its input changed (3 rows are new, 3 are gone): 4 of 15 rows are not in the cache"
	if got := planOf(plan, "simulator.b.y"); got.Reason != want || got.RowsMiss != 4 {
		t.Errorf("%q, %+v", got.Reason, got)
	}
	p.samples = 2
	second := p.build(nil)
	slices.Reverse(p.source)
	e = p.engine()
	e.opts.Targets = []string{"threat_source.a.x"}
	if _, err := e.Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	want = "its input changed (its rows come in another order): every row is in the cache; they are put together anew"
	if got := planOf(p.planWith(second, nil), "simulator.b.y").Reason; got != want {
		t.Errorf("%q", got)
	}
}

// TestPlanGoesThrough plans behind steps that are put together anew, as
// exactly as behind hits.
func TestPlanGoesThrough(t *testing.T) {
	p := newPipe(t, rows(600)...)
	p.build(nil)
	p.samples, p.filter = 1, "row.n < 10"
	plan, err := p.engine().Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Status     Status
		Known      bool
		In, Out    int64
		Hit, Miss  int64
		Calls, Low float64
	}
	var got []line
	for _, s := range plan.Steps {
		got = append(got, line{s.Status, s.Known, s.RowsIn, s.RowsOut, s.RowsHit, s.RowsMiss, s.Work.Calls.High, s.Work.Calls.Low})
	}
	want := []line{{hit, true, 0, 600, 0, 0, 0, 0}, {run, true, 600, 600, 600, 0, 0, 0}, {run, true, 600, 10, 0, 600, 0, 0}, {run, true, 10, 10, 0, 10, 0, 0}}
	if d := cmp.Diff(want, got); d != "" || plan.Outputs[0].Status != StatusNew {
		t.Errorf("%s\n%+v", d, plan.Outputs)
	}
	if total := plan.Total; total.Basis != basisExact || !total.Calls.Exact {
		t.Errorf("%+v", total)
	}
}

// TestPlanWritesNothing plans on a cache that cannot be written, and looks for
// what was left behind.
func TestPlanWritesNothing(t *testing.T) {
	p := newPipe(t, rows(600)...)
	p.build(nil)
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, filepath.Join(p.dir, "cache"))
	store, err := cache.Open(filepath.Join(p.dir, "cache"), cache.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	p.store = store
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	p.samples, p.filter = 1, "row.n > 2"
	e := p.engine()
	e.opts.Limit = 500
	for _, e := range []*Engine{p.engine(), e} {
		if plan, err := e.Plan(context.Background()); err != nil || !planOf(plan, "distill.z").Known {
			t.Fatalf("%+v, %v", plan, err)
		}
	}
	p.filter = "string(row.n / 0) == ''"
	if _, err := p.engine().Plan(context.Background()); err != nil {
		t.Errorf("rows without a value: %v", err)
	}
	p.dir = filepath.Join(p.dir, "gone") // its outputs
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.engine().Plan(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if d := cmp.Diff(before, snapshot(t, filepath.Join(filepath.Dir(p.dir), "cache"))); d != "" {
		t.Errorf("the cache was written: %s", d)
	}
}

// snapshot is the sizes of the files below a folder.
func snapshot(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		sizes[path] = fi.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// TestPlanOfDamage plans what a build heals.
func TestPlanOfDamage(t *testing.T) {
	p := newPipe(t, rows(600)...)
	p.build(nil)
	b := p.attempt()
	if err := b.lookUp(b.order[0]); err != nil {
		t.Fatal(err)
	}
	if err := b.order[0].flow.open(); err != nil {
		t.Fatal(err)
	}
	loseBlobs(t, p, &b.order[0].flow.segments[1].chunk.digest)
	p.prompt = "q" // so that the source's rows are read
	plan, err := p.engine().Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if s := plan.Steps[0]; s.Status == hit || plan.Steps[1].Known {
		t.Errorf("%+v", plan.Steps[:2])
	}
	if sum := p.build(nil); sum.Steps[0].Status != run {
		t.Errorf("built: %v", statuses(sum))
	}
}

// TestPlanID holds two plans to be equal exactly if they say the same.
func TestPlanID(t *testing.T) {
	p := newPipe(t, rows(3)...)
	id := func() string {
		t.Helper()
		plan, err := p.engine().Plan(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return plan.ID
	}
	seen := map[string]string{}
	for _, c := range []struct {
		name string
		edit func()
	}{
		{"new", func() {}},
		{"another prompt", func() { p.prompt = "q" }},
		{"another filter", func() { p.filter = "row.n > 0" }},
		{"built", func() { p.build(nil) }},
		{"a file lost", func() { os.Remove(filepath.Join(p.dir, "dist", "rows.jsonl")) }},
		{"a row more", func() { p.source = rows(4) }},
	} {
		c.edit()
		got := id()
		if got != id() {
			t.Errorf("%s: two plans differ", c.name)
		}
		if other, ok := seen[got]; ok || got == "" {
			t.Errorf("%s: the plan has the ID of %s", c.name, other)
		}
		seen[got] = c.name
	}
}

// TestPlanOfFailures says beforehand that rows which failed for good will fail
// a build.
func TestPlanOfFailures(t *testing.T) {
	p := newPipe(t, rows(4)...)
	p.samples, p.onError, p.allowed = 1, spec.OnErrorDrop, 2
	p.fake.work = func(task Task) Result {
		if strings.Contains(string(task.Row), "3") {
			return Result{Err: &RowError{Code: "bad", Summary: "bad"}}
		}
		return echo(task)
	}
	p.build(nil)
	p.onError, p.allowed = spec.OnErrorFail, 0
	plan, err := p.engine().Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if s := plan.Steps[1]; s.Reason != "1 of 4 rows failed and will not pass, more than it allows" || s.RowsMiss != 0 || plan.Steps[2].Known {
		t.Errorf("%+v", plan.Steps[1:3])
	}
	p.build(func(err error) bool { return errors.Is(err, ErrTooManyFailures) })
}

// TestEstimates estimates the calls of a step from what its component declares
// and from what its tasks took before.
func TestEstimates(t *testing.T) {
	p := newPipe(t, rows(400)...)
	p.samples = 1
	p.fake.work = func(task Task) Result {
		res := echo(task)
		var in struct{ N int }
		must(json.Unmarshal(task.Row, &in))
		for i := range 2 + in.N%2 { // 2 or 3 calls
			k := cache.Sum(fmt.Append(nil, in.N, i))
			must(p.store.Put(cache.Calls, k, fmt.Append(nil, 1000+in.N%7)))
			res.Calls = append(res.Calls, k.String())
		}
		return res
	}
	plan := func(last func(string) (LastStep, bool)) *StepPlan {
		t.Helper()
		e := p.engine()
		e.opts.Last = last
		e.opts.DecodeCall = func(b []byte) (CallUsage, error) {
			u := CallUsage{Model: "m", OutputTokens: 100, Seconds: 2}
			_, err := fmt.Sscan(string(b), &u.InputTokens)
			return u, err
		}
		sim := e.opts.Recipe.Steps[1].Role
		sim.Component.Calls = &schema.Calls{Min: 1, Max: 2, Times: "steps"}
		sim.Config = []byte(`{"steps":4}`)
		m := sim.Models["agent"]
		m.Price = &spec.Price{Input: 1, Output: 10}
		m.Provider.Limits = spec.Limits{Concurrency: 10, RequestsPerMinute: 600}
		plan, err := e.Plan(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return planOf(plan, "simulator.b.y")
	}
	// Source and all: nothing can be said.
	if w := plan(nil).Work; w.Basis != basisUnknown || w.Tasks.Exact {
		t.Errorf("nothing known: %+v", w)
	}
	e := p.engine()
	e.opts.Targets = []string{"threat_source.a.x"}
	if _, err := e.Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	declared := Work{Tasks: Range{400, 400, true}, Calls: Range{0, 3200, false}, InputTokens: Range{0, 3200 * 4000, false},
		OutputTokens: Range{0, 3200 * 1000, false}, CostUSD: Range{0, 3200 * .014, false}, Seconds: Range{0, 3200, false}, Basis: basisDeclared}
	if d := cmp.Diff(declared, plan(nil).Work, cmpopts.EquateApprox(1e-9, 0)); d != "" {
		t.Errorf("declared: %s", d)
	}
	first := p.build(nil)
	if w := plan(lastOf(first)).Work; w.Basis != basisExact || !w.Calls.Exact || w.Calls.High != 0 {
		t.Errorf("a hit: %+v", w)
	}
	p.prompt = "q"
	w := plan(lastOf(first)).Work
	near := func(r Range, want, width float64) bool { // calls of before may serve again
		return r.Low == 0 && want <= r.High && r.High-want < width && !r.Exact
	}
	if w.Basis != basisHistory || !near(w.Calls, 1000, 150) || w.CostUSD.High < 2.003 || w.CostUSD.High > 2.4 || w.Seconds.High < 200 || w.Seconds.High > 240 {
		t.Errorf("history: %+v", w)
	}
	// Rows more need calls of their own.
	p.prompt, p.source = "p", rows(600)
	e = p.engine()
	e.opts.Targets = []string{"threat_source.a.x"}
	if _, err := e.Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	if w := plan(lastOf(first)).Work; !near(w.Calls, 500, 80) || !near(w.CostUSD, 1.0015, .2) || w.Tasks != (Range{200, 200, true}) {
		t.Errorf("rows more: %+v", w)
	}
}

// TestPlanHasNoRoom says why a plan cannot be made, and not that somebody
// stopped it.
func TestPlanHasNoRoom(t *testing.T) {
	p := newPipe(t, rows(3000)...)
	p.samples = 1
	p.build(nil)
	plan, err := p.engine().Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	y := planOf(plan, "simulator.b.y")
	must(withdraw(p.store, y.Parts.Digest())) // rows are put together anew
	must(withdraw(p.store, epochKey(y.Base)))
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	_, err = p.engine().Plan(context.Background())
	if !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrInterrupted) {
		t.Errorf("the error is %v", err)
	}
}

// TestInterruptWhileLookingUp interrupts builds and plans that have nothing to
// run.
func TestInterruptWhileLookingUp(t *testing.T) {
	p := newPipe(t, rows(3)...)
	p.build(nil)
	for range 30 {
		p.stop = make(chan struct{})
		e := p.engine()
		go close(p.stop)
		_, perr := e.Plan(context.Background())
		_, berr := e.Build(context.Background())
		for _, err := range []error{perr, berr} {
			if err != nil && !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
		}
	}
}

// TestUnpricedBehindAnEmptySource: a source that had no row may have one now,
// and then a model is asked that has no price.
func TestUnpricedBehindAnEmptySource(t *testing.T) {
	p := newPipe(t)
	e := p.engine()
	e.opts.Last = lastOf(p.build(nil))
	p.source = rows(3)
	e.opts.Recipe = p.recipe()
	e.opts.Recipe.Steps[1].Role.Models["agent"].Name = "dear"
	plan, err := e.Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	w := planOf(plan, "simulator.b.y").Work
	if !slices.Equal(w.Unpriced, []string{"dear"}) || w.Calls.Exact {
		t.Errorf("%+v", w)
	}
}

// planWith plans after an edit, with the last build known.
func (p *pipe) planWith(last *Summary, edit func(*Options)) *Plan {
	p.t.Helper()
	e := p.engine()
	e.opts.Last = lastOf(last)
	if edit != nil {
		edit(&e.opts)
	}
	plan, err := e.Plan(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	return plan
}

// TestPartNames puts models together and says the same once.
func TestPartNames(t *testing.T) {
	got := partNames([]string{"config.prompt", "model.model", "model.agent", "input", "model.judge", "split.seed", "split.by", "op.0.filter", "files.path"})
	want := []string{"prompt", "its model", "split", "the content of path", "the models of slots agent and judge"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestPlanBehindAChangedSource: how many rows a source has that changed is not
// known, unless it is cut off.
func TestPlanBehindAChangedSource(t *testing.T) {
	p := newPipe(t, rows(30)...)
	p.samples = 1
	first := p.build(nil)
	p.source = rows(120)
	sim := "simulator.b.y"
	plan := p.planWith(first, nil)
	for _, w := range []Work{planOf(plan, sim).Work, plan.Total} {
		if w.Tasks.Bounded() || w.Calls.Bounded() || w.OutputTokens.Bounded() || w.Tasks.Low != 0 || w.Calls.Exact {
			t.Errorf("behind a changed source: %+v", w)
		}
	}
	b, err := json.Marshal(plan.Total.Calls)
	var back Range
	if string(b) != `{"low":0,"exact":false}` || err != nil || json.Unmarshal(b, &back) != nil || back != plan.Total.Calls {
		t.Errorf("as JSON: %s, %v, %+v", b, err, back)
	}
	cut := p.planWith(first, func(o *Options) { o.Limit = 40 })
	if w := planOf(cut, sim).Work; w.Tasks != (Range{0, 40, false}) || !cut.Total.Calls.Bounded() {
		t.Errorf("cut off: %+v", w)
	}
	p.source = rows(30)
	again := p.planWith(first, func(o *Options) { o.Refresh = []string{"threat_source.a.x"} })
	if w := planOf(again, sim).Work; w.Tasks.Bounded() {
		t.Errorf("read again: %+v", w)
	}
}

// TestPlanBehindChoices: what passes operations that choose among rows is no
// more than they let pass, and what is known to pass may yet be left out.
func TestPlanBehindChoices(t *testing.T) {
	in := more{rows: 100}
	for _, c := range []struct {
		ops  []*spec.Op
		want more
	}{
		{[]*spec.Op{{Kind: spec.OpFilter}}, more{100, false}},
		{[]*spec.Op{{Kind: spec.OpDedupe, Similarity: 1}}, more{100, true}},
		{[]*spec.Op{{Kind: spec.OpDedupe, Similarity: .5}}, more{107, true}},
		{[]*spec.Op{{Kind: spec.OpDedupe, Similarity: 1}, {Kind: spec.OpLimit, Max: 104}}, more{104, true}},
		{[]*spec.Op{{Kind: spec.OpSample, N: 5}}, more{5, true}},
		{[]*spec.Op{{Kind: spec.OpBalance, Max: 5, By: mustExpr("'x'")}}, more{100, true}},
	} {
		source := &spec.Step{}
		st := &stepState{Step: &spec.Step{Distill: c.ops, Inputs: []*spec.Step{source}}}
		st.rowsIn, st.rowsOut = 10, 3
		p := &planner{build: &build{states: map[*spec.Step]*stepState{source: {}}}}
		if got := p.distillRows(st, in); got != c.want {
			t.Errorf("%+v: %+v", c.ops[0], got)
		}
	}
}

// TestPlanOfRepliesAskedAgain: replies that do not fit are asked for again, on
// top of what a component declares.
func TestPlanOfRepliesAskedAgain(t *testing.T) {
	role := &spec.RoleBody{Component: &schema.Component{Calls: &schema.Calls{Min: 1, Max: 1}},
		Models: map[string]*spec.Model{"model": {ReplyRetries: 2, Provider: &spec.Provider{}}}}
	h := &history{}
	calls := func(h *history, changed ...string) Work {
		e := estimator{step: &spec.Step{Role: role}, history: h, changed: changed}
		w := Work{Tasks: Range{Low: 100, High: 100, Exact: true}}
		e.work(&w)
		return w
	}
	if w := calls(nil); w.Calls != (Range{0, 300, false}) || w.InputTokens.Low != 0 || w.OutputTokens.Low != 0 {
		t.Errorf("declared: %+v", w)
	}
	for range 50 {
		h.calls.add(3)
	}
	if w := calls(h); w.Calls != (Range{0, 300, false}) || w.Basis != basisHistory {
		t.Errorf("always asked again: %+v", w)
	}
	h = &history{}
	for range 5 {
		h.calls.add(1)
	}
	if w := calls(h); w.Calls.High < 200 { // 5 tasks do not show that none is
		t.Errorf("few are known: %+v", w)
	}
	for range 195 {
		h.calls.add(1)
	}
	if w := calls(h); w.Calls.High < 102 || w.Calls.High > 110 {
		t.Errorf("many are known: %+v", w)
	}
	role.Component.Calls.Times, role.Config = "rounds", []byte(`{"rounds":5}`)
	if w := calls(h, "config.rounds"); w.Calls.High != 1500 || w.Basis != basisDeclared {
		t.Errorf("more rounds: %+v", w)
	}
	role.Component.Calls.More = []schema.MoreCalls{{Argument: "guard", Value: "reflection", Max: 2, Times: []string{"rounds"}}}
	for config, want := range map[string]float64{
		`{"rounds":5,"guard":"none"}`:       1500,
		`{"rounds":5}`:                      1500,
		`{"rounds":5,"guard":"reflection"}`: 4500,
	} {
		role.Config = []byte(config)
		if w := calls(h, "config.guard"); w.Calls.High != want || w.Basis != basisDeclared {
			t.Errorf("%s: %+v, want %g calls", config, w, want)
		}
	}
}

// TestReasonOfOutputs names what of an output changed.
func TestReasonOfOutputs(t *testing.T) {
	p := newPipe(t, rows(3)...)
	first := p.build(nil)
	steps := lastOf(first)
	reason := func(edit func(*spec.DatasetBody)) string {
		t.Helper()
		plan := p.planWith(first, func(o *Options) {
			edit(o.Recipe.Steps[3].Dataset)
			o.Last = func(address string) (LastStep, bool) {
				if address == "dataset.d.output.rows" {
					return LastStep{first.Outputs[0].Key}, true
				}
				return steps(address)
			}
		})
		return plan.Outputs[0].Reason
	}
	for want, edit := range map[string]func(*spec.DatasetBody){
		"its files are in place": func(*spec.DatasetBody) {},
		"split changed":          func(d *spec.DatasetBody) { d.Split.Seed, d.Split.Ratios[0].Share = 7, .25 },
	} {
		if got := reason(edit); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
