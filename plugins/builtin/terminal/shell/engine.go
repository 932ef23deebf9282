package shell

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/machine"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/tools"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// withDefaults fills in what options leave open.
func (o Options) withDefaults() Options {
	l, d := &o.Limits, DefaultLimits()
	l.Command, l.Session = cmp.Or(l.Command, d.Command), cmp.Or(l.Session, d.Session)
	l.Output, l.Steps, l.Processes, l.Depth = cmp.Or(l.Output, d.Output), cmp.Or(l.Steps, d.Steps), cmp.Or(l.Processes, d.Processes), cmp.Or(l.Depth, d.Depth)
	l.Bytes, l.Files, l.Memory = cmp.Or(l.Bytes, d.Bytes), cmp.Or(l.Files, d.Files), cmp.Or(l.Memory, d.Memory)
	o.User, o.Hostname = cmp.Or(o.User, "user"), cmp.Or(o.Hostname, "workstation")
	if o.Clock.IsZero() {
		o.Clock = time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC)
	}
	o.Clock = o.Clock.UTC()
	return o
}

// engine is a machine with what has been told of it.
type engine struct {
	m    *machine.Machine
	told uint64          // the generation of files that has been told
	had  map[string]bool // the paths that have been told
}

// newEngine makes a machine from options with defaults.
func newEngine(o Options) (*engine, error) {
	m := machine.New(machine.Config{
		World: tools.Config{
			User: o.User, Sudo: o.Sudo, Hostname: o.Hostname, Clock: o.Clock, Seed: o.Seed, Processes: o.Processes, Units: o.Units, URLs: o.URLs,
			Bytes: o.Limits.Bytes, Files: o.Limits.Files, MaxRead: o.Limits.Memory / 8,
		},
		Env: o.Env, Output: o.Limits.Output, Steps: o.Limits.Steps, Processes: o.Limits.Processes, Depth: o.Limits.Depth,
	})
	home := m.World.Home(o.User)
	if home == "" {
		home = "/home/" + o.User
	}
	// Folders first, and what lies deeper later, so that nothing is made twice.
	for _, name := range slices.Sorted(maps.Keys(o.Fixture)) {
		e, at, err := o.entry(name, home)
		if err != nil {
			return nil, err
		}
		m.World.FS.Put(at, e)
	}
	bytes, files := m.World.FS.Usage()
	if bytes > o.Limits.Bytes || files > o.Limits.Files {
		return nil, fmt.Errorf("the fixture has %d bytes in %d files; the limits are %d and %d", bytes, files, o.Limits.Bytes, o.Limits.Files)
	}
	if err := m.Login(); err != nil {
		return nil, err
	}
	return &engine{m: m, had: map[string]bool{}}, nil
}

// entry is a file of the fixture as the file system has it.
func (o Options) entry(name, home string) (vfs.Entry, string, error) {
	f := o.Fixture[name]
	at := name
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		at = home + "/" + rest
	}
	if !strings.HasPrefix(at, "/") || strings.ContainsRune(at, 0) {
		return vfs.Entry{}, "", fmt.Errorf("the fixture's path %q does not begin with / or ~/", name)
	}
	at = vfs.Abs("/", at)
	e := vfs.Entry{Kind: vfs.File, Mode: f.Mode, Owner: f.Owner, Group: f.Group, Changed: o.Clock.Add(-f.Age), Content: []byte(f.Content)}
	switch {
	case f.Dir:
		e.Kind, e.Content = vfs.Dir, nil
	case f.Target != "":
		e.Kind, e.Target, e.Content = vfs.Link, f.Target, nil
	}
	if f.Dir && f.Content != "" || f.Target != "" && (f.Content != "" || f.Dir) {
		return vfs.Entry{}, "", fmt.Errorf("the fixture's %q is to be two things at once", name)
	}
	if e.Mode == 0 {
		e.Mode = map[vfs.Kind]uint32{vfs.File: 0o644, vfs.Dir: 0o755, vfs.Link: 0o777}[e.Kind]
	}
	if e.Owner == "" {
		e.Owner = "root"
		if at == home || strings.HasPrefix(at, home+"/") {
			e.Owner = o.User
		}
	}
	e.Group = cmp.Or(e.Group, e.Owner)
	return e, at, nil
}

// run runs one command, for a time.
func (e *engine) run(ctx context.Context, command string, limit time.Duration) Result {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	o := e.m.Run(ctx, command)
	return Result{Output: o.Output, ExitCode: o.Code, Ended: o.Ended, Truncated: o.Truncated, Missing: o.Missing}
}

// delta is what has changed since it was last told.
func (e *engine) delta() delta {
	changed, all, now := e.m.World.FS.Since(e.told)
	e.told = now
	d := delta{Changed: changed, Dir: e.m.Dir(), Clock: e.m.World.Now()}
	d.Processes, d.Units, d.Contacts, d.Missing = e.m.World.Tables()
	have := make(map[string]bool, len(all))
	for _, name := range all {
		have[name] = true
	}
	for name := range e.had {
		if !have[name] {
			d.Removed = append(d.Removed, name)
		}
	}
	slices.Sort(d.Removed)
	e.had = have
	return d
}

// restore makes the machine what a state tells, with a new shell.
func (e *engine) restore(s State) error {
	e.m.World.FS.Load(s.Files)
	e.m.World.Reset(s.Processes, s.Units, s.Contacts, s.Missing, s.Clock)
	return e.m.Enter(s.Dir)
}

// delta is the difference between two states.
type delta struct {
	Changed   map[string]Entry `json:"changed"`
	Removed   []string         `json:"removed"`
	Processes []Process        `json:"processes"`
	Units     map[string]Unit  `json:"units"`
	Contacts  []Contact        `json:"contacts"`
	Missing   []string         `json:"missing"`
	Dir       string           `json:"dir"`
	Clock     time.Time        `json:"clock"`
}

// apply is a state after a difference.
func (s State) apply(d delta) State {
	if len(d.Changed)+len(d.Removed) > 0 {
		files := maps.Clone(s.Files)
		if files == nil {
			files = map[string]Entry{}
		}
		for _, name := range d.Removed {
			delete(files, name)
		}
		maps.Copy(files, d.Changed)
		s.Files = files
	}
	s.Processes, s.Units, s.Contacts, s.Missing, s.Dir, s.Clock = d.Processes, d.Units, d.Contacts, d.Missing, d.Dir, d.Clock
	return s
}

// Local is a session in this process: without the bounds that a process of its own
// has, for tests of commands and fixtures.
type Local struct {
	e     *engine
	opts  Options
	state State
}

// NewLocal makes a session in this process.
func NewLocal(opts Options) (*Local, error) {
	opts = opts.withDefaults()
	e, err := newEngine(opts)
	if err != nil {
		return nil, err
	}
	return &Local{e: e, opts: opts}, nil
}

// Run runs a command line.
func (l *Local) Run(ctx context.Context, command string) Result {
	return l.e.run(ctx, command, l.opts.Limits.Command)
}

// State tells what there is now.
func (l *Local) State() State {
	l.state = l.state.apply(l.e.delta())
	return l.state
}
