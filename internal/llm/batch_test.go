package llm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// A batch asks exactly what live calls ask, and its answers are theirs.
func TestBatchIsAskedAsLiveCallsAre(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{APIKey: testKey})
	r.model.Provider.Organization = "org-1"
	r.model.Provider.Headers = map[string]string{"X-Team": "safety"}
	zero := 0.0
	r.model.Temperature = &zero
	w := r.start(Options{})
	requests := w.calls(0, 20)
	requests[3].Schema = verdictSchema
	requests[4].Tools = []Tool{payTool}
	results := w.all(requests...)

	batches := r.server.Batches()
	if len(batches) != 1 || r.server.Calls() != 0 {
		t.Fatalf("%d batches, %d live calls", len(batches), r.server.Calls())
	}
	asked := map[string]bool{}
	for i, req := range batches[0].Requests {
		asked[batches[0].IDs[i]+string(req.Raw)] = true
	}
	for i, req := range requests {
		body, parts, err := shape(req)
		if err != nil {
			t.Fatal(err)
		}
		k := parts.Digest()
		if !asked[fmt.Sprintf("%x", k)+string(body.body())] {
			t.Errorf("call %d is not in the batch as it is asked live", i)
		}
	}
	h, meta := batches[0].Header, batches[0].Metadata
	if h.Get("Authorization") != "Bearer "+testKey || h.Get("OpenAI-Organization") != "org-1" || h.Get("X-Team") != "safety" || h.Get("Idempotency-Key") != meta[metaBatch] {
		t.Errorf("header %v", h)
	}
	if meta[metaAgent] != "autosafe-test" || meta[metaBuild] != "recipe" || len(meta[metaBatch]) != 64 {
		t.Errorf("metadata %v", meta)
	}
	if got := w.tally.Made.Load(); got != 20 || w.tally.InFlight.Load() != 0 {
		t.Errorf("%d made, %d in flight", got, w.tally.InFlight.Load())
	}
	r.settled()
	r.secretFree()

	// Live, the same calls come from the cache, with the same answers.
	live := *r.model
	live.Mode = spec.ModeLive
	for i := range requests {
		requests[i].Model = &live
	}
	other := r.start(Options{})
	for i, got := range w.good(other.begin(requests...)()) {
		if got.reply.Content != results[i].reply.Content || !got.reply.Cached {
			t.Errorf("call %d: %+v, not %+v", i, got.reply, results[i].reply)
		}
	}
	if r.server.Calls() != 0 || other.tally.Cached.Load() != 20 {
		t.Errorf("%d live calls", r.server.Calls())
	}
}

// Live answers fill the cache for batches.
func TestBatchDoesNotBuyLiveAnswers(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{})
	w := r.start(Options{})
	live := *r.model
	live.Mode = spec.ModeLive
	requests := w.calls(0, 10)
	for i := range 5 {
		requests[i].Model = &live
	}
	w.good(w.begin(requests[:5]...)())
	for i := range 5 {
		requests[i].Model = r.model
	}
	wait := w.begin(requests...)
	w.gathered(5)
	w.quiet()
	w.good(wait())
	r.paidOnce(10)
	if got := r.sizes(); !slices.Equal(got, []int{5}) {
		t.Errorf("batches of %v", got)
	}
}

func TestBatchBounds(t *testing.T) {
	tests := []struct {
		name  string
		batch spec.Batch
		calls int
		want  []int
	}{
		{"requests", spec.Batch{MaxRequests: 3}, 7, []int{3, 3, 1}},
		{"just enough", spec.Batch{MaxRequests: 4}, 8, []int{4, 4}},
		{"bytes", spec.Batch{MaxBytes: 3*(160+72) + 10}, 7, []int{3, 3, 1}},
		{"less than one call", spec.Batch{MaxBytes: 10}, 3, []int{1, 1, 1}},
		{"none", spec.Batch{}, 9, []int{9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newBatchRig(t, llmtest.Options{})
			r.model.Batch = tt.batch
			w := r.start(Options{})
			wait := w.begin(w.calls(0, tt.calls)...)
			w.pump(func() { w.good(wait()) })
			got := r.sizes()
			if tt.name != "none" { // pump may end the quiet time between two calls
				slices.Sort(got)
				slices.Reverse(got)
			}
			total := 0
			for _, n := range got {
				total += n
				if n > tt.want[0] {
					t.Errorf("batches of %v", got)
				}
			}
			if total != tt.calls {
				t.Errorf("%d calls in batches of %v", total, got)
			}
			r.paidOnce(tt.calls)
		})
	}
}

