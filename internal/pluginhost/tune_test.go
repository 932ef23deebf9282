package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// A command gets the user's environment, but for what is named like a secret and
// was not asked for by name.
func TestCommandEnvironment(t *testing.T) {
	h := &Host{opts: Options{Environ: []string{"PATH=/bin", "OPENAI_API_KEY=x", "HF_TOKEN=y", "CUDA_VISIBLE_DEVICES=0", "DB_PASSWORD=z", "MINE=sk-12345678"}}}
	got := h.commandEnv(&engine.Tuning{Environment: []string{"HF_TOKEN"}, Keys: []spec.Secret{spec.NewSecret("sk-12345678")}})
	if want := []string{"PATH=/bin", "HF_TOKEN=y", "CUDA_VISIBLE_DEVICES=0"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	tuning := &engine.Tuning{Command: []string{"train"}, Keys: []spec.Secret{spec.NewSecret("sk-12345678")}}
	if n := h.needsOf(engine.RunSpec{Role: schema.Finetune, Tuning: tuning}); !n.command || n.own == 0 || len(n.env) != 2 {
		t.Errorf("autosafe's own: %+v", n)
	}
	if n := h.needsOf(engine.RunSpec{Role: schema.Finetune, Plugin: spec.PluginRef{Path: "/plugin"}, Tuning: tuning}); n.command || len(n.env) > 0 {
		t.Errorf("a plugin: %+v", n)
	}
}

func TestFigures(t *testing.T) {
	note := readNote(&pluginpb.Progress{Note: "n", Figures: map[string]float64{"loss": 0.5, "nan": math.NaN(), "inf": math.Inf(1), "a\nb": 1}})
	if want := map[string]float64{"loss": 0.5, "a b": 1}; !maps.Equal(note.Figures, want) {
		t.Errorf("%v, want %v", note.Figures, want)
	}
	many := map[string]float64{}
	for i := range 100 {
		many[strings.Repeat("x", i+1)] = 1
	}
	if n := len(readNote(&pluginpb.Progress{Figures: many}).Figures); n != maxFigures {
		t.Errorf("%d figures", n)
	}
}

// tuneModels answers trainings with a function.
type tuneModels struct {
	fakeModels
	tune func(llm.TuneRequest) (llm.TuneResult, error)
}

func (m tuneModels) Tune(_ context.Context, req llm.TuneRequest, _ *llm.Tally) (llm.TuneResult, error) {
	return m.tune(req)
}

// The host trains on the files that it has sent, whatever the component says, and
// for runs that have an endpoint alone.
func TestTune(t *testing.T) {
	price, loss := 2.0, 0.25
	var asked llm.TuneRequest
	models := tuneModels{tune: func(req llm.TuneRequest) (llm.TuneResult, error) {
		asked = req
		return llm.TuneResult{Model: "ft", Job: "j", Steps: 1, Curve: []llm.TunePoint{{Step: 1, Loss: &loss}}}, nil
	}}
	r := &run{host: &Host{opts: Options{Models: models}}, ctx: t.Context(), tasks: map[uint64]*task{7: {sent: engine.Task{Row: []byte(`{"format":"openai_sft","train":[{"name":"train.jsonl","bytes":12}]}`)}}}}
	provider := &spec.Provider{Name: "main"}
	r.spec = engine.RunSpec{Role: schema.Finetune, Address: "finetune.openai.a", Tuning: &engine.Tuning{DataDir: "/data", ID: "id", Provider: provider, Price: &price}}
	m := &modelServer{run: r}
	req := &pluginpb.TuneRequest{Seq: 7, Model: "base", MethodJson: []byte(`{}`), Suffix: "s"}
	resp, err := m.Tune(t.Context(), req)
	if err != nil || resp.GetError() != nil {
		t.Fatal(resp, err)
	}
	if asked.Provider != provider || asked.ID != "id" || *asked.Price != 2 || len(asked.Train) != 1 || asked.Train[0].Path != filepath.Join("/data", "train.jsonl") || asked.Train[0].Size != 12 {
		t.Errorf("%+v", asked)
	}
	var got map[string]any
	if err := json.Unmarshal(resp.GetTunedJson(), &got); err != nil || got["model"] != "ft" || got["base"] != "base" {
		t.Errorf("%v, %v", got, err)
	}

	for want, fails := range map[string]error{
		string(llm.CodeValidation): &llm.Error{Code: llm.CodeValidation, Summary: "s"}, "training_failed": errors.New("x"),
	} {
		models.tune = func(llm.TuneRequest) (llm.TuneResult, error) { return llm.TuneResult{}, fails }
		r.host.opts.Models = models
		if resp, _ := m.Tune(t.Context(), req); resp.GetError().GetCode() != want {
			t.Errorf("%v, want %s", resp.GetError(), want)
		}
	}
	if resp, _ := m.Tune(t.Context(), &pluginpb.TuneRequest{Seq: 8}); resp.GetError().GetCode() != "bad_call" {
		t.Errorf("of no task: %v", resp.GetError())
	}
	r.spec.Tuning.Provider = nil
	if resp, _ := m.Tune(t.Context(), req); resp.GetError().GetCode() != "no_endpoint" {
		t.Errorf("without an endpoint: %v", resp.GetError())
	}
	r.spec.Role = schema.Judge
	if resp, _ := m.Tune(t.Context(), req); resp.GetError().GetCode() != "bad_call" {
		t.Errorf("a judge: %v", resp.GetError())
	}
}
