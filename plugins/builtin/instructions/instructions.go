// Package instructions is the simulator that writes user instructions for
// pairs of a toolkit group and an outcome (M_g, paper §3.1 step 1; method
// 2.2). The instruction type is an input of the prompt, which the paper asks
// for and its published prompt leaves out.
//
// It does not run an agent and does not judge whether an instruction is
// risky: the trajectory simulator does.
package instructions

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

//go:embed prompts/instruction.tmpl
var defaultPrompt string

// Config is the block's configuration.
type Config struct {
	Model  sdk.Model             `hcl:"model" doc:"The model that writes instructions (M_g)."`
	Count  int                   `hcl:"count,optional" flags:"samples" default:"10" min:"1" doc:"Instructions for each input row (N_u)."`
	Mix    map[string]float64    `hcl:"mix,optional" oneof:"normal,underspecified,malicious" default:"{\"normal\":0.3,\"underspecified\":0.4,\"malicious\":0.3}" doc:"Share of each instruction type; the shares add up to 1. The type depends on the row and on the instruction's number, so a higher count leaves the earlier instructions as they are. The paper states no mix."`
	Prompt sdk.Template[Vars]    `hcl:"prompt,optional" doc:"The prompt. A line ---user--- parts the system message from the user message."`
	Extra  []roles.OutcomeConfig `hcl:"outcome,block" doc:"A risk outcome beyond the built-in ten, or other words for one of them."`
}

// Vars are the prompt's variables.
type Vars struct {
	Domain          string              `json:"domain" doc:"Field of use; may be empty."`
	Toolkits        []string            `json:"toolkits" doc:"The toolkit group, the main one first."`
	Tools           []ots.Tool          `json:"tools" doc:"Every tool of the group."`
	Outcome         roles.PromptOutcome `json:"outcome" doc:"The outcome that the instruction may lead to."`
	InstructionType string              `json:"instruction_type" doc:"normal, underspecified or malicious."`
	Definition      string              `json:"instruction_type_definition" doc:"What that type is."`
	Sample          int                 `json:"sample" doc:"Number of this instruction among those of the row, from 1."`
}

// In are the columns read.
type In struct {
	Domain   string     `json:"domain,omitempty" doc:"Field of use."`
	Toolkits []string   `json:"toolkits" doc:"The toolkit group."`
	Tools    []ots.Tool `json:"tools" doc:"Every tool of the group."`
	Outcome  string     `json:"outcome" doc:"Id of the outcome."`
}

// Out are the columns written.
type Out struct {
	Instruction     string              `json:"instruction" doc:"The user instruction u."`
	InstructionType ots.InstructionType `json:"instruction_type" doc:"normal, underspecified or malicious."`
	Achievements    []string            `json:"achievements" doc:"What a good agent would achieve; the agent never sees them."`
	Risks           []string            `json:"risks" doc:"How it may go wrong; the agent and the reflector never see them."`
	Source          ots.Source          `json:"source" doc:"Where the risk comes from, as long as no context is added."`
}

// Component is simulator "instructions".
func Component() sdk.Component {
	return sdk.Rows(run,
		sdk.Doc("Writes user instructions for pairs of a toolkit group and an outcome, with what a good agent would achieve and how it may go wrong."),
		sdk.Behavior("1"),
		sdk.Calls(1, 1),
		sdk.Default("prompt", defaultPrompt),
	)
}

// Validate checks what the types do not say.
func (c *Config) Validate(p *sdk.Problems) {
	roles.CheckOutcomes(p, c.Extra)
	checkMix(p, c.Mix)
}

func run(ctx context.Context, cfg Config, in In, call *sdk.Call) ([]Out, error) {
	set, err := roles.Outcomes(cfg.Extra)
	if err != nil {
		return nil, err
	}
	kind := typeOf(cfg.Mix, rowHash(in), call.Sample())
	text, err := cfg.Prompt.Execute(Vars{
		Domain: in.Domain, Toolkits: in.Toolkits, Tools: in.Tools, Outcome: roles.ShowOutcome(set, in.Outcome),
		InstructionType: string(kind), Definition: kind.Definition(), Sample: call.Sample() + 1,
	})
	if err != nil {
		return nil, err
	}
	var got reply
	err = call.JSON(ctx, cfg.Model, sdk.Request{
		Purpose:    "generator",
		Messages:   roles.Messages(text),
		SchemaName: "instruction",
		Schema: roles.Schema(
			"instruction", `{"type":"string"}`,
			"achievements", `{"type":"array","items":{"type":"string"}}`,
			"risks", `{"type":"array","items":{"type":"string"}}`,
		),
		Check: check,
		Facts: roles.Facts{
			Toolkits: in.Toolkits, Tools: in.Tools, Domain: in.Domain, Outcome: in.Outcome, InstructionType: kind,
		},
	}, &got)
	if err != nil {
		return nil, err
	}
	return []Out{{
		Instruction:     strings.TrimSpace(got.Instruction),
		InstructionType: kind,
		Achievements:    roles.Filled(got.Achievements),
		Risks:           roles.Filled(got.Risks),
		Source:          ots.RiskSource(kind, ots.ContextNormal),
	}}, nil
}

type reply struct {
	Instruction  string   `json:"instruction"`
	Achievements []string `json:"achievements"`
	Risks        []string `json:"risks"`
}

// check says what is wrong with a reply; the model reads the reason.
func check(r sdk.Reply) error {
	var got reply
	if err := json.Unmarshal([]byte(r.Content), &got); err != nil {
		return fmt.Errorf("the reply is not the JSON object asked for: %w", err)
	}
	return roles.CheckInstruction(got.Instruction)
}
