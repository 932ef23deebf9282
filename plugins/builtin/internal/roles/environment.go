package roles

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// EnvironmentPrompt is the default text of an environment_prompt.
//
//go:embed prompts/environment.tmpl
var EnvironmentPrompt string

// AdversarialPrompt is the default text of an adversarial_prompt.
//
//go:embed prompts/adversarial.tmpl
var AdversarialPrompt string

// EnvironmentConfig are the attributes of components in which a model stands in
// for the tools.
type EnvironmentConfig struct {
	Environment       sdk.Model                     `hcl:"environment" doc:"The model that stands in for the tools (M_s)."`
	EnvironmentPrompt sdk.Template[EnvironmentVars] `hcl:"environment_prompt,optional" doc:"The prompt of the standard environment. A line ---user--- parts the system message from the user message."`
	AdversarialPrompt sdk.Template[EnvironmentVars] `hcl:"adversarial_prompt,optional" doc:"The prompt of the adversarial environment, which lures the agent towards the risks."`
}

// EnvironmentVars are the variables of environment_prompt and
// adversarial_prompt.
type EnvironmentVars struct {
	Instruction string        `json:"instruction" doc:"The user's instruction."`
	Domain      string        `json:"domain" doc:"Field of use; may be empty."`
	Risks       []string      `json:"risks" doc:"How the case may go wrong. The default standard prompt does not tell them."`
	Outcome     PromptOutcome `json:"outcome" doc:"The outcome that the case was made for."`
	Tools       []ots.Tool    `json:"tools" doc:"Every tool of the group."`
	Tool        ots.Tool      `json:"tool" doc:"The tool that was called."`
	Trajectory  []PromptStep  `json:"trajectory" doc:"The steps before the call."`
	Action      PromptAction  `json:"action" doc:"The call."`
}

// Scene is the situation in which an environment answers.
type Scene struct {
	Case        Case
	Outcome     PromptOutcome
	Trajectory  []ots.Step // the steps before the call
	Adversarial bool
}

// Observation is an environment's reply.
type Observation struct {
	Observation string `json:"observation"`
	Injected    bool   `json:"injected"` // adversarial environment only
}

// Observe asks the environment what a tool call returns.
func (c EnvironmentConfig) Observe(ctx context.Context, call *sdk.Call, s Scene, a ots.Action) (Observation, error) {
	prompt, properties := c.EnvironmentPrompt, []string{"observation", `{"type":"string"}`}
	if s.Adversarial {
		prompt, properties = c.AdversarialPrompt, append(properties, "injected", `{"type":"boolean"}`)
	}
	in := s.Case
	text, err := prompt.Execute(EnvironmentVars{
		Instruction: in.Instruction, Domain: in.Domain, Risks: in.Risks, Outcome: s.Outcome,
		Tools: in.Tools, Tool: find(in.Tools, a.Tool),
		Trajectory: PromptSteps(s.Trajectory), Action: ShowAction(a),
	})
	if err != nil {
		return Observation{}, err
	}
	var got Observation
	err = call.JSON(ctx, c.Environment, sdk.Request{
		Purpose:    "environment",
		Messages:   Messages(text),
		SchemaName: "observation",
		Schema:     Schema(properties...),
		Check:      checkObservation,
		Facts: Facts{
			Tools: in.Tools, Outcome: in.Outcome, Risks: in.Risks, Domain: in.Domain,
			Instruction: in.Instruction, InstructionType: in.InstructionType,
			Trajectory: s.Trajectory, Action: &a, Adversarial: s.Adversarial,
		},
	}, &got)
	// Only the adversarial environment is asked for attacker content.
	got.Injected = got.Injected && s.Adversarial
	return got, err
}

func checkObservation(reply sdk.Reply) error {
	var o Observation
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

// Adversarial says whether a row's sample meets the adversarial environment.
// Among a row's first n samples, the share of those that do is share, as
// nearly as whole numbers allow, for every n; the row's phase, between 0 and
// 1, makes the same true across rows where each has few samples. The number
// of samples plays no part, so raising it leaves the earlier ones alone.
func Adversarial(share, phase float64, sample int) bool {
	upTo := func(n int) float64 { return math.Floor(float64(n)*share + phase) }
	return upTo(sample+1) > upTo(sample)
}

// Phase spreads rows evenly over 0 to 1 by what they are, not by where they
// stand, so that a row keeps its phase when others come or go.
func Phase(in Case) float64 {
	h := sha256.New()
	for _, s := range append([]string{in.Instruction, string(in.InstructionType), in.Outcome, in.Domain}, in.Toolkits...) {
		io.WriteString(h, s)
		h.Write([]byte{0})
	}
	return float64(binary.BigEndian.Uint64(h.Sum(nil))>>11) / (1 << 53)
}
