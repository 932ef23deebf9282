package evaluate

import (
	"context"
	"hash/fnv"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/autosafe/autosafe/internal/evaluate/stats"
)

// estimate is what a measure comes to for an agent.
type estimate struct {
	sum             []float64
	value, low, hi  float64
	method, note    string
	gain, gLow, gHi float64
	p               float64
}

// data says whether there is anything to be said.
func (e *estimate) data() bool { return !math.IsNaN(e.value) }

// table is what each of some scenarios adds to the sums of all measures of all
// agents: a column for each of these sums.
type table struct {
	measures  []measure
	arms      int
	scenarios int
	offsets   []int // of the measures' first columns, among an agent's
	width     int   // columns of an agent
	cells     []float64
	tails     map[int]float64 // by number of clusters: it takes a while to find
}

func (t *table) tail(clusters int, confidence float64) float64 {
	tail, ok := t.tails[clusters]
	if !ok {
		tail = stats.Tail(clusters, confidence)
		t.tails[clusters] = tail
	}
	return tail
}

func newTable(measures []measure, scenarios, arms int, at func(scenario, arm int) cell) *table {
	t := &table{measures: measures, arms: arms, scenarios: scenarios}
	for _, m := range measures {
		t.offsets = append(t.offsets, t.width)
		t.width += m.width
	}
	t.cells = make([]float64, scenarios*arms*t.width)
	for i := range scenarios {
		for j := range arms {
			c := at(i, j)
			for k, m := range measures {
				m.add(c, t.row(i, j, k))
			}
		}
	}
	return t
}

// row is what a scenario adds to an agent's sums for a measure.
func (t *table) row(scenario, arm, measure int) []float64 {
	first := (scenario*t.arms+arm)*t.width + t.offsets[measure]
	return t.cells[first : first+t.measures[measure].width]
}

// packed are the columns that are wanted and in which scenarios differ, and where
// each column is among them. The sum of those that do not differ is the same in all
// resamples.
func (t *table) packed(wanted []bool) (c stats.Clusters, at []int) {
	whole := t.arms * t.width
	at = make([]int, whole)
	for j := range at {
		at[j] = -1
		if !wanted[j] {
			continue
		}
		for i := 1; i < t.scenarios; i++ {
			if t.cells[i*whole+j] != t.cells[j] {
				at[j] = c.Width
				c.Width++
				break
			}
		}
	}
	c.Rows = make([]float64, 0, t.scenarios*c.Width)
	for i := range t.scenarios {
		for j, k := range at {
			if k >= 0 {
				c.Rows = append(c.Rows, t.cells[i*whole+j])
			}
		}
	}
	return c, at
}

// sums adds all scenarios up.
func (t *table) sums() []float64 {
	return stats.Clusters{Width: t.arms * t.width, Rows: t.cells}.Sum()
}

// of is the part of all sums that is an agent's for a measure.
func (t *table) of(sums []float64, arm, measure int) []float64 {
	first := arm*t.width + t.offsets[measure]
	return sums[first : first+t.measures[measure].width]
}

// doubtful says of which values, those of agent a and measure m at
// a*len(measures)+m, resampling is to say how sure they are: of those that are no
// shares of scenarios, nor counts, and of all that are compared with a baseline's.
func (t *table) doubtful(sums []float64, baseline int) []bool {
	n := len(t.measures)
	data, doubtful := make([]bool, t.arms*n), make([]bool, t.arms*n)
	for i := range data {
		data[i] = !math.IsNaN(t.measures[i%n].value(t.of(sums, i/n, i%n)))
		doubtful[i] = data[i] && t.measures[i%n].width > 1 && !t.single(i/n, i%n)
	}
	for i := range data {
		if base := baseline*n + i%n; baseline >= 0 && i != base && data[i] && data[base] {
			doubtful[i], doubtful[base] = true, true
		}
	}
	return doubtful
}

// resample gives the values that are doubtful in each resample.
func (t *table) resample(r stats.Resampling, sums []float64, doubtful []bool) [][]float64 {
	n := len(t.measures)
	wanted := make([]bool, len(sums))
	for i, d := range doubtful {
		first := i/n*t.width + t.offsets[i%n]
		for j := first; j < first+t.measures[i%n].width; j++ {
			wanted[j] = d
		}
	}
	clusters, at := t.packed(wanted)
	if clusters.Width == 0 {
		// The scenarios are all alike, and so would the resamples be.
		return make([][]float64, len(doubtful))
	}
	return stats.Bootstrap(clusters, r, len(doubtful), func() func(drawn, out []float64) {
		full := slices.Clone(sums)
		return func(drawn, out []float64) {
			for j, i := range at {
				if i >= 0 {
					full[j] = drawn[i]
				}
			}
			for i, d := range doubtful {
				if d {
					out[i] = t.measures[i%n].value(t.of(full, i/n, i%n))
				}
			}
		}
	})
}

