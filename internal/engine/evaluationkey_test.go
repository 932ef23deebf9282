package engine

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// notInFigures lists every field of an evaluation that stands in no key of figures,
// with the reason.
var notInFigures = map[string]string{
	"EvaluationBody.Dataset":    "the scenarios are in the key, by content",
	"EvaluationBody.Scenarios":  "in the key by content",
	"EvaluationBody.References": "stand beside figures; see TestReportKey",
	"EvaluationBody.Asserts":    "are looked at in every build; see TestReportKey",
	"EvaluationBody.Report":     "where it goes",
	"EvaluationBody.Title":      "words; see TestReportKey",
	"EvaluationBody.Agents":     "taken apart below",
	"EvaluationBody.Judges":     "taken apart below",
	"EvaluationBody.Humans":     "taken apart below",
	"EvaluationBody.Groups":     "taken apart below",
	"EvaluationBody.Metrics":    "taken apart below",
	"EvaluationAgent.Model":     "its trials are in the key",
	"EvaluationAgent.Trial":     "its trials are in the key",
	"EvaluationAgent.Last":      "its trials are in the key",
	"EvaluationAgent.Range":     "where it stands",
	"EvaluationJudge.Model":     "its votes are in the key",
	"EvaluationJudge.Range":     "where it stands",
	"EvaluationHuman.Range":     "where it stands",
	"EvaluationMetric.Doc":      "words; see TestReportKey",
	"EvaluationMetric.Range":    "where it stands",
}

func fullEvaluation() *spec.Step {
	return &spec.Step{Address: evaluationAddress, Kind: spec.EvaluationStep, Evaluation: &spec.EvaluationBody{
		Protocol: "next_action", Baseline: "plain", Verdict: spec.VotesMajority, Samples: 5, K: []int{1, 3}, Confidence: 0.95, Resamples: 2000, Seed: 4,
		Agents:  []spec.EvaluationAgent{{Name: "plain"}},
		Judges:  []spec.EvaluationJudge{{Name: "gpt", Component: "action", Counts: true}},
		Humans:  []spec.EvaluationHuman{{Name: "alice", Files: []schema.File{{Name: "a.csv", Path: "/a.csv"}}}},
		Groups:  []spec.EvaluationGroup{{Name: "domain", By: mustExpr("row.domain")}},
		Metrics: []spec.EvaluationMetric{{Name: "own", Value: mustExpr("row.trial.valid"), Where: mustExpr("row.x == 1")}},
	}}
}

