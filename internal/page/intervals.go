package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Intervals is a plot of values with their intervals: groups of horizontal bars,
// each with its name before it and its value behind it, so that nothing hangs on
// a colour alone. Values are shares, from 0 to 1.
type Intervals struct {
	Title, About string
	Groups       []IntervalGroup
}

// IntervalGroup is values that are to be compared.
type IntervalGroup struct {
	Label string
	Bars  []Interval
}

// Interval is a value with its interval.
type Interval struct {
	Label    string
	Estimate Estimate
	Note     string // behind it
	Series   int    // its colour; NeutralSeries is grey
}

// Estimate is a share and where it may lie. Unknown bounds are equal to the value.
type Estimate struct{ Value, Low, High float64 }

// NeutralSeries is the colour of what others are compared with.
const NeutralSeries = -1

// Colours is how many colours there are beside the neutral one.
const Colours = 7

// IntervalStyle is the style of Intervals and Scatter, for pages that have them
// inline.
const IntervalStyle = `<style>
.plot text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:#1f2328}
.plot .b{fill:#fff;stroke:#d1d9e0}.plot .h{font-size:17px;font-weight:600}.plot .g{font-weight:600}.plot .m{fill:#59636e}
.plot .t{font-size:11px;fill:#59636e}.plot .l{font-size:11px;font-weight:700;fill:#fff}
.plot .a{stroke:#d1d9e0;fill:none}.plot .w{stroke:#1f2328;stroke-width:1.5;fill:none}
.plot .c{fill:#8c959f}.plot .c0{fill:#0969da}.plot .c1{fill:#bc4c00}.plot .c2{fill:#8250df}.plot .c3{fill:#1a7f37}
.plot .c4{fill:#bf3989}.plot .c5{fill:#1b7c83}.plot .c6{fill:#9a6700}
@media (prefers-color-scheme:dark){.plot text{fill:#f0f6fc}.plot .b{fill:#0d1117;stroke:#3d444d}.plot .m,.plot .t{fill:#9198a1}
.plot .a{stroke:#3d444d}.plot .w{stroke:#f0f6fc}.plot .l{fill:#0d1117}.plot .c{fill:#8b949e}.plot .c0{fill:#4493f8}.plot .c1{fill:#f0883e}
.plot .c2{fill:#ab7df8}.plot .c3{fill:#3fb950}.plot .c4{fill:#f778ba}.plot .c5{fill:#39c5cf}.plot .c6{fill:#d29922}}
</style>
`

// Measures of plots with intervals, in pixels.
const (
	intervalWidth = 720
	intervalTop   = 76
	intervalStep  = 24
	intervalBar   = 14
	groupStep     = 28
	groupGap      = 10
	maxName       = 22
	maxGroupName  = 70
	maxNote       = 26

	narrowWidth  = 360
	narrowMargin = 24
	narrowStep   = 42
	narrowName   = 38
	narrowTitle  = 32
	narrowAbout  = 56
)

// SVG draws the plot, as a file of its own.
func (c *Intervals) SVG() []byte { return []byte(c.draw(IntervalStyle)) }

// Inline draws the plot for a page that has IntervalStyle.
func (c *Intervals) Inline() string { return c.draw("") }

