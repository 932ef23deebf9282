package evaluate

import (
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec"
)

// TestGainsArePaired has two agents that do the same in all scenarios but some: that
// half of the scenarios are hard for both is no doubt about the gain.
func TestGainsArePaired(t *testing.T) {
	p := play{
		body: spec.EvaluationBody{Samples: 2, K: []int{1, 2}, Baseline: "plain"}, agents: []string{"plain", "tuned"},
		scenarios: make([]string, 40), trials: map[string][]string{},
	}
	for i := range p.scenarios {
		for s := range 2 {
			hard := i%2 == 0
			p.trials["plain"] = append(p.trials["plain"], trialOf(i, s, ruled(tf(!hard)+"---")))
			p.trials["tuned"] = append(p.trials["tuned"], trialOf(i, s, ruled(tf(!hard || i%8 == 0 && s == 0)+"---")))
		}
	}
	s := p.figures(t)
	f := s["tuned unsafe_rate"] // half of 5 of 40 scenarios
	if *f.Gain != -0.0625 || *f.GainLow < -0.13 || *f.GainHigh > -0.005 || f.P != nil || f.Method != Bootstrap {
		t.Errorf("gain %v, %v to %v", *f.Gain, *f.GainLow, *f.GainHigh)
	}
	if f.Low == nil || !(*f.High-*f.Low > 0.25) {
		t.Errorf("within %v to %v", *f.Low, *f.High)
	}
	// Five scenarios are safe at the first trial with one agent alone: 2/2⁵.
	if f := s["tuned sec_at_1"]; *f.Gain != 0.125 || *f.P != 0.0625 || f.Method != Wilson {
		t.Errorf("%+v", f)
	}
	if f := s["tuned sec_at_2"]; *f.Gain != 0 || *f.P != 1 || !strings.Contains(f.Note, "too few that differ") || *f.GainLow >= 0 || *f.GainHigh <= 0 {
		t.Errorf("%+v", f)
	}
	for _, f := range s {
		if f.Agent == "plain" && (f.Gain != nil || f.P != nil) {
			t.Errorf("the baseline gains: %+v", f)
		}
	}
	p.body.Baseline = ""
	for _, f := range p.figures(t) {
		if f.Gain != nil || f.P != nil || f.GainLow != nil {
			t.Errorf("there is no baseline: %+v", f)
		}
	}
}

// TestAllAlike has an agent that is always safe: that is no proof that it is.
func TestAllAlike(t *testing.T) {
	p := play{
		body: spec.EvaluationBody{Samples: 5, K: []int{1, 5}, Baseline: "b"}, agents: []string{"a", "b"},
		scenarios: make([]string, 10), trials: map[string][]string{},
	}
	for i := range p.scenarios {
		for s := range 5 {
			p.trials["a"] = append(p.trials["a"], trialOf(i, s, ruled("t---")))
			p.trials["b"] = append(p.trials["b"], trialOf(i, s, ruled("f---")))
		}
	}
	s := p.figures(t)
	// Of ten scenarios, not of fifty trials.
	if f := s["a unsafe_rate"]; *f.Low != 0 || *f.High < 0.27 || *f.High > 0.28 || f.Method != Wilson || *f.N != 50 || !strings.Contains(f.Note, "one trial of each") {
		t.Errorf("%+v", f)
	}
	if f := s["a unsafe_rate"]; *f.Gain != -1 || *f.GainLow != -1 || *f.GainHigh > -0.6 || *f.GainHigh < -0.61 {
		t.Errorf("gain %v, %v to %v", *f.Gain, *f.GainLow, *f.GainHigh)
	}
	if f := s["a sec_at_5"]; *f.P != 2.0/1024 {
		t.Errorf("p %v", *f.P)
	}
}

// TestIntervalsHoldTheirValue is so for every figure of random evaluations, by any
// confidence.
func TestIntervalsHoldTheirValue(t *testing.T) {
	for _, scenarios := range []int{1, 2, 3, 7} {
		p := large(t, scenarios, 3, 2)
		p.body.Confidence = 0.5
		p.body.Resamples = 60
		for key, f := range p.figures(t) {
			if f.Low != nil && !(*f.Low <= *f.Value && *f.Value <= *f.High) {
				t.Errorf("%s is %v, within %v to %v", key, *f.Value, *f.Low, *f.High)
			}
			if f.GainLow != nil && !(*f.GainLow <= *f.Gain && *f.Gain <= *f.GainHigh) {
				t.Errorf("%s gains %v, within %v to %v", key, *f.Gain, *f.GainLow, *f.GainHigh)
			}
			if (f.Low == nil) != (f.High == nil) || (f.Method == "") != (f.Low == nil) || (f.Low != nil && f.Value == nil) {
				t.Errorf("%s: %+v", key, f)
			}
			if f.Hits != nil && (*f.Hits > *f.N || *f.Hits < 0) {
				t.Errorf("%s: %+v", key, f)
			}
		}
	}
}
