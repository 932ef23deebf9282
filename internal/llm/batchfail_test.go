package llm

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// A batch fails as a whole.
func TestBatchFails(t *testing.T) {
	tests := []struct {
		code, text string
		want       Code
		fatal      bool
		batches    int
	}{
		{"model_not_found", "no such model", CodeNotFound, true, 1},
		{"billing_hard_limit_reached", "pay first", CodeRateLimited, true, 1},
		{"invalid_endpoint", "no", CodeRejected, true, 1},
		{"", "", CodeUnavailable, false, 4},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			r := newBatchRig(t, llmtest.Options{Batches: llmtest.BatchOptions{Plan: func(llmtest.Batch) llmtest.BatchPlan {
				return llmtest.BatchPlan{Status: "failed", Errors: []llmtest.BatchError{{Code: tt.code, Message: tt.text}}}
			}}})
			w := r.start(Options{})
			wait := w.begin(w.calls(0, 3)...)
			for range tt.batches {
				w.gathered(3)
				w.quiet()
			}
			for _, got := range wait() {
				if e := asError(got.err); e.Code != tt.want || e.Fatal != tt.fatal || !strings.Contains(e.Detail, tt.text) {
					t.Errorf("error %v, fatal %v", got.err, e.Fatal)
				}
			}
			if n := len(r.server.Batches()); n != tt.batches {
				t.Errorf("%d batches", n)
			}
			r.settled()
		})
	}
}

// One request is at fault that a batch is not taken: the others are sent
// again.
func TestBatchFailsForALine(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Reply: echo, Batches: llmtest.BatchOptions{Plan: first(llmtest.BatchPlan{
		Status: "failed", Errors: []llmtest.BatchError{{Code: "invalid_request", Message: "bad words", Line: 2}}})}})
	w := r.start(Options{})
	wait := w.begin(w.calls(0, 5)...)
	w.gathered(5)
	w.quiet()
	w.gathered(4)
	w.quiet()
	failed := 0
	for _, got := range wait() {
		if got.err == nil {
			continue
		}
		failed++
		if e := asError(got.err); e.Code != CodeRejected || !strings.Contains(e.Detail, "bad words") || e.Fatal {
			t.Errorf("error %v", got.err)
		}
	}
	if failed != 1 || w.tally.Retried.Load() != 0 {
		t.Errorf("%d failed, %d retried", failed, w.tally.Retried.Load())
	}
}

// What an expired batch answered is kept, the rest goes into the next.
func TestBatchExpires(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Reply: echo, Batches: llmtest.BatchOptions{Plan: first(llmtest.BatchPlan{Status: "expired", Answered: 6})}})
	w := r.start(Options{})
	wait := w.begin(w.calls(0, 10)...)
	w.gathered(10)
	w.quiet()
	w.gathered(4)
	w.quiet()
	w.good(wait())
	if got := r.sizes(); !slices.Equal(got, []int{10, 4}) || w.tally.Retried.Load() != 4 {
		t.Errorf("batches of %v, %d retried", got, w.tally.Retried.Load())
	}
	r.paidOnce(10)
}

// Every batch expires: the calls end as ones that had no answer in time.
func TestBatchesExpire(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Batches: llmtest.BatchOptions{Plan: func(llmtest.Batch) llmtest.BatchPlan { return llmtest.BatchPlan{Status: "expired"} }}})
	w := r.start(Options{})
	wait := w.begin(w.calls(0, 2)...)
	for range 1 + r.model.Provider.Retries {
		w.gathered(2)
		w.quiet()
	}
	for _, got := range wait() {
		if e := asError(got.err); e.Code != CodeTimeout || !e.Transient || e.Fatal {
			t.Errorf("error %v", got.err)
		}
	}
}

