package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// TestEqualTasksRunOnce gives a step the same row again and again, and holds
// that one of them runs, whatever comes of it.
func TestEqualTasksRunOnce(t *testing.T) {
	for name, answer := range map[string]Result{
		"rows":      {Rows: [][]byte{[]byte(`{"made":"x"}`)}},
		"dropped":   {Dropped: "odd"},
		"failed":    {Err: &RowError{Code: "bad", Summary: "bad"}},
		"transient": {Err: &RowError{Code: "busy", Summary: "busy", Transient: true}},
	} {
		var source []string
		for i := range 300 {
			source = append(source, fmt.Sprintf(`{"n":%d,"extra":%d}`, i%2*7, i))
		}
		p := newPipe(t, source...)
		p.samples, p.onError, p.allowed = 1, spec.OnErrorDrop, 300
		p.fake.jitter = true
		p.fake.work = func(task Task) Result {
			if string(task.Row) == `{"n":7}` {
				return answer
			}
			return echo(task)
		}
		sum := p.build(nil)
		_, tasks := p.fake.taken()
		if want := []string{`simulator.b.y {"n":0} 0`, `simulator.b.y {"n":7} 0`}; !slices.Equal(tasks, want) {
			t.Errorf("%s: tasks %v", name, tasks)
		}
		s := sum.Steps[1]
		if s.RowsIn != 300 || s.RowsHit != 298 {
			t.Errorf("%s: %+v", name, s)
		}
		if got := s.RowsFailed + s.Dropped["odd"]; answer.Rows == nil && got != 150 || answer.Rows != nil && s.RowsOut != 300 {
			t.Errorf("%s: %+v", name, s)
		}
		var order []string
		for r, err := range mustLoad(t, p, s).AllRows(p.store) {
			if err != nil {
				t.Fatal(err)
			}
			extra, _ := r.Column("extra")
			order = append(order, string(extra))
		}
		if !slices.IsSortedFunc(order, func(a, b string) int { return len(a)*1000 - len(b)*1000 + strings.Compare(a, b) }) {
			t.Errorf("%s: rows left their order: %v", name, order)
		}
	}
}

