// Package labelled is the evaluation of judges: the model under test reads records
// of agents at work whose labels people gave, and says of each whether it is safe
// (R-Judge's protocol). Figures hold its verdict against the label.
//
// The model is shown neither the label nor what the record's author says of it.
package labelled

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

//go:embed prompt.tmpl
var defaultPrompt string

// Config is the block's configuration.
type Config struct {
	Model    sdk.Model             `hcl:"model" doc:"The judge under test."`
	Samples  int                   `hcl:"samples,optional" flags:"samples" default:"1" min:"1" doc:"How often it is asked about each record."`
	Prompt   sdk.Template[Vars]    `hcl:"prompt,optional" doc:"The judge's prompt. A line ---user--- parts the system message from the user message."`
	Outcomes []roles.OutcomeConfig `hcl:"outcome,block" doc:"A risk outcome beyond the built-in ten, or other words for one of them."`
}

// Vars are the prompt's variables. The label and the case's risks are not among
// them.
type Vars struct {
	Instruction string                `json:"instruction" doc:"The user's instruction."`
	Tools       []ots.Tool            `json:"tools" doc:"The agent's tools; may be empty."`
	Steps       []roles.PromptDeed    `json:"steps" doc:"The agent's actions, the last one included."`
	Outcomes    []roles.PromptOutcome `json:"outcomes" doc:"Every outcome that the judge knows."`
}

// In are the columns read.
type In struct {
	Tools           []ots.Tool          `json:"tools,omitempty" doc:"The agent's tools."`
	Outcome         string              `json:"outcome,omitempty" doc:"Id of the outcome; for the offline model."`
	Instruction     string              `json:"instruction" doc:"The user's instruction."`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty" doc:"For the offline model."`
	Trajectory      []ots.Step          `json:"trajectory,omitempty" doc:"The agent's actions, with what the tools returned."`
	Action          *ots.Action         `json:"action" doc:"The agent's last action, where it is not in the trajectory."`
	Trigger         *ots.Action         `json:"trigger" doc:"The same, where there is no action."`
	Label           json.RawMessage     `json:"label" doc:"What people said: \"safe\" or \"unsafe\", or 0 or false for safe and 1 or true for unsafe. The model is not told."`
}

// Out are the columns written.
type Out struct {
	Trial   ots.Trial   `json:"trial" doc:"Whether the model gave a verdict that can be read."`
	Verdict *ots.Vote   `json:"verdict" doc:"The model's verdict; null where it cannot be read."`
	Label   ots.Label   `json:"label" doc:"The label, as safe or unsafe."`
	Action  *ots.Action `json:"action" doc:"As read."`
	Run     []ots.Step  `json:"run" doc:"Empty: nothing is carried out."`
}

// Component is evaluation "labelled".
func Component() sdk.Component {
	return sdk.Rows(run,
		sdk.Doc("Tests a judge: asks it whether records of agents at work are safe, whose labels are known (R-Judge's protocol)."),
		sdk.Behavior("1"),
		sdk.Calls(1, 1),
		sdk.Default("prompt", defaultPrompt),
	)
}

// Validate checks what the types do not say.
func (c *Config) Validate(p *sdk.Problems) { roles.CheckOutcomes(p, c.Outcomes) }

func run(ctx context.Context, cfg Config, in In, call *sdk.Call) ([]Out, error) {
	label, err := readLabel(in.Label)
	if err != nil {
		return nil, err
	}
	set, err := roles.Outcomes(cfg.Outcomes)
	if err != nil {
		return nil, err
	}
	set = set.With(in.Outcome)
	req, err := request(cfg, in, set)
	if err != nil {
		return nil, err
	}
	out := Out{Trial: roles.NewTrial().Trial, Label: label, Action: in.Action, Run: []ots.Step{}}
	vote, err := roles.AskJudge(ctx, call, cfg.Model, req, func(content string) (ots.Vote, error) { return read(content, set) })
	if code, ok := sdk.Unfit(err); ok {
		out.Trial.Invalid, out.Trial.Ended = code, ots.EndInvalid
		return []Out{out}, nil
	}
	if err != nil {
		return nil, err
	}
	vote.Votes = []ots.Label{vote.Label}
	out.Trial.Valid, out.Trial.Ended, out.Trial.Steps, out.Verdict = true, ots.EndAnswer, 1, &vote
	return []Out{out}, nil
}

// readLabel reads the label of a record, which must have one.
func readLabel(raw json.RawMessage) (ots.Label, error) {
	if l := ots.ReadTruth(raw); l != "" {
		return l, nil
	}
	return "", sdk.Fail("bad_label", fmt.Sprintf(`the column label must be "safe" or "unsafe", 0 or 1, and is %.100s`, raw))
}

// steps are all actions of the record.
func (in *In) steps() []ots.Step {
	last := in.Action
	if last == nil {
		last = in.Trigger
	}
	if last == nil {
		return in.Trajectory
	}
	n := len(in.Trajectory)
	return append(in.Trajectory[:n:n], roles.Step(*last, ""))
}

func request(cfg Config, in In, set ots.OutcomeSet) (sdk.Request, error) {
	steps := in.steps()
	vars := Vars{Instruction: in.Instruction, Tools: in.Tools, Steps: roles.PromptDeeds(steps), Outcomes: roles.ShowOutcomes(set)}
	text, err := cfg.Prompt.Execute(vars)
	if err != nil {
		return sdk.Request{}, err
	}
	ids, err := roles.OutcomeIDs(set)
	if err != nil {
		return sdk.Request{}, err
	}
	return sdk.Request{
		Purpose:    "trajectory_judge",
		Messages:   roles.Messages(text),
		SchemaName: "verdict",
		Schema: roles.Schema(
			"reason", `{"type":"string"}`,
			"considered", `{"type":"string","enum":`+ids+`}`,
			"label", `{"type":"string","enum":["safe","unsafe"]}`,
		),
		Facts: roles.Facts{
			Instruction: in.Instruction, InstructionType: in.InstructionType, Outcome: in.Outcome, Tools: in.Tools, Run: steps,
		},
	}, nil
}

func read(content string, set ots.OutcomeSet) (ots.Vote, error) {
	v, err := roles.ReadVerdict(content, set)
	if err != nil {
		return ots.Vote{}, err
	}
	return ots.Vote{Label: v.Label, Outcome: v.Outcome, Reason: v.Reason, Raw: v.Raw}, nil
}
