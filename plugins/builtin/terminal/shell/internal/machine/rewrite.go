package machine

import (
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// The interpreter has parts that no handler replaces: numbers of real processes,
// randomness, the host's clock, jobs in the background, pipes with names on the
// host's disk. They are written out of each program before it runs, by changing
// its syntax tree: variables get other names, which environ answers, and
// statements become others. Programs that come later, by eval, source and trap,
// pass here too.

// own begins the variables, and ownCommand the commands, that programs are
// rewritten to.
const (
	own        = "AUTOSAFE_"
	ownCommand = "autosafe:"
)

// renamed are the variables that the interpreter would answer from the host.
func renamed(name string) (string, bool) {
	switch name {
	case "$", "BASHPID":
		return own + "PID", true
	case "!":
		return own + "BGPID", true
	case "0":
		return own + "ARG0", true
	case "PPID", "RANDOM", "SRANDOM", "SECONDS", "EPOCHSECONDS", "EPOCHREALTIME":
		return own + name, true
	}
	return "", false
}

// replaced says whether a builtin of the interpreter is ours instead: it would
// look at the host, is not there, or speaks otherwise than bash.
func replaced(name string) bool {
	switch name {
	case "eval", "source", ".", "trap", "command", "builtin", "type", "cd", "pwd", "test", "[", "echo", "printf", "kill", "wait", "umask",
		"ulimit", "jobs", "fg", "bg", "disown", "history", "read", "exec", "hash", "help", "times", "enable", "bind", "complete", "compgen", "compopt",
		"fc", "newgrp", "suspend", "logout", "caller", "alias", "pushd", "popd", "dirs":
		return true
	}
	return false
}

func parse(text, name string) (*syntax.File, error) {
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), name)
}

// parse reads a program and rewrites it. Name is "" for what is typed.
func (m *Machine) parse(text, name string) (*syntax.File, error) {
	file, err := parse(text, name)
	if err != nil {
		return nil, err
	}
	m.rewrite(file)
	return file, nil
}

// print is a rewritten program as text, for the interpreter to read once more.
func (m *Machine) print(text, name string) (string, error) {
	file, err := m.parse(text, name)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = syntax.NewPrinter().Print(&b, file)
	return b.String(), err
}

func syntaxError(err error) string {
	if p, ok := errors.AsType[syntax.ParseError](err); ok {
		return fmt.Sprintf("line %d: syntax error: %s", p.Pos.Line(), p.Text)
	}
	if l, ok := errors.AsType[syntax.LangError](err); ok {
		return fmt.Sprintf("line %d: syntax error: %s", l.Pos.Line(), l.Error())
	}
	return "syntax error: " + err.Error()
}

func (m *Machine) rewrite(file *syntax.File) {
	documents := map[*syntax.Word]bool{} // in which ~ is itself
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Stmt:
			m.rewriteStmt(n)
		case *syntax.FuncDecl:
			if n.Name != nil {
				m.declare(n)
			}
		case *syntax.WhileClause:
			n.Do = append([]*syntax.Stmt{tick()}, n.Do...)
		case *syntax.ForClause:
			n.Do = append([]*syntax.Stmt{tick()}, n.Do...)
			if c, ok := n.Loop.(*syntax.CStyleLoop); ok {
				numbers(c.Init, c.Cond, c.Post)
			}
		case *syntax.Redirect:
			if n.Op == syntax.RdrClob {
				n.Op = syntax.RdrOut
			}
			documents[n.Hdoc] = true
		case *syntax.Word:
			if !documents[n] {
				n.Parts = homes(n.Parts)
			}
			rewriteParts(n.Parts)
		case *syntax.DblQuoted:
			rewriteParts(n.Parts)
		case *syntax.ExtGlob:
			// What has none of these is no pattern to the interpreter.
			if n.Pattern != nil && !strings.ContainsAny(n.Pattern.Value, "*?[") {
				n.Pattern.Value += "|?" + ownCommand + "none"
			}
		case *syntax.UnaryTest:
			// Who owns a file is asked of the host; whether one may write to it is near.
			if n.Op == syntax.TsUsrOwn || n.Op == syntax.TsGrpOwn || n.Op == syntax.TsModif {
				n.Op = syntax.TsWrite
			}
			if n.Op == syntax.TsFdTerm {
				n.Op, n.X = syntax.TsNempStr, &syntax.Word{Parts: []syntax.WordPart{&syntax.SglQuoted{}}}
			}
		default:
			rewriteNumbers(n)
		}
		return true
	})
}

