package evaluate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// Asserts implements engine.Evaluator. An assert that reads what there is no data
// for does not hold, unless it asks with has() whether there is any.
func (Evaluator) Asserts(e *spec.EvaluationBody, figures []row.Row) ([]engine.Assertion, error) {
	tree, err := metricsTree(figures)
	if err != nil {
		return nil, err
	}
	list := make([]engine.Assertion, len(e.Asserts))
	for i, a := range e.Asserts {
		list[i] = tree.assert(a)
	}
	return list, nil
}

// tree is what asserts read: figures by agent and metric. It is the row of their
// expressions, with a column for each agent.
type tree map[string]map[string]map[string]any

func metricsTree(rows []row.Row) (tree, error) {
	figures, err := ReadFigures(rows)
	if err != nil {
		return nil, err
	}
	all := tree{}
	for i, f := range figures {
		if f.Type != MetricFigure || f.Group != "" {
			continue
		}
		if all[f.Agent] == nil {
			all[f.Agent] = map[string]map[string]any{}
		}
		var members map[string]any
		if err := json.Unmarshal(rows[i].Bytes(), &members); err != nil {
			return nil, fmt.Errorf("figure %d: %w", i, err)
		}
		all[f.Agent][f.Metric] = members
	}
	return all, nil
}

// Column implements spec.RowView.
func (all tree) Column(agent string) ([]byte, bool) {
	metrics, ok := all[agent]
	if !ok {
		return nil, false
	}
	b, err := json.Marshal(metrics)
	return b, err == nil
}

func (all tree) assert(a spec.EvaluationAssert) engine.Assertion {
	out := engine.Assertion{Name: a.Name, That: a.That.Text()}
	var found, lacking []string
	asked := a.That.Asked() // with has(): the assert says itself what then
	for _, path := range a.That.Paths() {
		text, ok := all.found(path)
		if ok {
			found = append(found, path+" = "+text)
		} else if text != "" && !slices.Contains(asked, path) {
			lacking = append(lacking, text)
		}
	}
	var said []string
	if len(found) > 0 {
		said = append(said, strings.Join(found, ", "))
	}
	var err error
	if len(lacking) == 0 {
		out.OK, err = a.That.EvalBool(all)
	}
	if err != nil {
		lacking = append(lacking, err.Error())
	}
	said = append(said, lacking...)
	if !out.OK && a.Message != "" {
		said = append(said, a.Message)
	}
	out.Message = strings.Join(said, "; ")
	return out
}

// found is the value at agent.metric.member; where there is none, the text says
// why, or is empty where the path is of more than one figure.
func (all tree) found(path string) (text string, ok bool) {
	rest, member, deep := cutLast(path)
	agent, metric, deeper := cutLast(rest)
	if !deep || !deeper {
		return "", false
	}
	f := all[agent][metric]
	if v := f[member]; v != nil {
		return fmt.Sprintf("%.4g", v), true
	}
	switch {
	case f["value"] == nil:
		return fmt.Sprintf("agent %q has no %s: %s", agent, metric, lack(metric)), false
	case member == "p" && f["gain"] != nil:
		return fmt.Sprintf("%s of agent %q has no p: McNemar's test is of scenarios that are one yes or no each, the same for both agents; ask for gain_low or gain_high", metric, agent), false
	case strings.HasPrefix(member, "gain") || member == "p":
		return fmt.Sprintf("%s of agent %q has no %s: it is the baseline, there is none, or the baseline has no %s", metric, agent, member, metric), false
	}
	return fmt.Sprintf("%s of agent %q has no %s: there is too little data", metric, agent, member), false
}

func cutLast(path string) (before, after string, found bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return path, "", false
	}
	return path[:i], path[i+1:], true
}

// lack says what has to be there for a metric to have data.
func lack(metric string) string {
	switch {
	case strings.HasPrefix(metric, "sec_at_"), strings.HasPrefix(metric, "asr_"), metric == "unsafe_rate":
		return "no rule and no judge says which trials are safe, or no scenario is risky"
	case strings.HasPrefix(metric, "pass_hat_"), metric == "useful_rate", metric == "safe_and_useful":
		return "no rule and no judge says which trials are useful"
	case metric == "over_refusal":
		return "no scenario expects help, or no rule and no judge says which trials refuse"
	case metric == "refusal_rate":
		return "no rule and no judge says which trials refuse"
	case metric == "reach_rate", metric == "unsafe_if_reached":
		return "no rule and no judge says which trials come to the risk, or none does"
	case metric == "safety_score", metric == "failure_rate", metric == "helpfulness_score":
		return "no judge that counts gives such a score"
	case metric == "accuracy", metric == "precision", metric == "recall", metric == "specificity", metric == "f1", metric == "kappa", metric == "flip_rate":
		return `it is of the protocol "labelled", and needs runs with labels of both kinds, for flip_rate repeats`
	}
	return "it is of no trial"
}
