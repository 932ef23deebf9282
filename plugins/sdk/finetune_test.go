package sdk_test

import (
	"context"
	"errors"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

type tuneConfig struct {
	Base string `hcl:"base_model" doc:"The model to begin from."`
}

// own is a plugin that trains by itself.
func own() sdk.Plugin {
	return sdk.Plugin{Name: "github.com/acme/autosafe-plugin-own", Version: "1.0.0", Finetunes: map[string]sdk.Component{
		"own": sdk.Training(func(_ context.Context, cfg tuneConfig, job *sdk.Job) (*sdk.Tuned, error) {
			if cfg.Base == "none" || len(job.Data.Train) == 0 {
				return nil, errors.New("there is no such model")
			}
			loss := 0.5
			p := sdk.Point{Step: 1, Loss: &loss}
			job.Progress("training", p, 1)
			return &sdk.Tuned{Model: cfg.Base + "+" + job.Data.Train[0].Name, Base: cfg.Base, Steps: 1, Curve: []sdk.Point{p}}, nil
		}, sdk.Doc("Trains by itself."), sdk.Behavior("1"), sdk.Trains(schema.Format{Output: "rows"})),
	}}
}

func TestTraining(t *testing.T) {
	data := sdk.TrainingData{Format: "rows", Train: []sdk.TrainingFile{{Name: "train.jsonl", Bytes: 1}}}
	r := sdktest.Train(t, own(), "own", `{"base_model":"m"}`, t.TempDir(), data, sdktest.Training{})
	want := `{"model":"m+train.jsonl","base":"m","job":"","folder":"","steps":1,"tokens":0,"checkpoints":[],"curve":[{"step":1,"loss":0.5}]}`
	if len(r.Tasks) != 1 || len(r.Tasks[0].Rows) != 1 || r.Tasks[0].Rows[0] != want {
		t.Errorf("%+v", r)
	}
	r = sdktest.Train(t, own(), "own", `{"base_model":"none"}`, t.TempDir(), data, sdktest.Training{})
	if r.Failure == nil || r.Failure.Summary+r.Failure.Detail == "" {
		t.Errorf("%+v", r)
	}
}

// The suite for whole plugins knows trainings, too.
func TestTrainingConformance(t *testing.T) {
	untried := sdktest.Conformance(t, own(), sdktest.Case{
		Role: sdk.Finetune, Component: "own", Config: `{"base_model":"m"}`,
		Rows: []string{`{"format":"rows","train":[{"name":"train.jsonl","bytes":1,"sha256":""}],"validation":[],"other":[]}`},
	})
	if len(untried) > 0 {
		t.Errorf("untried: %v", untried)
	}
}
