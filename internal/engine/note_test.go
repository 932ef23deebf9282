package engine

import (
	"errors"
	"io"
	"testing"
)

// scriptedRun gives events from a list.
type scriptedRun struct {
	Run
	events []RunEvent
}

func (r *scriptedRun) Recv() (RunEvent, error) {
	if len(r.events) == 0 {
		return RunEvent{}, io.EOF
	}
	ev := r.events[0]
	r.events = r.events[1:]
	return ev, nil
}

// TestNotes keeps what a component says of how far it is for the progress, and
// from those who wait for results.
func TestNotes(t *testing.T) {
	st := &stepState{}
	note := &Note{Text: "page", Done: 2, Total: 3}
	run := addressedRun{&scriptedRun{events: []RunEvent{{Note: &Note{}}, {Note: note}, {Results: []Result{{Seq: 5}}}, {Note: note}}}, "x", st}
	ev, err := run.Recv()
	if err != nil || len(ev.Results) != 1 || ev.Note != nil {
		t.Errorf("the first event is %+v, %v", ev, err)
	}
	if got := st.note; got != note {
		t.Errorf("the note is %+v", got)
	}
	if _, err := run.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end is %v", err)
	}
}
