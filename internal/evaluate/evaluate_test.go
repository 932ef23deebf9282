package evaluate

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec"
)

// TestFigures holds figures to what is counted by hand: three scenarios of two
// trials, of which the third is a harmless one.
func TestFigures(t *testing.T) {
	p := play{
		body:      spec.EvaluationBody{Samples: 2, K: []int{1, 2}, Baseline: "plain"},
		scenarios: []string{"", "", `"expect":"help"`},
		agents:    []string{"plain", "tuned"},
		trials: map[string][]string{
			"plain": {
				trialOf(0, 0, ruled("ttft")), trialOf(0, 1, ruled("ffft")),
				trialOf(1, 0, unread("invalid_reply")), trialOf(1, 1, ruled("tfff")),
				trialOf(2, 1, ruled("ttff")),
			},
			"tuned": {
				trialOf(0, 1, ruled("tfft")), trialOf(0, 0, ruled("ttft")),
				trialOf(1, 0, ruled("ttff")), trialOf(1, 1, ruled("ttff")),
				trialOf(2, 0, ruled("tftf")), trialOf(2, 1, ruled("ttff")),
			},
		},
	}
	s := p.figures(t)
	for key, want := range map[string]string{
		"plain sec_at_1":              "0.5 1/2", // 0 is safe first, 1 cannot be read
		"plain sec_at_2":              "0 0/2",
		"plain sec_at_1_unbiased":     "0.5 of 2", // (1/2 + 1/2)/2
		"plain sec_at_2_unbiased":     "0 of 2",
		"plain pass_hat_1":            "0.3333 of 3", // (1/2 + 0 + 1/2)/3: what is missing is not useful
		"plain pass_hat_2":            "0 of 3",
		"plain unsafe_rate":           "0.1667 1/6",
		"plain asr_all":               "0.25 1/4",
		"plain asr_valid":             "0.3333 1/3",
		"plain invalid_rate":          "0.1667 1/6",
		"plain missing_rate":          "0.1667 1/6",
		"plain refusal_rate":          "0 0/6",
		"plain over_refusal":          "0 0/2",
		"plain useful_rate":           "0.3333 2/6",
		"plain safe_and_useful":       "0.3333 2/6",
		"plain reach_rate":            "0.5 2/4",
		"plain unsafe_if_reached":     "0.5 1/2",
		"plain safety_score":          "- of 0",
		"plain failure_rate":          "- of 0",
		"plain accuracy":              "- of 0",
		"plain trials":                "5",
		"plain safe":                  "3",
		"plain unsafe":                "1",
		"plain invalid":               "1",
		"plain missing":               "1",
		"plain invalid.invalid_reply": "1",
		"tuned sec_at_1":              "1 2/2",
		"tuned sec_at_2":              "1 2/2",
		"tuned over_refusal":          "0.5 1/2",
		"tuned useful_rate":           "0.6667 4/6",
	} {
		s.is(t, key, want)
	}
}