// single says whether each scenario is one yes or no for a measure of an agent, or
// is not part of it: then it is a share of scenarios, which are independent. With
// several trials of a scenario it is not.
func (t *table) single(arm, measure int) bool {
	if t.measures[measure].kind == other || t.measures[measure].width < 2 {
		return false
	}
	for i := range t.scenarios {
		row := t.row(i, arm, measure)
		if row[1] != 0 && row[1] != 1 || row[0] != 0 && row[0] != row[1] {
			return false
		}
	}
	return true
}

// clusters counts the scenarios that are part of a measure for an agent.
func (t *table) clusters(arm, measure int) int {
	n := 0
	for i := range t.scenarios {
		for _, v := range t.row(i, arm, measure) {
			if v != 0 {
				n++
				break
			}
		}
	}
	return n
}

// estimates gives what each measure comes to for each agent, over some scenarios.
func (ev *evaluation) estimates(measures []measure, scenarios []int, stream string) [][]estimate {
	t := newTable(measures, len(scenarios), len(ev.arms), func(i, j int) cell {
		s, a := scenarios[i], ev.arms[j]
		return cell{scenario: &ev.scenarios[s], trials: a.of(s), arm: a, at: s}
	})
	return ev.judge(t, stream)
}

// judge gives what each measure of a table comes to, by agent. The same scenarios
// make a resample for all agents, so that gains are paired.
func (ev *evaluation) judge(t *table, stream string) [][]estimate {
	measures := t.measures
	sums := t.sums()
	h := fnv.New64a()
	h.Write([]byte(stream))
	baseline := ev.baseline
	if t.arms != len(ev.arms) {
		baseline = -1
	}
	resampling := stats.Resampling{N: ev.body.Resamples, Seed: uint64(ev.body.Seed), Stream: h.Sum64()}
	values := t.resample(resampling, sums, t.doubtful(sums, baseline))
	t.tails = map[int]float64{}
	all := make([][]estimate, t.arms)
	for a := range all {
		all[a] = make([]estimate, len(measures))
		for m := range measures {
			all[a][m] = ev.interval(t, a, m, t.of(sums, a, m), slices.Clone(values[a*len(measures)+m]))
		}
	}
	if baseline < 0 {
		return all
	}
	for a := range all {
		for m := range measures {
			if a != baseline {
				ev.gain(t, all, a, m, values)
			}
		}
	}
	return all
}

// interval is a measure's value and how sure it is.
func (ev *evaluation) interval(t *table, arm, measure int, sum, values []float64) estimate {
	m, nan := t.measures[measure], math.NaN()
	e := estimate{sum: sum, value: m.value(sum), low: nan, hi: nan, gain: nan, gLow: nan, gHi: nan, p: nan}
	if !e.data() {
		return e
	}
	if m.note != nil {
		e.note = m.note(sum)
	}
	clusters := t.clusters(arm, measure)
	if t.single(arm, measure) {
		e.method = Wilson
		e.low, e.hi = stats.Wilson(e.value, sum[1], ev.body.Confidence)
		return e
	}
	low, hi := ev.percentiles(t, m.kind, values, clusters)
	switch {
	case low < hi:
		e.method, e.low, e.hi = Bootstrap, min(low, e.value), max(hi, e.value)
	case m.kind != other:
		e.method = Wilson
		e.low, e.hi = stats.Wilson(e.value, float64(clusters), ev.body.Confidence)
		e.note = also(e.note, "too few scenarios, or too few that differ, to resample them: the interval is that of one trial of each")
	}
	return e
}

// The least scenarios that are resampled. Of a few all resamples lie between the
// worst and the best of them, however far beyond others are. Shares have a better
// interval then; other numbers have none.
const (
	fewestForShares = 10
	fewestForOthers = 5
)

// percentiles is the interval that resampled values give: none where scenarios are
// few, or all alike, as resampling them says nothing of how else it might have come
// out.
func (ev *evaluation) percentiles(t *table, k kind, values []float64, clusters int) (low, high float64) {
	fewest := fewestForShares
	if k == other {
		fewest = fewestForOthers
	}
	if clusters < fewest {
		return math.NaN(), math.NaN()
	}
	return stats.Percentile(values, t.tail(clusters, ev.body.Confidence))
}

