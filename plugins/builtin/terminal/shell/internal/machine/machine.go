// Package machine runs shell commands on a machine that is not there: an
// interpreter of bash whose every way to the host is replaced, over the commands of
// package tools. It is not a boundary by itself against faults of the interpreter:
// package shell runs it in a process of its own.
package machine

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/tools"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// Config is what a machine begins with.
type Config struct {
	World     tools.Config
	Env       map[string]string
	Output    int // bytes of output kept
	Steps     int
	Processes int
	Depth     int
}

const (
	maxCommand  = 128 << 10 // bytes of a command line
	hardOutput  = 256       // times Output: that much ends the command
	jobSteps    = 2000      // of a job in the background, until it counts as running on
	codeTimeout = 124
	codeKilled  = 137
)

// Outcome is what a command did.
type Outcome struct {
	Output    string
	Code      int
	Ended     string
	Truncated bool
	Missing   []string
}

// Machine is a machine with one shell that somebody works in.
type Machine struct {
	World  *tools.World
	config Config
	runner *interp.Runner
	who    vfs.Who
	base   int // goroutines that are there anyway
	steps  atomic.Int64

	mu        sync.Mutex
	jobs      map[string]int // steps of jobs in the background
	lastJob   string
	functions map[string]bool
	sources   map[string]string // scripts that wait to be read by the shell
}

// New makes a machine; its fixture is put into World.FS by the caller.
func New(c Config) *Machine {
	m := &Machine{config: c, base: runtime.NumGoroutine(), jobs: map[string]int{}, functions: map[string]bool{}, sources: map[string]string{}}
	c.World.More = map[string]tools.Command{"bash": m.bash, "sh": m.bash, "dash": m.bash}
	m.World = tools.New(c.World)
	return m
}

// Login begins a shell, in the user's home.
func (m *Machine) Login() error {
	m.who = m.World.Who(m.config.World.User)
	dir := m.home()
	if _, err := m.World.FS.List(m.who, dir); err != nil {
		dir = "/"
	}
	return m.shell(dir, nil)
}

func (m *Machine) home() string {
	if home := m.World.Home(m.who.User); home != "" {
		return home
	}
	return "/"
}

// shell begins a shell in a folder, with variables.
func (m *Machine) shell(dir string, vars map[string]expand.Variable) error {
	env := map[string]string{
		"HOME": m.home(), "USER": m.who.User, "LOGNAME": m.who.User, "SHELL": "/bin/bash", "LANG": "C.UTF-8", "TERM": "dumb",
		"HOSTNAME": m.World.Hostname, "PATH": tools.SafePath, "PS1": "$ ", "PS2": "> ", "SHLVL": "1", "BASH": "/bin/bash", "BASH_VERSION": "5.2.15(1)-release",
		"OSTYPE": "linux-gnu", "MACHTYPE": "x86_64-pc-linux-gnu", "HOSTTYPE": "x86_64", "COLUMNS": "80", "LINES": "24",
	}
	maps.Copy(env, m.config.Env)
	var pairs []string
	for name, value := range env {
		pairs = append(pairs, name+"="+value)
	}
	r, err := m.newRunner(m.who, loginName, pairs, dir, streams{})
	if err != nil {
		return err
	}
	m.runner = r
	return m.restoreVars(vars)
}

// restoreVars gives a new shell the variables of the one before it.
func (m *Machine) restoreVars(vars map[string]expand.Variable) error {
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		v := vars[name]
		if v.Kind != expand.String || v.ReadOnly || !syntax.ValidName(name) || name == "PWD" || name == "OLDPWD" || name == "TMPDIR" || strings.HasPrefix(name, own) {
			continue
		}
		quoted, err := syntax.Quote(v.Str, syntax.LangBash)
		if err != nil || len(quoted) > maxCommand {
			continue
		}
		if v.Exported {
			lines.WriteString("export ")
		}
		lines.WriteString(name + "=" + quoted + "\n")
	}
	file, err := parse(lines.String(), "")
	if err != nil {
		return err
	}
	for _, st := range file.Stmts {
		if err := m.runner.Run(context.Background(), st); err != nil {
			return err
		}
	}
	return nil
}

