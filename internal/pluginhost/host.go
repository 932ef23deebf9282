// Package pluginhost runs components out of process. It finds plugin
// binaries, asks them once what they can do, starts one process for each
// binary that a build needs, moves rows to it and back in batches, holds what
// comes back to what was declared, and answers the plugins' model calls.
//
// It decides nothing about rows, caches no results and knows no recipe
// syntax. Nothing secret goes to a plugin: no environment, no endpoint, no
// key.
package pluginhost

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/lockfile"
	"github.com/autosafe/autosafe/spec/schema"
)

// BuiltinSource is the PluginRef.Source of the built-in plugin.
const BuiltinSource = "builtin"

// ServeArgument is the argument with which autosafe starts itself as the
// built-in plugin.
const ServeArgument = "plugin-serve"

// CommandsArgument is the argument beside it for a process that runs a command of
// a recipe: that needs what the user has.
const CommandsArgument = "-commands"

// Options say where plugins are and who answers their model calls.
type Options struct {
	// Builtin is the plugin compiled in. It is described and validated in
	// this process and run by SelfPath.
	Builtin  sdk.Plugin
	SelfPath string // the autosafe binary

	Dirs []string // folders to look for plugins in, first match first
	// Lock says which version and which binary of each plugin is used; nil:
	// none is locked, and only binaries that were put there by hand are.
	Lock *lockfile.File
	// Overrides are folders with the binary of a source, in place of what is
	// locked and installed.
	Overrides map[string]string
	Store     *cache.Store // keeps descriptions; nil: only this Host does
	Models    llm.Client   // nil where no component will run
	// Version of autosafe, told to plugins.
	Version string
	// Log gets plugins' log lines, made harmless for terminals. It may be nil
	// and is used by one goroutine at a time.
	Log io.Writer

	// Stdout gets what plugins write to standard output, which is not theirs;
	// nil: what goes through the SDK's pipe is logged, the rest is let go. It is
	// used by several goroutines.
	Stdout io.Writer

	// Dir is the recipe's folder, and Environ the environment from which
	// recipes may grant plugins variables.
	Dir     string
	Environ []string
	// Sandbox says how third parties' plugins are contained; "" is SandboxAuto.
	Sandbox Sandbox
	// PluginMemory bounds the data of a contained plugin, in bytes; 0 is
	// DefaultMemory, and below 0 nothing does.
	PluginMemory int64
	// Notify gets messages for the user; it may be nil.
	Notify func(summary, detail string)

	// StartTimeout is how long a process may take to be ready; by default
	// a minute.
	StartTimeout time.Duration
	// StallTimeout ends a run that owes results and has neither sent
	// anything nor called a model for so long; by default 15 min.
	StallTimeout time.Duration
}

// Host runs plugins. It is safe for use by many goroutines.
type Host struct {
	opts    Options
	log     *lineLog
	starter *starter
	grace   time.Duration // see there; tests take longer
	started atomic.Int64
	work    sync.WaitGroup // processes being started and stopped

	plain     atomic.Bool   // namespaces were refused
	owners    atomic.Uint64 // runs that got a process of their own
	levelTold sync.Once

	mu        sync.Mutex
	closed    bool
	processes map[string]*process // by binary
	memo      map[cache.Digest][]byte
	described map[string]*description // by binary
}

// New makes a Host. It starts nothing.
func New(opts Options) *Host {
	if opts.StartTimeout <= 0 {
		opts.StartTimeout = time.Minute
	}
	if opts.StallTimeout <= 0 {
		opts.StallTimeout = 15 * time.Minute
	}
	return &Host{
		opts: opts, log: &lineLog{out: opts.Log}, starter: newStarter(), grace: grace,
		processes: map[string]*process{},
		memo:      map[cache.Digest][]byte{},
		described: map[string]*description{},
	}
}

// Started counts the processes started so far.
func (h *Host) Started() int { return int(h.started.Load()) }

var errClosed = errors.New("the plugin host is closed")

// Start begins one run of a component. The errors are *engine.RunError.
func (h *Host) Start(ctx context.Context, spec engine.RunSpec) (engine.Run, error) {
	desc, err := h.describe(ctx, spec.Plugin)
	if err != nil {
		return nil, runError("plugin_unusable", "the plugin cannot be used", err)
	}
	comp, ok := desc.component(spec.Role, spec.Component)
	if !ok {
		return nil, &engine.RunError{
			Code: "unknown_component", Summary: "the plugin does not have this component",
			Detail: string(spec.Role) + " " + spec.Component,
		}
	}
	return h.startLasting(ctx, comp, spec)
}

// begin begins a run on a process that has what it needs.
func (h *Host) begin(ctx context.Context, comp *schema.Component, spec engine.RunSpec, n needs) (*run, error) {
	p, err := h.processFor(ctx, spec.Plugin, n)
	if err != nil {
		return nil, runError("plugin_start_failed", "the plugin cannot be started", err)
	}
	r, err := newRun(ctx, h, p, comp, spec)
	if err != nil {
		return nil, err
	}
	r.alone = n.alone()
	return r, nil
}

// runError makes a RunError, unless err is one; that is copied, since several
// runs may wait for one start, and each puts its address on its error.
func runError(code, summary string, err error) *engine.RunError {
	var e *engine.RunError
	if errors.As(err, &e) {
		own := *e
		return &own
	}
	return &engine.RunError{Code: code, Summary: summary, Detail: cleanText(err.Error(), maxDetail)}
}

// process gives the process of a binary that all its runs share.
func (h *Host) process(ctx context.Context, ref pluginRef) (*process, error) {
	return h.processFor(ctx, ref, needs{})
}

// processFor gives the process of a binary for some needs and starts it if it
// must. Callers at the same time share one start.
func (h *Host) processFor(ctx context.Context, ref pluginRef, n needs) (*process, error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, errClosed
	}
	key := processKey(ref) + n.key()
	p := h.processes[key]
	if p == nil || p.over() {
		if p != nil {
			h.work.Go(p.stop)
		}
		p = newProcess(h, ref, n)
		h.processes[key] = p
		if h.started.Add(1) == 1 {
			h.work.Go(func() { sweepSockets(os.TempDir()) })
		}
		h.work.Go(p.launch)
	}
	h.mu.Unlock()
	select {
	case <-p.ready:
		return p, p.err
	case <-ctx.Done():
		return nil, calledOff(ctx.Err())
	}
}

// retire ends a process that no run uses any more. When it returns, the process
// is gone: what an output wrote does not change from then on.
func (h *Host) retire(p *process) {
	p.stop() // while it is listed, Close waits for it too
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, q := range h.processes {
		if q == p {
			delete(h.processes, key)
		}
	}
}

// calledOff is the error of a start that is no longer wanted.
func calledOff(err error) *engine.RunError {
	return &engine.RunError{Code: "interrupted", Summary: "the start of the plugin was called off", Detail: err.Error()}
}

// Close ends every process and every run. It may be called twice.
func (h *Host) Close() error {
	h.mu.Lock()
	list := make([]*process, 0, len(h.processes))
	for _, p := range h.processes {
		list = append(list, p)
	}
	first := !h.closed
	h.closed = true
	h.mu.Unlock()
	for _, p := range list {
		h.work.Go(p.stop)
	}
	h.work.Wait()
	if first {
		h.starter.close()
	}
	return nil
}

func (h *Host) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// component finds a component in a description.
func (d *description) component(role schema.Role, name string) (*schema.Component, bool) {
	for i := range d.components {
		if c := &d.components[i]; c.Role == role && c.Name == name {
			return c, true
		}
	}
	return nil, false
}
