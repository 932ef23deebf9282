package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
)

// progress shows how far a build is.
type progress interface {
	event(engine.Event)
	clear() // makes room for a message
	end()
}

// silent shows nothing.
type silent struct{}

func (silent) event(engine.Event) {}
func (silent) clear()             {}
func (silent) end()               {}

// plain writes a line when a step is finished.
type plain struct {
	w      io.Writer
	failed int
}

// failuresShown bounds how many failed rows are told one by one.
const failuresShown = 5

func (p *plain) clear() {}
func (p *plain) end()   {}

func (p *plain) event(ev engine.Event) {
	switch {
	case ev.Finished != nil:
		fmt.Fprintln(p.w, finishedLine(ev.Finished))
	case ev.Failed != nil:
		if p.failed++; p.failed <= failuresShown {
			fmt.Fprintln(p.w, failedLine(ev.Failed))
		} else if p.failed == failuresShown+1 {
			fmt.Fprintln(p.w, "more rows failed; they are counted below")
		}
	}
}

func finishedLine(s *engine.StepSummary) string {
	line := fmt.Sprintf("%s: %s", Clean(s.Address), s.Status)
	if s.RowsIn > 0 {
		line += fmt.Sprintf(", %s in", count(s.RowsIn))
	}
	line += fmt.Sprintf(", %s out", count(s.RowsOut))
	if s.Status == engine.StatusRun {
		if s.RowsHit > 0 {
			line += fmt.Sprintf(", %s from the cache", count(s.RowsHit))
		}
		if s.Calls.Made+s.Calls.Cached > 0 {
			line += fmt.Sprintf(", %s made", plural(s.Calls.Made, "call"))
		}
		line += fmt.Sprintf(", %.1fs", s.Seconds)
	}
	return line
}

func failedLine(f *engine.RowFailed) string {
	return fmt.Sprintf("%s: row %s failed (%s): %s", Clean(f.Address), Clean(f.Row), Clean(f.Error.Code), Clean(clip(f.Error.Error(), 300)))
}

// clip cuts long text.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// live keeps one line per running step at the bottom of a terminal.
type live struct {
	w      io.Writer
	plain  plain
	color  bool
	steps  []*liveStep
	drawn  int // lines on the screen
	last   time.Time
	width  func() int
	frames int
}

type liveStep struct {
	address string
	begin   time.Time
	now     engine.StepProgress
}

func newLive(w io.Writer, color bool) *live {
	return &live{w: w, plain: plain{w: w}, color: color, width: func() int { return width(w) }}
}

// frameTime bounds how often the display is drawn.
const frameTime = 100 * time.Millisecond

func (l *live) event(ev engine.Event) {
	switch {
	case ev.Started != nil:
		l.steps = append(l.steps, &liveStep{address: ev.Started.Address, begin: time.Now()})
	case ev.Progress != nil:
		for _, s := range l.steps {
			if s.address == ev.Progress.Address {
				s.now = *ev.Progress
			}
		}
		if time.Since(l.last) < frameTime {
			return
		}
	case ev.Finished != nil:
		l.clear()
		l.plain.event(ev)
		for i, s := range l.steps {
			if s.address == ev.Finished.Address {
				l.steps = append(l.steps[:i], l.steps[i+1:]...)
				break
			}
		}
	case ev.Failed != nil:
		l.clear()
		l.plain.event(ev)
	}
	l.draw()
}

func (l *live) end() {
	l.steps = nil
	l.clear()
}

// clear takes the display off the screen.
func (l *live) clear() {
	if l.drawn > 0 {
		fmt.Fprintf(l.w, "\x1b[%dA\x1b[J", l.drawn)
		l.drawn = 0
	}
}

func (l *live) draw() {
	l.last = time.Now()
	l.frames++
	var b strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", l.drawn)
	}
	width := l.width()
	for _, s := range l.steps {
		b.WriteString(clip(l.stepLine(s), width-1) + "\x1b[K\n")
	}
	if len(l.steps) < l.drawn {
		b.WriteString("\x1b[J")
	}
	l.drawn = len(l.steps)
	io.WriteString(l.w, b.String())
}

const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

func (l *live) stepLine(s *liveStep) string {
	p := s.now
	frame := []rune(spinner)[l.frames%10]
	line := fmt.Sprintf("%c %-34s", frame, Clean(s.address))
	in := count(p.RowsIn)
	if !p.InputDone && p.RowsIn > 0 {
		in += "+"
	}
	line += fmt.Sprintf(" %6s in %6s out", in, count(p.RowsOut))
	if p.RowsHit > 0 {
		line += fmt.Sprintf("  %s cached", count(p.RowsHit))
	}
	if n := p.Calls.Made + p.Calls.Cached; n > 0 {
		line += fmt.Sprintf("  %s calls", count(n))
	}
	if p.Calls.InFlight > 0 {
		line += fmt.Sprintf(" (%d in flight)", p.Calls.InFlight)
	}
	if p.Calls.CostUSD > 0 {
		line += fmt.Sprintf("  $%.2f", p.Calls.CostUSD)
	}
	if p.Failed > 0 {
		line += fmt.Sprintf("  %s failed", count(p.Failed))
	}
	return line + fmt.Sprintf("  %ds", int(time.Since(s.begin).Seconds()))
}
