package cli

import (
	"context"
	"flag"

	"github.com/autosafe/autosafe/internal/engine"
)

func planCommand() command {
	return command{
		name: "plan", args: "[DIR]", maxArgs: 1, recipe: true,
		short: "show what a build would do",
		long: `Shows for each step of the recipe in DIR (the current folder by default)
whether the cache holds it, how many of its rows must run, and why. Nothing is
run and no model is asked.

With -detailed-exitcode: 0 nothing to do; 1 error; 2 a build would do something.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			detailed := flags.Bool("detailed-exitcode", false, "exit with 2 if a build would do something")
			out := flags.String("out", "", "plan for outputs below `DIR` instead of the recipe's folder")
			return func(inv *invocation) int { return inv.plan(*out, *detailed) }
		},
	}
}

func (inv *invocation) plan(out string, detailed bool) int {
	s, ok := inv.open(inv.dir(), needs{cache: true})
	if !ok {
		return exitError
	}
	e := engine.New(engine.Options{Recipe: s.recipe, Store: s.store, Runner: s.host, OutDir: out, Events: inv.view.Event})
	plan, err := e.Plan(context.Background())
	if cerr := s.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return inv.fail("Plan failed", err)
	}
	inv.view.Plan(plan)
	if detailed && plan.Changes() {
		return exitChanges
	}
	return exitDone
}