// Every field of an evaluation is in the key of its figures, or there is a reason.
func TestEveryFieldIsInTheFigures(t *testing.T) {
	store, err := cache.Open(filepath.Join(t.TempDir(), "cache"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b := &build{Engine: New(Options{Store: store, Evaluator: &fakeEvaluator{version: "1"}})}
	digest := func(s *spec.Step) cache.Digest {
		// The digest of the file is not what is tested here.
		humans := s.Evaluation.Humans
		for i := range humans {
			humans[i].Files = slices.Clone(humans[i].Files)
			for j := range humans[i].Files {
				humans[i].Files[j].Path = filepath.Join("testdata", "keys.golden")
			}
		}
		list, err := b.evaluationBase(s)
		if err != nil {
			t.Fatal(err)
		}
		return list.Digest()
	}
	base := digest(fullEvaluation())
	seen := map[string]bool{}
	for _, get := range []func(e *spec.EvaluationBody) any{
		func(e *spec.EvaluationBody) any { return e },
		func(e *spec.EvaluationBody) any { return &e.Agents[0] },
		func(e *spec.EvaluationBody) any { return &e.Judges[0] },
		func(e *spec.EvaluationBody) any { return &e.Humans[0] },
		func(e *spec.EvaluationBody) any { return &e.Groups[0] },
		func(e *spec.EvaluationBody) any { return &e.Metrics[0] },
	} {
		typ := reflect.TypeOf(get(fullEvaluation().Evaluation)).Elem()
		for i := range typ.NumField() {
			name := typ.Name() + "." + typ.Field(i).Name
			seen[name] = true
			if _, excluded := notInFigures[name]; excluded {
				continue
			}
			s := fullEvaluation()
			field := reflect.ValueOf(get(s.Evaluation)).Elem().Field(i)
			if field.Kind() == reflect.Float64 {
				field.SetFloat(field.Float() / 2)
			} else if !mutate(field) {
				t.Errorf("%s: in neither the key nor the list", name)
				continue
			}
			if digest(s) == base {
				t.Errorf("%s: another one is the same key", name)
			}
		}
	}
	for name := range notInFigures {
		if !seen[name] {
			t.Errorf("%s is listed, but there is no such field", name)
		}
	}
}

// TestGoldenFigures pins the key of figures, and of scenarios. Should it change, figures
// are made anew, which costs no call; scenarios that have another key are the same rows.
func TestGoldenFigures(t *testing.T) {
	p := newTrialPipe(t)
	b, err := p.engine(Options{}).newBuild(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	base, err := b.evaluationBase(p.recipe().Steps[len(p.recipe().Steps)-1])
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, p := range base {
		fmt.Fprintf(&text, "%-12s %q\n", p.Name, p.Value)
	}
	fmt.Fprintf(&text, "scenarios %x\n", distillBase(p.recipe().Steps[4]).Digest())
	goldenKeys(t, "evaluation.golden", text.String())
}

// A scenarios operation is another one with another split.
func TestScenariosKey(t *testing.T) {
	split := func() *spec.Split {
		return &spec.Split{By: mustExpr("row.x"), Ratios: []spec.Ratio{{Name: "train", Share: 0.9}, {Name: "test", Share: 0.1}}, Seed: 7}
	}
	seen := map[string]bool{}
	for i, edit := range []func(op *spec.Op){
		func(*spec.Op) {},
		func(op *spec.Op) { op.Of = "train" },
		func(op *spec.Op) { op.Split.Seed = 8 },
		func(op *spec.Op) { op.Split.By = mustExpr("row.y") },
		func(op *spec.Op) { op.Split.Ratios[0].Share, op.Split.Ratios[1].Share = 0.8, 0.2 },
		func(op *spec.Op) { op.Split.Ratios[0].Name = "rest" },
		func(op *spec.Op) { op.N = 3 },
		func(op *spec.Op) { op.Split = nil },
	} {
		op := &spec.Op{Kind: spec.OpScenarios, Name: "scenarios", Split: split(), Of: "test"}
		edit(op)
		part := opPart(op)
		if seen[part] {
			t.Errorf("edit %d is in no key: %s", i, part)
		}
		seen[part] = true
	}
}

// The report is made anew where what it says beside its figures changes.
func TestReportKey(t *testing.T) {
	p := newTrialPipe(t)
	p.make(Options{})
	edits := []func(s *spec.Step){
		func(s *spec.Step) { s.Evaluation.Metrics[0].Doc = "what it is" },
		func(s *spec.Step) { s.Evaluation.Asserts[0].Message = "else" },
		func(s *spec.Step) {
			s.Evaluation.References = []spec.EvaluationReference{{Name: "paper", Source: "Table 3", Values: map[string]map[string]float64{"plain": {"safe": 0.2}}}}
		},
		func(s *spec.Step) { s.Evaluation.Title = "Title" },
		func(s *spec.Step) { // the pipe's own has an output, which is not what is tried here
			s.Evaluation.Dataset = &spec.Step{Address: "dataset.renamed", Dataset: s.Evaluation.Dataset.Dataset}
		},
		func(s *spec.Step) {
			for _, a := range s.Evaluation.Agents {
				a.Trial.Role.Models["model"].Name = "called otherwise"
			}
		},
		func(s *spec.Step) {
			for _, a := range s.Evaluation.Agents {
				a.Trial.Role.Models["model"].Tuned = &spec.Step{Address: "finetune.x.renamed"}
			}
		},
	}
	for i, edit := range edits {
		p.make(Options{}) // so that the edit is the only difference
		r := p.recipe()
		edit(r.Steps[len(r.Steps)-1])
		made, written := p.eval.made, p.eval.written
		sum, err := New(Options{Recipe: r, Store: p.store, Runner: p.fake, Evaluator: p.eval}).Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.eval.made != made || p.eval.written != written+1 || sum.Outputs[1].Status != StatusHit && sum.Outputs[1].Status != StatusRun {
			t.Errorf("edit %d: figures were made %d times, reports %d times", i, p.eval.made-made, p.eval.written-written)
		}
	}
	written := p.eval.written
	p.make(Options{Limit: 1000})
	if p.eval.written != written+1 {
		t.Error("a report of a slice does not say so")
	}
}

// Figures rest on prices, which no row does.
func TestEvaluationPrices(t *testing.T) {
	p := newTrialPipe(t)
	p.make(Options{})
	r := p.recipe()
	r.Steps[5].Role.Models["model"].Price = &spec.Price{Input: 1, Output: 2}
	made := p.eval.made
	if _, err := New(Options{Recipe: r, Store: p.store, Runner: p.fake, Evaluator: p.eval}).Build(t.Context()); err != nil {
		t.Fatal(err)
	}
	if started, _ := p.fake.taken(); p.eval.made != made+1 || slices.ContainsFunc(started, func(s string) bool { return strings.HasPrefix(s, evaluationAddress) }) {
		t.Errorf("figures were made %d times", p.eval.made-made)
	}
}

// A refresh has ended where all was made, whatever the asserts say of it.
func TestRefreshWithFailedAsserts(t *testing.T) {
	p := newTrialPipe(t)
	p.make(Options{})
	p.assert = "row.careful < row.plain"
	for round := range 2 {
		p.fake.taken()
		_, err := p.engine(Options{Refresh: []string{agentSteps("plain")[0]}}).Build(t.Context())
		if started, _ := p.fake.taken(); err == nil || len(started) != 1 {
			t.Errorf("round %d: %v, started %v", round, err, started)
		}
	}
}

// Calls are counted anew where rows were made anew, or by other calls, though all
// trials come out as before.
func TestCostsOfOtherCalls(t *testing.T) {
	p := newTrialPipe(t)
	perTrial := 1
	work := p.fake.workFor
	p.fake.workFor = func(s RunSpec, task Task) Result {
		res := work(s, task)
		if s.Role == schema.Evaluation {
			for i := range perTrial {
				k := cache.Sum(fmt.Append(nil, i, s.Address, task.Row, task.Sample))
				if err := p.store.Put(cache.Calls, k, []byte("call")); err != nil {
					t.Error(err)
				}
				res.Calls = append(res.Calls, k.String())
			}
		}
		return res
	}
	opts := Options{DecodeCall: func([]byte) (CallUsage, error) { return CallUsage{Model: "m", InputTokens: 10}, nil }}
	p.make(opts)
	once := p.eval.last.Trials[0].Calls.Made
	for n, edit := range []func(){
		func() { opts.Refresh = []string{agentSteps("plain")[0]} },
		func() { opts.Refresh, p.settings["plain"] = nil, "more calls" },
	} {
		perTrial = n + 2
		edit()
		if _, made, _ := p.make(opts); made != 1 {
			t.Errorf("edit %d: figures were made %d times", n, made)
		}
		if now := p.eval.last.Trials[0].Calls.Made; once == 0 || now != int64(perTrial)*once {
			t.Errorf("edit %d: %d calls, then %d", n, once, now)
		}
		if _, made, _ := p.make(Options{DecodeCall: opts.DecodeCall}); made != 0 {
			t.Errorf("edit %d: figures were made %d times again", n, made)
		}
	}
}