// gain is what an agent has over the baseline.
func (ev *evaluation) gain(t *table, all [][]estimate, arm, measure int, values [][]float64) {
	e, base := &all[arm][measure], &all[ev.baseline][measure]
	if !e.data() || !base.data() {
		return
	}
	e.gain = e.value - base.value
	mine, others := values[arm*len(t.measures)+measure], values[ev.baseline*len(t.measures)+measure]
	differ := make([]float64, len(mine))
	for i := range differ {
		differ[i] = mine[i] - others[i]
	}
	n, m := t.clusters(arm, measure), t.clusters(ev.baseline, measure)
	low, hi := ev.percentiles(t, t.measures[measure].kind, differ, min(n, m))
	switch {
	case low < hi:
		e.gLow, e.gHi = min(low, e.gain), max(hi, e.gain)
	case t.measures[measure].kind != other:
		e.gLow, e.gHi = stats.Difference(e.value, float64(n), base.value, float64(m), ev.body.Confidence)
		e.note = also(e.note, "too few scenarios, or too few that differ, to resample them: the gain's interval is that of two separate samples")
	}
	e.p = t.mcnemar(arm, ev.baseline, measure)
}

// mcnemar is the p of McNemar's test of two agents' shares of scenarios. It is NaN
// where not each scenario is one yes or no for both, or where the two are shares of
// different scenarios, as precision is of those that a judge calls unsafe: of those
// that are common to both, the test would say nothing of the gain.
func (t *table) mcnemar(arm, baseline, measure int) float64 {
	if !t.single(arm, measure) || !t.single(baseline, measure) {
		return math.NaN()
	}
	up, down := 0, 0
	for i := range t.scenarios {
		x, y := t.row(i, arm, measure), t.row(i, baseline, measure)
		switch {
		case x[1] != y[1]:
			return math.NaN()
		case x[0] > y[0]:
			up++
		case x[0] < y[0]:
			down++
		}
	}
	return stats.McNemar(up, down)
}

func also(note, more string) string {
	if note == "" {
		return more
	}
	return note + "; " + more
}

// part is a breakdown's part, or all scenarios.
type part struct {
	group, key, note string
	scenarios        []int
	estimates        [][]estimate // by agent and measure
}

// parts are all scenarios, and then those of each key of each group.
func (ev *evaluation) parts() []part {
	parts := []part{{}}
	for i := range ev.scenarios {
		parts[0].scenarios = append(parts[0].scenarios, i)
	}
	for g, by := range ev.groups {
		first := len(parts)
		for _, key := range by.keys {
			parts = append(parts, part{group: by.name, key: key, note: by.notes[key]})
		}
		for i, s := range ev.scenarios {
			p := &parts[first+s.keys[g]]
			p.scenarios = append(p.scenarios, i)
		}
	}
	return parts
}

// metricFigures are the figures of the agents' metrics.
func (ev *evaluation) metricFigures(ctx context.Context) ([]Figure, error) {
	measures, err := ev.measures()
	if err != nil {
		return nil, err
	}
	parts := ev.parts()
	next := make(chan *part)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(parts)) {
		wg.Go(func() {
			for p := range next {
				if ctx.Err() == nil {
					p.estimates = ev.estimates(measures, p.scenarios, p.group+"\x00"+p.key)
				}
			}
		})
	}
	for i := range parts {
		next <- &parts[i]
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var figures []Figure
	for a := range ev.arms {
		for _, p := range parts {
			for m := range measures {
				if p.group == "" || parts[0].estimates[a][m].data() {
					figures = append(figures, ev.metricFigure(a, measures[m], p, p.estimates[a][m]))
				}
			}
		}
	}
	return figures, nil
}

func (ev *evaluation) metricFigure(arm int, m measure, p part, e estimate) Figure {
	f := Figure{
		Type: MetricFigure, Agent: ev.arms[arm].name, Metric: m.name, Group: p.group, Key: p.key,
		Value: number(e.value), Low: number(e.low), High: number(e.hi), Method: e.method,
		Gain: number(e.gain), GainLow: number(e.gLow), GainHigh: number(e.gHi), P: number(e.p), Note: e.note,
	}
	f.N = count(int64(m.denominator(e.sum)))
	if m.kind == share && e.data() {
		f.Hits = count(int64(e.sum[0]))
	}
	if p.note != "" {
		f.Note = also(f.Note, p.note)
	}
	if p.group == "" {
		for i, own := range ev.body.Metrics {
			if n := ev.arms[arm].failed[i]; own.Name == m.name && n > 0 {
				f.Note = also(f.Note, noted(float64(n), "%d trials are left out, as its expressions say nothing of them"))
			}
		}
	}
	return f
}
