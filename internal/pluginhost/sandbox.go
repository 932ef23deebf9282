package pluginhost

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/contain"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// LaunchArgument is the argument with which autosafe starts itself as the
// launcher of contained plugins.
const LaunchArgument = "plugin-launch"

// Launch is the launcher's main. It returns an exit code if it fails.
func Launch(args []string) int { return contain.Launch(args) }

// ShutIn takes the network from this process, the built-in plugin's: it reads
// and writes files for recipes, and needs no other thing. It has no environment
// either.
func ShutIn() { contain.Shut() }

// Sandbox says what becomes of third parties' plugins where they cannot be
// contained in full.
type Sandbox string

// The settings. The default is SandboxAuto.
const (
	SandboxAuto    Sandbox = "auto"    // they run all the same, and a message says what is missing
	SandboxRequire Sandbox = "require" // they do not run
	SandboxOff     Sandbox = "off"     // nothing is contained
)

// Valid says whether it is one of the settings.
func (s Sandbox) Valid() bool {
	return s == SandboxAuto || s == SandboxRequire || s == SandboxOff
}

// DefaultMemory bounds the data of a contained plugin.
const DefaultMemory = 16 << 30

// needs are what a run is given beside its plugin's grant. A run with needs
// has a process of its own kind: no other can do with it what it may.
type needs struct {
	files   []string // that its configuration names
	workDir string   // that it writes to
	own     uint64   // not 0: the process is this run's alone
	// command says that the process runs a command of the recipe, with env: it is
	// autosafe's own, and not shut in.
	command bool
	env     []string
}

func (n needs) key() string {
	if len(n.files) == 0 && n.workDir == "" && n.own == 0 {
		return ""
	}
	return fmt.Sprintf("\x00%d\x00%s\x00%s", n.own, n.workDir, strings.Join(n.files, "\x00"))
}

// alone says that the process ends with the run.
func (n needs) alone() bool { return n.workDir != "" || n.own != 0 }

// needsOf are the needs of a run.
func (h *Host) needsOf(s engine.RunSpec) needs {
	if s.Plugin.Path == "" && s.Tuning != nil && len(s.Tuning.Command) > 0 {
		return needs{own: h.owners.Add(1), command: true, env: h.commandEnv(s.Tuning)}
	}
	if !h.contains(s.Plugin) {
		return needs{}
	}
	n := needs{files: slices.Clone(s.Files)}
	if s.Tuning != nil {
		n.files = append(n.files, s.Tuning.DataDir)
	}
	slices.Sort(n.files)
	if s.Role == schema.Output || s.Role == schema.Finetune {
		n.workDir = s.WorkDir
	}
	return n
}

// commandEnv is the environment of a command that a recipe has run: this
// process's, without what is named like a secret, or is the key of an endpoint,
// unless the recipe names it.
func (h *Host) commandEnv(t *engine.Tuning) (list []string) {
	const least = 8 // shorter ones are placeholders, as local servers want them
	for _, kv := range h.opts.Environ {
		name, value, _ := strings.Cut(kv, "=")
		secret := spec.SecretName(name) || len(value) >= least && slices.ContainsFunc(t.Keys, func(k spec.Secret) bool { return k.Reveal() == value })
		if !secret || slices.Contains(t.Environment, name) {
			list = append(list, kv)
		}
	}
	return list
}

// contains says whether a plugin's processes are contained. The built-in one
// shuts itself in.
func (h *Host) contains(ref pluginRef) bool {
	return ref.Path != "" && h.opts.Sandbox != SandboxOff && contain.Supported
}

// cell is what a contained process is started with.
type cell struct {
	host   *Host
	policy contain.Policy
	proc   *contain.Process // nil until it has started
}

// newCell makes the cell of a process; nil if it is not contained.
func (h *Host) newCell(ref pluginRef, n needs) *cell {
	if !h.contains(ref) {
		return nil
	}
	c := &cell{host: h, policy: contain.Policy{Path: absolute(ref.Path), Memory: cmp.Or(h.opts.PluginMemory, DefaultMemory)}}
	for _, file := range n.files {
		c.policy.Read = append(c.policy.Read, absolute(file))
	}
	if n.workDir != "" {
		c.policy.Write = []string{absolute(n.workDir)}
	}
	if g := ref.Grant; g != nil {
		for _, path := range g.Read {
			c.policy.Read = append(c.policy.Read, h.granted(path))
		}
		for _, place := range g.Network {
			if host, port, err := net.SplitHostPort(place); err == nil { // the recipe was checked
				c.policy.Net = append(c.policy.Net, contain.Target{Host: host, Port: port})
			}
		}
	}
	return c
}

