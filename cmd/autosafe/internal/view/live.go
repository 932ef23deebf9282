package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
)

// live keeps one line for each step that has begun at the bottom of a
// terminal, and messages above them. Every frame is one write, which draws
// over the frame before it and only then erases what is left of that, so that
// nothing flickers.
type live struct {
	w       io.Writer
	size    func() (columns, lines int)
	now     func() time.Time
	order   []string    // addresses as the recipe has them, cleaned
	steps   []*liveStep // that have begun, in that order
	drawn   int         // lines on the screen
	last    time.Time   // when they were drawn
	frames  int
	batches []Batch            // that are waited for
	cost    *engine.Projection // of the build; nil: not known
}

type liveStep struct {
	address string // cleaned
	begin   time.Time
	now     engine.StepProgress
	done    *engine.StepSummary // once it has finished
}

func newLive(w io.Writer, size func() (int, int)) *live {
	return &live{w: w, size: size, now: time.Now}
}

// frameTime bounds how often the display is drawn.
const frameTime = 100 * time.Millisecond

func (l *live) event(ev engine.Event) {
	switch {
	case ev.Started != nil:
		l.step(ev.Started.Address)
	case ev.Progress != nil:
		l.step(ev.Progress.Address).now = *ev.Progress
	case ev.Projection != nil:
		l.cost = ev.Projection
	case ev.Finished != nil:
		l.step(ev.Finished.Address).done = ev.Finished
	default:
		return
	}
	if l.now().Sub(l.last) >= frameTime {
		l.draw("")
	}
}

// step is the line of a step.
func (l *live) step(address string) *liveStep {
	address = Clean(address)
	for _, s := range l.steps {
		if s.address == address {
			return s
		}
	}
	s := &liveStep{address: address, begin: l.now()}
	l.steps = append(l.steps, s)
	slices.SortStableFunc(l.steps, func(a, b *liveStep) int {
		return slices.Index(l.order, a.address) - slices.Index(l.order, b.address)
	})
	return s
}

func (l *live) message(text string) { l.draw(text) }

// end takes the display off the screen; what stood in it stands in the
// summary too.
func (l *live) end() {
	l.steps, l.cost, l.batches = nil, nil, nil
	l.draw("")
}

// draw writes a frame, with text that stays above it.
func (l *live) draw(text string) {
	var b strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA", l.drawn)
		if text != "" {
			b.WriteString("\x1b[J")
		}
	}
	b.WriteString(text)
	width, height := l.size()
	lines := l.lines(width, height-2)
	if len(lines) > 0 {
		// Without automatic wrapping, a line stays one line even where the
		// terminal takes its characters to be wider than we do.
		b.WriteString("\x1b[?7l")
		for _, line := range lines {
			b.WriteString(line + "\x1b[K\n")
		}
		b.WriteString("\x1b[?7h")
	}
	if len(lines) > 0 || l.drawn > 0 {
		b.WriteString("\x1b[J")
	}
	l.last = l.now()
	l.frames++
	l.drawn = len(lines)
	io.WriteString(l.w, b.String())
}

// maxWaiting bounds the batches that are shown.
const maxWaiting = 5

// lines are the lines of a frame. Where there is no room for all steps, those
// that have finished go first.
func (l *live) lines(width, room int) []string {
	steps := slices.Clone(l.steps)
	cost := costLine(l.cost)
	if cost != "" {
		room--
	}
	waiting := l.batches[:min(len(l.batches), maxWaiting)]
	room = max(room-len(waiting), 1)
	hidden := 0
	hide := func(finished bool) {
		for i := 0; i < len(steps) && len(steps)+min(hidden, 1) > room; {
			if (steps[i].done != nil) == finished {
				steps = slices.Delete(steps, i, i+1)
				hidden++
			} else {
				i++
			}
		}
	}
	hide(true)
	hide(false)
	f := figures{room: width - 1, in: width >= narrow}
	for _, s := range steps {
		f.names = max(f.names, columns(s.address))
	}
	f.names = min(f.names, max(8, f.room-f.columns()))
	var lines []string
	if hidden > 0 {
		lines = append(lines, clip(fmt.Sprintf("  … and %s", plural(int64(hidden), "more step")), width-1))
	}
	for _, s := range steps {
		lines = append(lines, clip(l.line(s, f), width-1))
	}
	for i := range waiting {
		lines = append(lines, clip(l.waiting(&waiting[i]), width-1))
	}
	if cost != "" {
		lines = append(lines, clip(cost, width-1))
	}
	return lines
}

