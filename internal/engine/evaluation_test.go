package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// fakeEvaluator knows one metric, the share of trials that are safe, and the
// recipe's own. Its asserts are expressions over a row with the value of each
// agent.
type fakeEvaluator struct {
	version string
	made    int // how often figures were made
	written int // reports
	last    *Evaluation
	silent  bool // it does not say what went wrong
}

func (f *fakeEvaluator) Version() string { return f.version }

func (f *fakeEvaluator) Figures(_ context.Context, e *Evaluation) ([]row.Row, error) {
	f.made++
	f.last = e
	figures, err := figuresOf(e)
	if err != nil && f.silent {
		err = errors.New("something went wrong")
	}
	return figures, err
}

func figuresOf(e *Evaluation) ([]row.Row, error) {
	n := 0
	for _, err := range e.Scenarios() {
		if err != nil {
			return nil, err
		}
		n++
	}
	var figures []row.Row
	for _, t := range e.Trials {
		safe, metric, trials := 0, 0.0, 0
		for r, err := range t.Rows() {
			if err != nil {
				return nil, err
			}
			var v struct{ Trial struct{ Safe bool } }
			if err := json.Unmarshal(r.Bytes(), &v); err != nil {
				return nil, err
			}
			if trials++; v.Trial.Safe {
				safe++
			}
			for _, m := range e.Step.Evaluation.Metrics {
				if ok, err := m.Value.EvalBool(r); err == nil && ok {
					metric++
				}
			}
		}
		fixed := max(1, float64(n*e.Step.Evaluation.Samples))
		for _, v := range []struct {
			typ, metric string
			value       float64
		}{{"metric", "safe", float64(safe) / fixed}, {"metric", "own", metric / fixed}, {"count", "trials", float64(trials)}, {"count", "failed.bad", float64(t.Failed["bad"])}} {
			r, err := row.Parse(fmt.Appendf(nil, `{"type":%q,"agent":%q,"metric":%q,"group":"","key":"","value":%v,"n":%v}`, v.typ, t.Agent, v.metric, v.value, fixed))
			if err != nil {
				return nil, err
			}
			figures = append(figures, r)
		}
	}
	return figures, nil
}

func (f *fakeEvaluator) Asserts(e *spec.EvaluationBody, figures []row.Row) ([]Assertion, error) {
	var tree row.Row
	for _, r := range figures {
		if v, ok := r.Column("value"); ok && r.String("metric") == "safe" {
			tree = tree.With(r.String("agent"), v)
		}
	}
	var list []Assertion
	for _, a := range e.Asserts {
		ok, err := a.That.EvalBool(tree)
		list = append(list, Assertion{Name: a.Name, That: a.That.Text(), OK: err == nil && ok, Message: a.Message})
	}
	return list, nil
}

func (f *fakeEvaluator) ReportVersion() string { return "1" }

func (f *fakeEvaluator) ReportNames(*spec.EvaluationBody) []string { return []string{"report.md"} }

func (f *fakeEvaluator) Report(_ context.Context, e *Evaluation, figures []row.Row, asserts []Assertion, dir string) ([]Artifact, error) {
	f.written++
	var text strings.Builder
	fmt.Fprintf(&text, "%s %q of %d figures, %d agents\n", e.Step.Address, e.Step.Evaluation.Title, len(figures), len(e.Trials))
	for _, a := range asserts {
		fmt.Fprintf(&text, "%s %v\n", a.Name, a.OK)
	}
	return []Artifact{{Path: "report.md", MediaType: "text/markdown"}}, os.WriteFile(filepath.Join(dir, "report.md"), []byte(text.String()), 0o644)
}

// trialPipe is a pipe whose dataset's test split agents are tried on.
type trialPipe struct {
	*pipe
	eval     *fakeEvaluator
	agents   []string
	settings map[string]string // of agents and judges, by name
	metric   string
	assert   string
	title    string
	max      int // scenarios
	unsafe   func(s RunSpec, t Task) bool
	fails    func(s RunSpec, t Task) *RowError
}

const evaluationAddress = "evaluation.next_action.safety"