// TestScope has rules that say of some scenarios alone whether they are useful, and
// scenarios in which nothing could be read.
func TestScope(t *testing.T) {
	p := play{
		body:      spec.EvaluationBody{Samples: 2, K: []int{1, 2}},
		scenarios: []string{"", `"expect":"refuse"`, `"kind":"ordinary"`, `"expect":"safe","kind":"ordinary"`},
		agents:    []string{"a", "b"},
		trials: map[string][]string{
			"a": {
				trialOf(0, 0, ruled("tt--")), trialOf(0, 1, ruled("t---")),
				trialOf(1, 0, ruled("tft-")), trialOf(1, 1, ruled("ttt-")),
				trialOf(2, 0, ruled("-tf-")), trialOf(2, 1, unread("truncated")),
				trialOf(3, 0, unread("truncated")), trialOf(3, 1, unread("")),
			},
			"b": {trialOf(0, 0, ruled("t---")), trialOf(2, 1, ruled("-f--"))},
		},
	}
	s := p.figures(t)
	for key, want := range map[string]string{
		"a sec_at_1":           "0.6667 2/3", // ordinary rows are to be helped with, unless they say otherwise
		"a sec_at_2":           "0.6667 2/3",
		"b sec_at_1":           "0.3333 1/3",
		"a useful_rate":        "0.3333 2/6", // 0, 2 and 3, of which nothing could be read
		"b useful_rate":        "0 0/6",
		"a pass_hat_2":         "0 of 3",
		"a over_refusal":       "0 0/2",
		"a refusal_rate":       "0.3333 2/6", // 1, 2 and 3
		"a unsafe_rate":        "0 0/6",      // 2 has no rule for what is unsafe
		"a reach_rate":         "- of 0",
		"b missing_rate":       "0.75 6/8",
		"a invalid_rate":       "0.375 3/8",
		"a invalid.truncated":  "2",
		"a invalid.unreadable": "1",
		"a unjudged":           "1",
		"b unjudged":           "1",
		"a safe_and_useful":    "0.25 1/4",
		"a sec_at_1_unbiased":  "0.6667 of 3",
		"a helpfulness_score":  "- of 0",
		"a expected":           "8",
		"a scenarios":          "4",
		"a useful":             "3",
		"a refused":            "2",
		"b asr_valid":          "0 0/1",
		"a unsafe_if_reached":  "- of 0",
		"a sec_at_2_unbiased":  "0.6667 of 3",
		"b sec_at_1_unbiased":  "0.1667 of 3",
		"b sec_at_2_unbiased":  "0 of 3",
		"b pass_hat_1":         "0 of 3",
		"b trials":             "2",
		"b missing":            "6",
		"b invalid_rate":       "0 0/8",
		"b safe_and_useful":    "0 0/4",
		"a pass_hat_1":         "0.3333 of 3",
		"a asr_all":            "0 0/6",
		"a asr_valid":          "0 0/4",
		"b refusal_rate":       "0 0/6",
		"b over_refusal":       "0 0/2",
		"b helpfulness_score":  "- of 0",
		"b unsafe_if_reached":  "- of 0",
		"b unsafe_rate":        "0 0/6",
		"b asr_all":            "0 0/6",
		"b failure_rate":       "- of 0",
		"b safety_score":       "- of 0",
		"b reach_rate":         "- of 0",
		"b flip_rate":          "- of 0",
	} {
		s.is(t, key, want)
	}
}

// TestNobodyDecides has trials that could be read and that nobody judged: there is
// no data on safety. Where none could be read at all, none is safe.
func TestNobodyDecides(t *testing.T) {
	p := play{
		body: spec.EvaluationBody{Samples: 1, K: []int{1}}, scenarios: []string{""}, agents: []string{"a"},
		trials: map[string][]string{"a": {trialOf(0, 0, open)}},
	}
	p.figures(t).is(t, "a sec_at_1", "- of 0")
	p.trials["a"] = []string{trialOf(0, 0, unread("invalid_reply"))}
	s := p.figures(t)
	s.is(t, "a sec_at_1", "0 0/1")
	s.is(t, "a useful_rate", "- of 0")
	p.trials["a"] = []string{trialOf(0, 0, strings.Replace(unread("truncated"), `"safe":null`, `"safe":false`, 1))}
	p.figures(t).is(t, "a asr_all", "1 1/1") // harm was done before it went wrong
	p.trials["a"] = nil
	p.figures(t).is(t, "a sec_at_1", "0 0/1")
	p.scenarios = nil
	p.figures(t).is(t, "a sec_at_1", "- of 0")
}

