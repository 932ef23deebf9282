package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec/schema"
)

// An evaluation whose judge has made the data as well, or whose agent was
// trained on what it is tried on, says less than it seems to. What can be told
// from the recipe is told before the build.

// checkEvaluations looks at who judges whom, and at what agents were trained on.
func (d *decoder) checkEvaluations() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range d.order {
		for _, inst := range b.instances {
			if inst.step != nil && inst.step.Evaluation != nil {
				diags = append(diags, d.checkJudges(b, inst.step.Evaluation)...)
				diags = append(diags, d.checkTraining(b, inst.step.Evaluation)...)
			}
		}
	}
	return diags
}

// checkJudges warns of judges that are no strangers to what they judge.
func (d *decoder) checkJudges(b *block, e *EvaluationBody) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if len(e.Agents) == 0 {
		return nil
	}
	made := map[*Step]bool{}
	ancestors(e.Scenarios, made)
	for _, a := range e.Agents {
		for _, tuned := range a.trainings() {
			ancestors(tuned, made)
		}
	}
	for i, j := range e.Judges {
		if !j.Counts {
			continue // its votes are only compared
		}
		at := b.evaluation.modelRange(j)
		judge := e.judgeModels(i)
		var own []string
		for _, a := range e.Agents {
			if a.Model != nil && slices.ContainsFunc(judge, func(m *Model) bool { return m.Same(a.Model) }) {
				own = append(own, a.Name)
			}
		}
		if len(own) > 0 {
			diags = append(diags, warningAt(at, "Agent judges itself",
				"Judge %q has the model of the agent(s) %s, and models are kind to their own answers. Take another model for the judge.", j.Name, listed(own)))
		}
		if step, m := judgedBy(d.order, made, judge); step != nil {
			diags = append(diags, warningAt(at, "Judge of the data judges the result",
				"Judge %q is the model %q, which also judges in %s, on which this evaluation rests. What it was wrong about there it is wrong about here, so the figures say how well agents please it. Take another model for one of them, or a second judge of another kind beside it.", j.Name, m.Name, step.Address))
		}
	}
	return diags
}

// modelRange is where a judge's block names its model.
func (p *evaluationParts) modelRange(j EvaluationJudge) hcl.Range {
	for _, n := range p.judges {
		if n.labels[1] != j.Name {
			continue
		}
		for _, a := range n.component.Config.Attributes {
			if attr := n.attrs[a.Name]; attr != nil && a.Kind == schema.Model {
				return attr.Expr.Range()
			}
		}
	}
	return j.Range
}

// judgeModels are the models of a judge, in order of slot.
func (e *EvaluationBody) judgeModels(i int) (list []*Model) {
	step := e.Agents[0].Last
	for range len(e.Judges) - 1 - i {
		step = step.Inputs[0]
	}
	for _, slot := range sortedKeys(step.Role.Models) {
		list = append(list, step.Role.Models[slot])
	}
	return list
}

// judgedBy finds the first of the steps in which one of the models judges: in a
// slot called judge, or as a judge.
func judgedBy(order []*block, steps map[*Step]bool, models []*Model) (*Step, *Model) {
	for _, b := range order {
		for _, inst := range b.instances {
			if inst.step == nil || !steps[inst.step] || inst.step.Kind != RoleStep {
				continue
			}
			role := inst.step.Role
			for _, slot := range sortedKeys(role.Models) {
				if slot != "judge" && role.Component.Role != schema.Judge {
					continue
				}
				for _, m := range models {
					if m.Same(role.Models[slot]) {
						return inst.step, m
					}
				}
			}
		}
	}
	return nil, nil
}

// Same says whether two models are one behind their names.
func (m *Model) Same(o *Model) bool {
	if m == nil || o == nil || m.Tuned != nil || o.Tuned != nil {
		return m != nil && o != nil && m.Tuned == o.Tuned
	}
	return m.Provider != nil && o.Provider != nil && m.ID == o.ID && m.Revision == o.Revision &&
		m.Provider.Type == o.Provider.Type && m.Provider.Identity() == o.Provider.Identity()
}

// trainings are the finetune steps that make the agent's models.
func (a EvaluationAgent) trainings() []*Step { return a.Trial.After }

// checkTraining looks for scenarios that an agent was trained on.
func (d *decoder) checkTraining(b *block, e *EvaluationBody) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, a := range e.Agents {
		for _, tuned := range a.trainings() {
			if tuned.Finetune == nil || tuned.Finetune.Dataset == nil {
				continue // it was in error
			}
			if diag := e.leak(b, i, tuned); diag != nil {
				diags = append(diags, diag)
			}
		}
	}
	return diags
}

