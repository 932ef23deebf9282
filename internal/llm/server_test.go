package llm

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// A server that is as strict as OpenAI's takes every request that is made,
// in each way to get JSON, and its replies fit.
func TestAgainstStrictServer(t *testing.T) {
	schema := json.RawMessage(`{"type":"object","properties":{"reason":{"type":"string"},"outcome":{"type":"string","enum":["","bias"]},"label":{"type":"string","enum":["safe","unsafe"]}},"required":["reason","outcome","label"],"additionalProperties":false}`)
	for _, mode := range []spec.Structured{spec.StructuredSchema, spec.StructuredObject, spec.StructuredText} {
		t.Run(string(mode), func(t *testing.T) {
			r := newRig(t, llmtest.Options{APIKey: testKey, Models: []string{"gpt-test"}})
			r.model.Structured = mode
			r.model.Temperature, r.model.MaxTokens = ptr(0.7), 100
			var wg sync.WaitGroup
			for i := range 60 {
				wg.Go(func() {
					req := r.request(fmt.Sprint("case ", i))
					switch i % 3 {
					case 0:
						req.Schema, req.SchemaName = schema, "verdict"
					case 1:
						req.Tools = []Tool{payTool, {Name: "Ping"}}
					}
					r.must(req)
				})
			}
			wg.Wait()
			r.wantCounts(counts{made: 60})
		})
	}
}

// The server finds replies that do not fit as it finds faults: the repeated
// question must be one that it takes too.
func TestRepeatedQuestionsAreWellFormed(t *testing.T) {
	odd := []llmtest.Reply{
		{Content: "", FinishReason: "stop"},
		{ToolCalls: []llmtest.ToolCall{llmtest.Call("", "Pay", "x"), llmtest.Call("", "Nope", "")}},
		{Content: "a", ToolCalls: []llmtest.ToolCall{llmtest.Call("same", "Pay", "{}"), llmtest.Call("same", "Pay", "[]")}},
	}
	for i, reply := range odd {
		r := newRig(t, llmtest.Options{Reply: func(req llmtest.Request) (llmtest.Reply, bool) { return reply, req.N < 3 }})
		req := r.request("x")
		req.Tools = []Tool{payTool}
		if _, err := r.complete(req); err != nil {
			t.Errorf("reply %d: %v", i, err)
		}
		r.wantCounts(counts{made: 3, unfit: 2})
	}
}