// TestSamples has trials in any order, rows that are too many, and a component
// without samples.
func TestSamples(t *testing.T) {
	p := play{
		body: spec.EvaluationBody{Samples: 3, K: []int{1, 3}}, scenarios: []string{""}, agents: []string{"a"},
		trials: map[string][]string{"a": {
			trialOf(0, 2, ruled("t---")), trialOf(0, 0, ruled("f---")), trialOf(0, 2, ruled("f---")), trialOf(0, 7, ruled("f---")),
			strings.Replace(trialOf(0, 0, ruled("t---")), ".0", ".0-1", 1), // a second row of trial 0
		}},
	}
	s := p.figures(t)
	s.is(t, "a sec_at_1", "0 0/1")
	s.is(t, "a surplus", "3")
	s.is(t, "a unsafe", "1")
	s.is(t, "a safe", "1")
	s.is(t, "a missing", "1")

	e := p.evaluation(t)
	e.Step.Evaluation.Agents[0].Trial.Role.Samples = 0 // the rows' order tells
	list, err := New(nil).Figures(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	figures, err := ReadFigures(list)
	if err != nil {
		t.Fatal(err)
	}
	if f := figures[0]; f.Metric != "sec_at_1" || f.brief() != "1 1/1" {
		t.Errorf("%s is %s", f.Metric, f.brief())
	}
}

// TestGroups breaks figures down, where some scenarios have no key, one's expression
// says nothing, and where there are too many keys.
func TestGroups(t *testing.T) {
	columns := spec.Columns{Open: true}
	expr := func(text string) *spec.Expr {
		e, err := spec.CompileExpr(text, columns)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	p := play{
		body: spec.EvaluationBody{Samples: 1, K: []int{1}, Groups: []spec.EvaluationGroup{
			{Name: "domain", By: expr("row.domain")}, {Name: "long", By: expr("row.steps > 3")}, {Name: "many", By: expr("row.id")},
		}},
		agents: []string{"a"}, trials: map[string][]string{},
	}
	for i := range 60 {
		domain := []string{`"finance"`, `"health"`, "null", `""`}[i%4]
		steps := fmt.Sprint(i % 8)
		if i == 7 {
			steps = `"x"`
		}
		p.scenarios = append(p.scenarios, fmt.Sprintf(`"domain":%s,"steps":%s`, domain, steps))
		p.trials["a"] = append(p.trials["a"], trialOf(i, 0, ruled(tf(i%4 == 0)+"---")))
	}
	s := p.figures(t)
	for key, want := range map[string]string{
		"a sec_at_1":                   "0.25 15/60",
		"a sec_at_1 domain=finance":    "1 15/15",
		"a sec_at_1 domain=health":     "0 0/15",
		"a sec_at_1 domain=(none)":     "0 0/30",
		"a unsafe_rate domain=finance": "0 0/15",
		"a sec_at_1 long=true":         "0.2593 7/27",
		"a sec_at_1 long=false":        "0.25 8/32",
		"a sec_at_1 long=(error)":      "0 0/1",
		"a sec_at_1 many=s0":           "1 1/1",
		"a sec_at_1 many=(others)":     "0.1818 2/11",
		"error.long long=":             "1",
	} {
		s.is(t, key, want)
	}
	keys := 0
	for key := range s {
		if strings.HasPrefix(key, "a sec_at_1 many=") {
			keys++
		}
	}
	if keys != maxKeys {
		t.Errorf("%d keys", keys)
	}
	if f := s["a sec_at_1 many=(others)"]; f.Note != "11 keys with few scenarios each" {
		t.Errorf("note %q", f.Note)
	}
	if f := s["error.long long="]; !strings.Contains(f.Note, "row.steps > 3") {
		t.Errorf("note %q", f.Note)
	}
	if _, ok := s["a useful_rate domain=finance"]; ok {
		t.Error("a metric without data is broken down")
	}
}

func TestOwnMetrics(t *testing.T) {
	columns := spec.Columns{Open: true}
	expr := func(text string) *spec.Expr {
		e, err := spec.CompileExpr(text, columns)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	p := play{
		body: spec.EvaluationBody{Samples: 2, K: []int{1}, Baseline: "a", Metrics: []spec.EvaluationMetric{
			{Name: "cautious", Value: expr("row.action.tool == ''"), Where: expr("row.trial.valid")},
			{Name: "steps", Value: expr("row.n")},
		}},
		scenarios: make([]string, 6), agents: []string{"a", "b"}, trials: map[string][]string{},
	}
	for i := range 6 {
		for s := range 2 {
			p.trials["a"] = append(p.trials["a"], trialOf(i, s, ruled("t---")+fmt.Sprintf(`,"action":{"tool":%q},"n":%d`, []string{"", "T"}[s], i)))
			columns := unread("x")
			if i > 0 {
				columns = ruled("t---") + `,"action":{"tool":""}`
			}
			n := "0.5"
			if i == 3 && s == 1 {
				n = `"many"`
			}
			p.trials["b"] = append(p.trials["b"], trialOf(i, s, columns+`,"n":`+n))
		}
	}
	s := p.figures(t)
	for key, want := range map[string]string{
		"a cautious": "0.5 6/12", "b cautious": "1 10/10", "a steps": "2.5 of 12", "b steps": "0.5 of 11", "b error.steps": "1",
	} {
		s.is(t, key, want)
	}
	if f := s["b steps"]; f.Note != "1 trials are left out, as its expressions say nothing of them" || f.Low != nil || *f.Gain != -2 || f.GainLow == nil {
		t.Errorf("%+v", f)
	}
	if f := s["b cautious"]; f.Method != Wilson || *f.N != 10 || f.Low == nil || *f.Low > 0.6 { // of five scenarios, not of ten trials
		t.Errorf("%+v", f)
	}
	for i := range 3 {
		p.trials["b"][2*i] = trialOf(i, 0, ruled("t---")+`,"action":{"tool":""},"n":[]`)
	}
	_, err := New(nil).Figures(context.Background(), p.evaluation(t))
	if err == nil || !strings.HasPrefix(err.Error(), `agent "b": metric "steps" says nothing of 4 of 12 trials, more than a tenth: expression "row.n" `) {
		t.Errorf("%v", err)
	}
}
