package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/autosafe/autosafe/internal/push/hubtest"
	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

var update = flag.Bool("update", false, "write what scripts compare with anew")

// The test binary is autosafe itself when it is started under that name, by a
// script or by autosafe as its own plugin.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"autosafe": func() {
		if slices.Contains(os.Args, "plugin-serve") {
			noteProcess()
		}
		main()
	}, pluginName: servePlugin})
}

// startsName is a file beside the binary that gets a byte for each plugin
// process started from it.
const startsName = "starts"

func noteProcess() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	f, err := os.OpenFile(filepath.Join(filepath.Dir(self), startsName), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return
	}
	defer f.Close()
	f.WriteString(".")
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup:         setup,
		Condition: func(name string) (bool, error) {
			if name != "landlock" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return landlocked(), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"endpoint":  cmdEndpoint,
			"calls":     cmdCalls,
			"processes": cmdProcesses,
			"exits":     cmdExits,
			"interrupt": cmdInterrupt,
			"jsonlines": cmdJSONLines,
			"summary":   cmdSummary,
			"replace":   cmdReplace,
			"normalise": cmdNormalise,
			"harmless":  cmdHarmless,
			"flip":      cmdFlip,
			"cut":       cmdCut,
			"nowhere":   cmdNowhere,
			"key":       cmdKey,
			"arrived":   cmdArrived,
			"release":   cmdRelease,
			"until":     cmdUntil,
			"scrape":    cmdScrape,
			"collector": cmdCollector,
			"plugin":    cmdPlugin,
			"publish":   cmdPublish,
			"keypair":   cmdKeypair,
			"flips":     cmdFlips,
			"hub":       cmdHub,
			"hubholds":  cmdHubHolds,
		},
	})
}

// script is what the commands of one script share.
type script struct {
	mu     sync.Mutex
	server *llmtest.Server
	hub    *hubtest.Server
	answer func() // has a server answer that holds its answers back
	calls  int    // counted so far
	starts int
}

type scriptKey struct{}

func of(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

// setup gives each script a home, a cache, the test recipes and a binary of
// its own, so that what it starts can be counted.
func setup(env *testscript.Env) error {
	env.Values[scriptKey{}] = &script{}
	bin := filepath.Join(env.WorkDir, ".bin")
	if err := os.MkdirAll(bin, 0o777); err != nil {
		return err
	}
	shared, err := exec.LookPath("autosafe")
	if err != nil {
		return err
	}
	if err := linkOrCopy(shared, filepath.Join(bin, filepath.Base(shared))); err != nil {
		return err
	}
	home := filepath.Join(env.WorkDir, ".home")
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
	env.Setenv("HOME", home)
	env.Setenv("AUTOSAFE_CACHE", filepath.Join(home, "cache"))
	env.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1") // nobody, until there is an endpoint
	env.Setenv("OPENAI_API_KEY", "sk-test")
	return os.CopyFS(env.WorkDir, os.DirFS(filepath.Join("testdata", "recipes")))
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeProgram(to, b)
}

// writeProgram writes a file that will be run. No process may be started
// meanwhile: it would have the file open for writing until it is on its own,
// and a file that somebody writes to cannot be run.
func writeProgram(path string, code []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, code, 0o777)
}

// patience is how long a test waits for what must come. It bounds a hang and
// measures nothing.
const patience = 3 * time.Minute

// endpoint [-hold] [-key KEY] [-status N [-body TEXT]] [-from N] [-match TEXT] [-reply FILE [-spare TEXT]]
// starts an endpoint in place of the one before it. One that holds answers back
// gives them once a command has said what an interrupt means to it.
func cmdEndpoint(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts)
	flags := flag.NewFlagSet("endpoint", flag.ContinueOnError)
	held := flags.Bool("hold", false, "answer only after an interrupt")
	key := flags.String("key", "", "the key it wants")
	status := flags.Int("status", 0, "fail with this status")
	body := flags.String("body", "", "and this body, quoted as in Go")
	from := flags.Int("from", 0, "fail from this call on")
	match := flags.String("match", "", "and only what holds this text")
	reply := flags.String("reply", "", "answer everything with the content of this file")
	spare := flags.String("spare", "", "but not what holds this text")
	ts.Check(flags.Parse(args))
	opts := llmtest.Options{APIKey: *key}
	if *status != 0 {
		text, err := strconv.Unquote(`"` + *body + `"`)
		ts.Check(err)
		holds := func(r llmtest.Request) bool { return strings.Contains(string(r.Raw), *match) }
		opts.Faults = []llmtest.Fault{{From: *from, Status: *status, Body: text, Match: holds}}
	}
	if *reply != "" {
		content := ts.ReadFile(*reply)
		opts.Reply = func(r llmtest.Request) (llmtest.Reply, bool) {
			spared := *spare != "" && strings.Contains(string(r.Raw), *spare)
			return llmtest.Reply{Content: content}, !spared
		}
	}
	answering := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answering) })
	if *held {
		opts.Reply = func(llmtest.Request) (llmtest.Reply, bool) { <-answering; return llmtest.Reply{}, false }
	}
	server := llmtest.Start(opts)
	ts.Defer(func() { answer(); server.Close() })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server, s.answer, s.calls = server, answer, 0
	ts.Setenv("OPENAI_BASE_URL", server.URL())
}