func (e *EvaluationBody) leak(b *block, agent int, tuned *Step) *hcl.Diagnostic {
	input, ok := b.node.attrs["input"]
	if !ok {
		return nil
	}
	rng, name := input.Expr.Range(), e.Agents[agent].Name
	trained := tuned.Finetune.Dataset
	if e.Dataset == trained {
		split := e.Scenarios.Distill[0].Of
		if split == "" {
			split = defaultTrain
		}
		if split != tuned.Finetune.Train {
			return nil
		}
		if attr := b.node.attrs["split"]; attr != nil {
			rng = attr.Expr.Range()
		}
		advice := "Give the dataset a split block, and evaluate it on another split."
		if e.Dataset.Dataset.Split != nil {
			advice = "Evaluate it on another split, or train it on another."
			others := slices.DeleteFunc(e.Dataset.Dataset.splitNames(), func(name string) bool { return name == split })
			if len(others) > 0 {
				advice = fmt.Sprintf("Evaluate it on another split, such as split = %q, or train it on another.", untrained(others))
			}
		}
		return problemAt(rng, "Evaluation on training data",
			"The agent %q is the model of %s, which is trained on the split %q of %s: the very rows that it would be tried on. %s", name, tuned.Address, split, trained.Address, advice)
	}
	rest := map[*Step]bool{}
	ancestors(trained, rest)
	for _, step := range e.Scenarios.Inputs {
		if shared := sharedRows(step, rest); shared != nil {
			return warningAt(rng, "Evaluation on training data",
				"The agent %q is the model of %s, whose training data rests on %s as the scenarios do, so it may have been trained on some of them. Evaluate it on a split of %s that it was not trained on: input = %s, and its split.", name, tuned.Address, shared.Address, trained.Address, trained.Address)
		}
	}
	return nil
}

// sharedRows finds the step whose rows a step has, as they are or some of them,
// and which is among steps; nil if there is none.
func sharedRows(step *Step, steps map[*Step]bool) *Step {
	if steps[step] {
		return step
	}
	if step.Kind != DistillStep {
		return nil
	}
	for _, in := range step.Inputs {
		if shared := sharedRows(in, steps); shared != nil {
			return shared
		}
	}
	return nil
}

// ancestors adds all that a step rests on, and itself. A model that was trained
// rests on what it was trained on.
func ancestors(step *Step, found map[*Step]bool) {
	if step == nil || found[step] {
		return
	}
	found[step] = true
	for _, in := range slices.Concat(step.Inputs, step.After) {
		ancestors(in, found)
	}
}

// warningAt makes a warning with a place.
func warningAt(rng hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	d := problemAt(rng, summary, format, args...)
	d.Severity = hcl.DiagWarning
	return d
}

// checkReportPaths reports reports that lie where something else is written.
func (d *decoder) checkReportPaths() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range d.order {
		for _, inst := range b.instances {
			if inst.step == nil || inst.step.Evaluation == nil || inst.step.Evaluation.Report == nil {
				continue
			}
			report := inst.step.Evaluation.Report
			if other := d.writes(report); other != "" {
				diags = append(diags, problemAt(report.Role.value.expr("path").Range(), "Overlapping outputs",
					"%s writes to %q, where %s: one would overwrite the other. Give each a folder of its own%s.", report.Address, report.Path, other, eachKeyHint(b)))
			}
		}
	}
	return diags
}

// writes says who else writes into a report's folder, or around it. Of two
// reports the one that comes later is told.
func (d *decoder) writes(report *OutputBody) string {
	if report.Path == "" {
		return ""
	}
	later := false
	for _, b := range d.order {
		for _, inst := range b.instances {
			if inst.step == nil {
				continue
			}
			for _, out := range inst.step.written() {
				later = later || out == report
				if out == report || out.Path == "" || later && out.Role.Component.Name == ReportFormat || !overlap(out.Path, report.Path) {
					continue
				}
				return fmt.Sprintf("%s writes to %q", out.Address, out.Path)
			}
			if f := inst.step.Finetune; f != nil && f.Path != "" && overlap(f.Path, report.Path) {
				return fmt.Sprintf("%s keeps its trainings in %q", inst.step.Address, f.Path)
			}
		}
	}
	return ""
}

// written are all folders that a step writes: those of a dataset's outputs and
// card, and that of a report.
func (s *Step) written() []*OutputBody {
	var list []*OutputBody
	if s.Dataset != nil {
		list = slices.Clone(s.Dataset.Outputs)
		if s.Dataset.Card != nil {
			list = append(list, &s.Dataset.Card.Output)
		}
	}
	if s.Evaluation != nil && s.Evaluation.Report != nil {
		list = append(list, s.Evaluation.Report)
	}
	return list
}
