package oracle

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/llm"
)

// endpoint answers from the request alone, without a network, and remembers
// what it was asked.
type endpoint struct {
	mu       sync.Mutex
	down     int // bodies that draw this do not get through; -1: all do
	answered map[string]int
	refused  int
}

// downOf is how many kinds of bodies there are, one of which may be down.
const downOf = 5

// request is what a call says, in the test's own words.
func request(host, model string, temperature int, prompt string) string {
	return fmt.Sprintf("%s %s %d %s", host, model, temperature, prompt)
}

// answer is what the endpoint says to a request.
func answer(request string) string {
	return words()[draw("answer "+request)%uint64(len(words()))]
}

// isDown says whether a request does not get through.
func isDown(request string, down int) bool {
	return down >= 0 && draw("down "+request)%downOf == uint64(down)
}

// said reads a request's body.
func said(host string, body []byte) string {
	var b struct {
		Model       string  `json:"model"`
		Temperature float64 `json:"temperature"`
		Messages    []struct{ Content string }
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return "no JSON: " + err.Error()
	}
	var all []string
	for _, m := range b.Messages {
		all = append(all, m.Content)
	}
	return request(host, b.Model, int(b.Temperature*10+0.5), strings.Join(all, "\n"))
}

// RoundTrip implements http.RoundTripper.
func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r := said(req.URL.Host, body)
	e.mu.Lock()
	defer e.mu.Unlock()
	if isDown(r, e.down) {
		e.refused++
		return reply(req, http.StatusInternalServerError, `{"error":{"message":"down"}}`), nil
	}
	e.answered[r]++
	return reply(req, http.StatusOK, fmt.Sprintf(`{"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":%q}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}`, answer(r))), nil
}

func reply(req *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: req, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader([]byte(body))),
	}
}

// taken is what was answered since the last time.
func (e *endpoint) taken() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.answered
	e.answered, e.refused = map[string]int{}, 0
	return out
}

// callID tells calls apart: equal requests may be meant to differ.
func callID(request string, sample, generation int) string {
	return fmt.Sprintf("%s #%d/%d", request, sample, generation)
}

// calls is the store of the model client: the cache, and a memory of what was
// ever put there.
type calls struct {
	store *cache.Store
	kept  *sync.Map // callID: true
}

// Get implements llm.Store.
func (c calls) Get(key [32]byte) ([]byte, bool, error) {
	b, err := c.store.Get(cache.Calls, key)
	return b, err == nil, nil
}

// Claim implements llm.Store: no other process is about.
func (c calls) Claim(context.Context, [32]byte) (func(), error) { return func() {}, nil }

// Put implements llm.Store. It is not durable: nothing crashes here.
func (c calls) Put(key [32]byte, value []byte, _ bool) error {
	r, err := llm.DecodeRecord(value)
	if err != nil {
		return err
	}
	if r.Key != hex.EncodeToString(key[:]) {
		return fmt.Errorf("a call is kept under another key")
	}
	host := strings.TrimPrefix(strings.TrimSuffix(r.Endpoint, "/v1"), "the endpoint http://")
	c.kept.Store(callID(said(host, r.Request), r.Sample, r.Generation), true)
	return c.store.Put(cache.Calls, key, value)
}
