// Package twins is the simulator that writes a benign twin for each risky
// scenario (method 8.2): a request that looks alike, with the same tools, and in
// which nothing is wrong. An agent that declines it is over-cautious, which an
// evaluation counts by the column expect = "help".
//
// It runs no agent, and a twin has no trajectory.
package twins

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

//go:embed prompt.tmpl
var defaultPrompt string

// Config is the block's configuration.
type Config struct {
	Model  sdk.Model             `hcl:"model" doc:"The model that writes twins."`
	Keep   bool                  `hcl:"keep,optional" default:"false" doc:"Whether the scenarios pass too, each before its twin. Rows that are not risky pass alone then; else they are dropped as not_risky."`
	Prompt sdk.Template[Vars]    `hcl:"prompt,optional" doc:"The prompt. A line ---user--- parts the system message from the user message."`
	Extra  []roles.OutcomeConfig `hcl:"outcome,block" doc:"A risk outcome beyond the built-in ten, or other words for one of them."`
}

// Vars are the prompt's variables.
type Vars struct {
	Instruction     string              `json:"instruction" doc:"The scenario's instruction."`
	InstructionType string              `json:"instruction_type" doc:"normal, underspecified or malicious; may be empty."`
	Domain          string              `json:"domain" doc:"Field of use; may be empty."`
	Toolkits        []string            `json:"toolkits" doc:"The toolkit group, the main one first."`
	Tools           []ots.Tool          `json:"tools" doc:"Every tool of the group."`
	Outcome         roles.PromptOutcome `json:"outcome" doc:"The outcome that the scenario was made for."`
	Risks           []string            `json:"risks" doc:"How the scenario may go wrong."`
}

// Given are the columns of a scenario that are other ones in its twin.
type Given struct {
	Kind            ots.Kind            `json:"kind,omitempty" doc:"An ordinary row is not risky."`
	Source          ots.Source          `json:"source,omitempty" doc:"Kept in a scenario that passes."`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty" doc:"Kept in a scenario that passes."`
	ContextType     ots.ContextType     `json:"context_type,omitempty" doc:"Kept in a scenario that passes."`
	ScenarioClass   ots.ScenarioClass   `json:"scenario_class,omitempty" doc:"Kept in a scenario that passes."`
	Instruction     string              `json:"instruction" doc:"The user instruction u."`
	Achievements    []string            `json:"achievements,omitempty" doc:"Kept in a scenario that passes."`
	Risks           []string            `json:"risks,omitempty" doc:"How it may go wrong; for the prompt."`
	Trajectory      []ots.Step          `json:"trajectory,omitempty" doc:"Kept in a scenario that passes."`
	Trigger         *ots.Action         `json:"trigger" doc:"Kept in a scenario that passes."`
	TriggerVerdict  *ots.Verdict        `json:"trigger_verdict" doc:"Kept in a scenario that passes."`
	Attempts        []ots.Attempt       `json:"attempts,omitempty" doc:"Kept in a scenario that passes."`
	SafeAction      *ots.Action         `json:"safe_action" doc:"Kept in a scenario that passes."`
	SafeVerdict     *ots.Verdict        `json:"safe_verdict" doc:"Kept in a scenario that passes."`
}

// Case are the columns that are another's in a twin. Those of a scenario that
// passes stay as they are.
type Case struct {
	Kind            ots.Kind            `json:"kind" doc:"Empty in a twin, which no run was made of."`
	Source          ots.Source          `json:"source" doc:"Where the risk comes from; action in a twin, where there is none but what the agent does."`
	InstructionType ots.InstructionType `json:"instruction_type" doc:"normal in a twin."`
	ContextType     ots.ContextType     `json:"context_type" doc:"normal in a twin."`
	ScenarioClass   ots.ScenarioClass   `json:"scenario_class" doc:"N-N in a twin."`
	Instruction     string              `json:"instruction" doc:"The user instruction u; a twin has its own."`
	Achievements    []string            `json:"achievements" doc:"What a good agent would achieve; a twin has its own."`
	Risks           []string            `json:"risks" doc:"How it may go wrong; empty in a twin."`
	Trajectory      []ots.Step          `json:"trajectory" doc:"Empty in a twin."`
	Trigger         *ots.Action         `json:"trigger" doc:"Null in a twin."`
	TriggerVerdict  *ots.Verdict        `json:"trigger_verdict" doc:"Null in a twin."`
	Attempts        []ots.Attempt       `json:"attempts" doc:"Empty in a twin."`
	SafeAction      *ots.Action         `json:"safe_action" doc:"Null in a twin."`
	SafeVerdict     *ots.Verdict        `json:"safe_verdict" doc:"Null in a twin."`
}

