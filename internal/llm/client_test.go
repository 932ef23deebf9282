package llm

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/llm/offline"
	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

func TestAnswersAreKept(t *testing.T) {
	r := newRig(t, llmtest.Options{Vary: true})
	first := r.must(r.request("x"))
	again := r.must(r.request("x"))
	if again.Content != first.Content || !again.Cached || !slices.Equal(again.Calls, first.Calls) {
		t.Errorf("first %+v, again %+v", first, again)
	}
	r.wantCounts(counts{made: 1, cached: 1})
	tokens := r.tally.InputTokens.Load()

	r.connect(Options{Store: r.store, Offline: true}) // another process, without network
	if third := r.must(r.request("x")); third.Content != first.Content || third.Usage != first.Usage {
		t.Errorf("third %+v", third)
	}
	if r.tally.InputTokens.Load() != tokens {
		t.Error("tokens of a stored answer were counted")
	}
	e := r.mustFail(r.request("y"))
	if e.Code != CodeOffline || !e.Fatal {
		t.Errorf("error %+v", e)
	}
	r.wantCounts(counts{made: 1, cached: 2})
	if n := r.server.Calls(); n != 1 {
		t.Errorf("%d requests", n)
	}
	sample := r.request("x")
	sample.Sample = 1
	r.connect(Options{Store: r.store})
	if other := r.must(sample); other.Content == first.Content || other.Cached {
		t.Errorf("another sample got %+v", other)
	}
}

func TestRecord(t *testing.T) {
	r := newRig(t, says(llmtest.Reply{Content: "echo of " + testKey + " ends"}))
	r.model.Provider.BaseURL = strings.Replace(r.server.URL(), "http://", "http://user:pa55word-long@", 1)
	got := r.must(r.request("what <is> it?"))
	for k, v := range r.store.values {
		if strings.Contains(string(v), testKey) || strings.Contains(string(v), "pa55word") {
			t.Errorf("a secret was stored: %s", v)
		}
		rec, err := DecodeRecord(v)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Key != got.Calls[0] || rec.Purpose != "agent" || !strings.Contains(string(rec.Request), "what <is> it?") ||
			rec.Answer.Model != "gpt-test" || rec.Answer.Fingerprint != "fp_llmtest" || rec.Answer.Content != got.Content {
			t.Errorf("record %+v", rec)
		}
		// Damage of any kind is a miss, and the next answer heals it.
		for _, bad := range []string{"", "{", "null", `{"format":"autosafe.answer/1"}`, strings.Replace(string(v), rec.Key, "00", 1), strings.Replace(string(v), "answer/1", "answer/9", 1)} {
			r.store.values[k] = []byte(bad)
			before := r.server.Calls()
			if again := r.must(r.request("what <is> it?")); again.Cached || r.server.Calls() != before+1 {
				t.Errorf("a damaged record was used: %q", bad)
			}
			if _, err := DecodeRecord(r.store.values[k]); err != nil {
				t.Errorf("not healed: %v", err)
			}
		}
	}
}

func TestStoreFails(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	r.store.putErr = errors.New("disk full")
	e := r.mustFail(r.request("x"))
	if e.Code != CodeStore || !e.Fatal || e.Detail != "disk full" {
		t.Errorf("error %+v", e)
	}
	r.wantCounts(counts{made: 1}) // it was paid for
	r.store.putErr = nil
	if e := r.mustFail(r.request("y")); e.Code != CodeStore || r.server.Calls() != 1 {
		t.Errorf("a call that could not be kept was made: %+v", e)
	}
	r.connect(r.client.opts) // another build
	r.store.getErr = errors.New("bad sector")
	r.must(r.request("x"))
	r.must(r.request("x"))
	if len(r.notes) != 1 || !strings.Contains(r.notes[0], "bad sector") {
		t.Errorf("notes %q", r.notes)
	}
}

// TestOver: once a build is over, a call that got the place of one that was
// called off is not sent, though it has not heard of the end itself.
func TestOver(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	req := r.request("x")
	req.Over = func() bool { return true }
	if e := r.mustFail(req); e.Code != CodeInterrupted || r.server.Calls() != 0 {
		t.Errorf("%d calls, error %+v", r.server.Calls(), e)
	}
	req.Over = func() bool { return false }
	r.must(req)
}

