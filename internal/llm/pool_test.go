package llm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// twins makes a second endpoint for the rig's model, and gives the servers of
// both.
func (r *rig) twins(opts llmtest.Options) (first, second *llmtest.Server) {
	other := llmtest.Start(opts)
	r.t.Cleanup(other.Close)
	p := *r.model.Provider
	p.Name, p.BaseURL = "other", other.URL()
	p.ID, r.model.Provider.ID = "same", "same"
	r.model.Replicas = []*spec.Provider{r.model.Provider, &p}
	return r.server, other
}

func TestReplicasByWeight(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	a, b := r.twins(llmtest.Options{})
	r.model.Provider.Weight = 3
	for i := range 40 {
		r.must(r.request(fmt.Sprint(i)))
		_ = r.clock.sleep(context.Background(), time.Second) // so that both have room
	}
	if a.Calls() != 30 || b.Calls() != 10 {
		t.Errorf("%d and %d calls, want 30 and 10", a.Calls(), b.Calls())
	}
}

// A call that one endpoint fails goes to the other at once, and costs no retry.
func TestFailover(t *testing.T) {
	for _, fault := range []llmtest.Fault{{Status: 500}, {Status: 429}, {Status: 503}, {Reset: true}, {Cut: true}} {
		r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{fault}})
		r.model.Provider.Retries = 0
		_, b := r.twins(llmtest.Options{})
		r.clock.onSleep = func() { t.Error("a call waited") }
		for i := range 60 {
			r.must(r.request(fmt.Sprint(i)))
		}
		if b.Answered() != 60 {
			t.Errorf("%+v: %d answers", fault, b.Answered())
		}
	}
}

// If both fail, the call is tried as often as it would be with one.
func TestFailoverEnds(t *testing.T) {
	bad := llmtest.Options{Faults: []llmtest.Fault{{Status: 500}}}
	r := newRig(t, bad)
	r.model.Provider.Retries = 2
	a, b := r.twins(bad)
	if e := r.mustFail(r.request("x")); e.Code != CodeUnavailable || a.Calls() != 3 || b.Calls() != 3 {
		t.Errorf("%d and %d calls, error %+v", a.Calls(), b.Calls(), e)
	}
}

// An endpoint that refuses the key is left out, and the user is told once. If
// all do, the build ends.
func TestReplicaRefusesKey(t *testing.T) {
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Status: 401}}})
	a, b := r.twins(llmtest.Options{})
	for i := range 20 {
		r.must(r.request(fmt.Sprint(i)))
	}
	if a.Calls() != 1 || b.Calls() != 20 || len(r.notes) != 1 || !strings.Contains(r.notes[0], a.URL()) {
		t.Errorf("%d and %d calls, notes %q", a.Calls(), b.Calls(), r.notes)
	}
	b.Reset(llmtest.Fault{Status: 403})
	for i := range 5 {
		if e := r.mustFail(r.request(fmt.Sprint("more ", i))); e.Code != CodeUnauthorized || !e.Fatal {
			t.Errorf("error %+v", e)
		}
	}
	if a.Calls() != 1 || b.Calls() != 1 {
		t.Errorf("%d and %d calls at the end", a.Calls(), b.Calls())
	}
}

// After a 401 nothing more is sent, however many calls wait.
func TestUnauthorizedEndsAll(t *testing.T) {
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Status: 401}}})
	r.model.Provider.Limits.Concurrency = 4
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			if e := r.mustFail(r.request(fmt.Sprint(i))); e.Code != CodeUnauthorized || !e.Fatal {
				t.Errorf("error %+v", e)
			}
		})
	}
	wg.Wait()
	if n := r.server.Calls(); n > 4 {
		t.Errorf("%d requests", n)
	}
	if got := r.tally.Failed.Load(); got != int64(r.server.Calls()) {
		t.Errorf("%d calls failed, %d were sent", got, r.server.Calls())
	}
}

// goneFor is an endpoint that answers, is gone for so many requests, and
// answers again.
func goneFor(from, to int, what llmtest.Fault) llmtest.Options {
	what.From, what.To = from, to
	return llmtest.Options{Faults: []llmtest.Fault{what}}
}

