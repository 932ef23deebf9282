package engine

import (
	"maps"
	"sync"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// progress counts what happens to a step's rows.
type progress struct {
	mu        sync.Mutex
	rowsIn    int64
	rowsOut   int64
	rowsHit   int64
	tasks     int64
	inFlight  int64
	inputDone bool
	note      *Note // what the component says of how far it is
	dropped   map[string]int64
	failed    map[string]int64
	calls     func() CallCounts // nil until the component runs
	cutOff    bool              // ran through, and the result was known
	transient bool              // some row failed in a way that may pass
	rowsMiss  int64             // plan: tasks that must run
	equal     int64             // plan: hits that are equal to one that must run
	unknown   int64             // plan: tasks of which the outcome is not known
}

func (p *progress) count(f func(p *progress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// drop counts n rows left out on purpose.
func (p *progress) drop(reason string, n int64) {
	p.count(func(p *progress) { p.dropped[reason] += n })
}

func (p *progress) failures() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var n int64
	for _, c := range p.failed {
		n += c
	}
	return n
}

// addCalls has the calls of one more run counted: a dataset has several.
func (p *progress) addCalls(more func() CallCounts) {
	p.count(func(p *progress) {
		before := p.calls
		p.calls = func() CallCounts {
			c := more()
			if before != nil {
				c.Add(before())
			}
			return c
		}
	})
}

func (p *progress) callCounts() CallCounts {
	if p.calls == nil {
		return CallCounts{}
	}
	return p.calls()
}

// recall takes the counts of a step that was found in the cache.
func (st *stepState) recall(rec *stepRecord) {
	st.rowsIn, st.rowsOut, st.rowsHit, st.tasks = rec.RowsIn, rec.Rows, rec.Tasks, rec.Tasks
	st.inputDone, st.rec = true, rec
	for _, c := range rec.Dropped {
		st.dropped[st.dropName(c)] += c.N
	}
	maps.Copy(st.failed, rec.Failed)
}

// dropName is the reason under which a recorded drop is counted today.
func (st *stepState) dropName(c countRecord) string {
	if c.Op > 0 && c.Op <= len(st.Distill) {
		return opReason(st.Distill[c.Op-1])
	}
	return c.Reason
}

func opReason(op *spec.Op) string { return string(op.Kind) + "." + op.Name }

// status is what the summary says of a step that ended well.
func (st *stepState) status() Status {
	if st.hit || st.cutOff {
		return StatusHit
	}
	return StatusRun
}

// finished is the step's line of the summary.
func (st *stepState) finished(status Status) *StepSummary {
	st.mu.Lock()
	defer st.mu.Unlock()
	s := &StepSummary{
		Address: st.Address, Status: status, Seconds: st.seconds,
		RowsIn: st.rowsIn, RowsOut: st.rowsOut, RowsHit: st.rowsHit,
		Dropped: maps.Clone(st.dropped), Calls: st.callCounts(), Key: st.key,
	}
	if len(st.failed) > 0 {
		s.Failed = maps.Clone(st.failed)
	}
	for _, n := range st.failed {
		s.RowsFailed += n
	}
	if st.tuned != nil {
		s.Model = st.tuned.id
	}
	s.Calls.InFlight = 0
	return s
}

// summary tells what the build has done so far.
func (b *build) summary() *Summary {
	sum := &Summary{Type: "summary", Limit: b.opts.Limit, Steps: []StepSummary{}, Outputs: []OutputSummary{}}
	for _, st := range b.order {
		status := st.status()
		if !st.hit && !st.started || st.blocked.Load() {
			status = StatusSkipped
		}
		if st.Kind == spec.DatasetStep {
			sum.Offline = sum.Offline || st.offline
		}
		s := st.finished(status)
		sum.Steps = append(sum.Steps, *s)
		sum.Calls.Add(s.Calls)
		if s.Calls.CostUSD > 0 {
			sum.PriceList = max(sum.PriceList, priceList(st.Step))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// Outputs finish in any order; the recipe's order is told.
	for _, st := range b.order {
		for _, out := range outputsOf(st.Step) {
			if o := b.outputs[out]; o != nil {
				sum.Outputs = append(sum.Outputs, *o)
			}
		}
		if c := b.concluded[st.Step]; c != nil {
			sum.Evaluations = append(sum.Evaluations, c.summary)
		}
	}
	return sum
}

// outputsOf are what a step writes, files that the host makes last.
func outputsOf(s *spec.Step) (list []*spec.OutputBody) {
	if s.Dataset != nil {
		list = append(list, s.Dataset.Outputs...)
		if card := s.Dataset.Card; card != nil {
			list = append(list, &card.Output)
		}
	}
	if s.Evaluation != nil && s.Evaluation.Report != nil {
		list = append(list, s.Evaluation.Report)
	}
	return list
}

// priceList is the date of the price list that a model of a step is priced by.
func priceList(s *spec.Step) (date string) {
	if s.Role == nil {
		return ""
	}
	for _, m := range s.Role.Models {
		if m.Price != nil {
			date = max(date, m.Price.Listed)
		}
	}
	return date
}

// progressInterval is how often a running step tells how far it is.
const progressInterval = 100 * time.Millisecond

// reportProgress sends a step's counts until it is told to stop.
func (b *build) reportProgress(st *stepState) (stop func()) {
	if b.opts.Events == nil {
		return func() {}
	}
	return every(progressInterval, func() { b.emit(Event{Progress: st.snapshot()}) })
}

// every calls f again and again until it is told to stop.
func every(interval time.Duration, f func()) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				f()
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

func (st *stepState) snapshot() *StepProgress {
	st.mu.Lock()
	defer st.mu.Unlock()
	p := &StepProgress{
		Address: st.Address, RowsIn: st.rowsIn, RowsOut: st.rowsOut, RowsHit: st.rowsHit,
		InFlight: st.inFlight, Dropped: maps.Clone(st.dropped), Calls: st.callCounts(), InputDone: st.inputDone, Note: st.note,
	}
	for _, n := range st.failed {
		p.Failed += n
	}
	return p
}
