package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// TestNothingRuns makes calls at an endpoint that fails in every way, and one
// that refuses the key: when the calls are answered, no goroutine of the client
// and no connection is left.
func TestNothingRuns(t *testing.T) {
	t.Parallel()
	const calls = 300
	for _, tt := range []struct {
		name   string
		faults []llmtest.Fault
		lost   llm.Code // what all calls end in; "": none is lost
	}{
		{"every fault", []llmtest.Fault{
			{Share: 0.10, Status: 429}, {Share: 0.05, Status: 500}, {Share: 0.02, Hang: true}, {Share: 0.02, Cut: true},
			{Share: 0.02, Reset: true}, {Share: 0.03, Unfit: true},
		}, ""},
		{"a bad key", []llmtest.Fault{{Status: 401}}, llm.CodeUnauthorized},
	} {
		server := start(t, llmtest.Options{Seed: 11, Faults: tt.faults})
		model := &spec.Model{
			Name: "judge", ID: "judge-1", ReplyRetries: 20, Structured: spec.StructuredSchema,
			Provider: &spec.Provider{
				Type: spec.ProviderOpenAI, Name: "main", BaseURL: server.URL(), Timeout: 3 * time.Second, Retries: 50, Limits: spec.Limits{Concurrency: 16},
			},
		}
		client := llm.New(llm.Options{})
		tally := &llm.Tally{}
		var callers sync.WaitGroup
		for i := range calls {
			callers.Go(func() {
				_, err := client.Complete(t.Context(), llm.Request{
					Model: model, Messages: []llm.Message{{Role: "user", Content: fmt.Sprintf("Question %d.", i)}},
					Schema: json.RawMessage(`{"type":"object","properties":{"score":{"type":"integer"}},"required":["score"],"additionalProperties":false}`), SchemaName: "answer",
				}, tally)
				var e *llm.Error
				if lost := errors.As(err, &e); lost != (tt.lost != "") || lost && e.Code != tt.lost {
					t.Errorf("%s: call %d: %v", tt.name, i, err)
				}
			})
		}
		callers.Wait()
		c := server.Counts()
		if tt.lost == "" && tally.Made.Load()+tally.Retried.Load() != int64(c.Requests) {
			t.Errorf("%s: %d calls made, %d retried, %d requests", tt.name, tally.Made.Load(), tally.Retried.Load(), c.Requests)
		}
		if tt.lost != "" && c.Requests > 16 {
			t.Errorf("%s: %d requests", tt.name, c.Requests)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		eventually(t, "connections are left", func() bool {
			c := server.Counts()
			return c.Connections == 0 && c.InFlight == 0
		})
		eventually(t, "goroutines are left", func() bool { return len(goroutinesIn("autosafe/internal/llm.")) == 0 })
	}
}

// goroutinesIn gives the stacks of the goroutines that are in a package. The
// tests of this package have no other in their own process.
func goroutinesIn(pkg string) []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var list []string
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, pkg) {
			list = append(list, stack)
		}
	}
	return list
}
