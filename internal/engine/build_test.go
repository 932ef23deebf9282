package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

const (
	hit = StatusHit
	run = StatusRun
)

// rows makes source rows with n from 0.
func rows(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"n":%d,"extra":"e%d"}`, i, i))
	}
	return list
}

// TestRebuild edits one thing at a time and holds exactly what ran against
// what depends on it.
func TestRebuild(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*pipe)
		started []string
		tasks   []string
		status  []Status
	}{
		{"nothing", func(p *pipe) {}, nil, nil, []Status{hit, hit, hit, hit}},
		{"names", func(p *pipe) { p.names = "_renamed" }, nil, nil, []Status{hit, hit, hit, hit}},
		{"a third sample", func(p *pipe) { p.samples = 3 },
			[]string{"dataset.d.output.rows", "simulator.b.y"},
			[]string{`simulator.b.y {"n":0} 2`, `simulator.b.y {"n":1} 2`, `simulator.b.y {"n":2} 2`},
			[]Status{hit, run, run, run}},
		{"one sample less", func(p *pipe) { p.samples = 1 },
			[]string{"dataset.d.output.rows"}, nil, []Status{hit, run, run, run}},
		{"a row added in front", func(p *pipe) { p.source = append([]string{`{"n":7}`}, p.source...) },
			[]string{"dataset.d.output.rows", "simulator.b.y", "threat_source.a.x"},
			[]string{`simulator.b.y {"n":7} 0`, `simulator.b.y {"n":7} 1`},
			[]Status{run, run, run, run}},
		{"a column nobody reads", func(p *pipe) { p.source[1] = `{"n":1,"extra":"other"}` },
			[]string{"dataset.d.output.rows", "threat_source.a.x"}, nil, []Status{run, run, run, run}},
		{"the source's settings, same rows", func(p *pipe) { p.source[1] = `{ "extra":"e1", "n":1 }` },
			[]string{"threat_source.a.x"}, nil, []Status{run, hit, hit, hit}},
		{"a filter", func(p *pipe) { p.filter = "row.n > 0" },
			[]string{"dataset.d.output.rows"}, nil, []Status{hit, hit, run, run}},
		{"a filter that keeps the same", func(p *pipe) { p.filter = "row.n >= 0" },
			nil, nil, []Status{hit, hit, run, hit}},
		{"a prompt", func(p *pipe) { p.prompt = "q" },
			[]string{"simulator.b.y"},
			[]string{`simulator.b.y {"n":0} 0`, `simulator.b.y {"n":0} 1`, `simulator.b.y {"n":1} 0`, `simulator.b.y {"n":1} 1`, `simulator.b.y {"n":2} 0`, `simulator.b.y {"n":2} 1`},
			[]Status{hit, run, hit, hit}},
		{"an output file lost", func(p *pipe) { os.Remove(filepath.Join(p.dir, "dist", "rows.jsonl")) },
			[]string{"dataset.d.output.rows"}, nil, []Status{hit, hit, hit, run}},
		{"an output file edited", func(p *pipe) { os.WriteFile(filepath.Join(p.dir, "dist", "rows.jsonl"), []byte("x"), 0o644) },
			[]string{"dataset.d.output.rows"}, nil, []Status{hit, hit, hit, run}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPipe(t, rows(3)...)
			p.build(nil)
			p.fake.taken()
			c.edit(p)
			plan, err := p.engine().Plan(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if changes := !slices.Equal(c.status, []Status{hit, hit, hit, hit}); plan.Changes() != changes {
				t.Errorf("plan says changes: %v", plan.Changes())
			}
			if started, _ := p.fake.taken(); started != nil {
				t.Errorf("plan started %v", started)
			}
			sum := p.build(nil)
			started, tasks := p.fake.taken()
			if d := cmp.Diff(c.started, started); d != "" {
				t.Errorf("started (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.tasks, tasks); d != "" {
				t.Errorf("tasks (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.status, statuses(sum)); d != "" {
				t.Errorf("statuses (-want +got):\n%s", d)
			}
			got := p.output()
			fresh := newPipe(t, p.source...)
			fresh.samples, fresh.filter, fresh.prompt = p.samples, p.filter, p.prompt
			fresh.build(nil)
			if got != fresh.output() {
				t.Errorf("differs from a build from nothing:\n%s\nwant\n%s", got, fresh.output())
			}
			again := p.build(nil)
			if started, _ := p.fake.taken(); started != nil || !slices.Equal(statuses(again), []Status{hit, hit, hit, hit}) {
				t.Errorf("a third build started %v, %v", started, statuses(again))
			}
			for i := range sum.Steps {
				a, b := sum.Steps[i], again.Steps[i]
				if a.RowsIn != b.RowsIn || a.RowsOut != b.RowsOut || cmp.Diff(a.Dropped, b.Dropped) != "" {
					t.Errorf("counts of a hit differ: %+v, %+v", a, b)
				}
			}
		})
	}
}

func TestOrderFollowsInput(t *testing.T) {
	p := newPipe(t, rows(3000)...)
	p.fake.jitter = true
	p.build(nil)
	var want []string
	for n := range 3000 {
		for s := range 2 {
			want = append(want, fmt.Sprintf(`"made":"%d/%d"`, n, s))
		}
	}
	lines := strings.Split(strings.TrimSpace(p.output()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d rows, want %d", len(lines), len(want))
	}
	splits := map[string]string{}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) {
			t.Fatalf("row %d is %s, want %s", i, line, want[i])
		}
		split, _, _ := strings.Cut(line, " ")
		n := fmt.Sprint(i / 2)
		if was, ok := splits[n]; ok && was != split {
			t.Fatalf("ancestor %s is in %s and %s", n, was, split)
		}
		splits[n] = split
	}
}

func TestFailures(t *testing.T) {
	failing := func(transient bool) func(Task) Result {
		return func(task Task) Result {
			if string(task.Row) == `{"n":1}` {
				return Result{Err: &RowError{Code: "invalid_reply", Summary: "no JSON", Transient: transient}}
			}
			return echo(task)
		}
	}
	tooMany := func(err error) bool { return errors.Is(err, ErrTooManyFailures) }

	t.Run("fail is the default", func(t *testing.T) {
		p := newPipe(t, rows(3)...)
		p.fake.work = failing(false)
		sum := p.build(tooMany)
		if sum.Steps[1].Failed["invalid_reply"] == 0 {
			t.Errorf("not counted: %+v", sum.Steps[1])
		}
		if _, err := os.Stat(filepath.Join(p.dir, "dist", "rows.jsonl")); err == nil {
			t.Error("an output was written")
		}
	})
	t.Run("as many as allowed", func(t *testing.T) {
		p := newPipe(t, rows(3)...)
		p.fake.work, p.allowed = failing(false), 2
		if sum := p.build(nil); sum.Steps[1].RowsFailed != 2 || sum.Steps[1].RowsOut != 4 {
			t.Errorf("%+v", sum.Steps[1])
		}
		p.fake.taken()
		p.allowed = 1 // a hit must not hide what is now too much
		p.build(tooMany)
	})
	t.Run("drop remembers what will not change", func(t *testing.T) {
		p := newPipe(t, rows(3)...)
		p.fake.work, p.onError, p.allowed = failing(false), spec.OnErrorDrop, -1
		first := p.build(nil)
		p.fake.taken()
		second := p.build(nil)
		if _, tasks := p.fake.taken(); tasks != nil {
			t.Errorf("ran %v again", tasks)
		}
		if second.Steps[1].Failed["invalid_reply"] != 2 || first.Steps[1].Failed["invalid_reply"] != 2 {
			t.Errorf("%+v, %+v", first.Steps[1], second.Steps[1])
		}
	})
	t.Run("drop tries again what may pass", func(t *testing.T) {
		p := newPipe(t, rows(3)...)
		p.fake.work, p.onError, p.allowed = failing(true), spec.OnErrorDrop, -1
		p.build(nil)
		p.fake.taken()
		if n := len(p.shown("simulator.b.y")); n != 4 {
			t.Errorf("%d rows can be shown, want those that did not fail", n)
		}
		p.fake.work = echo
		sum := p.build(nil)
		_, tasks := p.fake.taken()
		if d := cmp.Diff([]string{`simulator.b.y {"n":1} 0`, `simulator.b.y {"n":1} 1`}, tasks); d != "" || sum.Steps[1].RowsFailed != 0 {
			t.Errorf("%s %+v", d, sum.Steps[1])
		}
	})
	t.Run("an expression without a value", func(t *testing.T) {
		p := newPipe(t, rows(3)...)
		p.filter = "10 / int(row.n) > 0"
		p.build(tooMany)
		p.onError, p.allowed = spec.OnErrorDrop, -1
		if sum := p.build(nil); sum.Steps[2].Failed["expression_error"] != 2 {
			t.Errorf("%+v", sum.Steps[2])
		}
	})
	t.Run("drop does not bear a step of which nothing is left", func(t *testing.T) {
		p := newPipe(t, rows(3)...)
		p.onError, p.allowed = spec.OnErrorDrop, -1
		p.fake.work = func(Task) Result { return Result{Err: &RowError{Code: "invalid_reply", Summary: "no JSON"}} }
		if sum := p.build(tooMany); sum.Steps[1].Failed["invalid_reply"] != 6 {
			t.Errorf("%+v", sum.Steps[1])
		}
		p.allowed = 6 // said in so many words
		p.build(nil)
	})
	t.Run("nonsense from a plugin", func(t *testing.T) {
		p := newPipe(t, rows(1)...)
		p.fake.work = func(Task) Result { return Result{Rows: [][]byte{[]byte(`[1]`)}} }
		p.build(tooMany)
	})
}

func TestInterrupt(t *testing.T) {
	p := newPipe(t, rows(500)...)
	p.stop = make(chan struct{})
	n := make(chan struct{}, 1000)
	p.fake.work = func(task Task) Result {
		n <- struct{}{}
		if len(n) == 100 {
			close(p.stop)
		}
		return echo(task)
	}
	p.build(func(err error) bool { return errors.Is(err, ErrInterrupted) })
	_, before := p.fake.taken()
	p.stop, p.fake.work = nil, echo
	p.build(nil)
	_, after := p.fake.taken()
	if len(before) < 100 || len(before) == 1000 {
		t.Errorf("%d tasks before the interrupt took effect", len(before))
	}
	if len(before)+len(after) != 1000 {
		t.Errorf("%d + %d tasks, want 1000: something was lost or done twice", len(before), len(after))
	}
}

// TestTwoWays reads one step over two paths of different speed and puts them
// together again. With a bound on how far the step may be ahead of either
// path this would deadlock.
func TestTwoWays(t *testing.T) {
	p := newPipe(t, rows(3*linearRoom)...)
	p.samples = 1
	r := p.recipe()
	source, sim, dist, data := r.Steps[0], r.Steps[1], r.Steps[2], r.Steps[3]
	second := *dist
	second.Address = "distill.second"
	second.Distill = []*spec.Op{{Kind: spec.OpLimit, Name: "all", Max: 1 << 30}}
	data.Inputs = []*spec.Step{dist, &second}
	r.Steps = []*spec.Step{source, sim, dist, &second, data}
	sum, err := New(Options{Recipe: r, Store: p.store, Runner: p.fake}).Build(context.Background())
	if err != nil || sum.Steps[4].RowsIn != 6*linearRoom {
		t.Fatalf("%v %+v", err, sum.Steps[4])
	}
}

// TestDepth: a run knows how far its step is from a source, by the longest way.
func TestDepth(t *testing.T) {
	p := newPipe(t, rows(3)...)
	r := p.recipe()
	data := r.Steps[3]
	data.Inputs = []*spec.Step{r.Steps[1], r.Steps[2]}
	if _, err := New(Options{Recipe: r, Store: p.store, Runner: p.fake}).Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := map[schema.Role]int{schema.ThreatSource: 0, schema.Simulator: 1, schema.Output: 3}
	for _, run := range p.fake.runs {
		if got := run.spec.Depth; got != want[run.spec.Role] {
			t.Errorf("the depth of %s is %d, want %d", run.spec.Address, got, want[run.spec.Role])
		}
	}
}

// TestDamage flips bytes in every file of the cache and expects the next
// build to give what a build from nothing gives.
func TestDamage(t *testing.T) {
	p := newPipe(t, rows(600)...)
	p.build(nil)
	want := p.output()
	for round := range 6 {
		if err := p.store.Close(); err != nil {
			t.Fatal(err)
		}
		files := 0
		err := filepath.Walk(filepath.Join(p.dir, "cache"), func(path string, info os.FileInfo, err error) error {
			if err != nil || info.IsDir() || info.Size() == 0 {
				return err
			}
			files++
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i := (round + 1) * len(b) / 7; i < len(b); i += 1 + len(b)/2 {
				b[i] ^= 0x40
			}
			return os.WriteFile(path, b, 0o644)
		})
		if err != nil || files == 0 {
			t.Fatal(files, err)
		}
		os.RemoveAll(filepath.Join(p.dir, "dist"))
		p.open()
		sum := p.build(nil)
		if got := p.output(); got != want {
			t.Fatalf("round %d: the output changed (%+v)", round, sum.Steps)
		}
	}
}

func TestRowsOfAStep(t *testing.T) {
	p := newPipe(t, rows(3)...)
	_, err := p.engine().Rows(context.Background(), "distill.z")
	var missing *NotBuiltError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v", err)
	}
	p.build(nil)
	for address, want := range map[string]int{"threat_source.a.x": 3, "simulator.b.y": 6, "distill.z": 6, "dataset.d": 6} {
		if ids := p.shown(address); len(ids) != want {
			t.Errorf("%s has ids %v, want %d", address, ids, want)
		}
	}
}

// shown are the ids of the rows of a step that can be shown.
func (p *pipe) shown(address string) map[string]bool {
	p.t.Helper()
	it, err := p.engine().Rows(context.Background(), address)
	if err != nil {
		p.t.Fatal(err)
	}
	ids := map[string]bool{}
	for r, err := range it {
		if err != nil {
			p.t.Fatal(err)
		}
		ids[r.String("id")] = true
	}
	return ids
}

func TestSourceIDs(t *testing.T) {
	body := &spec.RoleBody{}
	id := func(text string) string {
		r, err := row.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return withSourceID(body, r).String("id")
	}
	made := id(`{"a":1,"origin":{"index":3}}`)
	for text, want := range map[string]string{
		`{"a":1,"id":"x"}`:                  "x",
		`{"a":1,"id":-5}`:                   "-5",
		`{"a":1,"origin":{"index":9}}`:      made, // where it stood does not count
		`{"origin":{"index":9},"a":1.0}`:    made,
		`{"a":1,"id":"","origin":{}}`:       id(`{"a":1,"id":""}`),
		`{"a":1,"id":{"b":1},"origin":"x"}`: id(`{"a":1,"id":{"b":1}}`),
	} {
		if got := id(text); got != want {
			t.Errorf("%s has id %q, want %q", text, got, want)
		}
	}
	if other := id(`{"a":2}`); other == made || len(made) != 12 {
		t.Errorf("ids %q and %q", made, other)
	}
}

func TestCountLines(t *testing.T) {
	for _, c := range []struct {
		files string // name rows, ...
		want  map[string]int64
	}{
		{"train.jsonl 9, test.jsonl 2", map[string]int64{"train": 9, "test": 2}},
		{"train-00000-of-00002.parquet 5, train-00001-of-00002.parquet 4, test-00000-of-00001.parquet 2", map[string]int64{"train": 9, "test": 2}},
		{"sub/train.jsonl 9, test.jsonl 2", map[string]int64{"train": 9, "test": 2}},
		{"train.jsonl 9, README.md 0, test.jsonl 2", map[string]int64{"train": 9, "test": 2}},
		{"all.jsonl 11", map[string]int64{"train": 6, "test": 3}},                // not by split
		{"train.jsonl 9", map[string]int64{"train": 6, "test": 3}},               // a split is missing
		{"train.jsonl 0, test.jsonl 2", map[string]int64{"train": 6, "test": 3}}, // not said
	} {
		rec := &outputRecord{Splits: map[string]int64{"train": 6, "test": 3}}
		for _, f := range strings.Split(c.files, ", ") {
			var r fileRecord
			if _, err := fmt.Sscan(f, &r.Path, &r.Rows); err != nil {
				t.Fatal(err)
			}
			rec.Files = append(rec.Files, r)
		}
		countLines(rec)
		if d := cmp.Diff(c.want, rec.Splits); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.files, d)
		}
	}
}
