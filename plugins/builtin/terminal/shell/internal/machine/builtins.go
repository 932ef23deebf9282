package machine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/tools"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// maxProc is how much <(a command) may say.
const maxProc = 1 << 20

// ownCommand does what rewritten programs ask for.
func (m *Machine) ownCommand(ctx context.Context, hc interp.HandlerContext, p *process, name string) int {
	switch name {
	case "time":
		fmt.Fprint(p.err, "\nreal\t0m0.001s\nuser\t0m0.001s\nsys\t0m0.000s\n")
		return p.last
	case "job":
		return status(hc.Builtin(ctx, []string{"eval", own + "JOB=" + m.newJob()}))
	case "var":
		if value, ok := m.answer(strings.Join(p.args[1:], "")); ok {
			fmt.Fprintln(p.out, value)
		}
	case "home":
		switch user := strings.Join(p.args[1:], ""); user {
		case "+":
			fmt.Fprintln(p.out, hc.Dir)
		case "-":
			fmt.Fprintln(p.out, hc.Env.Get("OLDPWD").String())
		default:
			fmt.Fprintln(p.out, m.homeOf(user))
		}
	case "noproc":
		fmt.Fprintln(p.err, "bash: >(...) is not supported here; use a file or a pipe")
		return 1
	case "proc":
		if hc.Stdin == nil { // nothing that was rewritten, but a command of that name
			return 1
		}
		data, err := io.ReadAll(io.LimitReader(hc.Stdin, maxProc))
		if err != nil {
			return 1
		}
		file := "/dev/fd/" + strconv.Itoa(m.World.PID())
		if err := m.World.FS.WriteFile(m.World.Who("root"), file, data, 0o644); err != nil {
			fmt.Fprintf(p.err, "bash: %s\n", tools.Reason(err))
			return 1
		}
		fmt.Fprintln(p.out, file)
	}
	return 0
}

// builtin is one of the builtins that are ours. An error is what the interpreter
// is to do: exit, return.
func (m *Machine) builtin(ctx context.Context, hc interp.HandlerContext, p *process, name string, args []string) (int, error) {
	native := func(args ...string) (int, error) {
		if err := hc.Builtin(ctx, args); err != nil {
			return 0, err
		}
		return 0, nil
	}
	switch name {
	case "eval":
		text, err := m.print(strings.Join(args, " "), "")
		if err != nil {
			fmt.Fprintf(p.err, "bash: eval: %s\n", syntaxError(err))
			return 1, nil
		}
		return native("eval", text)
	case "source", ".":
		return m.source(ctx, hc, p, name, args)
	case "trap":
		return m.trap(p, args, native)
	case "cd":
		return m.cd(ctx, hc, p, args, native)
	case "pushd", "popd", "dirs":
		return m.dirs(ctx, hc, p, name, args, native)
	case "alias":
		return native(append([]string{"alias"}, m.aliases(args)...)...)
	case "builtin", "command":
		return m.command(ctx, hc, p, name, args)
	case "exec":
		if len(args) == 0 {
			return native("exec")
		}
		p.args, p.env = args, exported(hc.Env)
		code := m.exec(ctx, *p)
		return native("exit", strconv.Itoa(code))
	case "read":
		return native(readArgs(args)...)
	case "wait", "hash", "fg", "bg", "disown", "jobs", "enable", "bind", "complete", "compgen", "compopt", "suspend", "logout", "newgrp", "fc", "caller", "help", "times":
		if name == "fg" || name == "bg" {
			fmt.Fprintf(p.err, "bash: %s: no job control\n", name)
			return 1, nil
		}
		if name == "logout" {
			return native("exit")
		}
		return 0, nil
	}
	p.args, p.env, p.shell = append([]string{name}, args...), exported(hc.Env), m.inShell(ctx, hc)
	if name == "type" {
		return m.typeOf(ctx, p, args), nil
	}
	if name == "." || m.World.Commands[name] == nil {
		return 0, nil
	}
	return m.tool(ctx, *p, name), nil
}

// aliases rewrites what aliases stand for: it becomes part of programs that have
// been rewritten already.
func (m *Machine) aliases(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || !strings.ContainsAny(value, "$<>~`") {
			continue
		}
		if text, err := m.print(value, ""); err == nil {
			out[i] = name + "=" + strings.TrimSuffix(text, "\n")
			if strings.HasSuffix(value, " ") {
				out[i] += " " // the next word may be an alias, too
			}
		}
	}
	return out
}

// readArgs leaves out what the interpreter's read does not know and does not need.
func readArgs(args []string) []string {
	kept := []string{"read"}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-t", "-n", "-N", "-d", "-u", "-i":
			i++
		case "-e":
		default:
			kept = append(kept, strings.ReplaceAll(args[i], "-er", "-r"))
		}
	}
	return kept
}

// source has the interpreter read a script that was rewritten, by a name that no
// file can have.
func (m *Machine) source(ctx context.Context, hc interp.HandlerContext, p *process, name string, args []string) (int, error) {
	if len(args) == 0 {
		fmt.Fprintf(p.err, "bash: %s: filename argument required\n", name)
		return 2, nil
	}
	file := args[0]
	if !strings.Contains(file, "/") {
		if found, ok := m.World.Which(m.actor(ctx), hc.Env.Get("PATH").String(), hc.Dir, file); ok {
			file = found
		}
	}
	var data []byte
	var err error
	if file == "/dev/stdin" && hc.Stdin != nil {
		data, err = io.ReadAll(io.LimitReader(hc.Stdin, maxScript))
	} else {
		data, err = m.World.FS.ReadFile(m.actor(ctx), absolute(hc.Dir, file))
	}
	if err != nil {
		fmt.Fprintf(p.err, "bash: %s: %s\n", args[0], tools.Reason(err))
		return 1, nil
	}
	text, err := m.print(string(data), args[0])
	if err != nil {
		fmt.Fprintf(p.err, "bash: %s: %s\n", args[0], syntaxError(err))
		return 2, nil
	}
	at := nowhere + "/" + strconv.Itoa(m.World.PID())
	m.mu.Lock()
	m.sources[at] = text
	m.mu.Unlock()
	if err := hc.Builtin(ctx, append([]string{"source", at}, args[1:]...)); err != nil {
		return 0, err
	}
	return 0, nil
}

