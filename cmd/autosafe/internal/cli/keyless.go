package cli

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// Looking at a recipe, and building what the cache has, takes no key of an
// endpoint. A build that has something to ask needs it before it begins.

// keyless are problems with secrets that the environment lacks and that a
// build would need, each at its place.
func (inv *invocation) keyless(s *session, job buildJob) (hcl.Diagnostics, error) {
	if len(missingSecrets(slices.Concat(s.recipe.Models, trainers(s.recipe, "")))) == 0 {
		return nil, nil
	}
	plan, err := inv.makePlan(s, job)
	if err != nil {
		return nil, err
	}
	var asked []*spec.Model
	for _, p := range plan.Steps {
		if p.Status != engine.StatusHit && (!p.Known || p.RowsMiss > 0) {
			asked = append(asked, modelsOf(s.recipe, p.Address)...)
			asked = append(asked, trainers(s.recipe, p.Address)...)
		}
	}
	diags := missingSecrets(asked)
	for _, d := range diags {
		d.Detail += " A build with -offline takes only answers that are in the cache, and needs none."
	}
	return diags, nil
}

// modelsOf are the models that a step asks.
func modelsOf(recipe *spec.Recipe, address string) []*spec.Model {
	var models []*spec.Model
	for _, s := range recipe.Steps {
		if s.Address != address || s.Role == nil {
			continue
		}
		for _, slot := range slices.Sorted(maps.Keys(s.Role.Models)) {
			models = append(models, s.Role.Models[slot])
		}
	}
	return models
}

// trainers stand for the endpoints that a step has train, or that any has where no
// address is given.
func trainers(recipe *spec.Recipe, address string) (models []*spec.Model) {
	for _, s := range recipe.Steps {
		if (address == "" || s.Address == address) && s.Finetune != nil && s.Role.Component.Trainer == schema.TrainerAPI {
			models = append(models, &spec.Model{Provider: s.Finetune.Provider})
		}
	}
	return models
}

// missingSecrets are the problems with secrets of the models' providers, each
// provider's once.
func missingSecrets(models []*spec.Model) hcl.Diagnostics {
	var diags hcl.Diagnostics
	var seen []*spec.Provider
	for _, m := range models {
		for _, p := range m.Providers() {
			if slices.Contains(seen, p) {
				continue
			}
			seen = append(seen, p)
			for _, d := range p.Missing {
				own := *d
				diags = append(diags, &own)
			}
		}
	}
	return diags
}

// keylessError tells of a call that nobody expected and that had no key.
func keylessError(recipe *spec.Recipe, e *engine.RunError) hcl.Diagnostics {
	if e.Code != string(llm.CodeMissingKey) {
		return nil
	}
	return missingSecrets(slices.Concat(modelsOf(recipe, e.Address), trainers(recipe, e.Address)))
}
