package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// trainingPipe is a pipe whose dataset is trained on, and whose model a further
// step asks.
type trainingPipe struct {
	*pipe
	by       schema.Trainer
	settings string
	after    string // setting of the step that asks the model
	asked    []string
}

func newTrainingPipe(t *testing.T) *trainingPipe {
	p := &trainingPipe{pipe: newPipe(t, `{"id":"a","n":1}`, `{"id":"b","n":2}`), by: schema.TrainerAPI, settings: "1", after: "1"}
	p.fake.workFor = func(s RunSpec, task Task) Result {
		if s.Role == schema.Finetune {
			return Result{Rows: [][]byte{fmt.Appendf(nil, `{"model":"tuned-%s"}`, s.Tuning.ID[:8])}}
		}
		for slot, m := range s.Models {
			p.fake.mu.Lock()
			p.asked = append(p.asked, fmt.Sprintf("%s %s %s%s", s.Address, slot, m.ID, m.Revision))
			p.fake.mu.Unlock()
		}
		return echo(task)
	}
	return p
}

func (p *trainingPipe) steps() *spec.Recipe {
	r := p.recipe()
	dataset, dist := r.Steps[3], r.Steps[2]
	dataset.Dataset.Split.Ratios = []spec.Ratio{{Name: "rows", Share: 1}} // which is how the fake calls its file
	tune := &spec.Step{Address: "finetune.t.m", Kind: spec.FinetuneStep, Name: "m", Inputs: []*spec.Step{dataset},
		Role: &spec.RoleBody{Plugin: spec.PluginRef{Source: "builtin"}, Config: []byte("{}"), KeyConfig: []spec.ConfigPart{{Name: "epochs", Value: []byte(p.settings)}},
			Reads: []string{"format", "other", "train", "validation"}, Component: &schema.Component{Role: schema.Finetune, Name: "t", BehaviorVersion: "1", Trainer: p.by, Formats: []schema.Format{{Output: "rows"}}}}}
	provider := &spec.Provider{Type: spec.ProviderOpenAI, BaseURL: "http://tune"}
	tune.Finetune = &spec.FinetuneBody{Dataset: dataset, Output: dataset.Dataset.Outputs[0], Train: "rows", Provider: provider}
	if p.by == schema.TrainerCommand {
		tune.Finetune.Name, tune.Finetune.Path, tune.Finetune.Command = "served", "models", []string{"train"}
	}
	tune.Finetune.Model = &spec.Model{Name: tune.Address, Provider: provider, Tuned: tune}
	judge := &spec.Step{Address: "judge.c.v", Kind: spec.RoleStep, Inputs: []*spec.Step{dist}, After: []*spec.Step{tune},
		Role: &spec.RoleBody{Plugin: spec.PluginRef{Source: "builtin"}, Config: []byte("{}"), KeyConfig: []spec.ConfigPart{{Name: "prompt", Value: []byte(p.after)}},
			Reads: []string{"n"}, Models: map[string]*spec.Model{"model": tune.Finetune.Model}, Component: &schema.Component{Role: schema.Judge, Name: "c", BehaviorVersion: "1"}}}
	end := &spec.Step{Address: "dataset.e", Kind: spec.DatasetStep, Inputs: []*spec.Step{judge}, Dataset: &spec.DatasetBody{
		Outputs: []*spec.OutputBody{{Address: "dataset.e.output.rows", Path: "rated", Role: dataset.Dataset.Outputs[0].Role}}}}
	r.Steps = append(r.Steps, tune, judge, end)
	return r
}

func (p *trainingPipe) engine(opts Options) *Engine {
	opts.Recipe, opts.Store, opts.Runner = p.steps(), p.store, p.fake
	opts.Events = func(ev Event) { p.events = append(p.events, ev) }
	return New(opts)
}

// make builds and gives what was started and what the model was asked as.
func (p *trainingPipe) make(opts Options) (started, asked []string, sum *Summary) {
	p.t.Helper()
	p.asked = nil
	sum, err := p.engine(opts).Build(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	started, _ = p.fake.taken()
	slices.Sort(p.asked)
	return started, slices.Compact(slices.DeleteFunc(p.asked, func(s string) bool { return strings.HasPrefix(s, "simulator") })), sum
}

func wantStarted(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("started %v, want %v", got, want)
	}
}

