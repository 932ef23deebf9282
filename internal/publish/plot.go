package publish

import (
	"fmt"

	"github.com/autosafe/autosafe/internal/page"
)

// Names of the plots.
const (
	outcomePlot = "outcomes.svg"
	classPlot   = "classes.svg"
	yieldPlot   = "yield.svg"
)

// plotNames are the files of all plots that there may be.
func plotNames() []string { return []string{outcomePlot, classPlot, yieldPlot} }

// plots writes the charts that there is something for.
func (m *maker) plots() error {
	for _, p := range []struct{ name, column, title string }{
		{outcomePlot, "outcome", "Rows by outcome"}, {classPlot, "scenario_class", "Rows by scenario class"},
	} {
		if c := m.composition(p.column, p.title); c != nil {
			if err := m.plot(p.name, c, "s"); err != nil {
				return err
			}
		}
	}
	return m.plot(yieldPlot, m.yieldChart(), "k")
}

func (m *maker) plot(name string, c *page.Bars, kind string) error {
	return m.put(document{name: PlotsFolder + "/" + name, content: c.SVG(kind)})
}

// has says whether a document was made.
func (m *maker) has(name string) bool {
	for _, f := range m.made {
		if f.path == name {
			return true
		}
	}
	return false
}

// composition is the chart of a column's values; nil if no row has one.
func (m *maker) composition(column, title string) *page.Bars {
	values, others := m.rows.values(column)
	if len(values) == 0 {
		return nil
	}
	all := m.rows.total()
	c := &page.Bars{Title: title, About: fmt.Sprintf("%s rows in all", page.Number(all)), Series: m.splits}
	for _, v := range append(values, others...) {
		b := page.Bar{Label: v.name, Parts: make([]int64, len(m.splits)), Note: page.Number(v.n) + " (" + page.Percent(v.n, all) + ")"}
		for i, split := range m.splits {
			b.Parts[i] = v.bySplit[split]
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

// yieldChart is the chart of what each step kept.
func (m *maker) yieldChart() *page.Bars {
	c := &page.Bars{Title: "Yield", About: "Rows that each step gave, then lines that each output has, and what they left out", Series: []string{"kept", "left out", "failed"}}
	for i := range m.data.Steps {
		s := &m.data.Steps[i]
		dropped, failed := drops(s)
		c.Bars = append(c.Bars, yieldBar(s.Address, s.Record.Rows, total(dropped), total(failed)))
	}
	for i, o := range m.outputs {
		var skipped int64
		for _, n := range o.Record.Skipped {
			skipped += n
		}
		label := o.folder
		if o.format() != o.folder {
			label += " (" + o.format() + ")"
		}
		b := yieldBar(label, o.Record.Rows, skipped, 0)
		b.Gap = i == 0
		c.Bars = append(c.Bars, b)
	}
	return c
}

func yieldBar(label string, kept, out, failed int64) page.Bar {
	b := page.Bar{Label: label, Parts: []int64{kept, out, failed}, Note: page.Number(kept)}
	if out > 0 {
		b.Note += ", " + page.Number(out) + " left out"
	}
	if failed > 0 {
		b.Note += ", " + page.Number(failed) + " failed"
	}
	return b
}
