package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// binaryVar tells the tests where TestMain put the binaries.
const binaryVar = "AUTOSAFE_E2E_BINARIES"

// plainBinary never looks for races: it is for builds of which there is much
// and which take no other path than smaller ones.
const plainBinary = "autosafe-plain"

// TestMain builds the binary once; where the tests look for races, it does.
// Everything temporary is kept in one folder, so that processes that are killed
// leave nothing that stays. Its name is short: the paths of sockets must be.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code, temp := 1, filepath.Join(dir, "tmp")
	if err := errors.Join(buildBinary(filepath.Join(dir, "autosafe"), raceFlag), buildBinary(filepath.Join(dir, plainBinary)),
		os.Mkdir(temp, 0o777), os.Setenv("TMPDIR", temp), os.Setenv(binaryVar, dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func buildBinary(to string, flags ...string) error {
	args := append(append([]string{"build"}, flags...), "-o", to, "../../cmd/autosafe")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// project is a recipe in a folder of its own, with a cache and an endpoint.
type project struct {
	t      testing.TB
	dir    string
	cache  string
	bin    string
	server *llmtest.Server
	key    string // API key: the endpoint tells projects apart by it
	env    []string
}

// newProject makes a project. Each has its own API key, which is in no cache
// key, so several may share a server and still be counted apart.
func newProject(t testing.TB, server *llmtest.Server, files map[string]string) *project {
	t.Helper()
	root := t.TempDir()
	p := &project{
		t: t, dir: filepath.Join(root, "recipe"), cache: filepath.Join(root, "cache"),
		bin: filepath.Join(os.Getenv(binaryVar), "autosafe"), server: server, key: "key-of-" + t.Name(),
	}
	for name, text := range files {
		p.write(name, text)
	}
	return p
}

// plain gives a project the binary that does not look for races.
func (p *project) plain() { p.bin = filepath.Join(os.Getenv(binaryVar), plainBinary) }

func (p *project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) read(name string) string {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(name)))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// edit replaces text that stands exactly once in a file.
func (p *project) edit(name, old, new string) {
	p.t.Helper()
	text := p.read(name)
	if n := strings.Count(text, old); n != 1 {
		p.t.Fatalf("%q stands %d times in %s", old, n, name)
	}
	p.write(name, strings.Replace(text, old, new, 1))
}

// fork copies a project with its cache; its calls are counted apart.
func (p *project) fork(t testing.TB) *project {
	t.Helper()
	root := t.TempDir()
	q := *p
	q.t, q.key = t, "key-of-"+t.Name()
	q.dir, q.cache = filepath.Join(root, "recipe"), filepath.Join(root, "cache")
	copyDir(t, q.dir, p.dir)
	if _, err := os.Stat(p.cache); err == nil {
		copyDir(t, q.cache, p.cache)
	}
	return &q
}

// fresh copies a project without its cache.
func (p *project) fresh(t testing.TB) *project {
	t.Helper()
	q := p.fork(t)
	q.key += "-fresh"
	if err := errors.Join(os.RemoveAll(q.cache), os.RemoveAll(filepath.Join(q.dir, "dist"))); err != nil {
		t.Fatal(err)
	}
	return q
}

func copyDir(t testing.TB, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// command is a run of the binary in a small environment.
func (p *project) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.bin, args...)
	cmd.Env = []string{
		"HOME=" + filepath.Dir(p.cache), "AUTOSAFE_CACHE=" + p.cache, "TMPDIR=" + os.TempDir(),
		"OPENAI_API_KEY=" + p.key,
	}
	if p.server != nil {
		cmd.Env = append(cmd.Env, "OPENAI_BASE_URL="+p.server.URL())
	}
	cmd.Env = append(cmd.Env, p.env...)
	return cmd
}

// result is what a run of the binary came to.
type result struct {
	code           int
	stdout, stderr string
	sum            summary
	peak           int64 // most memory that the process held, in bytes; 0 where it cannot be told
}

// limit is how long a run may take before it counts as hanging, and how long a
// test waits for what must come. It measures nothing.
const limit = 10 * time.Minute

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > limit {
			t.Fatal(what)
		}
	}
}

func (p *project) run(args ...string) result {
	p.t.Helper()
	cmd := p.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	stop := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	peak := watchPeak(cmd.Process.Pid)
	err := cmd.Wait()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		p.t.Fatal(err)
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), peak: peak()}
}

// watchPeak samples how much memory a process has held, until the result is
// asked for. What the system reports of a finished process will not do: it
// counts in what the tests' process held when it started that one.
func watchPeak(pid int) func() int64 {
	done, peak := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		for {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // nowhere but on Linux
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kB int64
				if _, err := fmt.Sscan(rest, &kB); err == nil {
					most = max(most, kB<<10)
				}
			}
			select {
			case <-done:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() int64 { close(done); return <-peak }
}

// build builds and reads the summary.
func (p *project) build(args ...string) result {
	p.t.Helper()
	r := p.run(append([]string{"build", "-json", p.dir}, args...)...)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r.sum); err != nil || r.sum.Type != "summary" {
		p.t.Fatalf("no summary at the end of standard output (exit %d): %v\n%s\n%s", r.code, err, tail(r.stdout), tail(r.stderr))
	}
	return r
}

