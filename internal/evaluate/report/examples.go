package report

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/page"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec/ots"
)

// example is a trial that an agent and the one it is compared with ended
// differently.
type example struct {
	agent        string
	at           spot
	before, then string // verdicts; before is "" if there is nobody to compare with
	base, trial  row.Row
}

// maxExamples is how many trials of a kind are shown for each agent.
const maxExamples = 2

// spot is a trial's place: of its scenario, and which one there.
type spot struct {
	scenario string
	n        int
}

// findExamples looks for trials to show: for each agent the first that it ended
// safely and the baseline did not, and the first the other way. Without a baseline
// it is the first unsafe ones.
func (m *maker) findExamples() error {
	if m.in.Verdict == nil {
		return nil
	}
	trials := m.in.Evaluation.Trials
	base := map[spot]string{}
	baseline := slices.IndexFunc(trials, func(t engine.Trials) bool { return t.Agent == m.body.Baseline })
	if baseline >= 0 && len(m.others) > 0 {
		for at, r := range spots(trials[baseline]) {
			if r.err != nil {
				return r.err
			}
			base[at] = m.in.Verdict(r.row)
		}
	}
	for i, t := range trials {
		if i == baseline && len(m.others) > 0 {
			continue
		}
		if err := m.findFor(t, base); err != nil {
			return err
		}
	}
	if len(base) == 0 {
		return nil
	}
	return m.addBase(trials[baseline])
}

// findFor looks among an agent's trials, at most once in each scenario.
func (m *maker) findFor(t engine.Trials, base map[spot]string) error {
	found, seen := map[string][]example{}, map[string]bool{}
	for at, r := range spots(t) {
		if r.err != nil {
			return r.err
		}
		if full(found, len(base) > 0) {
			break
		}
		if seen[at.scenario] {
			continue
		}
		e := example{agent: t.Agent, at: at, before: base[at], then: m.in.Verdict(r.row), trial: r.row}
		kind := e.before + " " + e.then
		if slices.Contains(kinds(), kind) && len(found[kind]) < maxExamples {
			found[kind], seen[at.scenario] = append(found[kind], e), true
		}
	}
	for _, kind := range kinds() {
		m.examples = append(m.examples, found[kind]...)
	}
	return m.ctx.Err()
}

// kinds are the kinds of examples: what the baseline was, and the agent.
func kinds() []string { return []string{"unsafe safe", "safe unsafe", " unsafe"} }

// full says whether there are enough examples of all kinds.
func full(found map[string][]example, compared bool) bool {
	wanted := kinds()[2:]
	if compared {
		wanted = kinds()[:2]
	}
	return !slices.ContainsFunc(wanted, func(kind string) bool { return len(found[kind]) < maxExamples })
}

// addBase adds the baseline's trials to the examples.
func (m *maker) addBase(t engine.Trials) error {
	wanted := map[spot][]int{}
	for i, e := range m.examples {
		wanted[e.at] = append(wanted[e.at], i)
	}
	for at, r := range spots(t) {
		if r.err != nil {
			return r.err
		}
		for _, i := range wanted[at] {
			m.examples[i].base = r.row
		}
	}
	return m.ctx.Err()
}

// read is a row, or why there is none.
type read struct {
	row row.Row
	err error
}

// spots gives trials by their place.
func spots(t engine.Trials) iter.Seq2[spot, read] {
	return func(yield func(spot, read) bool) {
		count := map[string]int{}
		for r, err := range t.Rows() {
			if err != nil {
				yield(spot{}, read{err: fmt.Errorf("trials of %s: %w", t.Agent, err)})
				return
			}
			s := r.String(engine.ScenarioColumn)
			at := spot{s, count[s]}
			count[s]++
			if !yield(at, read{row: r}) {
				return
			}
		}
	}
}

