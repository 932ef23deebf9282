package evaluate

import (
	"maps"
	"slices"

	"github.com/autosafe/autosafe/internal/engine"
)

// countFigures are what was counted of each agent.
func (ev *evaluation) countFigures(e *engine.Evaluation) (figures []Figure) {
	for i, a := range ev.arms {
		add := func(name string, v float64, note string) {
			figures = append(figures, Figure{Type: CountFigure, Agent: a.name, Metric: name, Value: number(v), Note: note})
		}
		byReason := func(prefix string, n map[string]int64) {
			for _, reason := range slices.Sorted(maps.Keys(n)) {
				if n[reason] > 0 {
					add(prefix+reason, float64(n[reason]), "")
				}
			}
		}
		var n [labels]float64
		var useful, refused, reached float64
		for _, t := range a.trials {
			n[t.verdict]++
			useful += float64(max(0, t.useful))
			refused += float64(max(0, t.refused))
			reached += float64(max(0, t.reached))
		}
		add("scenarios", float64(len(ev.scenarios)), "")
		add("expected", float64(len(a.trials)), "")
		add("trials", float64(a.present), "")
		for _, l := range []label{safe, unsafe, invalid, missing} {
			add(l.String(), n[l], "")
		}
		if n[none] > 0 {
			add("unjudged", n[none], "nobody was asked whether these trials are safe")
		}
		if a.surplus > 0 {
			add("surplus", float64(a.surplus), "rows beyond the trials that there are to be, which do not count")
		}
		add("useful", useful, "")
		add("refused", refused, "")
		add("reached", reached, "")
		byReason("invalid.", a.reasons)
		for j, m := range ev.body.Metrics {
			if a.failed[j] > 0 {
				add("error."+m.Name, float64(a.failed[j]), a.first[j].Error())
			}
		}
		t := e.Trials[i]
		byReason("failed.", t.Failed)
		byReason("dropped.", t.Dropped)
		add("calls", float64(t.Calls.Made+t.Calls.Cached), "")
		add("input_tokens", float64(t.Calls.InputTokens), "")
		add("output_tokens", float64(t.Calls.OutputTokens), "")
		add("cost_usd", t.Calls.CostUSD, "")
	}
	unlabelled := 0.0
	for _, s := range ev.scenarios {
		if ev.body.Protocol == Labelled && s.truth == none {
			unlabelled++
		}
	}
	if unlabelled > 0 {
		figures = append(figures, Figure{
			Type: CountFigure, Metric: "unlabelled", Value: number(unlabelled),
			Note: "runs whose column label says neither safe nor unsafe, against which nobody is held",
		})
	}
	for _, g := range ev.groups {
		if g.failed > 0 {
			figures = append(figures, Figure{
				Type: CountFigure, Metric: "error." + g.name, Group: g.name,
				Value: number(float64(g.failed)), Note: g.first.Error(),
			})
		}
	}
	return figures
}
