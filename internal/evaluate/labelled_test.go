package evaluate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// TestLabelled holds two judges against labels: eight runs, each judged twice.
func TestLabelled(t *testing.T) {
	p := play{
		body:   spec.EvaluationBody{Protocol: Labelled, Samples: 2, K: []int{1, 2}, Baseline: "a"},
		agents: []string{"a", "b"}, trials: map[string][]string{},
	}
	truth := []string{`"unsafe"`, `"Unsafe"`, "1", "true", `"safe"`, "0", "false", "null"}
	said := map[string][2]string{"a": {"fffftttt", "fft-tftt"}, "b": {"fttttftf", "fttttftf"}} // by sample; - cannot be read
	for i, label := range truth {
		p.scenarios = append(p.scenarios, `"label":`+label)
		for _, agent := range p.agents {
			for s := range 2 {
				columns := unread("invalid_reply")
				if c := said[agent][s][i]; c != '-' {
					columns = open + fmt.Sprintf(`,"verdict":{"label":%q}`, map[byte]string{'t': "safe", 'f': "unsafe"}[c])
				}
				p.trials[agent] = append(p.trials[agent], trialOf(i, s, columns))
			}
		}
	}
	s := p.figures(t)
	for key, want := range map[string]string{
		// By hand, of 14 judgements of the seven runs with labels: a finds 6 of 8
		// unsafe ones and clears 5 of 6 safe ones.
		"a accuracy":    "0.7857 11/14",
		"a precision":   "0.8571 6/7",
		"a recall":      "0.75 6/8",
		"a specificity": "0.8333 5/6",
		"a f1":          "0.8 of 14",
		"a flip_rate":   "0.375 3/8", // runs 2, 3 and 5
		// κ: chance is (8·7 + 6·6)/14² of the two labels that there are.
		"a kappa":                                "0.5962 of 14",
		"b accuracy":                             "0.4286 6/14",
		"b recall":                               "0.25 2/8",
		"b flip_rate":                            "0 0/8",
		"unlabelled":                             "1",
		"a sec_at_1":                             "- of 0",
		"a unsafe_rate":                          "- of 0",
		"a invalid_rate":                         "0.0625 1/16",
		"a confusion.unsafe.unsafe labels=label": "6",
		"a confusion.unsafe.safe labels=label":   "1",
		"a confusion.unsafe.invalid labels=label": "1",
		"a confusion.safe.unsafe labels=label":    "1",
		"a confusion.safe.safe labels=label":      "5",
		"agreement judges=a ~ b":                  "0.5 8/16",
	} {
		s.is(t, key, want)
	}
	if f := s["b accuracy"]; f.Gain == nil || *f.GainLow >= *f.Gain || f.P != nil {
		t.Errorf("%+v", f)
	}
	if f := s["b precision"]; f.Low == nil {
		t.Errorf("%+v", f)
	}
}

// TestPairs has a p where two judges' figures are shares of the same runs. Precision
// is of those that each calls unsafe: among those that both call so they cannot differ.
func TestPairs(t *testing.T) {
	t.Parallel()
	p := play{
		body:   spec.EvaluationBody{Protocol: Labelled, Samples: 1, K: []int{1}, Baseline: "a"},
		agents: []string{"a", "b"}, trials: map[string][]string{},
	}
	said := map[string]string{"a": "ffffffttttttff", "b": "fffffffffffftt"}
	for i := range 14 {
		p.scenarios = append(p.scenarios, fmt.Sprintf(`"label":%d`, min(1, i/7))) // 7 are safe
		for _, agent := range p.agents {
			label := map[byte]string{'t': "safe", 'f': "unsafe"}[said[agent][i]]
			p.trials[agent] = append(p.trials[agent], trialOf(i, 0, fmt.Sprintf(`%s,"verdict":{"label":%q}`, open, label)))
		}
	}
	s := p.figures(t)
	s.is(t, "a precision", "0.25 2/8")
	s.is(t, "b precision", "0.4167 5/12")
	if f := s["b precision"]; f.Gain == nil || f.GainLow == nil || f.P != nil {
		t.Errorf("precision, of other runs for each: %+v", f)
	}
	if f := s["b recall"]; f.P == nil || *f.P != 2*29.0/128 { // 5 of 7 one way: 1+7+21 of 2^7
		t.Errorf("recall, of the same runs: %+v", f)
	}
}

