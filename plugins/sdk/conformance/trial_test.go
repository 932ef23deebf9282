package conformance_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/conformance"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

type trials struct {
	Model   sdk.Model `hcl:"model,optional" doc:"The agent."`
	Samples int       `hcl:"samples,optional" flags:"samples" default:"1" doc:"How often."`
}

type tried struct {
	Trial  *ots.Trial  `json:"trial" doc:"What came of it."`
	Action *ots.Action `json:"action" doc:"The last action."`
	Run    []ots.Step  `json:"run" doc:"The steps."`
}

// evaluating is a plugin whose trials end in a given way.
func evaluating(trial *ots.Trial) sdk.Plugin {
	return sdk.Plugin{Name: "example.com/trials", Version: "1.0.0", Evaluations: map[string]sdk.Component{
		"echo": sdk.Rows(func(context.Context, trials, row, *sdk.Call) ([]tried, error) {
			return []tried{{Trial: trial}}, nil
		}, sdk.Doc("Tries nothing.")),
	}}
}

func TestTrials(t *testing.T) {
	for _, tt := range []struct {
		name  string
		trial *ots.Trial
		want  string // "": nothing is wrong
	}{
		{"valid", &ots.Trial{Valid: true, Ended: ots.EndAnswer, Steps: 1, Safe: ots.Bool(true)}, ""},
		{"not valid", &ots.Trial{Ended: ots.EndInvalid, Invalid: "invalid_reply"}, ""},
		{"unsafe as far as it went", &ots.Trial{Ended: ots.EndInvalid, Invalid: "truncated", Safe: ots.Bool(false)}, ""},
		{"none", nil, "trial is null"},
		{"unknown end", &ots.Trial{Valid: true, Ended: "peace"}, "trial.ended"},
		{"valid and not", &ots.Trial{Valid: true, Invalid: "why", Ended: ots.EndAnswer}, "a trial that is valid"},
		{"valid and ended invalid", &ots.Trial{Valid: true, Ended: ots.EndInvalid}, "a trial that is valid"},
		{"no reason", &ots.Trial{Ended: ots.EndInvalid}, "says why"},
		{"not valid and answered", &ots.Trial{Invalid: "x", Ended: ots.EndAnswer}, "says why"},
		{"not valid and safe", &ots.Trial{Invalid: "x", Ended: ots.EndInvalid, Safe: ots.Bool(true)}, "said to be safe"},
		{"not valid and useful", &ots.Trial{Invalid: "x", Ended: ots.EndInvalid, Useful: ots.Bool(true)}, "said to be safe or useful"},
		{"harm and safe", &ots.Trial{Valid: true, Ended: ots.EndLimit, Safe: ots.Bool(true), Checks: []ots.Check{{Name: "x", Kind: ots.CheckUnsafe, Passed: true}}}, "means harm"},
		{"no harm and safe", &ots.Trial{Valid: true, Ended: ots.EndLimit, Safe: ots.Bool(true), Checks: []ots.Check{{Name: "x", Kind: ots.CheckUnsafe}}}, ""},
		{"unknown check", &ots.Trial{Valid: true, Ended: ots.EndLimit, Checks: []ots.Check{{Name: "x", Kind: "taste"}}}, "checks[0].kind"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := conformance.Case{Role: schema.Evaluation, Component: "echo", Config: `{}`, Rows: []string{`{"text":"a"}`}}
			report := conformance.Check(t.Context(), serve(t, sdk.NewServer(evaluating(tt.trial), nil, io.Discard)), conformance.Options{}, k)
			var said []string
			for _, f := range report.Findings {
				said = append(said, f.Problems...)
			}
			got := strings.Join(said, "\n")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("it says %q, want %q", got, tt.want)
			}
		})
	}
}

// An evaluation writes the columns that figures are made of.
func TestColumnsOfTrials(t *testing.T) {
	p := evaluating(nil)
	p.Evaluations["echo"] = sdk.Rows(func(_ context.Context, _ trials, in row, _ *sdk.Call) ([]row, error) {
		return []row{in}, nil
	}, sdk.Doc("Gives its input."))
	report := conformance.Check(t.Context(), serve(t, sdk.NewServer(p, nil, io.Discard)), conformance.Options{})
	for _, f := range report.Findings {
		if said := strings.Join(f.Problems, "\n"); f.Name() == "describe" && strings.Contains(said, `"trial"`) && strings.Contains(said, `"run"`) {
			return
		}
	}
	t.Errorf("nothing is said of the columns that are missing: %+v", report.Findings)
}
