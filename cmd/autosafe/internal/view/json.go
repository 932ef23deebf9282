package view

import (
	"bytes"
	"encoding/json"

	"github.com/autosafe/autosafe/internal/engine"
)

// formatVersion is the version of the JSON lines; see the package
// documentation.
const formatVersion = "1.0"

// line writes one JSON line, and before the first one what format it is in.
func (v *View) line(value any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.write(value)
}

// lastLine writes the line that says how the command ended.
func (v *View) lastLine(value any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.write(value)
	v.ended = true
}

// Exit ends the JSON lines of a command that failed before it came to its
// last line.
func (v *View) Exit(code int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.opts.JSON && code != 0 && !v.ended {
		v.write(exitLine{"exit_error", code})
		v.ended = true
	}
}

// write is line with v.mu held.
func (v *View) write(value any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if !v.began {
		v.began = true
		enc.Encode(firstLine{"version", formatVersion, v.opts.Version})
	}
	enc.Encode(value)
	_, err := v.opts.Stdout.Write(cleanJSON(b.Bytes()))
	v.note(err)
}

type firstLine struct {
	Type          string `json:"type"`
	FormatVersion string `json:"format_version"`
	Autosafe      string `json:"autosafe"`
}

type exitLine struct {
	Type string `json:"type"`
	Code int    `json:"code"`
}

type notice struct {
	Type    string `json:"type"`
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
}

type validLine struct {
	Type  string `json:"type"`
	Valid bool   `json:"valid"`
	Steps int    `json:"steps"`
}

type formattedLine struct {
	Type string `json:"type"`
	File string `json:"file"`
}

type formatLine struct {
	Type    string `json:"type"`
	Files   int    `json:"files"`
	Changed int    `json:"changed"`
}

type versionLine struct {
	Type      string `json:"type"`
	Version   string `json:"version"`
	Protocols []int  `json:"protocols"`
	Go        string `json:"go"`
	Platform  string `json:"platform"`
}

type rowLine struct {
	Type    string          `json:"type"`
	Address string          `json:"address"`
	Row     json.RawMessage `json:"row"`
}

// eventLine is an event as a JSON line; the progress of running steps is left
// to terminals.
func eventLine(ev engine.Event) any {
	switch {
	case ev.Started != nil:
		return struct {
			Type string `json:"type"`
			*engine.StepStarted
		}{"step_started", ev.Started}
	case ev.Failed != nil:
		return struct {
			Type string `json:"type"`
			*engine.RowFailed
		}{"row_failed", ev.Failed}
	case ev.Finished != nil:
		return struct {
			Type string `json:"type"`
			*engine.StepSummary
		}{"step_finished", ev.Finished}
	case ev.Output != nil:
		return struct {
			Type string `json:"type"`
			*engine.OutputSummary
		}{"output", ev.Output}
	case ev.Training != nil:
		return struct {
			Type string `json:"type"`
			*engine.TrainingProgress
		}{"training", ev.Training}
	case ev.Notice != nil:
		return notice{"notice", ev.Notice.Summary, ev.Notice.Detail}
	}
	return nil
}