// absolute is a path for a process whose working folder is another.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// granted is where a granted path is.
func (h *Host) granted(path string) string {
	path = filepath.FromSlash(path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(h.opts.Dir, path)
	}
	return absolute(path)
}

// prepareWork makes the private folder of a third party's process, and gives
// its whole environment.
func (h *Host) prepareWork(ref pluginRef, dir string, env []string) ([]string, string, error) {
	contain.Hide()
	work := (&contain.Policy{Base: dir}).Work()
	if err := os.MkdirAll(work, 0o700); err != nil {
		return nil, "", err
	}
	env = append(env, "TMPDIR="+work, "HOME="+work)
	if runtime.GOOS != "windows" {
		env = append(env, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8")
	}
	return append(env, h.grantedEnv(ref.Grant)...), work, nil
}

// grantedEnv are the granted variables that are set.
func (h *Host) grantedEnv(g *spec.Grant) (list []string) {
	if g == nil {
		return nil
	}
	for _, kv := range h.opts.Environ {
		if name, _, ok := strings.Cut(kv, "="); ok && slices.Contains(g.Env, name) {
			list = append(list, kv)
		}
	}
	return list
}

// secretsOf has the values of granted variables replaced by their names.
func (h *Host) secretsOf(g *spec.Grant) *strings.Replacer {
	const least = 4 // shorter ones are no secrets, and stand in every text
	var pairs []string
	list := h.grantedEnv(g)
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) }) // one may be within another
	for _, kv := range list {
		if name, value, _ := strings.Cut(kv, "="); len(value) >= least {
			pairs = append(pairs, value, "("+name+")")
		}
	}
	return strings.NewReplacer(pairs...)
}

// rowError reads an error, without secrets: these go before the text is cut off,
// which may be in the middle of one.
func (r *run) rowError(m *pluginpb.RowError) *engine.RowError {
	m.Summary, m.Detail = r.process.secrets.Replace(m.GetSummary()), r.process.secrets.Replace(m.GetDetail())
	return readError(m)
}

// diagnostic reads a diagnostic, without secrets.
func (p *process) diagnostic(m *pluginpb.Diagnostic) schema.Diagnostic {
	m.Summary, m.Detail = p.secrets.Replace(m.GetSummary()), p.secrets.Replace(m.GetDetail())
	return readDiagnostic(m)
}

// start starts the process contained. The binary is checked while the launcher
// makes ready: of both, neither is quick.
func (c *cell) start(prepare func(*exec.Cmd), start func(*exec.Cmd) error, check func() error) (*exec.Cmd, error) {
	if c.host.opts.SelfPath == "" {
		return nil, fmt.Errorf("the path of the autosafe binary is not known, which contains plugins")
	}
	l := contain.Launcher{Self: c.host.opts.SelfPath, Argument: LaunchArgument, Plain: c.host.plain.Load()}
	proc, err := l.Start(c.policy, prepare, start, check)
	if err != nil {
		return nil, err
	}
	c.proc = proc
	if proc.Refused {
		c.host.plain.Store(true)
	}
	if err := c.host.tellLevel(proc.Level); err != nil {
		_ = proc.Process.Kill()
		_ = proc.Wait()
		c.close()
		return nil, err
	}
	return proc.Cmd, nil
}

// close ends what carries the process's connections; also of a nil cell.
func (c *cell) close() {
	if c != nil && c.proc != nil {
		c.proc.Close()
	}
}

// uncontained is called before a third party's process starts that nothing
// contains.
func (h *Host) uncontained() error {
	if h.opts.Sandbox == SandboxOff {
		return nil
	}
	return h.tellLevel(contain.Level{None: true})
}

// tellLevel says once how far plugins are contained, unless that is in full,
// or refuses to run them.
func (h *Host) tellLevel(level contain.Level) error {
	if level.Full() {
		return nil
	}
	detail := "Only Linux can hold a plugin to what the recipe grants it; here it can do whatever you can."
	if !level.None {
		detail = "This is not enforced: " + strings.Join(level.Missing, "; ") + "."
	}
	if h.opts.Sandbox == SandboxRequire {
		return fmt.Errorf("plugins cannot be contained in full, and -plugin-sandbox is require. %s", detail)
	}
	h.levelTold.Do(func() {
		if h.opts.Notify != nil {
			h.opts.Notify("Plugins are not contained in full", detail+" With -plugin-sandbox require they would not run.")
		}
	})
	return nil
}
