package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

func batchesCommand() command {
	list := command{
		name: "batches list", takes: takesCache,
		short: "list the batches that are under way",
		long: `Lists the batches of model calls that builds on this cache have sent and whose
answers are not in the cache yet. Nobody is asked: what is shown is what the
endpoint last told a build.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).listBatches },
	}
	group := list
	group.name, group.args = "batches", ""
	group.short = "list batches of model calls that are under way, and cancel them"
	group.group = []command{list, {
		name: "batches cancel", args: "(ID | -all) [DIR]", maxArgs: 2, takes: takesRecipe,
		short: "ask the endpoint to end a batch",
		long: `Asks the endpoint to end the batch ID, or with -all every batch that is under way
there. The recipe in DIR (the current folder by default) says how the endpoint is
reached. What is answered by then is paid for, and the next build that wants it
takes it; the rest is asked again by the next build.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			all := flags.Bool("all", false, "end all batches that the recipe's endpoints have")
			return func(inv *invocation) int { return inv.cancelBatches(*all) }
		},
	}}
	return group
}

func (inv *invocation) listBatches() int {
	return inv.withStore("Unreadable batches", func(store *cache.Store) error {
		list, err := llm.ListBatches(callStore{store})
		if err == nil {
			inv.view.Batches(shownBatches(list))
		}
		return err
	})
}

func shownBatches(list []llm.BatchInfo) []view.Batch {
	out := make([]view.Batch, len(list))
	for i, b := range list {
		out[i] = view.Batch{
			Name: b.Name, ID: b.ID, Model: b.Model, Provider: b.Provider, Endpoint: b.Endpoint, Requests: b.Requests,
			Done: b.Done, Failed: b.Failed, Status: b.Status, Created: b.Created, Seen: b.Seen,
		}
	}
	return out
}

func (inv *invocation) cancelBatches(all bool) int {
	want := ""
	if !all {
		if len(inv.args) == 0 {
			return inv.usageError("say which batch, by its id, or -all; autosafe batches list shows them")
		}
		want, inv.args = inv.args[0], inv.args[1:]
	}
	if len(inv.args) > 1 {
		return inv.usageError("%s is one argument too many", view.Quote(inv.args[1]))
	}
	s, ok := inv.open(inv.dir(), needs{cache: true})
	if !ok {
		return exitError
	}
	done, err := s.cancelBatches(want)
	closed := inv.closeSession(s)
	if err == nil || len(done) > 0 {
		inv.view.Batches(shownBatches(done))
	}
	if err != nil {
		return inv.fail("Not cancelled", err)
	}
	if !closed {
		return exitError
	}
	return exitDone
}

// cancelBatches cancels the batch that is wanted, or all of the recipe's
// endpoints, and gives those that it has asked for.
func (s *session) cancelBatches(want string) (done []llm.BatchInfo, err error) {
	list, err := llm.ListBatches(callStore{s.store})
	if err != nil {
		return nil, err
	}
	var failed []error
	found := false
	for _, b := range list {
		if want != "" && b.ID != want && (len(want) < 8 || !strings.HasPrefix(b.Name, want)) {
			continue
		}
		p := providerAt(s.recipe, b)
		if p == nil && want == "" {
			continue
		}
		found = true
		if p == nil {
			return done, fmt.Errorf("batch %s is at %s, which no model of this recipe is: name the folder of the recipe that sent it", want, strings.TrimPrefix(b.Endpoint, "the endpoint "))
		}
		got, err := llm.CancelBatch(context.Background(), llm.Options{Batches: callStore{s.store}, UserAgent: "autosafe/" + Version}, p, b)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", b.ID, err))
			continue
		}
		done = append(done, got)
	}
	if want != "" && !found {
		return nil, fmt.Errorf("no batch %s is under way; autosafe batches list shows those that are", view.Quote(want))
	}
	return done, errors.Join(failed...)
}

// providerAt is a provider of the recipe at whose endpoint the batch is, if
// there is one: the one that the batch was sent with, if that is left.
func providerAt(r *spec.Recipe, b llm.BatchInfo) (found *spec.Provider) {
	for _, m := range r.Models {
		for _, p := range append([]*spec.Provider{m.Provider}, m.Replicas...) {
			if b.At(p) && (found == nil || p.Name == b.Provider) {
				found = p
			}
		}
	}
	return found
}

// folderName is the last element of a folder's path.
func folderName(dir string) string {
	if full, err := filepath.Abs(dir); err == nil {
		dir = full
	}
	return filepath.Base(dir)
}