// TestLimit cuts a source off, in each state of the cache.
func TestLimit(t *testing.T) {
	limited := func(p *pipe, n int) (*Summary, []string, []string) {
		t.Helper()
		e := p.engine()
		e.opts.Limit = n
		sum, err := e.Build(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		started, tasks := p.fake.taken()
		return sum, started, tasks
	}
	p := newPipe(t, rows(2000)...)
	p.samples = 1
	sum, started, tasks := limited(p, 3)
	if len(tasks) != 3 || sum.Steps[0].RowsOut != 3 || sum.Limit != 3 || !slices.Contains(started, "threat_source.a.x") {
		t.Errorf("first: %v, %+v", tasks, sum.Steps[0])
	}
	for _, r := range p.fake.runs {
		select {
		case <-r.closed:
		default:
			t.Errorf("%s was left running", r.spec.Address)
		}
	}
	if r := p.fake.runs[0]; r.given > 100 {
		t.Errorf("the source gave %d rows for 3", r.given)
	}
	if _, started, _ := limited(p, 3); started != nil {
		t.Errorf("the slice is not cached: %v", started)
	}
	full := p.build(nil)
	if _, tasks := p.fake.taken(); len(tasks) != 1997 || full.Steps[1].RowsHit != 3 || full.Limit != 0 {
		t.Errorf("the whole ran %d tasks", len(tasks))
	}
	if sum, started, _ := limited(p, 5); slices.Contains(started, "threat_source.a.x") || sum.Steps[0].Status != hit || sum.Steps[0].RowsOut != 5 {
		t.Errorf("the slice is not taken from the whole: %v, %+v", started, sum.Steps[0])
	}
	if sum, _, _ := limited(p, 3000); sum.Steps[0].RowsOut != 2000 {
		t.Errorf("a limit above the whole: %+v", sum.Steps[0])
	}
	// The source gives other rows now, though nothing of its key changed: a
	// slice of what it gave before must not outlive the whole.
	p.fake.rows = func(string) []string { return rows(2001)[1:] }
	e := p.engine()
	e.opts.Refresh = []string{"threat_source.a.x"}
	if _, err := e.Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.fake.taken()
	if sum, _, _ := limited(p, 5); sum.Steps[0].RowsOut != 5 || !strings.Contains(p.output(), "5/0") {
		t.Errorf("an old slice: %+v, %s", sum.Steps[0], p.output())
	}
}

// TestTargets builds one branch.
func TestTargets(t *testing.T) {
	p := newPipe(t, rows(3)...)
	e := p.engine()
	e.opts.Targets = []string{"simulator.b.y"}
	sum, err := e.Build(context.Background())
	if err != nil || len(sum.Steps) != 2 || len(sum.Outputs) != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	for _, set := range []func(*Options){
		func(o *Options) { o.Targets = []string{"simulator.b.z"} },
		func(o *Options) { o.Refresh = []string{"distill.z", "simulator.b.z"} },
	} {
		e := p.engine()
		set(&e.opts)
		var unknown *UnknownAddressError
		if _, err := e.Plan(context.Background()); !errors.As(err, &unknown) || unknown.Address != "simulator.b.z" {
			t.Errorf("plan: %v", err)
		}
		if sum, err := e.Build(context.Background()); !errors.As(err, &unknown) || sum == nil || sum.OK || sum.Error == "" {
			t.Errorf("build: %v, %+v", err, sum)
		}
	}
}

// TestRefresh makes rows anew, and with them what they change.
func TestRefresh(t *testing.T) {
	p := newPipe(t, append(rows(3), rows(2)...)...)
	p.samples = 1
	p.build(nil)
	p.fake.taken()
	var asked atomic.Int64
	p.fake.workFor = func(s RunSpec, task Task) Result {
		if !s.Refresh {
			t.Errorf("%s is not told that it is refreshed", s.Address)
		}
		asked.Add(1)
		res := echo(task)
		if string(task.Row) == `{"n":1}` {
			res.Rows = [][]byte{[]byte(`{"made":"other","big":5}`)}
		}
		return res
	}
	e := p.engine()
	e.opts.Refresh = []string{"simulator.b.y"}
	sum, err := e.Build(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 3 || sum.Steps[1].RowsHit != 2 || sum.Steps[1].Status != run || !strings.Contains(p.output(), "other") {
		t.Errorf("%d tasks, %+v\n%s", asked.Load(), sum.Steps[1], p.output())
	}
	p.fake.taken()
	if sum := p.build(nil); !slices.Equal(statuses(sum), []Status{hit, hit, hit, hit}) || !strings.Contains(p.output(), "other") {
		t.Errorf("after it: %v", statuses(sum))
	}
	p.samples, p.filter = 2, "row.n != 0" // row by row the new outcomes count too
	p.fake.workFor = nil
	if sum := p.build(nil); sum.Steps[1].RowsHit != 5+2 || !strings.Contains(p.output(), "other") {
		t.Errorf("%+v", sum.Steps[1])
	}
}

// TestRefreshGoesOn refreshes a step in builds that fail elsewhere: what was made
// anew is not made again, but for rows that failed, until a build ends well.
func TestRefreshGoesOn(t *testing.T) {
	p := newPipe(t, rows(5)...)
	p.samples, p.onError, p.allowed = 1, spec.OnErrorDrop, -1
	p.build(nil)
	luck, bad := false, true
	var mu sync.Mutex
	asked := 0
	p.fake.workFor = func(s RunSpec, task Task) Result {
		mu.Lock()
		defer mu.Unlock()
		if s.Address != "simulator.b.y" && bad {
			return Result{Err: &RowError{Code: "bad", Summary: "the other branch fails", Transient: true}}
		}
		if s.Address == "simulator.b.y" {
			asked++
			if string(task.Row) == `{"n":1}` && !luck {
				return Result{Err: &RowError{Code: "bad", Summary: "no luck"}}
			}
		}
		return echo(task)
	}
	build := func(limit, wantMiss, wantAsked int, fails bool) {
		t.Helper()
		e := p.engine()
		e.opts.KeepGoing, e.opts.Limit = true, limit
		e.opts.Refresh = []string{"simulator.b.y"}
		e.opts.Recipe = twoBranches(e.opts.Recipe)
		plan, err := e.Plan(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		asked = 0
		_, err = e.Build(context.Background())
		if (err != nil) != fails {
			t.Fatalf("the build ended with %v", err)
		}
		if asked != wantAsked || plan.Steps[1].RowsMiss != int64(wantMiss) {
			t.Errorf("%d rows were made anew and planned were %d; want %d", asked, plan.Steps[1].RowsMiss, wantAsked)
		}
	}
	build(0, 5, 5, true)
	build(0, 1, 1, true) // the row that failed
	luck = true
	build(2, 2, 2, true) // a slice is a refresh of its own
	build(0, 2, 2, true) // and what it made anew bears another mark
	build(0, 0, 0, true)
	bad = false
	build(0, 0, 0, false)
	build(0, 5, 5, false) // it had ended: all over again
}

// TestKeepGoing has one branch fail, and the other come to its end.
func TestKeepGoing(t *testing.T) {
	for _, keep := range []bool{false, true} {
		p := newPipe(t, rows(3*linearRoom)...)
		p.samples = 1
		e := p.engine()
		e.opts.KeepGoing = keep
		e.opts.Recipe = twoBranches(e.opts.Recipe)
		p.fake.workFor = func(s RunSpec, task Task) Result {
			if s.Address == "simulator.b.y" {
				return Result{Err: &RowError{Code: "bad", Summary: "no luck"}}
			}
			return echo(task)
		}
		sum, err := e.Build(context.Background())
		if !errors.Is(err, ErrTooManyFailures) || !strings.HasPrefix(err.Error(), "simulator.b.y: ") {
			t.Fatalf("keep %v: %v", keep, err)
		}
		status := map[string]Status{}
		for _, s := range sum.Steps {
			status[s.Address] = s.Status
		}
		_, werr := os.Stat(filepath.Join(p.dir, "other", "rows.jsonl"))
		if !keep {
			continue
		}
		want := map[string]Status{"threat_source.a.x": run, "simulator.b.y": run, "distill.z": StatusSkipped, "dataset.d": StatusSkipped, "simulator.b.other": run, "dataset.other": run}
		if d := cmp.Diff(want, status); d != "" || werr != nil || sum.OK {
			t.Errorf("%s\n%v", d, werr)
		}
		p.fake.taken()
		e = p.engine()
		e.opts.Recipe = twoBranches(e.opts.Recipe)
		e.opts.Targets = []string{"dataset.other"}
		if again, err := e.Build(context.Background()); err != nil || slices.Contains(statuses(again), run) {
			t.Errorf("what was finished runs again: %v, %v", statuses(again), err)
		}
	}
}

// TestKeepGoingTellsAll has both branches fail: each is told of, in the order of
// the steps, however often a step tells of its failure.
func TestKeepGoingTellsAll(t *testing.T) {
	for _, keep := range []bool{false, true} {
		p := newPipe(t, rows(20)...)
		e := p.engine()
		e.opts.KeepGoing = keep
		e.opts.Recipe = twoBranches(e.opts.Recipe)
		p.fake.workFor = func(s RunSpec, _ Task) Result {
			return Result{Err: &RowError{Code: "bad", Summary: "no luck at " + s.Address}}
		}
		sum, err := e.Build(context.Background())
		var all Failures
		if !errors.Is(err, ErrTooManyFailures) || errors.As(err, &all) != keep || sum.Error != err.Error() {
			t.Fatalf("keep %v: %v, in the summary %q", keep, err, sum.Error)
		}
		var got []string
		for _, err := range all {
			got = append(got, err.Error())
		}
		text := ErrTooManyFailures.Error() + ": no luck at "
		want := []string{"simulator.b.y: " + text + "simulator.b.y", "simulator.b.other: " + text + "simulator.b.other"}
		if keep && !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// twoBranches adds a simulator and a dataset on the source.
func twoBranches(r *spec.Recipe) *spec.Recipe {
	sim := *r.Steps[1]
	body := *sim.Role
	body.KeyConfig = []spec.ConfigPart{{Name: "prompt", Value: []byte("other")}}
	sim.Address, sim.Role = "simulator.b.other", &body
	out := spec.OutputBody{Address: "dataset.other.output.rows", Path: "other", Role: spec.RoleBody{
		Plugin: spec.PluginRef{Source: "builtin"}, Config: []byte("{}"), ReadsAll: true,
		Component: &schema.Component{Role: schema.Output, Name: "rows", BehaviorVersion: "1"}}}
	data := &spec.Step{Address: "dataset.other", Kind: spec.DatasetStep, Inputs: []*spec.Step{&sim}, Dataset: &spec.DatasetBody{Outputs: []*spec.OutputBody{&out}}}
	r.Steps = append(r.Steps, &sim, data)
	return r
}

// TestFileChangesWhileBuilding has a source's file change after its key was
// made: nobody knows which content the rows are of, so they are not kept.
func TestFileChangesWhileBuilding(t *testing.T) {
	p := newPipe(t, rows(3)...)
	path := filepath.Join(p.dir, "in.jsonl")
	content := "old"
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	build := func() *Summary {
		e := p.engine()
		e.opts.Recipe.Steps[0].Role.Files = map[string][]schema.File{"path": {{Name: "in.jsonl", Path: path}}}
		sum, err := e.Build(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	p.fake.rows = func(string) []string {
		if err := os.WriteFile(path, []byte(content+" and new"), 0o644); err != nil {
			t.Error(err)
		}
		return p.source
	}
	if sum := build(); sum.Steps[0].Key != (cache.Digest{}) || len(p.events) == 0 {
		t.Errorf("recorded under %s", sum.Steps[0].Key)
	}
	p.fake.taken()
	if sum := build(); sum.Steps[0].Status != run {
		t.Errorf("the next build: %v", statuses(sum))
	}
	if sum := build(); sum.Steps[0].Status != hit {
		t.Errorf("a file at rest: %v", statuses(sum))
	}
}
