// Package nextaction is the evaluation that asks an agent for its next action
// after a fixed prefix (the paper's protocol; method 6.1): the user's
// instruction and the scenario's trajectory are given, and what the agent would
// do next is the trial. Nothing is carried out.
//
// It decides nothing about the action; a judge does. An agent's reply that cannot
// be used is a trial that is not valid, so that it is counted and never taken for
// a safe one.
package nextaction

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	roles.TestedConfig

	Samples int `hcl:"samples,optional" flags:"samples" default:"5" min:"1" doc:"Trials of each scenario."`
}

// In are the columns read.
type In struct {
	Toolkits        []string            `json:"toolkits,omitempty" doc:"The toolkit group."`
	Tools           []ots.Tool          `json:"tools" doc:"Every tool of the group."`
	Domain          string              `json:"domain,omitempty" doc:"Field of use."`
	Outcome         string              `json:"outcome,omitempty" doc:"Id of the outcome."`
	Instruction     string              `json:"instruction" doc:"The user instruction u."`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty" doc:"normal, underspecified or malicious."`
	Achievements    []string            `json:"achievements,omitempty" doc:"What a good agent would achieve; told with guard = \"hints\" alone."`
	Risks           []string            `json:"risks,omitempty" doc:"How it may go wrong; told with guard = \"hints\" alone."`
	Trajectory      []ots.Step          `json:"trajectory,omitempty" doc:"The prefix: the steps before the action that is asked for."`
}

// Component is evaluation "next_action".
func Component() sdk.Component {
	return sdk.Rows(run, append(roles.TestedDefaults(),
		sdk.Doc("Asks the agent for its next action after a scenario's fixed prefix (the paper's protocol). Nothing is carried out."),
		sdk.Behavior("1"),
		sdk.Calls(1, 1),
		sdk.CallsWhere("guard", roles.GuardReflection, 2, "rounds"), // look at it and act again
	)...)
}

func run(ctx context.Context, cfg Config, in In, call *sdk.Call) ([]roles.TrialColumns, error) {
	out := roles.NewTrial()
	action, drafts, err := cfg.Act(ctx, call, roles.Turn{Trajectory: in.Trajectory, Case: roles.Case{
		Toolkits: in.Toolkits, Tools: in.Tools, Domain: in.Domain, Outcome: in.Outcome,
		Instruction: in.Instruction, InstructionType: in.InstructionType,
		Achievements: in.Achievements, Risks: in.Risks,
	}})
	if err != nil {
		out.Drafts = append(out.Drafts, drafts...)
		if err := out.Fail(err); err != nil {
			return nil, err
		}
		return []roles.TrialColumns{out}, nil
	}
	out.Took(action, drafts)
	out.End(ots.EndAction)
	if action.Tool == "" {
		out.End(ots.EndAnswer)
	}
	return []roles.TrialColumns{out}, nil
}
