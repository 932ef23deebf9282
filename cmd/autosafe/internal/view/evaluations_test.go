package view

import (
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

func someFigure(agent, metric string, value, low, high float64, gain ...float64) engine.Figure {
	f := engine.Figure{Type: engine.FigureMetric, Agent: agent, Metric: metric, Value: &value, Low: &low, High: &high}
	if len(gain) == 3 {
		f.Gain, f.GainLow, f.GainHigh = &gain[0], &gain[1], &gain[2]
	}
	return f
}

func someEvaluations() []engine.EvaluationSummary {
	e := engine.EvaluationSummary{
		Address: "evaluation.next_action.safety", Trials: 1485, Scenarios: 99, Agents: []string{"plain", "re\x1b[31mminder", "tuned"}, Baseline: "plain", Offline: true,
		Asserts: []engine.Assertion{
			{Name: "safer", That: "metrics.tuned.sec_at_1.value - metrics.plain.sec_at_1.value > 0.2", OK: true},
			{Name: "useful", That: "metrics.tuned.useful_rate.value > 0.5", Message: "metrics.tuned.useful_rate.value is 0.41\x07: training must not cost more than so much of what the agent is there for"},
		},
		Figures: []engine.Figure{
			someFigure("plain", "sec_at_1", 0.27, 0.193, 0.364), someFigure("plain", "sec_at_3", 0.161, 0.1, 0.247), someFigure("plain", "sec_at_5", 0.12, 0.07, 0.2),
			someFigure("plain", "unsafe_rate", 0.73, 0.64, 0.8), someFigure("plain", "useful_rate", 0.62, 0.55, 0.68), someFigure("plain", "safe_and_useful", 0.2, 0.14, 0.26),
			someFigure("plain", "over_refusal", 0.01, 0, 0.04), someFigure("plain", "invalid_rate", 0, 0, 0.02), someFigure("plain", "cautious", 1.5, 1.25, 1.75),
			someFigure("re\x1b[31mminder", "sec_at_1", 0.31, 0.22, 0.4, 0.04, -0.03, 0.11), someFigure("re\x1b[31mminder", "unsafe_rate", 0.69, 0.6, 0.77, -0.04, -0.1, 0.02),
			someFigure("tuned", "sec_at_1", 0.68, 0.58, 0.76, 0.41, 0.3, 0.51), someFigure("tuned", "sec_at_3", 0.551, 0.45, 0.64, 0.39, 0.29, 0.49), someFigure("tuned", "sec_at_5", 0.48, 0.38, 0.57, 0.36, 0.26, 0.45),
			someFigure("tuned", "unsafe_rate", 0.32, 0.24, 0.42, -0.41, -0.5, -0.3), someFigure("tuned", "useful_rate", 0.41, 0.35, 0.48, -0.21, -0.27, -0.14), someFigure("tuned", "safe_and_useful", 0.36, 0.3, 0.42, 0.16, 0.09, 0.22),
			someFigure("tuned", "over_refusal", 0.1, 0.06, 0.16, 0.09, 0.04, 0.14), someFigure("tuned", "invalid_rate", 0.0101, 0.004, 0.03, 0.0101, -0.01, 0.03), someFigure("tuned", "cautious", 2.25, 2, 2.5, 0.75, 0.5, 1),
			{Type: engine.FigureMetric, Agent: "plain", Metric: "f1"}, {Type: engine.FigureCount, Agent: "plain", Metric: "trials"},
		},
	}
	polite, hits := someFigure("plain", "polite", 0.25, 0.2, 0.3), 5.0
	polite.Hits = &hits // a share
	e.Figures = append(e.Figures, polite)
	nothing := engine.EvaluationSummary{Address: "evaluation.rollout.empty", Scenarios: 1, Agents: []string{"a"}, Asserts: []engine.Assertion{}}
	return []engine.EvaluationSummary{e, nothing}
}

func evaluationRecipe() *spec.Recipe {
	return &spec.Recipe{Steps: []*spec.Step{{Address: "evaluation.next_action.safety", Evaluation: &spec.EvaluationBody{Metrics: []spec.EvaluationMetric{{Name: "cautious"}, {Name: "polite"}},
		References: []spec.EvaluationReference{
			{Name: "paper", Source: "Zhou et al.,\x1b[2J Table 3", Values: map[string]map[string]float64{"plain": {"sec_at_1": 0.2, "cautious": 1.25}, "tuned": {"sec_at_1": 0.681, "f1": 0.5}}},
			{Name: "nothing", Source: "of these agents", Values: map[string]map[string]float64{"others": {"sec_at_1": 0.2}}}}}}}}
}

// What people see of evaluations at three widths of a terminal, and in a file.
func TestEvaluations(t *testing.T) {
	var all strings.Builder
	for _, width := range []int{0, 60, 80, 120} {
		p := &page{width: width}
		p.evaluations(someEvaluations(), evaluationRecipe())
		all.WriteString(strings.Repeat("=", max(width, 20)) + "\n" + p.String())
		for line := range strings.Lines(p.String()) {
			if n := columns(strings.TrimSuffix(line, "\n")); width > 0 && n > width {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
			if !isClean(line, "\n") {
				t.Errorf("%q", line)
			}
		}
	}
	golden(t, "evaluations.txt", all.String())
	p := &page{width: 80, color: true}
	p.evaluations(someEvaluations(), evaluationRecipe())
	for _, want := range []string{green + "ok" + plain0, red + "failed" + plain0, green + "+41.0*" + plain0, green + "−41.0*" + plain0, red + "−21.0*" + plain0, red + "+9.0*" + plain0, "  +1.0 "} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("%q is not in %q", want, p.String())
		}
	}
}

// Where nobody says which trials are safe, no column of the table shows that.
func TestUnjudged(t *testing.T) {
	for _, tt := range []struct {
		metric string
		want   bool
	}{{"useful_rate", true}, {"unsafe_rate", false}, {"accuracy", false}} {
		p := &page{width: 80}
		p.evaluations([]engine.EvaluationSummary{{
			Address: "evaluation.next_action.e", Trials: 6, Scenarios: 2, Agents: []string{"plain"}, Figures: []engine.Figure{someFigure("plain", tt.metric, 0.5, 0.2, 0.8)},
		}}, nil)
		if got := strings.Contains(p.String(), "Which trials are safe is not known"); got != tt.want {
			t.Errorf("%s: %s", tt.metric, p.String())
		}
	}
}

// The steps of an evaluation stand below it; where all are cached it stands for them.
func TestGrouped(t *testing.T) {
	addresses := []string{"distill.a", "evaluation.n.s.scenarios", "evaluation.n.s.agent.x", "evaluation.n.s.agent.x.judge.y", "evaluation.n.s", "evaluation.n.t.scenarios", "evaluation.n.t.agent.x", "dataset.d"}
	text := func(hits ...int) string {
		var b strings.Builder
		for _, s := range grouped(addresses, func(i int) bool {
			for _, h := range hits {
				if h == i {
					return true
				}
			}
			return false
		}) {
			b.WriteString(s.name + "\n")
		}
		return b.String()
	}
	const rest = "evaluation.n.t.scenarios\nevaluation.n.t.agent.x\ndataset.d\n" // whose evaluation is left out
	if got, want := text(1, 2, 3), "distill.a\nevaluation.n.s\n  scenarios\n  agent.x\n  agent.x.judge.y\n"+rest; got != want {
		t.Errorf("%s", got)
	}
	if got, want := text(1, 2, 3, 4), "distill.a\nevaluation.n.s\n"+rest; got != want {
		t.Errorf("%s", got)
	}
}
