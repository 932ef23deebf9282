package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/page"
)

// maxKeys is how many parts of a group a table shows, and maxPlotted a plot.
const (
	maxKeys    = 40
	maxPlotted = 12
)

// broken are the metrics that are broken down, at most.
func (m *maker) broken(group string) []string {
	names := m.knownIn(group, append([]string{m.primary()}, "useful_rate", "safe_and_useful", "over_refusal", "accuracy", "f1")...)
	slices.Sort(names[min(1, len(names)):])
	return slices.Compact(names)
}

// byNumber are a group's keys, those of most scenarios first.
func (m *maker) byNumber(group, metric string) []string {
	keys := slices.Clone(m.keys[group])
	of := func(key string) (most int64) {
		for _, a := range m.agents() {
			if f := m.byCell[cell{a, metric, group, key}]; f != nil && f.N != nil {
				most = max(most, *f.N)
			}
		}
		return most
	}
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(of(b), of(a)) })
	return keys
}

func (m *maker) breakdown() []block {
	var blocks []block
	groups := groupNames(m.body, &m.figures)
	plots := groupPlots(groupNames(m.body, nil))
	few := false
	for _, f := range m.all {
		few = few || f.Type == evaluate.MetricFigure && f.Group != "" && f.N != nil && *f.N > 0 && *f.N < smallN
	}
	if few {
		blocks = append(blocks, para{textf("Some parts have fewer than %d scenarios or trials (n). Their intervals say how little is known of them.", smallN)})
	}
	for i, g := range m.body.Groups {
		if !slices.Contains(groups, g.Name) {
			continue
		}
		names := m.broken(g.Name)
		if len(names) == 0 {
			continue
		}
		blocks = append(blocks, heading{3, "By " + g.Name})
		if p, ok := m.picture(plots[i]); ok {
			blocks = append(blocks, p)
		}
		tables := m.groupTables(g.Name, names)
		if len(m.keys[g.Name]) <= maxPlotted {
			blocks = append(blocks, tables[0]...)
			tables = tables[1:]
		}
		for _, t := range tables {
			blocks = append(blocks, fold{t[0].(para).line, t[1:]})
		}
	}
	if few && len(blocks) == 1 {
		return nil
	}
	return blocks
}

// groupTables are the tables of a group, one for each metric: a paragraph that
// says what it is, the table, and what was left out.
func (m *maker) groupTables(group string, names []string) [][]block {
	var tables [][]block
	for _, name := range names {
		what := m.metric(name)
		t := table{heads: []string{group, " n"}, names: len(m.body.Agents)}
		for _, a := range m.agents() {
			t.heads = append(t.heads, " "+a)
		}
		keys := slices.DeleteFunc(m.byNumber(group, name), func(key string) bool {
			return !slices.ContainsFunc(m.agents(), func(a string) bool { return m.figures.in(a, name, group, key) != nil })
		})
		left := len(keys) - min(len(keys), maxKeys)
		for _, key := range keys[:len(keys)-left] {
			cells := []line{{code(key)}, {muted("–")}}
			for _, a := range m.agents() {
				f := m.figures.in(a, name, group, key)
				if f != nil && f.N != nil {
					cells[1] = line{plain(countOf(f.N))}
				}
				cells = append(cells, what.value(f))
			}
			t.rows = append(t.rows, cells)
		}
		blocks := []block{para{textf("%s by %s", what.title, group)}, t}
		if left > 0 {
			blocks = append(blocks, para{line{plain(fmt.Sprintf("And %s more, in ", page.Number(int64(left)))), code(CSVName), plain(".")}})
		}
		tables = append(tables, blocks)
	}
	return tables
}
