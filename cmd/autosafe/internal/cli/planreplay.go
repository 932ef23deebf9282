package cli

import (
	"maps"
	"math"
	"slices"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

// replayed takes out of a plan what a log may answer; nil without a log. What a
// row asks is not known before it runs, so only the number of answers that the
// log has of a step's models counts: of so many calls each may be answered or
// not, and those beyond are not.
func replayed(plan *engine.Plan, recipe *spec.Recipe, log *llm.Replay) *view.ReplayNotes {
	if log == nil {
		return nil
	}
	notes := &view.ReplayNotes{Calls: log.Calls()}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		at := slices.IndexFunc(recipe.Steps, func(s *spec.Step) bool { return s.Address == step.Address })
		if step.Work.Calls.High == 0 || at < 0 || recipe.Steps[at].Role == nil {
			continue
		}
		models := map[*spec.Model]bool{}
		for _, m := range recipe.Steps[at].Role.Models {
			models[m] = true
		}
		answers := 0
		for m := range maps.Keys(models) {
			answers += log.CallsOf(m)
		}
		before := step.Work
		answer(&step.Work, float64(answers))
		lower(&plan.Total, before, step.Work)
		notes.Missing = append(notes.Missing, view.ReplayMissing{Step: step.Address, Calls: step.Work.Calls, Answers: answers})
	}
	longest := 0.0
	for _, step := range plan.Steps {
		longest = math.Max(longest, step.Work.Seconds.Low)
	}
	plan.Total.Seconds.Low = longest // since steps run side by side
	return notes
}

// answer lowers the least that a step's calls take by so many that a log may
// answer.
func answer(w *engine.Work, answers float64) {
	if answers == 0 || w.Calls.Low == 0 {
		w.Calls.Exact = w.Calls.Exact && answers == 0
		return
	}
	left := math.Max(0, w.Calls.Low-answers) / w.Calls.Low
	for _, r := range parts(w) {
		r.Low *= left
		r.Exact = r.Low == r.High
	}
	w.Calls.Low = math.Round(w.Calls.Low)
}

// lower takes the same off a total.
func lower(total *engine.Work, before, now engine.Work) {
	all, was, is := parts(total), parts(&before), parts(&now)
	for i, r := range all {
		r.Low = math.Max(0, r.Low-(was[i].Low-is[i].Low))
		r.Exact = r.Exact && is[i].Exact
	}
}

// parts are the figures of work that calls make.
func parts(w *engine.Work) []*engine.Range {
	return []*engine.Range{&w.Calls, &w.InputTokens, &w.OutputTokens, &w.CostUSD, &w.Seconds}
}
