package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

func TestRows(t *testing.T) {
	h := newHost(t, nil)
	out := runAll(t, h, specOf(schema.Simulator, "echo", `{"prefix":"> "}`), texts("a", "drop", "fail", "panic", "none", "b"))
	if out.err != nil {
		t.Fatal(out.err)
	}
	for seq, want := range map[uint64]string{0: "{\"echo\":\"> a\"}", 5: "{\"echo\":\"> b\"}"} {
		if r := out.results[seq]; len(r.Rows) != 1 || string(r.Rows[0]) != want {
			t.Errorf("row %d: %s, want %s", seq, r.Rows, want)
		}
	}
	if r := out.results[1]; r.Dropped != "not wanted" || r.Err != nil {
		t.Errorf("drop: %+v", r)
	}
	if r := out.results[2]; r.Err == nil || r.Err.Code != "refused" || strings.Contains(r.Err.Detail, "\x1b") {
		t.Errorf("fail: %+v", r.Err)
	}
	if r := out.results[3]; r.Err == nil || r.Err.Code != "panic" || r.Err.Detail != "boom" {
		t.Errorf("panic: %+v", r.Err)
	}
	if r := out.results[4]; r.Err != nil || r.Dropped != "" || len(r.Rows) != 0 {
		t.Errorf("none: %+v", r)
	}
	if h.Started() != 1 {
		t.Errorf("%d processes were started, want 1", h.Started())
	}
}

func TestSource(t *testing.T) {
	h := newHost(t, nil)
	const n = 5000
	out := runAll(t, h, specOf(schema.ThreatSource, "count", `{"n":5000}`), nil)
	if out.err != nil || len(out.order) != n {
		t.Fatalf("%d rows and %v, want %d", len(out.order), out.err, n)
	}
	for i, seq := range out.order {
		if want := fmt.Sprintf(`{"text":"%d"}`, i); seq != uint64(i) || string(out.results[seq].Rows[0]) != want {
			t.Fatalf("row %d is number %d: %s", i, seq, out.results[seq].Rows[0])
		}
	}
	out = runAll(t, h, specOf(schema.ThreatSource, "count", `{"n":3,"fail":true}`), nil)
	if e := wantRunError(t, out.err, "no_source"); e.Detail != "the well is dry" {
		t.Errorf("detail: %q", e.Detail)
	}
	if len(out.order) != 3 {
		t.Errorf("%d rows came before the failure, want 3", len(out.order))
	}
}

func TestSourceWaits(t *testing.T) {
	h := newHost(t, nil)
	started, err := h.Start(context.Background(), specOf(schema.ThreatSource, "count", `{"n":100000000}`))
	if err != nil {
		t.Fatal(err)
	}
	r := started.(*lastingSource).run
	eventually(t, "nothing is held back, though nobody reads", func() bool { return r.full.Load() == 1 })
	r.mu.Lock()
	ahead := r.next
	r.mu.Unlock()
	if ahead == 0 || ahead > transport.BatchRows*(eventBuffer+2) {
		t.Errorf("%d rows were read though nobody took them", ahead)
	}
	if idle := r.idle(time.Now().Add(time.Hour)); idle != 0 {
		t.Errorf("a source that is held back counts as idle for %s", idle)
	}
	if err := started.Close(); err != nil { // with most of the rows to come
		t.Fatal(err)
	}
}

func TestOutput(t *testing.T) {
	h := newHost(t, nil)
	s := specOf(schema.Output, "lines", "{}")
	s.WorkDir = t.TempDir()
	tasks := texts("a", "skip", "b")
	for i := range tasks {
		tasks[i].Split = "train"
	}
	out := runAll(t, h, s, tasks)
	if out.err != nil {
		t.Fatal(out.err)
	}
	want := engine.Artifact{Path: "sub/all.jsonl", Rows: 2, MediaType: "application/jsonl"}
	if len(out.artifacts) != 1 || out.artifacts[0] != want {
		t.Errorf("artifacts %+v, want %+v", out.artifacts, want)
	}
	b, err := os.ReadFile(filepath.Join(s.WorkDir, "sub", "all.jsonl"))
	if err != nil || string(b) != "train {\"text\":\"a\"}\ntrain {\"text\":\"b\"}\n" {
		t.Errorf("file %q, %v", b, err)
	}
	if r := out.results[1]; r.Dropped != "no place for it" {
		t.Errorf("skipped row: %+v", r)
	}
	s.WorkDir = filepath.Join(t.TempDir(), "absent")
	if out := runAll(t, h, s, tasks); out.err == nil {
		t.Error("an output without a folder gave no error")
	}
}

