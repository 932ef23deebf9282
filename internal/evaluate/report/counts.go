package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/page"
)

// costs are the counts that stand in the table of costs, and how it calls them.
func costs() [][2]string {
	return [][2]string{
		{"calls", "calls"}, {"input_tokens", "tokens in"}, {"output_tokens", "tokens out"}, {"cost_usd", "USD"},
	}
}

// counted is what became of every trial, and what it cost.
func (m *maker) counted() []block {
	var names []string
	for _, f := range m.counts {
		if f.Group == "" && f.Value != nil && !slices.Contains(names, f.Metric) {
			names = append(names, f.Metric)
		}
	}
	var trials, cost []string
	var costHeads []string
	for _, c := range costs() {
		if slices.Contains(names, c[0]) {
			cost, costHeads = append(cost, c[0]), append(costHeads, c[1])
		}
	}
	asked := map[string]string{"useful": "useful_rate", "refused": "refusal_rate", "reached": "reach_rate"}
	for _, n := range names {
		if rate, ok := asked[n]; ok && len(m.known(rate)) == 0 {
			continue // nobody was asked
		}
		if !slices.Contains(append([]string{"scenarios", "expected"}, cost...), n) {
			trials = append(trials, n)
		}
	}
	var blocks []block
	if len(trials) > 0 {
		blocks = append(blocks, para{textf("Each agent has %s × %s = %s trials. Here is what became of all of them.", page.Number(m.scenarios), page.Number(int64(m.body.Samples)), page.Number(m.scenarios*int64(m.body.Samples)))},
			m.countTable("agent", trials, trials))
	}
	var notes []line
	for _, f := range m.counts {
		if f.Note != "" && f.Value != nil {
			notes = append(notes, line{code(cmp.Or(f.Agent, f.Key, f.Group)), plain(", " + amount(*f.Value) + " "), code(f.Metric), plain(": " + f.Note)})
		}
	}
	if len(notes) > 0 {
		blocks = append(blocks, list{notes})
	}
	if len(cost) > 0 {
		blocks = append(blocks, heading{3, "Cost"}, para{textf("Model calls of each agent's trials and of the judges behind them. What came from the cache was paid for when it was made.")},
			m.countTable("agent", cost, costHeads))
	}
	return blocks
}

// countTable has a row for each agent and a column for each count.
func (m *maker) countTable(first string, names, heads []string) table {
	t := table{heads: []string{first}}
	for _, h := range heads {
		t.heads = append(t.heads, " "+strings.NewReplacer("failed.", "failed: ", "dropped.", "dropped: ", "invalid.", "invalid: ", "error.", "no value: ").Replace(h))
	}
	for _, a := range m.agents() {
		cells := []line{{code(a)}}
		for _, name := range names {
			cells = append(cells, line{plain(m.count(a, name))})
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

// count writes a count of an agent. What was not counted was not there.
func (m *maker) count(agent, name string) string {
	for _, f := range m.counts {
		if f.Agent == agent && f.Metric == name && f.Group == "" && f.Value != nil {
			return amount(*f.Value)
		}
	}
	return "0"
}