// unreadyStore knows beforehand that it cannot keep anything.
type unreadyStore struct{ *memStore }

func (unreadyStore) Ready() error { return errors.New("read-only") }

func TestStoreIsNotReady(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	r.must(r.request("x"))
	r.connect(Options{Store: unreadyStore{r.store}})
	if got := r.must(r.request("x")); !got.Cached {
		t.Error("a stored answer was not given")
	}
	if e := r.mustFail(r.request("y")); e.Code != CodeStore || !e.Fatal || e.Detail != "read-only" {
		t.Errorf("error %+v", e)
	}
	r.wantCounts(counts{made: 1, cached: 1})
}

// elementOf makes what a list is of.
func elementOf[S ~[]*T, T any](S) *T { return new(T) }

// TestMissingKey: stored answers are given without a key, and no other call
// is made.
func TestMissingKey(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	r.must(r.request("x"))
	lacks := func(text string) Request {
		req := r.request(text)
		m, p := *req.Model, *req.Model.Provider
		problem := elementOf(p.Missing)
		problem.Detail = "THE_KEY is not set."
		p.APIKey, p.Missing = spec.Secret{}, append(p.Missing, problem)
		m.Provider = &p
		req.Model = &m
		return req
	}
	if got := r.must(lacks("x")); !got.Cached {
		t.Error("a stored answer was not given")
	}
	replica := r.request("y")
	replica.Model = &spec.Model{Name: "m", ID: "m", Provider: r.model.Provider, Replicas: []*spec.Provider{r.model.Provider, lacks("y").Model.Provider}}
	if e := r.mustFail(replica); e.Code != CodeMissingKey {
		t.Errorf("with a replica that lacks its key: %v", e)
	}
	if e := r.mustFail(lacks("y")); e.Code != CodeMissingKey || !e.Fatal || !strings.Contains(e.Summary, "THE_KEY is not set") {
		t.Errorf("error %+v", e)
	}
	r.wantCounts(counts{made: 1, cached: 1})
	if n := r.server.Calls(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestOneOfEqualCallsIsMade(t *testing.T) {
	r := newRig(t, llmtest.Options{Latency: 30 * time.Millisecond})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { r.must(r.request("x")) })
	}
	wg.Wait()
	r.wantCounts(counts{made: 1, cached: 19})
	if n := r.server.Calls(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// The one who makes a call for others may be called off; then another of them
// makes it.
func TestLeaderIsCalledOff(t *testing.T) {
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Nth: []int{1}, Hang: true}}})
	ctx, cancel := context.WithCancel(context.Background())
	leader := make(chan error)
	go func() {
		_, err := r.client.Complete(ctx, r.request("x"), &r.tally)
		leader <- err
	}()
	for r.server.Calls() == 0 {
		time.Sleep(time.Millisecond)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { r.must(r.request("x")) })
	}
	time.Sleep(10 * time.Millisecond)
	cancel()
	if err := <-leader; !errors.Is(err, context.Canceled) {
		t.Errorf("leader: %v", err)
	}
	wg.Wait()
	r.wantCounts(counts{made: 1, cached: 4})
}

// Whoever waits for a call gets its error, as one of its own.
func TestFollowersFail(t *testing.T) {
	r := newRig(t, llmtest.Options{Latency: 30 * time.Millisecond, Faults: []llmtest.Fault{{Status: 400}}})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if _, err := r.complete(r.request("x")); err == nil {
				t.Error("no error")
			}
		})
	}
	wg.Wait()
	if got := r.tally.Failed.Load(); got != 5 {
		t.Errorf("%d failed", got)
	}
}