// costLine tells what the build has cost, and what it may come to.
func costLine(p *engine.Projection) string {
	if p == nil || dollars(p.CostUSD) == "" {
		return ""
	}
	line := "  cost " + dollars(p.CostUSD)
	if p.TotalUSD > p.CostUSD {
		word := "about "
		if p.Least {
			word = "at least "
		}
		line += " of " + word + dollars(p.TotalUSD)
	}
	return line
}

const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

// line is a step's line: figures that change stand in columns of their own,
// the most telling ones first, since the end may be cut off.
func (l *live) line(s *liveStep, f figures) string {
	if s.done != nil {
		return doneLine(s, f)
	}
	p := &s.now
	in := ""
	if p.RowsIn > 0 {
		in = count(p.RowsIn) + " in"
		if !p.InputDone {
			in = count(p.RowsIn) + "+ in"
		}
	}
	var more []string
	if text := noteText(p.Note); text != "" {
		more = append(more, text)
	}
	if p.Failed > 0 {
		more = append(more, count(p.Failed)+" failed")
	}
	if n := p.Calls.Made; n > 0 {
		more = append(more, plural(n, "call"))
	}
	if n := p.Calls.InFlight; n > 0 {
		more = append(more, count(n)+" in flight")
	}
	if usd := dollars(p.Calls.CostUSD); usd != "" {
		more = append(more, usd)
	}
	if p.RowsHit > 0 {
		more = append(more, count(p.RowsHit)+" cached")
	}
	frame := []rune(spinner)[l.frames%10]
	elapsed := duration(float64(int(l.now().Sub(s.begin).Seconds())))
	return f.line(string(frame), s.address, in, count(p.RowsOut)+" out", elapsed, more)
}

// noteText is how far a component says that it is.
func noteText(n *engine.Note) string {
	if n == nil {
		return ""
	}
	text := Clean(n.Text)
	if n.Total > 0 {
		text = strings.TrimSpace(text + " " + count(n.Done) + "/" + count(n.Total))
	}
	for _, name := range slices.Sorted(maps.Keys(n.Figures)) {
		text += fmt.Sprintf(", %s %.4g", strings.ReplaceAll(Clean(name), "_", " "), n.Figures[name])
	}
	return strings.TrimPrefix(text, ", ")
}

func doneLine(s *liveStep, f figures) string {
	in := ""
	if s.done.RowsIn > 0 {
		in = count(s.done.RowsIn) + " in"
	}
	time := duration(s.done.Seconds)
	if s.done.Status == engine.StatusHit {
		time = "cached"
	}
	var more []string
	if s.done.RowsFailed > 0 {
		more = append(more, count(s.done.RowsFailed)+" failed")
	}
	return f.line("✓", s.address, in, count(s.done.RowsOut)+" out", time, more)
}

// figures is how a line is laid out: an address, figures that each have a
// column, and what else there is room for.
type figures struct {
	room  int // columns of the terminal
	names int // columns of the addresses
	in    bool
}

// narrow is where a terminal has no room for the rows that went in.
const narrow = 60

const (
	inColumns   = 10
	outColumns  = 11
	timeColumns = 11
)

// columns is how many a line takes beside the address.
func (f figures) columns() int {
	n := 2 + outColumns + timeColumns
	if f.in {
		n += inColumns
	}
	return n
}

func (f figures) line(mark, address, in, out, time string, more []string) string {
	line := mark + " " + pad(shorten(address, f.names), f.names, false)
	if f.in {
		line += pad(in, inColumns, true)
	}
	line += pad(out, outColumns, true) + pad(time, timeColumns, true)
	sep := "  "
	for _, text := range more {
		if columns(line)+len(sep)+columns(text) > f.room {
			break
		}
		line += sep + text
		sep = ", "
	}
	return line
}
