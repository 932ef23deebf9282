package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRules has the endpoint refuse what its rules do not let in, and account
// for it.
func TestRules(t *testing.T) {
	e, err := startEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	ask := func() int {
		resp, err := http.Post(e.url()+"/chat/completions", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	// A rate so low that nothing is refilled while the test runs.
	if err := e.obey(rules{PerSecond: 3, RetryAfter: true, Period: time.Hour}); err != nil {
		t.Fatal(err)
	}
	last := 0
	for range 3 {
		last = ask()
	}
	a, err := e.account()
	if err != nil || last != http.StatusOK || a.Answered != 3 || a.Requests != 3 || a.Could < 3 {
		t.Errorf("status %d, %+v, %v", last, a, err)
	}
	c := &counter{rules: rules{PerSecond: 1e-9, RetryAfter: true}}
	w := httptest.NewRecorder()
	c.complete(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || c.account.Refused != 1 {
		t.Errorf("status %d, %v, %+v", w.Code, w.Header(), c.account)
	}
}

// TestHalved reckons with limits that are halved every other period.
func TestHalved(t *testing.T) {
	const s = time.Second
	r := rules{Period: 10 * s}
	for took, want := range map[time.Duration]time.Duration{
		4 * s: 4 * s, 10 * s: 10 * s, 14 * s: 12 * s, 20 * s: 15 * s, 25 * s: 20 * s, 35 * s: 27500 * time.Millisecond, 40 * s: 30 * s,
	} {
		if got := r.inFull(took); got != want {
			t.Errorf("%v: %v, want %v", took, got, want)
		}
	}
	if got := (rules{}).inFull(7 * s); got != 7*s {
		t.Errorf("without a period: %v", got)
	}
}

// TestBareClient asks about every row, and fails if one is not answered.
func TestBareClient(t *testing.T) {
	rows := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := makeRows(rows, 50, 256); err != nil {
		t.Fatal(err)
	}
	e, err := startEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	if err := bareClient([]string{e.url(), rows, "8"}); err != nil {
		t.Error(err)
	}
	if a, err := e.account(); err != nil || a.Answered != 50 {
		t.Errorf("%+v, %v", a, err)
	}
	if err := e.obey(rules{PerSecond: 1e-9}); err != nil {
		t.Fatal(err)
	}
	if err := bareClient([]string{e.url(), rows, "8"}); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("error %v", err)
	}
}

// BenchmarkEndpoint shows how much the endpoint answers in a second, so that
// nobody takes its limit for that of who asks.
func BenchmarkEndpoint(b *testing.B) {
	e, err := startEndpoint()
	if err != nil {
		b.Fatal(err)
	}
	defer e.close()
	rows := filepath.Join(b.TempDir(), "rows.jsonl")
	if err := makeRows(rows, max(b.N, 64), 256); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	if err := bareClient([]string{e.url(), rows, "64"}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}
