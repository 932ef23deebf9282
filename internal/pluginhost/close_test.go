package pluginhost

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// TestCloseWaitsForCalls: a call that was answered as the run was closed is
// still being stored, and the store must stay open until it is.
func TestCloseWaitsForCalls(t *testing.T) {
	called := make(chan struct{})
	var stored atomic.Bool
	h := newHost(t, func(o *Options) {
		o.Models = fakeModels(func(ctx context.Context, _ llm.Request, _ *llm.Tally) (llm.Reply, error) {
			close(called)
			<-ctx.Done()
			time.Sleep(200 * time.Millisecond)
			stored.Store(true)
			return llm.Reply{}, &llm.Error{Code: llm.CodeInterrupted, Summary: "called off"}
		})
	})
	s := specOf(schema.Simulator, "ask", `{"model":"model"}`)
	s.Models = map[string]*spec.Model{"model": {}}
	run, err := h.Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Send(texts("a")); err != nil {
		t.Fatal(err)
	}
	<-called
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	if !stored.Load() {
		t.Error("a call goes on after Close")
	}
}

// TestCrashLeavesNothing: a process that died and was replaced is cleared
// away too.
func TestCrashLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	h := newHost(t, nil)
	if out := runAll(t, h, specOf(schema.Simulator, "die", "{}"), texts("die")); out.err != nil || out.results[0].Err == nil || out.results[0].Err.Code != "plugin_crashed" {
		t.Errorf("%+v", out)
	}
	pidOf(t, h)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("files are left: %q", left)
	}
}

// TestCloseBeforeStart closes a host whose plugin is about to be started.
func TestCloseBeforeStart(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	h := newHost(t, nil)
	p := newProcess(h, spec.PluginRef{Source: BuiltinSource}, needs{})
	p.stop()
	p.launch()
	if p.err == nil {
		t.Error("the process was started")
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("files are left: %q", left)
	}
}

// TestCloseWithEscapee: a plugin's child that left the process group and
// holds its pipes must not keep the host from closing.
func TestCloseWithEscapee(t *testing.T) {
	h := newHost(t, nil)
	h.grace = grace
	out := runAll(t, h, specOf(schema.Simulator, "escape", "{}"), texts("a"))
	if out.err != nil {
		t.Fatal(out.err)
	}
	var escaped struct{ Echo string }
	if err := json.Unmarshal(out.results[0].Rows[0], &escaped); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(escaped.Echo)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	closed := make(chan error, 1)
	go func() { closed <- h.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience): // it lives for an hour
		t.Fatal("Close hangs")
	}
}

// TestStartCancelled: a start that is no longer wanted ends at once. It would
// hang if it waited for the process to end, which has all the time there is.
func TestStartCancelled(t *testing.T) {
	h := newHost(t, nil)
	h.grace = 24 * time.Hour
	pidOf(t, h)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 5 { // which of the two ways it ends in is left to chance
		if run, err := h.Start(ctx, specOf(schema.Simulator, "echo", "{}")); err == nil {
			run.Close()
			t.Fatal("the run was started")
		}
	}
}

// TestStartErrorIsOwn: steps that wait for one start each get an error of
// their own, on which the engine puts the step's address.
func TestStartErrorIsOwn(t *testing.T) {
	ref := install(t, t.TempDir(), "slow")
	h := newHost(t, func(o *Options) { o.StartTimeout = 300 * time.Millisecond })
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() {
			_, err := h.Start(context.Background(), engine.RunSpec{Plugin: ref, Role: schema.Simulator, Component: "echo"})
			errs <- err
		}()
	}
	seen := map[*engine.RunError]bool{}
	for range cap(errs) {
		seen[wantRunError(t, <-errs, "plugin_start_failed")] = true
	}
	if len(seen) != cap(errs) {
		t.Errorf("%d errors for %d starts", len(seen), cap(errs))
	}
}
