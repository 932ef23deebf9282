package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
)

// models is an llm.Control that remembers what it was told.
type models struct {
	mu   sync.Mutex
	told []string
}

func (m *models) say(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, fmt.Sprintf(format, args...))
}

func (m *models) Status() []llm.ModelStatus {
	return []llm.ModelStatus{{Model: "judge", ID: "m-1", Limit: 4, Declared: 64, State: "open"}}
}

func (m *models) SetLimit(model string, n int) int {
	m.say("limit %s %d", model, n)
	if model == "judge" {
		return 1
	}
	return 0
}
func (m *models) Pause()  { m.say("pause") }
func (m *models) Resume() { m.say("resume") }

// started is a server that answers in a short folder of its own.
func started(t *testing.T) (*Server, *models, chan struct{}, string) {
	t.Helper()
	dir, err := shortDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	dir = filepath.Join(dir, "x")
	m, stopping := &models{}, make(chan struct{})
	s := NewServer(dir, Target{
		Recipe: "/r", Version: "1.2.3", Began: time.Now(), Steps: []string{"a.b", "c.d"}, Models: m, Stopping: stopping,
		Stop: func(now bool) { m.say("stop %v", now) },
	})
	if _, err := os.Stat(dir); err == nil {
		t.Error("a server that is not started has made its folder")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, m, stopping, dir
}

// shortDir is a new folder; those of tests are too long for sockets.
func shortDir() (string, error) { return os.MkdirTemp("", "as") }

// ample is how long an answer may take; it bounds a hang and measures nothing.
const ample = 3 * time.Minute

func only(t *testing.T, dir string) *Running {
	t.Helper()
	list, silent, err := Find(t.Context(), dir, ample)
	if err != nil || len(list) != 1 || silent != 0 {
		t.Fatalf("found %v, %d silent, %v", list, silent, err)
	}
	return list[0]
}

func TestSteering(t *testing.T) {
	s, m, stopping, dir := started(t)
	s.Event(engine.Event{Started: &engine.StepStarted{Address: "a.b"}})
	s.Event(engine.Event{Progress: &engine.StepProgress{Address: "a.b", RowsIn: 5, InFlight: 2, Dropped: map[string]int64{"x": 1, "y": 2}, Calls: engine.CallCounts{Made: 3, CostUSD: 0.5}}})
	r := only(t, dir)
	st := r.Status
	if st.PID != os.Getpid() || st.Recipe != "/r" || st.Version != "1.2.3" || st.State != StateRunning || st.Calls.Made != 3 || st.Calls.CostUSD != 0.5 {
		t.Errorf("status %+v", st)
	}
	if len(st.Steps) != 2 || st.Steps[0].State != StateRunning || st.Steps[0].Dropped != 3 || st.Steps[1].State != StateWaiting || len(st.Models) != 1 || st.Models[0].Limit != 4 {
		t.Errorf("steps %+v, models %+v", st.Steps, st.Models)
	}
	s.Event(engine.Event{Finished: &engine.StepSummary{Address: "a.b", RowsOut: 4, RowsFailed: 1, Calls: engine.CallCounts{Made: 6}}})
	s.Event(engine.Event{Progress: &engine.StepProgress{Address: "a.b"}}) // told late
	ctx := context.Background()
	if err := r.Pause(ctx); err != nil || r.Status.State != StatePaused || r.Status.Steps[0].State != StateDone || r.Status.Calls.Made != 6 {
		t.Errorf("paused: %v, %+v", err, r.Status)
	}
	if err := r.Resume(ctx); err != nil || r.Status.State != StateRunning {
		t.Errorf("resumed: %v, %s", err, r.Status.State)
	}
	if err := r.Limit(ctx, "judge", 8); err != nil {
		t.Error(err)
	}
	if err := r.Limit(ctx, "other", 8); err == nil || !strings.Contains(err.Error(), `has not called a model "other"`) {
		t.Errorf("a model that there is not: %v", err)
	}
	if err := r.Limit(ctx, "judge", -1); err == nil {
		t.Error("a limit below 0 is taken")
	}
	close(stopping)
	if err := r.Stop(ctx, true); err != nil || r.Status.State != StateStopping {
		t.Errorf("stopped: %v, %s", err, r.Status.State)
	}
	if want := []string{"pause", "resume", "limit judge 8", "limit other 8", "stop true"}; !slices.Equal(m.told, want) {
		t.Errorf("told %q, want %q", m.told, want)
	}
	s.Close()
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder is left")
	}
	if err := r.Pause(ctx); err == nil {
		t.Error("a build that ended answers")
	}
	if err := s.Start(); err != nil || exists(dir) {
		t.Errorf("started after its end: %v", err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Nobody but the user may open the socket, or have made its folder.
func TestRights(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no modes there
	}
	s, _, _, dir := started(t)
	for path, want := range map[string]fs.FileMode{dir: 0o700 | fs.ModeDir, socketOf(dir, os.Getpid()): 0o600 | fs.ModeSocket} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	s.Close()
	link := dir + "-link"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask
		t.Fatal(err)
	}
	file := dir + "-file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "open to others", link: "no folder", file: "no folder"} {
		s := NewServer(path, Target{Models: &models{}})
		if err := s.Start(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
		if _, _, err := Find(t.Context(), path, ample); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: found in it: %v", path, err)
		}
		s.Close()
	}
	if list, _, err := Find(t.Context(), dir+"-none", ample); err != nil || len(list) != 0 {
		t.Errorf("no folder: %v, %v", list, err)
	}
}

