package cli

import (
	"flag"

	"github.com/hashicorp/hcl/v2"
)

func validateCommand() command {
	return command{
		name: "validate", args: "[DIR]", maxArgs: 1, takes: takesRecipe,
		short: "check a recipe without running it",
		long: `Checks the recipe in DIR (the current folder by default): syntax, types,
references, cycles, variables, components' settings, templates, and CEL
expressions against the columns that earlier steps declare. Nothing is run and
no model is asked.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).validate },
	}
}

func (inv *invocation) validate() int {
	s, ok := inv.open(inv.dir(), needs{})
	steps := 0
	if ok {
		steps = len(s.recipe.Steps)
		unset := missingSecrets(s.recipe.Models)
		for _, d := range unset {
			d.Severity = hcl.DiagWarning
			d.Detail += " Only a build that asks the model needs it."
		}
		inv.report(s.source, unset)
		ok = inv.closeSession(s)
	}
	inv.view.Valid(ok, steps)
	if !ok {
		return exitError
	}
	return exitDone
}
