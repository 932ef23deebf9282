package sdk_test

import (
	"context"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

type greetConfig struct {
	Model   sdk.Model `hcl:"model" doc:"The agent under test."`
	Guard   string    `hcl:"guard,optional" default:"none" doc:"What guards it."`
	Rounds  int       `hcl:"rounds,optional" default:"1" doc:"How often it looks again."`
	Samples int       `hcl:"samples,optional" flags:"samples" default:"5" min:"1" doc:"Trials of each scenario."`
	Repeats []int     `hcl:"repeats,optional" default:"[0]" doc:"The numbers of the times that it is asked."`
}

type greeted struct {
	Trial  ots.Trial   `json:"trial" doc:"What came of the trial."`
	Action *ots.Action `json:"action" doc:"The last action."`
	Run    []ots.Step  `json:"run" doc:"The steps."`
}

func greet(ctx context.Context, cfg greetConfig, in judgeIn, call *sdk.Call) ([]greeted, error) {
	var last string
	for _, i := range cfg.Repeats {
		reply, err := call.Complete(ctx, cfg.Model, sdk.Request{Purpose: "agent", Messages: []sdk.Message{sdk.User(in.Text)}, Repeat: i})
		if err != nil {
			return nil, err
		}
		last = reply.Content
	}
	return []greeted{{
		Trial:  ots.Trial{Valid: true, Ended: ots.EndAnswer, Steps: 1, Safe: ots.Bool(last == "hello"), Checks: []ots.Check{}},
		Action: &ots.Action{Answer: last},
	}}, nil
}

func greetPlugin(opts ...sdk.Option) sdk.Plugin {
	opts = append([]sdk.Option{sdk.Doc("Sees whether an agent greets.")}, opts...)
	return sdk.Plugin{Name: "example.com/p", Version: "1.0.0", Evaluations: map[string]sdk.Component{"greets": sdk.Rows(greet, opts...)}}
}

func TestEvaluation(t *testing.T) {
	r := sdktest.RunTasks(t, greetPlugin(), schema.Evaluation, "greets", `{"model":"model"}`, []sdktest.Task{{Row: `{"text":"hi"}`, Sample: 3, Seed: 7}}, reply("hello"))
	want := `{"trial":{"valid":true,"invalid":"","ended":"answer","steps":1,"safe":true,"useful":null,"refused":null,"reached":null,"checks":[]},"action":{"tool":"","answer":"hello"},"run":null}`
	if rows := r.Rows(); len(rows) != 1 || rows[0] != want {
		t.Errorf("got %s", rows)
	}
	if untried := sdktest.Conformance(t, greetPlugin(), sdktest.Case{
		Role: schema.Evaluation, Component: "greets", Config: `{"model":"model"}`, Rows: []string{`{"text":"hi"}`}, Models: reply("hello"),
	}); len(untried) > 0 {
		t.Errorf("untried: %v", untried)
	}
}

// A repeat is a sample of its own to the host, far above those of recipes.
func TestRepeat(t *testing.T) {
	r := sdktest.RunTasks(t, greetPlugin(), schema.Evaluation, "greets", `{"model":"model","repeats":[0,1,2]}`, []sdktest.Task{{Row: `{"text":"hi"}`, Sample: 3}}, reply("hello"))
	if len(r.Calls) != 3 {
		t.Fatalf("%d calls", len(r.Calls))
	}
	for i, c := range r.Calls {
		if c.Repeat != i || c.Sample != 3 {
			t.Errorf("call %d is repeat %d of sample %d", i, c.Repeat, c.Sample)
		}
	}
	for _, bad := range []string{"-1", "4001"} {
		r = sdktest.Run(t, greetPlugin(), schema.Evaluation, "greets", `{"model":"model","repeats":[4000,`+bad+`]}`, []string{`{"text":"hi"}`}, reply("hello"))
		if e := r.Tasks[0].Err; e == nil || e.Code != "bad_request" || len(r.Calls) != 1 || r.Calls[0].Repeat != sdk.MaxRepeat {
			t.Errorf("%s: got %+v after %d calls", bad, r.Tasks[0].Err, len(r.Calls))
		}
	}
}

func TestCallsWhere(t *testing.T) {
	list, err := sdk.Describe(greetPlugin(sdk.Calls(1, 1), sdk.CallsWhere("guard", "reflection", 2, "rounds")))
	if err != nil {
		t.Fatal(err)
	}
	if n := list[0].Calls; n.Max != 1 || len(n.More) != 1 || n.More[0].Max != 2 || n.More[0].Value != "reflection" || n.More[0].Times[0] != "rounds" {
		t.Errorf("calls %+v", n)
	}
	for _, c := range []struct {
		want string
		opts []sdk.Option
	}{
		{"comes after Calls", []sdk.Option{sdk.CallsWhere("guard", "x", 1)}},
		{`hang on "rounds"`, []sdk.Option{sdk.Calls(1, 1), sdk.CallsWhere("rounds", "1", 1)}},
		{`hang on "nothing"`, []sdk.Option{sdk.Calls(1, 1), sdk.CallsWhere("nothing", "x", 1)}},
		{`times "guard"`, []sdk.Option{sdk.Calls(1, 1), sdk.CallsWhere("guard", "x", 1, "guard")}},
		{"is no bound", []sdk.Option{sdk.Calls(1, 1), sdk.CallsWhere("guard", "x", -1)}},
	} {
		if _, err := sdk.Describe(greetPlugin(c.opts...)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
