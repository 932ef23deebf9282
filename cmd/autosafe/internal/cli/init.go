package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/install"
	"github.com/autosafe/autosafe/internal/pluginhost"
	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/lockfile"
)

func initCommand() command {
	return command{
		name: "init", args: "[DIR]", maxArgs: 1, takes: takesPlugins,
		short: "install the plugins that a recipe requires, and lock them",
		long: `Installs the plugins that the recipe in DIR (the current folder by default)
requires, below DIR/.autosafe/plugins, and writes autosafe.lock.hcl: the version
of each, and the SHA-256 of its binary for every platform that the release has.
Builds start nothing else. What the recipe grants each plugin is shown, and kept
in the lock file too.

A version that is locked stays as long as it fits; -upgrade takes the newest that
the recipe allows. Where plugins come from is said in ~/.autosafe/config.hcl, or
the file that AUTOSAFE_CONFIG names; without one, from releases on github.com.

With -lockfile=readonly, for CI, nothing is installed that is not locked, and the
lock file stays as it is.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var how initFlags
			flags.BoolVar(&how.upgrade, "upgrade", false, "take the newest version that the recipe allows, whatever is locked")
			flags.StringVar(&how.lockfile, "lockfile", "", "with `MODE` readonly, fail where the lock file would have to change")
			return func(inv *invocation) int { return inv.init(how) }
		},
	}
}

type initFlags struct {
	upgrade  bool
	lockfile string
}

func (inv *invocation) init(how initFlags) int {
	if how.lockfile != "" && how.lockfile != "readonly" {
		return inv.usageError("-lockfile is readonly or nothing, not %s", view.Quote(how.lockfile))
	}
	if how.lockfile != "" && how.upgrade {
		return inv.usageError("-upgrade changes the lock file, and -lockfile=readonly forbids it")
	}
	source, ok := inv.parse(inv.dir())
	if !ok {
		return exitError
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	done, diags, err := inv.install(ctx, source, how)
	if ctx.Err() != nil {
		inv.fail("Interrupted", errors.New("nothing is left half done: autosafe init again goes on from here"))
		return exitInterrupted
	}
	if err != nil {
		return inv.failEach("Plugins not installed", err)
	}
	if inv.report(source, diags); diags.HasErrors() {
		return exitError
	}
	inv.view.Initialised(done)
	return exitDone
}

// parse reads the syntax of a recipe, and reports what is wrong with it.
func (inv *invocation) parse(dir string) (*spec.Source, bool) {
	source, diags := spec.Parse(dir)
	if unfit := source.CheckVersion(Version); unfit.HasErrors() {
		diags = unfit
	}
	inv.report(source, diags)
	return source, !diags.HasErrors()
}

// failEach reports errors that were joined, one by one.
func (inv *invocation) failEach(summary string, err error) int {
	list := []error{err}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) && strings.Contains(err.Error(), "\n") {
		list = joined.Unwrap()
	}
	for _, err := range list {
		inv.fail(summary, err)
	}
	return exitError
}

// install gets the plugins, has each say who it is, and only then writes the
// lock file.
func (inv *invocation) install(ctx context.Context, source *spec.Source, how initFlags) (done view.Init, diags hcl.Diagnostics, err error) {
	old, err := readLock(source.Dir)
	if err != nil {
		return done, nil, err
	}
	in, config, err := inv.installer()
	if err != nil {
		return done, nil, err
	}
	dirs := inv.pluginDirs(source.Dir)
	result, err := in.Init(ctx, install.Request{
		Plugins: source.RequiredPlugins, Lock: old, Dir: dirs[0], Shared: dirs[1:],
		Upgrade: how.upgrade, ReadOnly: how.lockfile != "",
	})
	if err != nil {
		return done, nil, err
	}
	done = view.Init{Plugins: result.Plugins, Removed: result.Removed, Lock: lockfile.Name}
	changed := old == nil && len(result.Lock.Plugins) > 0 || old != nil && string(old.Bytes()) != string(result.Lock.Bytes())
	if changed && how.lockfile != "" {
		return done, nil, fmt.Errorf("%s would change, and -lockfile=readonly keeps it as it is: the constraints or grants of a plugin differ from the recipe's, or one is not required any more. Run autosafe init without that, and keep the new lock file", lockfile.Name)
	}
	if diags, err = inv.meet(source, result.Lock, config); err != nil || diags.HasErrors() {
		return done, diags, err
	}
	if changed {
		done.Changed, err = lockfile.Write(source.Dir, result.Lock)
	}
	return done, diags, err
}

// meet has every plugin describe itself, and holds it to what the recipe and
// the lock file say.
func (inv *invocation) meet(source *spec.Source, lock *lockfile.File, config *install.Config) (hcl.Diagnostics, error) {
	if len(source.RequiredPlugins) == 0 {
		return nil, nil
	}
	store, err := inv.openCache()
	if err != nil {
		return nil, err
	}
	host := pluginhost.New(pluginhost.Options{
		Builtin: builtin.Plugin(), SelfPath: selfPath(), Dirs: inv.pluginDirs(source.Dir), Lock: lock, Overrides: config.Overrides,
		Store: store, Version: Version, Log: inv.view.PluginLog(),
		Dir: source.Dir, Environ: inv.Environ, Sandbox: pluginhost.Sandbox(inv.sandbox), Notify: inv.view.Notify,
	})
	_, diags := host.Registry(source.RequiredPlugins)
	return diags, errors.Join(host.Close(), store.Close())
}

// installer makes what gets plugins, as the user has configured it.
func (inv *invocation) installer() (*install.Installer, *install.Config, error) {
	config, err := inv.pluginConfig()
	if err != nil {
		return nil, nil, err
	}
	notify := inv.view.Notify
	if inv.quiet {
		notify = nil
	}
	in, err := install.New(install.Options{
		Config: config, Protocol: transport.Major, Getenv: inv.getenv, UserAgent: "autosafe/" + Version, Notify: notify,
	})
	return in, config, err
}

func (inv *invocation) pluginConfig() (*install.Config, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	return install.LoadConfig(inv.getenv("AUTOSAFE_CONFIG"), home)
}

// readLock reads a recipe's lock file; nil if there is none.
func readLock(dir string) (*lockfile.File, error) {
	lock, err := lockfile.Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return lock, err
}

func selfPath() string {
	self, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return self
}