func TestStopping(t *testing.T) {
	stopping := make(chan struct{})
	r := newRig(t, llmtest.Options{Latency: 50 * time.Millisecond})
	r.connect(Options{Store: r.store, Stopping: stopping})
	r.must(r.request("before"))
	done := make(chan error)
	go func() {
		_, err := r.complete(r.request("in flight"))
		done <- err
	}()
	for r.server.Calls() < 2 {
		time.Sleep(time.Millisecond)
	}
	close(stopping)
	if err := <-done; err != nil {
		t.Errorf("in flight: %v", err)
	}
	if got := r.must(r.request("before")); !got.Cached {
		t.Error("a stored answer was not given")
	}
	if e := r.mustFail(r.request("after")); e.Code != CodeInterrupted {
		t.Errorf("error %+v", e)
	}
	r.wantCounts(counts{made: 2, cached: 1})
	if r.store.durable != 2 {
		t.Errorf("%d of 2 paid answers stored durably", r.store.durable)
	}
	offlineReq := r.request("after")
	offlineReq.Model = &spec.Model{ID: "o", Provider: &spec.Provider{Type: spec.ProviderOffline}}
	if e := r.mustFail(offlineReq); e.Code != CodeInterrupted {
		t.Errorf("offline: error %+v", e)
	}
}

// A call that waits to be tried again gives up at once.
func TestStoppingWhileWaiting(t *testing.T) {
	stopping := make(chan struct{})
	busy := llmtest.Fault{Status: 500, Match: func(llmtest.Request) bool { close(stopping); return true }} // once
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{busy}})
	r.connect(Options{Store: r.store, Stopping: stopping})
	r.client.clock = realClock(stopping)
	if e := r.mustFail(r.request("x")); e.Code != CodeInterrupted {
		t.Errorf("error %+v", e)
	}
	if n := r.server.Calls(); n != 1 {
		t.Errorf("%d requests", n)
	}
	// However long the wait is: this one would outlast the test.
	stopping = make(chan struct{})
	time.AfterFunc(time.Millisecond, func() { close(stopping) })
	if err := realClock(stopping).sleep(context.Background(), 24*time.Hour); !errors.Is(err, errStopping) {
		t.Errorf("the wait ended with %v", err)
	}
}

func TestUnfitRepliesAreAskedForAgain(t *testing.T) {
	good := llmtest.Reply{Content: `{"reason":"r","label":"safe"}`}
	r := newRig(t, says(llmtest.Reply{Content: "I think it is safe."}, llmtest.Reply{Content: `{"reason":"r","label":"maybe"}`}, good))
	req := r.request("judge")
	req.Schema = verdictSchema
	got := r.must(req)
	if got.Content != good.Content || len(got.Calls) != 3 || got.Cached {
		t.Errorf("reply %+v", got)
	}
	r.wantCounts(counts{made: 3, unfit: 2})
	last := r.server.Requests()[2].Messages
	if len(last) != 5 || last[1].Role != "assistant" || *last[1].Content != "I think it is safe." || last[2].Role != "user" ||
		!strings.Contains(*last[4].Content, "label") {
		t.Errorf("asked again with %+v", last)
	}
	// The whole exchange replays from the store.
	if again := r.must(req); !again.Cached || !slices.Equal(again.Calls, got.Calls) {
		t.Errorf("again %+v", again)
	}
	r.wantCounts(counts{made: 3, cached: 3, unfit: 4})
	if len(req.Messages) != 1 {
		t.Error("the caller's messages were changed")
	}
}

func TestUnfitForGood(t *testing.T) {
	bad := "no \x1b[31mJSON\u202e here"
	r := newRig(t, says(llmtest.Reply{Content: bad}))
	req := r.request("judge")
	req.Schema = verdictSchema
	e := r.mustFail(req)
	if e.Code != CodeInvalidReply || len(e.Calls) != 3 || e.Fatal || e.Transient || e.Detail == "" {
		t.Errorf("error %+v", e)
	}
	if strings.ContainsAny(e.Error(), "\x1b\n\u202e") {
		t.Errorf("control characters in %q", e.Error())
	}
	r.wantCounts(counts{made: 3, unfit: 3})
	if r.store.len() != 3 {
		t.Errorf("%d answers stored", r.store.len())
	}
	r.model.ReplyRetries = 0
	if e := r.mustFail(req); len(e.Calls) != 1 {
		t.Errorf("with no retries: %+v", e)
	}
	r.wantCounts(counts{made: 3, cached: 1, unfit: 4})
}

