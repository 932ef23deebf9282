package llm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

func TestComplete(t *testing.T) {
	r := newRig(t, says(llmtest.Reply{Content: "Done.", Reasoning: "hm"}))
	r.model.Temperature = ptr(0.0)
	r.model.Price = &spec.Price{Input: 1, Output: 10}
	r.model.Provider.Organization = "org-1"
	r.model.Provider.Headers = map[string]string{"X-Team": "safety-team-7"}
	got := r.must(r.request("hello"))
	if got.Content != "Done." || got.FinishReason != "stop" || got.Reasoning != "hm" || got.Cached || len(got.Calls) != 1 {
		t.Errorf("reply %+v", got)
	}
	r.wantCounts(counts{made: 1})
	in := r.server.Requests()[0]
	if !strings.Contains(string(in.Raw), `"temperature":0,`) && !strings.Contains(string(in.Raw), `"temperature":0}`) {
		t.Errorf("a temperature of 0 was not sent: %s", in.Raw)
	}
	if w, _, _ := shape(r.request("hello")); string(in.Raw) != string(w.body()) {
		t.Errorf("sent %s\nshaped %s", in.Raw, w.body())
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer " + testKey, "Openai-Organization": "org-1", "X-Team": "safety-team-7",
		"User-Agent": "autosafe-test", "Content-Type": "application/json",
	} {
		if got := in.Header.Get(name); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	wantCost := (float64(got.Usage.InputTokens) + 10*float64(got.Usage.OutputTokens)) / 1e6
	if c := r.tally.CostUSD(); c < wantCost-1e-9 || c > wantCost+1e-9 || c == 0 {
		t.Errorf("cost %v, want %v", c, wantCost)
	}
	if r.tally.InputTokens.Load() != int64(got.Usage.InputTokens) || got.Usage.InputTokens == 0 || got.Usage.Estimated {
		t.Errorf("usage %+v, tally %d", got.Usage, r.tally.InputTokens.Load())
	}
}

func TestNoKeyNoHeader(t *testing.T) {
	r := newRig(t, says(llmtest.Reply{Content: "ok"}))
	r.model.Provider.APIKey = spec.NewSecret("")
	r.model.Provider.BaseURL += "/"
	r.must(r.request("x"))
	if v, ok := r.server.Requests()[0].Header["Authorization"]; ok {
		t.Errorf("an empty key was sent as %q", v)
	}
}

const goodBody = `{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"fine"},"finish_reason":"stop"}]}`

// What each fault comes to when it lasts, and whether it is tried again.
func TestFaults(t *testing.T) {
	tests := []struct {
		name      string
		fault     llmtest.Fault
		code      Code
		tries     int
		fatal     bool
		transient bool
		detail    string
	}{
		{"400", llmtest.Fault{Status: 400}, CodeRejected, 1, false, false, "fault 400"},
		{"400 context", llmtest.Fault{Status: 400, Body: `{"error":{"message":"This model's maximum context length is 8192 tokens","code":"context_length_exceeded"}}`}, CodeContext, 1, false, false, "8192"},
		{"400 context by words", llmtest.Fault{Status: 400, Body: `{"object":"error","message":"the prompt is longer than the context window"}`}, CodeContext, 1, false, false, "context window"},
		{"413", llmtest.Fault{Status: 413}, CodeContext, 1, false, false, ""},
		{"401", llmtest.Fault{Status: 401}, CodeUnauthorized, 1, true, false, ""},
		{"402", llmtest.Fault{Status: 402}, CodeRateLimited, 1, true, false, ""},
		{"403", llmtest.Fault{Status: 403}, CodeUnauthorized, 1, true, false, ""},
		{"403 moderation", llmtest.Fault{Status: 403, Body: `{"error":{"message":"Your input was flagged","code":403}}`}, CodeRefused, 1, false, false, "flagged"},
		{"400 filter", llmtest.Fault{Status: 400, Body: `{"error":{"message":"The response was filtered","code":"content_filter"}}`}, CodeRefused, 1, false, false, "filtered"},
		{"404", llmtest.Fault{Status: 404}, CodeNotFound, 1, true, false, ""},
		{"404 plain", llmtest.Fault{Status: 404, Body: "404 page not found\n"}, CodeNotFound, 1, true, false, "404 page not found"},
		{"408", llmtest.Fault{Status: 408}, CodeUnavailable, 6, false, true, ""},
		{"409", llmtest.Fault{Status: 409}, CodeUnavailable, 6, false, true, ""},
		{"422", llmtest.Fault{Status: 422, Body: `{"detail":[{"loc":["body"],"msg":"extra"}]}`}, CodeRejected, 1, false, false, "extra"},
		{"429", llmtest.Fault{Status: 429}, CodeRateLimited, 6, false, true, ""},
		{"429 quota", llmtest.Fault{Status: 429, Body: `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}`}, CodeRateLimited, 1, true, false, "quota"},
		{"500", llmtest.Fault{Status: 500, Body: `{"error":"out of memory"}`}, CodeUnavailable, 6, false, true, "out of memory"},
		{"503", llmtest.Fault{Status: 503, Body: "<html>busy</html>"}, CodeUnavailable, 6, false, true, "busy"},
		{"302", llmtest.Fault{Status: 302, Header: map[string]string{"Location": "http://elsewhere.example/"}}, CodeRejected, 1, true, false, "elsewhere.example"},
		{"200 with an error", llmtest.Fault{Body: `{"error":{"message":"upstream is down","code":502}}`}, CodeUnavailable, 6, false, true, "upstream is down"},
		{"200 with an error about the request", llmtest.Fault{Body: `{"error":{"message":"no such tool","code":400}}`}, CodeRejected, 1, false, false, "no such tool"},
		{"no JSON", llmtest.Fault{Body: "hello"}, CodeUnavailable, 6, false, true, "hello"},
		{"empty", llmtest.Fault{}, CodeUnavailable, 6, false, true, "it is empty"},
		{"null", llmtest.Fault{Body: "null"}, CodeUnavailable, 6, false, true, "no choices"},
		{"no choices", llmtest.Fault{Body: `{"choices":[]}`}, CodeUnavailable, 6, false, true, "no choices"},
		{"half JSON", llmtest.Fault{Body: goodBody[:len(goodBody)-20]}, CodeUnavailable, 6, false, true, ""},
		{"no finish reason", llmtest.Fault{Body: strings.Replace(goodBody, `"stop"`, "null", 1)}, CodeUnavailable, 6, false, true, "finish_reason"},
		{"cut", llmtest.Fault{Cut: true}, CodeUnavailable, 6, false, true, ""},
		{"reset", llmtest.Fault{Reset: true}, CodeUnavailable, 6, false, true, ""},
		{"hang", llmtest.Fault{Hang: true}, CodeTimeout, 6, false, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, llmtest.Options{})
			if tt.fault.Hang {
				tt.fault = r.hangs()
			}
			r.server.Reset(tt.fault)
			e := r.mustFail(r.request("x"))
			if e.Code != tt.code || e.Fatal != tt.fatal || e.Transient != tt.transient || !strings.Contains(e.Detail, tt.detail) {
				t.Errorf("error %+v", e)
			}
			if got := r.server.Calls(); got != tt.tries {
				t.Errorf("%d requests, want %d", got, tt.tries)
			}
			r.wantCounts(counts{retried: int64(tt.tries - 1), failed: 1})
			if r.store.len() != 0 {
				t.Error("a failure was stored")
			}
			if tt.tries > 1 && len(r.notes) != 1 {
				t.Errorf("notes %q, want one", r.notes)
			}
			// A fault that passes leaves no trace but the count of retries.
			if tt.tries > 1 {
				tt.fault.To = 2
				r.server.Reset(tt.fault)
				r.must(r.request("x"))
				r.wantCounts(counts{made: 1, retried: int64(tt.tries - 1 + 2), failed: 1})
			}
		})
	}
}