// How often a call stood in a batch for nothing is known to the next process.
func TestBatchTriesOutliveTheProcess(t *testing.T) {
	plans := 0
	r := newBatchRig(t, llmtest.Options{Batches: llmtest.BatchOptions{Plan: func(llmtest.Batch) llmtest.BatchPlan {
		plans++
		return llmtest.BatchPlan{Status: "expired"}
	}}})
	w := r.start(Options{})
	wait := w.begin(w.request(0))
	for range 2 {
		w.gathered(1)
		w.quiet()
	}
	w.gathered(1)
	r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{r.server.BatchOps(llmtest.OpRetrieve) + 1}, Do: w.kill, Reset: true})
	w.quiet()
	wait()
	next := r.start(Options{})
	wait = next.begin(next.request(0))
	next.pump(func() {
		if got := wait(); codeOf(got[0].err) != CodeTimeout {
			t.Errorf("error %v", got[0].err)
		}
	})
	if plans != 1+r.model.Provider.Retries {
		t.Errorf("%d batches", plans)
	}
}

// A batch is cancelled while a build waits for it: what is answered is kept,
// the rest fails, and is sent again by the next build alone.
func TestBatchIsCancelled(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Reply: echo, Batches: llmtest.BatchOptions{Plan: first(llmtest.BatchPlan{Polls: 100, Answered: 3})}})
	w := r.start(Options{})
	r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{3}, Do: func() {
		if list := r.cancelAll(); len(list) != 1 || list[0].Status != "cancelling" {
			t.Errorf("cancelled %+v", list)
		}
	}})
	wait := w.begin(w.calls(0, 5)...)
	w.gathered(5)
	w.quiet()
	answered := 0
	for _, got := range wait() {
		if got.err == nil {
			answered++
		} else if e := asError(got.err); e.Code != CodeUnavailable || !e.Transient || !strings.Contains(e.Summary, "cancelled") {
			t.Errorf("error %v", got.err)
		}
	}
	if answered != 3 || len(r.server.Batches()) != 1 {
		t.Errorf("%d answered, %d batches", answered, len(r.server.Batches()))
	}
	r.finish(r.start(Options{}), 5)
	r.wantSizes(5, 7)
}

// The endpoint has room for fewer requests than wait.
func TestBatchTakesTheRoomThereIs(t *testing.T) {
	tests := []struct{ room, calls, most int }{{room: 4, calls: 16}, {room: 1, calls: 3}, {room: 8, calls: 16, most: 8}, {room: 3, calls: 13, most: 5}}
	for _, tt := range tests {
		r := newBatchRig(t, llmtest.Options{Reply: echo, Batches: llmtest.BatchOptions{MaxEnqueued: tt.room,
			Plan: func(llmtest.Batch) llmtest.BatchPlan { return llmtest.BatchPlan{Polls: 1} }}})
		r.model.Batch.MaxRequests = tt.most
		w := r.start(Options{})
		wait := w.begin(w.calls(0, tt.calls)...)
		w.pump(func() { w.good(wait()) })
		r.paidOnce(tt.calls)
		r.settled()
		if w.tally.Retried.Load() != 0 {
			t.Errorf("%+v: %d retried", tt, w.tally.Retried.Load())
		}
	}
}

// There is no room for a single request.
func TestBatchHasNoRoom(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Batches: llmtest.BatchOptions{Plan: func(llmtest.Batch) llmtest.BatchPlan {
		return llmtest.BatchPlan{Status: "failed", Errors: []llmtest.BatchError{{Code: "token_limit_exceeded", Message: "Enqueued token limit reached"}}}
	}}})
	w := r.start(Options{})
	wait := w.begin(w.calls(0, 4)...)
	w.pump(func() {
		for _, got := range wait() {
			if e := asError(got.err); e.Code != CodeRateLimited || !e.Transient || e.Fatal {
				t.Errorf("error %v", got.err)
			}
		}
	})
	r.settled()
}

