package llmtest

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Options set a server up. The zero value answers every request well.
type Options struct {
	// What it answers.

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

	// How long that takes.

	Latency time.Duration // before each answer
	Delay   Delay         // on top of that; nil: none

	// What it does not do.

	APIKey string   // if set, requests without it get 401
	Models []string // if set, requests for others get 404
	// Limits hold one after the other, see Limit.For; none is no limit.
	Limits []Limit
	// Faults are looked through in order before each answer; the first that
	// applies is what happens.
	Faults []Fault
	// Seed decides what shares and delays draw.
	Seed uint64

	// Batches say how batches go. Faults and limits above do not touch them.
	Batches BatchOptions
	// Tunes say how fine-tuning jobs go. Faults of Batches are theirs, too.
	Tunes TuneOptions

	// NoRecord keeps no requests, so that a server can answer millions; the
	// counts stay.
	NoRecord bool
}

// Server is a running endpoint. It is safe for use by many goroutines.
type Server struct {
	opts    Options
	http    *httptest.Server
	closing chan struct{}
	once    sync.Once
	schemas schemas
	desk    desk

	mu          sync.Mutex
	requests    []Request
	counts      Counts
	faults      []Fault
	limiter     limiter
	repeats     map[[32]byte]int
	connections map[net.Conn]struct{}
}

// Start starts a server on a free port of this machine. Close it.
func Start(opts Options) *Server {
	s := &Server{
		opts: opts, closing: make(chan struct{}),
		repeats: map[[32]byte]int{}, connections: map[net.Conn]struct{}{},
	}
	s.SetLimits(opts.Limits...)
	s.Reset(opts.Faults...)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.complete)
	mux.HandleFunc("POST /", s.elsewhere)
	mux.HandleFunc("GET /v1/models", s.models)
	s.serveBatches(mux)
	s.serveTunes(mux)
	s.http = httptest.NewUnstartedServer(mux)
	s.http.Config.ConnState = s.watch
	s.http.Start()
	return s
}

// URL is the base URL for clients; it ends in /v1. Completions are answered
// below any other path of the server too, as gateways have them.
func (s *Server) URL() string { return s.http.URL + "/v1" }

// Close ends the server and whatever it holds up.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closing)
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	data := []map[string]any{}
	for _, m := range s.opts.Models {
		data = append(data, map[string]any{"id": m, "object": "model", "owned_by": "llmtest"})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

// elsewhere answers completions below other paths.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/chat/completions") {
		http.NotFound(w, r)
		return
	}
	s.complete(w, r)
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		return // the client has gone
	}
	req := &Request{Path: r.URL.RequestURI(), Header: r.Header, Raw: body}
	if !s.opts.NoRecord {
		req.Header = r.Header.Clone()
	}
	bad := json.Unmarshal(body, req)
	pass, fault := s.arrive(req)
	defer s.depart(pass.ok)
	pass.headers(w.Header())
	switch {
	case !pass.ok:
		writeProblem(w, &problem{http.StatusTooManyRequests, "requests", "rate_limit_exceeded", "Rate limit reached."})
		return
	case !s.wait(r, s.latency(req.N)):
		s.count(func(c *Counts) { c.Gone++ })
		return
	case fault != nil:
		s.fail(w, r, req, fault)
		return
	}
	if bad == nil {
		bad = s.checkRequest(req)
	}
	if bad != nil {
		s.count(func(c *Counts) { c.Rejected++ })
		writeProblem(w, bad)
		return
	}
	reply, own := Reply{}, false
	if s.opts.Reply != nil {
		reply, own = s.opts.Reply(*req)
	}
	if !own {
		reply = s.invent(req)
	}
	s.count(func(c *Counts) { c.Answered++ })
	writeJSON(w, http.StatusOK, completion(req, reply))
}

func readBody(r *http.Request) ([]byte, error) {
	if n := r.ContentLength; n > 0 && n < 1<<24 {
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	return io.ReadAll(r.Body)
}

// arrive counts and records a request, holds it to the limits, and picks its
// fault.
func (s *Server) arrive(req *Request) (pass, *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	c := &s.counts
	if c.Requests == 0 {
		c.First = now
	}
	c.Requests++
	c.Models[req.Model]++
	c.InFlight++
	c.MaxInFlight = max(c.MaxInFlight, c.InFlight)
	req.N = c.Requests
	if !s.opts.NoRecord {
		s.requests = append(s.requests, *req)
	}
	p := s.limiter.enter(now)
	if !p.ok {
		c.Refused++
		return p, nil
	}
	i := s.pick(req)
	if i < 0 {
		return p, nil
	}
	c.Faults[i]++
	f := s.faults[i]
	return p, &f
}

func (s *Server) depart(entered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.InFlight--
	s.counts.Last = time.Now()
	if entered {
		s.limiter.leave()
	}
}

// latency is how long the answer to the nth request takes.
func (s *Server) latency(n int) time.Duration {
	if s.opts.Delay == nil {
		return s.opts.Latency
	}
	return s.opts.Latency + s.opts.Delay(s.draws(n, forDelay))
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

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"message":"no JSON"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may have gone
}
