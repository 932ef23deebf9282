//go:build !linux

package pluginhost

import "github.com/autosafe/autosafe/plugins/sdk"

// hostilePlugin is for Linux, which alone contains plugins.
func hostilePlugin() sdk.Plugin { return acmePlugin() }
