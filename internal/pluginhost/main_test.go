package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// hostMode makes the test binary a host that waits to be killed.
const hostMode = "PLUGINHOST_TEST_HOST"

// TestMain makes the test binary the plugins too: started by a Host, it
// serves the plugin that its name or its argument says.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == LaunchArgument:
		os.Exit(Launch(os.Args[2:]))
	case os.Getenv(transport.Handshake().MagicCookieKey) != "":
		servePlugin(filepath.Base(os.Args[0]))
	case os.Getenv(hostMode) != "":
		os.Exit(beHost())
	default:
		os.Exit(runTests(m))
	}
}

// runTests keeps what is temporary in one folder, so that processes that are
// killed leave nothing that stays. Its name is short: the paths of sockets must
// be.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ph-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func servePlugin(name string) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == ServeArgument:
		sdk.Serve(builtinPlugin())
	case strings.HasPrefix(name, binaryPrefix+"liar"):
		serveLiar()
	case strings.HasPrefix(name, binaryPrefix+"future"):
		serveFuture()
	case strings.HasPrefix(name, binaryPrefix+"hostile"):
		sdk.Serve(hostilePlugin())
	case strings.HasPrefix(name, binaryPrefix+"first"):
		serveFirst()
	case strings.HasPrefix(name, binaryPrefix+"chatty"):
		fmt.Println("hello, is this the handshake?")
		sdk.Serve(acmePlugin())
	case strings.HasPrefix(name, binaryPrefix+"slow"):
		time.Sleep(time.Hour)
	case strings.HasPrefix(name, binaryPrefix+"stillborn"):
		fmt.Fprintln(os.Stderr, "no licence \x1b[31mfound")
		os.Exit(7)
	default:
		sdk.Serve(acmePlugin())
	}
}

type echoConfig struct {
	Prefix string    `hcl:"prefix,optional" doc:"Put before the text."`
	Model  sdk.Model `hcl:"model,optional"`
	Limit  int       `hcl:"limit,optional" max:"10"`
	Token  string    `hcl:"token,optional" flags:"sensitive,volatile"`
}

func (c echoConfig) Validate(p *sdk.Problems) {
	if c.Prefix == "bad" {
		p.Attr("prefix").Errorf("Unknown prefix", "The prefix %q is not known.", c.Prefix)
	}
}

type textIn struct {
	Text string `json:"text"`
}

type textOut struct {
	Echo string `json:"echo"`
}

type env struct {
	Environ []string `json:"environ"`
	Args    []string `json:"args"`
	PID     int      `json:"pid"`
}

func echo(_ context.Context, cfg echoConfig, in textIn, _ *sdk.Call) ([]textOut, error) {
	switch in.Text {
	case "drop":
		return nil, sdk.Drop("not wanted")
	case "fail":
		return nil, sdk.Fail("refused", "the \x1b[31mdetail")
	case "panic":
		panic("boom")
	case "none":
		return nil, nil
	}
	return []textOut{{cfg.Prefix + in.Text}}, nil
}

func ask(ctx context.Context, cfg echoConfig, in textIn, call *sdk.Call) ([]textOut, error) {
	var out struct {
		Answer string `json:"answer"`
	}
	err := call.JSON(ctx, cfg.Model, sdk.Request{Purpose: "judge", Messages: []sdk.Message{sdk.User(in.Text)}}, &out)
	return []textOut{{out.Answer}}, err
}

