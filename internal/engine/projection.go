package engine

import (
	"time"

	"github.com/autosafe/autosafe/spec"
)

// Projection is what a running build has cost, and what it is thought to cost
// when it is done.
type Projection struct {
	CostUSD  float64 `json:"cost_usd"`  // so far
	TotalUSD float64 `json:"total_usd"` // CostUSD among it
	// Least says that the total is at least that: some step has not run far
	// enough, or it is not known yet how many rows there will be.
	Least bool `json:"least,omitempty"`
}

// projectionInterval is how often a running build is projected.
const projectionInterval = 500 * time.Millisecond

// reportProjection sends projections until it is told to stop, if anything in
// the build has a price.
func (b *build) reportProjection() (stop func()) {
	if b.opts.Events == nil || b.dry != nil || !b.priced() {
		return func() {}
	}
	return every(projectionInterval, func() {
		p := project(b.pace())
		b.emit(Event{Projection: &p})
	})
}

func (b *build) priced() bool {
	for _, st := range b.order {
		if hasPrice(st.Step) {
			return true
		}
	}
	return false
}

// hasPrice says whether a step's calls cost anything.
func hasPrice(s *spec.Step) bool {
	if s.Role == nil {
		return false
	}
	for _, m := range s.Role.Models {
		if m.Priced() {
			return true
		}
	}
	return false
}

// pace is how far a step is.
type pace struct {
	inputs    []int // its inputs' places in the list; none for a source
	samples   int64
	rowsIn    int64
	rowsOut   int64
	tasks     int64 // begun
	hits      int64 // of them, from the cache
	inFlight  int64 // of them
	costUSD   float64
	priced    bool
	inputDone bool // rowsIn is all
	done      bool
}

// pace is how far the steps are, in order.
func (b *build) pace() []pace {
	at := map[*spec.Step]int{}
	list := make([]pace, len(b.order))
	for i, st := range b.order {
		at[st.Step] = i
		p := &list[i]
		p.samples, p.priced = 1, hasPrice(st.Step)
		if st.Role != nil {
			p.samples = int64(max(1, st.Role.Samples))
		}
		for _, in := range st.Inputs {
			p.inputs = append(p.inputs, at[in])
		}
		select {
		case <-st.ended:
			p.done = true
		default:
		}
		st.count(func(now *progress) {
			p.rowsIn, p.rowsOut, p.tasks, p.hits, p.inFlight = now.rowsIn, now.rowsOut, now.tasks, now.rowsHit, now.inFlight
			p.inputDone, p.costUSD = now.inputDone, now.callCounts().CostUSD
		})
		if st.Kind == spec.DistillStep {
			p.tasks = p.rowsIn
		}
	}
	return list
}

// project takes it that the rows to come are like those that came: that they
// yield, hit and cost as much, step by step down the graph.
func project(steps []pace) Projection {
	var all Projection
	rows := make([]float64, len(steps)) // that a step is thought to give in all
	sure := make([]bool, len(steps))    // whether that can be told
	for i, s := range steps {
		all.CostUSD += s.costUSD
		all.TotalUSD += s.costUSD
		if s.done || len(s.inputs) == 0 {
			rows[i], sure[i] = float64(s.rowsOut), s.done
			all.Least = all.Least || !s.done && s.priced
			continue
		}
		in, known := float64(s.rowsIn), s.inputDone
		if !known {
			in, known = 0, true
			for _, from := range s.inputs {
				in += rows[from]
				known = known && sure[from]
			}
		}
		tasks := max(in*float64(s.samples), float64(s.tasks))
		finished := float64(s.tasks - s.inFlight)
		ran := finished - float64(s.hits)
		if finished > 0 {
			rows[i], sure[i] = float64(s.rowsOut)/finished*tasks, known
		}
		if !s.priced {
			continue
		}
		left := float64(s.inFlight)
		if s.tasks > 0 {
			left += (tasks - float64(s.tasks)) * (1 - float64(s.hits)/float64(s.tasks))
		}
		if ran > 0 {
			all.TotalUSD += s.costUSD / ran * left
		}
		all.Least = all.Least || !known || ran <= 0 && (left > 0 || s.tasks == 0)
	}
	return all
}
