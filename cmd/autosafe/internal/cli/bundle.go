package cli

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/provenance"
)

func cacheExportCommand() command {
	return command{
		name: "cache export", args: "FILE [DIR]", minArgs: 1, maxArgs: 2, takes: takesCache,
		short: "write a bundle with which others build offline",
		long: `Writes to FILE all that the last build of the recipe in DIR (the current folder
by default) rests on, of those that came to their end and were of the whole
recipe: answers, rows, and the record of the build. Whoever imports it builds
the same recipe without a key and without a network:

  autosafe cache import FILE
  autosafe build -offline DIR

The bundle holds prompts, replies and rows, but no API key.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			build := flags.String("build", "", "what this `BUILD` rests on: an id, a tag, last or last~N")
			all := flags.Bool("all", false, "what every recorded build rests on")
			return func(inv *invocation) int { return inv.cacheExport(*build, *all) }
		},
	}
}

func (inv *invocation) cacheExport(build string, all bool) int {
	file, dir := inv.args[0], "."
	switch {
	case build != "" && all:
		return inv.usageError("-build and -all exclude each other")
	case len(inv.args) > 1 && (build != "" || all):
		return inv.usageError("DIR is a recipe whose last build is meant; with -build or -all leave it out")
	case len(inv.args) > 1:
		dir = inv.args[1]
	}
	return inv.withStore("Export failed", func(store *cache.Store) error {
		if err := writable(file); err != nil {
			return err
		}
		builds, err := inv.exported(store, dir, build, all)
		if err != nil {
			return err
		}
		reached, err := provenance.Reach(context.Background(), store, builds)
		if err != nil {
			return err
		}
		if all {
			inv.tellLost(reached)
		} else if err := notLost(reached); err != nil {
			return err
		}
		n, err := store.ExportFile(context.Background(), file, reached.All)
		if err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		inv.view.CacheExported(file, len(builds), n, info.Size())
		return nil
	})
}

// exported are the builds that are put into a bundle.
func (inv *invocation) exported(store *cache.Store, dir, build string, all bool) ([]provenance.Build, error) {
	if all {
		return provenance.List(store)
	}
	if build != "" {
		b, err := findBuild(store, dir, build)
		if err != nil {
			return nil, err
		}
		inv.tellFailed(b)
		return []provenance.Build{*b}, nil
	}
	b, ok, err := provenance.Last(store, dir)
	if err != nil {
		return nil, err
	}
	if last := b; ok && !b.Whole() { // it lacks what one before it may have
		if b, ok, err = lastWhole(store, b.Recipe.Dir); err != nil {
			return nil, err
		}
		if ok && !last.Ended() {
			inv.view.Notify("The last build did not end well", fmt.Sprintf("The bundle holds build %s, the last one before %s that did and was of the whole recipe.", b.ID, last.ID))
		}
	}
	if !ok {
		return nil, fmt.Errorf("no build of the whole recipe in %s has come to its end: run autosafe build %s first, or name one with -build", dir, dir)
	}
	return []provenance.Build{*b}, nil
}

// lastWhole is the newest build of all of a recipe that came to its end.
func lastWhole(store *cache.Store, dir string) (*provenance.Build, bool, error) {
	builds, err := provenance.List(store)
	for i := range builds {
		if builds[i].Whole() && builds[i].Recipe.Dir == dir {
			return &builds[i], true, err
		}
	}
	return nil, false, err
}

// notLost refuses a bundle that could not stand for its build.
func notLost(r *provenance.Reached) error {
	if len(r.Lost) == 0 {
		return nil
	}
	l := r.Lost[0]
	return fmt.Errorf("build %s is not whole in the cache any more: %s, %s; build again first", l.Build, l.Address, l.What)
}

func cacheImportCommand() command {
	return command{
		name: "cache import", args: "FILE", minArgs: 1, maxArgs: 1, takes: takesCache,
		short: "take in a bundle",
		long: `Takes in what autosafe cache export wrote. Every record is checked on the way;
one that the cache has stays as it is. Importing twice does nothing.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).cacheImport },
	}
}

func (inv *invocation) cacheImport() int {
	return inv.withStore("Import failed", func(store *cache.Store) error {
		f, err := os.Open(inv.args[0])
		if err != nil {
			return fmt.Errorf("%s cannot be read: %w; give a file that autosafe cache export wrote", view.Quote(inv.args[0]), pathCause(err))
		}
		defer f.Close()
		report, err := store.Import(context.Background(), f)
		if err != nil {
			return err
		}
		inv.view.CacheImported(inv.args[0], report.Added, report.Same+report.Local)
		return nil
	})
}
