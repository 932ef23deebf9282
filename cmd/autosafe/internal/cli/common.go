package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/internal/pluginhost"
	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/spec"
)

// common are the flags that every command takes, and those of the commands
// that read a recipe.
type common struct {
	chdir    string
	json     bool
	noColor  bool
	quiet    bool
	progress view.Progress

	cacheDir string
	vars     list
	varFiles list
	sandbox  string
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func (c *common) declare(flags *flag.FlagSet, what takes) {
	flags.StringVar(&c.chdir, "chdir", "", "change to `DIR` first")
	flags.BoolVar(&c.json, "json", false, "write JSON lines to standard output")
	flags.BoolVar(&c.noColor, "no-color", false, "no colour, whatever the terminal")
	flags.BoolVar(&c.quiet, "quiet", false, "no progress; results and problems only")
	flags.StringVar((*string)(&c.progress), "progress", string(view.ProgressAuto), "how progress is shown: `MODE` is auto, tty, plain or none")
	if what != takesNone {
		flags.StringVar(&c.cacheDir, "cache", "", "keep the cache in `DIR` (else $AUTOSAFE_CACHE, else your cache folder)")
	}
	if what == takesRecipe {
		flags.Var(&c.vars, "var", "set a variable: `NAME=VALUE`; may be repeated")
		flags.Var(&c.varFiles, "var-file", "set variables from `FILE`; may be repeated")
	}
	if what >= takesPlugins {
		flags.StringVar(&c.sandbox, "plugin-sandbox", string(pluginhost.SandboxAuto), "how third parties' plugins are contained: `MODE` is auto, require or off")
	}
}

// getenv looks a variable up in the command's own environment.
func (inv *invocation) getenv(name string) string {
	for _, kv := range inv.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// openCache opens the cache that the flags and the environment name.
func (inv *invocation) openCache() (*cache.Store, error) {
	return inv.openCacheWith(cache.Options{Damaged: inv.view.Damaged})
}

func (inv *invocation) openCacheWith(opts cache.Options) (*cache.Store, error) {
	dir, err := inv.cachePath()
	if err != nil {
		return nil, err
	}
	return cache.Open(dir, opts)
}

// cachePath is the cache's folder.
func (inv *invocation) cachePath() (string, error) {
	dir := inv.cacheDir
	if dir == "" {
		dir = inv.getenv("AUTOSAFE_CACHE")
	}
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for the cache: %w; name one with -cache DIR", err)
		}
		dir = filepath.Join(base, "autosafe")
	}
	return dir, nil
}

// session is a recipe, checked, with all that is needed to build it.
type session struct {
	source *spec.Source
	recipe *spec.Recipe
	store  *cache.Store // nil where the command does without
	host   *pluginhost.Host
	models *hookedClient
	stop   chan struct{} // closed when nothing new is to be begun, see halt

	// version is what documents say of the version of autosafe; "": this one.
	version string

	halted     sync.Once
	overBudget atomic.Bool

	disconnected  sync.Once
	disconnectErr error
}

// halt has what is in flight finish and nothing new begin.
func (s *session) halt() { s.halted.Do(func() { close(s.stop) }) }

// needs are what a command asks of its session.
type needs struct {
	cache   bool        // it cannot do without; else only foreign plugins' descriptions are cached
	offline bool        // no call but those in the cache
	refresh bool        // some calls are made anew though the cache has them
	budget  float64     // US dollars that calls may cost; 0 is any amount
	replay  *llm.Replay // a log that calls are answered from; nil: none

	// With scratch, the folder of a cache that is made for this alone, nothing
	// is known but the answers of another one, which is not written to.
	scratch string
	answers *cache.Store
}

// open loads and checks a recipe. It reports every problem itself.
func (inv *invocation) open(dir string, needs needs) (*session, bool) {
	source, diags := spec.Parse(dir)
	// What a newer autosafe understands may be an error here, so a recipe that
	// asks for one hears of nothing else.
	if unfit := source.CheckVersion(Version); unfit.HasErrors() {
		diags = unfit
	}
	if diags.HasErrors() {
		inv.report(source, diags)
		return nil, false
	}
	var store *cache.Store
	if needs.cache || len(source.RequiredPlugins) > 0 {
		var err error
		if needs.scratch != "" {
			store, err = cache.Open(needs.scratch, cache.Options{Damaged: inv.view.Damaged})
		} else {
			store, err = inv.openCache()
		}
		if err != nil {
			inv.report(source, append(diags, cacheProblem(err)))
			return nil, false
		}
	}
	plugins, err := inv.pluginSetup(source)
	if err != nil {
		inv.report(source, append(diags, problem("Unusable plugins", err)))
		if store != nil {
			_ = store.Close() // nothing was written
		}
		return nil, false
	}
	s := inv.newSession(source, store, needs, plugins)
	registry, more := s.host.Registry(source.RequiredPlugins)
	diags = append(diags, more...)
	if !diags.HasErrors() {
		checked := s.checked()
		s.recipe, more = source.Decode(spec.Options{
			Vars: inv.vars, VarFiles: inv.varFiles, Environ: inv.Environ, Registry: registry, Version: Version, Checked: checked,
		})
		diags = append(diags, more...)
		if inv.command == "build" && !diags.HasErrors() {
			s.keepChecked(checked, s.recipe)
		}
	}
	inv.report(source, diags)
	if !diags.HasErrors() {
		return s, true
	}
	inv.closeSession(s)
	return nil, false
}