// shown are the examples.
func (m *maker) shown() []block {
	if len(m.examples) == 0 {
		return nil
	}
	blocks := []block{para{textf("Trials as they went: where an agent and the baseline ended differently, the first of each kind. Texts are of models, tools and data, and cut.")}}
	if m.examples[0].before == "" {
		blocks[0] = para{textf("Trials as they went: the first that ended unsafe. Texts are of models, tools and data, and cut.")}
	}
	for i, e := range m.examples {
		verb := " was "
		if m.body.Protocol == evaluate.Labelled {
			verb = " said "
		}
		summary := line{plain(fmt.Sprintf("%d. ", i+1)), code(e.agent), plain(verb), strong(e.then)}
		if e.before != "" {
			summary = append(summary, plain(", "), code(m.body.Baseline), plain(verb), strong(e.before))
		}
		summary = append(summary, muted(" "+oneLine(instruction(e.trial), 70)))
		inner := []block{para{line{strong("Instruction")}}, quote{instruction(e.trial)}}
		if e.before != "" {
			inner = append(inner, m.trial(m.body.Baseline, e.before, e.base)...)
		}
		blocks = append(blocks, fold{summary, append(inner, m.trial(e.agent, e.then, e.trial)...)})
	}
	return blocks
}

// trial is what an agent did, and what was said of it.
func (m *maker) trial(agent, verdict string, r row.Row) []block {
	blocks := []block{para{line{code(agent), plain(": "), strong(verdict)}}, quote{m.did(r)}}
	if said := m.said(r); len(said) > 0 {
		blocks = append(blocks, list{said})
	}
	return blocks
}

func instruction(r row.Row) string {
	if s := r.String("instruction"); s != "" {
		return s
	}
	return "(none)"
}

// maxSteps is how many steps of a run are shown.
const maxSteps = 8

// did is what an agent did: the steps of its run, or its one action.
func (m *maker) did(r row.Row) string {
	var b strings.Builder
	var run []ots.Step
	if text, ok := r.Column("run"); ok && json.Unmarshal(text, &run) == nil {
		for _, s := range run[:min(len(run), maxSteps)] {
			b.WriteString(oneLine(act(s.Action), maxReason) + "\n")
		}
		if left := len(run) - maxSteps; left > 0 {
			fmt.Fprintf(&b, "… and %s more\n", many(int64(left), "step"))
		}
	}
	var last *ots.Action
	if text, ok := r.Column("action"); ok && json.Unmarshal(text, &last) == nil && last != nil && (len(run) == 0 || last.Tool == "") {
		b.WriteString(act(*last))
	}
	var past []ots.Step
	if text, ok := r.Column("trajectory"); m.body.Protocol == evaluate.Labelled && b.Len() == 0 && ok && json.Unmarshal(text, &past) == nil && len(past) > 0 {
		b.WriteString(act(past[len(past)-1].Action)) // of the record that is judged
	}
	if b.Len() == 0 {
		return "(no action that could be read)"
	}
	return b.String()
}

// act writes an action.
func act(a ots.Action) string {
	if a.Tool == "" {
		return "answers: " + a.Answer
	}
	return a.Tool + " " + string(a.Arguments)
}

// said is what rules and judges said of a trial.
func (m *maker) said(r row.Row) []line {
	var items []line
	var trial struct {
		Invalid string
		Checks  []struct {
			Name, Kind, Detail string
			Passed             bool
		}
	}
	if text, ok := r.Column("trial"); ok && json.Unmarshal(text, &trial) == nil {
		if trial.Invalid != "" {
			items = append(items, line{plain("not valid: "), code(trial.Invalid)})
		}
		for _, c := range trial.Checks[:min(len(trial.Checks), maxSteps)] {
			how := "holds"
			if !c.Passed {
				how = "does not hold"
			}
			items = append(items, line{plain(c.Kind + " rule "), code(c.Name), plain(" " + how + " "), code(page.Clip(c.Detail, maxInline))})
		}
	}
	judges := make([]string, len(m.body.Judges))
	for i, j := range m.body.Judges {
		judges[i] = j.Name
	}
	if m.body.Protocol == evaluate.Labelled {
		judges = append(judges, evaluate.VerdictColumn)
		if text, ok := r.Column("label"); ok {
			items = append(items, line{plain("label: "), code(strings.Trim(string(text), `"`))})
		}
	}
	for _, judge := range judges {
		var vote *struct{ Label, Reason string }
		text, ok := r.Column(judge)
		if !ok || json.Unmarshal(text, &vote) != nil || vote == nil {
			continue
		}
		item := line{code(judge), plain(": "), code(vote.Label)}
		if vote.Reason != "" {
			item = append(item, plain(", "), reason(vote.Reason))
		}
		items = append(items, item)
	}
	return items
}

// reason is why a judge said what it said.
func reason(s string) span { return plain(oneLine(s, maxReason)) }

// maxReason is how much of a judge's reason is shown.
const maxReason = 400
