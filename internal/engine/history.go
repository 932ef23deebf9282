package engine

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"slices"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// stat is what is known of a quantity that varies from one to the next.
type stat struct {
	n          int
	sum, sumSq float64
	min, max   float64
}

// between is a quantity of which only the bounds are known.
func between(low, high float64) stat { return stat{min: low, max: high} }

func (s *stat) add(v float64) {
	if s.n == 0 {
		s.min, s.max = v, v
	}
	s.n++
	s.sum += v
	s.sumSq += v * v
	s.min, s.max = math.Min(s.min, v), math.Max(s.max, v)
}

// or is a quantity that is one of two.
func (s stat) or(o stat) stat { return between(math.Min(s.min, o.min), math.Max(s.max, o.max)) }

// enough is how many samples say more than the least and the greatest one.
const enough = 10

// sure is how many standard errors lie to both sides of what is expected.
const sure = 4

// shift adds to every sample.
func (s *stat) shift(by float64) {
	n := float64(s.n)
	s.sumSq += 2*by*s.sum + n*by*by
	s.sum += n * by
	s.min, s.max = s.min+by, s.max+by
}

func (s stat) moments() (mean, sd float64) {
	n := float64(s.n)
	mean = s.sum / n
	return mean, math.Sqrt(math.Max(0, s.sumSq/n-mean*mean))
}

// total is the sum of as many as lie in a range: the mean, by the standard
// errors that the sum has and that the mean itself has. Of few samples each may
// be half the least one, or twice the greatest.
func (s stat) total(n Range) Range {
	switch {
	case s.n == 0:
		return Range{Low: times(n.Low, s.min), High: times(n.High, s.max)}
	case s.n < enough:
		return Range{Low: times(n.Low, s.min/2), High: times(n.High, 2*s.max)}
	}
	mean, sd := s.moments()
	margin := func(of float64) float64 { return times(sure*sd, math.Sqrt(of+of*of/float64(s.n))) }
	return Range{Low: math.Max(0, times(n.Low, mean)-margin(n.Low)), High: times(n.High, mean) + margin(n.High)}
}

// unseen is the most that n may come to, where one alone may come to most.
// What no sample shows is rarely more than one in a third of them.
func (s stat) unseen(most, n float64) float64 {
	expected := s.total(Range{High: n}).High
	if s.n < enough {
		expected = times(n, s.max)
	}
	rare := math.Min(1, 3/float64(s.n))
	return math.Min(times(n, math.Max(most, s.max)), expected+times(n, rare*math.Max(0, most-s.min)))
}

// history is what tasks of a step took when it was last built.
type history struct {
	rows    stat // that a task gave
	calls   stat // that were made for a task
	perCall usage
}

// How much of the past is looked at.
const (
	historyBlobs = 8
	historyTasks = 200
	historyCalls = 300
)

// history samples the tasks of a step's last build; nil if there are none.
func (p *planner) history(st *stepState, c *comparison) (*history, error) {
	if c.last == nil || len(c.last.Trace) == 0 {
		return nil, nil
	}
	h := &history{}
	trace := c.last.Trace
	blobs := min(historyBlobs, len(trace))
	for i := range blobs {
		for _, t := range p.sampleTasks(trace[i*len(trace)/blobs], historyTasks/blobs) {
			if err := p.remember(h, st.Role, t); err != nil {
				return nil, err
			}
		}
	}
	if h.calls.n == 0 {
		return nil, nil
	}
	return h, nil
}

// sampleTasks takes some tasks out of a blob of a trace. What cannot be read
// gives none.
func (p *planner) sampleTasks(d cache.Digest, n int) []TaskTrace {
	entries, err := loadTrace(p.opts.Store, d, traceTasks)
	if err != nil {
		return nil
	}
	var all []TaskTrace
	for len(entries.b) > 0 {
		var t TaskTrace
		copy(t.Key[:], entries.take(len(t.Key)))
		t.Rows = int(entries.uvarint())
		if entries.err != nil {
			return nil
		}
		all = append(all, t)
	}
	// A choice that is the same every time, and in step with nothing: the
	// samples of a row lie at equal distances.
	slices.SortFunc(all, func(a, b TaskTrace) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return all[:min(n, len(all))]
}

// remember adds a task, and its calls until there are enough.
func (p *planner) remember(h *history, body *spec.RoleBody, t TaskTrace) error {
	rec, err := getRow(p.opts.Store, t.Key)
	if err != nil || rec == nil {
		return err
	}
	h.rows.add(float64(t.Rows))
	h.calls.add(float64(len(rec.calls)))
	if p.opts.DecodeCall == nil {
		return nil
	}
	for _, hex := range rec.calls {
		if h.perCall.input.n >= historyCalls {
			return nil
		}
		k, err := cache.ParseDigest(hex)
		if err != nil {
			continue
		}
		b, err := p.opts.Store.Get(cache.Calls, k)
		if errors.Is(err, cache.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		u, err := p.opts.DecodeCall(b)
		if err != nil {
			continue
		}
		h.perCall.input.add(float64(u.InputTokens))
		h.perCall.output.add(float64(u.OutputTokens))
		h.perCall.cost.add(callCost(body, u))
		if u.Seconds > 0 {
			h.perCall.seconds.add(u.Seconds)
		}
	}
	return nil
}

// callCost is what a past call would cost today. Where the model that it
// asked is none of the step's any more, the dearest of them counts.
func callCost(body *spec.RoleBody, u CallUsage) float64 {
	dearest := 0.0
	for _, slot := range slices.Sorted(maps.Keys(body.Models)) {
		m := body.Models[slot]
		cost := price(m, float64(u.InputTokens), float64(u.OutputTokens))
		if m.ID == u.Model {
			return cost
		}
		dearest = math.Max(dearest, cost)
	}
	return dearest
}