func (inv *invocation) newSession(source *spec.Source, store *cache.Store, needs needs, plugins pluginSetup) *session {
	s := &session{source: source, store: store, stop: make(chan struct{})}
	var calls llm.ReadyStore = callStore{store}
	if needs.answers != nil {
		calls = knownAnswers{callStore{needs.answers}, store}
	}
	if needs.replay != nil {
		calls = needs.replay.Over(calls)
	}
	s.models = &hookedClient{Client: llm.New(llm.Options{
		Store: calls, Batches: callStore{store}, Build: folderName(source.Dir),
		OnBatches: func(list []llm.BatchInfo) { inv.view.Waiting(shownBatches(list)) },
		Offline:   needs.offline, Refresh: needs.refresh, UserAgent: "autosafe/" + Version,
		Notify: inv.view.Notify, Stopping: s.stop, BudgetUSD: needs.budget,
		OnBudget: func() {
			s.overBudget.Store(true)
			s.halt()
		},
	})}
	s.host = pluginhost.New(pluginhost.Options{
		Builtin: builtin.Plugin(), SelfPath: selfPath(), Dirs: inv.pluginDirs(source.Dir),
		Lock: plugins.lock, Overrides: plugins.overrides,
		Models: s.models, Store: store, Version: Version, Log: inv.view.PluginLog(),
		Dir: source.Dir, Environ: inv.Environ, Sandbox: pluginhost.Sandbox(inv.sandbox), Notify: inv.view.Notify,
		PluginMemory: inv.pluginMemory(),
	})
	return s
}

// pluginMemory is how much memory a plugin's process may have, in bytes; 0 is
// the default, and below 0 nothing bounds it.
func (inv *invocation) pluginMemory() int64 {
	const name, most = "AUTOSAFE_PLUGIN_MEMORY", 1 << 20
	text := inv.getenv(name)
	if text == "" {
		return 0
	}
	gib, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil || gib > most:
		inv.view.Notify(name+" is ignored", "It is a number of GiB, or 0 for no limit, and not "+view.Quote(text)+".")
		return 0
	case gib == 0:
		return -1
	}
	return int64(gib) << 30
}

// report shows problems with the lines that they stand on.
func (inv *invocation) report(source *spec.Source, diags hcl.Diagnostics) {
	var files map[string]*hcl.File
	if source != nil {
		files = source.Files
	}
	inv.view.Diagnostics(files, diags)
}

// fail reports an error that is about no place in a recipe.
func (inv *invocation) fail(summary string, err error) int {
	inv.view.Diagnostics(nil, hcl.Diagnostics{problem(summary, err)})
	return exitError
}

// interrupted says that an interrupt ended the command, and what that means.
func (inv *invocation) interrupted(what string) int {
	inv.view.Notify("Interrupted", what)
	return exitInterrupted
}

func problem(summary string, err error) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: sentence(err.Error())}
}

// sentence makes a sentence of the text of an error.
func sentence(text string) string {
	text = capital(text)
	if text != "" && !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return text
}

// capital has text start with a capital letter, unless it starts with an
// address or a path.
func capital(text string) string {
	word, _, _ := strings.Cut(text, " ")
	first, n := utf8.DecodeRuneInString(text)
	if !unicode.IsLower(first) || strings.ContainsAny(strings.TrimRight(word, ".:,"), "./_") {
		return text
	}
	return string(unicode.ToUpper(first)) + text[n:]
}

// disconnect ends plugin processes and connections. It may be called twice.
func (s *session) disconnect() error {
	s.disconnected.Do(func() { s.disconnectErr = errors.Join(s.host.Close(), s.models.Close()) })
	return s.disconnectErr
}

