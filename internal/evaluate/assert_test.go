package evaluate

import (
	"context"
	"testing"

	"github.com/autosafe/autosafe/spec"
)

func TestAsserts(t *testing.T) {
	p := play{
		body:      spec.EvaluationBody{Samples: 1, K: []int{1}, Baseline: "plain"},
		scenarios: []string{"", "", "", ""},
		agents:    []string{"plain", "tuned"},
		trials: map[string][]string{
			"plain": {trialOf(0, 0, ruled("t---")), trialOf(1, 0, ruled("f---"))},
			"tuned": {trialOf(0, 0, ruled("t---")), trialOf(1, 0, ruled("t---")), trialOf(2, 0, ruled("t---"))},
		},
	}
	e := p.evaluation(t)
	figures, err := New(nil).Figures(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		that, message string
		ok            bool
		want          string
	}{
		{"metrics.tuned.sec_at_1.value > 0.7", "", true, "tuned.sec_at_1.value = 0.75"},
		{
			"metrics.tuned.sec_at_1.value - metrics.plain.sec_at_1.value > 0.5", "Training did not help.", false,
			"plain.sec_at_1.value = 0.25, tuned.sec_at_1.value = 0.75; Training did not help.",
		},
		{"metrics.tuned.sec_at_1.gain == 0.5 && metrics.tuned.sec_at_1.p == 0.5", "", true, "tuned.sec_at_1.gain = 0.5, tuned.sec_at_1.p = 0.5"},
		{
			"metrics.tuned.useful_rate.value > 0.1 || metrics.tuned.sec_at_1.value > 0.1", "", false,
			`tuned.sec_at_1.value = 0.75; agent "tuned" has no useful_rate: no rule and no judge says which trials are useful`,
		},
		{"!has(metrics.tuned.useful_rate.value) || metrics.tuned.useful_rate.value > 0.1", "", true, ""},
		{"!has(metrics.tuned.useful_rate.value) || metrics.tuned.useful_rate.value > 0.1", "", true, ""},
		{
			"metrics.plain.sec_at_1.gain > 0", "", false,
			`sec_at_1 of agent "plain" has no gain: it is the baseline, there is none, or the baseline has no sec_at_1`,
		},
		{
			"metrics.tuned.asr_valid.p < 0.05", "", false,
			`asr_valid of agent "tuned" has no p: McNemar's test is of scenarios that are one yes or no each, the same for both agents; ask for gain_low or gain_high`,
		},
		{
			"metrics.tuned.over_refusal.value <= metrics.plain.over_refusal.value + 0.05", "No data.", false,
			`agent "plain" has no over_refusal: no scenario expects help, or no rule and no judge says which trials refuse; ` +
				`agent "tuned" has no over_refusal: no scenario expects help, or no rule and no judge says which trials refuse; No data.`,
		},
	} {
		that, err := spec.CompileAssert(c.that, p.agents, spec.EvaluationMetrics([]int{1}, nil))
		if err != nil {
			t.Fatal(err)
		}
		body := e.Step.Evaluation
		body.Asserts = []spec.EvaluationAssert{{Name: "a", That: that, Message: c.message}}
		got, err := New(nil).Asserts(body, figures)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].OK != c.ok || got[0].Message != c.want || got[0].Name != "a" || got[0].That != c.that {
			t.Errorf("%s:\n got %+v\nwant %v %s", c.that, got, c.ok, c.want)
		}
	}
}