// rewriteParts puts commands of ours in the place of what the interpreter would
// ask the host for.
func rewriteParts(parts []syntax.WordPart) {
	for i, part := range parts {
		switch part := part.(type) {
		case *syntax.DblQuoted:
			// Quoted, the keys of an array come in another order each time.
			if keys, ok := onlyKeys(part); ok {
				parts[i] = keys
			}
		case *syntax.ProcSubst:
			parts[i] = procSubst(part)
		case *syntax.ParamExp:
			plain := part.Param != nil && !part.Excl && !part.Length && !part.Width && part.Index == nil && part.Slice == nil && part.Repl == nil && part.Exp == nil
			if name, ok := asked(part); ok && plain {
				parts[i] = &syntax.CmdSubst{Stmts: []*syntax.Stmt{call("var", name)}}
			}
		}
	}
}

// onlyKeys is the inside of "${!array[@]}".
func onlyKeys(q *syntax.DblQuoted) (*syntax.ParamExp, bool) {
	if len(q.Parts) != 1 {
		return nil, false
	}
	p, ok := q.Parts[0].(*syntax.ParamExp)
	if !ok || !p.Excl || p.Index == nil {
		return nil, false
	}
	index, ok := p.Index.(*syntax.Word)
	return p, ok && index.Lit() == "@"
}

// asked says whether a variable is one that changes each time it is asked for.
func asked(p *syntax.ParamExp) (string, bool) {
	if p.Param == nil {
		return "", false
	}
	switch p.Param.Value {
	case "RANDOM", "SRANDOM", "SECONDS", "EPOCHSECONDS", "EPOCHREALTIME":
		return p.Param.Value, true
	case "!":
		return "BGPID", true
	}
	return "", false
}

// homes turns ~somebody at the beginning of a word into a command of ours.
func homes(parts []syntax.WordPart) []syntax.WordPart {
	if len(parts) == 0 {
		return parts
	}
	lit, ok := parts[0].(*syntax.Lit)
	if !ok || len(lit.Value) < 2 || lit.Value[0] != '~' || lit.Value[1] == '/' {
		return parts
	}
	user, rest, more := strings.Cut(lit.Value[1:], "/")
	if !more && len(parts) > 1 {
		return parts // as ~"x", which is no user
	}
	at := []syntax.WordPart{&syntax.CmdSubst{Stmts: []*syntax.Stmt{call("home", user)}}}
	if more {
		at = append(at, &syntax.Lit{Value: "/" + rest})
	}
	return append(at, parts[1:]...)
}

// rewriteNumbers renames variables.
func rewriteNumbers(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.ParamExp:
		if n.Param == nil {
			return
		}
		if name, ok := renamed(n.Param.Value); ok && !n.Excl {
			n.Param.Value, n.Short = name, false
		}
		if n.Slice != nil {
			numbers(n.Slice.Offset, n.Slice.Length)
		}
		numbers(n.Index)
	case *syntax.ArithmExp:
		numbers(n.X)
	case *syntax.ArithmCmd:
		numbers(n.X)
	case *syntax.BinaryArithm:
		numbers(n.X, n.Y)
	case *syntax.UnaryArithm:
		numbers(n.X)
	case *syntax.ParenArithm:
		numbers(n.X)
	case *syntax.LetClause:
		numbers(n.Exprs...)
	case *syntax.Assign:
		numbers(n.Index)
	}
}

