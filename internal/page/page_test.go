package page

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// TestPlots draws what is out of bounds, empty, or of odd names: the plot is XML, and
// nothing in it is a number that is none, or lies outside.
func TestPlots(t *testing.T) {
	odd := []Estimate{{0.5, 0.2, 0.9}, {}, {1, 1, 1}, {math.NaN(), math.NaN(), math.NaN()}, {-3, -9, 7}, {math.Inf(1), math.Inf(-1), math.Inf(1)}, {0.5, 0.9, 0.1}}
	for _, name := range []string{"", "plain", "<script>&\"'", "\x00\u202e\ufffe", strings.Repeat("long ", 100)} {
		bars := &Intervals{Title: name, About: name}
		points := &Scatter{Title: name, About: name, X: name, Y: name}
		for i, e := range odd {
			bars.Groups = append(bars.Groups, IntervalGroup{Label: name, Bars: []Interval{{name, e, name, i - 1}}})
			points.Points = append(points.Points, Point{name, name, e, odd[len(odd)-1-i], i * 5})
		}
		for _, plot := range []string{
			string(bars.SVG()), bars.Inline(), bars.Narrow(), string(points.SVG()), points.Inline(), points.Narrow(),
			string((&Intervals{}).SVG()), (&Intervals{}).Narrow(), string((&Scatter{}).SVG()),
		} {
			if err := wellFormed(plot); err != nil {
				t.Errorf("%q: %v", name, err)
			}
			if strings.Contains(plot, "NaN") || strings.Contains(plot, "Inf") || strings.Contains(plot, `width="-`) || strings.Contains(plot, "<script") {
				t.Errorf("%.40q: %s", name, plot)
			}
		}
	}
}

func wellFormed(text string) error {
	for dec := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestBounded keeps estimates in order and within the plot.
func TestBounded(t *testing.T) {
	for _, tt := range []struct{ in, want Estimate }{
		{Estimate{0.5, 0.2, 0.9}, Estimate{0.5, 0.2, 0.9}},
		{Estimate{0.5, 0.9, 0.1}, Estimate{0.5, 0.5, 0.5}},
		{Estimate{-1, -2, 3}, Estimate{0, 0, 1}},
		{Estimate{math.NaN(), 0.1, 0.2}, Estimate{0, 0, 0.2}},
	} {
		if got := tt.in.bounded(); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.in, got, tt.want)
		}
	}
}

// TestText writes what others wrote: it stays text, on its line.
func TestText(t *testing.T) {
	for _, s := range []string{"a|b", "x\n# head", "<script>", "`code`", "[link](http://x)", "a\u202eb", "\xff\xfe"} {
		for _, got := range []string{Plain(s), Code(s), Text(s), Escape(s)} {
			if strings.ContainsAny(got, "\n\x00\u202e") {
				t.Errorf("%q becomes %q", s, got)
			}
		}
		if got := Text(s); strings.ContainsAny(got, `<>"'`) {
			t.Errorf("%q becomes %q", s, got)
		}
	}
	if long := strings.Repeat("é", 300); len([]rune(Plain(long))) != MaxCell || len(Escape(long)) != len(long) {
		t.Error("only cells are cut")
	}
}
