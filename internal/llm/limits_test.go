package llm

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/llm/llmtest"
	"github.com/autosafe/autosafe/spec"
)

func (r *rig) many(n int) {
	r.t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { r.must(r.request(fmt.Sprint("call ", i))) })
	}
	wg.Wait()
}

func TestConcurrency(t *testing.T) {
	for limit, calls := range map[int]int{1: 5, 5: 20, 0: 200} {
		r := newRig(t, llmtest.Options{Latency: 100 * time.Millisecond})
		r.model.Provider.Limits.Concurrency = limit
		r.many(calls)
		want := limit
		if limit == 0 {
			want = DefaultConcurrency
		}
		if got := r.server.MaxInFlight(); got != want {
			t.Errorf("limit %d: %d at a time, want %d", limit, got, want)
		}
	}
}

// Blocks that agree in everything but their label share their limits.
func TestLimitsAreShared(t *testing.T) {
	r := newRig(t, llmtest.Options{Latency: 10 * time.Millisecond})
	r.model.Provider.Limits.Concurrency = 2
	p := *r.model.Provider
	p.Name = "twin"
	twin := *r.model
	twin.Provider = &p
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			req := r.request(fmt.Sprint(i))
			if i%2 == 0 {
				req.Model = &twin
			}
			r.must(req)
		})
	}
	wg.Wait()
	if got := r.server.MaxInFlight(); got != 2 {
		t.Errorf("%d at a time", got)
	}
}

func TestRequestsPerMinute(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	r.model.Provider.Limits = spec.Limits{Concurrency: 1, RequestsPerMinute: 120}
	r.many(10) // the first two at once, the rest half a second apart
	if got := r.clock.total(); got < 3900*time.Millisecond || got > 4100*time.Millisecond {
		t.Errorf("waited %v, want 4s", got)
	}
}

func TestTokensPerMinute(t *testing.T) {
	usage := llmtest.Fault{Body: `{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":900,"completion_tokens":100}}`}
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{usage}})
	r.model.Provider.Limits = spec.Limits{Concurrency: 1, TokensPerMinute: 6000} // 100 a second, bursts of 1000
	r.many(5)
	// 5000 tokens less the burst are 40 s; the last call's debt is not waited for.
	if got := r.clock.total(); got < 29*time.Second || got > 41*time.Second {
		t.Errorf("waited %v, want 30s to 40s", got)
	}
}

// After a 429 nobody calls until the time asked for is over.
func TestPauseHoldsAllBack(t *testing.T) {
	clk := &fakeClock{t: time.Unix(0, 0)}
	g := newGate(spec.Limits{}, clk.clock(), nil)
	g.pause(10 * time.Second)
	g.pause(5 * time.Second) // a shorter one changes nothing
	if err := g.enter(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	g.leave(0)
	if got := clk.now().Sub(time.Unix(0, 0)); got < 10*time.Second || got > 11*time.Second {
		t.Errorf("waited %v", got)
	}
}

func TestOneIsToldAllWait(t *testing.T) {
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{To: 1, Status: 429, Header: map[string]string{"Retry-After": "9"}}}})
	var waits []time.Duration
	r.clock.onSleep = func() {
		e, err := r.client.endpointFor(r.model.Provider)
		if err != nil {
			t.Error(err)
			return
		}
		e.gate.mu.Lock()
		defer e.gate.mu.Unlock()
		waits = append(waits, e.gate.paused.Sub(time.Unix(1700000000, 0)))
	}
	r.must(r.request("x"))
	if len(waits) == 0 || waits[0] != 9*time.Second {
		t.Errorf("the gate is closed for %v, want 9s", waits)
	}
}

func TestGateGivesWayToCancel(t *testing.T) {
	stopping := make(chan struct{})
	g := newGate(spec.Limits{Concurrency: 1}, realClock(stopping), stopping)
	if err := g.enter(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := g.enter(ctx, 1); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	time.AfterFunc(10*time.Millisecond, func() { close(stopping) })
	if err := g.enter(context.Background(), 1); err != errStopping {
		t.Errorf("stopping: %v", err)
	}
	g.leave(0)
	if err := g.enter(context.Background(), 1); err != errStopping {
		t.Errorf("stopping with a free slot: %v", err)
	}
	// A wait that is called off gives its slot and its reservation back.
	g = newGate(spec.Limits{Concurrency: 1, RequestsPerMinute: 1}, realClock(nil), nil)
	if err := g.enter(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	g.leave(0)
	ctx, cancel = context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := g.enter(ctx, 1); err != context.DeadlineExceeded {
		t.Errorf("waiting for the rate: %v", err)
	}
	if len(g.slots) != 0 {
		t.Error("the slot was kept")
	}
	if tokens := g.requests.Tokens(); tokens < -0.1 {
		t.Errorf("the reservation was kept: %v tokens", tokens)
	}
}

// A server that takes 50 requests a second loses nobody, and is not stormed.
func TestRateLimitedServer(t *testing.T) {
	var mu sync.Mutex
	var windowStart time.Time
	taken, refused := 0, 0
	full := func(llmtest.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(windowStart) > 100*time.Millisecond {
			windowStart, taken = now, 0
		}
		if taken++; taken > 25 {
			refused++
			return true
		}
		return false
	}
	r := newRig(t, llmtest.Options{Latency: 2 * time.Millisecond, Faults: []llmtest.Fault{
		{Status: 429, Header: map[string]string{"Retry-After-Ms": "100"}, Match: full},
	}})
	r.client.clock = realClock(nil)
	r.many(100)
	if got := r.server.Answered(); got != 100 {
		t.Errorf("%d answered", got)
	}
	if refused > 200 {
		t.Errorf("%d refused for 100 calls", refused)
	}
	r.wantCounts(counts{made: 100, retried: int64(refused)})
}
