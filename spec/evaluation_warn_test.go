package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// judged is a recipe whose data a judge has seen, and an evaluation on it. What
// is in capitals is to be filled in.
const judged = `
provider "openai" "main" {
  base_url = "https://api.example.com/v1"
}
provider "openai" "elsewhere" {
  base_url = "https://other.example.com/v1"
}
model "agent" {
  provider = provider.openai.main
  name     = "agent-1"
}
model "maker" {
  provider = provider.openai.main
  name     = "judge-1"
}
model "same" {
  provider    = provider.openai.main
  name        = "judge-1"
  temperature = 0.5
}
model "elsewhere" {
  provider = provider.openai.elsewhere
  name     = "judge-1"
}
model "other" {
  provider = provider.openai.main
  name     = "judge-2"
}
threat_source "catalog" "pairs" {}
threat_source "catalog" "apart" {
  domains = ["web"]
}
simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.agent
}
simulator "trajectory" "runs" {
  input       = simulator.instructions.cases
  agent       = model.agent
  environment = model.other
  judge       = model.maker
}
simulator "instructions" "apart" {
  input = threat_source.catalog.apart
  model = model.agent
}
dataset "d" {
  input = simulator.trajectory.runs
  split {
    by     = "row.instruction"
    ratios = { train = 0.5, test = 0.5 }
  }
  output "openai_sft" { path = "dist/d" }
}
finetune "openai" "agent" {
  input      = dataset.d
  provider   = provider.openai.main
  base_model = "agent-1"
}
model "tuned" {
  provider    = finetune.openai.agent
  temperature = 1
}
distill "some" {
  input = simulator.trajectory.runs
  limit "some" { max = 3 }
}
evaluation "next_action" "e" {
  input = INPUT
  agent "plain" { model = AGENT }
  agent "second" { model = model.agent }
  JUDGE
}
`

// TestEvaluationWarnings: a judge or an agent that has seen the data before is
// told of, and nobody else.
func TestEvaluationWarnings(t *testing.T) {
	judge := func(model string) string {
		return fmt.Sprintf("judge \"action\" \"j\" {\n    model = model.%s\n  }", model)
	}
	const test, steps, apart, plain = "dataset.d\n  split = \"test\"", "distill.some", "simulator.instructions.apart", "model.agent"
	tests := []struct {
		name, input, agent, judge string
		want                      []string // parts of the warnings, in order
	}{
		{"a stranger", test, plain, judge("other"), nil},
		{"no judge", test, plain, "", nil},
		{"the same model block", test, plain, judge("maker"), []string{`Judge "j" is the model "maker", which also judges in simulator.trajectory.runs`}},
		{"the same model", steps, plain, judge("same"), []string{`Judge "j" is the model "same", which also judges in simulator.trajectory.runs`}},
		{"another endpoint's", test, plain, judge("elsewhere"), nil},
		{"other data", apart, plain, judge("maker"), nil},
		{"data of the training", apart, "finetune.openai.agent", judge("maker"), []string{"which also judges in simulator.trajectory.runs"}},
		{"itself", test, plain, judge("agent"), []string{`the model of the agent(s) plain and second, and`}},
		{"itself, once", test, "model.other", judge("other"), []string{`the model of the agent(s) plain, and`}},
		{"its own training", test, "model.tuned", judge("tuned"), []string{`the model of the agent(s) plain, and`}},
		{"a test split", test, "model.tuned", judge("other"), nil},
		{"steps before the dataset", "simulator.trajectory.runs", "model.tuned", judge("other"), []string{`whose training data rests on simulator.trajectory.runs as the scenarios do`}},
		{"some of its rows", steps, "finetune.openai.agent", judge("other"), []string{`whose training data rests on simulator.trajectory.runs as the scenarios do`}},
		{"rows made anew", "simulator.instructions.apart", "finetune.openai.agent", judge("other"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.NewReplacer("INPUT", tt.input, "AGENT", tt.agent, "JUDGE", tt.judge).Replace(judged)
			src, diags := Parse(writeRecipe(t, text))
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			r, diags := src.Decode(Options{Registry: fakeRegistry{}})
			if r == nil || len(diags) != len(tt.want) {
				t.Fatalf("%d problems, want %d:\n%s", len(diags), len(tt.want), render(t, src.Files, diags))
			}
			for i, d := range diags {
				checkStyle(t, d)
				if d.Severity != hcl.DiagWarning || d.Subject == nil || !strings.Contains(d.Detail, tt.want[i]) {
					t.Errorf("%s, want %s", d.Detail, tt.want[i])
				}
			}
			opts := Options{Registry: fakeRegistry{}, Checked: r.Checked}
			if _, again := src.Decode(opts); len(again) != len(diags) {
				t.Errorf("the second time there are %d problems", len(again))
			}
		})
	}
}