func TestRefusedConfig(t *testing.T) {
	h := newHost(t, nil)
	out := runAll(t, h, specOf(schema.Simulator, "echo", `{"prefix":"bad"}`), texts("a"))
	e := wantRunError(t, out.err, "config_refused")
	if len(e.Diagnostics) != 1 || e.Diagnostics[0].Summary != "Unknown prefix" || len(e.Diagnostics[0].Path) != 1 {
		t.Errorf("diagnostics %+v", e.Diagnostics)
	}
	_, err := h.Start(context.Background(), specOf(schema.Simulator, "absent", "{}"))
	wantRunError(t, err, "unknown_component")
}

func TestModels(t *testing.T) {
	model := &spec.Model{Name: "m", ID: "gpt"}
	var mu sync.Mutex
	var seen []llm.Request
	models := fakeModels(func(_ context.Context, req llm.Request, tally *llm.Tally) (llm.Reply, error) {
		mu.Lock()
		seen = append(seen, req)
		mu.Unlock()
		tally.Made.Add(1)
		text := req.Messages[0].Content
		switch text {
		case "refuse":
			return llm.Reply{}, &llm.Error{Code: llm.CodeRefused, Summary: "the model refused", Detail: "no", Calls: []string{"r"}}
		case "busy":
			return llm.Reply{}, &llm.Error{Code: llm.CodeRateLimited, Summary: "too many", Transient: true}
		}
		return llm.Reply{Content: `{"answer":"` + text + `"}`, Calls: []string{"k" + text}, Usage: llm.Usage{InputTokens: 3}}, nil
	})
	h := newHost(t, func(o *Options) { o.Models = models })
	s := specOf(schema.Simulator, "ask", `{"model":"model"}`)
	s.Models, s.Generation, s.Depth = map[string]*spec.Model{"model": model}, 4, 3
	tasks := texts("x", "refuse", "busy")
	tasks[0].Sample = 2
	out := runAll(t, h, s, tasks)
	if out.err != nil {
		t.Fatal(out.err)
	}
	if r := out.results[0]; string(r.Rows[0]) != `{"echo":"x"}` || len(r.Calls) != 1 || r.Calls[0] != "kx" {
		t.Errorf("answered row: %+v", r)
	}
	if r := out.results[1]; r.Err == nil || r.Err.Code != "refused" || r.Err.Summary != "the model refused" || r.Err.Detail != "no" || r.Err.Transient || len(r.Calls) != 1 {
		t.Errorf("refused row: %+v", r.Err)
	}
	if r := out.results[2]; r.Err == nil || r.Err.Code != "rate_limited" || !r.Err.Transient {
		t.Errorf("transient row: %+v", r.Err)
	}
	if out.calls.Made != 3 {
		t.Errorf("counts %+v", out.calls)
	}
	for _, req := range seen {
		if req.Model != model || req.Generation != 4 || req.Seed != 0 || req.Purpose != "judge" || req.Schema == nil || req.Step != s.Address || req.Depth != 3 {
			t.Errorf("request %+v", req)
		}
		if req.Messages[0].Content == "x" && req.Sample != 2 {
			t.Errorf("sample %d, want 2", req.Sample)
		}
	}
	seen = nil
	s.Seed = 5
	tasks[0].Seed = 77
	runAll(t, h, s, tasks[:1])
	if len(seen) != 1 || seen[0].Seed != 77 {
		t.Errorf("with a seed in the block: %+v", seen)
	}

	// An endpoint that is asked again with the same seed would give the same answer.
	seeds := map[int64]bool{77: true}
	for repeat := 1; repeat <= 3; repeat++ {
		seen = nil
		tasks[0].Sample = 2 + repeat*sdk.RepeatStride
		runAll(t, h, s, tasks[:1])
		if len(seen) != 1 || seen[0].Seed <= 0 || seeds[seen[0].Seed] {
			t.Fatalf("repeat %d: %+v after %v", repeat, seen, seeds)
		}
		seeds[seen[0].Seed] = true
	}
	seen = nil
	s.Seed = 0
	runAll(t, h, s, tasks[:1])
	if len(seen) != 1 || seen[0].Seed != 0 {
		t.Errorf("a repeat without a seed in the block: %+v", seen)
	}
}

