package cli

import (
	"context"
	"flag"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/provenance"
)

func costCommand() command {
	return command{
		name: "cost", args: "[BUILD]", maxArgs: 1, takes: takesCache,
		short: "show what the calls behind a build cost",
		long: `Shows what the answers that BUILD (the last one by default) rests on cost, by
step and by model, and what of it was spent on rows that no dataset has: where
and why they were lost. Answers from the cache count like those that the build
paid for, so that the sum is what the build would cost anew.

A build is named by its id or its beginning, by a tag, by last, or by last~N for
the Nth before the last. autosafe builds lists them.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).cost },
	}
}

func (inv *invocation) cost() int {
	name := append(inv.args[:len(inv.args):len(inv.args)], "last")[0]
	return inv.withStore("Nothing to add up", func(store *cache.Store) error {
		b, err := findBuild(store, ".", name)
		if err != nil {
			return err
		}
		report, err := provenance.CostOf(context.Background(), store, b)
		if err == nil {
			inv.view.Cost(report)
		}
		return err
	})
}