// A training is keyed by its files and its settings; the steps after it have keys
// of the model that it made.
func TestFinetuneKeys(t *testing.T) {
	p := newTrainingPipe(t)
	plan := p.plan(Options{})
	if s := plan["finetune.t.m"]; s.Status != StatusRun || s.Work.Tasks.High != 1 {
		t.Errorf("planned %+v", s)
	}
	if s := plan["judge.c.v"]; s.Status != StatusRun || s.Known || !strings.Contains(s.Reason, "after training: finetune.t.m") || s.Work.Calls.Bounded() {
		t.Errorf("planned %+v", s)
	}
	started, first, sum := p.make(Options{})
	wantStarted(t, started, "dataset.d.output.rows", "dataset.e.output.rows", "finetune.t.m", "judge.c.v", "simulator.b.y", "threat_source.a.x")
	if len(first) != 1 || !strings.HasPrefix(first[0], "judge.c.v model tuned-") {
		t.Errorf("asked %v", first)
	}
	if s := sum.Steps[4]; s.Address != "finetune.t.m" || "judge.c.v model "+s.Model != first[0] || s.RowsOut != 1 {
		t.Errorf("%+v", s)
	}
	started, _, _ = p.make(Options{})
	wantStarted(t, started)
	for address, s := range p.plan(Options{}) {
		if s.Status != StatusHit {
			t.Errorf("%s is planned to be %s: %s", address, s.Status, s.Reason)
		}
	}

	p.after = "2"
	started, asked, _ := p.make(Options{})
	wantStarted(t, started, "judge.c.v")
	if !slices.Equal(asked, first) {
		t.Errorf("asked %v, want %v", asked, first)
	}
	p.settings = "2"
	if s := p.plan(Options{})["finetune.t.m"]; s.Status != StatusRun && s.Status != StatusNew || !s.Known || s.RowsMiss != 1 {
		t.Errorf("planned %+v", s)
	}
	started, other, _ := p.make(Options{})
	wantStarted(t, started, "finetune.t.m", "judge.c.v")
	if slices.Equal(other, first) {
		t.Errorf("other settings made the same model: %v", other)
	}
	p.source = append(p.source, `{"id":"new","n":77}`)
	started, data, _ := p.make(Options{})
	wantStarted(t, started, "dataset.d.output.rows", "dataset.e.output.rows", "finetune.t.m", "judge.c.v", "simulator.b.y", "threat_source.a.x")
	if slices.Equal(data, other) {
		t.Errorf("other data made the same model: %v", data)
	}
	started, _, _ = p.make(Options{Refresh: []string{"finetune.t.m"}})
	wantStarted(t, started, "finetune.t.m", "judge.c.v")
	started, _, _ = p.make(Options{Targets: []string{"judge.c.v"}})
	wantStarted(t, started)
}

// plan is the plan of each step by its address.
func (p *trainingPipe) plan(opts Options) map[string]StepPlan {
	p.t.Helper()
	plan, err := p.engine(opts).Plan(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	steps := map[string]StepPlan{}
	for _, s := range plan.Steps {
		steps[s.Address] = s
	}
	return steps
}

// A model that a command trained is served under the name that the recipe gives.
// What tells it from the next one of that name is its revision.
func TestFinetuneRevision(t *testing.T) {
	p := newTrainingPipe(t)
	p.by = schema.TrainerCommand
	_, first, _ := p.make(Options{})
	if len(first) != 1 || !strings.HasPrefix(first[0], "judge.c.v model served") || len(first[0]) != len("judge.c.v model served")+16 {
		t.Fatalf("asked %v", first)
	}
	folders, err := filepath.Glob(filepath.Join(p.dir, "models", "*"))
	if err != nil || len(folders) != 1 || len(filepath.Base(folders[0])) != 16 {
		t.Errorf("folders %v, %v", folders, err)
	}
	p.settings = "2"
	_, second, _ := p.make(Options{})
	if slices.Equal(first, second) {
		t.Errorf("asked %v again", second)
	}
}

// Files that were changed between the dataset and the training are not trained on.
func TestFinetuneChangedFiles(t *testing.T) {
	p := newTrainingPipe(t)
	work := p.fake.workFor
	p.fake.workFor = func(s RunSpec, task Task) Result {
		if s.Role == schema.Finetune {
			return Result{Err: &RowError{Code: "x", Summary: "no"}}
		}
		return work(s, task)
	}
	if _, err := p.engine(Options{}).Build(t.Context()); !errors.Is(err, ErrTooManyFailures) {
		t.Fatal(err)
	}
	b, err := p.engine(Options{}).newBuild(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.cancel()
	if err := b.lookUpAll(func(*stepState) {}); err != nil {
		t.Fatal(err)
	}
	st := b.order[4]
	out := st.Finetune.Output
	parts, err := outputKey(b.order[3].Dataset, out, false, b.input(b.order[3]), b.fileDigest)
	if err != nil {
		t.Fatal(err)
	}
	rec, ok, err := getRecord[outputRecord](p.store, cache.Digest(parts.Digest()))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	b.wroteOutput(b.order[3], out, b.outDir(out.Path), rec, StatusHit, cache.Digest{})
	if err := b.tuning(st, &RunSpec{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "dist", "rows.jsonl"), []byte("other\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	var changed *RunError
	if err := b.tuning(st, &RunSpec{}); !errors.As(err, &changed) || changed.Code != "files_changed" {
		t.Errorf("%v", err)
	}
}
