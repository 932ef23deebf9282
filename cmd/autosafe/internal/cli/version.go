package cli

import (
	"flag"

	"github.com/autosafe/autosafe/internal/pluginhost"
	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
)

// Version is autosafe's version.
const Version = "0.1.0"

func versionCommand() command {
	return command{
		name:  "version",
		short: "print the version",
		long: `Prints autosafe's version, the plugin protocol it speaks, and the version of Go
it was built with.`,
		setup: func(*flag.FlagSet) func(*invocation) int {
			return func(inv *invocation) int {
				inv.view.PrintVersion(transport.Major)
				return exitDone
			}
		},
	}
}

// serveCommand is how autosafe starts itself as the built-in plugin.
func serveCommand() command {
	return command{
		name: "plugin-serve", hidden: true,
		long: "Serves the built-in components to a host. It is started by autosafe and is of no use by hand.",
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			commands := flags.Bool("commands", false, "leave the process what the commands of a recipe need")
			return func(*invocation) int {
				if !*commands {
					pluginhost.ShutIn()
				}
				sdk.Serve(builtin.Plugin())
				return exitDone
			}
		},
	}
}