// In are the columns read.
type In struct {
	Given

	ID       string     `json:"id" doc:"The twin keeps it as twin_of."`
	Domain   string     `json:"domain,omitempty" doc:"Field of use."`
	Toolkits []string   `json:"toolkits,omitempty" doc:"The toolkit group."`
	Tools    []ots.Tool `json:"tools" doc:"Every tool of the group."`
	Outcome  string     `json:"outcome,omitempty" doc:"Id of the outcome."`
	Expect   ots.Expect `json:"expect,omitempty" doc:"Rows with \"help\" are not risky and get no twin."`
}

// Out are the columns written.
type Out struct {
	Case

	Expect ots.Expect `json:"expect" doc:"help in a twin: declining it is a failure. Of a scenario that passes: as read, safe where it was absent."`
	TwinOf string     `json:"twin_of" doc:"Id of the scenario that the twin was written for; empty in a scenario that passes."`
}

// NotRisky is the reason under which a row that needs no twin is dropped.
const NotRisky = "not_risky"

// Component is simulator "twins".
func Component() sdk.Component {
	return sdk.Rows(run,
		sdk.Doc("Writes a benign twin for each risky scenario: a request that looks alike, with the same tools, that ought to be fulfilled. It shows whether an agent declines too much."),
		sdk.Behavior("1"),
		sdk.Calls(0, 1), // none for a row that is not risky
		sdk.Default("prompt", defaultPrompt),
	)
}

// Validate checks what the types do not say.
func (c *Config) Validate(p *sdk.Problems) { roles.CheckOutcomes(p, c.Extra) }

func run(ctx context.Context, cfg Config, in In, call *sdk.Call) ([]Out, error) {
	expect := ots.Expected(in.Expect, in.Kind)
	var out []Out
	if cfg.Keep {
		out = append(out, Out{Case: kept(in.Given), Expect: expect})
	}
	if expect == ots.ExpectHelp {
		if !cfg.Keep {
			return nil, sdk.Drop(NotRisky)
		}
		return out, nil
	}
	got, err := write(ctx, cfg, in, call)
	if err != nil {
		return nil, err
	}
	return append(out, Out{
		Case: Case{
			Source:          ots.RiskSource(ots.InstructionNormal, ots.ContextNormal),
			InstructionType: ots.InstructionNormal,
			ContextType:     ots.ContextNormal,
			ScenarioClass:   ots.Class(ots.InstructionNormal, ots.ContextNormal),
			Instruction:     strings.TrimSpace(got.Instruction),
			Achievements:    roles.Filled(got.Achievements),
			Risks:           []string{}, Trajectory: []ots.Step{}, Attempts: []ots.Attempt{},
		},
		Expect: ots.ExpectHelp, TwinOf: in.ID,
	}), nil
}

// kept is a scenario as it was read, with lists where it had none.
func kept(in Given) Case {
	out := Case(in)
	if out.Achievements == nil {
		out.Achievements = []string{}
	}
	if out.Risks == nil {
		out.Risks = []string{}
	}
	if out.Trajectory == nil {
		out.Trajectory = []ots.Step{}
	}
	if out.Attempts == nil {
		out.Attempts = []ots.Attempt{}
	}
	return out
}

type reply struct {
	Instruction  string   `json:"instruction"`
	Achievements []string `json:"achievements"`
}

// write asks the model for the twin.
func write(ctx context.Context, cfg Config, in In, call *sdk.Call) (reply, error) {
	set, err := roles.Outcomes(cfg.Extra)
	if err != nil {
		return reply{}, err
	}
	text, err := cfg.Prompt.Execute(Vars{
		Instruction: in.Instruction, InstructionType: string(in.InstructionType), Domain: in.Domain,
		Toolkits: in.Toolkits, Tools: in.Tools, Outcome: roles.ShowOutcome(set, in.Outcome), Risks: in.Risks,
	})
	if err != nil {
		return reply{}, err
	}
	var got reply
	err = call.JSON(ctx, cfg.Model, sdk.Request{
		Purpose:    "twin",
		Messages:   roles.Messages(text),
		SchemaName: "twin",
		Schema: roles.Schema(
			"instruction", `{"type":"string"}`,
			"achievements", `{"type":"array","items":{"type":"string"}}`,
		),
		Check: func(r sdk.Reply) error {
			var got reply
			if err := json.Unmarshal([]byte(r.Content), &got); err != nil {
				return fmt.Errorf("the reply is not the JSON object asked for: %w", err)
			}
			if strings.TrimSpace(got.Instruction) == strings.TrimSpace(in.Instruction) {
				return fmt.Errorf("the instruction is the case's own; write another in which nothing is wrong")
			}
			return roles.CheckInstruction(got.Instruction)
		},
		Facts: roles.Facts{
			Instruction: in.Instruction, InstructionType: in.InstructionType, Domain: in.Domain, Outcome: in.Outcome,
			Toolkits: in.Toolkits, Tools: in.Tools, Risks: in.Risks,
		},
	}, &got)
	return got, err
}
