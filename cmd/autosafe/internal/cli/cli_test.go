package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

func runCLI(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Run(args, Env{Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestParse(t *testing.T) {
	tests := []struct {
		args []string
		a    bool
		b    string
		rest []string
	}{
		{nil, false, "", nil},
		{[]string{"-a", "x", "--b", "1", "y"}, true, "1", []string{"x", "y"}},
		{[]string{"x", "-b=2", "--a=false"}, false, "2", []string{"x"}},
		{[]string{"-a", "--", "-b", "y"}, true, "", []string{"-b", "y"}},
		{[]string{"x", "--", "-a"}, false, "", []string{"x", "-a"}},
	}
	for _, tt := range tests {
		flags := flag.NewFlagSet("x", flag.ContinueOnError)
		a, b := flags.Bool("a", false, ""), flags.String("b", "", "")
		var rest []string
		if err := parse(flags, tt.args, &rest); err != nil {
			t.Errorf("%q: %v", tt.args, err)
		}
		if *a != tt.a || *b != tt.b || !slices.Equal(rest, tt.rest) {
			t.Errorf("%q: %v %q %q", tt.args, *a, *b, rest)
		}
	}
}

func TestShowArgs(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("recipe", 0o777); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args         []string
		address, dir string
	}{
		{nil, "", "."},
		{[]string{"recipe"}, "", "recipe"},
		{[]string{"./nowhere"}, "", "./nowhere"},
		{[]string{"recipes/nowhere"}, "", "recipes/nowhere"},
		{[]string{".."}, "", ".."},
		{[]string{"a.b.c"}, "a.b.c", "."},
		{[]string{`a.b.c["x/y"]`}, `a.b.c["x/y"]`, "."},
		{[]string{"a.b.c", "recipe"}, "a.b.c", "recipe"},
		{[]string{"recipe", "nowhere"}, "recipe", "nowhere"},
	}
	for _, tt := range tests {
		if address, dir := showArgs(tt.args); address != tt.address || dir != tt.dir {
			t.Errorf("%q: %q in %q", tt.args, address, dir)
		}
	}
}

// Every command has help, which names each of its flags, and takes no flag
// that is not defined.
func TestHelp(t *testing.T) {
	all := commands()
	for _, c := range commands() {
		if listed := slices.Contains(commandNames(), c.name); listed == c.hidden {
			t.Errorf("%s is listed: %v", c.name, listed)
		}
		all = append(all, c.group...)
	}
	for _, c := range all {
		words := strings.Fields(c.name)
		code, out, errs := runCLI(append([]string{"help"}, words...)...)
		if code != exitDone || errs != "" || !strings.Contains(out, "Usage: autosafe "+c.name) || c.setup != nil && !strings.Contains(out, "  -json\n") {
			t.Errorf("%s: %d %q %q", c.name, code, out, errs)
		}
		if code, out, errs := runCLI(append(words, "--no-such-flag")...); code != exitUsage || out != "" || !strings.Contains(errs, "autosafe "+c.name+": ") {
			t.Errorf("%s: %d %q %q", c.name, code, out, errs)
		}
	}
}

// Arguments and names of files can hold anything.
func TestHostileArguments(t *testing.T) {
	t.Chdir(t.TempDir())
	name := "a\x1b[31m\u202e\u009b2J"
	for file, text := range map[string]string{"messy" + name + ".hcl": "a   = 1\n", "bad" + name + ".hcl": "a {", name + ".plan": "{\"format\":\"autosafe.plan/" + name + "\"}"} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{name}, {name + "\xff"}, {"build", name + "\xff"}, {"build", name}, {"build", "-" + name}, {"build", "x", name}, {"build", "-progress", name}, {"build", "-chdir", name},
		{"fmt"}, {"fmt", name}, {"fmt", "-json"}, {"validate"}, {"validate", "-json"}, {"validate", name}, {"validate", "-var", name}, {"validate", "-var-file", name},
		{"show", name}, {"show", "./" + name}, {"graph", "-format", name}, {"plan", "-cache", filepath.Join("messy"+name+".hcl", "x")}, {"help", name},
		{"why", name, "-cache", "c"}, {"show", name, name, "-row", name, "-cache", "c"}, {"diff", name, name, "-cache", "c"}, {"builds", name}, {"builds", "tag", name, name, "-cache", "c"},
		{"builds", "untag", name, "-cache", "c"}, {"cache", name}, {"cache", "gc", "-older-than", name}, {"cache", "import", name, "-cache", "c"}, {"cache", "export", name, name, "-cache", "c"},
		{"cache", "path", "-cache", name}, {"cache", "export", "x", "-build", name, "-cache", "c"}, {"build", name + ".plan"}, {"build", ".", "-target", name, "-cache", "c"},
	} {
		_, out, errs := runCLI(args...)
		for _, text := range []string{out, errs} {
			if strings.ContainsFunc(text, func(r rune) bool {
				return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\ufffd' && !slices.Contains(args, "-json")
			}) {
				t.Errorf("%q: %q", args, text)
			}
		}
		if out+errs == "" && args[0] != "fmt" {
			t.Errorf("%q says nothing", args)
		}
	}
}

func TestBuildExit(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{nil, 0}, {errors.New("x"), 1}, {&engine.RunError{}, 1},
		{fmt.Errorf("x: %w", engine.ErrTooManyFailures), 5}, {engine.ErrInterrupted, 130},
	} {
		if code := buildExit(tt.err); code != tt.code {
			t.Errorf("%v: %d", tt.err, code)
		}
	}
}