func TestUnfitToolCalls(t *testing.T) {
	ok := llmtest.Call("ok", "Pay", `{"to":"Anna","amount":1}`)
	r := newRig(t, says(
		llmtest.Reply{ToolCalls: []llmtest.ToolCall{ok, llmtest.Call("bad", "Pay", `{"to":"Anna"}`)}},
		llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("odd", "Steal", `not json`)}},
		llmtest.Reply{Content: "I pay.", ToolCalls: []llmtest.ToolCall{ok, llmtest.Call("two", "Pay", `{"to":"Bo","amount":2}`)}},
	))
	req := r.request("pay")
	req.Tools = []Tool{payTool}
	got := r.must(req)
	if got.Content != "I pay." || len(got.ToolCalls) != 2 || string(got.ToolCalls[0].Arguments) != `{"to":"Anna","amount":1}` || got.ToolCalls[1].ID != "two" {
		t.Errorf("reply %+v", got)
	}
	r.wantCounts(counts{made: 3, unfit: 2})
	last := r.server.Requests()[2].Messages // the server checked that calls and results pair
	if len(last) != 6 || last[2].ToolCallID != "retry_1_1" || last[4].ToolCalls[0].Function.Arguments != "{}" ||
		!strings.Contains(*last[5].Content, "not json") || !strings.Contains(*last[2].Content, "Not run") ||
		!strings.Contains(*last[3].Content, "amount") || !strings.Contains(*last[5].Content, `no tool "Steal"`) {
		t.Errorf("asked again with %+v", last)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name  string
		reply llmtest.Reply
		req   func(*Request)
		code  Code
		calls int
	}{
		{"refusal of a schema", llmtest.Reply{Refusal: "I won't."}, func(r *Request) { r.Schema = verdictSchema }, CodeRefused, 1},
		{"refusal of text", llmtest.Reply{Refusal: "I won't."}, func(*Request) {}, CodeRefused, 1},
		{"filtered", llmtest.Reply{Content: "I", FinishReason: "content_filter"}, func(r *Request) { r.Tools = []Tool{payTool} }, CodeRefused, 1},
		{"filtered though it fits", llmtest.Reply{Content: `{"reason":"r","label":"safe"}`, FinishReason: "content_filter"}, func(r *Request) { r.Schema = verdictSchema }, CodeRefused, 1},
		{"cut off text", llmtest.Reply{Content: "I would", FinishReason: "length"}, func(*Request) {}, CodeTruncated, 3},
		{"cut off JSON", llmtest.Reply{Content: `{"reason":"`, FinishReason: "length"}, func(r *Request) { r.Schema = verdictSchema }, CodeTruncated, 3},
		{"cut off call", llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("c", "Pay", `{"to`)}, FinishReason: "length"}, func(r *Request) { r.Tools = []Tool{payTool} }, CodeTruncated, 3},
		{"empty", llmtest.Reply{}, func(r *Request) { r.Tools = []Tool{payTool} }, CodeInvalidReply, 3},
		{"a call without tools", llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("c", "Pay", `{}`)}}, func(*Request) {}, CodeInvalidReply, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, says(tt.reply))
			req := r.request("x")
			tt.req(&req)
			e := r.mustFail(req)
			if e.Code != tt.code || len(e.Calls) != tt.calls {
				t.Errorf("error %+v", e)
			}
			if r.store.len() != tt.calls {
				t.Errorf("%d answers stored, want %d", r.store.len(), tt.calls)
			}
			r.wantCounts(counts{made: int64(tt.calls), unfit: int64(tt.calls)})
		})
	}
	t.Run("an agent that declines", func(t *testing.T) {
		r := newRig(t, says(llmtest.Reply{Refusal: "I won't."}))
		req := r.request("x")
		req.Tools = []Tool{payTool}
		if got := r.must(req); got.Content != "I won't." || got.Refusal != "I won't." {
			t.Errorf("reply %+v", got)
		}
	})
	t.Run("whole though at the limit", func(t *testing.T) {
		r := newRig(t, says(llmtest.Reply{Content: `{"reason":"r","label":"safe"}`, FinishReason: "length"}))
		req := r.request("x")
		req.Schema = verdictSchema
		r.must(req)
	})
}