func TestModelProblems(t *testing.T) {
	tests := []struct {
		name   string
		config string
		err    error
		code   string // of the run's end; empty: the row's
		row    string
	}{
		{"fatal", `{"model":"model"}`, &llm.Error{Code: llm.CodeUnauthorized, Summary: "the key is not accepted", Detail: "401", Fatal: true}, "unauthorized", ""},
		{"internal", `{"model":"model"}`, errors.New("disk full"), "model_call_failed", ""},
		{"unknown slot", `{"model":"other"}`, nil, "", "unknown_model"},
		{"unset slot", `{}`, nil, "", "no_model"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, func(o *Options) {
				o.Models = fakeModels(func(context.Context, llm.Request, *llm.Tally) (llm.Reply, error) { return llm.Reply{}, tt.err })
			})
			s := specOf(schema.Simulator, "ask", tt.config)
			s.Models = map[string]*spec.Model{"model": {}}
			// Many, so that some results are on their way when the run ends.
			out := runAll(t, h, s, texts(strings.Split(strings.Repeat("x,", 200), ",")...))
			if tt.code != "" {
				wantRunError(t, out.err, tt.code)
				if len(out.results) != 0 {
					t.Errorf("rows failed for what the run failed for: %+v", out.results)
				}
				return
			}
			if r := out.results[0]; out.err != nil || r.Err == nil || r.Err.Code != tt.row {
				t.Errorf("%v, row %+v, want code %s", out.err, r.Err, tt.row)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	h := newHost(t, nil)
	tasks := texts("a", "huge", "replaced", "b")
	tasks[2].Row = bytes.Repeat([]byte("z"), transport.MaxRow+1)
	out := runAll(t, h, specOf(schema.Simulator, "huge", "{}"), tasks)
	if out.err != nil {
		t.Fatal(out.err)
	}
	for _, seq := range []uint64{1, 2} {
		if r := out.results[seq]; r.Err == nil || r.Err.Code != transport.CodeRowTooLarge {
			t.Errorf("row %d: %+v", seq, r.Err)
		}
	}
	if len(out.results[3].Rows) != 1 {
		t.Errorf("the row after: %+v", out.results[3])
	}
	// 12 tasks of 200 rows of 10 kB: 24 MB through a window of 4 MB.
	out = runAll(t, h, specOf(schema.Simulator, "flood", "{}"), texts(strings.Split(strings.Repeat("x,", 11)+"x", ",")...))
	if out.err != nil || len(out.results) != 12 {
		t.Fatalf("flood: %d results, %v", len(out.results), out.err)
	}
	for seq, r := range out.results {
		if len(r.Rows) != 200 {
			t.Errorf("task %d gave %d rows", seq, len(r.Rows))
		}
	}
}

func TestManyRunsAtOnce(t *testing.T) {
	h := newHost(t, nil)
	const runs, rows = 8, 2000
	var wg sync.WaitGroup
	for i := range runs {
		wg.Go(func() {
			list := make([]string, rows)
			for j := range list {
				list[j] = fmt.Sprintf("%d-%d", i, j)
			}
			out := runAll(t, h, specOf(schema.Simulator, "echo", "{}"), texts(list...))
			if out.err != nil || len(out.results) != rows {
				t.Errorf("run %d: %d results, %v", i, len(out.results), out.err)
				return
			}
			for j, text := range list {
				if want := fmt.Sprintf(`{"echo":%q}`, text); string(out.results[uint64(j)].Rows[0]) != want {
					t.Errorf("run %d, row %d: %s", i, j, out.results[uint64(j)].Rows[0])
				}
			}
		})
	}
	wg.Wait()
	if h.Started() != 1 {
		t.Errorf("%d processes were started for %d runs", h.Started(), runs)
	}
}

// TestLoneResult sends each row when the one before it is answered: none may
// wait for others, as there will be none. That it does not wait in vain for a
// while is shown in the SDK (TestSenderWaitsForCompany).
func TestLoneResult(t *testing.T) {
	h := newHost(t, nil)
	run, err := h.Start(context.Background(), specOf(schema.Simulator, "echo", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	for i := range 20 {
		if err := run.Send([]engine.Task{{Seq: uint64(i), Row: []byte(`{"text":"a"}`)}}); err != nil {
			t.Fatal(err)
		}
		if ev, err := run.Recv(); err != nil || len(ev.Results) != 1 {
			t.Fatalf("%+v, %v", ev, err)
		}
	}
}

func TestCancel(t *testing.T) {
	h := newHost(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	run, err := h.Start(ctx, specOf(schema.Simulator, "hang", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Send(texts("a", "b")); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := run.Recv(); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv gave %v", err)
	}
	if err := run.Close(); err != nil {
		t.Error(err)
	}
	if err := run.Close(); err != nil {
		t.Error(err)
	}
	if err := run.Send(texts("c")); err == nil {
		t.Error("Send after Close gave no error")
	}
	// The process still serves others.
	if out := runAll(t, h, specOf(schema.Simulator, "echo", "{}"), texts("a")); out.err != nil || h.Started() != 1 {
		t.Errorf("the next run: %v, %d processes", out.err, h.Started())
	}
}

func TestStall(t *testing.T) {
	h := newHost(t, func(o *Options) { o.StallTimeout = 300 * time.Millisecond })
	out := runAll(t, h, specOf(schema.Simulator, "hang", "{}"), texts("a"))
	wantRunError(t, out.err, "plugin_stalled")

	// A slow model is no stall.
	called, answer := make(chan struct{}), make(chan struct{})
	slow := newHost(t, func(o *Options) {
		o.Models = fakeModels(func(context.Context, llm.Request, *llm.Tally) (llm.Reply, error) {
			close(called)
			<-answer
			return llm.Reply{Content: `{"answer":"late"}`}, nil
		})
	})
	s := specOf(schema.Simulator, "ask", `{"model":"model"}`)
	s.Models = map[string]*spec.Model{"model": {}}
	asking := startRun(t, slow, s)
	if err := asking.Send(texts("a")); err != nil {
		t.Fatal(err)
	}
	<-called
	later := time.Now().Add(time.Hour)
	if idle := asking.idle(later); idle != 0 {
		t.Errorf("with a model call under way, it is idle for %s", idle)
	}
	close(answer)
	if ev, err := asking.Recv(); err != nil || len(ev.Results) != 1 || ev.Results[0].Err != nil {
		t.Errorf("a slow model: %+v, %v", ev, err)
	}
	// Nor is a host that has nothing to send.
	unasked := startRun(t, slow, specOf(schema.Simulator, "hang", "{}"))
	if idle := unasked.idle(later); idle != 0 {
		t.Errorf("with no row to work on, it is idle for %s", idle)
	}
	if err := unasked.Send(texts("a")); err != nil {
		t.Fatal(err)
	}
	if idle := unasked.idle(later.Add(time.Hour)); idle < time.Hour {
		t.Errorf("with a row that it does not work on, it is idle for %s", idle)
	}
}

// startRun starts a run that ends with the test.
func startRun(t *testing.T, h *Host, s engine.RunSpec) *run {
	t.Helper()
	r, err := h.Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if l, ok := r.(*lasting); ok {
		return l.run
	}
	return r.(*run)
}

func TestStandardOutput(t *testing.T) {
	var log syncBuffer
	h := newHost(t, func(o *Options) { o.Log = &log })
	out := runAll(t, h, specOf(schema.Simulator, "print", "{}"), texts("a", "b"))
	if out.err != nil || len(out.results) != 2 {
		t.Fatalf("%d results, %v", len(out.results), out.err)
	}
	for _, words := range []string{"to standard output a", "to standard output b"} {
		eventually(t, words+" does not arrive", func() bool { return strings.Contains(log.String(), words) })
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "to standard output a") || strings.Contains(text, "yyyy") {
		t.Errorf("log: %.300q", text)
	}
}

// TestEnvironment holds the host to its word that a plugin gets no
// environment and no arguments that say anything.
func TestEnvironment(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-secret")
	h := newHost(t, nil)
	s := specOf(schema.Simulator, "environ", "{}")
	s.Models = map[string]*spec.Model{"model": {Provider: &spec.Provider{APIKey: spec.NewSecret("sk-secret")}}}
	out := runAll(t, h, s, texts("a"))
	if out.err != nil {
		t.Fatal(out.err)
	}
	var got env
	if err := json.Unmarshal(out.results[0].Rows[0], &got); err != nil {
		t.Fatal(err)
	}
	for _, v := range got.Environ {
		name, _, _ := strings.Cut(v, "=")
		if name != transport.Handshake().MagicCookieKey && !strings.HasPrefix(name, "PLUGIN_") {
			t.Errorf("the plugin has %s in its environment", name)
		}
		if strings.Contains(v, "secret") || strings.Contains(v, "PRIVATE KEY") {
			t.Errorf("the plugin has a secret in its environment: %s", name)
		}
	}
	if len(got.Args) != 2 || got.Args[1] != ServeArgument {
		t.Errorf("arguments %q", got.Args)
	}
}

// syncBuffer is a log for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var _ io.Writer = (*syncBuffer)(nil)

// lateStream still gives a result after the run was ended, as gRPC may.
type lateStream struct {
	grpc.BidiStreamingClient[pluginpb.RunRequest, pluginpb.RunResponse]
	run *run
}

func (s lateStream) Recv() (*pluginpb.RunResponse, error) {
	s.run.fail(&engine.RunError{Code: "unauthorized"})
	failed := &pluginpb.Result{Error: &pluginpb.RowError{Code: "unauthorized"}}
	return &pluginpb.RunResponse{Message: &pluginpb.RunResponse_Results{Results: &pluginpb.ResultBatch{Results: []*pluginpb.Result{failed}}}}, nil
}

// Rows that fail for what ends the run are not told as failed rows: the
// engine would take the first of them for the end's reason.
func TestNoRowAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{
		parent: ctx, ctx: ctx, cancel: cancel, tasks: map[uint64]*task{0: {}},
		events: make(chan engine.RunEvent, eventBuffer), done: make(chan struct{}),
	}
	r.stream = lateStream{run: r}
	r.receive()
	if wantRunError(t, r.err, "unauthorized"); len(r.events) != 0 {
		t.Errorf("a row was told as failed: %+v", <-r.events)
	}
}

// TestBlocks runs a source again that is told what is known: it leaves that
// out, and numbers what it sends as if it had not.
func TestBlocks(t *testing.T) {
	h := newHost(t, nil)
	s := specOf(schema.ThreatSource, "count", `{"n":1000}`)
	var known [][32]byte
	s.Known = func() ([][32]byte, error) { return known, nil }
	first := sourceEvents(t, h, s)
	for _, ev := range first {
		if ev.Block != nil {
			known = append(known, *ev.Block)
		}
		if ev.Same > 0 {
			t.Error("rows were left out that nobody knows")
		}
	}
	var rows, same int
	for _, ev := range sourceEvents(t, h, s) {
		for _, r := range ev.Results {
			if r.Seq != uint64(rows+same) || string(r.Rows[0]) != fmt.Sprintf(`{"text":"%d"}`, rows+same) {
				t.Fatalf("row %d is %d, %s", rows+same, r.Seq, r.Rows[0])
			}
			rows++
		}
		if ev.Same > 0 && !slices.Contains(known, *ev.Block) {
			t.Error("an unknown block was left out")
		}
		same += ev.Same
	}
	// How much of the source had a name the first time is a matter of time.
	if rows+same != 1000 {
		t.Errorf("%d rows and %d left out, want 1000 in all", rows, same)
	}
	s.Known = func() ([][32]byte, error) { return nil, errors.New("the cache cannot be read") }
	if _, err := h.Start(t.Context(), s); err == nil || err.Error() != "the cache cannot be read" {
		t.Errorf("got %v", err)
	}
}

func sourceEvents(t *testing.T, h *Host, s engine.RunSpec) (list []engine.RunEvent) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	run, err := h.Start(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if err := run.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for {
		ev, err := run.Recv()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, ev)
	}
}