// Requests for files and batches meet what other requests do.
func TestBatchRequestsMeetFaults(t *testing.T) {
	tests := []struct {
		name  string
		fault llmtest.BatchFault
		want  Code // none: the calls are answered
		fatal bool
		slept time.Duration // at least
	}{
		{"busy upload", llmtest.BatchFault{Op: llmtest.OpUpload, Nth: []int{1, 2}, Status: 503}, "", false, 0},
		{"upload refused for good", llmtest.BatchFault{Op: llmtest.OpUpload, Status: 503}, CodeUnavailable, false, 0},
		{"bad key", llmtest.BatchFault{Op: llmtest.OpUpload, Status: 401}, CodeUnauthorized, true, 0},
		{"no batches there", llmtest.BatchFault{Op: llmtest.OpUpload, Status: 404}, CodeNotFound, true, 0},
		{"no sense", llmtest.BatchFault{Op: llmtest.OpUpload, Body: "hello", Status: 200}, CodeUnavailable, false, 0},
		{"an id that leads elsewhere", llmtest.BatchFault{Op: llmtest.OpUpload, Body: `{"id":"../x"}`, Status: 200}, CodeUnavailable, false, 0},
		{"too large a file", llmtest.BatchFault{Op: llmtest.OpUpload, Status: 413}, CodeRejected, true, 0},
		{"many are in front", llmtest.BatchFault{Op: llmtest.OpCreate, Nth: []int{1, 2, 3, 4, 5, 6, 7, 8}, Status: 429}, "", false, 0},
		{"no batches for long", llmtest.BatchFault{Op: llmtest.OpCreate, Status: 429}, CodeRateLimited, false, defaultOutage},
		{"wrong batch", llmtest.BatchFault{Op: llmtest.OpCreate, Status: 400}, CodeRejected, false, 0},
		{"asked to wait", llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{1}, Status: 429, Header: map[string]string{"Retry-After": "50"}}, "", false, 50 * time.Second},
		{"busy polls", llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, Status: 500}, "", false, 2 * time.Minute},
		{"never answers polls", llmtest.BatchFault{Op: llmtest.OpRetrieve, Status: 500}, CodeUnavailable, true, defaultOutage},
		{"bad key at a poll", llmtest.BatchFault{Op: llmtest.OpRetrieve, Status: 403}, CodeUnauthorized, true, 0},
		{"unknown at a poll", llmtest.BatchFault{Op: llmtest.OpRetrieve, Status: 404}, CodeNotFound, true, 0},
		{"cut results", llmtest.BatchFault{Op: llmtest.OpContent, Nth: []int{1, 2}, Cut: true}, "", false, 0},
		{"reset results", llmtest.BatchFault{Op: llmtest.OpContent, Nth: []int{1}, Reset: true}, "", false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newBatchRig(t, llmtest.Options{Reply: echo})
			r.server.SetBatchFaults(tt.fault)
			w := r.start(Options{})
			wait := w.begin(w.calls(0, 4)...)
			w.gathered(4)
			w.quiet()
			for _, got := range wait() {
				if e := asError(got.err); e.Code != tt.want || e.Fatal != tt.fatal {
					t.Errorf("error %v, fatal %v", got.err, e.Fatal)
				}
			}
			if total := w.clock.total(); total < tt.slept {
				t.Errorf("waited %s, want %s", total, tt.slept)
			}
			if tt.want == "" {
				r.paidOnce(4)
				r.settled()
				return
			}
			r.server.SetBatchFaults()
			r.finish(r.start(Options{}), 4)
		})
	}
}

// The endpoint has thrown results away: they are asked for again, and that is
// told.
func TestBatchResultsAreGone(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Reply: echo})
	r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpContent, Nth: []int{1}, Status: 404})
	w := r.start(Options{})
	wait := w.begin(w.calls(0, 3)...)
	w.gathered(3)
	w.quiet()
	w.gathered(3)
	w.quiet()
	w.good(wait())
	if got := r.sizes(); !slices.Equal(got, []int{3, 3}) || !strings.Contains(strings.Join(w.notes, "\n"), "not at the endpoint any more") {
		t.Errorf("batches of %v, told %q", got, w.notes)
	}
	r.settled()
}