// deadPID is a number that no system gives to a process.
const deadPID = 1<<31 - 7

// Sockets of processes that died are no builds, and go when the next starts.
func TestStaleSockets(t *testing.T) {
	s, _, _, dir := started(t)
	leave := func(name string) string {
		path := filepath.Join(dir, name)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		return path
	}
	stale := leave(fmt.Sprint(deadPID) + socketEnding)
	alive := leave(fmt.Sprint(os.Getppid()) + socketEnding)
	foreign := leave("foreign" + socketEnding)
	if r := only(t, dir); r.Status.PID != os.Getpid() {
		t.Errorf("found %+v", r)
	}
	sweep(dir) // as the next build does
	if exists(stale) || !exists(alive) || !exists(foreign) || !exists(socketOf(dir, os.Getpid())) {
		t.Errorf("left: %v %v %v", exists(stale), exists(alive), exists(foreign))
	}
	s.Close()
	if !exists(alive) {
		t.Error("the folder went with a socket in it")
	}
}

// A socket that accepts and says nothing is not waited for.
func TestSilentBuild(t *testing.T) {
	_, _, _, dir := started(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "1"+socketEnding), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
		}
		<-ctx.Done()
	})
	list, silent, err := Find(t.Context(), dir, 100*time.Millisecond)
	cancel()
	wg.Wait()
	if err != nil || silent == 0 || len(list)+silent != 2 { // on a slow machine, both
		t.Errorf("found %v, %d silent, %v", list, silent, err)
	}
}

// What is no request of ours gets an error in JSON, and changes nothing.
func TestBadRequests(t *testing.T) {
	s, m, _, _ := started(t)
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/", "", 404},
		{"GET", "/v1/pause", "", 404},
		{"POST", "/v1/limit", "{", 400},
		{"POST", "/v1/limit", `{"model":"judge","limit":"8"}`, 400},
		{"POST", "/v1/limit", `{"model":"judge","limit":9999999}`, 400},
		{"POST", "/v1/limit", "", 404},
		{"POST", "/v1/stop", strings.Repeat(" ", maxBody) + "{}", 400},
		{"DELETE", "/v1/status", "", 404},
	} {
		req, err := http.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		w := &recorder{header: http.Header{}}
		s.handler().ServeHTTP(w, req)
		var p problem
		if err := json.Unmarshal(w.body, &p); w.status != tt.status || err != nil || p.Error == "" {
			t.Errorf("%s %s %.30s: %d %s", tt.method, tt.path, tt.body, w.status, w.body)
		}
	}
	if want := []string{"limit  0"}; !slices.Equal(m.told, want) {
		t.Errorf("told %q", m.told)
	}
}

type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { r.body = append(r.body, b...); return len(b), nil }

// Both sides come to the same folder, whose sockets have short paths.
func TestDir(t *testing.T) {
	run := t.TempDir()
	t.Setenv("TMPDIR", "/tmp/"+strings.Repeat("x", 90))
	for _, tt := range []struct{ xdg, want string }{
		{"/run/nowhere", fmt.Sprintf("/tmp/autosafe-%d", os.Getuid())},
		{"relative", fmt.Sprintf("/tmp/autosafe-%d", os.Getuid())},
		{"", fmt.Sprintf("/tmp/autosafe-%d", os.Getuid())},
		{run, filepath.Join(run, "autosafe")},
	} {
		got := Dir(func(string) string { return tt.xdg })
		if got != tt.want && fits(tt.want) {
			t.Errorf("%q gives %q, want %q", tt.xdg, got, tt.want)
		}
	}
}
