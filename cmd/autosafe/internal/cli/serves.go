package cli

import "github.com/autosafe/autosafe/internal/pluginhost"

// ServesPlugin says whether the arguments start the program as the built-in
// plugin, rather than for a user.
func ServesPlugin(args []string) bool {
	return len(args) > 0 && args[0] == pluginhost.ServeArgument
}
