package pluginhost

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// answersStore keeps answers in memory.
type answersStore struct {
	mu     sync.Mutex
	values map[[32]byte][]byte
}

func (s *answersStore) Get(k [32]byte) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[k]
	return v, ok, nil
}

func (s *answersStore) Put(k [32]byte, v []byte, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[k] = v
	return nil
}

func (s *answersStore) Claim(context.Context, [32]byte) (func(), error) { return func() {}, nil }

// When the budget is used up, rows whose calls were answered are done, and the
// others count as interrupted: they have not failed and may not be kept,
// whatever their component makes of it.
func TestBudgetIsUsedUp(t *testing.T) {
	const rows = 100
	for _, component := range []string{`ask {"model":"model"}`, `shrug {"model":"model"}`, `shrug {"model":"model","prefix":"drop"}`, `shrug {"model":"model","prefix":"fail"}`} {
		t.Run(component, func(t *testing.T) {
			server := llmtest.Start(llmtest.Options{Latency: 5 * time.Millisecond})
			defer server.Close()
			store := &answersStore{values: map[[32]byte][]byte{}}
			stop := make(chan struct{})
			models := llm.New(llm.Options{Store: store, BudgetUSD: 0.1, OnBudget: func() { close(stop) }, Stopping: stop})
			h := newHost(t, func(o *Options) { o.Models = models })
			var name, config string
			if _, err := fmt.Sscanf(component, "%s %s", &name, &config); err != nil {
				t.Fatal(err)
			}
			s := specOf(schema.Simulator, name, config)
			s.Models = map[string]*spec.Model{"model": {
				Name: "m", ID: "gpt", MaxTokens: 200, Price: &spec.Price{Output: 100},
				Provider: &spec.Provider{Type: spec.ProviderOpenAI, Name: "p", BaseURL: server.URL(), Timeout: 10 * time.Minute},
			}}
			var tasks []engine.Task
			for i := range rows {
				tasks = append(tasks, engine.Task{Seq: uint64(i), Row: fmt.Appendf(nil, `{"text":"row %d"}`, i)})
			}
			out := runAll(t, h, s, tasks)
			if out.err != nil || len(out.results) != rows {
				t.Fatalf("%d results, %v", len(out.results), out.err)
			}
			done := 0
			for seq, r := range out.results {
				switch {
				case r.Err == nil && r.Dropped == "" && len(r.Rows) == 1 && len(r.Calls) == 1:
					done++
				case r.Err == nil || r.Err.Code != "interrupted" || !r.Err.Transient || len(r.Rows) != 0 || r.Dropped != "":
					t.Errorf("row %d: %+v, %+v", seq, r, r.Err)
				}
			}
			if done == 0 || done == rows || done != server.Answered() || int64(done) != out.calls.Made || done != len(store.values) {
				t.Errorf("%d rows are done; %d answers, %d counted, %d kept", done, server.Answered(), out.calls.Made, len(store.values))
			}
			if out.calls.Failed != 0 || out.calls.CostUSD > 0.1 || out.calls.CostUSD == 0 {
				t.Errorf("calls %+v", out.calls)
			}
		})
	}
}

// A step that is to be refreshed says so with each call.
func TestRefresh(t *testing.T) {
	var mu sync.Mutex
	var refreshed []bool
	h := newHost(t, func(o *Options) {
		o.Models = fakeModels(func(_ context.Context, req llm.Request, _ *llm.Tally) (llm.Reply, error) {
			mu.Lock()
			defer mu.Unlock()
			refreshed = append(refreshed, req.Refresh)
			return llm.Reply{Content: `{"answer":"x"}`}, nil
		})
	})
	s := specOf(schema.Simulator, "ask", `{"model":"model"}`)
	s.Models = map[string]*spec.Model{"model": {}}
	for _, want := range []bool{true, false} {
		s.Refresh, refreshed = want, nil
		if out := runAll(t, h, s, texts("a")); out.err != nil || len(refreshed) != 1 || refreshed[0] != want {
			t.Errorf("%v, refreshed %v, want %v", out.err, refreshed, want)
		}
	}
}