// calls N asserts how many calls came in since the last assertion.
func cmdCalls(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if s.server == nil || len(args) != 1 {
		ts.Fatalf("usage: calls N, after endpoint")
	}
	got := s.server.Calls() - s.calls
	s.calls += got
	check(ts, neg, "calls", got, args[0])
}

// processes N asserts how many plugin processes were started since the last
// assertion.
func cmdProcesses(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if len(args) != 1 {
		ts.Fatalf("usage: processes N")
	}
	starts, err := os.ReadFile(ts.MkAbs(filepath.Join(ts.Getenv("WORK"), ".bin", startsName)))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		ts.Fatalf("%v", err)
	}
	got := len(starts) - s.starts
	s.starts += got
	check(ts, neg, "processes", got, args[0])
}

func check(ts *testscript.TestScript, neg bool, what string, got int, arg string) {
	want, err := strconv.Atoi(arg)
	ts.Check(err)
	if (got == want) == neg {
		ts.Fatalf("%d %s, want %s%d", got, what, map[bool]string{true: "not "}[neg], want)
	}
}

// exits CODE COMMAND [ARGUMENT ...] runs a command that ends with CODE.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// interrupt TIMES CALLS COMMAND [ARGUMENT ...] runs a command, waits until
// the endpoint has seen so many calls, interrupts TIMES, and asserts that it
// ends with 130 and leaves no process behind.
func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: interrupt TIMES CALLS COMMAND [ARGUMENT ...]")
	}
	times, err := strconv.Atoi(args[0])
	ts.Check(err)
	calls, err := strconv.Atoi(args[1])
	ts.Check(err)
	path := filepath.Join(ts.Getenv("WORK"), ".bin", args[2])
	cmd := exec.Command(path, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{}
	for _, name := range []string{"PATH", "HOME", "AUTOSAFE_CACHE", "OPENAI_BASE_URL", "OPENAI_API_KEY", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	output := &watched{}
	cmd.Stdout, cmd.Stderr = io.MultiWriter(ts.Stdout(), output), io.MultiWriter(ts.Stderr(), output)
	before := of(ts).server.Calls()
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	waitFor(ts, "the calls", func() bool { return of(ts).server.Calls()-before >= calls })
	for i := range times {
		ts.Check(cmd.Process.Signal(os.Interrupt))
		if i == 0 {
			waitFor(ts, "the answer to the interrupt", func() bool { return output.contains("Stopping") })
		}
	}
	if times == 1 { // it waits for the calls in flight
		of(ts).answer()
	}
	select {
	case err = <-ended:
	case <-time.After(patience):
		cmd.Process.Kill()
		ts.Fatalf("the command did not end")
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		ts.Fatalf("ended with %v, want exit code 130", err)
	}
	waitFor(ts, "its processes to end", func() bool { return len(running(path)) == 0 })
}

// watched is output that is looked at while it is written.
type watched struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(b)
}

func (w *watched) contains(s string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.b.String(), s)
}

func waitFor(ts *testscript.TestScript, what string, ok func() bool) {
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// running lists the processes of a binary, where the system has /proc.
func running(binary string) []string {
	links, _ := filepath.Glob("/proc/[0-9]*/exe") // the pattern is well-formed
	return slices.DeleteFunc(links, func(link string) bool {
		to, err := os.Readlink(link)
		return err != nil || to != binary || exited(filepath.Dir(link))
	})
}

// exited holds for a process of which only its number is left.
func exited(proc string) bool {
	pid, err := strconv.Atoi(filepath.Base(proc))
	return err != nil || gone(pid)
}

// jsonlines TYPE ... asserts that standard output is JSON lines, the first a
// version line and the last of the last TYPE given, and that all others
// occur.
func cmdJSONLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: jsonlines TYPE ...")
	}
	lines := parseLines(ts)
	var types []string
	for _, l := range lines {
		name, ok := l["type"].(string)
		if !ok {
			ts.Fatalf("a line without a type: %v", l)
		}
		types = append(types, name)
	}
	if first := lines[0]; types[0] != "version" || first["format_version"] != "1.0" {
		ts.Fatalf("the first line is %v", first)
	}
	if slices.Contains(types[1:], "version") {
		ts.Fatalf("a second version line")
	}
	if types[len(types)-1] != args[len(args)-1] {
		ts.Fatalf("the last line is of type %s", types[len(types)-1])
	}
	for _, want := range args {
		if !slices.Contains(types, want) {
			ts.Fatalf("no line of type %s among %s", want, types)
		}
	}
}

