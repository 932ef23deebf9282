package e2e

import (
	"encoding/json"
	"hash/fnv"
	"regexp"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// start starts an endpoint for a test.
func start(t testing.TB, opts llmtest.Options) *llmtest.Server {
	t.Helper()
	s := llmtest.Start(opts)
	t.Cleanup(s.Close)
	return s
}

// labels are parts of a prompt that the steady endpoint does not look at.
var labels = regexp.MustCompile(`«[^»]*»`)

// steady makes answers depend on the conversation alone, without labels,
// model name and sampling parameters: a changed request is then counted, but
// what it is answered stays, and so does all that follows from it.
func steady(r llmtest.Request) []byte {
	var body map[string]any
	if json.Unmarshal(r.Raw, &body) != nil {
		return r.Raw
	}
	b, err := json.Marshal([]any{body["messages"], body["tools"], body["response_format"]})
	if err != nil {
		return r.Raw
	}
	return labels.ReplaceAll(b, nil)
}

// lot draws one of n for a request, always the same for equal ones, in whatever
// order they come in.
func lot(r llmtest.Request, n uint32) uint32 {
	h := fnv.New32a()
	h.Write(r.Raw)
	return h.Sum32() % n
}

// requests are the requests of one project, in order.
func (p *project) requests() []llmtest.Request {
	var out []llmtest.Request
	for _, r := range p.server.Requests() {
		if r.Header.Get("Authorization") == "Bearer "+p.key {
			out = append(out, r)
		}
	}
	return out
}

// asked counts a project's requests by model.
func (p *project) asked() map[string]int {
	n := map[string]int{}
	for _, r := range p.requests() {
		n[r.Model]++
	}
	return n
}

// bodies counts equal requests.
func (p *project) bodies() map[string]int {
	n := map[string]int{}
	for _, r := range p.requests() {
		n[string(r.Raw)]++
	}
	return n
}