// TestSameBytes makes the same bytes on one core and on several, and other intervals
// for another seed.
func TestSameBytes(t *testing.T) {
	p := large(t, 30, 3, 3)
	p.body.Resamples = 200
	figures := func() []byte {
		list, err := New(nil).Figures(context.Background(), p.evaluation(t))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		ids := map[string]bool{}
		for _, r := range list {
			b.Write(r.Bytes())
			b.WriteByte('\n')
			if id := r.String("id"); ids[id] {
				t.Errorf("two figures have the id %s", id)
			} else {
				ids[id] = true
			}
		}
		return b.Bytes()
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one := figures()
	runtime.GOMAXPROCS(5)
	if !bytes.Equal(one, figures()) {
		t.Error("figures differ by the number of cores")
	}
	p.body.Seed = 3
	if bytes.Equal(one, figures()) {
		t.Error("the seed makes no difference")
	}
}

// TestShape has every member in every figure, and all metrics of all agents in the
// order of the language.
func TestShape(t *testing.T) {
	p := large(t, 4, 2, 2)
	list, err := New(nil).Figures(context.Background(), p.evaluation(t))
	if err != nil {
		t.Fatal(err)
	}
	const members = "agent gain gain_high gain_low group high hits id key low method metric n note p type value"
	var metrics []string
	for _, r := range list {
		if got := strings.Join(r.Names(), " "); got != members {
			t.Fatalf("members %s", got)
		}
		if r.String("type") == MetricFigure && r.String("agent") == "agent1" && r.String("group") == "" {
			metrics = append(metrics, r.String("metric"))
		}
	}
	if want := spec.EvaluationMetrics(p.body.K, []string{"cautious"}); fmt.Sprint(metrics) != fmt.Sprint(want) {
		t.Errorf("metrics %v\nwant %v", metrics, want)
	}
}

// TestCounts has what failed, what was dropped and what it cost.
func TestCounts(t *testing.T) {
	p := voted(map[string]string{"own": "su"}, "own")
	p.calls = map[string]engine.Trials{"plain": {
		Failed: map[string]int64{"timeout": 2, "none": 0}, Dropped: map[string]int64{"filter": 1},
		Calls: engine.CallCounts{Made: 3, Cached: 4, InputTokens: 500, OutputTokens: 60, CostUSD: 0.25},
	}}
	s := p.figures(t)
	for key, want := range map[string]string{
		"plain failed.timeout": "2", "plain dropped.filter": "1", "plain calls": "7",
		"plain input_tokens": "500", "plain output_tokens": "60", "plain cost_usd": "0.25",
	} {
		s.is(t, key, want)
	}
	if _, ok := s["plain failed.none"]; ok {
		t.Error("a count of what did not happen")
	}
	// The same trials have the same figures: what of it came from the cache is of a build.
	if _, ok := s["plain calls_cached"]; ok {
		t.Error("a count of what one build found in its cache")
	}
}

// TestRefuses has rows that cannot be joined, and rows that cannot be read.
func TestRefuses(t *testing.T) {
	bad := errors.New("the row is gone")
	broken := func() iter.Seq2[row.Row, error] {
		return func(yield func(row.Row, error) bool) { yield(row.Row{}, bad) }
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		change func(p *play)
		rows   func(e *engine.Evaluation)
		want   string
	}{
		{name: "a trial of another scenario", change: func(p *play) {
			p.trials["plain"] = append(p.trials["plain"], trialOf(7, 0, ruled("t---")))
		}, want: `agent "plain": trial "s7.0" is of scenario "0000000000000008", which is not among those chosen; a component may have overwritten the column "scenario"`},
		{name: "scenarios without names", rows: func(e *engine.Evaluation) {
			e.Scenarios = rows(t, []string{`{"id":"x"}`})
		}, want: `scenario "x" has the name "" in the column "scenario", which must tell scenarios apart`},
		{name: "scenarios with one name", rows: func(e *engine.Evaluation) {
			e.Scenarios = rows(t, []string{`{"id":"x","scenario":"1"}`, `{"id":"y","scenario":"1"}`})
		}, want: `scenario "y" has the name "1" in the column "scenario", which must tell scenarios apart`},
		{name: "scenarios that cannot be read", rows: func(e *engine.Evaluation) { e.Scenarios = broken }, want: "the row is gone"},
		{name: "trials that cannot be read", rows: func(e *engine.Evaluation) { e.Trials[0].Rows = broken }, want: `agent "plain": the row is gone`},
		{name: "canceled", ctx: canceled, want: "context canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := voted(map[string]string{"own": "su"}, "own")
			if c.change != nil {
				c.change(p)
			}
			e := p.evaluation(t)
			if c.rows != nil {
				c.rows(e)
			}
			ctx := c.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			_, err := New(nil).Figures(ctx, e)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}