// Dir is the folder that the shell is in.
func (m *Machine) Dir() string { return m.runner.Dir }

// Enter begins a new shell in a folder.
func (m *Machine) Enter(dir string) error { return m.shell(dir, nil) }

// Run runs a command line in the shell.
func (m *Machine) Run(ctx context.Context, line string) Outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := m.World
	w.Begin(cancel, line)
	w.Sleep(time.Second)
	m.steps.Store(0)
	m.mu.Lock()
	clear(m.jobs)
	clear(m.sources)
	m.mu.Unlock()
	out := &collector{limit: m.config.Output, hard: m.config.Output * hardOutput, over: func() { w.End("output", true) }}
	code := m.interpret(ctx, line, out)
	o := Outcome{Code: code, Ended: w.Ended()}
	if ctx.Err() != nil && (o.Ended == "" || o.Ended == "disk" || o.Ended == "files") {
		o.Ended = "timeout"
	}
	if ctx.Err() != nil {
		o.Code = codeKilled
		if o.Ended == "timeout" {
			o.Code = codeTimeout
		}
	}
	o.Output, o.Truncated = out.text()
	o.Missing = w.Missed()
	return o
}

func (m *Machine) interpret(ctx context.Context, line string, out *collector) int {
	if len(line) > maxCommand {
		out.writeString("bash: the command line is too long\n")
		return 1
	}
	file, err := m.parse(line, "")
	if err != nil {
		out.writeString("bash: " + syntaxError(err) + "\n")
		return 2
	}
	if err := interp.StdIO(nil, out, out)(m.runner); err != nil {
		out.writeString("bash: " + err.Error() + "\n")
		return 1
	}
	if err := interp.Params("+n")(m.runner); err != nil { // bash, too, goes on if somebody is there
		out.writeString("bash: " + err.Error() + "\n")
		return 1
	}
	ctx = m.as(ctx, m.who)
	for _, st := range file.Stmts {
		err = m.runner.Run(ctx, st)
		if m.runner.Exited() || ctx.Err() != nil {
			break
		}
	}
	code := status(err)
	switch {
	case ctx.Err() != nil:
		m.renew(m.runner.Dir, m.runner.Vars, out)
	case m.runner.Exited():
		m.renew(m.home(), nil, out)
	}
	return code
}

// renew begins another shell where one has ended.
func (m *Machine) renew(dir string, vars map[string]expand.Variable, out *collector) {
	if err := m.shell(dir, vars); err != nil {
		out.writeString("bash: " + err.Error() + "\n")
	}
}

// status is the exit code behind an interpreter's error.
func status(err error) int {
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[interp.ExitStatus](err); ok {
		return int(code)
	}
	return 1
}

// Busy says whether something of a command still runs, after a moment.
func (m *Machine) Busy() bool {
	for range 50 {
		if runtime.NumGoroutine() <= m.base {
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return true
}

// newJob is a job in the background, begun one after another.
func (m *Machine) newJob() string {
	id := strconv.Itoa(m.World.PID())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jobs[id] = 0
	m.lastJob = id
	return id
}

// jobStep says whether a job has had its share.
func (m *Machine) jobStep(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jobs[id]++
	return m.jobs[id] > jobSteps
}

// collector keeps the beginning of what is written.
type collector struct {
	mu    sync.Mutex
	buf   []byte
	total int
	limit int
	hard  int
	over  func()
}

func (c *collector) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.total += len(p)
	over := c.total > c.hard
	c.buf = append(c.buf, p[:min(len(p), max(c.limit-len(c.buf), 0))]...)
	c.mu.Unlock()
	if over {
		c.over()
	}
	return len(p), nil
}

func (c *collector) writeString(s string) { _, _ = c.Write([]byte(s)) } // never fails

func (c *collector) text() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.ToValidUTF8(string(c.buf), "\ufffd")
	if c.total > len(c.buf) {
		return text + "\n[... " + strconv.Itoa(c.total-len(c.buf)) + " more bytes]\n", true
	}
	return text, false
}