func TestBuildDiagnostics(t *testing.T) {
	at := func(line int) hcl.Range { return hcl.Range{Filename: "r.hcl", Start: hcl.Pos{Line: line}} }
	recipe := &spec.Recipe{Steps: []*spec.Step{
		{Address: "judge.a.x", Range: at(1), MaxFailures: 5},
		{Address: "judge.a.y", Range: at(2)},
		{Address: "judge.a.z", Range: at(5), OnError: spec.OnErrorDrop, MaxFailures: -1},
		{Address: "dataset.d", Range: at(3), Dataset: &spec.DatasetBody{Outputs: []*spec.OutputBody{{Address: "dataset.d.output.rows", Range: at(4)}}}},
	}}
	tests := []struct {
		err     error
		summary string
		line    int
	}{
		{engine.ErrInterrupted, "Interrupted", 0},
		{fmt.Errorf("judge.a.y: %w: it says no", engine.ErrTooManyFailures), "Too many failed rows", 2},
		{fmt.Errorf("judge.a.z: %w: 6 of 6", engine.ErrTooManyFailures), "Too many failed rows", 5},
		{fmt.Errorf("elsewhere: %w", engine.ErrTooManyFailures), "Too many failed rows", 0},
		{&engine.RunError{Address: "dataset.d.output.rows", Summary: "the plugin's process died", Detail: "x"}, "The plugin's process died", 4},
		{&engine.RunError{Address: "nowhere", Summary: "x"}, "X", 0},
		{&engine.RunError{Address: "judge.a.x", Summary: "the endpoint http://x/v1 refuses: check api_key", Detail: "no"}, "The endpoint http://x/v1 refuses", 1},
		{errors.New("disk full"), "Build failed", 0},
	}
	for _, tt := range tests {
		diags := buildDiagnostics(recipe, tt.err)
		if len(diags) != 1 || diags[0].Summary != tt.summary {
			t.Errorf("%v: %v", tt.err, diags)
			continue
		}
		line := 0
		if diags[0].Subject != nil {
			line = diags[0].Subject.Start.Line
		}
		if line != tt.line {
			t.Errorf("%v: line %d, want %d", tt.err, line, tt.line)
		}
	}
	if diags := buildDiagnostics(recipe, nil); diags != nil {
		t.Errorf("no error: %v", diags)
	}
}

func TestProblem(t *testing.T) {
	for in, want := range map[string]string{"no space left": "No space left.", "/x: is no folder.": "/x: is no folder.", "": "",
		"judge.a.b: it says no": "judge.a.b: it says no.", "output folder: mkdir x": "Output folder: mkdir x.", "ünder way.": "Ünder way."} {
		if got := problem("s", errors.New(in)).Detail; got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestHelpAboutHelp(t *testing.T) {
	_, want, _ := runCLI("help")
	for _, args := range [][]string{{"help", "help"}, {"-h", "-h"}, {"--help", "--help"}, {"help", "-help", "build"}} {
		if code, out, _ := runCLI(args...); code != exitDone || out != want {
			t.Errorf("%q: %d %q", args, code, out)
		}
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A result that could not be written is no success.
func TestFullDisk(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"version", "-json"}, {"fmt", "-json", t.TempDir()}} {
		var errs bytes.Buffer
		if code := Run(args, Env{Stdout: fullDisk{}, Stderr: &errs}); code != exitError || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%q: %d %q", args, code, errs.String())
		}
	}
}

// blocked is a pipe that nobody reads.
type blocked struct{ begun, release chan struct{} }

func (b blocked) Write(p []byte) (int, error) {
	b.begun <- struct{}{}
	<-b.release
	return len(p), nil
}

// An interrupt stops the build although nobody reads what it has to say.
func TestInterruptOfABlockedBuild(t *testing.T) {
	out := blocked{make(chan struct{}, 10), make(chan struct{})}
	inv := &invocation{view: view.New(view.Options{Stdout: out, Stderr: io.Discard, JSON: true})}
	s := &session{stop: make(chan struct{})}
	ctx, interrupt := inv.watchSignals(s, time.Hour)
	go inv.view.Notify("the first line", "blocks")
	<-out.begun
	for _, stopped := range []<-chan struct{}{s.stop, ctx.Done()} {
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		select {
		case <-stopped:
		case <-time.After(3 * time.Minute):
			t.Fatal("the interrupt was not heard")
		}
	}
	close(out.release)
	interrupt.end()
}

// What an interrupt ended says so, whatever it was at.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	data := filepath.Join(dir, "rows.jsonl")
	if err := os.WriteFile(data, []byte(`{"messages":[]}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(inv *invocation) int{
		"verify": func(inv *invocation) int {
			inv.args = []string{dir}
			return inv.verifyFolder(ctx, nil, verifyFlags{})
		},
		"dataset check": func(inv *invocation) int {
			inv.args = []string{data}
			return inv.checkFiles(ctx, "openai_sft", 0)
		},
	} {
		var out, errs bytes.Buffer
		inv := &invocation{view: view.New(view.Options{Stdout: &out, Stderr: &errs})}
		if code := run(inv); code != exitInterrupted || !strings.Contains(errs.String(), "Interrupted: ") {
			t.Errorf("%s: %d\n%s%s", name, code, out.String(), errs.String())
		}
	}
}

// A link to a file that others share is written through, not replaced.
func TestFormatOfALink(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("shared.hcl", []byte("a   = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("shared.hcl", "link.hcl"); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := runCLI("fmt", "link.hcl"); code != exitDone {
		t.Fatal(code, errs)
	}
	if to, err := os.Readlink("link.hcl"); err != nil || to != "shared.hcl" {
		t.Errorf("the link is gone: %q %v", to, err)
	}
	if b, err := os.ReadFile("shared.hcl"); err != nil || string(b) != "a = 1\n" {
		t.Errorf("%q %v", b, err)
	}
}
