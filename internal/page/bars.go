package page

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bars is a plot of horizontal bars that are made of parts. A plot brings its own
// background, and so can be read on a light page and on a dark one, whatever either
// says of itself.
type Bars struct {
	Title, About string
	Series       []string // what the parts of the bars are, for the legend
	Bars         []Bar
}

// Bar is a bar of parts, one for each of the plot's series.
type Bar struct {
	Label string
	Parts []int64
	Note  string // behind it
	Gap   bool   // set apart from the one above
}

// Measures of plots, in pixels.
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

func (b *Bar) total() (n int64) {
	for _, p := range b.Parts {
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

// SVG draws the plot. kind is the letter of its colours: s for parts that are
// alike, k for what was kept and lost.
func (c *Bars) SVG(kind string) []byte {
	labels, notes, most := 0, 0, int64(1)
	for i := range c.Bars {
		c.Bars[i].Label = Clip(c.Bars[i].Label, maxLabel)
		labels = max(labels, utf8.RuneCountInString(c.Bars[i].Label))
		notes = max(notes, utf8.RuneCountInString(c.Bars[i].Note))
		most = max(most, c.Bars[i].total())
	}
	left := float64(plotMargin) + float64(labels)*charWidth + 12
	width := max(minBars, float64(plotWidth-plotMargin)-left-float64(notes)*charWidth-8)
	height := plotTop + plotMargin
	for _, b := range c.Bars {
		height += barStep
		if b.Gap {
			height += gapStep
		}
	}
	var s strings.Builder
	begin(&s, frame{width: plotWidth, height: height, title: c.Title, about: c.About, desc: c.describe()}, style)
	c.legend(&s, kind)
	y := plotTop
	for _, b := range c.Bars {
		if b.Gap {
			y += gapStep
		}
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="end">%s</text>`+"\n", left-10, y+15, Text(b.Label))
		x := left
		for i, p := range b.Parts {
			w := width * float64(p) / float64(most)
			if p > 0 {
				fmt.Fprintf(&s, `<rect class="%s%d" x="%.1f" y="%d" width="%.1f" height="%d"/>`+"\n", kind, min(i, maxSeries-1), x, y, max(w, 1), barHeight)
				x += max(w, 1)
			}
		}
		fmt.Fprintf(&s, `<text class="m" x="%.1f" y="%d">%s</text>`+"\n", x+8, y+15, Text(b.Note))
		y += barStep
	}
	fmt.Fprintf(&s, `<path class="a" d="M%.1f %dV%d"/>`+"\n</svg>\n", left-.5, plotTop-4, height-plotMargin+2)
	return []byte(s.String())
}

func (c *Bars) legend(s *strings.Builder, kind string) {
	if len(c.Series) < 2 {
		return
	}
	x := float64(plotMargin)
	for i, name := range c.Series[:min(len(c.Series), maxSeries)] {
		if i == maxSeries-1 && len(c.Series) > maxSeries {
			name = "others"
		}
		name = Clip(name, maxLabel)
		fmt.Fprintf(s, `<rect class="%s%d" x="%.1f" y="%d" width="11" height="11"/><text x="%.1f" y="%d">%s</text>`+"\n", kind, i, x, legendAt-10, x+17, legendAt, Text(name))
		x += 17 + float64(utf8.RuneCountInString(name))*charWidth + 18
	}
}

// describe is the plot in words.
func (c *Bars) describe() string {
	var parts []string
	for _, b := range c.Bars {
		parts = append(parts, b.Label+": "+b.Note)
	}
	return strings.Join(parts, "; ")
}

// frame is what all plots have: a size, a head and what they show in words.
type frame struct {
	width, height      int
	title, about, desc string
	small              bool // what it is about is written smaller
}

// begin writes the head of a plot.
func begin(s *strings.Builder, f frame, style string) {
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%s">`+"\n", f.width, f.height, Text(f.title))
	fmt.Fprintf(s, "<title>%s</title>\n<desc>%s</desc>\n%s", Text(f.title), Text(f.desc), style)
	fmt.Fprintf(s, `<rect class="b" x=".5" y=".5" width="%d" height="%d" rx="8"/>`+"\n", f.width-1, f.height-1)
	fmt.Fprintf(s, `<text class="h" x="%d" y="34">%s</text>`+"\n", plotMargin, Text(f.title))
	class := "m"
	if f.small {
		class = "t"
	}
	fmt.Fprintf(s, `<text class="%s" x="%d" y="54">%s</text>`+"\n", class, plotMargin, Text(f.about))
}
