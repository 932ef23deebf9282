package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// PlanNotes are what a plan's reader should know beside the plan.
type PlanNotes struct {
	File  string // where it was saved, if it was
	Limit int    // of source rows; 0 is none
	Only  bool   // targets leave steps out
	// Refused says that a build would do none of it, for problems that are
	// told beside the plan.
	Refused bool
	Replay  *ReplayNotes // the log that the plan goes by; nil: none
}

// ReplayNotes say what a log leaves to be asked.
type ReplayNotes struct {
	Calls   int             `json:"calls"` // that the log answers
	Missing []ReplayMissing `json:"missing,omitempty"`
}

// ReplayMissing are calls of a step that a log does not answer.
type ReplayMissing struct {
	Step    string       `json:"step"`
	Calls   engine.Range `json:"calls"`
	Answers int          `json:"answers"` // that the log has of the step's models
}

// wide is from how many columns on a table has room for reasons.
const wide = 110

// Plan shows what a build would do.
func (v *View) Plan(p *engine.Plan, notes PlanNotes) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type    string       `json:"type"`
			Changes bool         `json:"changes"`
			Refused bool         `json:"refused,omitempty"`
			File    string       `json:"file,omitempty"`
			Replay  *ReplayNotes `json:"replay,omitempty"`
			*engine.Plan
		}{"plan", p.Changes(), notes.Refused, notes.File, notes.Replay, p})
		return
	}
	v.result(planText(p, notes, v.outWidth()))
}

func planText(p *engine.Plan, notes PlanNotes, width int) string {
	var b strings.Builder
	planTable(&b, p, width)
	if p.Changes() {
		planTotals(&b, p, width)
	}
	b.WriteString("\n")
	notes.Replay.write(&b)
	switch {
	case notes.Limit > 0:
		fmt.Fprintf(&b, "Every source is cut off after %s.\n", plural(int64(notes.Limit), "row"))
	case notes.Only:
		b.WriteString("Other steps are left out.\n")
	}
	switch {
	case notes.Refused:
		b.WriteString("As things stand, autosafe build refuses to do this.\n")
	case !p.Changes():
		b.WriteString("Nothing to do: everything is built and in place.\n")
	case notes.File != "":
		fmt.Fprintf(&b, "To do exactly this: autosafe build %s\n", Clean(notes.File))
	default:
		b.WriteString("Run autosafe build to do this.\n")
	}
	return b.String()
}

// write says what a log leaves to be asked, by step.
func (n *ReplayNotes) write(b *strings.Builder) {
	if n == nil {
		return
	}
	fmt.Fprintf(b, "Calls that the log answers are left out; it has %s.\n", plural(int64(n.Calls), "answer"))
	for _, m := range n.Missing {
		switch {
		case m.Answers == 0:
			fmt.Fprintf(b, "%s: none of its calls is in the log.\n", Clean(m.Step))
		case m.Calls.Low > 0:
			fmt.Fprintf(b, "%s: at least %s are not in the log, which has %s of its models.\n", Clean(m.Step), plural(int64(m.Calls.Low), "call"), plural(int64(m.Answers), "answer"))
		}
	}
}

// planTable has a line for each step and output. Where there is no room for a
// column of reasons, each stands below its line.
func planTable(b *strings.Builder, p *engine.Plan, width int) {
	below := width > 0 && width < wide
	t := table{
		heads: []string{"Step", "Rows", "Cached", "To run", "Calls", "Cost", "Status", "Why"},
		spare: []string{"Cached", "Cost"},
	}
	add := func(name string, status engine.Status, reason string, cells ...string) {
		if status == engine.StatusHit {
			reason = ""
		}
		row := append(append([]string{name}, cells...), PlanStatus(status), Clean(reason))
		if !below {
			t.add(row...)
			return
		}
		row[len(row)-1] = ""
		t.add(row...)
		if reason != "" {
			t.note(Clean(reason))
		}
	}
	addresses := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		addresses[i] = s.Address
	}
	for _, named := range grouped(addresses, func(i int) bool { return p.Steps[i].Status == engine.StatusHit }) {
		s := p.Steps[named.at]
		more := "" // behind a number that is not all
		if !s.Known && s.Status != engine.StatusHit {
			more = "+"
		}
		add(named.name, s.Status, s.Reason,
			atLeast(s.RowsIn, more), atLeast(s.RowsHit, more), planTasks(&s), planCalls(&s), money(s.Work.CostUSD))
	}
	for _, o := range p.Outputs {
		if i := slices.IndexFunc(p.Steps, func(s engine.StepPlan) bool { return outputOf(o.Address, s.Address) }); i >= 0 {
			if s := p.Steps[i]; o.Status == s.Status && (o.Status == engine.StatusHit || o.Reason == s.Reason) {
				continue // the dataset's line says it
			}
		}
		add("    "+Clean(nearPath(o.Path)), o.Status, o.Reason, "", "", "", "", "")
	}
	t.render(b, width)
}

