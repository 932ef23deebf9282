package openaitune

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "test", Version: "1.0.0", Finetunes: map[string]sdk.Component{"openai": Component()}}
}

func TestMethod(t *testing.T) {
	for _, c := range []struct{ config, method string }{
		{`{"base_model":"m"}`, `{"supervised":{"hyperparameters":{}},"type":"supervised"}`},
		{
			`{"base_model":"m","epochs":3,"batch_size":8,"learning_rate_multiplier":0.5}`,
			`{"supervised":{"hyperparameters":{"n_epochs":3,"batch_size":8,"learning_rate_multiplier":0.5}},"type":"supervised"}`,
		},
		{`{"base_model":"m","method":"dpo","beta":0.1}`, `{"dpo":{"hyperparameters":{"beta":0.1}},"type":"dpo"}`},
	} {
		var got sdk.TuneRequest
		r := sdktest.Train(t, plugin(), "openai", c.config, "", sdk.TrainingData{}, sdktest.Training{
			Tune: func(_ context.Context, req sdk.TuneRequest) (*sdk.Tuned, error) {
				got = req
				return &sdk.Tuned{Model: "ft:m"}, nil
			},
		})
		if r.Failure != nil || len(r.Tasks) != 1 || !strings.Contains(r.Tasks[0].Rows[0], `"model":"ft:m"`) {
			t.Errorf("%s: %+v", c.config, r)
		}
		method, err := json.Marshal(got.Method)
		if err != nil || string(method) != c.method || got.Model != "m" {
			t.Errorf("%s: method %s of %q (%v), want %s", c.config, method, got.Model, err, c.method)
		}
	}
}

// What the host says of a training ends the run under its code.
func TestFailure(t *testing.T) {
	r := sdktest.Train(t, plugin(), "openai", `{"base_model":"m"}`, "", sdk.TrainingData{}, sdktest.Training{
		Tune: func(context.Context, sdk.TuneRequest) (*sdk.Tuned, error) {
			return nil, sdk.Fail("validation_failed", "line 3")
		},
	})
	if r.Failure == nil || r.Failure.Code != "validation_failed" {
		t.Errorf("%+v", r)
	}
}

func TestValidate(t *testing.T) {
	for config, want := range map[string]string{
		`{"base_model":" "}`:          "cannot be empty",
		`{"base_model":"m","beta":1}`: `method = "dpo"`,
		`{"base_model":"m","suffix":"` + strings.Repeat("x", 65) + `"}`: "64 characters",
		`{"base_model":"m","epochs":0}`:                                 "at least 1",
		`{}`:                                                            "required",
	} {
		diags := sdk.Validate(plugin(), schema.Finetune, "openai", []byte(config))
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("%s: %+v", config, diags)
		}
	}
}

func TestConformance(t *testing.T) {
	sdktest.Conformance(t, plugin())
}
