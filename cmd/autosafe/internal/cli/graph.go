package cli

import (
	"flag"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
)

func graphCommand() command {
	return command{
		name: "graph", args: "[DIR]", maxArgs: 1, takes: takesRecipe,
		short: "print a recipe's graph",
		long: `Prints the steps of the recipe in DIR (the current folder by default) and how
rows flow between them, as Graphviz DOT, as Mermaid, or as JSON lines.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			format := flags.String("format", string(view.GraphDOT), "`FORMAT` is dot, mermaid or json")
			return func(inv *invocation) int { return inv.graph(view.GraphFormat(*format)) }
		},
	}
}

func (inv *invocation) graph(format view.GraphFormat) int {
	if !format.Valid() {
		return inv.usageError("-format is dot, mermaid or json, not %s", view.Quote(string(format)))
	}
	if inv.json {
		format = view.GraphJSON
	}
	s, ok := inv.open(inv.dir(), needs{})
	if !ok {
		return exitError
	}
	inv.view.Graph(s.recipe, format)
	if !inv.closeSession(s) {
		return exitError
	}
	return exitDone
}