// Calls that fill a batch do not wait for the quiet time.
func TestFullBatchGoesAtOnce(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{})
	r.model.Batch.MaxRequests = 5
	w := r.start(Options{})
	wait := w.begin(w.calls(0, 12)...)
	eventually(t, "two full batches", func() bool { return len(r.server.Batches()) == 2 })
	w.gathered(2)
	w.quiet()
	w.good(wait())
	if got := r.sizes(); !slices.Equal(got, []int{5, 5, 2}) {
		t.Errorf("batches of %v", got)
	}
}

// Files of results that are not as they should be.
func TestBatchResultsAreOdd(t *testing.T) {
	tests := []struct {
		name   string
		plan   llmtest.BatchPlan
		second int // requests of the next batch
		note   string
	}{
		{"out of order", llmtest.BatchPlan{Reverse: true}, 0, ""},
		{"twice", llmtest.BatchPlan{Duplicate: 3}, 0, ""},
		{"left out", llmtest.BatchPlan{Missing: 4}, 4, ""},
		{"all left out", llmtest.BatchPlan{Missing: 10}, 10, ""},
		{"garbage", llmtest.BatchPlan{Garbage: 2}, 0, "2 lines"},
		{"not asked", llmtest.BatchPlan{Unasked: 1}, 0, "1 lines"},
		{"all of it", llmtest.BatchPlan{Reverse: true, Duplicate: 2, Missing: 3, Garbage: 2, Unasked: 2}, 3, "4 lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newBatchRig(t, llmtest.Options{Reply: echo, Batches: llmtest.BatchOptions{Plan: first(tt.plan)}})
			w := r.start(Options{})
			wait := w.begin(w.calls(0, 10)...)
			w.gathered(10)
			w.quiet()
			if tt.second > 0 {
				w.gathered(tt.second)
				w.quiet()
			}
			for i, got := range w.good(wait()) {
				if want := fmt.Sprint("re: call ", i); got.reply.Content != want {
					t.Errorf("call %d has the answer %q", i, got.reply.Content)
				}
			}
			want := []int{10}
			if tt.second > 0 {
				want = append(want, tt.second)
			}
			if got := r.sizes(); !slices.Equal(got, want) {
				t.Errorf("batches of %v, want %v", got, want)
			}
			if text := strings.Join(w.notes, "\n"); !strings.Contains(text, tt.note) || tt.note == "" && strings.Contains(text, "lines") {
				t.Errorf("told %q", text)
			}
			r.settled()
		})
	}
}

// echo answers with the question.
func echo(r llmtest.Request) (llmtest.Reply, bool) {
	return llmtest.Reply{Content: "re: " + *r.Messages[len(r.Messages)-1].Content}, true
}

// first has the first batch go by a plan, and the others as they should.
func first(plan llmtest.BatchPlan) func(llmtest.Batch) llmtest.BatchPlan {
	begun := false
	return func(llmtest.Batch) llmtest.BatchPlan { // one at a time
		if begun {
			return llmtest.BatchPlan{}
		}
		begun = true
		return plan
	}
}

