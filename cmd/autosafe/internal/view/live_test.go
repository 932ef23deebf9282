package view

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
)

// screen is as much of a terminal as live uses. It fails on what it does not
// know.
type screen struct {
	t     *testing.T
	width int
	lines []string // the last one is where the cursor is, if at is its number
	at    int
	wraps bool
}

func newScreen(t *testing.T, width int) *screen {
	return &screen{t: t, width: width, lines: []string{""}, wraps: true}
}

var sequence = regexp.MustCompile(`^\x1b\[(\??[0-9]*)([AJKhl])`)

func (s *screen) Write(b []byte) (int, error) {
	for text := string(b); text != ""; {
		if m := sequence.FindStringSubmatch(text); m != nil {
			s.control(m[1], m[2])
			text = text[len(m[0]):]
			continue
		}
		switch r := []rune(text)[0]; r {
		case '\n':
			s.at++
			if s.at == len(s.lines) {
				s.lines = append(s.lines, "")
			}
			text = text[1:]
			s.over()
		case '\r':
			text = text[1:]
			s.over()
		default:
			if r < ' ' {
				s.t.Fatalf("unknown control in %q", text)
			}
			s.lines[s.at] += string(r)
			if columns(s.lines[s.at]) > s.width && s.wraps {
				s.t.Fatalf("a line wraps: %q", s.lines[s.at])
			}
			text = text[len(string(r)):]
		}
	}
	return len(b), nil
}

// over notes that the cursor is at the start of a line, which is then
// written over from there.
func (s *screen) over() {
	if s.at < len(s.lines) {
		s.lines[s.at] = ""
	}
}

func (s *screen) control(arg, letter string) {
	switch letter {
	case "A":
		n, err := strconv.Atoi(arg)
		if err != nil || n > s.at {
			s.t.Fatalf("the cursor leaves the screen: %s of %d", arg, s.at)
		}
		s.at -= n
		s.over()
	case "J":
		s.lines = s.lines[:s.at+1]
	case "h", "l":
		if arg != "?7" {
			s.t.Fatalf("unknown mode %s", arg)
		}
		s.wraps = letter == "h"
	}
}

func (s *screen) text() string { return strings.Join(s.lines, "\n") }

func TestLive(t *testing.T) {
	for _, width := range []int{20, 40, 60, 80, 120} {
		t.Run(fmt.Sprint(width), func(t *testing.T) { testLive(t, width) })
	}
}

func testLive(t *testing.T, width int) {
	s := newScreen(t, width)
	l := newLive(s, func() (int, int) { return width, 24 })
	now := time.Unix(0, 0)
	l.now = func() time.Time { now = now.Add(time.Second); return now }
	l.order = []string{"threat_source.catalog.pairs", "simulator.trajectory.scenarios", `judge.x["日本語日本語日本語日本語"]`}
	for _, i := range []int{2, 0, 1} { // as they come
		l.event(engine.Event{Started: &engine.StepStarted{Address: l.order[i]}})
	}
	for i := range 30 {
		n := int64(i * 12345)
		l.event(engine.Event{Progress: &engine.StepProgress{Address: l.order[1], RowsIn: n, RowsOut: n, RowsHit: n, Failed: int64(i),
			Calls: engine.CallCounts{Made: n, CostUSD: float64(n) / 100, InFlight: 64}}})
	}
	l.message("a message that stays\n")
	l.event(engine.Event{Finished: &engine.StepSummary{Address: l.order[0], Status: engine.StatusHit, RowsOut: 7}})
	got := s.text()
	first, second := strings.Index(got, "✓ "), strings.Index(got, "scenarios")
	if width == 80 && (!strings.HasPrefix(got, "a message that stays\n✓ threat_source.catalog.pairs") || second < first) {
		t.Errorf("the screen shows\n%s", got)
	}
	if width >= 40 && strings.Count(got, "\n") != 4 {
		t.Errorf("%d lines:\n%s", strings.Count(got, "\n"), got)
	}
	l.end()
	if got := s.text(); got != "a message that stays\n" {
		t.Errorf("at the end the screen shows %q", got)
	}
	if !s.wraps {
		t.Error("wrapping was left switched off")
	}
}

func TestCostLine(t *testing.T) {
	for want, p := range map[string]*engine.Projection{
		"":                               nil,
		"  cost $2.00":                   {CostUSD: 2, TotalUSD: 2},
		"  cost $2.00 of about $10.00":   {CostUSD: 2, TotalUSD: 10},
		"  cost $2.00 of at least $3.50": {CostUSD: 2, TotalUSD: 3.5, Least: true},
	} {
		if got := costLine(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := costLine(&engine.Projection{TotalUSD: 1}); got != "" {
		t.Errorf("of a build that has cost nothing: %q", got)
	}
	s := newScreen(t, 80)
	l := newLive(s, func() (int, int) { return 80, 4 })
	l.now = func() time.Time { return time.Time{} }
	for i := range 5 {
		l.event(engine.Event{Started: &engine.StepStarted{Address: fmt.Sprint("step", i)}})
	}
	l.event(engine.Event{Projection: &engine.Projection{CostUSD: 2, TotalUSD: 3}})
	l.draw("")
	if got := s.text(); strings.Count(got, "\n") != 2 || !strings.HasSuffix(got, "  cost $2.00 of about $3.00\n") {
		t.Errorf("in a low terminal:\n%s", got)
	}
	l.end()
	if got := s.text(); got != "" {
		t.Errorf("at the end: %q", got)
	}
}

func TestLiveManySteps(t *testing.T) {
	s := newScreen(t, 80)
	l := newLive(s, func() (int, int) { return 80, 10 })
	l.now = func() time.Time { return time.Time{} }
	for i := range 50 {
		l.event(engine.Event{Started: &engine.StepStarted{Address: fmt.Sprint("step", i)}})
		if i < 45 {
			l.event(engine.Event{Finished: &engine.StepSummary{Address: fmt.Sprint("step", i)}})
		}
	}
	l.draw("")
	got := s.text()
	if n := strings.Count(got, "\n"); n > 8 {
		t.Errorf("%d lines on a terminal of 10:\n%s", n, got)
	}
	for i := 45; i < 50; i++ {
		if !strings.Contains(got, fmt.Sprint("step", i, " ")) {
			t.Errorf("step%d, which runs, is not shown:\n%s", i, got)
		}
	}
	if !strings.Contains(got, "more steps") {
		t.Errorf("that steps are hidden is not said:\n%s", got)
	}
}

// Frames are bounded, however fast events come.
func TestLiveFrames(t *testing.T) {
	var b countingWriter
	l := newLive(&b, func() (int, int) { return 80, 24 })
	now := time.Unix(0, 0)
	l.now = func() time.Time { return now }
	for range 1000 {
		now = now.Add(time.Millisecond)
		l.event(engine.Event{Progress: &engine.StepProgress{Address: "x"}})
	}
	if b > 11 {
		t.Errorf("%d frames in a second", b)
	}
}

type countingWriter int

func (c *countingWriter) Write(b []byte) (int, error) { *c++; return len(b), nil }
