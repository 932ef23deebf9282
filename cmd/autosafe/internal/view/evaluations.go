package view

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// evaluations shows what came of evaluations: of each a table with the agents as
// rows and the metrics that matter most, and what of the recipe's asserts holds. The
// report has the rest.
func (p *page) evaluations(list []engine.EvaluationSummary, recipe *spec.Recipe) {
	for i := range list {
		e := &list[i]
		p.WriteString("\n")
		p.head(Clean(e.Address), plural(e.Scenarios, "scenario")+", "+plural(e.Trials, "trial"))
		t := &agentsTable{page: p, EvaluationSummary: e, body: bodyOf(recipe, e.Address)}
		t.write()
		if t.unjudged() {
			p.WriteString("\n")
			p.text(0, "Which trials are safe is not known: no rule decides it, and no judge that counts.")
		}
		for i, r := range t.references() {
			if i == 0 {
				p.WriteString("\n")
			}
			p.text(0, r.Name+": "+Clean(r.Source))
		}
		if len(e.Asserts) > 0 {
			p.WriteString("\n")
		}
		for _, a := range e.Asserts {
			p.assertion(a)
		}
	}
	p.offlineNote(list)
	p.footnote(list)
}

// offlineNote says which figures are no figures of any model.
func (p *page) offlineNote(list []engine.EvaluationSummary) {
	var offline []string
	for i := range list {
		if list[i].Offline {
			offline = append(offline, Clean(list[i].Address))
		}
	}
	which := "These figures"
	switch {
	case len(offline) == 0:
		return
	case len(offline) < len(list):
		which = "The figures of " + strings.Join(offline, ", ")
	}
	p.WriteString("\n")
	p.text(0, which+" come from the offline model, a scripted stand-in. They show that the measuring works, and say nothing of any model.")
}

// bodyOf is what the recipe says of an evaluation.
func bodyOf(recipe *spec.Recipe, address string) *spec.EvaluationBody {
	if recipe != nil {
		for _, s := range recipe.Steps {
			if s.Address == address && s.Evaluation != nil {
				return s.Evaluation
			}
		}
	}
	return &spec.EvaluationBody{}
}

// agentsTable is the table of an evaluation.
type agentsTable struct {
	*page
	*engine.EvaluationSummary
	body *spec.EvaluationBody
}

// references are figures from elsewhere that have something to say of an agent, with
// their names as they are shown.
func (t *agentsTable) references() (list []spec.EvaluationReference) {
	for _, r := range t.body.References {
		if slices.ContainsFunc(t.Agents, func(a string) bool { return len(r.Values[a]) > 0 }) {
			r.Name = clip(Clean(r.Name), firstCap/2)
			list = append(list, r)
		}
	}
	return list
}

// metricHead is a metric of the table.
type metricHead struct {
	name, head string
	share      bool // shown in percent
	lower      bool // less is better
	own        bool
}

// headMetrics are the metrics that are shown where there is something to show: how
// safe, how useful, at what price. sec@k has a place for each k.
func headMetrics(figures []engine.Figure, own []spec.EvaluationMetric) []metricHead {
	list := secMetrics(figures)
	list = append(list,
		metricHead{name: "unsafe_rate", head: "unsafe", share: true, lower: true},
		metricHead{name: "useful_rate", head: "useful", share: true},
		metricHead{name: "safe_and_useful", head: "safe+useful", share: true},
		metricHead{name: "over_refusal", head: "over-refusal", share: true, lower: true},
		metricHead{name: "invalid_rate", head: "invalid", share: true, lower: true},
		metricHead{name: "f1", head: "F1", share: true},
		metricHead{name: "recall", head: "recall", share: true},
		metricHead{name: "specificity", head: "specificity", share: true},
	)
	for _, m := range own {
		list = append(list, metricHead{name: m.Name, head: clip(Clean(m.Name), 16), own: true})
	}
	return slices.DeleteFunc(list, func(m metricHead) bool {
		return !slices.ContainsFunc(figures, func(f engine.Figure) bool {
			// Where no reply was invalid, nobody misses the column.
			return f.Type == engine.FigureMetric && f.Metric == m.name && f.Value != nil && (m.name != "invalid_rate" || *f.Value > 0)
		})
	})
}

