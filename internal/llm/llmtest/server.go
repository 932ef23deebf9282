// Package llmtest is an OpenAI-compatible endpoint for tests. It answers from
// the request's own JSON Schema or tools, counts and records what it is asked,
// refuses what a strict endpoint would refuse, and fails on demand.
//
// It is no model: its answers have the right shape and no sense. It depends on
// nothing but the standard library, so that any test can start one; see
// internal/llm/offline for the model that users can build with.
package llmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"
)

// Options set a server up. The zero value answers every request well.
type Options struct {
	Latency time.Duration // before each answer
	APIKey  string        // if set, requests without it get 401
	Models  []string      // if set, requests for others get 404
	// UnsafeShare is the share of judge replies (a schema with label and
	// outcome) that say unsafe: 0 means 0.4, negative none.
	UnsafeShare float64
	// CallShare is the share of agent replies (a request with tools) that
	// call a tool: 0 means 0.7, negative none.
	CallShare float64
	// Vary makes equal requests get different answers; by default they get
	// the same one, so that builds can be compared.
	Vary bool
	// Identity, if set, is what of a request its invented answer depends on;
	// by default all of its body.
	Identity func(Request) []byte
	// Reply, if set, may answer itself; false leaves it to the server.
	Reply func(Request) (Reply, bool)
	// Faults are looked through in order before each answer; the first that
	// applies is what happens.
	Faults []Fault
}

// Request is one request for a completion, as it came in.
type Request struct {
	N      int // 1 for the first
	Header http.Header
	Raw    []byte

	Model          string         `json:"model"`
	Messages       []Message      `json:"messages"`
	Tools          []Tool         `json:"tools"`
	ResponseFormat ResponseFormat `json:"response_format"`
	Temperature    *float64       `json:"temperature"`
	Seed           *int64         `json:"seed"`
}

// Message is a message of a request.
type Message struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content"`
	ToolCalls  []ToolCall `json:"tool_calls"`
	ToolCallID string     `json:"tool_call_id"`
}

// ToolCall is a call of a tool, in a request or a reply.
type ToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// Tool is a function that the reply may call.
type Tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

// ResponseFormat is how the reply must look.
type ResponseFormat struct {
	Type       string `json:"type"`
	JSONSchema struct {
		Name   string          `json:"name"`
		Schema json.RawMessage `json:"schema"`
		Strict bool            `json:"strict"`
	} `json:"json_schema"`
}

// Reply is an answer. An empty FinishReason is filled in as it should be.
type Reply struct {
	Content      string
	Refusal      string
	Reasoning    string
	ToolCalls    []ToolCall
	FinishReason string
	NoUsage      bool // leave the usage out
}

// Call makes a tool call for a Reply.
func Call(id, name, arguments string) ToolCall {
	c := ToolCall{ID: id, Type: "function"}
	c.Function.Name, c.Function.Arguments = name, arguments
	return c
}

// Server is a running endpoint.
type Server struct {
	opts    Options
	http    *httptest.Server
	closing chan struct{}
	once    sync.Once

	mu          sync.Mutex
	requests    []Request
	answered    int
	inFlight    int
	maxInFlight int
	faults      []Fault
	repeats     map[[32]byte]int
}

// Start starts a server on a free port of this machine. Close it.
func Start(opts Options) *Server {
	s := &Server{opts: opts, closing: make(chan struct{}), faults: slices.Clone(opts.Faults), repeats: map[[32]byte]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.complete)
	mux.HandleFunc("GET /v1/models", s.models)
	s.http = httptest.NewServer(mux)
	return s
}

// URL is the base URL for clients; it ends in /v1.
func (s *Server) URL() string { return s.http.URL + "/v1" }

// Close ends the server and whatever it holds up.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closing)
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

// Calls is how many requests for completions came in, failed ones included.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// Answered is how many requests got an answer rather than a fault.
func (s *Server) Answered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// MaxInFlight is the largest number of requests that were open at a time.
func (s *Server) MaxInFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.maxInFlight
}

// Count is how many requests match.
func (s *Server) Count(match func(Request) bool) int {
	n := 0
	for _, r := range s.Requests() {
		if match(r) {
			n++
		}
	}
	return n
}

// CountModel is how many requests were for a model.
func (s *Server) CountModel(model string) int {
	return s.Count(func(r Request) bool { return r.Model == model })
}

// Requests are the requests so far, in the order they came in.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Reset forgets the requests and the counts, and takes new faults, which
// count from here on.
func (s *Server) Reset(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.answered, s.maxInFlight = nil, 0, s.inFlight
	s.faults = faults
	clear(s.repeats)
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	data := []map[string]any{}
	for _, m := range s.opts.Models {
		data = append(data, map[string]any{"id": m, "object": "model", "owned_by": "llmtest"})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	req := Request{Header: r.Header.Clone(), Raw: body}
	bad := json.Unmarshal(body, &req)
	fault := s.arrive(&req)
	defer s.depart()

	if !s.wait(r, s.opts.Latency) {
		return
	}
	if fault != nil {
		s.fail(w, r, fault)
		return
	}
	if bad == nil {
		bad = s.checkRequest(req)
	}
	if bad != nil {
		writeProblem(w, bad)
		return
	}
	reply, own := Reply{}, false
	if s.opts.Reply != nil {
		reply, own = s.opts.Reply(req)
	}
	if !own {
		reply = s.invent(req)
	}
	s.mu.Lock()
	s.answered++
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, completion(req, reply))
}

// arrive records a request and picks its fault.
func (s *Server) arrive(req *Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	req.N = len(s.requests) + 1
	s.requests = append(s.requests, *req)
	s.inFlight++
	s.maxInFlight = max(s.maxInFlight, s.inFlight)
	for i := range s.faults {
		if s.faults[i].applies(*req) {
			return &s.faults[i]
		}
	}
	return nil
}

func (s *Server) depart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
}

// wait lets d pass; false if the client or the server has gone meanwhile.
func (s *Server) wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.closing:
	}
	return false
}

// completion is the body of an answer.
func completion(req Request, reply Reply) map[string]any {
	message := map[string]any{"role": "assistant", "content": reply.Content}
	finish := "stop"
	if reply.Content == "" {
		message["content"] = nil
	}
	if reply.Refusal != "" {
		message["refusal"] = reply.Refusal
	}
	if reply.Reasoning != "" {
		message["reasoning_content"] = reply.Reasoning
	}
	if len(reply.ToolCalls) > 0 {
		message["tool_calls"] = reply.ToolCalls
		finish = "tool_calls"
	}
	if reply.FinishReason != "" {
		finish = reply.FinishReason
	}
	out := map[string]any{
		"id": fmt.Sprintf("chatcmpl-%d", req.N), "object": "chat.completion", "created": 1700000000,
		"model": req.Model, "system_fingerprint": "fp_llmtest",
		"choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": finish}},
	}
	if !reply.NoUsage {
		in, answer := len(req.Raw)/4, len(reply.Content)/4+20*len(reply.ToolCalls)+1
		out["usage"] = map[string]any{"prompt_tokens": in, "completion_tokens": answer, "total_tokens": in + answer}
	}
	return out
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"message":"no JSON"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may have gone
}