func newTrialPipe(t testing.TB) *trialPipe {
	p := &trialPipe{pipe: newPipe(t), eval: &fakeEvaluator{version: "1"}, agents: []string{"plain", "careful"}, settings: map[string]string{}, metric: "row.trial.safe", assert: "row.careful >= row.plain"}
	for i := range 20 {
		p.source = append(p.source, fmt.Sprintf(`{"id":"r%d","n":%d}`, i, i))
	}
	p.samples = 1
	p.onError = spec.OnErrorDrop
	p.allowed = -1
	p.unsafe = func(s RunSpec, t Task) bool { return strings.Contains(s.Address, "plain") && t.Sample == 0 }
	p.fails = func(RunSpec, Task) *RowError { return nil }
	p.fake.workFor = p.work
	return p
}

func (p *trialPipe) work(s RunSpec, t Task) Result {
	if err := p.fails(s, t); err != nil {
		return Result{Err: err}
	}
	switch s.Role {
	case schema.Evaluation:
		return Result{Rows: [][]byte{fmt.Appendf(nil, `{"trial":{"safe":%v,"by":"%s %d"}}`, !p.unsafe(s, t), s.Address, t.Sample)}}
	case schema.Judge:
		return Result{Rows: [][]byte{[]byte(`{"$block":{"label":"safe"}}`)}}
	}
	return echo(t)
}

// recipe adds the evaluation to the pipe's: in the order in which the language has
// its steps.
func (p *trialPipe) recipe() *spec.Recipe {
	r := p.pipe.recipe()
	dataset := r.Steps[3]
	op := &spec.Op{Kind: spec.OpScenarios, Name: "scenarios", Split: dataset.Dataset.Split, Of: "test", N: p.max}
	scenarios := &spec.Step{Address: evaluationAddress + ".scenarios", Kind: spec.DistillStep, Name: "scenarios", Inputs: dataset.Inputs, Distill: []*spec.Op{op}}
	model := &spec.Model{ID: "m", Provider: &spec.Provider{Type: p.provider, BaseURL: "http://x"}}
	body := &spec.EvaluationBody{Protocol: "next_action", Dataset: dataset, Scenarios: scenarios, Baseline: "plain", Verdict: spec.VotesMajority, Samples: 2, K: []int{1}, Confidence: 0.95, Resamples: 100, Title: p.title,
		Metrics: []spec.EvaluationMetric{{Name: "own", Value: mustExpr(p.metric)}},
		Asserts: []spec.EvaluationAssert{{Name: "safer", That: mustExpr(p.assert), Message: "it should help"}},
		Report: &spec.OutputBody{Address: evaluationAddress + ".report", Path: "report",
			Role: spec.RoleBody{Component: &schema.Component{Role: schema.Output, Name: spec.ReportFormat}}},
		Judges: []spec.EvaluationJudge{{Name: "gpt", Component: "rubric", Model: model, Counts: true}}}
	whole := &spec.Step{Address: evaluationAddress, Kind: spec.EvaluationStep, Name: "safety", Inputs: []*spec.Step{scenarios}, Evaluation: body}
	r.Steps = append(r.Steps, scenarios)
	part := func(address string, c *schema.Component, in *spec.Step, prompt string, reads ...string) *spec.Step {
		s := &spec.Step{Address: address, Kind: spec.RoleStep, Inputs: []*spec.Step{in}, OnError: p.onError, MaxFailures: p.allowed,
			Role: &spec.RoleBody{Plugin: spec.PluginRef{Source: "builtin"}, Config: []byte("{}"), KeyConfig: []spec.ConfigPart{{Name: "prompt", Value: []byte(prompt)}},
				Models: map[string]*spec.Model{"model": model}, Reads: reads, Component: c}}
		r.Steps = append(r.Steps, s)
		return s
	}
	for _, name := range p.agents {
		at := evaluationAddress + ".agent." + name
		trial := part(at, &schema.Component{Role: schema.Evaluation, Name: "next_action", BehaviorVersion: "1"}, scenarios, name+p.settings[name], "n")
		trial.Role.Samples = body.Samples
		judge := part(at+".judge.gpt", &schema.Component{Role: schema.Judge, Name: "rubric", BehaviorVersion: "1"}, trial, p.settings["gpt"], "n", "trial")
		judge.Role.BlockColumn = "gpt"
		body.Agents = append(body.Agents, spec.EvaluationAgent{Name: name, Model: model, Trial: trial, Last: judge})
		whole.Inputs = append(whole.Inputs, judge)
	}
	r.Steps = append(r.Steps, whole)
	return r
}

