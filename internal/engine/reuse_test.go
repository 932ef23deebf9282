package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// twoSources is a pipe whose simulator reads two sources. The first one's
// rows are known before it begins, so that it is no matter of time which chunks
// are taken as a whole.
func twoSources(t *testing.T, n int) (p *pipe, second *[]string) {
	p = newPipe(t, rows(n)...)
	more := []string{`{"n":1000,"extra":"z"}`}
	p.fake.rows = func(address string) []string {
		if address == "threat_source.a.second" {
			return more
		}
		return p.source
	}
	return p, &more
}

func (p *pipe) twoSourced(more []string) *spec.Recipe {
	r := p.recipe()
	second := *r.Steps[0]
	body := *second.Role
	body.KeyConfig = []spec.ConfigPart{{Name: "rows", Value: fmt.Append(nil, more)}}
	second.Address, second.Role = "threat_source.a.second", &body
	r.Steps[1].Inputs = append(r.Steps[1].Inputs, &second)
	r.Steps = slices.Insert(r.Steps, 1, &second)
	return r
}

func (p *pipe) engineOf(r *spec.Recipe, targets ...string) *Engine {
	e := p.engine()
	e.opts.Recipe, e.opts.Targets = r, targets
	return e
}

// buildOf builds the sources and then all.
func (p *pipe) buildOf(r *spec.Recipe) *Summary {
	p.t.Helper()
	if _, err := p.engineOf(r, r.Steps[0].Address, r.Steps[1].Address).Build(context.Background()); err != nil {
		p.t.Fatal(err)
	}
	sum, err := p.engineOf(r).Build(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	return sum
}

// forgetRows makes what the cache has of single rows unusable: what is found
// after it was found by the chunk.
func (p *pipe) forgetRows() {
	p.t.Helper()
	var keys []cache.Digest
	must(p.store.Each(cache.Rows, func(k cache.Digest, _ []byte) error {
		keys = append(keys, k)
		return nil
	}))
	for _, k := range keys {
		must(p.store.Put(cache.Rows, k, []byte{0xff}))
	}
}

// TestKnownChunks changes one source of two: the rows of the other one are
// taken in whole chunks, with all that was counted and traced of them. The
// plan says the same.
func TestKnownChunks(t *testing.T) {
	const n = 2*chunkRows + leastReused // the last chunk counts too
	for _, c := range []struct {
		name string
		work func(Task) Result
		want int64 // rows that are known although nothing is known row by row
	}{
		{"one row each", echo, n},
		{"none, one or two", func(t Task) Result {
			var in struct{ N int }
			must(json.Unmarshal(t.Row, &in))
			switch in.N % 3 {
			case 0:
				return Result{Dropped: fmt.Sprint("reason ", in.N%2)}
			case 1:
				return Result{Rows: [][]byte{[]byte(`{"made":"a"}`), []byte(`{"made":"b"}`)}}
			}
			return echo(t)
		}, n},
		{"all of the first chunk dropped", func(t Task) Result {
			var in struct{ N int }
			must(json.Unmarshal(t.Row, &in))
			if in.N < chunkRows {
				return Result{Dropped: "low"}
			}
			return echo(t)
		}, n},
		{"a failure in the first chunk", func(t Task) Result {
			if string(t.Row) == `{"n":7}` {
				return Result{Err: &RowError{Code: "invalid_reply", Summary: "no JSON"}}
			}
			return echo(t)
		}, n - chunkRows},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, more := twoSources(t, n)
			p.fake.work, p.onError, p.allowed, p.samples = c.work, spec.OnErrorDrop, -1, 3
			p.buildOf(p.twoSourced(*more))
			*more = append(*more, `{"n":2000,"extra":"y"}`)
			want := p.buildElsewhere(*more)

			p.forgetRows()
			p.fake.taken()
			r := p.twoSourced(*more)
			if _, err := p.engineOf(r, "threat_source.a.second").Build(context.Background()); err != nil {
				t.Fatal(err)
			}
			plan, err := p.engineOf(r).Plan(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			sum, err := p.engineOf(r).Build(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			sim, planned := sum.Steps[2], plan.Steps[2]
			if sim.RowsHit != 3*c.want {
				t.Errorf("%d tasks were known, want %d", sim.RowsHit, 3*c.want)
			}
			if planned.RowsHit != sim.RowsHit || planned.RowsMiss != 3*(n+2)-sim.RowsHit {
				t.Errorf("planned were %d known and %d not", planned.RowsHit, planned.RowsMiss)
			}
			if d := cmp.Diff(want, p.left(sum)); d != "" {
				t.Errorf("what a build from nothing leaves, and this one: %s", d)
			}
		})
	}
}

// TestRefreshBesideAnother has another process work on the cache in the midst of
// a refresh. It still finds rows of before, and what it remembers of them is not
// found after the refresh.
func TestRefreshBesideAnother(t *testing.T) {
	p, more := twoSources(t, 2*chunkRows)
	p.samples, p.fake.work = 1, answers("old")
	p.buildOf(p.twoSourced(*more))

	other, its := *p, []string{`{"n":3000,"extra":"x"}`}
	other.fake = &fakeRunner{work: answers("later"), rows: func(address string) []string {
		if address == "threat_source.a.second" {
			return its
		}
		return p.source
	}}
	var once sync.Once
	p.fake.work = func(task Task) Result {
		once.Do(func() {
			other.open()
			defer other.store.Close()
			r := other.twoSourced(its)
			for _, targets := range [][]string{{r.Steps[0].Address, r.Steps[1].Address}, {"simulator.b.y"}} {
				if _, err := other.engineOf(r, targets...).Build(context.Background()); err != nil {
					panic(err)
				}
			}
		})
		return answers("new")(task)
	}
	const slice = 20 // is no chunk, so that the refresh itself remembers none
	e := p.engineOf(p.twoSourced(*more))
	e.opts.Refresh, e.opts.Limit = []string{"simulator.b.y"}, slice
	if _, err := e.Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	must(p.store.Close())
	p.open()
	*more = append(*more, `{"n":2000,"extra":"y"}`)
	p.fake.work = answers("later")
	sum := p.buildOf(p.twoSourced(*more))
	made := map[string]int{}
	for r, err := range mustLoad(t, p, sum.Steps[2]).AllRows(p.store) {
		if err != nil {
			t.Fatal(err)
		}
		made[r.String("made")]++
	}
	if want := (map[string]int{"new": slice + 1, "old": 2*chunkRows - slice, "later": 1}); !maps.Equal(made, want) {
		t.Errorf("rows are %v, want %v", made, want)
	}
}

// TestDamagedKnownChunk damages rows that a chunk's record points to, behind what
// tells whether they are there.
func TestDamagedKnownChunk(t *testing.T) {
	p, more := twoSources(t, 2*chunkRows)
	p.samples, p.fake.work = 1, answers("old")
	p.buildOf(p.twoSourced(*more))
	var damaged cache.Digest
	p.eachChunkRecord(func(b []byte) []byte {
		rec, err := decodeChunkRecord(b)
		must(err)
		damaged = rec.chunks[0].digest
		return b
	})
	damageContent(t, p, damaged)
	*more = append(*more, `{"n":2000,"extra":"y"}`)
	r := p.twoSourced(*more)
	if _, err := p.engineOf(r, r.Steps[1].Address).Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	plan, err := p.engineOf(r).Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if miss := plan.Steps[2].RowsMiss; miss != 1 {
		t.Errorf("planned are %d tasks, want 1", miss)
	}
	sum := p.buildOf(r)
	n := 0
	for _, err := range mustLoad(t, p, sum.Steps[2]).AllRows(p.store) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != 2*chunkRows+2 {
		t.Errorf("%d rows", n)
	}
}

// left is all that a build leaves of the simulator: counts, tasks, rows.
type left struct {
	In, Out, Failed int64
	Dropped         map[string]int64
	Digest          cache.Digest
	Tasks           []TaskTrace
	Output          string
}

func (p *pipe) left(sum *Summary) left {
	p.t.Helper()
	s := sum.Steps[2]
	rec, ok, err := LoadStep(p.store, s.Key)
	if err != nil || !ok {
		p.t.Fatal("the step is not recorded: ", err)
	}
	l := left{In: s.RowsIn, Out: s.RowsOut, Failed: s.RowsFailed, Dropped: s.Dropped, Digest: rec.Digest, Output: p.output()}
	for task, err := range rec.AllTasks(p.store) {
		if err != nil {
			p.t.Fatal(err)
		}
		l.Tasks = append(l.Tasks, task)
	}
	return l
}

// buildElsewhere is what a build with an empty cache leaves.
func (p *pipe) buildElsewhere(more []string) left {
	p.t.Helper()
	fresh := newPipe(p.t, p.source...)
	fresh.fake = p.fake
	fresh.onError, fresh.allowed, fresh.samples = p.onError, p.allowed, p.samples
	return fresh.left(fresh.buildOf(fresh.twoSourced(more)))
}

// TestChunksAreForgotten has what is remembered of chunks go out of date, or
// get lost: then it must not be used.
func TestChunksAreForgotten(t *testing.T) {
	const n = 2 * chunkRows
	for _, c := range []struct {
		name   string
		change func(p *pipe, r *spec.Recipe)
		ran    int // tasks; the other rows are known one by one
		made   string
	}{
		{"rows made anew", func(p *pipe, r *spec.Recipe) {
			p.fake.work = answers("new")
			e := p.engineOf(r)
			e.opts.Refresh = []string{"simulator.b.y"}
			_, err := e.Build(context.Background())
			must(err)
		}, 1, "new"},
		{"rows made anew of a slice", func(p *pipe, r *spec.Recipe) {
			p.fake.work = answers("new")
			e := p.engineOf(r)
			e.opts.Refresh, e.opts.Limit = []string{"simulator.b.y"}, 20
			_, err := e.Build(context.Background())
			must(err)
		}, 1, "new"},
		{"rows made anew, but not all", func(p *pipe, r *spec.Recipe) {
			stop := make(chan struct{})
			p.fake.work = func(task Task) Result {
				if string(task.Row) == `{"n":300}` {
					close(stop)
					<-stop
				}
				return answers("new")(task)
			}
			e := p.engineOf(r)
			e.opts.Refresh, e.opts.Interrupt = []string{"simulator.b.y"}, stop
			if _, err := e.Build(context.Background()); err == nil {
				panic("it was not interrupted")
			}
		}, 1, "new"},
		{"their number is lost", func(p *pipe, r *spec.Recipe) {
			must(p.store.Put(cache.Steps, epochKey(base(r.Steps[2])), nil))
			p.forgetRows()
		}, n + 2, "later"},
		{"they are cut short", func(p *pipe, _ *spec.Recipe) {
			p.forgetRows()
			p.eachChunkRecord(func(b []byte) []byte { return b[:len(b)-1] })
		}, n + 2, "later"},
		{"their rows are lost", func(p *pipe, _ *spec.Recipe) {
			p.forgetRows()
			p.eachChunkRecord(func(b []byte) []byte {
				rec, err := decodeChunkRecord(b)
				must(err)
				rec.chunks[0].digest[0] ^= 1
				return rec.encode()
			})
		}, n + 2, "later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, more := twoSources(t, n)
			p.samples, p.fake.work = 1, answers("old")
			p.buildOf(p.twoSourced(*more))
			c.change(p, p.twoSourced(*more))
			*more = append(*more, `{"n":2000,"extra":"y"}`)
			p.fake.work = answers("later")
			p.fake.taken()
			sum := p.buildOf(p.twoSourced(*more))
			if _, tasks := p.fake.taken(); len(tasks) != c.ran {
				t.Errorf("%d tasks ran, want %d", len(tasks), c.ran)
			}
			i := 0
			rec, _, err := LoadStep(p.store, sum.Steps[2].Key)
			if err != nil {
				t.Fatal(err)
			}
			for r, err := range rec.AllRows(p.store) {
				if err != nil {
					t.Fatal(err)
				}
				if i++; i == 10 && r.String("made") != c.made {
					t.Errorf("the row is %s", r.Bytes())
				}
			}
			if i != n+2 {
				t.Errorf("%d rows, want %d", i, n+2)
			}
		})
	}
}

func base(s *spec.Step) key.List {
	list, err := baseParts(s, nil)
	must(err)
	return list
}

func answers(made string) func(Task) Result {
	return func(Task) Result { return Result{Rows: [][]byte{fmt.Appendf(nil, `{"made":%q}`, made)}} }
}

func (p *pipe) eachChunkRecord(edit func([]byte) []byte) {
	p.t.Helper()
	edited := map[cache.Digest][]byte{}
	must(p.store.Each(cache.Steps, func(k cache.Digest, b []byte) error {
		if _, err := decodeChunkRecord(b); err == nil {
			edited[k] = edit(slices.Clone(b))
		}
		return nil
	}))
	if len(edited) != 2 {
		p.t.Fatalf("%d chunks are remembered, want 2", len(edited))
	}
	for k, b := range edited {
		must(p.store.Put(cache.Steps, k, b))
	}
}
