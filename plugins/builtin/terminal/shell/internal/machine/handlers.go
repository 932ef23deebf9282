package machine

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/tools"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

type whoKey struct{}

// as has what runs under a context act as somebody.
func (m *Machine) as(ctx context.Context, who vfs.Who) context.Context {
	return context.WithValue(ctx, whoKey{}, who)
}

func (m *Machine) actor(ctx context.Context) vfs.Who {
	who, _ := ctx.Value(whoKey{}).(vfs.Who)
	return who
}

type streams struct {
	in       *os.File
	out, err io.Writer
}

// nowhere is a folder that cannot be: no path of a program leads there, and the
// system refuses it.
const nowhere = "/\x00"

// loginName is what the shell is called that somebody works in.
const loginName = "-bash"

// newRunner makes a shell. None of its handlers is the interpreter's own.
func (m *Machine) newRunner(who vfs.Who, name string, pairs []string, dir string, s streams) (*interp.Runner, error) {
	env := &environ{m: m, who: who, name: name, vars: map[string]string{}}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		env.vars[name] = value
	}
	env.random = expand.Variable{Set: true, Kind: expand.String, Str: strconv.FormatUint(m.config.World.Seed%32768, 10)}
	opts := []interp.RunnerOption{
		interp.Env(env),
		interp.Dir("/"), // the only folder of the host that is looked at, and only for being there
		interp.CallHandler(m.onCall),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return m.onExec }),
		interp.OpenHandler(m.onOpen),
		interp.StatHandler(m.onStat),
		interp.ReadDirHandler2(m.onReadDir),
		interp.AccessHandler(m.onAccess),
		interp.Interactive(name == loginName),
	}
	if s.in != nil {
		opts = append(opts, interp.StdIO(s.in, s.out, s.err))
	} else {
		opts = append(opts, interp.StdIO(nil, s.out, s.err))
	}
	r, err := interp.New(opts...)
	if err != nil {
		return nil, err
	}
	r.Dir = dir
	r.Reset()
	env.started = true
	return r, nil
}

// environ is the variables that a shell begins with, and those that are answered
// anew each time.
type environ struct {
	m       *Machine
	who     vfs.Who
	name    string // $0
	vars    map[string]string
	random  expand.Variable
	started bool
}

func (e *environ) Get(name string) expand.Variable {
	text := func(s string) expand.Variable {
		return expand.Variable{Set: true, Kind: expand.String, Str: s}
	}
	if !e.started && name == "TMPDIR" { // where the interpreter would make its pipes
		return text(nowhere)
	}
	if !e.started && name == "HOME" { // else it would take the host's
		return text(e.vars[name])
	}
	if user, ok := strings.CutPrefix(name, "HOME "); ok {
		return text(e.m.homeOf(user)) // else the host would be asked for its users
	}
	switch name {
	case "UID", "EUID":
		return expand.Variable{Set: true, Kind: expand.String, ReadOnly: true, Str: e.m.World.UID(e.who.User)}
	case "GID":
		return expand.Variable{Set: true, Kind: expand.String, ReadOnly: true, Str: e.m.World.GID(e.who.User)}
	}
	if which, ok := strings.CutPrefix(name, own); ok {
		if which == "ARG0" {
			return text(e.name)
		}
		if s, ok := e.m.answer(which); ok {
			return text(s)
		}
	}
	if value, ok := e.vars[name]; ok {
		v := text(value)
		v.Exported = true
		return v
	}
	return expand.Variable{}
}

func (e *environ) Each(do func(name string, v expand.Variable) bool) {
	// What is answered anew is listed too: shells at the left of a pipe see a copy.
	names := []string{"UID", "EUID", "GID"}
	for _, which := range []string{"PID", "PPID", "ARG0", "RANDOM", "SRANDOM", "SECONDS", "EPOCHSECONDS", "EPOCHREALTIME", "BGPID"} {
		names = append(names, own+which)
	}
	for name := range e.vars {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := e.random // to list it must not move the sequence on
		if name != own+"RANDOM" && name != own+"SRANDOM" {
			v = e.Get(name)
		}
		if !do(name, v) {
			return
		}
	}
}

// answer is the value of a variable that rewrite has put in the place of one of
// the interpreter's.
func (m *Machine) answer(which string) (string, bool) {
	now := m.World.Now()
	switch which {
	case "PID":
		return "4100", true
	case "PPID":
		return "4099", true
	case "RANDOM":
		return strconv.Itoa(m.World.Random(32768)), true
	case "SRANDOM":
		return strconv.Itoa(m.World.Random(math.MaxInt32)), true
	case "SECONDS":
		return strconv.FormatInt(int64(now.Sub(m.config.World.Clock).Seconds()), 10), true
	case "EPOCHSECONDS":
		return strconv.FormatInt(now.Unix(), 10), true
	case "EPOCHREALTIME":
		return fmt.Sprintf("%d.%06d", now.Unix(), now.Nanosecond()/1000), true
	case "BGPID":
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.lastJob, true
	}
	return "", false
}

// homeOf is what ~somebody stands for.
func (m *Machine) homeOf(user string) string {
	if home := m.World.Home(user); home != "" {
		return home
	}
	return "~" + user
}

// errStopped ends a shell whose command has met a limit.
type errStopped struct{ what string }

func (e errStopped) Error() string { return "stopped: " + e.what }

