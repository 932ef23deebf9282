package cli

import "flag"

func validateCommand() command {
	return command{
		name: "validate", args: "[DIR]",
		short: "check a recipe without running it",
		long: `Checks the recipe in DIR (the current folder by default): syntax, types,
references, cycles, variables, components' settings, templates, and CEL
expressions against the columns that earlier steps declare. Nothing is run and
no model is asked.`,
		setup: func(*flag.FlagSet, *common) func(*invocation) int { return (*invocation).validate },
	}
}

func (inv *invocation) validate() int {
	dir, ok := inv.dir()
	if !ok {
		return inv.usageError("validate takes one folder at most")
	}
	s, ok := inv.open(dir)
	if ok {
		if err := s.close(); err != nil {
			inv.report(nil, append(inv.none(), problem("Cache unusable", err)))
			ok = false
		}
	}
	steps := 0
	if ok {
		steps = len(s.recipe.Steps)
	}
	inv.view.Valid(ok, steps)
	if !ok {
		return exitError
	}
	return exitDone
}
