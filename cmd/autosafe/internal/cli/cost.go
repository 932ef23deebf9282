package cli

import (
	"context"
	"flag"
	"fmt"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/provenance"
)

func costCommand() command {
	return command{
		name: "cost", args: "[BUILD | DIR]", maxArgs: 1, takes: takesCache,
		short: "show what the calls behind a build cost",
		long: `Shows what the answers that BUILD rests on cost, by step and by model, and what
of it was spent on rows that no dataset has: where and why they were lost. By
default, or of the recipe in DIR, it is the last build that ended well. Answers
from the cache count like those that the build paid for, so that the sum is what
the build would cost anew.

A build is named by its id or its beginning, by a tag, by last, or by last~N for
the Nth before the last. autosafe builds lists them.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).cost },
	}
}

func (inv *invocation) cost() int {
	return inv.withStore("Nothing to add up", func(store *cache.Store) error {
		b, err := inv.costBuild(store)
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

// costBuild is the build that is asked about: by its name, or the last that
// ended well, of the recipe in a folder.
func (inv *invocation) costBuild(store *cache.Store) (*provenance.Build, error) {
	if len(inv.args) == 0 {
		b, err := findBuild(store, ".", "last")
		if err != nil {
			return nil, err
		}
		return inv.endedWell(store, b)
	}
	b, err := findBuild(store, ".", inv.args[0])
	if err != nil && isDir(inv.args[0]) {
		var ok bool
		if b, ok, err = provenance.Last(store, inv.args[0]); err != nil {
			return nil, err
		} else if !ok {
			return nil, fmt.Errorf("the recipe in %s has not been built: run autosafe build %[1]s first", inv.args[0])
		}
		return inv.endedWell(store, b)
	}
	if err != nil {
		return nil, err
	}
	inv.tellFailed(b)
	return b, nil
}
