package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/provenance"
)

func buildsCommand() command {
	list := command{
		name: "builds list", takes: takesCache,
		short: "list the builds that the cache remembers",
		long: `Lists the builds that the cache remembers, the newest first: how each ended, how
many rows it wrote, which calls it made, and its tags. With -json each is one
line, whole.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			n := flags.Int("n", 20, "list at most `N` builds; 0 lists all")
			return func(inv *invocation) int { return inv.listBuilds(*n) }
		},
	}
	group := list
	group.name, group.args = "builds", ""
	group.short = "list builds, and give them names"
	group.group = []command{list, tagCommand(), untagCommand()}
	return group
}

func tagCommand() command {
	return command{
		name: "builds tag", args: "NAME [BUILD]", minArgs: 1, maxArgs: 2, takes: takesCache,
		short: "give a build a name, which also keeps it from cache gc",
		long: `Gives BUILD (the last one by default) the name NAME, in place of the build that
had it before. BUILD is an id or its beginning, another tag, last, or last~N for
the Nth before the last. autosafe cache gc keeps what tagged builds rest on.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).tag },
	}
}

func untagCommand() command {
	return command{
		name: "builds untag", args: "NAME", minArgs: 1, maxArgs: 1, takes: takesCache,
		short: "take a name away again",
		long:  `Takes the name NAME from the build that has it. The build itself stays.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).untag },
	}
}

func diffCommand() command {
	return command{
		name: "diff", args: "BUILD [BUILD]", minArgs: 1, maxArgs: 2, takes: takesCache,
		short: "compare two builds",
		long: `Shows what differs between two builds, the first against the second (the last
one by default): the recipe's files, variables, models and plugins, for each
step the parts of its key and the rows added, gone and changed, the outputs, and
what the builds came to.

A build is named by its id or its beginning, by a tag, by last, or by last~N for
the Nth before the last. autosafe builds lists them.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).diff },
	}
}

// withStore runs f on the cache of a command that needs nothing else.
func (inv *invocation) withStore(summary string, f func(*cache.Store) error) int {
	store, err := inv.openCache()
	if err != nil {
		inv.report(nil, hcl.Diagnostics{cacheProblem(err)})
		return exitError
	}
	err = f(store)
	if cerr := store.Close(); err == nil && cerr != nil {
		inv.report(nil, hcl.Diagnostics{cacheProblem(cerr)})
		return exitError
	}
	if err != nil {
		return inv.fail(summary, err)
	}
	return exitDone
}

func (inv *invocation) listBuilds(n int) int {
	if n < 0 {
		return inv.usageError("-n is a number of builds, 0 or more")
	}
	return inv.withStore("Unreadable builds", func(store *cache.Store) error {
		builds, err := provenance.List(store)
		if err != nil {
			return err
		}
		tags, err := provenance.Tags(store)
		if err != nil {
			return err
		}
		recorded := len(builds)
		if n > 0 && len(builds) > n {
			builds = builds[:n]
		}
		var lines []view.BuildLine
		for _, b := range builds {
			lines = append(lines, view.BuildLine{Build: b, Tags: tagsOf(tags, b.ID)})
		}
		inv.view.Builds(lines, recorded)
		return nil
	})
}

// tagsOf are the names of a build, in order.
func tagsOf(tags map[string]string, id string) []string {
	var names []string
	for name, tagged := range tags {
		if tagged == id {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// findBuild finds a build by the name that a user gives it. "last" and its
// like are of the recipe in the folder, if that has been built, else of all.
func findBuild(store *cache.Store, dir, name string) (*provenance.Build, error) {
	if _, built, err := provenance.Last(store, dir); err != nil {
		return nil, err
	} else if !built {
		dir = ""
	}
	b, err := provenance.Find(store, dir, name)
	if missing := new(provenance.NotFoundError); errors.As(err, &missing) {
		tags, terr := provenance.Tags(store)
		if terr != nil {
			return nil, terr
		}
		known := []string{"last"}
		for tag := range tags {
			known = append(known, tag)
		}
		slices.Sort(known)
		return nil, fmt.Errorf("%w.%s", err, view.DidYouMean(name, known))
	}
	return b, err
}

// endedWell is the last build of a recipe, or, where that failed, the newest
// before it that did not, which the user is told. If all failed it is the last.
func (inv *invocation) endedWell(store *cache.Store, last *provenance.Build) (*provenance.Build, error) {
	if last.Ended() {
		return last, nil
	}
	builds, err := provenance.List(store)
	if err != nil {
		return nil, err
	}
	for i := range builds {
		if b := &builds[i]; b.Ended() && b.Recipe.Dir == last.Recipe.Dir {
			inv.view.Notify("The last build did not end well", fmt.Sprintf("This is build %s, the last one before %s that did. Name a build to see that one.", b.ID, last.ID))
			return b, nil
		}
	}
	inv.tellFailed(last)
	return last, nil
}

// tellFailed says so if a build that is shown or given away did not end well.
func (inv *invocation) tellFailed(b *provenance.Build) {
	if !b.Ended() {
		inv.view.Notify("Build "+b.ID+" did not end well", "It rests on no more than what it came to. autosafe builds lists builds.")
	}
}

func (inv *invocation) tag() int {
	name, of := inv.args[0], "last"
	if len(inv.args) > 1 {
		of = inv.args[1]
	}
	return inv.withStore("No tag set", func(store *cache.Store) error {
		b, err := findBuild(store, ".", of)
		if err != nil {
			return err
		}
		tags, err := provenance.Tags(store)
		if err != nil {
			return err
		}
		if err := provenance.SetTag(store, name, b.ID); err != nil {
			return err
		}
		inv.view.Tagged(name, b.ID, tags[name])
		return nil
	})
}

func (inv *invocation) untag() int {
	name := inv.args[0]
	return inv.withStore("No such tag", func(store *cache.Store) error {
		tags, err := provenance.Tags(store)
		if err != nil {
			return err
		}
		if _, ok := tags[name]; !ok {
			var known []string
			for tag := range tags {
				known = append(known, tag)
			}
			slices.Sort(known)
			return fmt.Errorf("there is no tag %s.%s", view.Quote(name), view.DidYouMean(name, known))
		}
		if err := provenance.RemoveTag(store, name); err != nil {
			return err
		}
		inv.view.Tagged(name, "", tags[name])
		return nil
	})
}

func (inv *invocation) diff() int {
	names := append(slices.Clone(inv.args), "last")[:2]
	return inv.withStore("Nothing to compare", func(store *cache.Store) error {
		var builds []*provenance.Build
		for _, name := range names {
			b, err := findBuild(store, ".", name)
			if err != nil {
				return err
			}
			builds = append(builds, b)
		}
		report, err := provenance.Diff(context.Background(), store, builds[0], builds[1])
		if err == nil {
			inv.view.Diff(report)
		}
		return err
	})
}
