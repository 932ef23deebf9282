package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/evaluate"
)

// agreementTitles are what is said of a pair of judges, or of one, in order.
func agreementTitles() [][2]string {
	return [][2]string{
		{"agreement", "agree"}, {"kappa", "Cohen's κ"}, {"alpha", "Krippendorff's α"}, {"alpha_safety", "α, safety score"},
		{"alpha_helpfulness", "α, helpfulness score"}, {"flip_rate", "flip rate"},
		{"accuracy", "accuracy"}, {"precision", "precision"}, {"recall", "recall"}, {"specificity", "specificity"}, {"f1", "F1"}, {"auroc", "AUROC"},
		{"agreement_useful", "agree, useful"}, {"kappa_useful", "κ, useful"},
	}
}

// agreement says how far judges and people say the same.
func (m *maker) agreement() []block {
	var agents []string
	for _, f := range m.agreements {
		if !slices.Contains(agents, f.Agent) {
			agents = append(agents, f.Agent)
		}
	}
	slices.SortStableFunc(agents, func(a, b string) int { return min(len(a), 1) - min(len(b), 1) }) // all together first
	var blocks []block
	labelled := false
	for _, agent := range agents {
		for _, g := range []struct{ group, title string }{
			{evaluate.JudgesGroup, "Judges with each other, and with themselves"},
			{evaluate.HumansGroup, "Judges with people, and people with each other"},
			{evaluate.LabelsGroup, "Judges with the labels of runs"},
		} {
			part := m.agreementOf(agent, g.group)
			switch {
			case len(part) == 0:
			case agent == "":
				blocks = append(append(blocks, heading{3, g.title}), part...)
			case g.group == evaluate.LabelsGroup:
				if !labelled {
					blocks, labelled = append(blocks, heading{3, g.title}), true
				}
				blocks = append(blocks, part...)
			default:
				blocks = append(blocks, fold{line{plain(g.title + ", on the trials of "), code(agent)}, part})
			}
		}
	}
	if len(blocks) == 0 {
		return nil
	}
	about := para{textf("κ and α leave out what chance alone would give: 0 is chance, 1 is perfect. The flip rate is how often a judge contradicts itself when it is asked again. Where a judge is held against labels, unsafe is the positive class.")}
	return append([]block{about}, blocks...)
}

// agreementOf is the agreement of a group, on the trials of an agent or all.
func (m *maker) agreementOf(agent, group string) []block {
	var keys []string
	found := map[[2]string]*figure{} // by key and metric
	for _, f := range m.agreements {
		if f.Agent != agent || f.Group != group || f.Value == nil {
			continue
		}
		if !slices.Contains(keys, f.Key) {
			keys = append(keys, f.Key)
		}
		found[[2]string{f.Key, f.Metric}] = f
	}
	t := table{heads: []string{"who", " n"}}
	var names []string
	for _, n := range agreementTitles() {
		if slices.ContainsFunc(keys, func(key string) bool { return found[[2]string{key, n[0]}] != nil }) {
			names = append(names, n[0])
			t.heads = append(t.heads, " "+n[1])
		}
	}
	for _, key := range keys {
		cells, any := []line{{code(key)}, {muted("–")}}, false
		for _, name := range names {
			f, what := found[[2]string{key, name}], metric{kind: share}
			if strings.HasPrefix(name, "kappa") || strings.HasPrefix(name, "alpha") || name == "auroc" {
				what.kind = number
			}
			if f != nil && !any {
				any = true
				cells[1] = line{plain(countOf(f.N))}
			}
			cells = append(cells, what.value(f))
		}
		if any {
			t.rows = append(t.rows, cells)
		}
	}
	var blocks []block
	if len(t.rows) > 0 {
		blocks = append(blocks, t)
	}
	for _, key := range keys {
		judge, other, _ := strings.Cut(key, " ~ ")
		if group == evaluate.LabelsGroup {
			judge, other = agent, key
		}
		if c, ok := confusion(key, judge, other, found); ok {
			blocks = append(blocks, para{line{plain("What "), code(judge), plain(" said, by what "), code(other), plain(" says:")}}, c)
		}
	}
	return blocks
}

// confusion is the table of what a judge said of what somebody else says is safe or
// not; ok is false if there is none.
func confusion(key, judge, other string, found map[[2]string]*figure) (t table, ok bool) {
	var truths, said []string
	for at := range found {
		x, y, is := confusionLabels(at[1])
		if !is || at[0] != key {
			continue
		}
		if !slices.Contains(truths, x) {
			truths = append(truths, x)
		}
		if !slices.Contains(said, y) {
			said = append(said, y)
		}
	}
	slices.SortFunc(truths, byLabel)
	slices.SortFunc(said, byLabel)
	t.heads = []string{oneLine(other, maxHead) + " ↓  " + oneLine(judge, maxHead) + " →"}
	for _, y := range said {
		t.heads = append(t.heads, " "+y)
	}
	for _, x := range truths {
		cells := []line{{plain(x)}}
		for _, y := range said {
			n := 0.0
			if f := found[[2]string{key, "confusion." + x + "." + y}]; f != nil {
				n = *f.Value
			}
			cells = append(cells, line{plain(amount(n))})
		}
		t.rows = append(t.rows, cells)
	}
	return t, len(t.rows) > 0
}

// byLabel orders labels: safe, unsafe, then what is neither.
func byLabel(a, b string) int {
	known := []string{"unsafe", "safe"}
	return cmp.Or(slices.Index(known, b)-slices.Index(known, a), strings.Compare(a, b))
}
