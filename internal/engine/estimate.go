package engine

import (
	"math"
	"slices"
	"strconv"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// What a task takes is not known before it has run. It is estimated from what
// tasks of the same step took before, or else from what the component declares.

// The bases of estimates.
const (
	basisExact    = "exact"
	basisHistory  = "history"
	basisDeclared = "declared"
	basisUnknown  = "unknown"
)

// What a call takes where neither history nor the recipe says: from a short
// judgement to a long conversation with its tools.
const (
	leastInputTokens, mostInputTokens   = 200, 4000
	leastOutputTokens, mostOutputTokens = 20, 1000
	leastSeconds, mostSeconds           = 0.5, 10
)

// defaultConcurrency is how many calls a provider without a limit gets.
const defaultConcurrency = 64

// more is what a step yields beside the rows that are known.
type more struct {
	rows    float64 // at most
	unknown bool    // or any number: nothing is known of an earlier step
}

// estimate fills in what a step's model calls will take.
func (p *planner) estimate(st *stepState, sp *StepPlan, c *comparison) error {
	var in more
	for _, s := range st.Inputs {
		in.rows += p.more[s].rows
		in.unknown = in.unknown || p.more[s].unknown
	}
	sp.Work = Work{Basis: basisExact}.exact()
	switch {
	case st.hit:
		return nil
	case isSource(st.Step):
		p.more[st.Step] = p.sourceRows(st, sp, c)
	case st.Kind == spec.DistillStep:
		out := in
		if c.last != nil && c.last.RowsIn > 0 {
			out.rows *= float64(c.last.Rows) / float64(c.last.RowsIn)
		}
		p.more[st.Step] = out
	default:
		return p.estimateTasks(st, sp, c, in)
	}
	return nil
}

// sourceRows guesses how many rows a source gives: as many as last time.
func (p *planner) sourceRows(st *stepState, sp *StepPlan, c *comparison) more {
	if sp.Status == StatusHit { // its twin's
		for _, other := range p.order {
			if other.Address == p.dry.made[sp.Parts.Digest()] {
				return p.more[other.Step]
			}
		}
	}
	limit := float64(p.opts.Limit)
	switch {
	case c.last != nil && (c.limit == 0 || c.last.Rows < c.limit): // that was all of them
		rows := float64(c.last.Rows)
		if limit > 0 {
			rows = math.Min(rows, limit)
		}
		return more{rows: rows}
	case limit > 0:
		return more{rows: limit}
	}
	return more{unknown: true}
}

// estimateTasks estimates the tasks of a component that works row by row.
func (p *planner) estimateTasks(st *stepState, sp *StepPlan, c *comparison, in more) error {
	h, err := p.history(st, c)
	if err != nil {
		return err
	}
	w := &sp.Work
	extra := in.rows * float64(max(1, st.Role.Samples))
	w.Tasks = Range{Low: float64(sp.RowsMiss), High: float64(sp.RowsMiss) + extra, Exact: sp.Known}
	unsettled := float64(st.unknown) + extra
	perTask := 1.0
	if h != nil {
		_, perTask = h.rows.mean2()
	}
	p.more[st.Step] = more{rows: math.Ceil(unsettled * perTask), unknown: in.unknown}
	if len(st.Role.Models) == 0 {
		return nil
	}
	if w.Tasks.High == 0 && !in.unknown {
		if !sp.Known { // no further row is likely, but one may come
			w.Basis, w.Unpriced = basisHistory, unpriced(st.Role)
			w.inexact(false)
		}
		return nil
	}
	e := estimator{step: st.Step, history: h, fresh: c.fresh(st, sp)}
	e.work(w)
	if in.unknown {
		w.Basis = basisUnknown
	}
	w.inexact(sp.Known)
	return nil
}

// fresh says whether the calls of the tasks that must run cannot have been
// made before: only then is there a least number of them.
func (c *comparison) fresh(st *stepState, sp *StepPlan) bool {
	if st.refresh || !c.known {
		return true
	}
	if c.same { // the cache lost something, but maybe not the calls
		return false
	}
	return !slices.ContainsFunc(sp.Changed, func(name string) bool {
		switch name {
		case inputPart, "samples", "generation", "limit":
			return false
		}
		return true
	})
}

// estimator works out what tasks of a step take.
type estimator struct {
	step    *spec.Step
	history *history // nil: none
	fresh   bool
}

func (e *estimator) work(w *Work) {
	if h := e.history; h != nil && h.calls.n > 0 {
		w.Basis = basisHistory
		w.Calls = h.calls.total(w.Tasks)
		if least, most, ok := e.declared(); ok {
			w.Calls.High = math.Min(w.Calls.High, w.Tasks.High*most)
			w.Calls.Low = math.Min(math.Max(w.Calls.Low, w.Tasks.Low*least), w.Calls.High)
		}
	} else {
		least, most, ok := e.declared()
		w.Basis = basisDeclared
		if !ok {
			w.Basis = basisUnknown
		}
		w.Calls = Range{Low: w.Tasks.Low * least, High: w.Tasks.High * most}
	}
	if !e.fresh {
		w.Calls.Low = 0
	}
	w.Calls.Low, w.Calls.High = math.Floor(w.Calls.Low), math.Ceil(w.Calls.High)
	perCall := e.perCall()
	w.InputTokens = perCall.input.total(w.Calls).rounded()
	w.OutputTokens = perCall.output.total(w.Calls).rounded()
	w.CostUSD = perCall.cost.total(w.Calls)
	w.Unpriced = unpriced(e.step.Role)
	w.Seconds = e.seconds(w, perCall.seconds)
}

// usage is what one call takes.
type usage struct{ input, output, cost, seconds stat }

// perCall is what a call of the step takes, by its history or by default.
func (e *estimator) perCall() usage {
	if h := e.history; h != nil && h.perCall.input.n > 0 {
		u := h.perCall
		if u.seconds.n == 0 {
			u.seconds = e.defaults().seconds
		}
		return u
	}
	return e.defaults()
}

// defaults is what a call takes of which nothing is known but its model.
func (e *estimator) defaults() usage {
	var u usage
	for i, slot := range sortedKeys(e.step.Role.Models) {
		m := e.step.Role.Models[slot]
		out := between(leastOutputTokens, mostOutputTokens)
		if m.MaxTokens > 0 {
			out = between(math.Min(leastOutputTokens, float64(m.MaxTokens)), float64(m.MaxTokens))
		}
		in := between(leastInputTokens, mostInputTokens)
		cost, secs := between(price(m, in.min, out.min), price(m, in.max, out.max)), between(leastSeconds, mostSeconds)
		if m.Provider.Type == spec.ProviderOffline {
			secs = between(0, 0)
		}
		if i == 0 {
			u = usage{in, out, cost, secs}
			continue
		}
		u = usage{u.input.or(in), u.output.or(out), u.cost.or(cost), u.seconds.or(secs)}
	}
	return u
}

// price is the cost of a call; 0 where the model has no price.
func price(m *spec.Model, input, output float64) float64 {
	if m.Price == nil {
		return 0
	}
	return (input*m.Price.Input + output*m.Price.Output) / 1e6
}

// unpriced names the models that cost something, but nobody says what.
func unpriced(b *spec.RoleBody) []string {
	var names []string
	for _, slot := range sortedKeys(b.Models) {
		m := b.Models[slot]
		if m.Price == nil && m.Provider.Type != spec.ProviderOffline && !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return names
}

// declared are the bounds of the calls that a task takes, as the component
// declares them; failing that, none or one for each of its models.
func (e *estimator) declared() (least, most float64, ok bool) {
	calls := e.step.Role.Component.Calls
	if calls == nil {
		return 0, float64(len(e.step.Role.Models)), false
	}
	most = float64(calls.Max)
	if calls.Times != "" {
		most *= configNumber(e.step.Role.Config, calls.Times)
	}
	return float64(calls.Min), most, true
}

// configNumber reads a number of a component's configuration; 1 if unset.
func configNumber(config []byte, attr string) float64 {
	r, err := row.Parse(config)
	if err != nil {
		return 1
	}
	v, _ := r.Column(attr)
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil || n < 0 {
		return 1
	}
	return n
}

// seconds is how long the calls take at the declared limits. Which provider
// answers how many of them is not known: at most one answers all, at least
// each an equal share.
func (e *estimator) seconds(w *Work, latency stat) Range {
	providers := map[*spec.Provider]bool{}
	for _, m := range e.step.Role.Models {
		providers[m.Provider] = true
	}
	each := latency.total(w.Calls)
	low, high := math.Inf(1), 0.0
	for pr := range providers {
		low = math.Min(low, atLimits(pr, w.Calls.Low, w.InputTokens.Low+w.OutputTokens.Low, each.Low))
		high = math.Max(high, atLimits(pr, w.Calls.High, w.InputTokens.High+w.OutputTokens.High, each.High))
	}
	if w.Tasks.High > 0 { // the calls of a task follow one another
		high = math.Max(high, w.Calls.High/w.Tasks.High*latency.max)
	}
	return Range{Low: low / float64(len(providers)), High: high}
}

// atLimits is how long a provider takes for so many calls.
func atLimits(p *spec.Provider, calls, tokens, seconds float64) float64 {
	concurrency := p.Limits.Concurrency
	if concurrency == 0 {
		concurrency = defaultConcurrency
	}
	t := seconds / math.Min(float64(concurrency), math.Max(1, calls))
	if n := p.Limits.RequestsPerMinute; n > 0 {
		t = math.Max(t, 60*calls/float64(n))
	}
	if n := p.Limits.TokensPerMinute; n > 0 {
		t = math.Max(t, 60*tokens/float64(n))
	}
	return t
}

// total adds the steps up.
func (p *planner) total() {
	order := []string{basisExact, basisHistory, basisDeclared, basisUnknown}
	t := Work{}.exact()
	worst := 0
	for _, s := range p.plan.Steps {
		w := s.Work
		t.Tasks.add(w.Tasks)
		t.Calls.add(w.Calls)
		t.InputTokens.add(w.InputTokens)
		t.OutputTokens.add(w.OutputTokens)
		t.CostUSD.add(w.CostUSD)
		// Steps run side by side: the longest alone is sure.
		t.Seconds.Low = math.Max(t.Seconds.Low, w.Seconds.Low)
		t.Seconds.High += w.Seconds.High
		t.Seconds.Exact = t.Seconds.Exact && w.Seconds.Exact
		worst = max(worst, slices.Index(order, w.Basis))
		for _, name := range w.Unpriced {
			if !slices.Contains(t.Unpriced, name) {
				t.Unpriced = append(t.Unpriced, name)
			}
		}
	}
	slices.Sort(t.Unpriced)
	t.Basis = order[worst]
	p.plan.Total = t
}

func (r *Range) add(o Range) {
	r.Low, r.High, r.Exact = r.Low+o.Low, r.High+o.High, r.Exact && o.Exact
}

func (r Range) rounded() Range { return Range{math.Floor(r.Low), math.Ceil(r.High), r.Exact} }

// exact marks every figure as exact.
func (w Work) exact() Work {
	for _, r := range w.ranges() {
		r.Exact = true
	}
	return w
}

// inexact marks what model calls take as estimated.
func (w *Work) inexact(known bool) {
	for _, r := range w.ranges() {
		r.Exact = false
	}
	w.Tasks.Exact = known
}

func (w *Work) ranges() []*Range {
	return []*Range{&w.Tasks, &w.Calls, &w.InputTokens, &w.OutputTokens, &w.CostUSD, &w.Seconds}
}
