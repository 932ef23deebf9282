package pluginhost

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// A row that kills its process is failed alone: every other row is answered,
// once, whether rows were in flight with it or came later.
func TestCrashingRows(t *testing.T) {
	for _, tt := range []struct {
		rows   int
		deadly []int
	}{
		{1, []int{0}},
		{2, []int{1}},
		{300, []int{299}},
		{600, []int{17, 18, 400}},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			h := newHost(t, nil)
			list := make([]string, tt.rows)
			for i := range list {
				list[i] = fmt.Sprint("row ", i)
			}
			deadly := map[uint64]bool{}
			for _, i := range tt.deadly {
				list[i], deadly[uint64(i)] = "die", true
			}
			out := runAll(t, h, specOf(schema.Simulator, "die", "{}"), texts(list...))
			if out.err != nil || len(out.order) != tt.rows || len(out.results) != tt.rows {
				t.Fatalf("%d results for %d rows, %v", len(out.order), tt.rows, out.err)
			}
			for seq, r := range out.results {
				switch {
				case !deadly[seq] && (r.Err != nil || string(r.Rows[0]) != fmt.Sprintf(`{"echo":"row %d"}`, seq)):
					t.Errorf("row %d: %+v", seq, r)
				case deadly[seq] && (r.Err == nil || r.Err.Code != "plugin_crashed" || !strings.Contains(r.Err.Detail, "exit status 3")):
					t.Errorf("row %d: %+v", seq, r.Err)
				}
			}
			// With one row at a time only at the end: 600, 38, 3, 1 in flight.
			if most := 1 + 4*len(tt.deadly); h.Started() > most {
				t.Errorf("%d processes were started, at most %d are needed", h.Started(), most)
			}
		})
	}
}

// A plugin that dies of everything is not started for ever.
func TestCrashesWithoutEnd(t *testing.T) {
	h := newHost(t, nil)
	list := make([]string, 500)
	for i := range list {
		list[i] = "die"
	}
	out := runAll(t, h, specOf(schema.Simulator, "die", "{}"), texts(list...))
	e := wantRunError(t, out.err, "plugin_crashed")
	if !strings.Contains(e.Detail, "before it had answered a row") || h.Started() > 10 {
		t.Errorf("%d processes, %q", h.Started(), e.Detail)
	}
}

