package report

import (
	"fmt"
	"slices"

	"github.com/autosafe/autosafe/internal/page"
)

// Names of the plots that are not of a group.
const (
	safetyPlot = "safety.svg"
	secPlot    = "sec_at_k.svg"
	costPlot   = "cost_of_safety.svg"
)

// maxAgents is how many agents a plot shows.
const maxAgents = 16

// drawPlots draws what there is something for.
func (m *maker) drawPlots() {
	compared := slices.DeleteFunc(m.shares(m.headline()), func(name string) bool { return name == "invalid_rate" && !m.above0(name) })
	m.bars(safetyPlot, "Agents compared", compared)
	if ks := m.atK("sec_at_%d", m.body.K); len(ks) > 1 {
		m.bars(secPlot, "sec@k", ks)
	}
	m.drawCost()
	plots := groupPlots(groupNames(m.body, nil))
	for i, g := range m.body.Groups {
		m.drawGroup(plots[i], g.Name)
	}
}

// picture is a plot that was drawn.
func (m *maker) picture(name string) (picture, bool) {
	for _, p := range m.plots {
		if p.name == PlotsFolder+"/"+name {
			return p, true
		}
	}
	return picture{}, false
}

func (m *maker) draw(name string, p plot) {
	m.plots = append(m.plots, picture{PlotsFolder + "/" + name, p})
}

// about is what stands below the title of every plot.
func (m *maker) about() string {
	s := fmt.Sprintf("%s, %d %% confidence", many(m.scenarios, "scenario"), int(m.body.Confidence*100+0.5))
	if m.in.Evaluation.Offline {
		s = "offline model's results · " + s
	}
	return s
}

// shares are those of the metrics that are shares.
func (m *maker) shares(names []string) []string {
	var out []string
	for _, n := range names {
		if m.metric(n).kind == share {
			out = append(out, n)
		}
	}
	return out
}

// series is an agent's colour: the baseline is grey.
func (m *maker) series(agent string) int {
	n := 0
	for _, a := range m.agents() {
		switch {
		case a == agent && a == m.body.Baseline:
			return page.NeutralSeries
		case a == agent:
			return n
		case a != m.body.Baseline:
			n++
		}
	}
	return n
}

// shownAgents are those that plots show.
func (m *maker) shownAgents() []string {
	all := m.agents()
	return all[:min(len(all), maxAgents)]
}

// bar is a figure as a plot shows it; ok is false if it is not known.
func (m *maker) bar(agent string, f *figure) (b page.Interval, ok bool) {
	if f == nil {
		return b, false
	}
	b = page.Interval{Label: oneLine(agent, maxInline), Estimate: estimate(f), Series: m.series(agent), Note: percent(*f.Value)}
	if interval(f) {
		b.Note += " (" + share.bound(*f.Low) + "–" + share.bound(*f.High) + ")"
	}
	return b, true
}

func estimate(f *figure) page.Estimate {
	e := page.Estimate{Value: *f.Value, Low: *f.Value, High: *f.Value}
	if interval(f) {
		e.Low, e.High = *f.Low, *f.High
	}
	return e
}

// bars draws metrics, agent by agent: the baseline first, the others below it.
func (m *maker) bars(name, title string, metrics []string) {
	c := &page.Intervals{Title: title, About: m.about()}
	for _, metric := range metrics {
		g := page.IntervalGroup{Label: oneLine(m.metric(metric).title, maxInline)}
		if n := m.n(metric); n != nil {
			g.Label += ", n = " + countOf(n)
		}
		for _, a := range m.shownAgents() {
			if b, ok := m.bar(a, m.of(a, metric)); ok {
				g.Bars = append(g.Bars, b)
			}
		}
		if len(g.Bars) > 0 {
			c.Groups = append(c.Groups, g)
		}
	}
	if len(c.Groups) > 0 {
		m.draw(name, c)
	}
}

// drawCost sets usefulness against safety.
func (m *maker) drawCost() {
	safety, useful := m.atK("sec_at_%d", m.body.K), m.known("useful_rate")
	if len(safety) == 0 || len(useful) == 0 {
		return
	}
	c := &page.Scatter{Title: "The cost of safety", About: m.about(), X: m.metric(safety[0]).title + " (safer)", Y: "useful"}
	for _, a := range m.shownAgents() {
		x, y := m.of(a, safety[0]), m.of(a, useful[0])
		if x == nil || y == nil {
			continue
		}
		note := fmt.Sprintf("%s %s, useful %s", m.metric(safety[0]).title, percent(*x.Value), percent(*y.Value))
		if o := m.of(a, "over_refusal"); o != nil {
			note += ", over-refusal " + percent(*o.Value)
		}
		c.Points = append(c.Points, page.Point{Label: oneLine(a, maxInline), Note: note, X: estimate(x), Y: estimate(y), Series: m.series(a)})
	}
	if len(c.Points) > 1 {
		m.draw(costPlot, c)
	}
}

// drawGroup draws the metric that matters most by the parts of a group.
func (m *maker) drawGroup(name, group string) {
	metrics := m.shares(m.broken(group))
	if len(metrics) == 0 {
		return
	}
	keys := m.byNumber(group, metrics[0])
	c := &page.Intervals{Title: oneLine(m.metric(metrics[0]).title+" by "+group, maxTitle/2), About: m.about()}
	if len(keys) > maxPlotted {
		c.About += fmt.Sprintf(" · the %d largest parts of %d", maxPlotted, len(keys))
		keys = keys[:maxPlotted]
	}
	for _, key := range keys {
		g := page.IntervalGroup{Label: oneLine(key, maxInline)}
		if key == "" {
			g.Label = "(empty)"
		}
		for _, a := range m.shownAgents() {
			f := m.figures.in(a, metrics[0], group, key)
			if b, ok := m.bar(a, f); ok {
				g.Bars = append(g.Bars, b)
			}
		}
		if len(g.Bars) > 0 {
			c.Groups = append(c.Groups, g)
		}
	}
	if len(c.Groups) > 0 {
		m.draw(name, c)
	}
}
