package machine

import (
	"context"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"mvdan.cc/sh/v3/interp"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/tools"
)

func newMachine(t *testing.T) *Machine {
	t.Helper()
	m := New(Config{
		World:  tools.Config{User: "user", Hostname: "box", Clock: time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC), Bytes: 4 << 20, Files: 2000, MaxRead: 8 << 20},
		Output: 8 << 10, Steps: 5000, Processes: 100, Depth: 5000,
	})
	if err := m.Login(); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestNoHandlerIsTheInterpreters looks at each of the interpreter's functions that
// may reach the host: a new one in a later version fails here.
func TestNoHandlerIsTheInterpreters(t *testing.T) {
	m := newMachine(t)
	m.Run(t.Context(), "true")
	r := reflect.ValueOf(m.runner).Elem()
	found := map[string]string{}
	for i := range r.NumField() {
		field := r.Type().Field(i)
		if field.Type.Kind() != reflect.Func {
			continue
		}
		name := "nil"
		if !r.Field(i).IsNil() {
			name = runtime.FuncForPC(r.Field(i).Pointer()).Name()
			name = name[strings.LastIndex(name, "/")+1:]
		}
		found[field.Name] = name
	}
	want := map[string]string{
		"callHandler": "machine.(*Machine).onCall-fm", "execHandler": "machine.(*Machine).onExec-fm", "openHandler": "machine.(*Machine).onOpen-fm",
		"readDirHandler": "machine.(*Machine).onReadDir-fm", "statHandler": "machine.(*Machine).onStat-fm", "accessHandler": "machine.(*Machine).onAccess-fm",
	}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("the interpreter's handlers are %v, want %v", found, want)
	}
	if dir := r.FieldByName("tempDir").String(); dir != nowhere {
		t.Errorf("pipes with names would be made in %q", dir)
	}
	if _, ok := m.runner.Env.(*environ); !ok {
		t.Errorf("the variables are of %T", m.runner.Env)
	}
}

// TestBuiltins has each builtin of the interpreter be ours, or be known to touch
// nothing of the host.
func TestBuiltins(t *testing.T) {
	harmless := []string{":", "true", "false", "exit", "set", "shift", "unset", "break", "continue", "return", "getopts", "shopt", "alias", "unalias", "readarray", "mapfile", "let", "local", "declare", "typeset", "export", "readonly", "dirs", "pushd", "popd"}
	known := map[string]bool{}
	for _, name := range harmless {
		known[name] = true
	}
	// All names that the interpreter's versions have had, and of bash.
	all := "alias bg cd command false fc fg getopts hash jobs kill newgrp pwd read true umask unalias wait break : continue . eval exec exit export readonly return set shift times trap unset source bind builtin caller compgen complete compopt declare typeset dirs disown enable history help let local logout mapfile readarray popd pushd shopt suspend type ulimit echo printf test [ time coproc select"
	for name := range strings.FieldsSeq(all) {
		if interp.IsBuiltin(name) && !replaced(name) && !known[name] {
			t.Errorf("the builtin %s is the interpreter's own", name)
		}
	}
	m := newMachine(t)
	for _, name := range strings.Fields(all) {
		if name == "exit" || name == "logout" || name == "time" || name == "coproc" || name == "select" {
			continue
		}
		if o := m.Run(t.Context(), name+" </dev/null"); strings.Contains(o.Output, "unsupported builtin") {
			t.Errorf("%s: %s", name, o.Output)
		}
	}
}