// Narrow is Inline for a window as narrow as a phone's: names and values stand
// above their bars.
func (c *Intervals) Narrow() string {
	height := intervalTop + 22 + narrowMargin
	for _, g := range c.Groups {
		height += groupGap + groupStep + narrowStep*len(g.Bars)
	}
	var s strings.Builder
	beginPlot(&s, frame{narrowWidth, height, Clip(c.Title, narrowTitle), Clip(c.About, narrowAbout), c.describe(), true}, "")
	left, width := float64(narrowMargin), float64(narrowWidth-2*narrowMargin)
	bottom := height - narrowMargin - 14
	c.axis(&s, left, width, bottom)
	y := intervalTop
	for _, g := range c.Groups {
		fmt.Fprintf(&s, `<text class="g" x="%d" y="%d">%s</text>`+"\n", narrowMargin, y+17, Text(Clip(g.Label, narrowName)))
		y += groupStep
		for _, b := range g.Bars {
			fmt.Fprintf(&s, `<text x="%.1f" y="%d">%s</text><text class="m" x="%.1f" y="%[2]d" text-anchor="end">%[5]s</text>`, left, y+12, Text(Clip(b.Label, maxName)), left+width, Text(Clip(b.Note, maxNote)))
			b.bar(&s, left, width, y+13)
			s.WriteString("\n")
			y += narrowStep
		}
		y += groupGap
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// axis draws a scale from 0 to 1.
func (c *Intervals) axis(s *strings.Builder, left, width float64, bottom int) {
	for tick := 0; tick <= 4; tick++ {
		x := left + width*float64(tick)/4
		fmt.Fprintf(s, `<path class="a" d="M%.1f %dV%d"/><text class="t" x="%.1f" y="%d" text-anchor="middle">%d %%</text>`+"\n", x, intervalTop-4, bottom, x, bottom+16, tick*25)
	}
}

func (c *Intervals) draw(style string) string {
	names, notes, height := 4, 8, intervalTop+22+plotMargin
	for _, g := range c.Groups {
		height += groupGap
		if g.Label != "" {
			height += groupStep
		}
		for _, b := range g.Bars {
			names = max(names, len([]rune(Clip(b.Label, maxName))))
			notes = max(notes, len([]rune(Clip(b.Note, maxNote))))
			height += intervalStep
		}
	}
	left := plotMargin + float64(names)*charWidth + 10
	width := intervalWidth - plotMargin - left - float64(notes)*charWidth - 14
	var s strings.Builder
	beginPlot(&s, frame{intervalWidth, height, c.Title, c.About, c.describe(), false}, style)
	bottom := height - plotMargin - 14
	c.axis(&s, left, width, bottom)
	y := intervalTop
	for _, g := range c.Groups {
		if g.Label != "" {
			fmt.Fprintf(&s, `<text class="g" x="%d" y="%d">%s</text>`+"\n", plotMargin, y+17, Text(Clip(g.Label, maxGroupName)))
			y += groupStep
		}
		for _, b := range g.Bars {
			b.draw(&s, left, width, y)
			y += intervalStep
		}
		y += groupGap
	}
	s.WriteString("</svg>\n")
	return s.String()
}

func (b *Interval) draw(s *strings.Builder, left, width float64, y int) {
	fmt.Fprintf(s, `<text x="%.1f" y="%d" text-anchor="end">%s</text>`, left-10, y+16, Text(Clip(b.Label, maxName)))
	b.bar(s, left, width, y)
	fmt.Fprintf(s, `<text class="m" x="%.1f" y="%d">%s</text>`+"\n", left+width+14, y+16, Text(Clip(b.Note, maxNote)))
}

// bar draws the bar and its interval.
func (b *Interval) bar(s *strings.Builder, left, width float64, y int) {
	e := b.Estimate.bounded()
	fmt.Fprintf(s, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"/>`, colour(b.Series), left, y+5, max(width*e.Value, 1.5), intervalBar)
	if e.Low < e.High {
		l, h, m := left+width*e.Low, left+width*e.High, float64(y)+5+intervalBar/2.
		fmt.Fprintf(s, `<path class="w" d="M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8"/>`, l, m, h, l, m-4, h, m-4)
	}
}

func (c *Intervals) describe() string {
	var parts []string
	for _, g := range c.Groups {
		for _, b := range g.Bars {
			parts = append(parts, strings.TrimSpace(Clip(g.Label, maxGroupName)+" "+Clip(b.Label, maxGroupName))+": "+Clip(b.Note, maxGroupName))
		}
	}
	return strings.Join(parts, "; ")
}

// bounded is the estimate within 0 and 1, with low, value and high in order.
func (e Estimate) bounded() Estimate {
	v := unit(e.Value)
	return Estimate{v, min(unit(e.Low), v), max(unit(e.High), v)}
}

func unit(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return min(max(x, 0), 1)
}

// colour is the class of a series.
func colour(series int) string {
	if series < 0 {
		return "c"
	}
	return "c" + strconv.Itoa(series%Colours)
}

// beginPlot writes the head of a plot whose style is IntervalStyle.
func beginPlot(s *strings.Builder, f frame, style string) {
	var head strings.Builder
	begin(&head, f, style)
	s.WriteString(strings.Replace(head.String(), "<svg ", `<svg class="plot" `, 1))
}
