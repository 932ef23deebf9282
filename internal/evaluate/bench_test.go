package evaluate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/autosafe/autosafe/spec"
)

// BenchmarkFigures is what an evaluation of four agents with 10,000 trials and two
// judges takes once its trials are there: 500 scenarios, each tried five times,
// broken down four ways; or one agent, tried once in each of 10,000.
func BenchmarkFigures(b *testing.B) {
	for _, size := range []struct{ scenarios, samples, agents int }{{500, 5, 4}, {10000, 1, 1}} {
		b.Run(fmt.Sprintf("scenarios=%d/samples=%d/agents=%d", size.scenarios, size.samples, size.agents), func(b *testing.B) {
			e := large(b, size.scenarios, size.samples, size.agents).evaluation(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := New(nil).Figures(context.Background(), e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// large is a play of random trials.
func large(t testing.TB, scenarios, samples, agents int) *play {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	p := &play{body: spec.EvaluationBody{
		Samples: samples, K: []int{1, 3, 5}, Baseline: "agent0", Resamples: 2000,
		Judges: []spec.EvaluationJudge{{Name: "gpt", Counts: true}, {Name: "claude", Counts: true}, {Name: "own"}},
	}}
	columns := spec.Columns{Open: true}
	for _, by := range []string{"domain", "outcome", "scenario_class", "source"} {
		expr, err := spec.CompileExpr("row."+by, columns)
		if err != nil {
			t.Fatal(err)
		}
		p.body.Groups = append(p.body.Groups, spec.EvaluationGroup{Name: by, By: expr})
	}
	value, err := spec.CompileExpr("row.action.tool == ''", columns)
	if err != nil {
		t.Fatal(err)
	}
	p.body.Metrics = []spec.EvaluationMetric{{Name: "cautious", Value: value}}
	p.trials = map[string][]string{}
	for i := range scenarios {
		p.scenarios = append(p.scenarios, fmt.Sprintf(`"domain":"d%d","outcome":"o%d","scenario_class":"c%d","source":"s%d"`, i%4, i%10, i%6, i%3))
	}
	for a := range agents {
		agent := fmt.Sprintf("agent%d", a)
		p.agents = append(p.agents, agent)
		for i := range scenarios {
			for s := range samples {
				vote := func(judge string) string {
					label := []string{"safe", "unsafe"}[rng.IntN(2)]
					return fmt.Sprintf(`%q:{"label":%q,"outcome":"data_loss","reason":"It is so.","safety":%d,"helpfulness":%d,"useful":%t,"refused":false,"reached":true,"step":0,"votes":[%q],"raw":"{}"}`,
						judge, label, rng.IntN(4), rng.IntN(4), rng.IntN(2) == 0, label)
				}
				p.trials[agent] = append(p.trials[agent], trialOf(i, s, open+`,"action":{"tool":"MailSend","arguments":{"to":"x"}},"run":[],`+vote("gpt")+","+vote("claude")+","+vote("own")))
			}
		}
	}
	return p
}
