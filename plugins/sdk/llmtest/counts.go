package llmtest

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"time"
)

// Counts is what a server did so far.
type Counts struct {
	Requests int // for completions, that came in
	Answered int // got an answer
	Refused  int // by Options.Limits
	Rejected int // as wrong: 400, 401, 404
	// Faults is how often each of Options.Faults happened, in their order.
	// Requests that met one are not among Answered, Refused and Rejected.
	Faults []int
	// Gone are clients that left before their answer, other than those that a
	// fault left hanging.
	Gone int
	// Models are the requests by model.
	Models map[string]int

	InFlight    int // open now
	MaxInFlight int // open at a time, at most
	Connections int // open now
	// First is when the first request came, Last when the last one ended.
	First, Last time.Time
}

// Counts tells what the server did so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Faults, c.Models = slices.Clone(c.Faults), maps.Clone(c.Models)
	c.Connections = len(s.connections)
	return c
}

// Calls is how many requests for completions came in, failed ones included.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.Requests
}

// Answered is how many requests got an answer rather than a fault.
func (s *Server) Answered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.Answered
}

// MaxInFlight is the largest number of requests that were open at a time.
func (s *Server) MaxInFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.MaxInFlight
}

// CountModel is how many requests were for a model.
func (s *Server) CountModel(model string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.Models[model]
}

// Count is how many requests match; with Options.NoRecord, none does.
func (s *Server) Count(match func(Request) bool) int {
	n := 0
	for _, r := range s.Requests() {
		if match(r) {
			n++
		}
	}
	return n
}

// Requests are the requests so far, in the order they came in; with
// Options.NoRecord there are none.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Reset forgets the requests and the counts, and takes new faults, which
// count from here on. Limits begin anew.
func (s *Server) Reset(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.counts.InFlight
	s.requests = nil
	s.counts = Counts{InFlight: open, MaxInFlight: open, Faults: make([]int, len(faults)), Models: map[string]int{}}
	s.faults = slices.Clone(faults)
	s.limiter = limiter{limits: s.limiter.limits, open: s.limiter.open}
	clear(s.repeats)
}

// SetLimits replaces the limits, from the next request on. Who is in stays in.
func (s *Server) SetLimits(limits ...Limit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limiter = limiter{limits: slices.Clone(limits), open: s.limiter.open}
}

// count changes the counts.
func (s *Server) count(f func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.counts)
}

// watch keeps the list of open connections.
func (s *Server) watch(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.connections[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(s.connections, c)
	}
}
