package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

func planCommand() command {
	return command{
		name: "plan", args: "[DIR]", maxArgs: 1, takes: takesRecipe,
		short: "show what a build would do, why, and at what price",
		long: `Shows for each step of the recipe in DIR (the current folder by default)
whether the cache holds it, how many of its rows must run, why, and what model
calls that takes. Nothing is run, no model is asked and nothing is written.
Where a build would refuse to run, since a file that is not its own stands in
the way of an output, plan says so, its exit code is 1, and it saves nothing.

Numbers are exact, but for those with a ~ and ranges, which are estimates: from
what the same step took before, or from what its component declares.

With -out the plan is saved, and autosafe build FILE does exactly that, or says
what has changed since.

With -replay the plan is of autosafe build -replay FILE: calls that the log
answers cost nothing and are left out. Which calls a row makes shows when it
runs. So the plan says how many of a step's calls the log cannot answer at
least, since it holds no more of the step's models, and how many at most.

With -detailed-exitcode: 0 nothing to do; 1 error; 2 a build would do something.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			detailed := flags.Bool("detailed-exitcode", false, "exit with 2 if a build would do something")
			var job buildJob
			flags.StringVar(&job.OutDir, "output-dir", "", "plan for outputs below `DIR` instead of the recipe's folder")
			file := flags.String("out", "", "save the plan in `FILE`, for autosafe build FILE")
			replay := flags.String("replay", "", "plan for a build that the recorded log in `FILE` answers")
			job.selection.declare(flags)
			return func(inv *invocation) int {
				switch {
				case *replay != "" && *file != "":
					return inv.usageError("a saved plan holds no log: give -replay to autosafe build")
				case *replay != "" && len(job.Refresh) > 0:
					return inv.usageError("-refresh asks models anew, and -replay answers from a log")
				}
				return inv.plan(job, *file, *replay, *detailed)
			}
		},
	}
}

func (inv *invocation) plan(job buildJob, file, replay string, detailed bool) int {
	log, err := openReplay(replay)
	if err != nil {
		return inv.fail("Unusable log", err)
	}
	defer func() { _ = log.Close() }() // it was only read
	s, ok := inv.open(inv.dir(), needs{cache: true})
	if !ok {
		return exitError
	}
	if diags := job.check(s.recipe); diags.HasErrors() {
		inv.report(s.source, diags)
		inv.closeSession(s)
		return exitError
	}
	if file != "" { // it is built from wherever, to the same place
		if job.OutDir == "" {
			job.OutDir = s.source.Dir
		}
		if err := makeAbs(&job.OutDir); err != nil {
			inv.closeSession(s)
			return inv.fail("Plan failed", err)
		}
	}
	plan, err := inv.makePlan(s, job)
	if cerr := s.close(); err == nil {
		err = cerr
	}
	var diags hcl.Diagnostics
	if err == nil {
		diags = buildDiagnostics(s.recipe, refusals(plan))
	}
	if diags.HasErrors() {
		file = "" // nobody could build it
	}
	if err == nil && file != "" {
		if err = writable(file); err == nil {
			err = inv.savePlan(file, job, s, plan)
		}
	}
	if err != nil {
		return inv.fail("Plan failed", err)
	}
	notes := view.PlanNotes{Replay: replayed(plan, s.recipe, log), File: file, Limit: job.Limit, Only: len(job.Targets) > 0, Refused: diags.HasErrors()}
	if inv.json { // the plan is the last line
		inv.report(s.source, diags)
		inv.view.Plan(plan, notes)
	} else {
		inv.view.Plan(plan, notes)
		inv.report(s.source, diags)
	}
	if diags.HasErrors() {
		return exitError
	}
	if detailed && plan.Changes() {
		return exitChanges
	}
	return exitDone
}

// refusals are why a build would refuse a plan, as the build would say it.
func refusals(plan *engine.Plan) error {
	if len(plan.Refusals) < 2 {
		return errors.Join(plan.Refusals...)
	}
	return engine.Failures(plan.Refusals)
}

// makePlan says what a build would do, compared with the last one.
func (inv *invocation) makePlan(s *session, job buildJob) (*engine.Plan, error) {
	last, err := s.lastBuild()
	if err != nil {
		return nil, err
	}
	e := s.engine(job.selection, engine.Options{OutDir: job.OutDir, Events: inv.view.Event, Last: last})
	return e.Plan(context.Background())
}

// unpriced are problems with models that a build would ask and that have no
// price, each at its place.
func (inv *invocation) unpriced(s *session, job buildJob) (hcl.Diagnostics, error) {
	known := true
	for _, m := range s.recipe.Models {
		known = known && costKnown(m)
	}
	for _, step := range s.recipe.Steps {
		known = known && trainingPriced(step)
	}
	if known {
		return nil, nil
	}
	plan, err := inv.makePlan(s, job)
	if err != nil {
		return nil, err
	}
	asked := slices.Concat(plan.Total.Unpriced, plan.Total.UnpricedTuned)
	var diags hcl.Diagnostics
	for _, m := range s.recipe.Models {
		if slices.Contains(asked, m.Name) && !costKnown(m) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No price", Subject: &m.Range, Detail: fmt.Sprintf(
				"%s will be asked, and nothing says what it costs, so that -budget-usd cannot hold. "+
					"Give it a price { input = …, output = … } in US dollars per million tokens; 0 if it is free.", modelTitle(m))})
		}
	}
	for _, step := range s.recipe.Steps {
		if slices.Contains(plan.Total.UnpricedTrainings, step.Address) && !trainingPriced(step) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No price", Subject: &step.Range, Detail: fmt.Sprintf(
				"%s will train, and nothing says what that costs, so that -budget-usd cannot hold. "+
					"Give it a price { training = … } in US dollars per million tokens; 0 if it is free.", step.Address)})
		}
	}
	return diags, nil
}

// modelTitle is what a model's block is called.
func modelTitle(m *spec.Model) string {
	if m.Tuned != nil && m.Name == m.Tuned.Address {
		return m.Name
	}
	return "model." + m.Name
}

// trainingPriced says whether a step trains nothing that somebody charges for, or
// says what.
func trainingPriced(s *spec.Step) bool {
	return s.Finetune == nil || s.Role.Component.Trainer != schema.TrainerAPI || s.Finetune.TrainingPrice != nil || s.Finetune.Provider.Type == spec.ProviderOffline
}

// costKnown says whether a model has a price, or needs none.
func costKnown(m *spec.Model) bool { return m.Price != nil || m.Provider.Type == spec.ProviderOffline }
