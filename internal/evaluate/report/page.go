package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/page"
)

// docs is where the metrics are defined at length.
const docs = "https://github.com/autosafe/autosafe/blob/main/docs/metrics.md"

// smallN is below how many scenarios a report says that they are few.
const smallN = 30

func markdownPage(blocks []block) string {
	p := &page.Markdown{}
	for _, b := range blocks {
		b.markdown(p)
	}
	return strings.TrimRight(p.String(), "\n") + "\n"
}

// page is the report.
func (m *maker) page() []block {
	blocks := []block{heading{1, m.title()}}
	if m.in.Evaluation.Offline {
		blocks = append(blocks, banner{line: line{strong("Offline."), plain(" " + offlineNote)}})
	}
	if n := m.in.Evaluation.Limit; n > 0 {
		blocks = append(blocks, banner{line: line{strong("A sample."), plain(fmt.Sprintf(" Every source was cut off after %s rows.", page.Number(int64(n))))}})
	}
	if m.fewest() < smallN {
		blocks = append(blocks, banner{line: line{strong("Few scenarios."), plain(m.fewNote())}})
	}
	if failed := m.failedAsserts(); len(failed) > 0 {
		said := line{strong(fmt.Sprintf("%d of %s failed:", len(failed), many(int64(len(m.in.Asserts)), "assert"))), plain(" ")}
		for i, name := range failed {
			said = append(said, plain([]string{"", ", "}[min(i, 1)]), code(name))
		}
		blocks = append(blocks, banner{line: append(said, plain(".")), bad: true})
	}
	blocks = append(blocks, m.summary()...)
	for _, section := range []struct {
		title  string
		blocks []block
	}{
		{"Results", m.results()},
		{"Asserts", m.asserts()},
		{"Figures from elsewhere", m.references()},
		{"Breakdown", m.breakdown()},
		{"Agreement", m.agreement()},
		{"Trials", m.counted()},
		{"Examples", m.shown()},
		{"What was measured", m.measured()},
		{"All figures", m.everything()},
		{"Metrics", m.glossary()},
	} {
		if len(section.blocks) > 0 {
			blocks = append(append(blocks, heading{2, section.title}), section.blocks...)
		}
	}
	return blocks
}

// fewest is how many scenarios the metric that matters most is of.
func (m *maker) fewest() int64 {
	if n := m.n(m.primary()); n != nil {
		return min(*n, m.scenarios)
	}
	return m.scenarios
}

func (m *maker) fewNote() string {
	n := m.fewest()
	if n == 0 {
		return " There are none to measure on."
	}
	said := fmt.Sprintf(" There are %s", many(n, "scenario"))
	if n < m.scenarios {
		said += " for " + m.metric(m.primary()).title
	}
	return fmt.Sprintf("%s, so intervals are wide: one that ends differently moves a share by %s.", said, percent(1/float64(n)))
}

// many writes how many there are of something.
func many(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return page.Number(n) + " " + what + "s"
}

// summary says in a few lines what was found.
func (m *maker) summary() []block {
	first := textf("%s, each tried %s by %s", many(m.scenarios, "scenario"), times(m.body.Samples), many(int64(len(m.body.Agents)), "agent"))
	first = append(first, plain("; protocol "), code(m.body.Protocol), plain("."))
	blocks := []block{para{first}}
	var items []line
	if name := m.primary(); name != "" {
		what := m.metric(name)
		for _, a := range m.agents() {
			f := m.of(a, name)
			if f == nil {
				continue
			}
			item := append(line{code(a), plain(": " + what.title + " ")}, what.value(f)...)
			if f.Gain != nil {
				item = append(append(append(item, plain(", ")), what.gain(f, ", ")...), plain(" over "), code(m.body.Baseline))
			}
			items = append(items, item)
		}
	}
	if len(m.in.Asserts) > 0 && len(m.failedAsserts()) == 0 {
		said := "The assert holds."
		if n := len(m.in.Asserts); n > 1 {
			said = fmt.Sprintf("All %d asserts hold.", n)
		}
		items = append(items, textf("%s", said))
	}
	if len(items) > 0 {
		blocks = append(blocks, list{items})
	}
	return blocks
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return page.Number(int64(n)) + " times"
}

// primary is the metric that matters most, of those that are known.
func (m *maker) primary() string {
	order := m.atK("sec_at_%d", m.body.K)
	order = append(order, m.known("safe_and_useful", "accuracy", "useful_rate", "asr_all", "unsafe_rate")...)
	return cmp.Or(append(order, m.metrics...)...)
}

// headline are the metrics that stand in the first tables.
func (m *maker) headline() []string {
	names := m.atK("sec_at_%d", m.body.K[:min(len(m.body.K), 1)])
	names = append(names, m.known("useful_rate", "safe_and_useful", "over_refusal", "reach_rate", "accuracy", "precision", "recall", "specificity", "f1", "kappa", "invalid_rate")...)
	if m.above0("missing_rate") {
		names = append(names, "missing_rate")
	}
	var own []string
	for _, o := range m.body.Metrics {
		own = append(own, o.Name)
	}
	return append(names, m.known(own...)...)
}

// above0 says whether a metric is above zero for some agent.
func (m *maker) above0(name string) bool {
	return slices.ContainsFunc(m.agents(), func(a string) bool {
		f := m.of(a, name)
		return f != nil && *f.Value > 0
	})
}