// mustBuild builds and fails the test if the build fails.
func (p *project) mustBuild(args ...string) result {
	p.t.Helper()
	r := p.build(args...)
	if r.code != 0 || !r.sum.OK {
		p.t.Fatalf("exit %d, ok %v: %s\n%s\n%s", r.code, r.sum.OK, r.sum.Error, tail(r.stdout), tail(r.stderr))
	}
	return r
}

func tail(s string) string { return s[max(0, len(s)-3000):] }

// summary is the last line of build -json, as scripts read it.
type summary struct {
	Type    string       `json:"type"`
	OK      bool         `json:"ok"`
	Seconds float64      `json:"seconds"`
	Steps   []stepLine   `json:"steps"`
	Calls   callCounts   `json:"calls"`
	Outputs []outputLine `json:"outputs"`
	Error   string       `json:"error"`
}

type stepLine struct {
	Address    string           `json:"address"`
	Status     string           `json:"status"`
	RowsIn     int64            `json:"rows_in"`
	RowsOut    int64            `json:"rows_out"`
	RowsHit    int64            `json:"rows_hit"`
	RowsFailed int64            `json:"rows_failed"`
	Dropped    map[string]int64 `json:"dropped"`
	Failed     map[string]int64 `json:"failed"`
	Calls      callCounts       `json:"calls"`
}

type callCounts struct {
	Made         int64   `json:"made"`
	Cached       int64   `json:"cached"`
	Retried      int64   `json:"retried"`
	Failed       int64   `json:"failed"`
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
}

type outputLine struct {
	Format  string           `json:"format"`
	Address string           `json:"address"`
	Path    string           `json:"path"`
	Files   int              `json:"files"`
	Rows    int64            `json:"rows"`
	SHA256  string           `json:"sha256"`
	Status  string           `json:"status"`
	Splits  map[string]int64 `json:"splits"`
	Skipped map[string]int64 `json:"skipped"`
}

// step is the line of one step.
func (s summary) step(t testing.TB, address string) stepLine {
	t.Helper()
	for _, st := range s.Steps {
		if st.Address == address {
			return st
		}
	}
	t.Fatalf("the summary has no step %s", address)
	return stepLine{}
}

// totals are the numbers of a build that must not depend on how it came
// about: what each step made, and each output's digest.
func (s summary) totals() string {
	var b strings.Builder
	for _, st := range s.Steps {
		fmt.Fprintf(&b, "%s in %d out %d failed %d %v dropped %v\n", st.Address, st.RowsIn, st.RowsOut, st.RowsFailed, st.Failed, st.Dropped)
	}
	for _, o := range s.Outputs {
		fmt.Fprintf(&b, "%s %d rows %d files %s %v %v\n", o.Address, o.Rows, o.Files, o.SHA256, o.Splits, o.Skipped)
	}
	return b.String()
}

// row is a row as show -json gives it.
type row map[string]json.RawMessage

func (r row) text(name string) string {
	var s string
	_ = json.Unmarshal(r[name], &s) // another type is no text
	return s
}

// rows shows the rows of a finished step.
func (p *project) rows(address string, args ...string) []row {
	p.t.Helper()
	r := p.run(append([]string{"show", "-json", "-n", "0", address, p.dir}, args...)...)
	if r.code != 0 {
		p.t.Fatalf("show %s: exit %d\n%s", address, r.code, tail(r.stderr))
	}
	var rows []row
	for _, line := range readRows(p.t, []byte(r.stdout)) {
		if line.text("type") != "row" {
			continue
		}
		var shown row
		if err := json.Unmarshal(line["row"], &shown); err != nil {
			p.t.Fatal(err)
		}
		rows = append(rows, shown)
	}
	return rows
}

func readRows(t testing.TB, text []byte) []row {
	t.Helper()
	var rows []row
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var r row
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v in %.200q", err, line)
		}
		rows = append(rows, r)
	}
	return rows
}

// files gives the content of every file below a folder, by its path there.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, rerr := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(b)
		return errors.Join(err, rerr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sameFiles compares two folders byte by byte.
func sameFiles(t testing.TB, got, want string) {
	t.Helper()
	a, b := files(t, got), files(t, want)
	if len(b) == 0 {
		t.Errorf("%s holds no files to compare with", want)
	}
	for name, text := range b {
		if a[name] != text {
			t.Errorf("%s differs or is missing", name)
		}
		delete(a, name)
	}
	for name := range a {
		t.Errorf("%s is there too", name)
	}
}
