package llm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// cashier is an endpoint that charges a known sum for each answer.
type cashier struct {
	in, out int // tokens
	mu      sync.Mutex
	charged int64 // nanodollars
}

var thePrice = spec.Price{Input: 1, Output: 10}

func (c *cashier) fault() llmtest.Fault {
	body := fmt.Sprintf(`{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, c.in, c.out)
	return llmtest.Fault{Body: body, Match: func(llmtest.Request) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.charged += c.cost()
		return true
	}}
}

func (c *cashier) cost() int64 {
	return nanoUSD(CostUSD(&spec.Model{Provider: &spec.Provider{}, Price: &thePrice}, Usage{InputTokens: c.in, OutputTokens: c.out}))
}

// newBudgetRig is a rig whose model has a price and writes at most 100 tokens.
func newBudgetRig(t *testing.T, opts llmtest.Options) *rig {
	r := newRig(t, opts)
	r.model.Price, r.model.MaxTokens = &thePrice, 100
	return r
}

// most is what a call may cost at most, in US dollars.
func (r *rig) most(req Request) float64 {
	w, _, err := shape(req)
	if err != nil {
		r.t.Fatal(err)
	}
	out := req.Model.MaxTokens
	if out == 0 {
		out = assumedOutput
	}
	return CostUSD(req.Model, Usage{InputTokens: len(w.body()) + addedInput, OutputTokens: out})
}

func numberedCall(i int) string { return fmt.Sprintf("call %06d", i) } // all of one length

// Calls are made as long as the dearest next one fits, whatever the
// concurrency, and no longer; and what is spent is never more than the budget.
func TestBudget(t *testing.T) {
	const calls = 300
	for _, tt := range []struct{ concurrency, allowed int }{{1, 7}, {64, 1}, {64, 7}, {64, 150}, {64, 0}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			c := &cashier{in: 30, out: 90}
			r := newBudgetRig(t, llmtest.Options{Latency: time.Millisecond, Faults: []llmtest.Fault{c.fault()}})
			r.model.Provider.Limits.Concurrency = tt.concurrency
			each, most := float64(c.cost())/1e9, r.most(r.request(numberedCall(0)))
			// Room for the last of the allowed calls, and almost for one more.
			limit := each*float64(tt.allowed) + most - 2e-9
			if tt.allowed == 0 {
				limit = most - 1e-9
			}
			var over atomic.Int64
			r.connect(Options{Store: r.store, BudgetUSD: limit, OnBudget: func() { over.Add(1) }})
			refused := r.spend(calls)
			if got := int(r.tally.Made.Load()); got != tt.allowed || refused != calls-got {
				t.Errorf("%d calls were made and %d refused, want %d made", got, refused, tt.allowed)
			}
			if over.Load() != 1 {
				t.Errorf("OnBudget was called %d times", over.Load())
			}
			if got := nanoUSD(r.tally.CostUSD()); got != c.charged || float64(got) > limit*1e9 || r.server.Calls() != tt.allowed {
				t.Errorf("counted %d, charged %d, limit %v, %d requests", got, c.charged, limit, r.server.Calls())
			}
			if r.tally.Failed.Load() != 0 {
				t.Errorf("%d calls count as failed", r.tally.Failed.Load())
			}
			if r.store.len() != tt.allowed {
				t.Errorf("%d answers stored", r.store.len())
			}
		})
	}
}

// spend makes calls at once and counts those that the budget refused.
func (r *rig) spend(calls int) int {
	r.t.Helper()
	var refused atomic.Int64
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			_, err := r.complete(r.request(numberedCall(i)))
			var e *Error
			switch {
			case err == nil:
			case errors.As(err, &e) && e.Code == CodeBudget && e.Transient && !e.Fatal:
				refused.Add(1)
			default:
				r.t.Error(err)
			}
		})
	}
	wg.Wait()
	return int(refused.Load())
}

// Builds that share a budget come to the same end as one that had it all, and
// pay nothing twice.
func TestBudgetIsResumable(t *testing.T) {
	const calls, each = 60, 10
	c := &cashier{in: 30, out: 20}
	r := newBudgetRig(t, llmtest.Options{Latency: time.Millisecond, Faults: []llmtest.Fault{c.fault()}})
	cost, most := float64(c.cost())/1e9, r.most(r.request(numberedCall(0)))
	for build := 1; build < calls/each; build++ {
		r.connect(Options{Store: r.store, BudgetUSD: most + (each-0.5)*cost})
		if refused := r.spend(calls); refused != calls-build*each || c.charged != int64(build*each)*c.cost() {
			t.Errorf("build %d: %d refused, %d charged", build, refused, c.charged)
		}
	}
	whole := calls*cost + most
	r.connect(Options{Store: r.store, BudgetUSD: whole - r.tally.CostUSD()})
	if refused := r.spend(calls); refused != 0 || r.server.Calls() != calls {
		t.Errorf("%d refused at the end, %d requests", refused, r.server.Calls())
	}
	if got := nanoUSD(r.tally.CostUSD()); got != c.charged || got != calls*c.cost() {
		t.Errorf("counted %d, charged %d, want %d", got, c.charged, calls*c.cost())
	}
}

// While calls in flight may still leave room, one that does not fit waits.
func TestBudgetWaits(t *testing.T) {
	c := &cashier{in: 1, out: 1}
	slow := c.fault()
	slow.Delay = 50 * time.Millisecond
	r := newBudgetRig(t, llmtest.Options{Faults: []llmtest.Fault{slow}})
	most := r.most(r.request(numberedCall(0)))
	r.connect(Options{Store: r.store, BudgetUSD: 1.5 * most})
	if refused := r.spend(5); refused != 0 || r.server.MaxInFlight() != 1 {
		t.Errorf("%d refused, %d at a time", refused, r.server.MaxInFlight())
	}
}

func TestBudgetWaitIsCalledOff(t *testing.T) {
	stopping := make(chan struct{})
	r := newBudgetRig(t, llmtest.Options{Faults: []llmtest.Fault{{Nth: []int{1}, Hang: true}}})
	r.connect(Options{Store: r.store, BudgetUSD: 1.5 * r.most(r.request("a")), Stopping: stopping})
	flying, fly := context.WithCancel(context.Background())
	done := make(chan error, 3)
	complete := func(ctx context.Context, text string) {
		_, err := r.client.Complete(ctx, r.request(text), &r.tally)
		done <- err
	}
	go complete(flying, "a")
	for r.server.Calls() == 0 {
		time.Sleep(time.Millisecond)
	}
	waiting, cancel := context.WithCancel(context.Background())
	time.AfterFunc(5*time.Millisecond, cancel)
	if complete(waiting, "b"); !errors.Is(<-done, context.Canceled) {
		t.Error("a wait was not cancelled")
	}
	time.AfterFunc(5*time.Millisecond, func() { close(stopping) })
	complete(context.Background(), "c")
	var e *Error
	if err := <-done; !errors.As(err, &e) || e.Code != CodeInterrupted || !errors.Is(err, errStopping) {
		t.Errorf("stopping: %v", err)
	}
	fly()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("in flight: %v", err)
	}
	r.wantCounts(counts{})
}

// A call that waits for its turn reserves nothing; one that is called off gives
// back what it reserved.
func TestBudgetOfACallThatIsNotSent(t *testing.T) {
	r := newBudgetRig(t, llmtest.Options{Faults: []llmtest.Fault{{Nth: []int{1}, Hang: true}}})
	r.model.Provider.Limits.Concurrency = 1
	r.connect(Options{Store: r.store, BudgetUSD: 2.5 * r.most(r.request("a"))})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, text := range []string{"a", "b"} {
		wg.Go(func() {
			if _, err := r.client.Complete(ctx, r.request(text), &r.tally); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	eventually(t, "one call is in flight and one waits", func() bool {
		st := r.client.Control().Status()
		return len(st) == 1 && st[0].Waiting == 1 && r.server.Calls() == 1
	})
	b := r.client.budget
	b.mu.Lock()
	reserved := float64(b.reserved) / 1e9
	b.mu.Unlock()
	if most := r.most(r.request("a")); reserved < 0.9*most || reserved > 1.1*most {
		t.Errorf("%v reserved, want %v", reserved, most)
	}
	cancel()
	wg.Wait()
	if b.reserved != 0 || b.lost != b.spent || float64(b.lost)/1e9 > 1.1*r.most(r.request("a")) {
		t.Errorf("%d reserved, %d spent, %d of it lost", b.reserved, b.spent, b.lost)
	}
}

// Replies that do not fit are paid for; attempts that the endpoint refused are
// not; ones whose answer got lost may have been.
func TestBudgetOfEachAttempt(t *testing.T) {
	unfit := llmtest.Fault{Body: `{"choices":[{"message":{"content":"no JSON"},"finish_reason":"stop"}],"usage":{"prompt_tokens":30,"completion_tokens":90}}`}
	cost := CostUSD(&spec.Model{Provider: &spec.Provider{}, Price: &thePrice}, Usage{InputTokens: 30, OutputTokens: 90})
	tests := []struct {
		name     string
		fault    llmtest.Fault
		extra    float64 // of the budget, beyond the most that the first attempt may cost; in US dollars
		requests int
		code     Code
	}{
		{"unfit, one", unfit, 0, 1, CodeBudget},
		{"unfit, all", unfit, 1, 3, CodeInvalidReply},
		{"500", llmtest.Fault{Status: 500}, 0, 6, CodeUnavailable},
		{"429", llmtest.Fault{Status: 429}, 0, 6, CodeRateLimited},
		{"400", llmtest.Fault{Status: 400}, 0, 1, CodeRejected},
		{"504", llmtest.Fault{Status: 504}, 0, 1, CodeBudget},
		{"cut", llmtest.Fault{Cut: true}, 0, 1, CodeBudget},
		{"no answer in it", llmtest.Fault{Body: `{"choices":[]}`}, 0, 1, CodeBudget},
		{"hang", llmtest.Fault{Hang: true}, 0, 1, CodeBudget},
		{"hang, all", llmtest.Fault{Hang: true}, 1, 6, CodeTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newBudgetRig(t, llmtest.Options{})
			if tt.fault.Hang {
				tt.fault = r.hangs()
			}
			r.server.Reset(tt.fault)
			req := r.request("judge")
			req.Schema = verdictSchema
			limit := r.most(req) + tt.extra
			r.connect(Options{Store: r.store, BudgetUSD: limit})
			if e := r.mustFail(req); e.Code != tt.code || r.server.Calls() != tt.requests {
				t.Errorf("%d requests, error %+v", r.server.Calls(), e)
			}
			want := 0.0
			if tt.fault.Body == unfit.Body {
				want = cost * float64(tt.requests)
			}
			if got := r.tally.CostUSD(); math.Abs(got-want) > 1e-12 {
				t.Errorf("cost %v, want %v", got, want)
			}
			if b := r.client.budget; b.reserved != 0 {
				t.Errorf("%d reserved at the end", b.reserved)
			}
		})
	}
}

// Without max_tokens a reply is taken to be long, and longer after a long one,
// also one that another build got.
func TestBudgetWithoutMaxTokens(t *testing.T) {
	c := &cashier{in: 10, out: 5000}
	r := newBudgetRig(t, llmtest.Options{Faults: []llmtest.Fault{c.fault()}})
	r.model.MaxTokens = 0
	if got, want := r.most(r.request("x")), 4096*10/1e6; got < want || got > want+0.001 {
		t.Fatalf("a call may cost %v, want a little more than %v", got, want)
	}
	// Room for the first call, and then for one of 4096 tokens but not of 10000.
	limit := float64(c.cost())/1e9 + 0.09
	r.connect(Options{Store: r.store, BudgetUSD: limit})
	r.must(r.request("x"))
	if e := r.mustFail(r.request("y")); e.Code != CodeBudget || !strings.Contains(e.Detail, "0.05001 of 0.14001") {
		t.Errorf("error %+v", e)
	}
	r.connect(Options{Store: r.store, BudgetUSD: 0.09})
	r.must(r.request("x"))
	if e := r.mustFail(r.request("y")); e.Code != CodeBudget {
		t.Errorf("error %+v", e)
	}
	r.wantCounts(counts{made: 1, cached: 1})
}

// The one way past a budget ends it.
func TestBudgetPassedByALongReply(t *testing.T) {
	c := &cashier{in: 10, out: 9000}
	r := newBudgetRig(t, llmtest.Options{Faults: []llmtest.Fault{c.fault()}})
	r.model.MaxTokens = 0
	r.connect(Options{Store: r.store, BudgetUSD: 0.05})
	r.must(r.request("x"))
	if e := r.mustFail(r.request("y")); e.Code != CodeBudget || r.store.len() != 1 {
		t.Errorf("error %+v", e)
	}
}

func TestNothingToBudget(t *testing.T) {
	for _, price := range []*spec.Price{nil, {}} {
		r := newRig(t, llmtest.Options{})
		r.model.Price = price
		r.connect(Options{Store: r.store, BudgetUSD: 1e-9, OnBudget: func() { t.Error("the budget is used up") }})
		r.must(r.request("x"))
		free := r.request("y")
		free.Model = &spec.Model{ID: "o", Price: &thePrice, Provider: &spec.Provider{Type: spec.ProviderOffline}}
		r.must(free)
		r.wantCounts(counts{made: 2})
	}
	for _, usd := range []float64{0, -1, math.NaN()} {
		if newBudget(Options{BudgetUSD: usd}) != nil {
			t.Errorf("%v is a budget", usd)
		}
	}
	if b := newBudget(Options{BudgetUSD: math.Inf(1)}); b.limit <= 0 {
		t.Errorf("an endless budget has the limit %d", b.limit)
	}
}

func TestCostUSD(t *testing.T) {
	u := Usage{InputTokens: 2_000_000, OutputTokens: 500_000}
	for _, tt := range []struct {
		model spec.Model
		want  float64
	}{
		{spec.Model{Price: &spec.Price{Input: 0.15, Output: 0.60}}, 0.60},
		{spec.Model{Price: &spec.Price{Output: 1}}, 0.5},
		{spec.Model{}, 0},
		{spec.Model{Price: &thePrice, Provider: &spec.Provider{Type: spec.ProviderOffline}}, 0},
	} {
		if tt.model.Provider == nil {
			tt.model.Provider = &spec.Provider{Type: spec.ProviderOpenAI}
		}
		if got := CostUSD(&tt.model, u); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%+v costs %v, want %v", tt.model.Price, got, tt.want)
		}
	}
}
