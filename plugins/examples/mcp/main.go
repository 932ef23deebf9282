// Command autosafe-plugin-mcp is a plugin for autosafe: it makes threat
// sources of the tools that a Model Context Protocol server offers, so that
// safety data can be built for the tools of one's own agent.
//
//	threat_source "mcp_tools"   reads a snapshot of a server's tools: a file
//	threat_source "mcp_server"  asks a running server
//
// Run by hand, as "autosafe-plugin-mcp snapshot", it writes such snapshots.
//
// It calls no tool of a server, and answers nothing that a server asks.
package main

import (
	"fmt"
	"os"

	"github.com/autosafe/autosafe/plugins/sdk"
)

const (
	source  = "github.com/autosafe/autosafe-plugin-mcp"
	version = "0.1.0"
)

func main() {
	if len(os.Args) > 1 {
		os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
	}
	sdk.Serve(plugin())
}

// command runs a command of a person's.
func command(args []string, stdout, stderr *os.File) int {
	switch args[0] {
	case "snapshot":
		return snapshotCommand(args[1:], stdout, stderr)
	case "version", "-version", "--version":
		fmt.Fprintln(stdout, source, version)
		return exitDone
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return exitDone
	}
	fmt.Fprintf(stderr, "there is no command %q\n\n%s", clean(args[0]), usage)
	return exitUsage
}

func plugin() sdk.Plugin {
	return sdk.Plugin{
		Name: source, Version: version,
		ThreatSources: map[string]sdk.Component{
			"tools": sdk.Source(fromSnapshots,
				sdk.Doc("Groups of the tools of Model Context Protocol servers, each with a risk outcome, from snapshots of what the servers offer."),
				sdk.Behavior("1"),
				sdk.Deterministic(),
			),
			"server": sdk.Source(fromServer,
				sdk.Doc("Groups of the tools of a running Model Context Protocol server, each with a risk outcome. The server is asked once; what it said stays in the cache."),
				sdk.Behavior("1"),
			),
		},
	}
}
