package machine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/tools"
)

const (
	codeNoExec   = 126
	codeNotFound = 127
	codeFault    = 139
	codePipe     = 141
	maxArgs      = 2 << 20 // bytes of a command's arguments
	maxScript    = 1 << 20
)

// process is a command that is about to run.
type process struct {
	args []string
	streams
	stdin io.Reader // where it is no file
	dir   string
	env   []string // NAME=value
	shell func(lines string) int
	last  int
}

// onExec runs everything that is neither a function nor one of the interpreter's
// builtins. It never hands on to the handler below it, which would start
// processes of the host.
func (m *Machine) onExec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	out := &pipeWriter{w: hc.Stdout}
	p := process{args: args, streams: streams{out: out, err: hc.Stderr}, dir: hc.Dir, last: hc.LastExitStatus}
	if f, ok := hc.Stdin.(*os.File); ok {
		p.in = f
	}
	var code int
	switch name := args[0]; {
	case strings.HasPrefix(name, ownCommand):
		code = m.ownCommand(ctx, hc, &p, strings.TrimPrefix(name, ownCommand))
	case strings.HasPrefix(name, "\x00"), strings.HasPrefix(name, function):
		name = strings.TrimPrefix(strings.TrimPrefix(name, "\x00"), function)
		var err error
		code, err = m.builtin(ctx, hc, &p, name, args[1:])
		if err != nil {
			return err
		}
	default:
		p.env = exported(hc.Env)
		p.shell = m.inShell(ctx, hc)
		code = m.exec(ctx, p)
	}
	if out.broken {
		// The shell itself would have been killed, had it been its own echo: else
		// loops would go on for nobody.
		return hc.Builtin(ctx, []string{"exit", "141"})
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if code != 0 {
		return interp.ExitStatus(uint8(code))
	}
	return nil
}

// inShell runs lines in the shell that a call stands in.
func (m *Machine) inShell(ctx context.Context, hc interp.HandlerContext) func(string) int {
	return func(lines string) int {
		text, err := m.print(lines, "")
		if err != nil {
			return 2
		}
		return status(hc.Builtin(ctx, []string{"eval", text}))
	}
}

// pipeWriter notices that nobody reads any more.
type pipeWriter struct {
	w      io.Writer
	broken bool
}

func (p *pipeWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.broken = true
	}
	return n, err
}

