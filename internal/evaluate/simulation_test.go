package evaluate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/autosafe/autosafe/spec"
)

// world is what a simulated agent is like: scenarios come from a population in
// which each has its own chance of an unsafe trial.
type world struct{ mild, severe, half float64 } // chances; of half the scenarios it is severe

func (w world) chance(rng *rand.Rand) float64 {
	if rng.Float64() < w.half {
		return w.severe
	}
	return w.mild
}

// rate is the chance of an unsafe trial of any scenario.
func (w world) rate() float64 { return w.half*w.severe + (1-w.half)*w.mild }

// secure is the chance that k trials of a scenario are all safe.
func (w world) secure(k int) float64 {
	return w.half*math.Pow(1-w.severe, float64(k)) + (1-w.half)*math.Pow(1-w.mild, float64(k))
}

// TestCoverage makes small evaluations of agents whose chances are known, again and
// again, and counts how often the 95 % intervals hold the truth: that is to be
// neither much less nor much more often than they say.
func TestCoverage(t *testing.T) {
	t.Parallel()
	const (
		replications = 200
		scenarios    = 40
		samples      = 4
		resamples    = 250
	)
	plain, tuned := world{mild: 0.3, severe: 0.9, half: 0.6}, world{mild: 0.05, severe: 0.6, half: 0.4}
	truth := map[string]float64{
		"plain sec_at_1":          plain.secure(1),
		"plain sec_at_3":          plain.secure(3),
		"plain sec_at_3_unbiased": plain.secure(3),
		"plain unsafe_rate":       plain.rate(),
		"tuned sec_at_1":          tuned.secure(1),
		"tuned sec_at_3_unbiased": tuned.secure(3),
		"tuned unsafe_rate":       tuned.rate(),
	}
	gains := map[string]float64{
		"tuned sec_at_1":          tuned.secure(1) - plain.secure(1),
		"tuned sec_at_3_unbiased": tuned.secure(3) - plain.secure(3),
		"tuned unsafe_rate":       tuned.rate() - plain.rate(),
	}
	held, gained := map[string]int{}, map[string]int{}
	significant := 0
	for i := range replications {
		s := simulate(t, uint64(i), plain, tuned, scenarios, samples, resamples)
		for key, v := range truth {
			if f := s[key]; *f.Low <= v && v <= *f.High {
				held[key]++
			}
		}
		for key, v := range gains {
			if f := s[key]; *f.GainLow <= v && v <= *f.GainHigh {
				gained[key]++
			}
		}
		if *s["tuned sec_at_1"].P < 0.05 {
			significant++
		}
	}
	check := func(what string, n int) {
		if share := float64(n) / replications; share < 0.9 || share > 0.99 {
			t.Errorf("%s: %.1f %% of the 95 %% intervals hold the truth", what, 100*share)
		} else {
			t.Logf("%s: %.1f %%", what, 100*share)
		}
	}
	for key := range truth {
		check(key, held[key])
	}
	for key := range gains {
		check(key+" gain", gained[key])
	}
	t.Logf("p < 0.05 in %d of %d evaluations", significant, replications)
	if significant < replications/2 {
		t.Errorf("a difference of %.2f is found in %d of %d evaluations", gains["tuned sec_at_1"], significant, replications)
	}
}

// TestNoDifference has two agents that are alike: they are to be told apart by
// McNemar's test no more often than it says, and gains are to hold 0.
func TestNoDifference(t *testing.T) {
	t.Parallel()
	const replications = 200
	same := world{mild: 0.2, severe: 0.7, half: 0.5}
	found, held := 0, 0
	for i := range replications {
		s := simulate(t, 1000+uint64(i), same, same, 40, 1, 200)
		if *s["tuned sec_at_1"].P < 0.05 {
			found++
		}
		if f := s["tuned sec_at_1"]; *f.GainLow <= 0 && 0 <= *f.GainHigh {
			held++
		}
	}
	t.Logf("p < 0.05 in %d, 0 within the gain's interval in %d of %d", found, held, replications)
	if found > replications/20 {
		t.Errorf("p < 0.05 in %d of %d evaluations of two agents that are alike", found, replications)
	}
	if held < replications*9/10 || held > replications*99/100 {
		t.Errorf("0 is within the gain's interval in %d of %d", held, replications)
	}
}

// simulate is an evaluation of two agents. Both are tried on the same scenarios, so
// that what is hard for one is hard for the other.
func simulate(t testing.TB, seed uint64, plain, tuned world, scenarios, samples, resamples int) shown {
	rng := rand.New(rand.NewPCG(seed, 99))
	p := play{
		body: spec.EvaluationBody{
			Samples: samples, K: []int{1, 3}[:min(2, samples)], Baseline: "plain", Resamples: resamples, Seed: int64(seed),
		},
		agents: []string{"plain", "tuned"}, trials: map[string][]string{},
	}
	for i := range scenarios {
		p.scenarios = append(p.scenarios, "")
		state := rng.Uint64()
		for _, agent := range p.agents {
			w := plain
			if agent == "tuned" {
				w = tuned
			}
			chance := w.chance(rand.New(rand.NewPCG(state, 1)))
			for s := range samples {
				columns := fmt.Sprintf(`"trial":{"valid":true,"safe":%t}`, rng.Float64() >= chance)
				p.trials[agent] = append(p.trials[agent], trialOf(i, s, columns))
			}
		}
	}
	return p.figures(t)
}

// TestCoverageOfFew is TestCoverage for six scenarios, of which intervals must not
// say more than can be known.
func TestCoverageOfFew(t *testing.T) {
	t.Parallel()
	const replications = 200
	plain, tuned := world{mild: 0.3, severe: 0.9, half: 0.6}, world{mild: 0.05, severe: 0.6, half: 0.4}
	held, gained := 0, 0
	for i := range replications {
		f := simulate(t, 5000+uint64(i), plain, tuned, 6, 4, 100)["tuned unsafe_rate"]
		if *f.Low <= tuned.rate() && tuned.rate() <= *f.High {
			held++
		}
		if gain := tuned.rate() - plain.rate(); *f.GainLow <= gain && gain <= *f.GainHigh {
			gained++
		}
	}
	t.Logf("the rate is held by %d, the gain by %d of %d", held, gained, replications)
	if held < replications*9/10 || gained < replications*9/10 {
		t.Errorf("the rate is held by %d, the gain by %d of %d", held, gained, replications)
	}
}