func (p *trialPipe) engine(opts Options) *Engine {
	p.events = nil
	opts.Recipe, opts.Store, opts.Runner, opts.Evaluator = p.recipe(), p.store, p.fake, p.eval
	opts.Events = func(ev Event) { p.events = append(p.events, ev) }
	return New(opts)
}

// make builds, and gives what was started and how often figures were made.
func (p *trialPipe) make(opts Options) (started []string, figures int, sum *Summary) {
	p.t.Helper()
	before := p.eval.made
	sum, err := p.engine(opts).Build(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	started, _ = p.fake.taken()
	return started, p.eval.made - before, sum
}

func (p *trialPipe) plan(opts Options) (map[string]StepPlan, *Plan) {
	p.t.Helper()
	plan, err := p.engine(opts).Plan(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	steps := map[string]StepPlan{}
	for _, s := range plan.Steps {
		steps[s.Address] = s
	}
	return steps, plan
}

func agentSteps(names ...string) (list []string) {
	for _, name := range names {
		at := evaluationAddress + ".agent." + name
		list = append(list, at, at+".judge.gpt")
	}
	return list
}

// What is edited runs again, and nothing else does.
func TestEvaluationRunsWhatChanged(t *testing.T) {
	p := newTrialPipe(t)
	if steps, plan := p.plan(Options{}); steps[evaluationAddress].Status != StatusRun || plan.Outputs[1].Address != evaluationAddress+".report" {
		t.Errorf("planned %+v, %+v", steps[evaluationAddress], plan.Outputs)
	}
	started, made, sum := p.make(Options{})
	wantStarted(t, started, slices.Concat([]string{"dataset.d.output.rows"}, agentSteps("careful", "plain"), []string{"simulator.b.y", "threat_source.a.x"})...)
	if len(sum.Evaluations) != 1 || made != 1 || p.eval.written != 1 {
		t.Fatalf("%d figures, %d reports, %+v", made, p.eval.written, sum.Evaluations)
	}
	e := sum.Evaluations[0]
	if *e.Metrics["plain"]["safe"] != 0.5 || *e.Metrics["careful"]["safe"] != 1 || e.Trials != 4*e.Scenarios || e.Scenarios == 0 || !e.Asserts[0].OK || e.Offline {
		t.Errorf("%+v", e)
	}
	if o := sum.Outputs[1]; o.Format != spec.ReportFormat || o.Status != StatusRun || o.Address != evaluationAddress {
		t.Errorf("%+v", o)
	}

	last := sum
	for _, edit := range []struct {
		name    string
		edit    func()
		started []string
		figures int
		reports int
		reason  string
	}{
		{"nothing", func() {}, nil, 0, 0, "in the cache"},
		{"an agent added", func() { p.agents = append(p.agents, "third") }, agentSteps("third"), 1, 1, "agents changed"},
		{"an agent edited", func() { p.settings["third"] = "x" }, agentSteps("third")[:1], 1, 1, ""}, // it does the same, but by other calls
		{"the judge edited", func() { p.settings["gpt"] = "x" }, []string{agentSteps("careful")[1], agentSteps("plain")[1], agentSteps("third")[1]}, 1, 1, ""},
		{"a metric edited", func() { p.metric = "!row.trial.safe" }, nil, 1, 1, "metric own changed"},
		{"an assert edited", func() { p.assert = "row.plain < 1.0" }, nil, 0, 1, "in the cache"},
		{"a title", func() { p.title = "Safety" }, nil, 0, 1, "in the cache"},
		{"another version", func() { p.eval.version = "2" }, nil, 1, 1, "the component's code changed"},
		{"an agent gone", func() { p.agents = p.agents[:2] }, nil, 1, 1, "agents and the trials of third changed"},
	} {
		edit.edit()
		steps, _ := p.plan(Options{Last: lastOf(last)})
		reports := p.eval.written
		started, figures, sum := p.make(Options{})
		if !slices.Equal(started, edit.started) || figures != edit.figures || p.eval.written-reports != edit.reports {
			t.Errorf("%s: started %v, figures %d, reports %d", edit.name, started, figures, p.eval.written-reports)
		}
		if edit.reason != "" {
			if r := steps[evaluationAddress].Reason; !strings.Contains(r, edit.reason) {
				t.Errorf("%s: planned since %q", edit.name, r)
			}
		}
		for _, s := range started {
			if steps[s].Status == StatusHit {
				t.Errorf("%s: %s was planned to be a hit", edit.name, s)
			}
		}
		if s := steps[evaluationAddress]; s.Known && figures > 0 == (s.Status == StatusHit) {
			t.Errorf("%s: planned %s: %s", edit.name, s.Status, s.Reason)
		}
		last = sum
	}
}

// An assert that does not hold fails the build, in every build, and nothing else is
// left undone for it.
func TestEvaluationAsserts(t *testing.T) {
	p := newTrialPipe(t)
	p.assert = "row.careful < row.plain"
	for _, round := range []string{"first", "known"} {
		sum, err := p.engine(Options{}).Build(t.Context())
		var failed *AssertError
		if !errors.Is(err, ErrAssertFailed) || !errors.As(err, &failed) || len(failed.Failed) != 1 || failed.Failed[0].Assert.Name != "safer" || failed.Failed[0].Message != "it should help" {
			t.Fatalf("%s: %v", round, err)
		}
		if sum.OK || len(sum.Outputs) != 2 || sum.Evaluations[0].Asserts[0].OK || sum.Evaluations[0].Asserts[0].That != p.assert {
			t.Errorf("%s: %+v", round, sum)
		}
		text, err := os.ReadFile(filepath.Join(p.dir, "report", "report.md"))
		if err != nil || !strings.Contains(string(text), "safer false") {
			t.Errorf("%s: report %q, %v", round, text, err)
		}
		p.output()
	}
	if p.eval.made != 1 || p.eval.written != 1 {
		t.Errorf("figures were made %d times, reports %d times", p.eval.made, p.eval.written)
	}
	// Beside other failures it is one of them.
	p.fails = func(s RunSpec, t Task) *RowError { return &RowError{Code: "bad", Summary: "no"} }
	p.source = append(p.source, `{"id":"new","n":77}`)
	p.onError, p.allowed = spec.OnErrorFail, 0
	if _, err := p.engine(Options{}).Build(t.Context()); !errors.Is(err, ErrTooManyFailures) {
		t.Error(err)
	}
}

// A build that keeps going tries the other agents, though nothing can be measured.
func TestEvaluationWithoutAnAgent(t *testing.T) {
	p := newTrialPipe(t)
	p.onError, p.allowed = spec.OnErrorFail, 0
	p.fails = func(s RunSpec, t Task) *RowError {
		if strings.HasSuffix(s.Address, "agent.careful") {
			return &RowError{Code: "bad", Summary: "no luck"}
		}
		return nil
	}
	sum, err := p.engine(Options{KeepGoing: true}).Build(t.Context())
	if !errors.Is(err, ErrTooManyFailures) || errors.Is(err, ErrAssertFailed) || len(sum.Evaluations) != 0 || p.eval.made != 0 || len(sum.Outputs) != 1 {
		t.Errorf("%v, %+v, made %d", err, sum, p.eval.made)
	}
	status := map[string]Status{}
	for _, s := range sum.Steps {
		status[s.Address] = s.Status
	}
	if status[agentSteps("plain")[1]] != StatusRun || status[evaluationAddress] != StatusSkipped || status["dataset.d"] != StatusRun {
		t.Errorf("%v", status)
	}
}

// Trials that failed are counted, and figures are of the trials that there should
// be.
func TestEvaluationCountsFailures(t *testing.T) {
	p := newTrialPipe(t)
	broken, code := true, "bad"
	p.fails = func(s RunSpec, t Task) *RowError {
		if broken && strings.HasSuffix(s.Address, "agent.careful") && t.Sample == 1 {
			return &RowError{Code: code, Summary: "no luck", Transient: true}
		}
		return nil
	}
	_, _, sum := p.make(Options{})
	e := sum.Evaluations[0]
	if n := p.eval.last.Trials[1].Failed["bad"]; n != e.Scenarios || *e.Metrics["careful"]["safe"] != 0.5 || e.Trials != 3*e.Scenarios {
		t.Errorf("%d failed, %+v", n, e)
	}
	code = "worse" // of the same rows
	p.make(Options{})
	if n := p.eval.last.Trials[1].Failed["worse"]; n != e.Scenarios {
		t.Errorf("%d failed", n)
	}
	broken = false
	started, made, sum := p.make(Options{})
	wantStarted(t, started, agentSteps("careful")...)
	if v := *sum.Evaluations[0].Metrics["careful"]["safe"]; v != 1 || made != 1 {
		t.Errorf("%v, made %d", v, made)
	}
}

// The scenarios are the rows that the dataset's split has, each once.
func TestScenarios(t *testing.T) {
	p := newTrialPipe(t)
	p.source = append(p.source, `{"id":"again","n":3}`, `{"id":"again2","n":4,"origin":{"file":"x"}}`)
	p.make(Options{})
	var want []string
	seen := map[string]bool{}
	for line := range strings.Lines(p.output()) {
		var v struct {
			ID string
			N  int
		}
		split, text, _ := strings.Cut(line, " ")
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if n := fmt.Sprint(v.N); split == "test" && !seen[n] {
			seen[n] = true
			want = append(want, v.ID)
		}
	}
	read := func() (ids []string, columns map[string]bool) {
		rows, err := p.engine(Options{}).Rows(t.Context(), evaluationAddress+".scenarios")
		if err != nil {
			t.Fatal(err)
		}
		columns = map[string]bool{}
		for r, err := range rows {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.String("id"))
			columns[r.String(ScenarioColumn)] = true
		}
		return ids, columns
	}
	ids, columns := read()
	if !slices.Equal(ids, want) || len(columns) != len(want) || columns[""] {
		t.Errorf("scenarios %v, the split has %v; %v", ids, want, columns)
	}
	_, _, sum := p.make(Options{})
	if s := sum.Steps[4]; s.Dropped["other_split"]+s.Dropped["duplicate"]+s.RowsOut != s.RowsIn || s.Dropped["other_split"] == 0 || s.RowsOut != int64(len(want)) {
		t.Errorf("%+v", s)
	}

	p.max = 3
	started, _, sum := p.make(Options{})
	if s := sum.Steps[4]; s.RowsOut != 3 || s.Dropped["not_sampled"] != int64(len(want)-3) {
		t.Errorf("%+v", s)
	}
	wantStarted(t, started) // they were all tried
	some, _ := read()
	if len(some) != 3 || slices.ContainsFunc(some, func(id string) bool { return !slices.Contains(want, id) }) {
		t.Errorf("a choice %v of %v", some, want)
	}
}

// A scenario of which it is misspelt what is expected is none, rather than a risky one.
func TestMisspeltExpect(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"id":"a"}`: true, `{"expect":null}`: true, `{"expect":""}`: true, `{"expect":"help"}`: true, `{"expect":"safe"}`: true, `{"expect":"refuse"}`: true,
		`{"expect":"Help"}`: false, `{"expect":"helpful"}`: false, `{"expect":true}`: false, `{"expect":["help"]}`: false,
	} {
		r, err := row.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkExpect(r); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	p := newTrialPipe(t)
	for i := range 10 {
		p.source = append(p.source, fmt.Sprintf(`{"id":"odd%d","n":%d,"expect":"hepl"}`, i, 100+i))
	}
	if _, err := p.engine(Options{}).Build(t.Context()); err == nil || !strings.Contains(err.Error(), "hepl") || p.eval.made != 0 {
		t.Errorf("the build ends with %v, and figures were made %d times", err, p.eval.made)
	}
}