func TestAdvice(t *testing.T) {
	tests := []struct {
		name  string
		fault llmtest.Fault
		key   string
		want  string
	}{
		{"bad key", llmtest.Fault{Status: 401}, testKey, "OPENAI_API_KEY"},
		{"no key", llmtest.Fault{Status: 401}, "", `api_key of provider "main" is empty`},
		{"unknown model", llmtest.Fault{Status: 404}, testKey, `"gpt-test"`},
		{"response format", llmtest.Fault{Status: 400, Body: `{"error":{"message":"'response_format' of type 'json_schema' is not supported"}}`}, testKey, `structured = "json_object"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{tt.fault}})
			r.model.Provider.APIKey = spec.NewSecret(tt.key)
			req := r.request("x")
			req.Schema = verdictSchema
			if e := r.mustFail(req); !strings.Contains(e.Summary, tt.want) {
				t.Errorf("summary %q does not say %q", e.Summary, tt.want)
			}
		})
	}
}

func TestNothingListens(t *testing.T) {
	const gone = "http://127.0.0.1:1" // no port that is handed out to servers
	r := newRig(t, llmtest.Options{})
	r.model.Provider.BaseURL = gone + "/v1"
	e := r.mustFail(r.request("x"))
	if e.Code != CodeUnavailable || !e.Fatal || !strings.Contains(e.Summary, gone) || !strings.Contains(e.Summary, "base_url") {
		t.Errorf("error %+v", e)
	}
	r.wantCounts(counts{retried: 5, failed: 1})
}

// A server that answered once and then goes down is down, not wrong: it is
// waited for, as long as its provider says.
func TestGoesDown(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	r.must(r.request("x"))
	r.server.Close()
	if e := r.mustFail(r.request("y")); e.Code != CodeUnavailable || !e.Fatal || !e.Transient || !strings.Contains(e.Summary, DefaultOutage.String()) {
		t.Errorf("error %+v", e)
	}
	if got := r.clock.total(); got < DefaultOutage || got > DefaultOutage+2*time.Minute {
		t.Errorf("waited %v", got)
	}
}

func TestBadBaseURL(t *testing.T) {
	for _, base := range []string{"localhost:8000/v1", "ftp://x/v1", "http://", "http://us:pass-word@[x/v1"} {
		r := newRig(t, llmtest.Options{})
		r.model.Provider.BaseURL = base
		e := r.mustFail(r.request("x"))
		if e.Code != CodeRejected || !e.Fatal || strings.Contains(e.Error(), "pass-word") {
			t.Errorf("%s: error %+v", base, e)
		}
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	tests := []struct {
		header   map[string]string
		min, max time.Duration
	}{
		{nil, 250 * time.Millisecond, time.Second},
		{map[string]string{"Retry-After": "7"}, 7 * time.Second, 8 * time.Second},
		{map[string]string{"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 29 * time.Second, 32 * time.Second},
		{map[string]string{"Retry-After-Ms": "1500"}, 1500 * time.Millisecond, 2 * time.Second},
		{map[string]string{"Retry-After": "86400"}, time.Minute, 61 * time.Second},
		{map[string]string{"Retry-After": "-5"}, 250 * time.Millisecond, time.Second},
		{map[string]string{"Retry-After": "soon"}, 250 * time.Millisecond, time.Second},
		{map[string]string{"X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": "6s"}, 6 * time.Second, 7 * time.Second},
		{map[string]string{"X-Ratelimit-Remaining-Tokens": "9", "X-Ratelimit-Reset-Tokens": "6s"}, 250 * time.Millisecond, time.Second},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.header), func(t *testing.T) {
			r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{To: 1, Status: 429, Header: tt.header}}})
			r.must(r.request("x"))
			if got := r.clock.total(); got < tt.min || got > tt.max {
				t.Errorf("waited %v, want %v to %v", got, tt.min, tt.max)
			}
		})
	}
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	for n := 1; n < 100; n++ {
		full := min(firstBackoff<<min(n-1, 20), maxBackoff/2)
		for range 20 {
			if d := backoff(n, 0); d < full/2 || d > full {
				t.Fatalf("backoff %d is %v, want %v to %v", n, d, full/2, full)
			}
		}
	}
	if d := backoff(3, time.Hour); d != maxBackoff {
		t.Errorf("an hour asked for gives %v", d)
	}
}

// An endpoint that goes on answering others does not use up the retries of a
// call it slows down.
func TestSlowedDownButAlive(t *testing.T) {
	limited := func(r llmtest.Request) bool { return strings.Contains(string(r.Raw), "slow") }
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{To: 40, Status: 429, Match: limited}}})
	n := 0
	r.clock.onSleep = func() {
		// Between two attempts of the slow call another one is answered.
		if n++; n <= 40 {
			q, _ := r.client.route(r.model)
			r.client.pool.mu.Lock()
			defer r.client.pool.mu.Unlock()
			q.outlets[0].answered++
		}
	}
	r.model.Provider.Retries = 2
	r.server.Reset(llmtest.Fault{To: 20, Status: 429, Match: limited})
	r.must(r.request("slow"))
	if got := r.server.Calls(); got != 21 {
		t.Errorf("%d requests", got)
	}
}

func TestRedirects(t *testing.T) {
	var got []string
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		got = append(got, req.Header.Get("Authorization"))
		fmt.Fprint(w, goodBody)
	}))
	defer target.Close()

	t.Run("other host", func(t *testing.T) {
		r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Status: 307, Header: map[string]string{"Location": target.URL + "/v1/chat/completions"}}}})
		e := r.mustFail(r.request("x"))
		if e.Code != CodeRejected || !e.Fatal || !strings.Contains(e.Summary, "base_url") {
			t.Errorf("error %+v", e)
		}
		if len(got) != 0 {
			t.Errorf("the other host was asked, with %q", got)
		}
	})
	t.Run("same host", func(t *testing.T) {
		var asked []string
		moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			asked = append(asked, req.Method+" "+req.URL.Path+" "+req.Header.Get("Authorization")+" "+string(body))
			if req.URL.Path != "/new" {
				http.Redirect(w, req, "/new", http.StatusPermanentRedirect)
				return
			}
			fmt.Fprint(w, goodBody)
		}))
		defer moved.Close()
		r := newRig(t, llmtest.Options{})
		r.model.Provider.BaseURL = moved.URL
		r.must(r.request("x"))
		if len(asked) != 2 || asked[1] != strings.Replace(asked[0], "/chat/completions", "/new", 1) || !strings.Contains(asked[1], testKey) {
			t.Errorf("asked %q", asked)
		}
		r.wantCounts(counts{made: 1})
	})
}

func TestFlood(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		junk := []byte(strings.Repeat("x", 1<<20))
		for range 40 {
			if _, err := w.Write(junk); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	r := newRig(t, llmtest.Options{})
	r.model.Provider.BaseURL = server.URL
	e := r.mustFail(r.request("x"))
	if e.Code != CodeUnavailable || !strings.Contains(e.Detail, "32 MiB") {
		t.Errorf("error %+v", e)
	}
	r.wantCounts(counts{failed: 1})
}

func TestBaseURLWithQuery(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked = req.URL.String()
		fmt.Fprint(w, goodBody)
	}))
	defer server.Close()
	r := newRig(t, llmtest.Options{})
	r.model.Provider.BaseURL = server.URL + "/openai/?api-version=2024"
	r.must(r.request("x"))
	if asked != "/openai/chat/completions?api-version=2024" {
		t.Errorf("asked for %s", asked)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Hang: true, Match: func(llmtest.Request) bool { cancel(); return true }}}})
	_, err := r.client.Complete(ctx, r.request("x"), &r.tally)
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeInterrupted || !errors.Is(err, context.Canceled) {
		t.Errorf("error %#v", err)
	}
	r.wantCounts(counts{})
}

// The time of an attempt runs out by the clock on the wall too.
func TestTimeout(t *testing.T) {
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Hang: true}}})
	r.model.Provider.Timeout, r.model.Provider.Retries = 20*time.Millisecond, 0
	r.client.clock = realClock(nil)
	if e := r.mustFail(r.request("x")); e.Code != CodeTimeout || e.Fatal || !strings.Contains(e.Summary, "20ms") {
		t.Errorf("error %+v", e)
	}
}

func TestCallersDeadline(t *testing.T) {
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Hang: true}}})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := r.client.Complete(ctx, r.request("x"), &r.tally)
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeTimeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %#v", err)
	}
}
