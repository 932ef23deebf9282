package view

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func testBatches() []Batch {
	made := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return []Batch{
		{Name: strings.Repeat("ab", 32), ID: "batch_1", Model: "judge", Provider: "main", Endpoint: "the endpoint https://api.test/v1",
			Requests: 20_000, Done: 1234, Failed: 5, Status: "in_progress", Created: made},
		{Name: strings.Repeat("cd", 32), Model: "ju\x1b[31mdge", Endpoint: "the endpoint https://api.test/v1", Requests: 7, Status: "prepared", Created: made},
	}
}

// The batches that a build waits for stand below its steps.
func TestWaitingOnATerminal(t *testing.T) {
	for _, width := range []int{100, 40} {
		s := newScreen(t, width)
		l := newLive(s, func() (int, int) { return width, 20 })
		l.now = func() time.Time { return time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC) }
		v := &View{progress: l}
		l.step("judge.rubric.quality")
		v.Waiting(testBatches())
		text := strings.Join(s.lines, "\n")
		want := "batch batch_1: in progress, 1,234 of 20,000 done, 5 failed, for 5 min"
		if width == 40 {
			want = "batch batch_1: in progress"
		}
		if !strings.Contains(text, want) || strings.Contains(text, "\x1b[31m") {
			t.Errorf("screen\n%s", text)
		}
		v.Waiting(nil)
		if text := strings.Join(s.lines, "\n"); strings.Contains(text, "batch_1") {
			t.Errorf("it stays:\n%s", text)
		}
		l.end()
	}
}

// Elsewhere, one line tells that a batch is waited for; with -json, each
// change is a line.
func TestWaitingElsewhere(t *testing.T) {
	var out, stderr bytes.Buffer
	list := testBatches()
	v := New(Options{Stdout: &out, Stderr: &stderr, Progress: ProgressPlain})
	v.Waiting(list)
	list = testBatches()
	list[0].Done = 2000
	v.Waiting(list)
	if got := stderr.String(); got != "batch_1: waiting for 20,000 requests of model judge\n" {
		t.Errorf("told %q", got)
	}
	v = New(Options{Stdout: &out, Stderr: &stderr, JSON: true})
	v.Waiting(testBatches())
	v.Waiting(testBatches())
	v.Waiting(list)
	v.Waiting(nil)
	if got := strings.Count(out.String(), `{"type":"batch","name":"abab`); got != 2 || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("lines\n%s", out.String())
	}
}

func TestBatchesListed(t *testing.T) {
	var out bytes.Buffer
	v := New(Options{Stdout: &out, Stderr: &out})
	v.Batches(nil)
	v.Batches(testBatches())
	for _, want := range []string{"No batch is under way.", "batch_1", "cdcdcdcdcdcd", "20,000", "1,234", "in_progress", "judge at https://api.test/v1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("control characters in %q", out.String())
	}
	out.Reset()
	v = New(Options{Stdout: &out, Stderr: &out, JSON: true})
	v.Batches(testBatches())
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 4 || lines[3] != `{"type":"batches","listed":2}` {
		t.Errorf("lines\n%s", out.String())
	}
}
