package llm

import (
	"cmp"
	"slices"
	"strings"
)

// Control implements Client.
func (c *client) Control() Control { return steered{control{c.pool}, c.batches} }

type control struct{ *pool }

// Status implements Control.
func (c control) Status() []ModelStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	var list []ModelStatus
	for _, s := range c.outlets {
		st := ModelStatus{
			Model: strings.Join(s.names, ", "), ID: s.id, Provider: s.e.provider.Name, Endpoint: s.e.address(),
			Limit: s.flow.allowed(), Declared: s.flow.most, InFlight: s.inFlight,
			RequestsPerSecond: s.flow.pace.value,
			Answered:          s.answered, Refused: s.refused, Failed: s.failed,
			State: "open", MedianMillis: s.recent.median().Milliseconds(),
		}
		for _, q := range c.queues {
			if q.outlets[0] == s {
				st.Waiting += q.turns.n + len(q.moved)
			}
		}
		until := s.flow.held
		switch b := s.e.door.breaker; {
		case s.why() != nil, b.open:
			st.State, until = "down", b.at
		case c.paused:
			st.State, until = "paused", 0
		case until > now:
			st.State = "waiting"
		}
		if until > now && st.State != "open" {
			st.Until = c.began.Add(until)
		}
		list = append(list, st)
	}
	slices.SortStableFunc(list, func(a, b ModelStatus) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	return list
}

// SetLimit implements Control.
func (c control) SetLimit(model string, n int) int {
	c.mu.Lock()
	defer c.unlock()
	found := 0
	for _, s := range c.outlets {
		if s.id != model && !slices.Contains(s.names, model) {
			continue
		}
		found++
		s.held = max(0, n)
		s.flow.setMost(cmp.Or(s.held, s.e.door.most))
	}
	c.dispatch()
	return found
}

// Pause implements Control.
func (c control) Pause() { c.setPaused(true) }

// Resume implements Control.
func (c control) Resume() { c.setPaused(false) }

func (c control) setPaused(on bool) {
	c.mu.Lock()
	defer c.unlock()
	c.paused = on
	c.dispatch()
}

// address is where an endpoint is, without secrets.
func (e *endpoint) address() string { return strings.TrimPrefix(e.name, "the endpoint ") }