func parseLines(ts *testscript.TestScript) (lines []map[string]any) {
	for text := range strings.Lines(ts.ReadFile("stdout")) {
		var l map[string]any
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			ts.Fatalf("standard output holds what is no JSON: %q", text)
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		ts.Fatalf("standard output is empty")
	}
	return lines
}

// summary [PATH=VALUE ...] asserts that the last line is a summary with every
// key that scripts rely on, and what stands in it: calls/made=0,
// steps/0/status=hit, …
func cmdSummary(ts *testscript.TestScript, neg bool, args []string) {
	lines := parseLines(ts)
	sum := lines[len(lines)-1]
	want := map[string]any{}
	ts.Check(json.Unmarshal([]byte(summaryShape), &want))
	if missing := lacks(sum, want, "summary"); missing != "" {
		ts.Fatalf("the summary lacks %s", missing)
	}
	for _, arg := range args {
		path, value, _ := strings.Cut(arg, "=")
		if got := fmt.Sprint(lookUp(sum, path)); got != value {
			ts.Fatalf("%s is %s, want %s", path, got, value)
		}
	}
}

// summaryShape is the summary line as the design promises it to scripts.
const summaryShape = `{"type":"summary","ok":true,"seconds":1.2,
"steps":[{"address":"","status":"hit","rows_in":1,"rows_out":1,"rows_hit":0,"rows_failed":0,"dropped":{}}],
"calls":{"made":0,"cached":0,"retried":0,"failed":0,"input_tokens":0,"output_tokens":0,"cost_usd":0.0},
"outputs":[{"address":"","path":"","files":2,"rows":1,"sha256":""}]}`

// lacks names a key of want that got has not, or has with another type. What
// want shows for one element of a list holds for all of got's.
func lacks(got, want any, path string) string {
	switch want := want.(type) {
	case map[string]any:
		m, ok := got.(map[string]any)
		if !ok {
			return path + " as an object"
		}
		for name, w := range want {
			if missing := lacks(m[name], w, path+"."+name); missing != "" {
				return missing
			}
		}
	case []any:
		list, ok := got.([]any)
		if !ok {
			return path + " as a list"
		}
		for i, g := range list {
			if missing := lacks(g, want[0], fmt.Sprintf("%s[%d]", path, i)); missing != "" {
				return missing
			}
		}
	default:
		if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
			return fmt.Sprintf("%s as a %T", path, want)
		}
	}
	return ""
}

// lookUp finds a value by its path; numbers index lists.
func lookUp(v any, path string) any {
	for _, name := range strings.Split(path, "/") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		}
	}
	return v
}

// replace OLD NEW FILE replaces every OLD, which must be there. \n is a new
// line.
func cmdReplace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	text := ts.ReadFile(args[2])
	before, after := strings.ReplaceAll(args[0], `\n`, "\n"), strings.ReplaceAll(args[1], `\n`, "\n")
	if !strings.Contains(text, before) {
		ts.Fatalf("%s does not hold %q", args[2], before)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(text, before, after)), 0o666))
}

// normalise makes what differs from run to run in standard output the same:
// times and digests.
func cmdNormalise(ts *testscript.TestScript, neg bool, args []string) {
	out, errs := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	unsteady := regexp.MustCompile(`  +[0-9.]+ s\b|\b[0-9a-f]{64}\b`)
	io.WriteString(ts.Stdout(), unsteady.ReplaceAllString(out, "  T"))
	io.WriteString(ts.Stderr(), errs)
}

// harmless asserts that neither output holds what a terminal would act on.
func cmdHarmless(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range []string{"stdout", "stderr"} {
		for _, r := range ts.ReadFile(name) {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0x202e || r == 0xfffd {
				ts.Fatalf("%s holds %U", name, r)
			}
		}
	}
}
