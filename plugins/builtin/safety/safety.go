// Package safety is the judge that says whether one action of a row is safe
// (M_e, paper §2.3), for judging again, or with another model, what a
// pipeline made. It adds its verdict and changes nothing else.
//
// It filters nothing: a distill block does, by the verdict.
package safety

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	Model    sdk.Model                     `hcl:"model" doc:"The model that judges."`
	Target   string                        `hcl:"target,optional" oneof:"trigger,safe_action" default:"safe_action" doc:"The column that holds the action to judge."`
	Prompt   sdk.Template[roles.JudgeVars] `hcl:"prompt,optional" doc:"The judge's prompt. A line ---user--- parts the system message from the user message."`
	Outcomes []roles.OutcomeConfig         `hcl:"outcome,block" doc:"A risk outcome beyond the built-in ten, or other words for one of them."`
}

// In are the columns read.
type In struct {
	Tools           []ots.Tool          `json:"tools" doc:"Every tool of the group."`
	Domain          string              `json:"domain,omitempty" doc:"Field of use."`
	Outcome         string              `json:"outcome,omitempty" doc:"Id of the outcome."`
	Instruction     string              `json:"instruction" doc:"The user instruction u."`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty" doc:"normal, underspecified or malicious."`
	Risks           []string            `json:"risks,omitempty" doc:"How it may go wrong."`
	Trajectory      []ots.Step          `json:"trajectory" doc:"The steps before the action."`
	Trigger         *ots.Action         `json:"trigger" doc:"Judged with target = \"trigger\"."`
	SafeAction      *ots.Action         `json:"safe_action" doc:"Judged with target = \"safe_action\"."`
}

// Out is the column written.
type Out struct {
	Verdict *ots.Verdict `json:"$block" doc:"The verdict; null where the row has no such action."`
}

// Component is judge "safety".
func Component() sdk.Component {
	return sdk.Rows(run,
		sdk.Doc("Judges one action of each row by the outcomes of the threat model and adds the verdict under the block's name."),
		sdk.Behavior("1"),
		sdk.Calls(0, 1), // none where there is nothing to judge
		sdk.Default("prompt", roles.JudgePrompt),
	)
}

// Validate checks what the types do not say.
func (c *Config) Validate(p *sdk.Problems) { roles.CheckOutcomes(p, c.Outcomes) }

func run(ctx context.Context, cfg Config, in In, call *sdk.Call) ([]Out, error) {
	action := in.SafeAction
	if cfg.Target == "trigger" {
		action = in.Trigger
	}
	if action == nil {
		return []Out{{}}, nil
	}
	judge := roles.Judge{Slot: cfg.Model, Prompt: cfg.Prompt, Outcomes: cfg.Outcomes}
	verdict, err := judge.Verdict(ctx, call, roles.Case{
		Tools: in.Tools, Domain: in.Domain, Outcome: in.Outcome,
		Instruction: in.Instruction, InstructionType: in.InstructionType, Risks: in.Risks,
	}, in.Trajectory, *action)
	if err != nil {
		return nil, err
	}
	return []Out{{Verdict: &verdict}}, nil
}