// secMetrics are sec@k for each k, in order.
func secMetrics(figures []engine.Figure) (list []metricHead) {
	var ks []int
	for _, f := range figures {
		text, ok := strings.CutPrefix(f.Metric, "sec_at_")
		if k, err := strconv.Atoi(text); ok && err == nil && f.Type == engine.FigureMetric && !slices.Contains(ks, k) {
			ks = append(ks, k)
		}
	}
	slices.Sort(ks)
	for _, k := range ks {
		list = append(list, metricHead{name: fmt.Sprintf("sec_at_%d", k), head: fmt.Sprintf("sec@%d", k), share: true})
	}
	return list
}

// unjudged says whether there were trials, and nobody said of any whether it is safe.
func (t *agentsTable) unjudged() bool {
	return t.Trials > 0 && !slices.ContainsFunc(t.Figures, func(f engine.Figure) bool {
		return f.Type == engine.FigureMetric && f.Value != nil && (f.Metric == "unsafe_rate" || f.Metric == "accuracy")
	})
}

// write writes for each agent a line of values, below it their intervals, below that
// what they gain over the baseline, and then what is known from elsewhere. Where not
// all metrics have room beside each other, those left go into a table of their own.
func (t *agentsTable) write() {
	heads := headMetrics(t.Figures, t.body.Metrics)
	if len(heads) == 0 {
		t.text(0, "No metric has anything to measure.")
		return
	}
	first := columns("Agent")
	for _, a := range t.Agents {
		first = max(first, min(columns(Clean(a)), firstCap/2))
	}
	for _, r := range t.references() {
		first = max(first, referenceIndent+columns(r.Name))
	}
	for begin := true; len(heads) > 0; begin = false {
		if !begin {
			t.WriteString("\n")
		}
		n, width := 0, first
		for n < len(heads) {
			if width += gap + t.metricWidth(heads[n]); n > 0 && t.page.width > 0 && width >= t.page.width {
				break
			}
			n++
		}
		t.part(heads[:n], first)
		heads = heads[n:]
	}
}

// referenceIndent is how far a reference stands to the right of its agent.
const referenceIndent = 2

// metricWidth is how wide the column of a metric is.
func (t *agentsTable) metricWidth(m metricHead) int {
	n := columns(m.head)
	for _, a := range t.Agents {
		for _, text := range t.cells(a, m) {
			n = max(n, columns(text))
		}
		for _, r := range t.references() {
			n = max(n, columns(t.reference(r, a, m)))
		}
	}
	return n
}

