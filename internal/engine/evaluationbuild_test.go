package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// A build that is interrupted in the middle of the trials is gone on with, and no
// trial is run twice.
func TestEvaluationResumes(t *testing.T) {
	p := newTrialPipe(t)
	stop := make(chan struct{})
	var trials atomic.Int64
	p.fails = func(s RunSpec, _ Task) *RowError {
		if s.Role == schema.Evaluation && trials.Add(1) == 5 {
			close(stop)
		}
		return nil
	}
	sum, err := p.engine(Options{Interrupt: stop}).Build(t.Context())
	if !errors.Is(err, ErrInterrupted) || len(sum.Evaluations) != 0 {
		t.Fatalf("%v, %+v", err, sum.Evaluations)
	}
	_, first := p.fake.taken()
	p.store.Close()
	p.open()
	p.fails = func(RunSpec, Task) *RowError { return nil }
	_, made, sum := p.make(Options{})
	if e := sum.Evaluations[0]; made != 1 || e.Trials != 4*e.Scenarios || *e.Metrics["plain"]["safe"] != 0.5 {
		t.Errorf("made %d, %+v", made, e)
	}
	if _, err := p.engine(Options{}).Build(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, second := p.fake.taken()
	for _, task := range second {
		if slices.Contains(first, task) {
			t.Errorf("%s ran twice", task)
		}
	}
}

// The address of an evaluation stands for all of its steps, that of an agent for it
// alone.
func TestEvaluationAddresses(t *testing.T) {
	p := newTrialPipe(t)
	started, _, sum := p.make(Options{Targets: []string{evaluationAddress + ".agent.plain"}})
	wantStarted(t, started, agentSteps("plain")[0], "simulator.b.y", "threat_source.a.x")
	if len(sum.Evaluations) != 0 || len(sum.Steps) != 5 {
		t.Errorf("%+v", sum)
	}
	started, _, sum = p.make(Options{Targets: []string{evaluationAddress}})
	wantStarted(t, started, append(agentSteps("careful"), agentSteps("plain")[1])...)
	if len(sum.Evaluations) != 1 || len(sum.Outputs) != 1 {
		t.Errorf("%+v", sum)
	}
	p.make(Options{})
	started, _, _ = p.make(Options{Refresh: []string{evaluationAddress + ".agent.plain"}})
	wantStarted(t, started, agentSteps("plain")[0]) // whose judge has nothing new to read
	if steps, _ := p.plan(Options{Refresh: []string{evaluationAddress}}); steps[evaluationAddress+".scenarios"].Status != StatusHit || steps[evaluationAddress].Status != StatusRun {
		t.Errorf("planned %+v", steps)
	}
	started, made, _ := p.make(Options{Refresh: []string{evaluationAddress}})
	wantStarted(t, started, agentSteps("careful", "plain")...)
	if made != 1 {
		t.Errorf("figures were made %d times", made)
	}

	for _, test := range []struct {
		address, of string
	}{
		{"evaluation.a.b", "evaluation.a.b"}, {"evaluation.a.b.scenarios", "evaluation.a.b"}, {"evaluation.a.b.agent.c.judge.d", "evaluation.a.b"},
		{`evaluation.a.b["k"].agent.c`, `evaluation.a.b["k"]`}, {`evaluation.a.b["k.\"].x"]`, `evaluation.a.b["k.\"].x"]`}, {`evaluation.a.b["`, `evaluation.a.b["`},
		{"simulator.a.b", ""}, {"evaluation", ""}, {"evaluation.", ""}, {"evaluation.a", ""}, {"evaluation.a.", "evaluation.a."}, {`evaluation.a.b["\`, `evaluation.a.b["\`},
	} {
		if got := EvaluationOf(test.address); got != test.of {
			t.Errorf("%s is part of %q, want %q", test.address, got, test.of)
		}
	}
	for _, test := range []struct {
		address, step string
		want          bool
	}{
		{"evaluation.a.b", "evaluation.a.b.agent.c", true}, {"evaluation.a.b", `evaluation.a.b["k"].agent.c`, true}, {`evaluation.a.b["k"]`, `evaluation.a.b["k"].agent.c`, true},
		{"evaluation.a.b.agent.c", "evaluation.a.b.agent.c.judge.d", false}, {"evaluation.a", "evaluation.a.b", false}, {"evaluation.a.b", "evaluation.a.bc.agent.c", false}, {"simulator.a", "simulator.a.b", false},
	} {
		if got := Covers(test.address, &spec.Step{Address: test.step}); got != test.want {
			t.Errorf("%s covers %s: %v", test.address, test.step, got)
		}
	}
}

// A report overwrites nothing that is not autosafe's, and that is known before
// anything is asked.
func TestReportRefusesForeignFiles(t *testing.T) {
	p := newTrialPipe(t)
	dir := filepath.Join(p.dir, "report")
	file := filepath.Join(dir, "report.md")
	if err := errors.Join(os.MkdirAll(dir, 0o777), os.WriteFile(file, []byte("mine"), 0o666)); err != nil {
		t.Fatal(err)
	}
	if _, plan := p.plan(Options{}); len(plan.Refusals) != 1 {
		t.Errorf("refusals %v", plan.Refusals)
	}
	_, err := p.engine(Options{}).Build(t.Context())
	var refused *RunError
	if !errors.As(err, &refused) || refused.Code != "foreign_file" || refused.Address != evaluationAddress+".report" {
		t.Fatal(err)
	}
	if started, _ := p.fake.taken(); len(started) > 0 {
		t.Errorf("started %v", started)
	}
	if b, _ := os.ReadFile(file); string(b) != "mine" {
		t.Errorf("the file holds %q", b)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.make(Options{})
	// What was edited since is written anew.
	if err := os.WriteFile(file, []byte("edited"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, plan := p.plan(Options{}); plan.Outputs[1].Status != StatusRun || len(plan.Refusals) > 0 {
		t.Errorf("%+v, refusals %v", plan.Outputs, plan.Refusals)
	}
	_, made, _ := p.make(Options{})
	if b, _ := os.ReadFile(file); !strings.HasPrefix(string(b), evaluationAddress) || made != 0 {
		t.Errorf("the file holds %q, made %d", b, made)
	}
}

// An agent that uses a trained model is tried once that has a name; the others do
// not wait for it.
func TestEvaluationOfATrainedAgent(t *testing.T) {
	p := newTrialPipe(t)
	p.agents = append(p.agents, "tuned")
	var asked []string
	work := p.fake.workFor
	p.fake.workFor = func(s RunSpec, task Task) Result {
		if s.Role == schema.Finetune {
			return Result{Rows: [][]byte{fmt.Appendf(nil, `{"model":"tuned-%s"}`, s.Tuning.ID[:8])}}
		}
		if m := s.Models["model"]; s.Role == schema.Evaluation {
			p.fake.mu.Lock()
			asked = append(asked, strings.TrimPrefix(s.Address, evaluationAddress+".agent.")+" "+m.ID)
			p.fake.mu.Unlock()
		}
		return work(s, task)
	}
	make := func() *Summary {
		r := p.recipe()
		dataset := r.Steps[3]
		dataset.Dataset.Split.Ratios[0].Name = "rows" // which is how the fake calls its file
		provider := &spec.Provider{Type: spec.ProviderOpenAI, BaseURL: "http://tune"}
		tune := &spec.Step{Address: "finetune.t.m", Kind: spec.FinetuneStep, Name: "m", Inputs: []*spec.Step{dataset},
			Role: &spec.RoleBody{Plugin: spec.PluginRef{Source: "builtin"}, Config: []byte("{}"), Reads: []string{"format", "other", "train", "validation"},
				Component: &schema.Component{Role: schema.Finetune, Name: "t", BehaviorVersion: "1", Trainer: schema.TrainerAPI, Formats: []schema.Format{{Output: "rows"}}}}}
		tune.Finetune = &spec.FinetuneBody{Dataset: dataset, Output: dataset.Dataset.Outputs[0], Train: "rows", Provider: provider}
		tune.Finetune.Model = &spec.Model{Name: tune.Address, Provider: provider, Tuned: tune}
		for _, s := range r.Steps {
			if s.Address == agentSteps("tuned")[0] {
				s.Role.Models["model"], s.After = tune.Finetune.Model, []*spec.Step{tune}
			}
		}
		r.Steps = slices.Insert(r.Steps, 4, tune)
		opts := Options{Recipe: r, Store: p.store, Runner: p.fake, Evaluator: p.eval}
		plan, err := New(opts).Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hit := plan.Steps[len(plan.Steps)-1].Status == StatusHit
		asked = nil
		sum, err := New(opts).Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if hit != (len(asked) == 0) || len(plan.Outputs) != 2 {
			t.Errorf("planned %+v and asked %v", plan, asked)
		}
		return sum
	}
	sum := make()
	e := sum.Evaluations[0]
	if e.Trials != 6*e.Scenarios || *e.Metrics["tuned"]["safe"] != 1 || len(sum.Outputs) != 2 {
		t.Errorf("%+v", e)
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	if len(asked) != 3 || !strings.HasPrefix(asked[2], "tuned tuned-") || asked[0] != "careful m" {
		t.Errorf("asked %v", asked)
	}
	if sum := make(); len(asked) > 0 || sum.Evaluations[0].Trials != e.Trials {
		t.Errorf("asked %v again", asked)
	}
}

// Trials that the cache lost are made again, of rows that it has.
func TestEvaluationHeals(t *testing.T) {
	p := newTrialPipe(t)
	_, _, sum := p.make(Options{})
	for _, address := range []string{agentSteps("plain")[1], evaluationAddress} {
		i := slices.IndexFunc(sum.Steps, func(s StepSummary) bool { return s.Address == address })
		if err := withdraw(p.store, sum.Steps[i].Key); err != nil {
			t.Fatal(err)
		}
	}
	started, made, again := p.make(Options{})
	wantStarted(t, started)
	if made != 1 || *again.Evaluations[0].Metrics["plain"]["safe"] != 0.5 {
		t.Errorf("made %d, %+v", made, again.Evaluations)
	}
}

// Rows of trials that the cache lost are made again of what it knows of each, also
// where an evaluator says nothing of why it could not read them.
func TestEvaluationHealsRows(t *testing.T) {
	for _, of := range []string{agentSteps("plain")[1], evaluationAddress + ".scenarios", evaluationAddress} {
		p := newTrialPipe(t)
		_, _, sum := p.make(Options{})
		i := slices.IndexFunc(sum.Steps, func(s StepSummary) bool { return s.Address == of })
		rec, ok, err := LoadStep(p.store, sum.Steps[i].Key)
		if err != nil || !ok {
			t.Fatal(err)
		}
		f, err := openFlow(p.store, rec.Manifest, rec.Rows)
		if err != nil {
			t.Fatal(err)
		}
		loseBlobs(t, p.pipe, &f.segments[0].chunk.digest)
		p.metric, p.eval.silent = "true", true
		if of == evaluationAddress {
			p.metric = "row.trial.safe" // its figures are known
		}
		started, _, again := p.make(Options{})
		wantStarted(t, started)
		if e := again.Evaluations[0]; *e.Metrics["plain"]["safe"] != 0.5 || e.Trials != sum.Evaluations[0].Trials {
			t.Errorf("%s: %+v", of, e)
		}
	}
}

// What the calls of an agent took is of all its rows, whoever made them.
func TestEvaluationCosts(t *testing.T) {
	p := newTrialPipe(t)
	work := p.fake.workFor
	p.fake.workFor = func(s RunSpec, task Task) Result {
		res := work(s, task)
		if s.Role == schema.Evaluation || s.Role == schema.Judge {
			k := cache.Sum(fmt.Append(nil, s.Address, task.Row, task.Sample))
			if err := p.store.Put(cache.Calls, k, []byte("call")); err != nil {
				t.Error(err)
			}
			res.Calls = []string{k.String(), k.String()}
		}
		return res
	}
	decode := func([]byte) (CallUsage, error) { return CallUsage{Model: "m", InputTokens: 10, OutputTokens: 1}, nil }
	_, _, sum := p.make(Options{DecodeCall: decode})
	trials := 2 * sum.Evaluations[0].Scenarios
	p.metric = "true"
	p.make(Options{DecodeCall: decode})
	if c := p.eval.last.Trials[0].Calls; c.Made != 2*trials || c.InputTokens != 20*trials || c.OutputTokens != 2*trials {
		t.Errorf("%d trials took %+v", trials, c)
	}
}

// What is not known any more of the calls of trials is found out again, and no trial
// is made for it.
func TestEvaluationCostsHeal(t *testing.T) {
	p := newTrialPipe(t)
	work := p.fake.workFor
	p.fake.workFor = func(s RunSpec, task Task) Result {
		res := work(s, task)
		if s.Role == schema.Evaluation {
			k := cache.Sum(fmt.Append(nil, s.Address, task.Row, task.Sample))
			if err := p.store.Put(cache.Calls, k, []byte("call")); err != nil {
				t.Error(err)
			}
			res.Calls = []string{k.String()}
		}
		return res
	}
	opts := Options{DecodeCall: func([]byte) (CallUsage, error) { return CallUsage{Model: "m", InputTokens: 10}, nil }}
	_, _, sum := p.make(opts)
	want := p.eval.last.Trials[0].Calls
	i := slices.IndexFunc(sum.Steps, func(s StepSummary) bool { return s.Address == agentSteps("plain")[0] })
	rec, ok, err := LoadStep(p.store, sum.Steps[i].Key)
	if err != nil || !ok || want.Made == 0 {
		t.Fatal(ok, err, want)
	}
	if err := withdraw(p.store, spentKey(rec)); err != nil {
		t.Fatal(err)
	}
	loseBlobs(t, p.pipe, &rec.Trace[0])
	p.metric = "true"
	started, _, _ := p.make(opts)
	wantStarted(t, started)
	if got := p.eval.last.Trials[0].Calls; got != want {
		t.Errorf("%+v, then %+v", want, got)
	}
}
