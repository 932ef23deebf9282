package report

import (
	"slices"

	"github.com/autosafe/autosafe/internal/evaluate"
)

// references sets figures from elsewhere beside those found here.
func (m *maker) references() []block {
	var blocks []block
	for _, ref := range m.body.References {
		said := line{code(ref.Name)}
		if ref.Source != "" {
			said = append(said, plain(": "+ref.Source))
		}
		var found []block
		if t := m.besides("", "", ref.Values); len(t.rows) > 0 {
			found = append(found, t)
		}
		for _, g := range m.body.Groups {
			t := m.besides(g.Name, "", nil)
			for _, key := range sorted(ref.By[g.Name], m.keys[g.Name]) {
				t.rows = append(t.rows, m.besides(g.Name, key, ref.By[g.Name][key]).rows...)
			}
			if len(t.rows) > 0 {
				found = append(found, fold{textf("by %s", g.Name), []block{t}})
			}
		}
		if len(found) > 0 {
			blocks = append(append(blocks, para{said}), found...)
		}
	}
	if len(blocks) > 0 {
		blocks = append(blocks, para{textf("Figures from elsewhere rest on other scenarios, models and judges. What differs may be any of these.")})
	}
	return blocks
}

// besides is a table of figures from elsewhere, of all scenarios or of those with a
// key of a group.
func (m *maker) besides(group, key string, values map[string]map[string]float64) table {
	t := table{heads: []string{"agent", "metric", " there", " here", " difference"}}
	if group != "" {
		t.heads = slices.Insert(t.heads, 0, group)
	}
	for _, a := range m.agents() {
		for _, name := range sorted(values[a], m.metrics) {
			there, what := values[a][name], m.metric(name)
			cells := []line{{code(a)}, {plain(what.title)}, {plain(what.kind.write(there))}, {muted("–")}, {muted("–")}}
			var f *evaluate.Figure
			if group == "" {
				f = m.of(a, name)
			} else {
				f = m.figures.in(a, name, group, key)
				cells = slices.Insert(cells, 0, line{code(key)})
			}
			if f != nil && f.Value != nil {
				n := len(cells)
				cells[n-2] = what.value(f)
				cells[n-1] = line{plain(what.kind.difference(*f.Value - there))}
			}
			t.rows = append(t.rows, cells)
		}
	}
	return t
}
