package engine

import (
	"encoding/json"

	"github.com/autosafe/autosafe/internal/row"
)

// EvaluationSummary is what came of an evaluation.
type EvaluationSummary struct {
	Address   string `json:"address"`
	Trials    int64  `json:"trials"` // rows of them, of all agents
	Scenarios int64  `json:"scenarios"`
	// Metrics are the values of metrics over all scenarios, by agent; null where
	// there is nothing to measure.
	Metrics map[string]map[string]*float64 `json:"metrics"`
	Asserts []Assertion                    `json:"asserts"`
	Offline bool                           `json:"offline_model,omitempty"` // some trial rests on the offline model

	Agents   []string `json:"-"` // in the recipe's order
	Baseline string   `json:"-"`
	Figures  []Figure `json:"-"` // of metrics over all scenarios, and counts
}

// Figure is a row of an evaluation: a metric, with its interval and its gain over
// the baseline, a count, or how far judges agree.
type Figure struct {
	Type     string   `json:"type"`
	Agent    string   `json:"agent"`
	Metric   string   `json:"metric"`
	Group    string   `json:"group"`
	Key      string   `json:"key"`
	Value    *float64 `json:"value"`
	Low      *float64 `json:"low"`
	High     *float64 `json:"high"`
	N        *float64 `json:"n"`
	Hits     *float64 `json:"hits"`
	Gain     *float64 `json:"gain"`
	GainLow  *float64 `json:"gain_low"`
	GainHigh *float64 `json:"gain_high"`
	P        *float64 `json:"p"`
	Note     string   `json:"note"`
}

// The types of figures that are told of here.
const (
	FigureMetric = "metric"
	FigureCount  = "count"
)

// evaluationSummary sums up what came of an evaluation.
func (b *build) evaluationSummary(st *stepState, figures []row.Row, asserts []Assertion) EvaluationSummary {
	sum := EvaluationSummary{
		Address: st.Address, Trials: b.trialsOf(st), Scenarios: b.states[st.Evaluation.Scenarios].flow.count(),
		Metrics: map[string]map[string]*float64{}, Asserts: asserts, Offline: st.offline, Baseline: st.Evaluation.Baseline,
	}
	if asserts == nil {
		sum.Asserts = []Assertion{}
	}
	for _, a := range st.Evaluation.Agents {
		sum.Agents = append(sum.Agents, a.Name)
		sum.Metrics[a.Name] = map[string]*float64{}
	}
	for _, r := range figures {
		var f Figure
		if json.Unmarshal(r.Bytes(), &f) != nil || f.Group != "" {
			continue
		}
		switch metrics := sum.Metrics[f.Agent]; {
		case f.Type == FigureMetric && metrics != nil:
			metrics[f.Metric] = f.Value
			sum.Figures = append(sum.Figures, f)
		case f.Type == FigureCount:
			sum.Figures = append(sum.Figures, f)
		}
	}
	return sum
}
