package publish

import (
	"slices"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// What a card says of verdicts depends on who gave them: a step of the recipe with
// its models, or whoever made the records that a source reads.

// authors are who may have given the verdicts that rows hold.
type authors struct {
	models  []string // that steps of the recipe asked
	sources []string // steps whose records may have brought verdicts along
}

// verdictColumns are the columns that say of an action of the row whether it is
// safe.
func verdictColumns() []string { return []string{"trigger_verdict", "safe_verdict"} }

// authors finds who gave the verdicts of the rows. A source counts as far as its
// rows come to the dataset without a step that gives the verdict.
func (f *facts) authors() authors {
	models, sources := map[string]bool{}, map[string]bool{}
	for _, column := range verdictColumns() {
		seen := map[*spec.Step]bool{}
		var follow func(step *spec.Step, given bool)
		follow = func(step *spec.Step, given bool) {
			if seen[step] {
				return
			}
			seen[step] = true
			if role := f.roleOf(step); role != nil && role.Component != nil {
				if writes(role.Component, column) {
					given = true
					for _, m := range judgesOf(role) {
						models[m] = true
					}
				}
				if len(step.Inputs) == 0 && !given && role.Component.WritesOpen {
					sources[step.Address] = true
				}
			}
			for _, in := range step.Inputs {
				follow(in, given)
			}
		}
		for _, in := range f.data.Step.Inputs {
			follow(in, false)
		}
	}
	return authors{sortedKeys(models), sortedKeys(sources)}
}

// roleOf is the role of a step, with the models that were trained for it.
func (f *facts) roleOf(step *spec.Step) *spec.RoleBody {
	i := slices.IndexFunc(f.data.Steps, func(s engine.DatasetStep) bool { return s.Step == step })
	if i < 0 {
		return nil
	}
	return f.data.Steps[i].Role
}

func writes(c *schema.Component, column string) bool {
	return slices.ContainsFunc(c.Writes, func(w schema.Column) bool { return w.Name == column })
}

// judgesOf are the models that a component has give verdicts: that in the slot of
// this name, else all.
func judgesOf(role *spec.RoleBody) []string {
	if m := role.Models["judge"]; m != nil {
		return []string{modelName(m)}
	}
	var list []string
	for _, slot := range sortedKeys(role.Models) {
		list = append(list, modelName(role.Models[slot]))
	}
	return list
}

// graders are the models that a judge step of a column asked.
func (f *facts) graders(column string) []string {
	found := map[string]bool{}
	for _, s := range f.data.Steps {
		if s.Role != nil && s.Role.Component.Role == schema.Judge && s.Role.BlockColumn == column {
			for _, m := range judgesOf(s.Role) {
				found[m] = true
			}
		}
	}
	return sortedKeys(found)
}

// fromOthers is how many rows rest on records of others.
func (t *tally) fromOthers() (n int64) {
	for o, rows := range t.origins {
		if o.Source != catalogSource {
			n += rows
		}
	}
	return n
}