// TestShadow has functions with the names of builtins, which must not bring the
// interpreter's own back.
func TestShadow(t *testing.T) {
	m := newMachine(t)
	for _, c := range [][2]string{
		{"if false; then type() { :; }; fi; type -p sh", "/usr/bin/sh\n"},
		{"if false; then source() { :; }; fi; source /etc/nothing", "bash: /etc/nothing: No such file or directory\n"},
		{"kill() { echo mine $1; }; kill 5", "mine 5\n"},
		{"command -v bash", "/usr/bin/bash\n"},
		{"[[ -O /etc/passwd ]] || echo not mine", "not mine\n"},
		{"eval 'f() { echo $$; }'; f", "4100\n"},
		{"x=$(echo $$); echo $x | cat", "4100\n"},
		{"echo \"~root\" ~root/x '~root' x~root", "~root /root/x ~root x~root\n"},
		{"cat <<E\n~root\nE", "~root\n"},
		{"cd() { builtin cd \"$@\"; echo now $PWD; }; cd /tmp", "now /tmp\n"},
		{"echo ~+ | cat; cd /; echo ~-", "/tmp\nnow /\n/tmp\n"},
		{"alias p='echo $$ ~root '\np x", "4100 /root x\n"},
		{"autosafe:proc || echo nothing to read", "nothing to read\n"},
		{"set -x; for i in 1; do echo $i; done", "+ for i in 1\n+ echo 1\n1\n"},
		{"set +x", "+ set +x\n"},
		{"set -n", ""},
		{"mkdir ~/g; builtin cd ~/g; touch a1 b1 c; shopt -s extglob; echo !(c); echo @(a|b)1; case ab in +(a|b)) echo all;; esac; [[ c == !(c) ]] || echo none; shopt -u extglob", "a1 b1\na1 b1\nall\nnone\n"},
		{". /dev/stdin <<< 'echo sourced $$'", "sourced 4100\n"},
		{"echo still here", "still here\n"},
		{"mkdir -p ~/p/q; builtin cd ~/p; pushd q; builtin cd /; popd; pwd; pushd /tmp >/dev/null; (popd); dirs; pushd; popd; popd", "~/p/q ~/p\n~/p\n/home/user/p\n~/p\n/tmp ~/p\n~/p /tmp\n/tmp\nbash: popd: directory stack empty\n"},
		{"echo x > /tmp/t; gzip /tmp/t; gzip -t /tmp/t.gz && gunzip -t /tmp/t.gz && ls /tmp; gzip -t /etc/passwd", "t.gz\ngzip: /etc/passwd: not in gzip format\n"},
		{"while ((1)); do ((x++)); done & ps aux | tail -n 1 | cut -c 68-", "bash\n"},
	} {
		if o := m.Run(t.Context(), c[0]); o.Output != c[1] {
			t.Errorf("%s: %q, want %q", c[0], o.Output, c[1])
		}
	}
}

// TestSame has two machines do the same, with all that could differ.
func TestSame(t *testing.T) {
	commands := []string{
		"echo $RANDOM $RANDOM $SRANDOM $((RANDOM % 7)); echo $(echo $RANDOM) | cat", "mktemp; head -c8 /dev/urandom | xxd; date +%s%N; openssl rand -hex 4", "sleep 3; echo $SECONDS; date", "time true; uptime; who; ps aux; df; free",
		"(sleep 2; echo job) & echo $!; wait; jobs", "for i in 1 2 3; do echo $i & done; wait", "ls -la / /tmp; stat /etc/passwd", "awk 'BEGIN{print rand(), systime(); for (k in ENVIRON) print k, ENVIRON[k]}'", "set | sort; env", "declare -A m; m[a]=1; m[b]=2; m[c]=3; for i in a b c d e f g; do m[$i]=x$i; done; for k in \"${!m[@]}\"; do echo $k ${m[$k]}; done; echo ${m[@]} ${!m[@]}",
	}
	a, b := newMachine(t), newMachine(t)
	for _, c := range commands {
		x, y := a.Run(t.Context(), c), b.Run(t.Context(), c)
		if !reflect.DeepEqual(x, y) {
			t.Errorf("%s: %+v, then %+v", c, x, y)
		}
	}
}

// FuzzRun runs any text as a command: it must end, by itself or at a limit, and
// leave the machine in order.
func FuzzRun(f *testing.F) {
	for _, seed := range []string{
		"echo hi", ":(){ :|:& };:", "cat <<E\n$x\nE", "a=(1 2); echo ${a[@]:1}", "[[ a =~ (b", "find / -name '*[' -exec ls {} +", "sed 's/\\(a/b/'", "awk '{'", "x=$((1/0))", "<<0|''\n0", "echo >&9", "${!x}", "case x in (", "trap - 9", "printf %*d 5", "grep '\\(' f", "tar xf /dev/zero", "date -d 'next'", "echo {1..", "test ! -a", "select x in a; do :; done", "coproc cat", "exec 3>&1", "[[ -O / ]]", "let x=1+", "read -r -p", "getopts a", "declare -n r=r; echo $r", "kill %", "cut -f", "tr", "seq a", "dd bs=", "xargs -n", "sort -k", "find (",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		m := newMachine(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if o := m.Run(ctx, line); strings.Contains(o.Output, "Segmentation fault") {
			t.Errorf("a command's fault: %s", o.Output)
		}
		if ctx.Err() != nil {
			t.Fatal("no limit ended it")
		}
		if o := m.Run(t.Context(), "builtin echo alive"); !strings.Contains(o.Output, "alive") {
			t.Errorf("afterwards: %+v", o)
		}
	})
}
