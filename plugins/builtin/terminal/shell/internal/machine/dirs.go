package machine

import (
	"context"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// dirsVar has the folders below the present one on the stack, one a line. A
// variable is what a shell below takes with it. The interpreter's own stack knows
// nothing of cd, so that its popd leads to the wrong folder.
const dirsVar = own + "DIRS"

// dirs is pushd, popd and dirs.
func (m *Machine) dirs(ctx context.Context, hc interp.HandlerContext, p *process, name string, args []string, native func(...string) (int, error)) (int, error) {
	stack := strings.FieldsFunc(hc.Env.Get(dirsVar).String(), func(r rune) bool { return r == '\n' })
	fail := func(text string) (int, error) {
		fmt.Fprintf(p.err, "bash: %s: %s\n", name, text)
		return 1, nil
	}
	if len(args) > 1 {
		return fail("too many arguments")
	}
	arg := strings.Join(args, "")
	to := arg
	switch {
	case name == "dirs" && arg == "-c":
		return m.keepDirs(ctx, hc, nil)
	case name == "dirs":
		m.showDirs(p, hc.Dir, stack, arg)
		return 0, nil
	case name == "popd" && arg != "":
		return fail(arg + ": not supported here; give no argument")
	case name == "popd" && len(stack) == 0:
		return fail("directory stack empty")
	case name == "popd":
		to, stack = stack[0], stack[1:]
	case arg == "" && len(stack) == 0:
		return fail("no other directory")
	case arg == "":
		to, stack = stack[0], append([]string{hc.Dir}, stack[1:]...)
	default:
		stack = append([]string{hc.Dir}, stack...)
	}
	code, err := m.cd(ctx, hc, p, []string{"--", to}, native)
	if code != 0 || err != nil {
		return code, err
	}
	if code, err := m.keepDirs(ctx, hc, stack); code != 0 || err != nil {
		return code, err
	}
	m.showDirs(p, vfs.Abs(hc.Dir, to), stack, "")
	return 0, nil
}

func (m *Machine) keepDirs(ctx context.Context, hc interp.HandlerContext, stack []string) (int, error) {
	text, err := syntax.Quote(strings.Join(stack, "\n"), syntax.LangBash)
	if err != nil {
		return 1, nil // a name that no shell can say
	}
	return status(hc.Builtin(ctx, []string{"eval", dirsVar + "=" + text})), nil
}

func (m *Machine) showDirs(p *process, dir string, stack []string, flag string) {
	home := m.home()
	all := append([]string{dir}, stack...)
	for i, d := range all {
		if rest, ok := strings.CutPrefix(d, home); ok && home != "/" && (rest == "" || rest[0] == '/') && !strings.Contains(flag, "l") {
			all[i] = "~" + rest
		}
		if strings.Contains(flag, "v") {
			all[i] = fmt.Sprintf("%2d  %s", i, all[i])
		}
	}
	sep := " "
	if strings.ContainsAny(flag, "pv") {
		sep = "\n"
	}
	fmt.Fprintln(p.out, strings.Join(all, sep))
}
