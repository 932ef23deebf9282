package llm

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

func benchModel(url string, concurrency int) *spec.Model {
	return &spec.Model{Name: "m", ID: "gpt-test", Provider: &spec.Provider{
		Type: spec.ProviderOpenAI, BaseURL: url, Retries: 5, Limits: spec.Limits{Concurrency: concurrency},
	}}
}

func benchCalls(b *testing.B, c Client, m *spec.Model, round, calls int) {
	var tally Tally
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			req := Request{Model: m, Messages: []Message{{Role: "user", Content: fmt.Sprint("call ", round, i)}}}
			if _, err := c.Complete(b.Context(), req, &tally); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}

// BenchmarkCallsInHand is what 500 calls cost apart from the network.
func BenchmarkCallsInHand(b *testing.B) {
	c := New(Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(goodBody))), Request: r}, nil
	})})
	defer c.Close()
	m := benchModel("http://model.example/v1", 50)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		benchCalls(b, c, m, n, 500)
	}
}

// BenchmarkCalls is 500 calls of 50 ms, 50 at a time.
func BenchmarkCalls(b *testing.B) {
	s := llmtest.Start(llmtest.Options{Latency: 50 * time.Millisecond, NoRecord: true})
	defer s.Close()
	for n := 0; b.Loop(); n++ {
		c := New(Options{})
		benchCalls(b, c, benchModel(s.URL(), 50), n, 500)
		_ = c.Close()
	}
}

// BenchmarkWideCalls is 20,000 calls of 200 ms, 512 at a time, all of which
// wait from the start; the endpoint could do them in 7.8 s.
func BenchmarkWideCalls(b *testing.B) {
	s := llmtest.Start(llmtest.Options{Latency: 200 * time.Millisecond, NoRecord: true})
	defer s.Close()
	for n := 0; b.Loop(); n++ {
		c := New(Options{})
		benchCalls(b, c, benchModel(s.URL(), 512), n, 20000)
		_ = c.Close()
	}
}
