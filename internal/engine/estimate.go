package engine

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

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

// The most that a call is taken to need where neither history nor the recipe
// says: a long conversation with its tools.
const (
	mostInputTokens  = 4000
	mostOutputTokens = 1000
	mostSeconds      = 10
)

// defaultConcurrency is how many calls a provider without a limit gets.
const defaultConcurrency = 64

// more is what a step yields beside the rows that are known.
type more struct {
	rows   float64 // at most; infinite where nobody knows
	unsure bool    // rows that are known may turn out to be left out
}

// estimate fills in what a step's model calls will take. shared says that an
// earlier step may come to tasks of this one.
func (p *planner) estimate(st *stepState, sp *StepPlan, c *comparison, shared bool) error {
	var in more
	for _, s := range st.Inputs {
		in.rows += p.more[s].rows
		in.unsure = in.unsure || p.more[s].unsure
	}
	sp.Work = Work{Basis: basisExact}.exact()
	switch {
	case st.hit:
		return nil
	case isSource(st.Step):
		p.more[st.Step] = p.sourceRows(st, sp, c)
	case st.Kind == spec.FinetuneStep:
		p.estimateTraining(st, sp)
	case st.Kind == spec.DistillStep:
		p.more[st.Step] = p.distillRows(st, in)
	case st.Kind == spec.EvaluationStep:
		p.more[st.Step] = more{rows: unbounded()}
	default:
		return p.estimateTasks(st, sp, c, in, shared)
	}
	return nil
}

// sourceRows is how many rows a source gives at most. Only one that is what it
// was has as many as last time: a file that changed may hold any number.
func (p *planner) sourceRows(st *stepState, sp *StepPlan, c *comparison) more {
	if sp.Status == StatusHit { // its twin's
		for _, other := range p.order {
			if other.Address == p.dry.made[sp.Parts.Digest()] {
				return p.more[other.Step]
			}
		}
	}
	rows := math.Inf(1)
	if c.last != nil && !c.last.Again && !st.refresh && !c.changedBut("limit") &&
		(c.limit == 0 || c.last.Rows < c.limit) { // that was all of them
		rows = float64(c.last.Rows)
	}
	if p.opts.Limit > 0 {
		rows = math.Min(rows, float64(p.opts.Limit))
	}
	return more{rows: rows}
}

// distillRows is how many rows pass a chain of operations at most, beside
// those that pass it as far as the input is known.
func (p *planner) distillRows(st *stepState, in more) more {
	if p.inputWhole(st) {
		return more{}
	}
	out, choices, near := in, 0, false
	for _, op := range st.Distill {
		if op.Kind != spec.OpFilter {
			choices++
		}
		near = near || op.Kind == spec.OpMix || op.Kind == spec.OpDedupe && op.Similarity < 1
	}
	// What a further row takes the place of may itself have kept others out.
	if near || choices > 1 {
		out.rows += float64(st.rowsIn - st.rowsOut)
	}
	for _, op := range st.Distill {
		switch {
		case op.Kind == spec.OpMix && op.N > 0:
			out.rows = math.Min(out.rows, float64(op.N))
		case op.By != nil:
		case op.Kind == spec.OpLimit:
			out.rows = math.Min(out.rows, float64(op.Max))
		case op.Kind == spec.OpSample, op.Kind == spec.OpScenarios && op.N > 0:
			out.rows = math.Min(out.rows, float64(op.N))
		}
	}
	out.unsure = in.unsure || choices > 0
	return out
}

// estimateTasks estimates the tasks of a component that works row by row.
func (p *planner) estimateTasks(st *stepState, sp *StepPlan, c *comparison, in more, shared bool) error {
	h, err := p.history(st, c)
	if err != nil {
		return err
	}
	e := estimator{step: st.Step, history: h, changed: sp.Changed, grown: c.grown}
	w := &sp.Work
	extra := in.rows * float64(max(1, st.Role.Samples))
	w.Tasks = Range{Low: float64(sp.RowsMiss), High: float64(sp.RowsMiss) + extra, Exact: sp.Known}
	if in.unsure || shared {
		w.Tasks.Low = 0
	}
	p.more[st.Step] = more{rows: e.rows(float64(st.unknown) + extra), unsure: in.unsure}
	if len(st.Role.Models) == 0 {
		return nil
	}
	if w.Tasks.High == 0 {
		if !sp.Known { // no further row is likely, but one may come
			w.Basis = basisHistory
			w.withoutPrice(st.Role)
			w.inexact(false)
		}
		return nil
	}
	e.work(w)
	if !w.Tasks.Bounded() {
		w.Basis = basisUnknown
	}
	w.inexact(sp.Known)
	return nil
}

