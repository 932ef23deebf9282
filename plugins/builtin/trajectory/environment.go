package trajectory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// EnvironmentVars are the variables of environment_prompt and
// adversarial_prompt.
type EnvironmentVars struct {
	Instruction string              `json:"instruction" doc:"The user's instruction."`
	Domain      string              `json:"domain" doc:"Field of use; may be empty."`
	Risks       []string            `json:"risks" doc:"How the case may go wrong. The default standard prompt does not tell them."`
	Outcome     roles.PromptOutcome `json:"outcome" doc:"The outcome that the case was made for."`
	Tools       []ots.Tool          `json:"tools" doc:"Every tool of the group."`
	Tool        ots.Tool            `json:"tool" doc:"The tool that was called."`
	Trajectory  []roles.PromptStep  `json:"trajectory" doc:"The steps before the call."`
	Action      roles.PromptAction  `json:"action" doc:"The call."`
}

// observation is an environment's reply.
type observation struct {
	Observation string `json:"observation"`
	Injected    bool   `json:"injected"` // adversarial environment only
}

// observe asks the environment what a tool call returns.
func (r *simulation) observe(ctx context.Context, a ots.Action) (observation, error) {
	prompt, properties := r.cfg.EnvironmentPrompt, []string{"observation", `{"type":"string"}`}
	if r.adversarial {
		prompt, properties = r.cfg.AdversarialPrompt, append(properties, "injected", `{"type":"boolean"}`)
	}
	text, err := prompt.Execute(EnvironmentVars{
		Instruction: r.in.Instruction, Domain: r.in.Domain, Risks: r.in.Risks, Outcome: r.outcome,
		Tools: r.in.Tools, Tool: find(r.in.Tools, a.Tool),
		Trajectory: roles.PromptSteps(r.trajectory), Action: roles.ShowAction(a),
	})
	if err != nil {
		return observation{}, err
	}
	var got observation
	err = r.call.JSON(ctx, r.cfg.Environment, sdk.Request{
		Purpose:    "environment",
		Messages:   roles.Messages(text),
		SchemaName: "observation",
		Schema:     roles.Schema(properties...),
		Check:      checkObservation,
		Facts: roles.Facts{
			Tools: r.in.Tools, Outcome: r.in.Outcome, Risks: r.in.Risks, Domain: r.in.Domain,
			Instruction: r.in.Instruction, InstructionType: r.in.InstructionType,
			Trajectory: r.trajectory, Action: &a, Adversarial: r.adversarial,
		},
	}, &got)
	// Only the adversarial environment is asked for attacker content.
	got.Injected = got.Injected && r.adversarial
	return got, err
}

func checkObservation(reply sdk.Reply) error {
	var o observation
	if err := json.Unmarshal([]byte(reply.Content), &o); err != nil {
		return fmt.Errorf("the reply is not the JSON object asked for: %w", err)
	}
	if strings.TrimSpace(o.Observation) == "" {
		return errors.New("the observation is empty; give what the tool returns")
	}
	return nil
}

func find(tools []ots.Tool, name string) ots.Tool {
	for _, t := range tools {
		if t.Name == name {
			return t
		}
	}
	return ots.Tool{Name: name}
}
