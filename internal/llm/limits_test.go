package llm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
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

// crowding is an endpoint that answers nobody before as many requests are in as
// there should be: a quarter of n, and one more for each that was answered.
func crowding(t *testing.T, n int) llmtest.Options {
	var mu sync.Mutex
	open, answered, most := 0, 0, 0
	start := min(n, max(startLeast, n/startShare))
	full := func() bool {
		mu.Lock()
		defer mu.Unlock()
		most = max(most, open)
		return open >= min(n, start+answered) || most == n
	}
	return llmtest.Options{Reply: func(llmtest.Request) (llmtest.Reply, bool) {
		mu.Lock()
		open++
		mu.Unlock()
		eventually(t, "too few requests at a time", full)
		mu.Lock()
		defer mu.Unlock()
		open--
		answered++
		return llmtest.Reply{}, false
	}}
}

func TestConcurrency(t *testing.T) {
	for limit, calls := range map[int]int{1: 5, 5: 20, 0: 200} {
		want := limit
		if limit == 0 {
			want = DefaultConcurrency
		}
		r := newRig(t, crowding(t, want))
		r.model.Provider.Limits.Concurrency = limit
		r.many(calls)
		if got := r.server.MaxInFlight(); got != want {
			t.Errorf("limit %d: %d at a time, want %d", limit, got, want)
		}
	}
}

// Blocks that agree in everything but their label share their limits.
func TestLimitsAreShared(t *testing.T) {
	r := newRig(t, crowding(t, 2))
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
func TestOneIsToldAllWait(t *testing.T) {
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{To: 1, Status: 429, Header: map[string]string{"Retry-After": "9"}}}})
	var held []time.Duration
	r.clock.onSleep = func() {
		p := r.client.pool
		p.mu.Lock()
		defer p.mu.Unlock()
		held = append(held, p.outlets[0].flow.held)
	}
	r.must(r.request("x"))
	if len(held) != 1 || held[0] < 9*time.Second || held[0] > 9*time.Second+time.Minute/100 {
		t.Errorf("all are held back until %v, want 9s", held)
	}
}

// A wait that is called off leaves nothing behind.
func TestWaitIsCalledOff(t *testing.T) {
	stopping := make(chan struct{})
	r := newRig(t, llmtest.Options{})
	r.model.Provider.Limits = spec.Limits{Concurrency: 1, RequestsPerMinute: 1}
	r.connect(Options{Stopping: stopping})
	r.client.clock = realClock(stopping)
	p := r.client.pool
	q, err := r.client.route(r.model)
	if err != nil {
		t.Fatal(err)
	}
	enter := func(ctx context.Context) (place, error) {
		return p.enter(ctx, q, &waiter{granted: make(chan place, 1)}, false)
	}
	first, err := enter(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	wait := func(what string) (cancel func(), done chan error) {
		ctx, cancel := context.WithCancel(context.Background())
		done = make(chan error, 1)
		go func() {
			_, err := enter(ctx)
			done <- err
		}()
		eventually(t, what+": nobody waits", func() bool { return r.client.Control().Status()[0].Waiting == 1 })
		return cancel, done
	}
	cancel, done := wait("for a place")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	p.end(first, &waiter{}, outcome{kind: declined})
	cancel, done = wait("for the rate")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	cancel, done = wait("for the end")
	defer cancel()
	close(stopping)
	if err := <-done; !errors.Is(err, errStopping) {
		t.Errorf("stopping: %v", err)
	}
	if _, err := enter(context.Background()); !errors.Is(err, errStopping) {
		t.Errorf("stopping, when it came: %v", err)
	}
	if st := r.client.Control().Status()[0]; st.Waiting != 0 || st.InFlight != 0 {
		t.Errorf("left behind: %+v", st)
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
	// A call is refused once in a window at most, since it waits as long as it
	// is told to, and each window with a refusal has taken 25.
	if refused > 75+50+25 {
		t.Errorf("%d refused for 100 calls", refused)
	}
	r.wantCounts(counts{made: 100, retried: int64(refused)})
}
