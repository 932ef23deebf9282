package pluginhost

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// pidOf asks the built-in plugin for its process.
func pidOf(t testing.TB, h *Host) int {
	t.Helper()
	out := runAll(t, h, specOf(schema.Simulator, "environ", "{}"), texts("a"))
	if out.err != nil {
		t.Fatal(out.err)
	}
	var e env
	if err := json.Unmarshal(out.results[0].Rows[0], &e); err != nil {
		t.Fatal(err)
	}
	return e.PID
}

func TestCloseLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	h := newHost(t, nil)
	pid := pidOf(t, h)
	run, err := h.Start(context.Background(), specOf(schema.Simulator, "hang", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Send(texts("a")); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := run.Recv()
		ended <- err
	}()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) {
		t.Errorf("process %d is still there", pid)
	}
	select {
	case err := <-ended:
		if err == nil || err == io.EOF {
			t.Errorf("Recv gave %v", err)
		}
	case <-time.After(patience):
		t.Error("Recv hangs after Close")
	}
	if err := run.Close(); err != nil {
		t.Error(err)
	}
	if _, err := h.Start(context.Background(), specOf(schema.Simulator, "echo", "{}")); err == nil {
		t.Error("Start after Close gave no error")
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("files are left: %q", left)
	}
}

func TestCrash(t *testing.T) {
	h := newHost(t, nil)
	pid := pidOf(t, h)
	output := specOf(schema.Output, "lines", "{}")
	output.WorkDir = t.TempDir()
	other, err := h.Start(context.Background(), output)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if out := runAll(t, h, specOf(schema.Simulator, "die", "{}"), texts("speak")); out.err != nil {
		t.Fatal(out.err)
	}
	eventually(t, "its words do not arrive", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return strings.Contains(h.processes[processKey(spec.PluginRef{})].output.last(), "the disk is on")
	})
	if out := runAll(t, h, specOf(schema.Simulator, "die", "{}"), texts("a", "b", "die")); out.err != nil || out.results[2].Err == nil {
		t.Fatalf("%+v", out)
	}
	for err = nil; err == nil; {
		_, err = other.Recv()
	}
	e := wantRunError(t, err, "plugin_crashed") // an output is not begun again
	if !strings.Contains(e.Detail, "exit status 3") || !strings.Contains(e.Detail, "the disk is on") || strings.Contains(e.Detail, "\x1b") {
		t.Errorf("detail %q", e.Detail)
	}
	if !gone(pid) {
		t.Errorf("process %d is still there", pid)
	}
	// The next run gets a new process.
	if again := pidOf(t, h); again == pid {
		t.Errorf("process %d again", again)
	}
}

func TestCrashWhileSending(t *testing.T) {
	h := newHost(t, nil)
	list := make([]string, 20_000)
	for i := range list {
		list[i] = strings.Repeat("x", 1000)
	}
	list[100] = "die"
	out := runAll(t, h, specOf(schema.Simulator, "die", "{}"), texts(list...))
	if out.err != nil || len(out.results) != len(list) {
		t.Fatalf("%d results, %v", len(out.results), out.err)
	}
	for seq, r := range out.results {
		if (r.Err != nil) != (seq == 100) {
			t.Errorf("row %d: %v", seq, r.Err)
		}
	}
}

func TestStartProblems(t *testing.T) {
	dir, tmp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	h := newHost(t, nil)
	hasty := newHost(t, func(o *Options) { o.StartTimeout = 500 * time.Millisecond })
	tests := []struct {
		name string
		ref  spec.PluginRef
		want string
	}{
		{"dies at once", install(t, dir, "stillborn"), "no licence"},
		{"speaks before the handshake", install(t, dir, "chatty"), "hello, is this the handshake?"},
		{"never ready", install(t, dir, "slow"), "timeout"},
		{"absent", spec.PluginRef{Path: filepath.Join(dir, "absent")}, "no such file"},
		{"no program", spec.PluginRef{Path: textFile(t, dir)}, "permission denied"},
		{"changed since", spec.PluginRef{Path: install(t, dir, "acme").Path, Digest: strings.Repeat("0", 64)}, "SHA-256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := h
			if tt.want == "timeout" {
				host = hasty
			}
			_, err := host.process(context.Background(), tt.ref)
			e := wantRunError(t, err, "plugin_start_failed")
			if !strings.Contains(e.Detail, tt.want) || strings.Contains(e.Detail, "\x1b") {
				t.Errorf("detail %q, want %q in it", e.Detail, tt.want)
			}
		})
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("files are left: %q", left)
	}
}