// builtinPlugin has a component for each way to behave.
func builtinPlugin() sdk.Plugin {
	return sdk.Plugin{
		Name: BuiltinSource, Version: "0.1.0",
		ThreatSources: map[string]sdk.Component{
			"raw": sdk.Source(func(_ context.Context, cfg rawConfig, emit func(json.RawMessage) error) error {
				for range cfg.N {
					if err := emit(json.RawMessage(cfg.Row)); err != nil {
						return err
					}
				}
				return nil
			}),
			"count": sdk.Source(func(_ context.Context, cfg countConfig, emit func(textIn) error) error {
				if cfg.Dry {
					if b, err := os.ReadFile(cfg.Die); err == nil && len(b) == 0 {
						return nil
					}
				}
				for i := range cfg.N {
					text := fmt.Sprint(i)
					if cfg.Other {
						text += fmt.Sprint(" of ", os.Getpid())
					}
					if err := emit(textIn{text}); err != nil {
						return err
					}
				}
				if cfg.Die != "" { // as often as that file has bytes
					if b, err := os.ReadFile(cfg.Die); err != nil || len(b) > 0 {
						_ = os.WriteFile(cfg.Die, b[:max(0, len(b)-1)], 0o666)
						for { // until rows have arrived
							if _, err := os.Stat(cfg.Die + ".now"); err == nil {
								os.Exit(3)
							}
							time.Sleep(time.Millisecond)
						}
					}
				}
				if cfg.Fail {
					return sdk.Fail("no_source", "the well is dry")
				}
				return nil
			}),
		},
		Simulators: map[string]sdk.Component{
			"echo": sdk.Rows(echo, sdk.Behavior("1")),
			"ask":  sdk.Rows(ask),
			"askdie": sdk.Rows(func(ctx context.Context, cfg echoConfig, in textIn, call *sdk.Call) ([]textOut, error) {
				out, err := ask(ctx, cfg, in, call)
				if in.Text == "die" {
					os.Exit(3)
				}
				return out, err
			}),
			"shrug": sdk.Rows(func(ctx context.Context, cfg echoConfig, in textIn, call *sdk.Call) ([]textOut, error) {
				out, err := ask(ctx, cfg, in, call)
				switch {
				case err != nil && cfg.Prefix == "drop":
					return nil, sdk.Drop("no answer")
				case err != nil && cfg.Prefix == "fail":
					return nil, sdk.Fail("no_answer", "whatever the reason")
				case err != nil:
					return []textOut{{"no answer"}}, nil
				}
				return out, nil
			}),
			"environ": sdk.Rows(func(context.Context, struct{}, textIn, *sdk.Call) ([]env, error) {
				return []env{{os.Environ(), os.Args, os.Getpid()}}, nil
			}),
			"die": sdk.Rows(func(_ context.Context, _ struct{}, in textIn, _ *sdk.Call) ([]textOut, error) {
				switch in.Text {
				case "speak": // through the SDK's own pipe, so before death
					fmt.Fprintln(os.Stderr, "the disk is on \x1b[31mfire")
				case "die":
					os.Exit(3)
				}
				return []textOut{{in.Text}}, nil
			}),
			"hang": sdk.Rows(func(context.Context, struct{}, textIn, *sdk.Call) ([]textOut, error) {
				select {} // and does not look at its context
			}),
			"escape": sdk.Rows(func(_ context.Context, _ struct{}, in textIn, _ *sdk.Call) ([]textOut, error) {
				cmd := exec.Command("/bin/sleep", "3600")
				cmd.Stdout, cmd.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr") // past the SDK
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				if err := cmd.Start(); err != nil {
					return nil, err
				}
				return []textOut{{fmt.Sprint(cmd.Process.Pid)}}, nil
			}),
			"tell": sdk.Rows(func(ctx context.Context, _ struct{}, _ textIn, _ *sdk.Call) ([]textOut, error) {
				sdk.Progress(ctx, "page \x1b[31m3", 3, 7)
				<-ctx.Done()
				return nil, ctx.Err()
			}),
			"flood": sdk.Rows(func(_ context.Context, _ struct{}, in textIn, _ *sdk.Call) ([]textOut, error) {
				out := make([]textOut, 200)
				for i := range out {
					out[i].Echo = strings.Repeat("x", 10_000)
				}
				return out, nil
			}),
			"huge": sdk.Rows(func(_ context.Context, _ struct{}, in textIn, _ *sdk.Call) ([]textOut, error) {
				if in.Text == "huge" {
					return []textOut{{strings.Repeat("x", transport.MaxRow)}}, nil
				}
				return []textOut{{in.Text}}, nil
			}),
			"shout": sdk.Rows(shout),
			"print": sdk.Rows(func(_ context.Context, _ struct{}, in textIn, _ *sdk.Call) ([]textOut, error) {
				fmt.Println("to standard output", in.Text)
				long := append([]byte(strings.Repeat("y", 200_000)), '\n')
				if _, err := syscall.Write(1, long); err != nil { // past the SDK
					return nil, err
				}
				return []textOut{{in.Text}}, nil
			}),
		},
		Outputs: map[string]sdk.Component{
			"lines": sdk.Sink(writeLines),
		},
	}
}

type rawConfig struct {
	N   int    `hcl:"n"`
	Row string `hcl:"row"`
}