// onCall counts, and turns the interpreter's builtins into ours.
func (m *Machine) onCall(ctx context.Context, args []string) ([]string, error) {
	if err := m.count(); err != nil {
		return args, err
	}
	hc := interp.HandlerCtx(ctx)
	name := args[0]
	if job := hc.Env.Get(own + "JOB"); job.IsSet() && m.jobStep(job.String()) {
		command := strings.Join(args, " ")
		if strings.HasPrefix(name, ownCommand) {
			command = "bash"
		}
		m.World.Linger(job.String(), m.actor(ctx).User, command)
		return []string{"exit", "0"}, nil
	}
	if replaced(name) && interp.IsBuiltin(name) {
		prefix := "\x00"
		if m.declared(name) {
			prefix = function
		}
		return append([]string{prefix + name}, args[1:]...), nil
	}
	return args, nil
}

// count holds a command to its limits.
func (m *Machine) count() error {
	steps := m.steps.Add(1)
	what := ""
	switch {
	case steps > int64(m.config.Steps):
		what = "steps"
	case runtime.NumGoroutine()-m.base > m.config.Processes:
		what = "processes"
	case steps%16 == 0 && runtime.Callers(m.config.Depth, make([]uintptr, 1)) > 0:
		what = "depth"
	default:
		return nil
	}
	m.World.End(what, true)
	return errStopped{what}
}

// shellError is an error that the interpreter prints as bash would.
func shellError(name string, err error) error {
	return &os.PathError{Op: "bash:", Path: strings.TrimPrefix(name, nowhere), Err: reason{err}}
}

// reason is an error in bash's words: ": " is put in front of it by PathError.
type reason struct{ err error }

func (r reason) Error() string { return tools.Reason(r.err) }

func (m *Machine) onOpen(ctx context.Context, name string, flag int, perm fs.FileMode) (io.ReadWriteCloser, error) {
	hc := interp.HandlerCtx(ctx)
	m.mu.Lock()
	text, ok := m.sources[name]
	delete(m.sources, name)
	m.mu.Unlock()
	if ok {
		return &stream{Reader: strings.NewReader(text)}, nil
	}
	full := name
	if !strings.HasPrefix(name, "/") {
		full = strings.TrimSuffix(hc.Dir, "/") + "/" + name
	}
	if name == "" {
		return nil, shellError(name, syscall.ENOENT)
	}
	switch clean := vfs.Abs(hc.Dir, name); {
	case clean == "/dev/stdout" || clean == "/proc/self/fd/1" || clean == "/dev/fd/1":
		return &stream{Writer: hc.Stdout}, nil
	case clean == "/dev/stderr" || clean == "/proc/self/fd/2" || clean == "/dev/fd/2":
		return &stream{Writer: hc.Stderr}, nil
	case clean == "/dev/stdin" || clean == "/dev/fd/0":
		return &stream{Reader: hc.Stdin}, nil
	case strings.HasPrefix(clean, "/dev/tcp/") || strings.HasPrefix(clean, "/dev/udp/"):
		parts := strings.Split(clean, "/")
		if len(parts) != 5 {
			return nil, shellError(name, syscall.ENOENT)
		}
		m.World.Contact(tools.Contact{Command: "bash", Line: clean, Host: parts[3], Port: parts[4]})
		fmt.Fprintf(hc.Stderr, "bash: %s: %s\n", parts[3], tools.Unreachable(parts[3]))
		return nil, shellError(name, syscall.EINVAL)
	}
	h, err := m.World.FS.Open(m.actor(ctx), full, flag, 0o666&^m.World.Umask())
	if err != nil {
		return nil, shellError(name, err)
	}
	if flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		return h, nil
	}
	if info, err := m.World.FS.Stat(m.actor(ctx), full, true); err == nil && info.IsDir() {
		return nil, shellError(name, syscall.EISDIR)
	}
	return piped(ctx, h)
}

// piped is a reader as the end of a pipe, which the interpreter closes when it
// has no more use for it: other readers would be left behind.
func piped(ctx context.Context, r io.Reader) (*os.File, error) {
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, shellError("pipe", syscall.EBUSY)
	}
	go func() {
		defer pw.Close()
		buf := make([]byte, 32<<10)
		for ctx.Err() == nil {
			n, err := r.Read(buf)
			if n > 0 {
				if _, err := pw.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return pr, nil
}

// stream is a file that only reads or only writes.
type stream struct {
	io.Reader
	io.Writer
}

func (s *stream) Read(p []byte) (int, error) {
	if s.Reader == nil {
		return 0, io.EOF
	}
	return s.Reader.Read(p)
}

func (s *stream) Write(p []byte) (int, error) {
	if s.Writer == nil {
		return 0, syscall.EBADF
	}
	return s.Writer.Write(p)
}

func (s *stream) Close() error { return nil }

func (m *Machine) onStat(ctx context.Context, name string, follow bool) (fs.FileInfo, error) {
	if name == tickFile {
		if err := m.count(); err != nil {
			return nil, err
		}
		if job := interp.HandlerCtx(ctx).Env.Get(own + "JOB"); job.IsSet() && m.jobStep(job.String()) {
			return nil, fs.ErrNotExist
		}
		name = "/"
	}
	info, err := m.World.FS.Stat(m.actor(ctx), name, follow)
	if err != nil {
		return nil, err
	}
	return info, nil
}

func (m *Machine) onReadDir(ctx context.Context, name string) ([]fs.DirEntry, error) {
	if err := m.count(); err != nil {
		return nil, err
	}
	infos, err := m.World.FS.List(m.actor(ctx), name)
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, len(infos))
	for i, info := range infos {
		entries[i] = fs.FileInfoToDirEntry(info)
	}
	return entries, nil
}

func (m *Machine) onAccess(ctx context.Context, name string, mode interp.AccessMode) error {
	return m.World.FS.Access(m.actor(ctx), name, uint32(mode))
}