// numbers renames variables that stand bare in arithmetic.
func numbers(exprs ...syntax.ArithmExpr) {
	for _, e := range exprs {
		w, ok := e.(*syntax.Word)
		if !ok || w == nil || len(w.Parts) != 1 {
			continue
		}
		if lit, ok := w.Parts[0].(*syntax.Lit); ok {
			if name, ok := renamed(lit.Value); ok && len(lit.Value) > 1 {
				w.Parts[0] = &syntax.CmdSubst{Stmts: []*syntax.Stmt{call("var", strings.TrimPrefix(name, own))}}
			}
		}
	}
}

func literal(s string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: s}}}
}

func call(name string, args ...string) *syntax.Stmt {
	words := []*syntax.Word{literal(ownCommand + name)}
	for _, a := range args {
		words = append(words, &syntax.Word{Parts: []syntax.WordPart{&syntax.SglQuoted{Value: a}}})
	}
	return &syntax.Stmt{Cmd: &syntax.CallExpr{Args: words}}
}

// tickFile is asked for at each turn of a loop, and there while the turn may be
// taken: so the turn is counted without a command, of which set -x would tell. Else
// there is a command, which can end what it stands in.
const tickFile = "/" + ownCommand + "tick"

func tick() *syntax.Stmt {
	test := &syntax.TestClause{X: &syntax.UnaryTest{Op: syntax.TsExists, X: literal(tickFile)}}
	return &syntax.Stmt{Cmd: &syntax.BinaryCmd{Op: syntax.OrStmt, X: &syntax.Stmt{Cmd: test}, Y: call("tick")}}
}

// rewriteStmt has jobs in the background run where they stand, in a shell below:
// so the order of all that happens is always the same. Time is told without the
// host's clock.
func (m *Machine) rewriteStmt(st *syntax.Stmt) {
	if st.Background || st.Disown {
		inner := *st
		inner.Background, inner.Disown = false, false
		job := &syntax.Stmt{Cmd: &syntax.Subshell{Stmts: []*syntax.Stmt{call("job"), &inner}}}
		*st = syntax.Stmt{Position: st.Position, Cmd: &syntax.BinaryCmd{Op: syntax.OrStmt, X: job, Y: call("nop")}}
	}
	if t, ok := st.Cmd.(*syntax.TimeClause); ok {
		var stmts []*syntax.Stmt
		if t.Stmt != nil {
			stmts = append(stmts, t.Stmt)
		}
		st.Cmd = &syntax.Block{Stmts: append(stmts, call("time"))}
	}
	if c, ok := st.Cmd.(*syntax.CoprocClause); ok {
		st.Cmd = &syntax.Block{Stmts: []*syntax.Stmt{c.Stmt}}
	}
}

// procSubst writes what <(a command) says to a file, and is its name. There is no
// such file to write to: >(a command) is an error.
func procSubst(ps *syntax.ProcSubst) syntax.WordPart {
	if ps.Op != syntax.CmdIn {
		return &syntax.CmdSubst{Stmts: []*syntax.Stmt{call("noproc")}}
	}
	stmts := ps.Stmts
	if len(stmts) == 0 {
		stmts = []*syntax.Stmt{call("nop")}
	}
	pipe := &syntax.BinaryCmd{Op: syntax.Pipe, X: &syntax.Stmt{Cmd: &syntax.Block{Stmts: stmts}}, Y: call("proc")}
	return &syntax.CmdSubst{Stmts: []*syntax.Stmt{{Cmd: pipe}}}
}

// function is what a function is called that has the name of one of our builtins:
// were it missing when it is called, the interpreter would fall back to its own.
const function = "autosafe-fn:"

func (m *Machine) declare(f *syntax.FuncDecl) {
	m.mu.Lock()
	m.functions[f.Name.Value] = true
	m.mu.Unlock()
	if replaced(f.Name.Value) && interp.IsBuiltin(f.Name.Value) {
		f.Name.Value = function + f.Name.Value
		f.RsrvWord = true
	}
}

func (m *Machine) declared(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.functions[name]
}