type countConfig struct {
	N    int  `hcl:"n"`
	Fail bool `hcl:"fail,optional"`

	Die   string `hcl:"die,optional"`
	Other bool   `hcl:"other,optional"` // rows are of one process alone
	Dry   bool   `hcl:"dry,optional"`   // there are none once it need not die any more
}

func writeLines(_ context.Context, _ struct{}, rows *sdk.RowReader, out *sdk.Dir) error {
	f, err := out.Create("sub/all.jsonl", "application/jsonl")
	if err != nil {
		return err
	}
	for n := 0; ; {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.Contains(string(row.Row), "skip") {
			out.SkipRow("no place for it")
			continue
		}
		if _, err := fmt.Fprintf(f, "%s %s\n", row.Split, row.Row); err != nil {
			return err
		}
		n++
		f.SetRows(n)
	}
}

// acmePlugin is a third party's.
func acmePlugin() sdk.Plugin {
	return sdk.Plugin{
		Name: "github.com/acme/autosafe-plugin-acme", Version: "1.2.0",
		Simulators: map[string]sdk.Component{"echo": sdk.Rows(echo), "": sdk.Rows(echo, sdk.Doc("The plugin's own name."))},
	}
}

// patience is how long a test waits for what must come. It bounds a hang and
// measures nothing.
const patience = 5 * time.Minute

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatal(what)
		}
	}
}

// newHost makes a host that runs this test binary, and closes it. It has more
// patience with processes than users have: no test hangs on how soon they do
// what they will do.
func newHost(t testing.TB, change func(*Options)) *Host {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Builtin: builtinPlugin(), SelfPath: self, Version: "0.1.0", Log: io.Discard, StartTimeout: patience}
	if change != nil {
		change(&opts)
	}
	h := New(opts)
	h.grace = patience
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// specOf describes a run of a built-in component.
func specOf(role schema.Role, component, config string) engine.RunSpec {
	return engine.RunSpec{
		Address: string(role) + "." + component + ".test", Plugin: spec.PluginRef{Source: BuiltinSource},
		Role: role, Component: component, Config: []byte(config),
	}
}

// texts makes tasks of texts.
func texts(list ...string) []engine.Task {
	out := make([]engine.Task, len(list))
	for i, s := range list {
		out[i] = engine.Task{Seq: uint64(i), Row: fmt.Appendf(nil, `{"text":%q}`, s), Seed: int64(i)}
	}
	return out
}

// outcome is all that a run gave.
type outcome struct {
	results   map[uint64]engine.Result
	order     []uint64
	artifacts []engine.Artifact
	calls     engine.CallCounts
	err       error // nil after io.EOF
}

// runAll runs a component over tasks to the end, with a limit of time.
func runAll(t testing.TB, h *Host, s engine.RunSpec, tasks []engine.Task) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	run, err := h.Start(ctx, s)
	if err != nil {
		return outcome{err: err}
	}
	defer func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	}()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if run.Send(tasks) == nil {
			_ = run.CloseSend() // Recv tells
		}
	})
	out := outcome{results: map[uint64]engine.Result{}}
	for {
		ev, err := run.Recv()
		if errors.Is(err, io.EOF) {
			out.calls = run.Counts()
			return out
		}
		if err != nil {
			out.err = err
			return out
		}
		for _, r := range ev.Results {
			out.results[r.Seq] = r
			out.order = append(out.order, r.Seq)
		}
		if ev.Artifact != nil {
			out.artifacts = append(out.artifacts, *ev.Artifact)
		}
	}
}

// fakeModels answers every call with a function.
type fakeModels func(ctx context.Context, req llm.Request, tally *llm.Tally) (llm.Reply, error)

func (f fakeModels) Complete(ctx context.Context, req llm.Request, tally *llm.Tally) (llm.Reply, error) {
	return f(ctx, req, tally)
}

func (fakeModels) Tune(context.Context, llm.TuneRequest, *llm.Tally) (llm.TuneResult, error) {
	return llm.TuneResult{}, errors.New("no endpoint")
}

func (fakeModels) Control() llm.Control { return nil }

func (fakeModels) Close() error { return nil }

// wantRunError gives the RunError with the code.
func wantRunError(t *testing.T, err error, code string) *engine.RunError {
	t.Helper()
	var e *engine.RunError
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, want a RunError %s", err, err, code)
	}
	if e.Code != code {
		t.Fatalf("error has code %s, want %s: %v", e.Code, code, e)
	}
	return e
}

// gone waits for a process to be gone.
func gone(pid int) bool {
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(10 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true
		}
	}
	return false
}
