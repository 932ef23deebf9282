package publish

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// Plots are bar charts in SVG, written here: a plotting library brings fonts and
// renderers into a program that must start in milliseconds, and has one set of
// colours where these need two. A chart brings its own background, and so can
// be read on a light page and on a dark one, whatever either says of itself.

// Names of the plots.
const (
	outcomePlot = "outcomes.svg"
	classPlot   = "classes.svg"
	yieldPlot   = "yield.svg"
)

// plotNames are the files of all plots that there may be.
func plotNames() []string { return []string{outcomePlot, classPlot, yieldPlot} }

// chart is a chart of horizontal bars.
type chart struct {
	title, about string
	series       []string // what the parts of the bars are, for the legend
	bars         []bar
}

// bar is a bar of parts, one for each of the chart's series.
type bar struct {
	label string
	parts []int64
	note  string // behind it
	gap   bool   // set apart from the one above
}

// Measures of a chart, in pixels.
const (
	plotWidth  = 860
	plotMargin = 24
	plotTop    = 92
	barHeight  = 20
	barStep    = 30
	gapStep    = 16
	minBars    = 200
	charWidth  = 7.2 // of the text at 13 pixels, about
	maxLabel   = 34
	maxSeries  = 6
	legendAt   = 76
)

func (b *bar) total() (n int64) {
	for _, p := range b.parts {
		n += p
	}
	return n
}

// style has the colours for both schemes. Series are told apart by lightness as
// well as by hue.
const style = `<style>
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:#1f2328}
.b{fill:#fff;stroke:#d1d9e0}.h{font-size:17px;font-weight:600}.m{fill:#59636e}.a{stroke:#d1d9e0}
.s0{fill:#0969da}.s1{fill:#54aeff}.s2{fill:#bf8700}.s3{fill:#8250df}.s4{fill:#1a7f37}.s5{fill:#6e7781}
.k0{fill:#1a7f37}.k1{fill:#c8d1da}.k2{fill:#cf222e}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.b{fill:#0d1117;stroke:#3d444d}.m{fill:#9198a1}.a{stroke:#3d444d}
.s0{fill:#4493f8}.s1{fill:#1f4f99}.s2{fill:#d29922}.s3{fill:#ab7df8}.s4{fill:#3fb950}.s5{fill:#9198a1}
.k0{fill:#3fb950}.k1{fill:#3d444d}.k2{fill:#f85149}}
</style>
`

// svg draws a chart. kind is the letter of its colours: s for parts that are
// alike, k for what was kept and lost.
func (c *chart) svg(kind string) []byte {
	labels, notes, most := 0, 0, int64(1)
	for i := range c.bars {
		c.bars[i].label = clip(c.bars[i].label, maxLabel)
		labels = max(labels, utf8.RuneCountInString(c.bars[i].label))
		notes = max(notes, utf8.RuneCountInString(c.bars[i].note))
		most = max(most, c.bars[i].total())
	}
	left := float64(plotMargin) + float64(labels)*charWidth + 12
	width := max(minBars, float64(plotWidth-plotMargin)-left-float64(notes)*charWidth-8)
	height := plotTop + plotMargin
	for _, b := range c.bars {
		height += barStep
		if b.gap {
			height += gapStep
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%s">`+"\n", plotWidth, height, text(c.title))
	fmt.Fprintf(&s, "<title>%s</title>\n<desc>%s</desc>\n%s", text(c.title), text(c.describe()), style)
	fmt.Fprintf(&s, `<rect class="b" x=".5" y=".5" width="%d" height="%d" rx="8"/>`+"\n", plotWidth-1, height-1)
	fmt.Fprintf(&s, `<text class="h" x="%d" y="34">%s</text>`+"\n", plotMargin, text(c.title))
	fmt.Fprintf(&s, `<text class="m" x="%d" y="54">%s</text>`+"\n", plotMargin, text(c.about))
	c.legend(&s, kind)
	y := plotTop
	for _, b := range c.bars {
		if b.gap {
			y += gapStep
		}
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="end">%s</text>`+"\n", left-10, y+15, text(b.label))
		x := left
		for i, p := range b.parts {
			w := width * float64(p) / float64(most)
			if p > 0 {
				fmt.Fprintf(&s, `<rect class="%s%d" x="%.1f" y="%d" width="%.1f" height="%d"/>`+"\n", kind, min(i, maxSeries-1), x, y, max(w, 1), barHeight)
				x += max(w, 1)
			}
		}
		fmt.Fprintf(&s, `<text class="m" x="%.1f" y="%d">%s</text>`+"\n", x+8, y+15, text(b.note))
		y += barStep
	}
	fmt.Fprintf(&s, `<path class="a" d="M%.1f %dV%d"/>`+"\n</svg>\n", left-.5, plotTop-4, height-plotMargin+2)
	return []byte(s.String())
}

func (c *chart) legend(s *strings.Builder, kind string) {
	if len(c.series) < 2 {
		return
	}
	x := float64(plotMargin)
	for i, name := range c.series[:min(len(c.series), maxSeries)] {
		if i == maxSeries-1 && len(c.series) > maxSeries {
			name = "others"
		}
		name = clip(name, maxLabel)
		fmt.Fprintf(s, `<rect class="%s%d" x="%.1f" y="%d" width="11" height="11"/><text x="%.1f" y="%d">%s</text>`+"\n", kind, i, x, legendAt-10, x+17, legendAt, text(name))
		x += 17 + float64(utf8.RuneCountInString(name))*charWidth + 18
	}
}

// describe is the chart in words.
func (c *chart) describe() string {
	var parts []string
	for _, b := range c.bars {
		parts = append(parts, b.label+": "+b.note)
	}
	return strings.Join(parts, "; ")
}

// text makes what stands in SVG of any text.
func text(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if hidden(r) || r == '\ufffe' || r == '\uffff' {
			return ' '
		}
		return r
	}, s))
}

// clip cuts text to so many characters.
func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

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

func (m *maker) plot(name string, c *chart, kind string) error {
	return m.put(document{name: PlotsFolder + "/" + name, content: c.svg(kind)})
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
func (m *maker) composition(column, title string) *chart {
	values, others := m.rows.values(column)
	if len(values) == 0 {
		return nil
	}
	all := m.rows.total()
	c := &chart{title: title, about: fmt.Sprintf("%s rows in all", number(all)), series: m.splits}
	for _, v := range append(values, others...) {
		b := bar{label: v.name, parts: make([]int64, len(m.splits)), note: number(v.n) + " (" + percent(v.n, all) + ")"}
		for i, split := range m.splits {
			b.parts[i] = v.bySplit[split]
		}
		c.bars = append(c.bars, b)
	}
	return c
}

// yieldChart is the chart of what each step kept.
func (m *maker) yieldChart() *chart {
	c := &chart{title: "Yield", about: "Rows that each step gave, then lines that each output has, and what they left out", series: []string{"kept", "left out", "failed"}}
	for i := range m.data.Steps {
		s := &m.data.Steps[i]
		dropped, failed := drops(s)
		c.bars = append(c.bars, yieldBar(s.Address, s.Record.Rows, total(dropped), total(failed)))
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
		b.gap = i == 0
		c.bars = append(c.bars, b)
	}
	return c
}

func yieldBar(label string, kept, out, failed int64) bar {
	b := bar{label: label, parts: []int64{kept, out, failed}, note: number(kept)}
	if out > 0 {
		b.note += ", " + number(out) + " left out"
	}
	if failed > 0 {
		b.note += ", " + number(failed) + " failed"
	}
	return b
}
