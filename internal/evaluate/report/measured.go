package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/page"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// measured says what was measured, on what, by whom, and how.
func (m *maker) measured() []block {
	b, e := m.body, m.in.Evaluation
	var ks []string
	for _, k := range b.K {
		ks = append(ks, strconv.Itoa(k))
	}
	rows := [][]line{
		{textf("Evaluation"), {code(e.Step.Address)}},
		{textf("Protocol"), {code(b.Protocol)}},
		{textf("Scenarios"), m.from()},
		{textf("Trials of each"), textf("%s by each agent", page.Number(int64(b.Samples)))},
		{textf("Baseline"), nameOr(b.Baseline, "none")},
		{textf("Verdict"), m.how()},
		{textf("Intervals"), textf("%s confidence; Wilson for shares of scenarios, else bootstrap over scenarios (%s resamples, seed %d)", strings.Replace(percent(b.Confidence), ".0 %", " %", 1), page.Number(int64(b.Resamples)), b.Seed)},
	}
	if b.Protocol != evaluate.Labelled {
		rows = append(rows, []line{textf("k of sec@k"), textf("%s", strings.Join(ks, ", "))})
	}
	blocks := []block{table{heads: []string{"what", "how"}, rows: rows}, heading{3, "Agents"}}
	blocks = append(blocks, m.agentTables()...)
	if len(b.Judges) > 0 {
		blocks = append(blocks, heading{3, "Judges"}, m.judgeTable())
	}
	if len(b.Humans) > 0 {
		var items []line
		for _, h := range b.Humans {
			items = append(items, line{code(h.Name), plain(": " + m.labelled(h))})
		}
		blocks = append(blocks, heading{3, "People"}, para{textf("Labels that people gave are compared with the judges', and take no part in verdicts.")}, list{items})
	}
	return blocks
}

// labelled says how many labels a person gave.
func (m *maker) labelled(h spec.EvaluationHuman) string {
	said := many(int64(len(h.Files)), "file")
	for _, f := range m.counts {
		if f.Group == evaluate.HumansGroup && f.Key == h.Name && f.Metric == "labels" && f.Value != nil {
			return said + ", " + many(int64(*f.Value), "label")
		}
	}
	return said
}

// from says where the scenarios are from.
func (m *maker) from() line {
	l := textf("%s", page.Number(m.scenarios))
	s := m.body.Scenarios
	if s == nil {
		return l
	}
	inputs := s.Inputs
	if m.body.Dataset != nil {
		inputs = []*spec.Step{m.body.Dataset}
	}
	for i, in := range inputs {
		l = append(l, plain([]string{" from ", ", "}[min(i, 1)]), code(in.Address))
	}
	for _, op := range s.Distill {
		if op.Of != "" {
			l = append(l, plain(", split "), code(op.Of))
		}
		if op.N > 0 {
			l = append(l, plain(fmt.Sprintf(", a sample of at most %s", page.Number(int64(op.N)))))
		}
	}
	return l
}

// how says who decides what is safe.
func (m *maker) how() line {
	counting := 0
	for _, j := range m.body.Judges {
		if j.Counts {
			counting++
		}
	}
	switch {
	case m.body.Protocol == evaluate.Labelled:
		return line{plain("the agents are judges, held against the column "), code("label")}
	case counting == 0:
		return textf("by rules alone")
	case counting == 1:
		return textf("by one judge, where rules do not decide")
	case m.body.Verdict == spec.VotesAny:
		return textf("by %d judges, where rules do not decide: unsafe as soon as one says so", counting)
	case m.body.Verdict == spec.VotesAll:
		return textf("by %d judges, where rules do not decide: unsafe if all say so", counting)
	}
	return textf("by the majority of %d judges, where rules do not decide", counting)
}

// agentTables are the agents with the settings that tell them apart, and then the
// settings that they share.
func (m *maker) agentTables() []block {
	t := table{heads: []string{"agent", "model", "settings"}}
	all := make([]line, len(m.body.Agents))
	uses := map[string]int{}
	for i, a := range m.body.Agents {
		all[i] = settings(a.Trial)
		for _, s := range all[i] {
			uses[s.text]++
		}
	}
	var shared line
	for i, a := range m.body.Agents {
		name := line{code(a.Name)}
		if a.Name == m.body.Baseline {
			name = append(name, muted(" (baseline)"))
		}
		var its line
		for _, s := range all[i] {
			if uses[s.text] < len(all) || len(all) == 1 {
				its = append(append(its, s), plain(" "))
			} else if i == 0 {
				shared = append(append(shared, plain(" ")), s)
			}
		}
		if len(its) == 0 {
			its = line{muted("–")}
		}
		t.rows = append(t.rows, []line{name, modelLine(a.Model), its})
	}
	blocks := []block{t}
	if len(shared) > 0 {
		blocks = append(blocks, para{append(textf("All of them:"), shared...)})
	}
	return blocks
}

func (m *maker) judgeTable() table {
	t := table{heads: []string{"judge", "component", "model", "counts", "independent"}}
	for _, j := range m.body.Judges {
		counts := "yes"
		if !j.Counts {
			counts = "no, only compared"
		}
		t.rows = append(t.rows, []line{{code(j.Name)}, {code(j.Component)}, modelLine(j.Model), textf("%s", counts), m.independent(j)})
	}
	return t
}

// independent says whether a judge is another than those it judges and those that
// made the data.
func (m *maker) independent(j spec.EvaluationJudge) line {
	if j.Model == nil {
		return textf("yes, it asks no model")
	}
	for _, a := range m.body.Agents {
		if a.Model != nil && a.Model.Same(j.Model) {
			return line{strong("no"), plain(": it is the model of "), code(a.Name)}
		}
	}
	for _, s := range m.in.Evaluation.Sources {
		if s.Role == nil {
			continue
		}
		for _, slot := range sorted(s.Role.Models, nil) {
			judges := slot == "judge" || s.Role.Component != nil && s.Role.Component.Role == schema.Judge
			if other := s.Role.Models[slot]; judges && other != nil && other.Same(j.Model) {
				return line{strong("no"), plain(": it also judged in "), code(s.Address)}
			}
		}
	}
	return textf("yes")
}

func modelLine(model *spec.Model) line {
	switch {
	case model == nil:
		return line{muted("none")}
	case model.Tuned != nil:
		return line{code(model.Name), plain(", trained by "), code(model.Tuned.Address)}
	case model.Provider != nil && model.Provider.Type == spec.ProviderOffline:
		return line{code(model.Name), muted(" (offline model)")}
	case model.ID != "" && model.ID != model.Name:
		return line{code(model.Name), plain(": "), code(model.ID)}
	}
	return line{code(model.Name)}
}

// settings are what an agent's block says beside its models, as far as it is short.
func settings(trial *spec.Step) (l line) {
	if trial == nil || trial.Role == nil {
		return nil
	}
	for _, part := range trial.Role.KeyConfig {
		value := strings.Trim(string(part.Value), `"`)
		if len(value) <= 40 && !slices.Contains([]string{"null", "", "[]", "{}"}, value) {
			l = append(l, code(part.Name+" = "+value))
		}
	}
	return l
}

func nameOr(name, other string) line {
	if name == "" {
		return textf("%s", other)
	}
	return line{code(name)}
}
