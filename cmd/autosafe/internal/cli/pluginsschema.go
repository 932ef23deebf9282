package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/pluginhost"
	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/reference"
	"github.com/autosafe/autosafe/spec"
)

func pluginsSchemaCommand() command {
	return command{
		name: "plugins schema", args: "[BINARY | DIR | builtin]", maxArgs: 1,
		short: "print what plugins' components take and give",
		long: `Prints every component of a plugin: its arguments with their types, defaults and
limits, the variables of its templates, and the columns that it reads and
writes. The plugin is a BINARY, each of those that the recipe in DIR (the current
folder by default) requires, or builtin, the components that come with autosafe.
It is Markdown, or with -json a line of JSON for each plugin.`,
		setup: func(*flag.FlagSet) func(*invocation) int {
			return func(inv *invocation) int {
				if err := inv.pluginsSchema(); err != nil {
					return inv.fail("Plugin not described", errors.New(pluginhost.Reason(err)))
				}
				return exitDone
			}
		},
	}
}

func (inv *invocation) pluginsSchema() error {
	ctx := context.Background()
	what := inv.dir()
	if what == "builtin" {
		p := builtin.Plugin()
		list, err := sdk.Describe(p)
		if err != nil {
			return err
		}
		return inv.showSchema(pluginhost.Described{Name: "builtin", Version: Version, Components: list})
	}
	info, err := os.Stat(what)
	if err != nil {
		return err
	}
	opts := pluginhost.Options{Builtin: builtin.Plugin(), SelfPath: selfPath(), Version: Version, Log: inv.view.PluginLog(), Notify: inv.view.Notify}
	if !info.IsDir() {
		host := pluginhost.New(opts)
		defer func() { _ = host.Close() }() // nothing was run
		d, err := host.DescribeBinary(ctx, what)
		if err != nil {
			return err
		}
		return inv.showSchema(d)
	}
	source, diags := spec.Parse(what)
	if diags.HasErrors() {
		return diags
	}
	plugins, err := inv.pluginSetup(source)
	if err != nil {
		return err
	}
	opts.Dirs, opts.Lock, opts.Overrides = inv.pluginDirs(what), plugins.lock, plugins.overrides
	host := pluginhost.New(opts)
	defer func() { _ = host.Close() }() // nothing was run
	if len(source.RequiredPlugins) == 0 {
		return fmt.Errorf("the recipe in %s requires no plugin; give a plugin's binary, or builtin", what)
	}
	for _, req := range source.RequiredPlugins {
		d, err := host.DescribeRequired(ctx, req)
		if err == nil {
			err = inv.showSchema(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (inv *invocation) showSchema(d pluginhost.Described) error {
	components, err := reference.JSON(d.Components)
	if err != nil {
		return err
	}
	inv.view.PluginSchema(view.PluginSchema{
		Name: d.Name, Version: d.Version, Components: components,
		Markdown: reference.Markdown("Components of "+d.Name, "Version "+d.Version+". The arguments that every block has, such as `input` and `on_error`, stand in none of these lists.", d.Components),
	})
	return nil
}
