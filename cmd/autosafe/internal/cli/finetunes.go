package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

func finetunesCommand() command {
	list := command{
		name: "finetunes list", takes: takesCache,
		short: "list the trainings that are under way at endpoints",
		long: `Lists the trainings that builds on this cache have begun at endpoints and that have
not ended as far as is known. Nobody is asked: what is shown is what the endpoint
last told a build.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).listTunes },
	}
	group := list
	group.name, group.args = "finetunes", ""
	group.short = "list trainings that are under way at endpoints, and cancel them"
	group.group = []command{list, {
		name: "finetunes cancel", args: "ID [DIR]", maxArgs: 2, takes: takesRecipe,
		short: "ask the endpoint to end a training",
		long: `Asks the endpoint to end the training ID. The recipe in DIR (the current folder by
default) says how the endpoint is reached. What was trained by then may have to be
paid for; the next build trains anew.`,
		setup: func(*flag.FlagSet) func(*invocation) int { return (*invocation).cancelTune },
	}}
	return group
}

func (inv *invocation) listTunes() int {
	return inv.withStore("Unreadable trainings", func(store *cache.Store) error {
		list, err := llm.ListTunes(callStore{store})
		if err == nil {
			inv.view.Tunes(shownTunes(list))
		}
		return err
	})
}

func shownTunes(list []llm.TuneInfo) []view.Tune {
	out := make([]view.Tune, len(list))
	for i, t := range list {
		out[i] = view.Tune{
			Name: t.Name, ID: t.ID, Step: t.Step, Model: t.Model, Provider: t.Provider, Endpoint: t.Endpoint,
			Status: t.Status, Created: t.Created, Seen: t.Seen,
		}
	}
	return out
}

func (inv *invocation) cancelTune() int {
	if len(inv.args) == 0 {
		return inv.usageError("say which training, by its id; autosafe finetunes list shows them")
	}
	want := inv.args[0]
	inv.args = inv.args[1:]
	s, ok := inv.open(inv.dir(), needs{cache: true})
	if !ok {
		return exitError
	}
	done, err := s.cancelTune(want)
	closed := inv.closeSession(s)
	if err != nil {
		return inv.fail("Not cancelled", err)
	}
	inv.view.Tunes(shownTunes([]llm.TuneInfo{done}))
	if !closed {
		return exitError
	}
	return exitDone
}

// cancelTune cancels the training that is wanted.
func (s *session) cancelTune(want string) (llm.TuneInfo, error) {
	list, err := llm.ListTunes(callStore{s.store})
	if err != nil {
		return llm.TuneInfo{}, err
	}
	for _, t := range list {
		if t.ID != want && (len(want) < 8 || !strings.HasPrefix(t.Name, want)) {
			continue
		}
		p := trainerOf(s.recipe, t)
		if p == nil {
			return t, fmt.Errorf("the training %s is at %s, where no finetune block of this recipe trains: name the folder of the recipe that began it", want, strings.TrimPrefix(t.Endpoint, "the endpoint "))
		}
		opts := llm.Options{Batches: callStore{s.store}, UserAgent: "autosafe/" + Version}
		return llm.CancelTune(context.Background(), opts, p, t)
	}
	return llm.TuneInfo{}, errors.New("no training " + view.Quote(want) + " is under way; autosafe finetunes list shows those that are")
}

// trainerOf is the provider of the recipe at whose endpoint a training is; nil if
// there is none.
func trainerOf(r *spec.Recipe, t llm.TuneInfo) *spec.Provider {
	for _, s := range r.Steps {
		if s.Finetune != nil && s.Finetune.Provider != nil && t.At(s.Finetune.Provider) {
			return s.Finetune.Provider
		}
	}
	return nil
}