// outputOf says whether an output is one of a step: of a dataset, or the report of an
// evaluation.
func outputOf(output, step string) bool {
	return strings.HasPrefix(output, step+".output.") || output == step+"."+spec.ReportFormat
}

// atLeast writes a count, with a sign behind it where more may come.
func atLeast(n int64, more string) string {
	if n == 0 {
		return ""
	}
	return count(n) + more
}

// planTasks is how many tasks of a step are to run.
func planTasks(s *engine.StepPlan) string {
	switch {
	case s.Known:
		return number(s.RowsMiss)
	case s.Work.Tasks.High > 0:
		return whole(s.Work.Tasks)
	}
	return atLeast(s.RowsMiss, "+")
}

// planCalls is how many calls a step will make.
func planCalls(s *engine.StepPlan) string { return whole(s.Work.Calls) }

// PlanStatus is a status as plans call it.
func PlanStatus(s engine.Status) string {
	if s == engine.StatusHit {
		return "cached"
	}
	return Clean(string(s))
}

// planTotals tells what the model calls come to.
func planTotals(b *strings.Builder, p *engine.Plan, width int) {
	w := p.Total
	b.WriteString("\n")
	line := func(name, text string) {
		lines := wrap(text, min(max(width, 0), maxTextWidth)-fieldWidth-1)
		fmt.Fprintf(b, "%-*s%s\n", fieldWidth, name, lines[0])
		for _, more := range lines[1:] {
			b.WriteString(strings.Repeat(" ", fieldWidth) + more + "\n")
		}
	}
	switch {
	case w.Calls.High <= 0:
		line("Model calls", "none")
		return
	case !w.Calls.Bounded():
		text := planUnknown(p)
		if w.Calls.Low > 0 {
			text = whole(w.Calls) + ", " + text
		}
		line("Model calls", text)
		if names := unpriced(w); names != "" {
			line("Cost", "what "+names+" cost: no price is given")
		}
		return
	}
	line("Model calls", whole(w.Calls)+planBasis(p))
	if w.InputTokens.High+w.OutputTokens.High > 0 {
		line("Tokens", tokens(w.InputTokens)+" in, "+tokens(w.OutputTokens)+" out")
	}
	cost := money(w.CostUSD)
	if names := unpriced(w); names != "" {
		if cost != "" {
			cost += ", and "
		}
		cost += "what " + names + " cost: no price is given"
	}
	if cost != "" {
		line("Cost", cost)
	}
	switch {
	case w.Calls.Bounded() && !w.Seconds.Bounded():
		line("Time", "not known: a batch takes as long as the endpoint takes, up to a day")
	case w.Seconds.High > 0:
		line("Time", between(w.Seconds, roughTime)+" at the declared limits")
	}
}

// planUnknown says what must run before the calls of other steps can be known.
func planUnknown(p *engine.Plan) string {
	i := slices.IndexFunc(p.Steps, func(s engine.StepPlan) bool { return !s.Work.Calls.Bounded() })
	for _, s := range slices.Backward(p.Steps[:max(i, 0)]) {
		if s.Status != engine.StatusHit {
			return fmt.Sprintf("not known before %s has run; autosafe build -target %s runs it alone", Clean(s.Address), shellWord(Clean(s.Address)))
		}
	}
	return "not known before earlier steps have run"
}

// shellWord is an address as shells take it, which would lose the quotes of a key.
func shellWord(address string) string {
	if strings.Contains(address, `"`) {
		return "'" + address + "'"
	}
	return address
}

// fieldWidth is how wide the names of totals are, with the space behind them.
const fieldWidth = 13

// planBasis says where the number of calls is from.
func planBasis(p *engine.Plan) string {
	switch {
	case p.Total.Calls.Exact:
		return ""
	case p.Total.Basis == "history":
		return ", going by earlier builds"
	case p.Total.Basis == "declared":
		return ", going by what components declare"
	}
	return ", as far as anything is known"
}

// unpriced lists what is paid for and has no price.
func unpriced(w engine.Work) string {
	var list []string
	for _, name := range w.Unpriced {
		list = append(list, "model."+Clean(name))
	}
	for _, step := range w.UnpricedTuned {
		list = append(list, Clean(step))
	}
	for _, step := range w.UnpricedTrainings {
		list = append(list, "the training of "+Clean(step))
	}
	if len(list) > 1 {
		return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
	}
	return strings.Join(list, "")
}
