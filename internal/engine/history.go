package engine

import (
	"bytes"
	"errors"
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

// mean2 bounds the mean, by twice its standard error.
func (s stat) mean2() (low, high float64) {
	if s.n < enough {
		return s.min, s.max
	}
	mean, sd := s.moments()
	e := 2 * sd / math.Sqrt(float64(s.n))
	return math.Max(s.min, mean-e), math.Min(s.max, mean+e)
}

func (s stat) moments() (mean, sd float64) {
	n := float64(s.n)
	mean = s.sum / n
	return mean, math.Sqrt(math.Max(0, s.sumSq/n-mean*mean))
}

// total is the sum of as many as lie in a range: the mean, by twice the
// standard error that the sum has and by that of the mean itself.
func (s stat) total(times Range) Range {
	low, high := s.mean2()
	r := Range{Low: times.Low * low, High: times.High * high}
	if s.n >= enough {
		_, sd := s.moments()
		r.Low = math.Max(times.Low*s.min, r.Low-2*sd*math.Sqrt(times.Low))
		r.High = math.Min(times.High*s.max, r.High+2*sd*math.Sqrt(times.High))
	}
	return r
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
	for _, slot := range sortedKeys(body.Models) {
		m := body.Models[slot]
		cost := price(m, float64(u.InputTokens), float64(u.OutputTokens))
		if m.ID == u.Model {
			return cost
		}
		dearest = math.Max(dearest, cost)
	}
	return dearest
}