// Rows of another component that were in flight when the process died are
// answered too, and that component fails none.
func TestCrashOfANeighbour(t *testing.T) {
	h := newHost(t, nil)
	neighbour, err := h.Start(context.Background(), specOf(schema.Simulator, "die", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer neighbour.Close()
	if err := neighbour.Send(texts("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := neighbour.Recv(); err != nil {
		t.Fatal(err)
	}
	if out := runAll(t, h, specOf(schema.Simulator, "die", "{}"), texts("die")); out.err != nil || out.results[0].Err == nil {
		t.Fatalf("%+v", out)
	}
	tasks := texts("a", "b", "c")[1:]
	if err := neighbour.Send(tasks); err != nil {
		t.Fatal(err)
	}
	if err := neighbour.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; {
		ev, err := neighbour.Recv()
		if err == io.EOF {
			if n != len(tasks) {
				t.Errorf("%d rows were answered", n)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range ev.Results {
			if n++; r.Err != nil {
				t.Error(r.Err)
			}
		}
	}
}

// paidModels count the calls that are paid: equal ones are paid once, also if
// the second comes while the first is under way.
type paidModels struct {
	fakeModels
	mu   sync.Mutex
	paid map[string]int
	done map[string]chan struct{}

	again chan struct{} // closed when a call comes a second time
	first sync.Once
	slow  chan struct{} // closed when a slow call is under way
	begun sync.Once
}

func (m *paidModels) Complete(ctx context.Context, req llm.Request, tally *llm.Tally) (llm.Reply, error) {
	text := req.Messages[len(req.Messages)-1].Content
	m.mu.Lock()
	done, known := m.done[text]
	if known {
		m.first.Do(func() { close(m.again) })
	} else {
		done = make(chan struct{})
		m.done[text] = done
		m.paid[text]++
	}
	m.mu.Unlock()
	reply := llm.Reply{Content: fmt.Sprintf(`{"answer":%q}`, text), Cached: known, Calls: []string{text}}
	if known {
		select {
		case <-done:
			return reply, nil
		case <-ctx.Done():
			return llm.Reply{}, ctx.Err()
		}
	}
	defer close(done)
	var wait chan struct{}
	switch {
	case strings.HasPrefix(text, "slow"): // until the row is sent again
		m.begun.Do(func() { close(m.slow) })
		wait = m.again
	case text == "die": // when there is one to be sent again
		wait = m.slow
	}
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return llm.Reply{}, ctx.Err()
		}
	}
	tally.Made.Add(1)
	return reply, nil
}

// No call is paid twice, and the calls of all processes are counted.
func TestCrashPaysNothingTwice(t *testing.T) {
	models := &paidModels{paid: map[string]int{}, done: map[string]chan struct{}{}, again: make(chan struct{}), slow: make(chan struct{})}
	h := newHost(t, func(o *Options) { o.Models = models })
	s := specOf(schema.Simulator, "askdie", `{"model":"model"}`)
	s.Models = map[string]*spec.Model{"model": {}}
	var list []string
	for i := range 200 {
		list = append(list, fmt.Sprint("row ", i))
	}
	list[150] = "die"
	list[3], list[151] = "slow row 3", "slow row 151" // under way when the process dies
	out := runAll(t, h, s, texts(list...))
	if out.err != nil || len(out.results) != len(list) {
		t.Fatalf("%d results, %v", len(out.results), out.err)
	}
	for seq, r := range out.results {
		if (r.Err != nil) != (seq == 150) || len(r.Calls) != 1 || r.Calls[0] != list[seq] {
			t.Errorf("row %d: %+v %v", seq, r, r.Err)
		}
	}
	for text, n := range models.paid {
		if n != 1 {
			t.Errorf("%q was paid %d times", text, n)
		}
	}
	if out.calls.Made != int64(len(list)) {
		t.Errorf("%d calls are counted", out.calls.Made)
	}
}

// A run can be closed at any time of a recovery.
func TestCloseWhileRecovering(t *testing.T) {
	h := newHost(t, nil)
	for i := range 4 {
		run, err := h.Start(context.Background(), specOf(schema.Simulator, "die", "{}"))
		if err != nil {
			t.Fatal(err)
		}
		var list []engine.Task
		for range 30 {
			list = append(list, texts("die")...)
		}
		for j := range list {
			list[j].Seq = uint64(j)
		}
		var work sync.WaitGroup
		work.Go(func() { _ = run.Send(list) })
		first := make(chan struct{})
		work.Go(func() {
			close(first)
			for {
				if _, err := run.Recv(); err != nil {
					return
				}
			}
		})
		<-first
		if i%2 == 1 {
			eventually(t, "the process does not die", func() bool { return h.Started() > i })
		}
		if err := run.Close(); err != nil {
			t.Fatal(err)
		}
		work.Wait()
	}
}

// A source that dies starts from its first row, of which nobody notices
// anything, as long as it gives the same rows.
func TestCrashingSource(t *testing.T) {
	for _, tt := range []struct {
		deaths int
		other  bool
		dry    bool
		code   string
	}{
		{deaths: 1},
		{deaths: 3},
		{deaths: 20, code: "plugin_crashed"},
		{deaths: 1, other: true, code: "plugin_crashed"},
		{deaths: 1, dry: true, code: "plugin_crashed"},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			die := filepath.Join(t.TempDir(), "die")
			if err := os.WriteFile(die, make([]byte, tt.deaths), 0o666); err != nil {
				t.Fatal(err)
			}
			h := newHost(t, nil)
			config := fmt.Sprintf(`{"n":2000,"die":%q,"other":%v,"dry":%v}`, die, tt.other, tt.dry)
			run, err := h.Start(context.Background(), specOf(schema.ThreatSource, "count", config))
			if err != nil {
				t.Fatal(err)
			}
			defer run.Close()
			if err := run.CloseSend(); err != nil {
				t.Fatal(err)
			}
			var out outcome
			out.results = map[uint64]engine.Result{}
			for out.err == nil {
				var ev engine.RunEvent
				ev, out.err = run.Recv()
				for _, r := range ev.Results {
					out.results[r.Seq] = r
					out.order = append(out.order, r.Seq)
				}
				if err := os.WriteFile(die+".now", nil, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if tt.code != "" {
				e := wantRunError(t, out.err, tt.code)
				if (tt.other || tt.dry) != strings.Contains(e.Detail, "This one gives others") {
					t.Errorf("detail %q", e.Detail)
				}
				return
			}
			if out.err != io.EOF || len(out.order) != 2000 {
				t.Fatalf("%d rows, %v", len(out.order), out.err)
			}
			for i, seq := range out.order {
				if uint64(i) != seq || string(out.results[seq].Rows[0]) != fmt.Sprintf(`{"text":"%d"}`, i) {
					t.Fatalf("row %d is %d: %s", i, seq, out.results[seq].Rows[0])
				}
			}
			if h.Started() != tt.deaths+1 {
				t.Errorf("%d processes were started", h.Started())
			}
		})
	}
}
