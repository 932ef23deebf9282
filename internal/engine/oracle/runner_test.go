package oracle

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec/schema"
)

// runner runs components in this process and counts what they are given.
type runner struct {
	models llm.Client

	mu      sync.Mutex
	started []string         // addresses of runs
	tasks   map[string]int64 // by address
}

// Start implements engine.Runner.
func (r *runner) Start(ctx context.Context, s engine.RunSpec) (engine.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = append(r.started, s.Address)
	run := &run{runner: r, ctx: ctx, spec: s, events: make(chan engine.RunEvent, 1<<12), closed: make(chan struct{})}
	return run, json.Unmarshal(s.Config, &run.config)
}

// run is a component at work.
type run struct {
	*runner
	ctx    context.Context
	spec   engine.RunSpec
	config columns
	tally  llm.Tally
	work   sync.WaitGroup
	events chan engine.RunEvent
	closed chan struct{}
	once   sync.Once

	given []engine.Task // an output's
}

// Send implements engine.Run.
func (r *run) Send(tasks []engine.Task) error {
	select {
	case <-r.closed:
		return errClosed
	default:
	}
	if r.spec.Role == schema.Output {
		r.given = append(r.given, tasks...)
		return nil
	}
	r.mu.Lock()
	r.tasks[r.spec.Address] += int64(len(tasks))
	r.mu.Unlock()
	for _, t := range tasks {
		r.work.Go(func() { r.events <- engine.RunEvent{Results: []engine.Result{r.do(t)}} })
	}
	return nil
}

// do has the component do a task.
func (r *run) do(t engine.Task) engine.Result {
	res := engine.Result{Seq: t.Seq}
	var row columns
	if err := json.Unmarshal(t.Row, &row); err != nil {
		return engine.Result{Seq: t.Seq, Err: &engine.RowError{Code: "no_json", Summary: err.Error()}}
	}
	out := component(r.spec.Component, r.config, row, func(slot, prompt string) (string, *failure) {
		reply, err := r.models.Complete(r.ctx, llm.Request{
			Model: r.spec.Models[slot], Purpose: slot, Messages: []llm.Message{{Role: "user", Content: prompt}},
			Sample: t.Sample, Generation: r.spec.Generation, Refresh: r.spec.Refresh,
		}, &r.tally)
		var e *llm.Error
		if errors.As(err, &e) {
			res.Calls = append(res.Calls, e.Calls...)
			return "", &failure{string(e.Code), e.Transient}
		}
		res.Calls = append(res.Calls, reply.Calls...)
		return reply.Content, nil
	})
	for _, w := range out.rows {
		res.Rows = append(res.Rows, []byte(canonical(w)))
	}
	res.Dropped = out.dropped
	if f := out.failed; f != nil {
		res.Err = &engine.RowError{Code: f.code, Summary: "the row failed", Transient: f.transient}
	}
	return res
}

// CloseSend implements engine.Run.
func (r *run) CloseSend() error {
	go func() {
		defer close(r.events)
		switch r.spec.Role {
		case schema.ThreatSource:
			r.readSource()
		case schema.Output:
			r.writeOutput()
		default:
			r.work.Wait()
		}
	}()
	return nil
}

// emit sends an event unless the run is closed.
func (r *run) emit(ev engine.RunEvent) bool {
	select {
	case r.events <- ev:
		return true
	case <-r.closed:
		return false
	}
}

func (r *run) readSource() {
	var files []schema.File
	b, err := json.Marshal(r.config["path"])
	if err = errors.Join(err, json.Unmarshal(b, &files)); err != nil {
		panic(err)
	}
	var seq uint64
	for _, file := range files {
		for _, line := range lines(file.Path) {
			row, dropped, failed := record(line, r.config.text("tag"))
			res := engine.Result{Seq: seq, Dropped: dropped}
			switch {
			case failed != nil:
				res.Err = &engine.RowError{Code: failed.code, Summary: "no record"}
			case row != nil:
				res.Rows = [][]byte{[]byte(canonical(row))}
			}
			seq++
			if !r.emit(engine.RunEvent{Results: []engine.Result{res}}) {
				return
			}
		}
	}
}

// lines of a file.
func lines(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		out = append(out, s.Text())
	}
	return out
}

func (r *run) writeOutput() {
	rows, splits := make([]columns, len(r.given)), make([]string, len(r.given))
	for i, t := range r.given {
		if err := json.Unmarshal(t.Row, &rows[i]); err != nil {
			panic(err)
		}
		splits[i] = t.Split
	}
	files, counts, _, skips := writer(r.spec.Component, r.config.text("style"), rows, splits)
	for i, skip := range skips {
		if skip {
			r.emit(engine.RunEvent{Results: []engine.Result{{Seq: r.given[i].Seq, Dropped: "no place"}}})
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.spec.WorkDir, name), []byte(text), 0o666); err != nil {
			panic(err)
		}
		r.emit(engine.RunEvent{Artifact: &engine.Artifact{Path: name, Rows: counts[name]}})
	}
}

// Recv implements engine.Run.
func (r *run) Recv() (engine.RunEvent, error) {
	select {
	case ev, ok := <-r.events:
		if !ok {
			return engine.RunEvent{}, io.EOF
		}
		return ev, nil
	case <-r.closed:
		return engine.RunEvent{}, &engine.RunError{Code: "closed", Summary: fmt.Sprint(errClosed)}
	}
}

// Counts implements engine.Run.
func (r *run) Counts() engine.CallCounts {
	return engine.CallCounts{
		Made: r.tally.Made.Load(), Cached: r.tally.Cached.Load(), Retried: r.tally.Retried.Load(), Failed: r.tally.Failed.Load(),
		InputTokens: r.tally.InputTokens.Load(), OutputTokens: r.tally.OutputTokens.Load(),
	}
}

// Close implements engine.Run.
func (r *run) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

// ran are the addresses of runs, in order of name.
func (r *runner) ran() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.started)
	return r.started
}