func absolute(dir, name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}

// trap takes what a shell does at its end or at errors. Signals never come.
func (m *Machine) trap(p *process, args []string, native func(...string) (int, error)) (int, error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) < 2 {
		return native(append([]string{"trap"}, kept(args)...)...)
	}
	action := args[0]
	if action != "-" && action != "" {
		text, err := m.print(action, "")
		if err != nil {
			fmt.Fprintf(p.err, "bash: trap: %s\n", syntaxError(err))
			return 1, nil
		}
		action = text
	}
	signals := kept(args[1:])
	if len(signals) == 0 {
		return 0, nil
	}
	return native(append([]string{"trap", "--", action}, signals...)...)
}

// kept are those signals that a shell without signals knows.
func kept(signals []string) []string {
	var known []string
	for _, s := range signals {
		switch s {
		case "0", "exit":
			known = append(known, "EXIT")
		case "EXIT", "ERR":
			known = append(known, s)
		}
	}
	return known
}

func (m *Machine) cd(ctx context.Context, hc interp.HandlerContext, p *process, args []string, native func(...string) (int, error)) (code int, err error) {
	for len(args) > 0 && (args[0] == "-L" || args[0] == "-P" || args[0] == "--") {
		args = args[1:]
	}
	if len(args) > 1 {
		fmt.Fprintln(p.err, "bash: cd: too many arguments")
		return 1, nil
	}
	to := hc.Env.Get("HOME").String()
	if len(args) == 1 {
		to = args[0]
	}
	switch {
	case to == "-" && !hc.Env.Get("OLDPWD").IsSet():
		fmt.Fprintln(p.err, "bash: cd: OLDPWD not set")
		return 1, nil
	case to == "-":
		to = hc.Env.Get("OLDPWD").String()
		defer func() {
			if code == 0 {
				fmt.Fprintln(p.out, to)
			}
		}()
	case to == "":
		return 0, nil
	}
	who, dir := m.actor(ctx), vfs.Abs(hc.Dir, to)
	info, err := m.World.FS.Stat(who, dir, true)
	if err == nil && !info.IsDir() {
		fmt.Fprintf(p.err, "bash: cd: %s: Not a directory\n", to)
		return 1, nil
	}
	if err == nil {
		err = m.World.FS.Access(who, dir, 1)
	}
	if err != nil {
		fmt.Fprintf(p.err, "bash: cd: %s: %s\n", to, tools.Reason(err))
		return 1, nil
	}
	return native("cd", dir)
}

// command runs a command past the functions, or says what it would be.
func (m *Machine) command(ctx context.Context, hc interp.HandlerContext, p *process, name string, args []string) (int, error) {
	show := false
	for name == "command" && len(args) > 0 && strings.HasPrefix(args[0], "-") {
		show = show || args[0] == "-v" || args[0] == "-V"
		args = args[1:]
	}
	switch {
	case len(args) == 0:
		return 0, nil
	case show:
		code := 0
		for _, arg := range args {
			if m.declared(arg) || interp.IsBuiltin(arg) {
				fmt.Fprintln(p.out, arg)
			} else if file, ok := m.World.Which(m.actor(ctx), hc.Env.Get("PATH").String(), hc.Dir, arg); ok {
				fmt.Fprintln(p.out, file)
			} else {
				code = 1
			}
		}
		return code, nil
	case replaced(args[0]):
		return m.builtin(ctx, hc, p, args[0], args[1:])
	case interp.IsBuiltin(args[0]):
		if err := hc.Builtin(ctx, args); err != nil {
			return 0, err
		}
		return 0, nil
	case name == "builtin":
		fmt.Fprintf(p.err, "bash: builtin: %s: not a shell builtin\n", args[0])
		return 1, nil
	}
	p.args, p.env, p.shell = args, exported(hc.Env), m.inShell(ctx, hc)
	return m.exec(ctx, *p), nil
}

func (m *Machine) typeOf(ctx context.Context, p *process, args []string) int {
	short, paths := false, false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		short, paths = short || strings.Contains(args[0], "t"), paths || strings.ContainsAny(args[0], "pP")
		args = args[1:]
	}
	code := 0
	say := func(word, text string) {
		if short {
			text = word
		}
		if !paths {
			fmt.Fprintln(p.out, text)
		}
	}
	for _, arg := range args {
		file, found := m.World.Which(m.actor(ctx), getenv(p.env, "PATH"), p.dir, arg)
		switch {
		case syntax.IsKeyword(arg):
			say("keyword", arg+" is a shell keyword")
		case m.declared(arg):
			say("function", arg+" is a function")
		case interp.IsBuiltin(arg):
			say("builtin", arg+" is a shell builtin")
		case found && paths:
			fmt.Fprintln(p.out, file)
		case found:
			say("file", arg+" is "+file)
		default:
			if !short && !paths {
				fmt.Fprintf(p.err, "bash: type: %s: not found\n", arg)
			}
			code = 1
		}
	}
	return code
}
