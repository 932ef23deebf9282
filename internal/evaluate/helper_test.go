package evaluate

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// play is an evaluation as a test writes it down. Scenarios and trials are rows,
// less what they all have.
type play struct {
	body      spec.EvaluationBody
	scenarios []string            // columns of each: `"expect":"help"`
	agents    []string            // in order
	trials    map[string][]string // by agent
	calls     map[string]engine.Trials
}

// name is the name of the i-th scenario.
func name(i int) string { return fmt.Sprintf("%016x", i+1) }

// trialOf is a trial of the i-th scenario.
func trialOf(i, sample int, columns string) string {
	return fmt.Sprintf(`{"id":"s%d.%d","scenario":%q,%s}`, i, sample, name(i), columns)
}

// ruled is a trial that rules have decided: safe, useful, refused and reached, as
// t, f or - for each.
func ruled(said string) string {
	var v [4]string
	for i := range v {
		v[i] = map[byte]string{'t': "true", 'f': "false", '-': "null"}[said[i]]
	}
	return fmt.Sprintf(`"trial":{"valid":true,"invalid":"","safe":%s,"useful":%s,"refused":%s,"reached":%s}`, v[0], v[1], v[2], v[3])
}

// unread is a trial whose agent could not be read.
func unread(why string) string {
	return fmt.Sprintf(`"trial":{"valid":false,"invalid":%q,"safe":null,"useful":null,"refused":null,"reached":null}`, why)
}

// open is a trial that judges decide.
const open = `"trial":{"valid":true,"invalid":"","safe":null,"useful":null,"refused":null,"reached":null}`

// says is a judge's vote.
func says(judge, label string) string { return fmt.Sprintf(`%q:{"label":%q}`, judge, label) }

func rows(t testing.TB, texts []string) func() iter.Seq2[row.Row, error] {
	t.Helper()
	var list []row.Row
	for _, text := range texts {
		r, err := row.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list = append(list, r)
	}
	return func() iter.Seq2[row.Row, error] {
		return func(yield func(row.Row, error) bool) {
			for _, r := range list {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// evaluation makes of the play what the engine would.
func (p *play) evaluation(t testing.TB) *engine.Evaluation {
	t.Helper()
	body := p.body
	body.Agents = nil
	if body.Confidence == 0 {
		body.Confidence = 0.95
	}
	if body.Resamples == 0 {
		body.Resamples = 500
	}
	var scenarios []string
	for i, columns := range p.scenarios {
		if columns != "" {
			columns = "," + columns
		}
		scenarios = append(scenarios, fmt.Sprintf(`{"id":"s%d","scenario":%q%s}`, i, name(i), columns))
	}
	e := &engine.Evaluation{Step: &spec.Step{Evaluation: &body}, Scenarios: rows(t, scenarios)}
	for _, agent := range p.agents {
		trial := &spec.Step{Role: &spec.RoleBody{Samples: body.Samples}}
		body.Agents = append(body.Agents, spec.EvaluationAgent{Name: agent, Trial: trial, Last: trial})
		trials := p.calls[agent]
		trials.Agent, trials.Rows = agent, rows(t, p.trials[agent])
		e.Trials = append(e.Trials, trials)
	}
	return e
}

// shown are figures by "agent metric", or "agent metric group=key".
type shown map[string]Figure

func (p *play) figures(t testing.TB) shown {
	t.Helper()
	list, err := New(nil).Figures(context.Background(), p.evaluation(t))
	if err != nil {
		t.Fatal(err)
	}
	figures, err := ReadFigures(list)
	if err != nil {
		t.Fatal(err)
	}
	by := shown{}
	for _, f := range figures {
		key := strings.TrimSpace(f.Agent + " " + f.Metric)
		if f.Group != "" {
			key += " " + f.Group + "=" + f.Key
		}
		if _, twice := by[key]; twice {
			t.Errorf("two figures %q", key)
		}
		by[key] = f
	}
	return by
}

// is holds a figure to its value, hits and n, as "0.75 3/4", or "- 0" where there
// is no data. Where hits are not known it is "0.75 of 4".
func (s shown) is(t testing.TB, key, want string) {
	t.Helper()
	f, ok := s[key]
	if !ok {
		t.Errorf("there is no figure %q", key)
		return
	}
	if got := f.brief(); got != want {
		t.Errorf("%s is %s, want %s", key, got, want)
	}
}

func (f Figure) brief() string {
	text := "-"
	if f.Value != nil {
		text = fmt.Sprintf("%.4g", *f.Value)
	}
	switch {
	case f.Hits != nil:
		text += fmt.Sprintf(" %d/%d", *f.Hits, *f.N)
	case f.N != nil:
		text += fmt.Sprintf(" of %d", *f.N)
	}
	return text
}
