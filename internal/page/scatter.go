package page

import (
	"fmt"
	"strings"
)

// Scatter is a plot of points in a square from 0 to 1, each with an interval in
// both directions. Points carry letters, which the legend below explains.
type Scatter struct {
	Title, About string
	X, Y         string // what the axes are
	Points       []Point
}

// Point is a point of a Scatter.
type Point struct {
	Label, Note string // in the legend
	X, Y        Estimate
	Series      int // its colour
}

// Measures of Scatter, in pixels.
const (
	scatterLeft   = 74
	scatterHeight = 320
	scatterFoot   = 56
	legendStep    = 24
	legendLine    = 18
	maxLegend     = 60
	narrowNote    = 52
	pointRadius   = 9
)

// SVG draws the plot, as a file of its own.
func (c *Scatter) SVG() []byte { return []byte(c.draw(IntervalStyle, intervalWidth)) }

// Inline draws the plot for a page that has IntervalStyle.
func (c *Scatter) Inline() string { return c.draw("", intervalWidth) }

// Narrow is Inline for a window as narrow as a phone's.
func (c *Scatter) Narrow() string { return c.draw("", narrowWidth) }

func (c *Scatter) draw(style string, width int) string {
	step, title, about := legendStep, c.Title, c.About
	if width == narrowWidth {
		step, title, about = step+legendLine, Clip(title, narrowTitle), Clip(about, narrowAbout)
	}
	height := intervalTop + scatterHeight + scatterFoot + step*len(c.Points) + plotMargin
	var s strings.Builder
	beginPlot(&s, frame{width, height, title, about, c.describe(), width == narrowWidth}, style)
	right, bottom := float64(width-plotMargin), float64(intervalTop+scatterHeight)
	at := func(x, y float64) (float64, float64) {
		return scatterLeft + (right-scatterLeft)*x, bottom - scatterHeight*y
	}
	for tick := 0; tick <= 4; tick++ {
		x, y := at(float64(tick)/4, float64(tick)/4)
		fmt.Fprintf(&s, `<path class="a" d="M%.1f %dV%.1fM%d %.1fH%.1f"/>`, x, intervalTop, bottom, scatterLeft, y, right)
		fmt.Fprintf(&s, `<text class="t" x="%.1f" y="%.1f" text-anchor="middle">%d %%</text>`, x, bottom+16, tick*25)
		fmt.Fprintf(&s, `<text class="t" x="%d" y="%.1f" text-anchor="end">%d %%</text>`+"\n", scatterLeft-8, y+4, tick*25)
	}
	fmt.Fprintf(&s, `<text class="m" x="%.1f" y="%.1f" text-anchor="middle">%s →</text>`, (scatterLeft+right)/2, bottom+38, Text(Clip(c.X, maxLegend)))
	fmt.Fprintf(&s, `<text class="m" transform="translate(%d %.1f) rotate(-90)" text-anchor="middle">%s →</text>`+"\n", plotMargin+4, bottom-scatterHeight/2., Text(Clip(c.Y, maxName+10)))
	for _, p := range c.Points {
		x, y := p.X.bounded(), p.Y.bounded()
		cx, cy := at(x.Value, y.Value)
		l, b := at(x.Low, y.Low)
		h, t := at(x.High, y.High)
		fmt.Fprintf(&s, `<path class="w" d="M%.1f %.1fH%.1fM%.1f %.1fV%.1f"/>`+"\n", l, cy, h, cx, b, t)
	}
	for i, p := range c.Points {
		x, y := at(p.X.bounded().Value, p.Y.bounded().Value)
		dot(&s, i, p.Series, x, y)
	}
	y := bottom + scatterFoot + legendStep
	for i, p := range c.Points {
		x := plotMargin + 2*pointRadius + 8
		dot(&s, i, p.Series, plotMargin+pointRadius, y-14)
		label := fmt.Sprintf(`<text x="%d" y="%.1f"><tspan class="g">%s</tspan>`, x, y-9, Text(Clip(p.Label, maxName+6)))
		if width == narrowWidth {
			fmt.Fprintf(&s, `%s</text><text class="t" x="%d" y="%.1f">%s</text>`+"\n", label, x, y-9+legendLine, Text(Clip(p.Note, narrowNote)))
		} else {
			fmt.Fprintf(&s, `%s<tspan class="m" dx="10">%s</tspan></text>`+"\n", label, Text(Clip(p.Note, maxLegend)))
		}
		y += float64(step)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// dot draws the i-th point and its letter.
func dot(s *strings.Builder, i, series int, x, y float64) {
	letter := string(rune('A' + i%26))
	fmt.Fprintf(s, `<circle class="%s" cx="%.1f" cy="%.1f" r="%d"/><text class="l" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", colour(series), x, y, pointRadius, x, y+4, letter)
}

func (c *Scatter) describe() string {
	var parts []string
	for _, p := range c.Points {
		parts = append(parts, Clip(p.Label, maxGroupName)+": "+Clip(p.Note, maxLegend))
	}
	return strings.Join(parts, "; ")
}
