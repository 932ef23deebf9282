package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/provenance"
)

func cacheGCCommand() command {
	return command{
		name: "cache gc", takes: takesCache,
		short: "remove what no kept build rests on",
		long: `Removes from the cache what is older than -older-than and on which neither a
tagged build nor one of the last -keep builds of any recipe rests. Their records
go too. Answers of models are never removed unless -calls is given: they cost
money. It asks nothing; -dry-run shows what would go.

Other processes may use the cache at the same time.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var how gcFlags
			flags.IntVar(&how.keep, "keep", 10, "keep what the last `N` builds of each recipe rest on")
			how.older = age(24 * time.Hour)
			flags.Var(&how.older, "older-than", "keep everything younger than `TIME`: 30m, 24h (as without the flag), 7d")
			flags.BoolVar(&how.calls, "calls", false, "remove answers of models too, if no kept build rests on them")
			flags.BoolVar(&how.dryRun, "dry-run", false, "remove nothing; show what would go")
			return func(inv *invocation) int { return inv.cacheGC(how) }
		},
	}
}

type gcFlags struct {
	keep   int
	older  age
	calls  bool
	dryRun bool
}

func (inv *invocation) cacheGC(how gcFlags) int {
	if how.keep < 0 {
		return inv.usageError("-keep is a number of builds, 0 or more")
	}
	return inv.withStore("Collection failed", func(store *cache.Store) error {
		return inv.collect(store, how)
	})
}

func (inv *invocation) collect(store *cache.Store, how gcFlags) error {
	ctx := context.Background()
	builds, err := provenance.List(store)
	if err != nil {
		return err
	}
	tags, err := provenance.Tags(store)
	if err != nil {
		return err
	}
	before := time.Now().Add(-time.Duration(how.older))
	kept := keptBuilds(builds, tags, how.keep, before)
	reached, err := provenance.Reach(ctx, store, kept)
	if err != nil {
		return err
	}
	if err := notLost(reached); how.calls && err != nil { // the answers that it rests on may be paid for
		return fmt.Errorf("%w, or leave out -calls: which answers that build rests on cannot be told", err)
	}
	inv.tellLost(reached)
	kinds := []cache.Kind{cache.Steps, cache.Rows, cache.Blobs, cache.Builds, cache.Batches}
	if how.calls {
		kinds = append(kinds, cache.Calls)
	}
	report, err := store.Collect(ctx, cache.CollectOptions{
		Keep: func(k cache.Kind, key cache.Digest) bool {
			return k == cache.Batches || reached.Has(k, key) // of batches, those that are settled were withdrawn
		},
		Kinds: kinds, Before: before, DryRun: how.dryRun,
	})
	if err != nil {
		return err
	}
	shown := view.CacheCollection{DryRun: how.dryRun, Builds: len(builds), BuildsKept: len(kept), CallsAsked: how.calls}
	busy := 0
	for _, k := range report.Kinds {
		busy += k.Busy
		shown.Kinds = append(shown.Kinds, view.CacheCollected{
			Kind: k.Kind, Removed: k.Dropped, Replaced: k.Dead, Kept: k.Kept, Freed: k.Freed,
		})
	}
	if busy > 0 {
		inv.view.Notify("Part of the cache is in use", "what other processes write to was left alone; collect again when they are done")
	}
	inv.view.CacheCollected(shown)
	return nil
}

// tellLost says that builds lack something in the cache.
func (inv *invocation) tellLost(r *provenance.Reached) {
	if n := len(r.Lost); n > 0 {
		inv.view.Notify("Some builds are not whole in the cache any more",
			fmt.Sprintf("%d records are missing, the first one is of %s in build %s (%s)", n, r.Lost[0].Address, r.Lost[0].Build, r.Lost[0].What))
	}
}

// keptBuilds are the builds that a collection keeps: tagged ones, the last of
// each recipe, and young ones.
func keptBuilds(builds []provenance.Build, tags map[string]string, last int, before time.Time) []provenance.Build {
	tagged := map[string]bool{}
	for _, id := range tags {
		tagged[id] = true
	}
	var kept []provenance.Build
	seen := map[string]int{}
	for _, b := range builds { // newest first
		seen[b.Recipe.Dir]++
		if seen[b.Recipe.Dir] <= last || tagged[b.ID] || b.Time.After(before) {
			kept = append(kept, b)
		}
	}
	return kept
}

// age is a time that a flag gives, in Go's form or as a number of days.
type age time.Duration

func (a *age) String() string { return time.Duration(*a).String() }

// Set implements flag.Value.
func (a *age) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0 && n < 36500) {
			return errors.New("it is a time, such as 24h or 7d")
		}
		*a = age(n * 24 * float64(time.Hour))
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return errors.New("it is a time, such as 24h or 7d")
	}
	*a = age(d)
	return nil
}