// While an endpoint is down, one request at a time asks for it, no call loses
// its retries, and the user is told when that begins and when it ends.
func TestBreaker(t *testing.T) {
	for name, what := range map[string]llmtest.Fault{"502": {Status: 502}, "503": {Status: 503}, "reset": {Reset: true}, "500": {Status: 500}} {
		t.Run(name, func(t *testing.T) {
			const gone = 40 // so many probes are over well before the outage is
			r := newRig(t, goneFor(41, 40+gone, what))
			r.model.Provider.Limits.Concurrency = 16
			r.model.Provider.Retries = 5
			r.many(40)
			r.notes = nil
			ctl := r.client.Control()
			ctl.Pause()
			done := make(chan struct{})
			go func() {
				defer close(done)
				r.many(200)
			}()
			eventually(t, "all wait", func() bool { return ctl.Status()[0].Waiting == 160 })
			ctl.Resume()
			<-done
			if got := r.server.Answered(); got != 200 {
				t.Errorf("%d answers", got)
			}
			r.wantCounts(counts{made: 40 + 160, cached: 40, retried: gone})
			if name == "503" {
				return // what is busy need not be down
			}
			begins := slices.IndexFunc(r.notes, func(n string) bool { return strings.Contains(n, "does not answer any more") })
			ends := slices.IndexFunc(r.notes, func(n string) bool { return strings.Contains(n, "answers again") })
			if begins < 0 || ends < begins || len(r.notes) != 3 {
				t.Errorf("notes %q", r.notes)
			}
		})
	}
}

// A request that makes the endpoint fail ends, though nobody else asks.
func TestPoison(t *testing.T) {
	poison := func(r llmtest.Request) bool { return strings.Contains(string(r.Raw), "poison") }
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Status: 500, Match: poison}}})
	r.must(r.request("x"))
	var failed atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if e := r.mustFail(r.request(fmt.Sprint("poison ", i))); e.Code == CodeUnavailable && !e.Fatal {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if failed.Load() != 12 {
		t.Errorf("%d failed by themselves", failed.Load())
	}
	r.must(r.request("y"))
}

func TestControl(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, llmtest.Options{Reply: func(llmtest.Request) (llmtest.Reply, bool) {
		<-release
		return llmtest.Reply{}, false
	}})
	r.model.Provider.Limits.Concurrency = 8
	ctl := r.client.Control()
	if st := ctl.Status(); len(st) != 0 || ctl.SetLimit("m", 1) != 0 {
		t.Errorf("status %+v before anything was asked", st)
	}
	ctl.Pause()
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() { r.must(r.request(fmt.Sprint(i))) })
	}
	state := func(what string, ok func(ModelStatus) bool) {
		t.Helper()
		eventually(t, what, func() bool { st := ctl.Status(); return len(st) == 1 && ok(st[0]) })
	}
	state("all wait", func(s ModelStatus) bool { return s.State == "paused" && s.Waiting == 30 && s.InFlight == 0 })
	if n := ctl.SetLimit("nobody", 3); n != 0 {
		t.Errorf("%d models are called nobody", n)
	}
	if n := ctl.SetLimit("m", 2); n != 1 {
		t.Errorf("%d models are called m", n)
	}
	ctl.Resume()
	state("two are in flight", func(s ModelStatus) bool {
		return s.State == "open" && s.Limit == 2 && s.Declared == 2 && s.InFlight == 2 && s.Waiting == 28
	})
	ctl.SetLimit("gpt-test", 20)
	ctl.Pause()
	close(release)
	state("what is in flight finishes", func(s ModelStatus) bool {
		return s.InFlight == 0 && s.Answered == 2 && s.Waiting == 28 && s.Declared == 20
	})
	ctl.SetLimit("m", 0)
	state("as declared", func(s ModelStatus) bool { return s.Declared == 8 })
	ctl.Resume()
	wg.Wait()
	want := ModelStatus{Model: "m", ID: "gpt-test", Provider: "main", Endpoint: r.server.URL(), Limit: 8, Declared: 8, Answered: 30, State: "open"}
	got := ctl.Status()[0]
	got.MedianMillis = 0
	if got != want {
		t.Errorf("status %+v, want %+v", got, want)
	}
}