// estimator works out what tasks of a step take.
type estimator struct {
	step    *spec.Step
	history *history // nil: none
	changed []string // parts of the key, since the history was made
	grown   float64  // bytes by which the settings grew since
}

// rows is how many rows so many tasks give at most: one each, unless they gave
// more before. Tasks of a step that was edited may do what few did before. Of a
// foreign component, which may multiply rows as no built-in one does, nothing
// is known until enough of its tasks have run.
func (e *estimator) rows(tasks float64) float64 {
	foreign := e.step.Role.Plugin.Name != ""
	switch {
	case tasks == 0:
		return 0
	case foreign && (e.history == nil || e.history.rows.n < enough):
		return math.Inf(1)
	case e.history == nil:
		return tasks
	}
	seen := e.history.rows
	if e.edited("") {
		return math.Ceil(times(tasks, math.Max(1, seen.max)))
	}
	return math.Ceil(seen.unseen(math.Max(1, seen.max), tasks))
}

// edited says whether a part of the step's own key has changed whose name
// begins so.
func (e *estimator) edited(prefix string) bool {
	return slices.ContainsFunc(e.changed, func(name string) bool {
		switch name {
		case inputPart, "samples", "generation", "limit", "column":
			return false
		}
		return strings.HasPrefix(name, prefix)
	})
}

// work fills in what the model calls of the tasks will take. There may be none
// at all: tasks may ask alike, and answers that builds got which were broken
// off, or had another prompt, serve again.
func (e *estimator) work(w *Work) {
	most, declared := e.declared()
	w.Basis, w.Calls = basisUnknown, Range{High: times(w.Tasks.High, most)}
	switch {
	case e.history != nil && !(declared && e.longer()):
		w.Basis = basisHistory
		w.Calls.High = e.fromHistory(w.Tasks.High, most, declared)
	case declared:
		w.Basis = basisDeclared
	}
	w.Calls.High = math.Ceil(w.Calls.High)
	perCall := e.perCall()
	w.InputTokens = perCall.input.total(w.Calls).rounded()
	w.OutputTokens = perCall.output.total(w.Calls).rounded()
	w.CostUSD = perCall.cost.total(w.Calls)
	w.withoutPrice(e.step.Role)
	w.Seconds = e.seconds(w, perCall.seconds)
}

// fromHistory is how many calls tasks make at most that are like those before.
// Few of them may do what was not seen: up to twice as much as any did, or,
// where too few were seen to tell, whatever the component may do.
func (e *estimator) fromHistory(tasks, most float64, declared bool) float64 {
	seen := e.history.calls
	extreme := 2*seen.max + 1
	switch {
	case declared && seen.n < enough:
		extreme = most
	case declared:
		extreme = math.Min(extreme, most)
	}
	high := seen.unseen(extreme, tasks)
	if e.edited("model.") { // another model may have to be asked more often
		each := seen.max
		if tasks < enough { // too few to make up for one another
			each = math.Max(each, extreme)
		}
		high = math.Max(high, times(tasks, each))
	}
	if declared {
		high = math.Min(high, times(tasks, most))
	}
	return high
}

// longer says whether the setting changed that bounds a task's calls, so that
// those of earlier tasks say little.
func (e *estimator) longer() bool {
	calls := e.step.Role.Component.Calls
	by := []string{calls.Times}
	for _, m := range calls.More {
		by = append(append(by, m.Argument), m.Times...)
	}
	return slices.ContainsFunc(by, func(name string) bool { return name != "" && e.edited("config."+name) })
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
		// A longer prompt is more to read: a byte is no more than a token.
		dearest := 0.0
		for _, m := range e.step.Role.Models {
			dearest = math.Max(dearest, price(m, e.grown, 0))
		}
		u.input.shift(e.grown)
		u.cost.shift(dearest)
		return u
	}
	return e.defaults()
}

