package llm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// moody is an endpoint whose word on a request depends on the request alone,
// and differs from one to the next: in what it refuses, in whether there is
// JSON in its replies, and in what they say.
func moody(fault func(llmtest.Request) int) llmtest.Options {
	refusal := func(n int, message string) llmtest.Fault {
		return llmtest.Fault{Status: 400, Body: openAIError(message, ""), Match: func(r llmtest.Request) bool { return fault(r) == n }}
	}
	return llmtest.Options{
		Reply: func(r llmtest.Request) (llmtest.Reply, bool) {
			sum := sha256.Sum256(r.Raw)
			if fault(r) == saysNoJSON {
				return llmtest.Reply{Content: fmt.Sprintf("I find this %x.", sum[:4])}, true
			}
			if reply, _ := asAsked(r); reply.ToolCalls != nil || strings.Contains(reply.Content, "tool") {
				return reply, true
			}
			return llmtest.Reply{Content: fmt.Sprintf(`{"reason":"%x","label":"safe"}`, sum[:4])}, true
		},
		Faults: []llmtest.Fault{
			refusal(refusesFormat, "response_format is not supported"),
			refusal(refusesTools, "this model does not support tools"),
			refusal(refusesSeed, "Unrecognized request argument supplied: seed"),
		},
	}
}

const (
	fine = iota
	saysNoJSON
	refusesFormat
	refusesTools
	refusesSeed
)

// moods draws what the endpoint does from the request's own bytes.
func moods(r llmtest.Request) int {
	sum := sha256.Sum256(r.Raw)
	switch n := sum[0] % 8; {
	case n < 2 && r.ResponseFormat.Type != "":
		return saysNoJSON
	case n < 4 && r.ResponseFormat.Type != "":
		return refusesFormat
	case n < 6 && len(r.Tools) > 0:
		return refusesTools
	case n < 7 && r.Seed != nil:
		return refusesSeed
	}
	return fine
}

// moodyRequest is the i-th of the requests that are put to it.
func moodyRequest(m *spec.Model, i int) Request {
	req := Request{Model: m, Purpose: "agent", Messages: []Message{{Role: "user", Content: fmt.Sprint("case ", i)}}}
	if i%3 == 0 {
		req.Tools = []Tool{payTool}
	} else {
		req.Schema = verdictSchema
	}
	if i%2 == 0 {
		req.Seed = 7
	}
	return req
}

// What becomes of a call does not depend on what became of others before it:
// in whatever order they come, the same requests are sent, and the same answers
// are had by the same calls.
func TestOrderOfCalls(t *testing.T) {
	const calls, runs = 24, 30
	type end struct {
		content string
		tools   []ToolCall
		calls   []string
		code    Code
	}
	var wantEnds []end
	var wantSent []string
	for run := range runs {
		r := newRig(t, moody(moods))
		r.model.Structured, r.model.ToolForm = spec.StructuredAuto, spec.ToolsAuto
		r.model.Provider.ID = "moody" // its address, which is in keys, is another one in each run
		ends := make([]end, calls)
		ask := func(i int) {
			reply, err := r.complete(moodyRequest(r.model, i))
			ends[i] = end{content: reply.Content, tools: reply.ToolCalls, calls: reply.Calls}
			var e *Error
			if errors.As(err, &e) {
				ends[i].code, ends[i].calls = e.Code, e.Calls
			}
		}
		order := rand.New(rand.NewPCG(uint64(run), 1)).Perm(calls)
		if run%3 == 0 { // one after the other
			for _, i := range order {
				ask(i)
			}
		} else {
			var wg sync.WaitGroup
			for _, i := range order {
				wg.Go(func() { ask(i) })
			}
			wg.Wait()
		}
		var sent []string
		for _, req := range r.server.Requests() {
			sent = append(sent, string(req.Raw))
		}
		slices.Sort(sent)
		if run == 0 {
			wantEnds, wantSent = ends, sent
			wantMoods(t, r.server.Requests())
			continue
		}
		if diff := cmp.Diff(wantEnds, ends, cmp.AllowUnexported(end{})); diff != "" {
			t.Fatalf("run %d: the calls ended otherwise:\n%s", run, diff)
		}
		if diff := cmp.Diff(wantSent, sent); diff != "" {
			t.Fatalf("run %d: other requests were sent:\n%s", run, diff)
		}
	}
}

// wantMoods makes sure that all that an endpoint may do was met.
func wantMoods(t *testing.T, sent []llmtest.Request) {
	t.Helper()
	met := map[int]bool{}
	for _, r := range sent {
		met[moods(r)] = true
	}
	if len(met) != refusesSeed+1 {
		t.Errorf("met %v", slices.Sorted(maps.Keys(met)))
	}
}

// The name of the limit is remembered, and a call to which an endpoint says
// something else than to the others ends as it would alone.
func TestLimitNameIsTriedBothWays(t *testing.T) {
	fields := func(r llmtest.Request) string {
		if strings.Contains(string(r.Raw), `"max_tokens"`) {
			return "max_tokens"
		}
		return "max_completion_tokens"
	}
	takes := map[string]string{"a": "max_tokens", "b": "max_completion_tokens", "c": "neither"}
	fault := func(name string) llmtest.Fault {
		return llmtest.Fault{Status: 400, Body: openAIError("Unsupported parameter: '"+name+"'", name), Match: func(r llmtest.Request) bool {
			return fields(r) == name && takes[*r.Messages[0].Content] != name
		}}
	}
	for _, order := range []string{"abc", "acb", "bac", "bca", "cab", "cba", "bbcaab"} {
		r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{fault("max_tokens"), fault("max_completion_tokens")}})
		r.model.MaxTokens = 5
		for _, text := range strings.Split(order, "") {
			if text != "c" {
				r.must(r.request(text))
				continue
			}
			if e := r.mustFail(r.request(text)); !strings.Contains(e.Summary, "does not take max_tokens") {
				t.Errorf("%s: %v", order, e)
			}
		}
	}
}