// Requests of a batch fail as live ones do.
func TestBatchRequestsFail(t *testing.T) {
	tests := []struct {
		name    string
		failure llmtest.BatchFailure
		retried bool
		want    Code
		fatal   bool
	}{
		{"a filter", llmtest.BatchFailure{Status: 400, Code: "content_filter", Message: "flagged"}, false, CodeRefused, false},
		{"too long", llmtest.BatchFailure{Status: 400, Code: "context_length_exceeded"}, false, CodeContext, false},
		{"wrong", llmtest.BatchFailure{Status: 400, Message: "no"}, false, CodeRejected, false},
		{"no such model", llmtest.BatchFailure{Status: 404, Code: "model_not_found"}, false, CodeNotFound, true},
		{"no credit", llmtest.BatchFailure{Status: 429, Code: "insufficient_quota"}, false, CodeRateLimited, true},
		{"rate", llmtest.BatchFailure{Status: 429}, true, CodeRateLimited, false},
		{"server", llmtest.BatchFailure{Status: 500}, true, CodeUnavailable, false},
		{"no response", llmtest.BatchFailure{Code: "oops"}, true, CodeUnavailable, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newBatchRig(t, llmtest.Options{Batches: llmtest.BatchOptions{Plan: func(llmtest.Batch) llmtest.BatchPlan {
				return llmtest.BatchPlan{Fail: func(_ int, r llmtest.Request) *llmtest.BatchFailure {
					if *r.Messages[0].Content == "call 1" {
						return &tt.failure
					}
					return nil
				}}
			}}})
			w := r.start(Options{})
			wait := w.begin(w.calls(0, 3)...)
			w.gathered(3)
			w.quiet()
			batches := 1
			if tt.retried {
				for range r.model.Provider.Retries {
					w.gathered(1)
					w.quiet()
					batches++
				}
			}
			got := wait()
			w.good([]result{got[0], got[2]})
			if codeOf(got[1].err) != tt.want {
				t.Fatalf("error %v", got[1].err)
			}
			if e := asError(got[1].err); e.Fatal != tt.fatal || e.Transient != tt.retried {
				t.Errorf("fatal %v, transient %v", e.Fatal, e.Transient)
			}
			if n := len(r.server.Batches()); n != batches || w.tally.Retried.Load() != int64(batches-1) || w.tally.Failed.Load() != 1 {
				t.Errorf("%d batches, %d retried, %d failed", n, w.tally.Retried.Load(), w.tally.Failed.Load())
			}
			r.settled()
		})
	}
}

// A reply that does not fit is asked for again in the next batch.
func TestBatchWaves(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Reply: func(req llmtest.Request) (llmtest.Reply, bool) {
		if len(req.Messages) == 1 {
			return llmtest.Reply{Content: "no JSON"}, true
		}
		return llmtest.Reply{Content: `{"reason":"x","label":"safe"}`}, true
	}})
	w := r.start(Options{})
	requests := w.calls(0, 4)
	for i := range requests {
		requests[i].Schema = verdictSchema
	}
	wait := w.begin(requests...)
	w.gathered(4)
	w.quiet()
	w.gathered(4)
	w.quiet()
	w.good(wait())
	if got := r.sizes(); !slices.Equal(got, []int{4, 4}) || w.tally.Unfit.Load() != 4 {
		t.Errorf("batches of %v, %d unfit", got, w.tally.Unfit.Load())
	}
}

// Calls that nobody waits for any more are not sent; those of a batch that is
// under way are kept all the same.
func TestBatchCallersLeave(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Batches: llmtest.BatchOptions{Plan: func(llmtest.Batch) llmtest.BatchPlan { return llmtest.BatchPlan{Polls: 3} }}})
	w := r.start(Options{})
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	go func() {
		_, err := w.client.Complete(ctx, w.request(0), &w.tally)
		gone <- err
	}()
	w.gathered(1)
	cancel()
	if err := <-gone; codeOf(err) != CodeInterrupted {
		t.Errorf("error %v", err)
	}
	w.all(w.calls(1, 3)...)
	r.paidOnce(2)

	ctx, cancel = context.WithCancel(context.Background())
	polled := make(chan struct{})
	r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{r.server.BatchOps(llmtest.OpRetrieve) + 1}, Do: func() {
		cancel()
		if err := <-gone; codeOf(err) != CodeInterrupted {
			t.Errorf("error %v", err)
		}
		close(polled)
	}})
	go func() {
		_, err := w.client.Complete(ctx, w.request(3), &w.tally)
		gone <- err
	}()
	w.gathered(1)
	w.quiet()
	<-polled
	w.good(w.begin(w.request(3))())
	r.paidOnce(3)
}

// While calls are paused, no batch is sent.
func TestBatchIsPaused(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{})
	w := r.start(Options{})
	w.client.Control().Pause()
	wait := w.begin(w.calls(0, 4)...)
	w.gathered(4)
	w.quiet()
	if n := w.inLanes(); n != 4 || r.server.BatchOps(llmtest.OpUpload) != 0 {
		t.Errorf("%d calls wait, %d uploads", n, r.server.BatchOps(llmtest.OpUpload))
	}
	w.client.Control().Resume()
	w.good(wait())
	if got := r.sizes(); !slices.Equal(got, []int{4}) {
		t.Errorf("batches of %v", got)
	}
}
