package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/install"
	"github.com/autosafe/autosafe/internal/pluginhost"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/lockfile"
)

// pluginSetup is what decides which binary is used for a plugin.
type pluginSetup struct {
	lock      *lockfile.File // nil: nothing is locked
	overrides map[string]string
}

// pluginSetup reads the lock file and the user's configuration, and warns of
// overrides that are used: they are easily forgotten.
func (inv *invocation) pluginSetup(source *spec.Source) (pluginSetup, error) {
	var s pluginSetup
	if len(source.RequiredPlugins) == 0 {
		return s, nil
	}
	var err error
	if s.lock, err = readLock(source.Dir); err != nil {
		return s, err
	}
	config, err := inv.pluginConfig()
	if err != nil {
		return s, err
	}
	s.overrides = config.Overrides
	for _, req := range source.RequiredPlugins {
		if dir, ok := s.overrides[req.Source]; ok {
			inv.view.Notify("Plugin "+req.Name+" is overridden", fmt.Sprintf("dev_overrides takes %s from %s, whatever is locked", req.Source, dir))
		}
	}
	return s, nil
}

func pluginsListCommand() command {
	return command{
		name: "plugins list", args: "[DIR]", maxArgs: 1,
		short: "list a recipe's plugins: required, locked, installed",
		long: `Lists the plugins that the recipe in DIR (the current folder by default) requires:
the version that is required and the one that is locked, whether its binary is
the locked one, and what the recipe grants it. Nothing is started.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).pluginsList },
	}
}

func (inv *invocation) pluginsList() int {
	source, ok := inv.parse(inv.dir())
	if !ok {
		return exitError
	}
	setup, err := inv.pluginSetup(source)
	if err != nil {
		return inv.fail("Unusable plugins", err)
	}
	host := pluginhost.New(pluginhost.Options{Dirs: inv.pluginDirs(source.Dir), Lock: setup.lock, Overrides: setup.overrides})
	list := []view.ListedPlugin{}
	for _, req := range source.RequiredPlugins {
		p := view.ListedPlugin{
			Name: req.Name, Source: req.Source, Required: req.Version,
			Network: req.Grant.Network, Read: req.Grant.Read, Env: req.Grant.Env,
		}
		if setup.lock != nil {
			locked, _ := setup.lock.Plugin(req.Source)
			p.Locked, p.Platforms, p.SigningKey = locked.Version, locked.Platforms(), locked.SigningKey
		}
		ref, err := host.Find(req)
		if err == nil {
			p.Path, p.SHA256 = ref.Path, ref.Digest
		} else {
			p.Problem = sentence(err.Error())
		}
		list = append(list, p)
	}
	inv.view.PluginList(list)
	if err := host.Close(); err != nil {
		return inv.fail("Unusable plugins", err)
	}
	return exitDone
}

func pluginsLockCommand() command {
	return command{
		name: "plugins lock", args: "[DIR]", maxArgs: 1,
		short: "lock plugins for further platforms",
		long: `Adds platforms to autosafe.lock.hcl of the recipe in DIR (the current folder by
default), from the releases of the versions that are locked. init locks all that a
release has, so that this is for packages that were published later, or that the
place which init asked did not have. Without -platform it takes all there are.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var platforms list
			flags.Var(&platforms, "platform", "lock for `OS_ARCH`, such as darwin_arm64; may be repeated")
			return func(inv *invocation) int { return inv.pluginsLock(platforms) }
		},
	}
}

func (inv *invocation) pluginsLock(platforms []string) int {
	if code := inv.checkPlatforms(platforms); code != exitDone {
		return code
	}
	return inv.withLock(inv.dir(), "Plugins not locked", func(ctx context.Context, in *install.Installer, lock *lockfile.File) error {
		now, added, err := in.AddPlatforms(ctx, lock, platforms)
		if err != nil {
			return err
		}
		changed, err := lockfile.Write(inv.dir(), now)
		if err == nil {
			inv.view.PluginsLocked(added, changed)
		}
		return err
	})
}

func (inv *invocation) checkPlatforms(platforms []string) int {
	for _, p := range platforms {
		if err := lockfile.CheckPlatform(p); err != nil {
			return inv.usageError("-platform: %v", err)
		}
	}
	return exitDone
}

// withLock does something about what a recipe's lock file locks.
func (inv *invocation) withLock(dir, problem string, do func(context.Context, *install.Installer, *lockfile.File) error) int {
	lock, err := readLock(dir)
	if err == nil && lock == nil {
		err = fmt.Errorf("there is no %s in %s: run autosafe init", lockfile.Name, view.Quote(dir))
	}
	if err != nil {
		return inv.fail(problem, err)
	}
	in, _, err := inv.installer()
	if err != nil {
		return inv.fail(problem, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = do(ctx, in, lock)
	switch {
	case err != nil && ctx.Err() != nil:
		inv.fail("Interrupted", errors.New("the same command goes on from here"))
		return exitInterrupted
	case err != nil:
		return inv.failEach(problem, err)
	}
	return exitDone
}

func pluginsMirrorCommand() command {
	return command{
		name: "plugins mirror", args: "MIRROR [DIR]", minArgs: 1, maxArgs: 2,
		short: "copy a recipe's plugins to a mirror",
		long: `Copies the releases of the plugins that autosafe.lock.hcl of the recipe in DIR (the
current folder by default) locks to the folder MIRROR: for installing without a
network (filesystem_mirror in ~/.autosafe/config.hcl), or to be served by any web
server (network_mirror). What was there stays. Everything is held to the lock file,
and signatures are copied, so that whoever installs from the mirror can check them.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var platforms list
			flags.Var(&platforms, "platform", "copy packages for `OS_ARCH` alone, such as linux_amd64; may be repeated")
			return func(inv *invocation) int { return inv.pluginsMirror(platforms) }
		},
	}
}

func (inv *invocation) pluginsMirror(platforms []string) int {
	if code := inv.checkPlatforms(platforms); code != exitDone {
		return code
	}
	slices.Sort(platforms)
	platforms = slices.Compact(platforms)
	dir := "."
	if len(inv.args) > 1 {
		dir = inv.args[1]
	}
	return inv.withLock(dir, "Mirror not made", func(ctx context.Context, in *install.Installer, lock *lockfile.File) error {
		list, err := in.Mirror(ctx, lock, inv.args[0], platforms)
		if err == nil {
			inv.view.Mirrored(inv.args[0], list)
		}
		return err
	})
}
