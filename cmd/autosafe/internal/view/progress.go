package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
)

// progress shows how far a build is. It is used by one goroutine at a time.
type progress interface {
	event(engine.Event)
	message(text string) // whole lines, which stay
	end()
}

// silent shows messages alone.
type silent struct{ w io.Writer }

func (silent) event(engine.Event)    {}
func (s silent) message(text string) { io.WriteString(s.w, text) }
func (silent) end()                  {}

// plain writes a line when a step is finished, and when a training tells of its
// loss.
type plain struct{ w io.Writer }

func (p plain) message(text string) { io.WriteString(p.w, text) }
func (p plain) end()                {}

func (p plain) event(ev engine.Event) {
	switch {
	case ev.Finished != nil:
		p.message(finishedLine(ev.Finished) + "\n")
	case ev.Training != nil:
		p.message(Clean(ev.Training.Address) + ": " + noteText(&ev.Training.Note) + "\n")
	}
}

// finishedLine tells what became of a step.
func finishedLine(s *engine.StepSummary) string {
	var parts []string
	if s.RowsIn > 0 {
		parts = append(parts, count(s.RowsIn)+" in")
	}
	parts = append(parts, count(s.RowsOut)+" out")
	if s.RowsFailed > 0 {
		parts = append(parts, count(s.RowsFailed)+" failed")
	}
	if s.Status == engine.StatusHit {
		parts = append(parts, "all from the cache")
	} else {
		if s.RowsHit > 0 {
			parts = append(parts, count(s.RowsHit)+" from the cache")
		}
		if s.Calls.Made > 0 {
			parts = append(parts, plural(s.Calls.Made, "call"))
		}
		if usd := dollars(s.Calls.CostUSD); usd != "" {
			parts = append(parts, usd)
		}
		parts = append(parts, duration(s.Seconds))
	}
	return fmt.Sprintf("%s: %s", Clean(s.Address), strings.Join(parts, ", "))
}