func TestBadSchema(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	for _, schema := range []string{`{"type":"wrong"}`, `nonsense`, `{"$ref":"http://127.0.0.1:1/x"}`, `{"$ref":"file:///etc/passwd"}`} {
		req := r.request("x")
		req.Schema = json.RawMessage(schema)
		if e := r.mustFail(req); e.Code != CodeRejected {
			t.Errorf("%s: error %+v", schema, e)
		}
	}
	if e := r.mustFail(Request{}); e.Code != CodeRejected {
		t.Errorf("no model: error %+v", e)
	}
	if n := r.server.Calls(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A tool whose schema is wrong takes any object.
func TestBadToolSchema(t *testing.T) {
	r := newRig(t, says(llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("c", "Odd", `{"any":1}`)}}))
	req := r.request("x")
	req.Tools = []Tool{{Name: "Odd", Parameters: json.RawMessage(`{"type":"object","properties":{"a":{"type":"strange"}}}`)}, {Name: "None"}}
	if got := r.must(req); string(got.ToolCalls[0].Arguments) != `{"any":1}` {
		t.Errorf("reply %+v", got)
	}
}

func offlineRequest() Request {
	return Request{
		Model:   &spec.Model{ID: "offline-1", ReplyRetries: 2, Temperature: ptr(0.5), Price: &spec.Price{Input: 1}, Provider: &spec.Provider{Type: spec.ProviderOffline, Seed: 9}},
		Purpose: "judge", Facts: json.RawMessage(`{"a":1}`), Schema: verdictSchema, Sample: 2, Generation: 3, Seed: 4,
		Messages: []Message{{Role: "user", Content: "hi"}}, Tools: []Tool{payTool},
	}
}

func TestOfflineProvider(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	r.connect(Options{Store: r.store, Offline: true})
	var got []offline.Request
	r.client.actor = func(_ context.Context, req offline.Request) (offline.Reply, error) {
		got = append(got, req)
		if len(got) == 1 {
			return offline.Reply{Content: "nonsense"}, nil
		}
		return offline.Reply{Content: `{"reason":"r","label":"safe"}`, InputTokens: 5, OutputTokens: 6}, nil
	}
	reply := r.must(offlineRequest())
	if reply.Content != `{"reason":"r","label":"safe"}` || len(reply.Calls) != 2 {
		t.Errorf("reply %+v", reply)
	}
	if r.store.len() != 2 || r.store.durable != 0 {
		t.Errorf("%d answers stored, %d of them durably; they cost nothing and need not wait", r.store.len(), r.store.durable)
	}
	in := got[0]
	if in.Seed != 9 || in.Model != "offline-1" || in.Purpose != "judge" || string(in.Facts) != `{"a":1}` || in.Sample != 2 ||
		in.Generation != 3 || in.CallSeed != 4 || *in.Temperature != 0.5 || in.Messages[0].Content != "hi" ||
		in.Tools[0].Name != "Pay" || string(in.Schema) != string(verdictSchema) {
		t.Errorf("asked %+v", in)
	}
	r.wantCounts(counts{made: 2, unfit: 1})
	if r.tally.CostUSD() != 0 {
		t.Error("the offline model costs nothing")
	}
	if again := r.must(offlineRequest()); !again.Cached {
		t.Errorf("again %+v", again)
	}
	r.client.actor = func(context.Context, offline.Request) (offline.Reply, error) {
		return offline.Reply{ToolCalls: []offline.ToolCall{{Name: "Pay", Arguments: json.RawMessage(`{"to":"A","amount":1}`)}}}, nil
	}
	other := offlineRequest()
	other.Sample++
	if reply := r.must(other); len(reply.ToolCalls) != 1 || reply.ToolCalls[0].ID != "call_1" || reply.FinishReason != "tool_calls" {
		t.Errorf("reply %+v", reply)
	}
	r.client.actor = func(context.Context, offline.Request) (offline.Reply, error) {
		return offline.Reply{}, errors.New("what?\n") //nolint:revive // it must be cleaned
	}
	other.Sample++
	if e := r.mustFail(other); e.Code != CodeRejected || e.Detail != "what?" {
		t.Errorf("error %+v", e)
	}
}

// The real offline model, through the whole path.
func TestOfflineModel(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	req := offlineRequest()
	req.Tools = nil
	req.Facts = json.RawMessage(`{"instruction":"Pay Anna","action":{"answer":"Done."}}`)
	var v struct{ Label string }
	if reply := r.must(req); json.Unmarshal([]byte(reply.Content), &v) != nil || v.Label == "" {
		t.Errorf("reply %+v", reply)
	}
}