// close ends plugin processes and connections and writes what is pending.
func (s *session) close() error {
	err := s.disconnect()
	if s.store == nil {
		return err
	}
	return errors.Join(s.store.Close(), err)
}

// closeSession closes the session of a command whose result stands already,
// and says whether that went well.
func (inv *invocation) closeSession(s *session) bool {
	err := s.close()
	if err != nil {
		inv.view.Diagnostics(nil, hcl.Diagnostics{cacheProblem(err)})
	}
	return err == nil
}

// cacheProblem says what is wrong with the cache, and what can be done.
func cacheProblem(err error) *hcl.Diagnostic {
	d := problem("Cache unusable", err)
	d.Detail = strings.TrimPrefix(err.Error(), "cache: ") + "." // it starts with a path
	if !strings.Contains(d.Detail, "AUTOSAFE_CACHE") {
		d.Detail += " Choose another cache folder with -cache or AUTOSAFE_CACHE."
	}
	return d
}

// pluginDirs are the folders in which plugins are looked for, first match
// first.
func (inv *invocation) pluginDirs(recipe string) []string {
	dirs := []string{filepath.Join(recipe, ".autosafe", "plugins")}
	if dir := inv.getenv("AUTOSAFE_PLUGIN_DIR"); dir != "" {
		dirs = append(dirs, filepath.SplitList(dir)...)
	}
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".autosafe", "plugins"))
	}
	return dirs
}

// callStore keeps model calls in the cache.
type callStore struct{ store *cache.Store }

func (c callStore) Get(key [32]byte) ([]byte, bool, error) {
	return found(c.store.Get(cache.Calls, key))
}

// Peek implements llm.PeekStore.
func (c callStore) Peek(key [32]byte) ([]byte, bool, error) {
	return found(c.store.Peek(cache.Calls, key))
}

// knownAnswers are the calls of a cache that is not written to. Those that are
// used go into another one, where what tells of them finds them.
type knownAnswers struct {
	callStore
	used *cache.Store
}

// Get implements llm.Store.
func (c knownAnswers) Get(key [32]byte) ([]byte, bool, error) {
	return c.use(key, c.callStore.Get)
}

// Peek implements llm.PeekStore.
func (c knownAnswers) Peek(key [32]byte) ([]byte, bool, error) {
	return c.use(key, c.callStore.Peek)
}

func (c knownAnswers) use(key [32]byte, get func([32]byte) ([]byte, bool, error)) ([]byte, bool, error) {
	value, ok, err := get(key)
	if err != nil || !ok {
		return nil, false, err
	}
	if _, err = c.used.Peek(cache.Calls, key); errors.Is(err, cache.ErrNotFound) {
		err = c.used.Put(cache.Calls, key, value)
	}
	return value, err == nil, err
}

// Ready implements llm.ReadyStore.
func (knownAnswers) Ready() error { return nil }

// Claim implements llm.Store: nobody else is waited for.
func (knownAnswers) Claim(context.Context, [32]byte) (func(), error) { return func() {}, nil }

// Put implements llm.Store.
func (knownAnswers) Put([32]byte, []byte, bool) error { return cache.ErrReadOnly }

// found makes of what the cache says what the model client wants to know.
func found(b []byte, err error) ([]byte, bool, error) {
	if errors.Is(err, cache.ErrNotFound) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// Ready implements llm.ReadyStore.
func (c callStore) Ready() error { return c.store.Ready(cache.Calls) }

// Claim also takes in what other processes have put, an answer that replaces a
// known one among it.
func (c callStore) Claim(ctx context.Context, key [32]byte) (func(), error) {
	release, err := c.store.Claim(ctx, cache.Calls, key)
	if err != nil {
		return nil, err
	}
	if err := c.store.Refresh(cache.Calls); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func (c callStore) Put(key [32]byte, value []byte, durable bool) error {
	if !durable {
		return c.store.Put(cache.Calls, key, value)
	}
	return c.store.PutDurable(cache.Calls, key, value)
}

// GetBatch implements llm.BatchStore. What is found may be old: another process
// may have replaced it.
func (c callStore) GetBatch(key [32]byte) ([]byte, bool, error) {
	b, err := c.store.Get(cache.Batches, key)
	if err == nil {
		if err = c.store.Refresh(cache.Batches); err == nil {
			b, err = c.store.Get(cache.Batches, key)
		}
	}
	return found(b, err)
}

// PutBatch implements llm.BatchStore.
func (c callStore) PutBatch(key [32]byte, value []byte, durable bool) error {
	if !durable {
		return c.store.Put(cache.Batches, key, value)
	}
	return c.store.PutDurable(cache.Batches, key, value)
}