func exported(env expand.Environ) []string {
	vars := map[string]string{}
	for name, v := range env.Each {
		if v.IsSet() && v.Exported && v.Kind == expand.String && !strings.HasPrefix(name, own) {
			vars[name] = v.Str
		} else {
			delete(vars, name)
		}
	}
	list := make([]string, 0, len(vars))
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

func getenv(env []string, name string) string {
	for _, pair := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// exec runs a command of the file system and returns its exit code.
func (m *Machine) exec(ctx context.Context, p process) int {
	size := 0
	for _, arg := range p.args {
		size += len(arg) + 1
	}
	name := p.args[0]
	fail := func(code int, text string) int {
		fmt.Fprintf(p.err, "bash: %s: %s\n", name, text)
		return code
	}
	if size > maxArgs {
		return fail(codeNoExec, "Argument list too long")
	}
	who := m.actor(ctx)
	search := getenv(p.env, "PATH")
	if search == "" {
		search = tools.SafePath
	}
	file, ok := m.World.Which(who, search, p.dir, name)
	if !ok {
		m.World.Miss(path.Base(name))
		if !strings.Contains(name, "/") {
			return fail(codeNotFound, "command not found")
		}
		return fail(codeNotFound, "No such file or directory")
	}
	info, err := m.World.FS.Stat(who, file, true)
	switch {
	case err != nil:
		return fail(codeNotFound, tools.Reason(err))
	case info.IsDir():
		return fail(codeNoExec, "Is a directory")
	case m.World.FS.Access(who, file, 1) != nil:
		return fail(codeNoExec, "Permission denied")
	}
	if info.Perm&0o4000 != 0 {
		ctx = m.as(ctx, m.World.Who(info.Owner))
	}
	content, err := m.World.FS.ReadFile(m.World.Who("root"), file)
	if err != nil {
		return fail(codeNoExec, tools.Reason(err))
	}
	if command, ok := tools.Stub(content); ok {
		return m.tool(ctx, p, command)
	}
	return m.script(ctx, p, file, content, fail)
}

// script runs a file that is not one of the commands.
func (m *Machine) script(ctx context.Context, p process, file string, content []byte, fail func(int, string) int) int {
	if m.World.FS.Access(m.actor(ctx), file, 4) != nil {
		return fail(codeNoExec, "Permission denied")
	}
	first, _, _ := bytes.Cut(content, []byte("\n"))
	line, ok := strings.CutPrefix(string(first), "#!")
	if !ok {
		if bytes.IndexByte(first, 0) >= 0 {
			return fail(codeNoExec, "cannot execute binary file: Exec format error")
		}
		line = "/bin/sh"
	}
	with, arg, more := strings.Cut(strings.TrimSpace(line), " ")
	if m.World.FS.Access(m.actor(ctx), with, 1) != nil {
		m.World.Miss(path.Base(with))
		return fail(codeNoExec, with+": bad interpreter: No such file or directory")
	}
	args := []string{with}
	if more {
		args = append(args, strings.TrimSpace(arg))
	}
	if strings.Contains(p.args[0], "/") {
		file = p.args[0]
	}
	p.args = slices.Concat(args, []string{file}, p.args[1:])
	p.shell = nil
	if err := m.count(); err != nil {
		return codeKilled
	}
	return m.exec(ctx, p)
}

// tool runs one of the commands.
func (m *Machine) tool(ctx context.Context, p process, name string) (code int) {
	defer func() {
		if recover() != nil { // a fault of ours ends the command, not the session
			_, _ = fmt.Fprintln(p.err, "Segmentation fault")
			code = codeFault
		}
	}()
	command, ok := m.World.Commands[name]
	if !ok {
		fmt.Fprintf(p.err, "bash: %s: cannot execute binary file\n", name)
		return codeNoExec
	}
	c := m.call(ctx, p, name)
	code = command(c)
	c.Out.Flush()
	if err := c.Out.Err(); err != nil && (code == 0 || errors.Is(err, syscall.ENOSPC)) {
		if errors.Is(err, syscall.EPIPE) {
			return codePipe
		}
		if ctx.Err() == nil {
			fmt.Fprintf(p.err, "%s: write error: %s\n", name, tools.Reason(err))
		}
		code = 1
	}
	return code
}

func (m *Machine) call(ctx context.Context, p process, name string) *tools.Call {
	in := p.stdin
	if in == nil && p.in != nil {
		in = p.in
	}
	if in == nil {
		in = strings.NewReader("")
	}
	c := &tools.Call{
		World: m.World, Ctx: ctx, Name: name, Args: p.args[1:], In: bufio.NewReaderSize(in, 16<<10),
		Out: tools.NewOutput(p.out), Err: p.err, Dir: p.dir, Who: m.actor(ctx), Shell: p.shell, Last: p.last,
		Env:  func(name string) string { return getenv(p.env, name) },
		Vars: func() []string { return p.env },
	}
	c.Run = func(s tools.Sub) int {
		if m.count() != nil {
			return codeKilled
		}
		c.Out.Flush()
		sub := p
		sub.args, sub.shell, sub.stdin, sub.in = s.Args, nil, c.In, nil
		if s.In != nil {
			sub.stdin = s.In
		}
		if s.Out != nil {
			sub.out = s.Out
		}
		if s.Err != nil {
			sub.err = s.Err
		}
		if s.Dir != "" {
			sub.dir = s.Dir
		}
		if s.Bare {
			sub.env = nil
		}
		sub.env = slices.Concat(sub.env, s.Set)
		ctx := ctx
		if s.User != "" {
			ctx = m.as(ctx, m.World.Who(s.User))
		}
		return m.exec(ctx, sub)
	}
	return c
}

// bash is the commands bash, sh and dash.
func (m *Machine) bash(c *tools.Call) int {
	var flags []string
	args := c.Args
	text, isText, fromInput := "", false, false
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') && !isText {
		flag := args[0]
		args = args[1:]
		switch {
		case flag == "--":
		case flag == "--version":
			fmt.Fprintln(c.Out, "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)")
			return 0
		case strings.HasPrefix(flag, "--"):
		case flag == "-o" && len(args) > 0:
			flags, args = append(flags, "-o", args[0]), args[1:]
		default:
			for _, letter := range flag[1:] {
				switch letter {
				case 'c':
					isText = true
				case 's':
					fromInput = true
				case 'e', 'u', 'x', 'f', 'a', 'n':
					flags = append(flags, flag[:1]+string(letter))
				}
			}
		}
	}
	name := c.Name
	switch {
	case isText && len(args) == 0:
		fmt.Fprintf(c.Err, "%s: -c: option requires an argument\n", c.Name)
		return 2
	case isText:
		text, args = args[0], args[1:]
		if len(args) > 0 {
			name, args = args[0], args[1:]
		}
	case len(args) == 0 || fromInput:
		data, err := io.ReadAll(io.LimitReader(c.In, maxScript))
		if err != nil {
			return 1
		}
		text = string(data)
	default:
		file := args[0]
		if !strings.HasPrefix(file, "/") {
			file = strings.TrimSuffix(c.Dir, "/") + "/" + file
		}
		data, err := c.FS.ReadFile(c.Who, file)
		if err != nil {
			fmt.Fprintf(c.Err, "%s: %s: %s\n", c.Name, args[0], tools.Reason(err))
			return codeNotFound
		}
		text, name, args = string(data), args[0], args[1:]
	}
	return m.runText(c, text, name, flags, args)
}

// runText runs a program in a shell of its own.
func (m *Machine) runText(c *tools.Call, text, name string, flags, params []string) int {
	if len(text) > maxScript {
		fmt.Fprintf(c.Err, "%s: the script is too long\n", name)
		return 1
	}
	file, err := m.parse(text, name)
	if err != nil {
		fmt.Fprintf(c.Err, "%s: %s\n", name, syntaxError(err))
		return 2
	}
	in, err := piped(c.Ctx, c.In)
	if err != nil {
		return 1
	}
	defer in.Close()
	c.Out.Flush()
	env := slices.Clone(c.Vars())
	out := flushed{c.Out}
	r, err := m.newRunner(c.Who, name, env, c.Dir, streams{in: in, out: out, err: c.Err})
	if err != nil {
		fmt.Fprintf(c.Err, "%s: %v\n", name, err)
		return 1
	}
	if err := interp.Params(slices.Concat(flags, []string{"--"}, params)...)(r); err != nil {
		fmt.Fprintf(c.Err, "%s: %v\n", name, err)
		return 2
	}
	return status(r.Run(c.Ctx, file))
}

// flushed writes at once.
type flushed struct{ w *tools.Output }

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.w.Flush()
	if err == nil {
		err = f.w.Err()
	}
	return n, err
}