// The calls of deeper steps go first, and steps of equal depth take turns.
func TestDeeperStepsGoFirst(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	r.model.Provider.Limits.Concurrency = 1
	r.client.Control().Pause()
	var wg sync.WaitGroup
	waiting := 0
	for _, call := range strings.Fields("a0 a0 a0 b0 b0 c2 d1") {
		waiting++
		req := r.request(fmt.Sprint(call[:1], waiting))
		req.Step, req.Depth = call[:1], int(call[1]-'0')
		wg.Go(func() { r.must(req) })
		eventually(t, "the call waits", func() bool { st := r.client.Control().Status(); return len(st) == 1 && st[0].Waiting == waiting })
	}
	r.client.Control().Resume()
	wg.Wait()
	var got []string
	for _, req := range r.server.Requests() {
		got = append(got, (*req.Messages[0].Content)[:1])
	}
	if want := "c d a b a b a"; strings.Join(got, " ") != want {
		t.Errorf("order %q, want %q", strings.Join(got, " "), want)
	}
}

// Answers are stored beside the calls in flight, but only so many.
func TestStoredBeside(t *testing.T) {
	for most, beside := range map[int]int{8: 0, 64: 0, 512: 128} {
		clk := (&fakeClock{t: time.Unix(0, 0)}).clock()
		p := newPool(&clk, Options{})
		e := &endpoint{provider: &spec.Provider{}, door: newDoor(&spec.Provider{Limits: spec.Limits{Concurrency: most}})}
		q := p.queueFor(&spec.Model{ID: "m"}, []*endpoint{e})
		p.outlets[0].flow.limit.value = float64(most) // it has been found
		var done []func()
		for range most {
			w := &waiter{granted: make(chan place, 1)}
			got, err := p.enter(t.Context(), q, w, false)
			if err != nil {
				t.Fatal(err)
			}
			if len(done) < beside+1 {
				done = append(done, p.answered(got, w, outcome{kind: answered}))
			}
		}
		if d := e.door; d.storing != beside || d.inFlight != most-beside {
			t.Errorf("of %d: %d are stored beside %d in flight, want %d", most, d.storing, d.inFlight, beside)
		}
		for _, f := range done {
			f()
		}
		if d := e.door; d.storing != 0 || d.inFlight != most-beside-1 {
			t.Errorf("of %d: %d are stored beside %d in flight at the end", most, d.storing, d.inFlight)
		}
		p.close()
	}
}

// A free place wakes one call, however many wait, and nobody is forgotten.
func TestManyWait(t *testing.T) {
	const calls = 20000
	clk := realClock(nil)
	p := newPool(&clk, Options{})
	e := &endpoint{provider: &spec.Provider{Name: "p"}, door: newDoor(&spec.Provider{Limits: spec.Limits{Concurrency: 64}})}
	m := &spec.Model{Name: "m", ID: "m"}
	before := runtime.NumGoroutine()
	ctl := control{p}
	ctl.Pause()
	q := p.queueFor(m, []*endpoint{e})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	var sent, off, most, open atomic.Int64
	for i := range calls {
		wg.Go(func() {
			ctx := ctx
			if i%10 != 0 {
				ctx = context.Background()
			}
			w := &waiter{step: fmt.Sprint(i % 3), granted: make(chan place, 1)}
			got, err := p.enter(ctx, q, w, false)
			if errors.Is(err, context.Canceled) {
				off.Add(1)
				return
			}
			n := open.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			sent.Add(1)
			open.Add(-1)
			p.end(got, w, outcome{kind: answered, took: time.Millisecond})
		})
	}
	eventually(t, "all wait", func() bool { return ctl.Status()[0].Waiting == calls })
	cancel()
	eventually(t, "a tenth has gone", func() bool { return ctl.Status()[0].Waiting == calls*9/10 })
	ctl.Resume()
	wg.Wait()
	p.close()
	if sent.Load() != calls*9/10 || off.Load() != calls/10 || most.Load() > 64 {
		t.Errorf("%d were sent, %d called off, %d at a time", sent.Load(), off.Load(), most.Load())
	}
	if st := ctl.Status()[0]; st.InFlight != 0 || st.Waiting != 0 || st.Answered != calls*9/10 {
		t.Errorf("left behind: %+v", st)
	}
	eventually(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= before })
}