func textFile(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "text")
	if err := os.WriteFile(path, []byte("no program"), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// children lists the processes that this one has started and that are there.
func children(t *testing.T) []string {
	t.Helper()
	var out []string
	for begun := time.Now(); time.Since(begun) < patience; {
		out = nil
		stats, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range stats {
			b, err := os.ReadFile(f)
			if err != nil {
				continue // it is gone
			}
			_, rest, _ := strings.Cut(string(b), ") ")
			if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
				out = append(out, string(b))
			}
		}
		if len(out) == 0 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return out
}

func TestConcurrentFirstStarts(t *testing.T) {
	h := newHost(t, nil)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if out := runAll(t, h, specOf(schema.Simulator, "echo", "{}"), texts("a")); out.err != nil {
				t.Error(out.err)
			}
		})
	}
	wg.Wait()
	if h.Started() != 1 {
		t.Errorf("%d processes were started, want 1", h.Started())
	}
}

// TestCloseWhileStarting closes a host whose plugin is not ready yet.
func TestCloseWhileStarting(t *testing.T) {
	ref := install(t, t.TempDir(), "slow")
	h := newHost(t, func(o *Options) { o.StartTimeout = 24 * time.Hour })
	started := make(chan error, 1)
	go func() {
		_, err := h.process(context.Background(), ref)
		started <- err
	}()
	eventually(t, "the process is not started", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		p := h.processes[processKey(ref)]
		return p != nil && p.child.ID() != ""
	})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err == nil {
		t.Error("the start gave no error")
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// beHost is a host that runs a plugin which hangs, tells its process and
// waits to be killed, or for the test that started it to end.
func beHost() int {
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	h := New(Options{Builtin: builtinPlugin(), SelfPath: self})
	run, err := h.Start(context.Background(), specOf(schema.Simulator, "environ", "{}"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	hang, err := h.Start(context.Background(), specOf(schema.Simulator, "hang", "{}"))
	if err != nil || hang.Send(texts("a")) != nil || run.Send(texts("a")) != nil {
		return 1
	}
	ev, err := run.Recv()
	if err != nil {
		return 1
	}
	fmt.Printf("%s\n", ev.Results[0].Rows[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 1
}

func TestHostKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), hostMode+"=1", "TMPDIR="+t.TempDir())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var e env
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if !gone(e.PID) {
		t.Errorf("the plugin's process %d outlives its host", e.PID)
	}
}

// TestHangUp shows that a plugin ends when its standard input does, which is
// all that tells it of the host's death on systems other than Linux.
func TestHangUp(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hs := transport.Handshake()
	cmd := exec.Command(self, ServeArgument)
	cmd.Env = []string{hs.MagicCookieKey + "=" + hs.MagicCookieValue, fmt.Sprintf("PLUGIN_PROTOCOL_VERSIONS=%d", transport.Major), "TMPDIR=" + t.TempDir()}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil { // the handshake
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the plugin outlives its standard input")
		_ = cmd.Process.Kill()
		<-ended
	}
}

// BenchmarkRows measures rows of 1 KB through a component in another process,
// in batches as large as the host makes them.
func BenchmarkRows(b *testing.B) {
	h := newHost(b, nil)
	pidOf(b, h)
	row := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x", 1000))
	const batch = transport.BatchRows
	b.SetBytes(int64(len(row)))
	run, err := h.Start(context.Background(), specOf(schema.Simulator, "echo", "{}"))
	if err != nil {
		b.Fatal(err)
	}
	defer run.Close()
	b.ResetTimer()
	sent := make(chan error, 1)
	go func() {
		for seq := 0; seq < b.N; seq += batch {
			tasks := make([]engine.Task, min(batch, b.N-seq))
			for i := range tasks {
				tasks[i] = engine.Task{Seq: uint64(seq + i), Row: row}
			}
			if err := run.Send(tasks); err != nil {
				sent <- err
				return
			}
		}
		sent <- run.CloseSend()
	}()
	for n := 0; ; {
		ev, err := run.Recv()
		if err == io.EOF {
			if n != b.N {
				b.Fatalf("%d results for %d rows", n, b.N)
			}
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		n += len(ev.Results)
	}
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkStart measures a process from nothing to its first answer.
func BenchmarkStart(b *testing.B) {
	for range b.N {
		h := newHost(b, nil)
		pidOf(b, h)
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