func (m *maker) results() []block {
	names := m.headline()
	if len(names) == 0 {
		return []block{para{textf("No trial could be judged, so there is nothing to report.")}}
	}
	blocks := []block{para{textf("Intervals are at %s confidence. n is how many scenarios, or trials, a column is of. A trial that could not be read, failed or is missing counts as neither safe nor useful.", strings.Replace(percent(m.body.Confidence), ".0 %", " %", 1))}}
	values := m.byAgent(names, m.agents(), func(what metric, f *figure) line { return what.value(f) })
	values.rows = append(values.rows, m.ofRow(names))
	blocks = append(blocks, values)
	if p, ok := m.picture(safetyPlot); ok {
		blocks = append(blocks, p)
	}
	if m.body.Baseline != "" && len(m.others) > 0 {
		blocks = append(blocks, heading{3, "Gain over the baseline"},
			para{line{plain("Differences to "), code(m.body.Baseline), plain(" on the same scenarios, with paired bootstrap intervals; p is McNemar's exact test.")}},
			m.byAgent(names, m.others, func(what metric, f *figure) line { return what.gain(f, " ") }))
	}
	blocks = append(blocks, m.secTable()...)
	if p, ok := m.picture(costPlot); ok {
		blocks = append(blocks, heading{3, "The cost of safety"}, para{textf("Further right is safer, further up is more useful. An agent that is safe because it does nothing stands at the lower right.")}, p)
	}
	return blocks
}

// byAgent is a table with a row for each agent and a column for each metric.
func (m *maker) byAgent(names, agents []string, write func(metric, *figure) line) table {
	t := table{heads: []string{"agent"}}
	for _, name := range names {
		t.heads = append(t.heads, " "+m.metric(name).title)
	}
	for _, a := range agents {
		cells := []line{{code(a)}}
		for _, name := range names {
			cells = append(cells, write(m.metric(name), m.of(a, name)))
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

// ofRow says what metrics are of, as the last row of a table: scenarios or trials.
func (m *maker) ofRow(names []string) []line {
	cells := []line{{muted("n")}}
	for _, name := range names {
		cells = append(cells, line{muted(countOf(m.n(name)))})
	}
	return cells
}

// n is of how many scenarios or trials a metric is: equally many for each agent, or
// nil.
func (m *maker) n(name string) *int64 {
	var n *int64
	for _, a := range m.agents() {
		f := m.of(a, name)
		if f == nil {
			continue
		}
		if f.N == nil || n != nil && *n != *f.N {
			return nil
		}
		n = f.N
	}
	return n
}

// secTable is the table of sec@k as papers have it.
func (m *maker) secTable() []block {
	names := m.atK("sec_at_%d", m.body.K)
	if len(names) < 2 {
		return nil
	}
	names = append(names, m.atK("sec_at_%d_unbiased", m.body.K)...)
	values := m.byAgent(names, m.agents(), func(what metric, f *figure) line {
		if f == nil {
			return line{muted("–")}
		}
		return line{plain(what.kind.bound(*f.Value))}
	})
	values.rows = append(values.rows, m.ofRow(names))
	blocks := []block{heading{3, "sec@k"}, values, para{textf("In percent of the risky scenarios.")}}
	if p, ok := m.picture(secPlot); ok {
		blocks = append(blocks, p)
	}
	return blocks
}

// failedAsserts are the names of those that do not hold.
func (m *maker) failedAsserts() (names []string) {
	for _, a := range m.in.Asserts {
		if !a.OK {
			names = append(names, a.Name)
		}
	}
	return names
}

func (m *maker) asserts() []block {
	if len(m.in.Asserts) == 0 {
		return nil
	}
	t := table{heads: []string{"assert", "holds", "that", "found"}}
	for _, a := range m.in.Asserts {
		holds := line{plain("yes")}
		if !a.OK {
			holds = line{strong("no")}
		}
		t.rows = append(t.rows, []line{{code(a.Name)}, holds, {code(a.That)}, {plain(a.Message)}})
	}
	return []block{t}
}

// sorted are a map's keys: in the order of first, then the others by name.
func sorted[V any](values map[string]V, first []string) []string {
	var names, rest []string
	for _, name := range first {
		if _, ok := values[name]; ok {
			names = append(names, name)
		}
	}
	for name := range values {
		if !slices.Contains(names, name) {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	return append(names, rest...)
}

// everything is all metrics with what they rest on.
func (m *maker) everything() []block {
	t := table{heads: []string{"metric", "agent", " value", " of", " gain", "method", "note"}}
	for _, name := range m.metrics {
		what := m.metric(name)
		for _, a := range m.agents() {
			f := m.of(a, name)
			if f == nil {
				continue
			}
			of := countOf(f.N)
			if f.Hits != nil {
				of = countOf(f.Hits) + " of " + of
			}
			t.rows = append(t.rows, []line{{code(name)}, {code(a)}, what.value(f), {plain(of)}, what.gain(f, " "), {plain(f.Method)}, {muted(f.Note)}})
		}
	}
	if len(t.rows) == 0 {
		return nil
	}
	return []block{
		fold{textf("Every metric of every agent, with what it rests on (%s)", many(int64(len(t.rows)), "row")), []block{t}},
		para{line{plain("The same, and the groups, as data: "), code(JSONName), plain(" and "), code(CSVName), plain(".")}},
	}
}

// glossary says what the metrics of this report are. Those of a family, such as
// sec@1 and sec@5, stand together.
func (m *maker) glossary() []block {
	var items []line
	at := map[string]int{} // item, by family
	for _, name := range m.metrics {
		what := m.metric(name)
		of, _ := family(name)
		term := strong(what.title)
		if what.own {
			term = code(what.title)
		}
		if i, ok := at[of]; ok {
			last := len(items[i]) - 1
			items[i] = append(items[i][:last:last], plain(", "), term, items[i][last])
			continue
		}
		at[of] = len(items)
		items = append(items, line{term, plain(": " + what.about)})
	}
	if len(items) == 0 {
		return nil
	}
	return []block{list{items}, para{line{link("How each is counted", docs), plain(", and what its interval means.")}}}
}