// At Azure, files and batches are the resource's, and the key has a header of
// its own.
func TestBatchesAtAzure(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{APIKey: testKey, Reply: echo})
	p := r.model.Provider
	p.Type, p.BaseURL, p.APIVersion = spec.ProviderAzure, strings.TrimSuffix(r.server.URL(), "/v1"), "2024-10-21"
	w := r.start(Options{})
	wait := w.begin(w.calls(0, 3)...)
	w.gathered(3)
	w.quiet()
	wait() // the endpoint for tests knows OpenAI's key alone in requests
	b := r.server.Batches()
	if len(b) != 1 || b[0].Header.Get("Api-Key") != testKey || b[0].Header.Get("Authorization") != "" || b[0].Model != "gpt-test" {
		t.Fatalf("batches %+v", b)
	}
	chat, err := url.Parse("https://x.openai.azure.com/openai/deployments/my-model/chat/completions?api-version=1")
	if err != nil {
		t.Fatal(err)
	}
	got := apiURL(chat, &url.URL{Path: "/batches", RawQuery: "limit=100"})
	if want := "https://x.openai.azure.com/openai/batches?api-version=1&limit=100"; got.String() != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPollPause(t *testing.T) {
	last := time.Duration(0)
	for n := range 20 {
		d := pollPause(n)
		if d < last || d < 2*time.Second || d > time.Minute {
			t.Errorf("pause %d is %s", n, d)
		}
		last = d
	}
	if last != time.Minute {
		t.Errorf("the longest pause is %s", last)
	}
}

// What cannot be noted is not sent.
func TestBatchIsNotSentUnnoted(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{})
	w := r.start(Options{})
	w.store.fails = errors.New("disk full")
	wait := w.begin(w.calls(0, 3)...)
	w.gathered(3)
	w.quiet()
	for _, got := range wait() {
		if e := asError(got.err); e.Code != CodeStore || !e.Fatal {
			t.Errorf("error %v", got.err)
		}
	}
	if n := r.server.BatchOps(llmtest.OpUpload); n != 0 {
		t.Errorf("%d uploads", n)
	}
}

// A whole batch is set aside from the budget before it is sent, and half of
// the price is paid.
func TestBatchBudget(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Reply: func(llmtest.Request) (llmtest.Reply, bool) {
		return llmtest.Reply{Content: "x", Usage: &llmtest.Usage{Input: 100, Output: 100}}, true
	}})
	r.model.MaxTokens = 1000
	r.model.Price = &spec.Price{Input: 1000, Output: 1000, BatchShare: 0.5}
	// The most that a call may cost is about 0.8 dollars, and it costs 0.1.
	w := r.start(Options{BudgetUSD: 3})
	wait := w.begin(w.calls(0, 40)...)
	answered, refused := 0, 0
	w.pump(func() {
		for _, got := range wait() {
			switch {
			case got.err == nil:
				answered++
			case codeOf(got.err) == CodeBudget:
				refused++
			default:
				t.Errorf("error %v", got.err)
			}
		}
	})
	if answered+refused != 40 || refused == 0 || answered < 20 {
		t.Errorf("%d answered, %d refused", answered, refused)
	}
	if usd := w.tally.CostUSD(); usd > 3 || usd < 0.1*float64(answered)-1e-6 || usd > 0.1*float64(answered)+1e-6 {
		t.Errorf("%d answers cost %v", answered, usd)
	}
	for _, n := range r.sizes() {
		if n > 4 {
			t.Errorf("a batch of %d was sent", n)
		}
	}
	r.paidOnce(answered)
}

// A live model pays the price of batches for what it takes out of one.
func TestBatchPriced(t *testing.T) {
	price := func(share float64) *spec.Price { return &spec.Price{Input: 1e6, BatchShare: share} }
	for _, tt := range []struct {
		mode  spec.Mode
		price *spec.Price
		want  float64
	}{
		{spec.ModeBatch, price(0.5), 0.5}, {spec.ModeLive, price(1), 0.5}, {spec.ModeLive, price(0), 0.5}, {"", price(0.3), 0.3}, {spec.ModeBatch, nil, 0},
	} {
		m := &spec.Model{Mode: tt.mode, Price: tt.price, Provider: &spec.Provider{Type: spec.ProviderOpenAI}}
		if got := CostUSD(batchPriced(m), Usage{InputTokens: 1}); got != tt.want {
			t.Errorf("%+v costs %v", tt, got)
		}
	}
}
