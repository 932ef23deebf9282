package cli

import (
	"context"
	"flag"
	"path/filepath"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/provenance"
)

func cacheCommand() command {
	return command{
		name:  "cache",
		short: "look after the cache: sizes, damage, collection, bundles",
		long: `The cache keeps every answer of a model, what was made of it, and a record of
each build. Nothing is removed from it unless asked.`,
		group: []command{
			cacheStatsCommand(), cacheVerifyCommand(), cacheGCCommand(),
			cacheExportCommand(), cacheImportCommand(), cachePathCommand(),
		},
	}
}

func cachePathCommand() command {
	return command{
		name: "cache path", takes: takesCache,
		short: "print the cache's folder",
		long: `Prints the folder of the cache: that of -cache, else of AUTOSAFE_CACHE, else one
in your cache folder.`,
		setup: func(*flag.FlagSet) func(*invocation) int {
			return func(inv *invocation) int {
				dir, err := inv.cachePath()
				if err == nil {
					dir, err = filepath.Abs(dir)
				}
				if err != nil {
					return inv.fail("No cache", err)
				}
				inv.view.CachePath(dir)
				return exitDone
			}
		},
	}
}

func cacheStatsCommand() command {
	return command{
		name: "cache stats", takes: takesCache,
		short: "show what the cache holds, and what it saved",
		long: `Shows how large each kind of record is, what the stored answers cost, and what
the builds that the cache remembers did not have to pay again.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).cacheStats },
	}
}

func (inv *invocation) cacheStats() int {
	return inv.withStore("Unreadable cache", func(store *cache.Store) error {
		stats, err := store.Stats()
		if err != nil {
			return err
		}
		builds, err := provenance.List(store)
		if err != nil {
			return err
		}
		usage, err := provenance.Usage(context.Background(), store, builds)
		if err != nil {
			return err
		}
		dir, err := inv.cachePath()
		if err != nil {
			return err
		}
		sizes := view.CacheSizes{Path: dir, Losses: []view.CacheLoss{}}
		for _, k := range stats.Kinds {
			sizes.Kinds = append(sizes.Kinds, view.CacheKind{
				Kind: k.Kind, Records: int64(k.Records), Segments: k.Segments, Bytes: k.Bytes, DeadBytes: k.Dead,
			})
			sizes.Losses = losses(sizes.Losses, k.Losses)
		}
		inv.view.CacheStats(sizes, usage)
		return nil
	})
}

// losses appends what the cache noted of records that were lost.
func losses(shown []view.CacheLoss, noted []cache.Loss) []view.CacheLoss {
	for _, l := range noted {
		shown = append(shown, view.CacheLoss{Kind: l.Kind, Time: l.Time, Records: l.Records})
	}
	return shown
}

func cacheVerifyCommand() command {
	return command{
		name: "cache verify", takes: takesCache,
		short: "read every byte, and say what is damaged",
		long: `Reads every byte of the cache and holds it against its checksums and indexes,
and says how many records are lost. It changes nothing. What is damaged is never
used: it counts as missing, and is made again by the next build that needs it.

With -repair what is damaged is taken out, so that it is not told of again, and
indexes are made anew. Nothing that can be read is touched. A build does so too
where it writes, and says what was lost.

Exit codes: 0 no damage, or all of it was repaired; 1 damage.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			repair := flags.Bool("repair", false, "forget what is damaged, and make indexes anew")
			return func(inv *invocation) int { return inv.cacheVerify(*repair) }
		},
	}
}

func (inv *invocation) cacheVerify(repair bool) int {
	// Nothing may be healed, and so hidden, before it is told; the report tells
	// all that the store would.
	store, err := inv.openCacheWith(cache.Options{ReadOnly: !repair})
	if err != nil {
		return inv.fail("Cache unusable", err)
	}
	scrub := store.Verify
	if repair {
		scrub = store.Repair
	}
	report, err := scrub(context.Background())
	if cerr := store.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return inv.fail("Cache unreadable", err)
	}
	shown := view.CacheScrub{Records: report.Records, Bytes: report.Bytes, Damage: []view.CacheDamage{}, Losses: losses([]view.CacheLoss{}, report.Earlier)}
	left := 0
	for _, d := range report.Damage {
		if !d.Repaired {
			left++
		}
		shown.Damage = append(shown.Damage, view.CacheDamage{
			Kind: d.Kind, File: d.File, Offset: d.Offset, Length: d.Length, What: d.What, Means: d.Means, Lost: d.Lost, Harmless: d.Harmless, Repaired: d.Repaired,
		})
	}
	inv.view.CacheVerified(shown)
	if left > 0 {
		return exitError
	}
	return exitDone
}