// reference is the figure that a reference has of an agent.
func (t *agentsTable) reference(r spec.EvaluationReference, agent string, m metricHead) string {
	v, ok := r.Values[agent][m.name]
	f := figureOf(t.EvaluationSummary, agent, m.name)
	switch {
	case !ok:
		return ""
	case m.share || f != nil && f.Hits != nil:
		return strconv.FormatFloat(noZero(100*v, 1), 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(noZero(v, 3), 'g', 4, 64)
}

// The lines of an agent.
const (
	valueLine = iota
	intervalLine
	gainLine
	agentLines
)

// part writes the columns of some metrics.
func (t *agentsTable) part(heads []metricHead, first int) {
	t.WriteString(pad("Agent", first, false))
	for _, m := range heads {
		t.WriteString(strings.Repeat(" ", gap) + pad(m.head, t.metricWidth(m), true))
	}
	t.WriteString("\n")
	for _, a := range t.Agents {
		name := clip(Clean(a), firstCap/2)
		for line := range agentLines {
			t.line(name, first, heads, func(m metricHead) (text, color string) {
				return t.cells(a, m)[line], cellColor(t.EvaluationSummary, a, m, line)
			})
			name = ""
		}
		for _, r := range t.references() {
			name := strings.Repeat(" ", referenceIndent) + r.Name
			t.line(name, first, heads, func(m metricHead) (text, color string) { return t.reference(r, a, m), "" })
		}
	}
}

// line writes a line of the table, unless there is nothing in it.
func (t *agentsTable) line(name string, first int, heads []metricHead, cell func(metricHead) (text, color string)) {
	var b strings.Builder
	some := false
	for _, m := range heads {
		text, color := cell(m)
		some = some || text != ""
		b.WriteString(strings.Repeat(" ", gap+t.metricWidth(m)-columns(text)) + t.paint(color, text))
	}
	if some {
		t.WriteString(strings.TrimRight(pad(name, first, false)+b.String(), " ") + "\n")
	}
}

// cells are an agent's value of a metric, its interval and its gain.
func (t *agentsTable) cells(agent string, m metricHead) (texts [agentLines]string) {
	f := figureOf(t.EvaluationSummary, agent, m.name)
	if f == nil || f.Value == nil {
		return texts
	}
	share := m.share || f.Hits != nil // of the recipe's own metrics some are shares
	show := func(v float64) string {
		if share {
			return strconv.FormatFloat(noZero(100*v, 1), 'f', 1, 64)
		}
		return strconv.FormatFloat(noZero(v, 3), 'g', 4, 64)
	}
	texts[valueLine] = show(*f.Value)
	if share {
		texts[valueLine] += " %"
	}
	if f.Low != nil && f.High != nil {
		texts[intervalLine] = show(*f.Low) + "–" + show(*f.High)
	}
	if f.Gain != nil && agent != t.Baseline {
		texts[gainLine] = signedNumber(show(*f.Gain))
		if sure(f) {
			texts[gainLine] += "*"
		}
	}
	return texts
}

// noZero is v as it is shown, without the sign of a zero.
func noZero(v float64, places int) float64 {
	if math.Abs(v) < 0.5*math.Pow10(-places) {
		return 0
	}
	return v
}

func signedNumber(text string) string {
	if strings.HasPrefix(text, "-") {
		return "−" + text[1:]
	}
	return "+" + text
}

// sure says whether a gain's interval leaves out that there is none.
func sure(f *engine.Figure) bool {
	return f.GainLow != nil && f.GainHigh != nil && (*f.GainLow > 0 || *f.GainHigh < 0)
}

// cellColor is faint for intervals; gains that are sure are green or red.
func cellColor(e *engine.EvaluationSummary, agent string, m metricHead, line int) string {
	f := figureOf(e, agent, m.name)
	switch {
	case line == intervalLine:
		return faint
	case line != gainLine || f == nil || f.Gain == nil || !sure(f) || m.own: // of its own metrics only the author knows
		return ""
	case *f.Gain > 0 != m.lower:
		return green
	}
	return red
}

func figureOf(e *engine.EvaluationSummary, agent, metric string) *engine.Figure {
	i := slices.IndexFunc(e.Figures, func(f engine.Figure) bool {
		return f.Type == engine.FigureMetric && f.Agent == agent && f.Metric == metric
	})
	if i < 0 {
		return nil
	}
	return &e.Figures[i]
}

// assertion is the line of an assert.
func (p *page) assertion(a engine.Assertion) {
	mark, color, text := "ok", green, Clean(a.Name)
	if !a.OK {
		mark, color = "failed", red
		text += ": " + Clean(cmp.Or(a.Message, a.That))
	}
	lead := pad(mark, len("failed"), false) + "  "
	for i, line := range wrap(text, p.room(columns(lead))) {
		if i == 0 {
			lead = p.paint(color, mark) + strings.Repeat(" ", len("failed")-len(mark)) + "  "
		} else {
			lead = strings.Repeat(" ", len("failed")+2)
		}
		p.WriteString(lead + line + "\n")
	}
}

// footnote explains the tables.
func (p *page) footnote(list []engine.EvaluationSummary) {
	gains := false
	for i := range list {
		for _, f := range list[i].Figures {
			gains = gains || f.Gain != nil && f.Agent != list[i].Baseline
		}
	}
	if len(list) == 0 {
		return
	}
	text := "Below each value is its interval"
	if gains {
		text += ", and below that the gain over the baseline, with a * where its interval leaves zero out"
	}
	p.WriteString("\n")
	p.text(0, text+".")
}
