package evaluate

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// TestDividedJudges: where as many judges say one as the other, the trial counts,
// and against the agent. How it went must not decide whether it counts.
func TestDividedJudges(t *testing.T) {
	said := func(judge, useful, refused string) string {
		return `"` + judge + `":{"label":"safe","useful":` + useful + `,"refused":` + refused + `}`
	}
	p := &play{
		body:      spec.EvaluationBody{Samples: 1, K: []int{1}, Judges: []spec.EvaluationJudge{{Name: "a", Counts: true}, {Name: "b", Counts: true}}},
		scenarios: []string{`"expect":"help"`, `"expect":"help"`, `"expect":"help"`},
		agents:    []string{"x"},
		trials: map[string][]string{"x": {
			trialOf(0, 0, open+","+said("a", "true", "false")+","+said("b", "true", "false")),
			trialOf(1, 0, open+","+said("a", "true", "true")+","+said("b", "false", "false")),
			trialOf(2, 0, open+","+said("a", "false", "true")+","+said("b", "true", "false")),
		}},
	}
	got := p.figures(t)
	got.is(t, "x useful_rate", "0.3333 1/3")
	got.is(t, "x over_refusal", "0.6667 2/3")
}

// TestSlowMetric: a metric that takes too long for each row does not hold a build up
// for all of them.
func TestSlowMetric(t *testing.T) {
	loop := "row.n.map(a, row.n.map(b, row.n.map(c, row.n.exists(d, d == -1)))).size() > 0"
	slow, err := spec.CompileExpr(loop, spec.Columns{List: []schema.Column{}, Open: true})
	if err != nil {
		t.Fatal(err)
	}
	n := "[" + strings.TrimSuffix(strings.Repeat("1,", 300), ",") + "]"
	p := &play{
		body:   spec.EvaluationBody{Samples: 1, K: []int{1}, Metrics: []spec.EvaluationMetric{{Name: "slow", Value: slow}}},
		agents: []string{"x"}, trials: map[string][]string{},
	}
	for i := range 40 {
		p.scenarios = append(p.scenarios, "")
		p.trials["x"] = append(p.trials["x"], trialOf(i, 0, open+`,"n":`+n))
	}
	_, err = New(nil).Figures(context.Background(), p.evaluation(t))
	if !errors.Is(err, spec.ErrTooSlow) || !strings.Contains(err.Error(), `metric "slow" takes too long`) {
		t.Errorf("error %v", err)
	}
}
