package cli

import (
	"flag"
	"os"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec"
)

func graphCommand() command {
	return command{
		name: "graph", args: "[DIR]",
		short: "print a recipe's graph",
		long: `Prints the steps of the recipe in DIR (the current folder by default) and how
rows flow between them, as Graphviz DOT, as Mermaid, or as JSON.`,
		setup: func(flags *flag.FlagSet, c *common) func(*invocation) int {
			format := flags.String("format", "dot", "`dot`, mermaid or json")
			return func(inv *invocation) int {
				if inv.json {
					*format = "json"
				}
				return inv.graph(*format)
			}
		},
	}
}

func (inv *invocation) graph(format string) int {
	dir, ok := inv.dir()
	if !ok {
		return inv.usageError("graph takes one folder at most")
	}
	if format != "dot" && format != "mermaid" && format != "json" {
		return inv.usageError("-format is dot, mermaid or json, not %q", format)
	}
	s, ok := inv.open(dir)
	if !ok {
		return exitError
	}
	defer s.close()
	inv.view.Graph(s.recipe, format)
	return exitDone
}

func addresses(r *spec.Recipe) []string {
	var list []string
	for _, s := range r.Steps {
		list = append(list, s.Address)
	}
	return list
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// none is an empty report to add to.
func (inv *invocation) none() hcl.Diagnostics { return nil }