// defaults is what a call takes of which nothing is known but its model.
func (e *estimator) defaults() usage {
	var u usage
	for i, slot := range slices.Sorted(maps.Keys(e.step.Role.Models)) {
		m := e.step.Role.Models[slot]
		out := between(0, mostOutputTokens)
		if m.MaxTokens > 0 {
			out = between(0, float64(m.MaxTokens))
		}
		in := between(0, mostInputTokens)
		cost, secs := between(0, price(m, in.max, out.max)), between(0, mostSeconds)
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
	return m.Price.Cost(input, 0, output)
}

// withoutPrice names the models that cost something, but nobody says what.
func (w *Work) withoutPrice(b *spec.RoleBody) {
	for _, m := range b.Models {
		switch {
		case m.Price != nil || m.Provider.Type == spec.ProviderOffline:
		case m.Tuned != nil && m.Name == m.Tuned.Address:
			addName(&w.UnpricedTuned, m.Name)
		default:
			addName(&w.Unpriced, m.Name)
		}
	}
}

// addName adds names to a sorted list that has each once.
func addName(list *[]string, names ...string) {
	for _, name := range names {
		if at, there := slices.BinarySearch(*list, name); !there {
			*list = slices.Insert(*list, at, name)
		}
	}
}

// declared is the greatest number of calls that a task takes, as the component
// declares it; failing that, one for each of its models. Each may be asked
// again where its reply does not fit.
func (e *estimator) declared() (most float64, ok bool) {
	again := 0
	for _, m := range e.step.Role.Models {
		again = max(again, m.ReplyRetries)
	}
	most = float64(1 + again)
	calls := e.step.Role.Component.Calls
	if calls == nil {
		return most * float64(len(e.step.Role.Models)), false
	}
	config := e.step.Role.Config
	n := float64(calls.Max)
	if calls.Times != "" {
		n *= configNumber(config, calls.Times)
	}
	for _, m := range calls.More {
		if configText(config, m.Argument) != m.Value {
			continue
		}
		on := float64(m.Max)
		for _, name := range m.Times {
			on *= configNumber(config, name)
		}
		n += on
	}
	return most * n, true
}

// configText reads a text of a component's configuration; "" if unset.
func configText(config []byte, attr string) string {
	r, err := row.Parse(config)
	if err != nil {
		return ""
	}
	return r.String(attr)
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
// each an equal share. How long a batch takes nobody knows.
func (e *estimator) seconds(w *Work, latency stat) Range {
	providers := map[*spec.Provider]bool{}
	for _, m := range e.step.Role.Models {
		if m.Mode == spec.ModeBatch && w.Calls.High > 0 {
			return Range{High: math.Inf(1)}
		}
		for _, p := range m.Providers() {
			providers[p] = true
		}
	}
	each := latency.total(w.Calls)
	low, high := math.Inf(1), 0.0
	for pr := range providers {
		low = math.Min(low, atLimits(pr, w.Calls.Low, w.InputTokens.Low+w.OutputTokens.Low, each.Low))
		high = math.Max(high, atLimits(pr, w.Calls.High, w.InputTokens.High+w.OutputTokens.High, each.High))
	}
	if w.Tasks.High > 0 && w.Calls.Bounded() { // the calls of a task follow one another
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
		addName(&t.Unpriced, w.Unpriced...)
		addName(&t.UnpricedTuned, w.UnpricedTuned...)
		addName(&t.UnpricedTrainings, w.UnpricedTrainings...)
	}
	t.Basis = order[worst]
	p.plan.Total = t
}

func (r *Range) add(o Range) {
	r.Low, r.High, r.Exact = r.Low+o.Low, r.High+o.High, r.Exact && o.Exact
}

// times is a product in which nothing of what has no bound is nothing.
func times(a, b float64) float64 {
	if a == 0 || b == 0 {
		return 0
	}
	return a * b
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
