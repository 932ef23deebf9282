// Package roles holds what the built-in simulators, reflector and judges
// share: how an agent is asked for its next action, how a judge is asked for
// a verdict, and how their replies are read.
//
// It is not a component itself and keeps no state: each call is made through
// the sdk.Call of the row at hand.
package roles

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Case is what a component knows of a row. A component reads only some of
// the columns; the others stay empty.
type Case struct {
	Toolkits        []string
	Tools           []ots.Tool
	Domain          string
	Outcome         string
	InstructionType ots.InstructionType
	Instruction     string
	Achievements    []string
	Risks           []string
}

// Facts describe a call to the offline model, which plays its part from them.
// No other model is sent them.
type Facts struct {
	Toolkits        []string            `json:"toolkits,omitempty"`
	Tools           []ots.Tool          `json:"tools,omitempty"`
	Domain          string              `json:"domain,omitempty"`
	Outcome         string              `json:"outcome,omitempty"`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty"`
	Instruction     string              `json:"instruction,omitempty"`
	Achievements    []string            `json:"achievements,omitempty"`
	Risks           []string            `json:"risks,omitempty"`
	Trajectory      []ots.Step          `json:"trajectory,omitempty"`
	Action          *ots.Action         `json:"action,omitempty"`
	Adversarial     bool                `json:"adversarial,omitempty"`
	Reflection      string              `json:"reflection,omitempty"`
	Round           int                 `json:"round,omitempty"`
	Step            int                 `json:"step,omitempty"`
	MaxSteps        int                 `json:"max_steps,omitempty"`
	Run             []ots.Step          `json:"run,omitempty"`
	Guard           string              `json:"guard,omitempty"`
	Form            string              `json:"form,omitempty"`
	Solutions       *Solutions          `json:"solutions,omitempty"`
}

// UserLine is the line in a prompt that parts the system message, above it,
// from the user message, below it.
const UserLine = "---user---"

// Messages makes the messages of a filled-in prompt. Its text up to the
// first line that is UserLine is the system message; a prompt without that
// line is one user message.
func Messages(text string) []sdk.Message {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) != UserLine {
			continue
		}
		system := strings.TrimSpace(strings.Join(lines[:i], "\n"))
		user := sdk.User(strings.TrimSpace(strings.Join(lines[i+1:], "\n")))
		if system == "" {
			return []sdk.Message{user}
		}
		return []sdk.Message{sdk.System(system), user}
	}
	return []sdk.Message{sdk.User(strings.TrimSpace(text))}
}

// Schema writes the JSON Schema of a closed object whose properties are all
// required. The properties are given in the order in which a model should
// write them: name, schema, name, schema, …
func Schema(pairs ...string) json.RawMessage {
	var properties, required strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			properties.WriteByte(',')
			required.WriteByte(',')
		}
		fmt.Fprintf(&properties, "%q:%s", pairs[i], pairs[i+1])
		fmt.Fprintf(&required, "%q", pairs[i])
	}
	return json.RawMessage(`{"type":"object","properties":{` + properties.String() +
		`},"required":[` + required.String() + `],"additionalProperties":false}`)
}

// Step is the step of a trajectory that an action and its observation make:
// the thought moves from the action to the step.
func Step(a ots.Action, observation string) ots.Step {
	s := ots.Step{Thought: a.Thought, Action: a, Observation: observation}
	s.Action.Thought = ""
	return s
}

// PromptStep is a step as prompts see it.
type PromptStep struct {
	Thought     string          `json:"thought" doc:"The agent's reasoning."`
	Tool        string          `json:"tool" doc:"The tool that was called."`
	Arguments   json.RawMessage `json:"arguments" doc:"The call's arguments."`
	Observation string          `json:"observation" doc:"What the tool returned."`
}

// PromptSteps shows a trajectory to a prompt.
func PromptSteps(trajectory []ots.Step) []PromptStep {
	steps := make([]PromptStep, len(trajectory))
	for i, s := range trajectory {
		steps[i] = PromptStep{Thought: s.Thought, Tool: s.Action.Tool, Arguments: Arguments(s.Action), Observation: s.Observation}
	}
	return steps
}

// PromptDeed is a step as prompts see it in which an answer to the user may end a
// run.
type PromptDeed struct {
	PromptStep

	Answer string `json:"answer" doc:"The answer to the user; empty for a tool call."`
}

// PromptDeeds shows a run to a prompt, an answer that ended it included.
func PromptDeeds(run []ots.Step) []PromptDeed {
	var deeds []PromptDeed
	for i, s := range PromptSteps(run) {
		deeds = append(deeds, PromptDeed{PromptStep: s, Answer: run[i].Action.Answer})
	}
	return deeds
}

// PromptAction is an action as prompts see it.
type PromptAction struct {
	Thought   string          `json:"thought" doc:"The agent's reasoning before the action."`
	Tool      string          `json:"tool" doc:"The tool called; empty for an answer."`
	Arguments json.RawMessage `json:"arguments" doc:"The call's arguments."`
	Answer    string          `json:"answer" doc:"The answer to the user; empty for a tool call."`
}

// ShowAction shows an action to a prompt.
func ShowAction(a ots.Action) PromptAction {
	return PromptAction{Thought: a.Thought, Tool: a.Tool, Arguments: Arguments(a), Answer: a.Answer}
}

// PromptOutcome is an outcome as prompts see it.
type PromptOutcome struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Guidance    string `json:"guidance" doc:"Where the line between safe and unsafe is."`
}

// ShowOutcome shows an outcome to a prompt. The columns of a row may name an
// outcome that no set knows; its id then serves as its name.
func ShowOutcome(set ots.OutcomeSet, id string) PromptOutcome {
	o, ok := set.With(id).Get(id)
	if !ok {
		o = ots.Outcome{ID: id, Name: id}
	}
	return PromptOutcome{ID: o.ID, Name: o.Name, Description: o.Description, Guidance: o.Guidance}
}

// ShowOutcomes shows every outcome of a set to a prompt.
func ShowOutcomes(set ots.OutcomeSet) []PromptOutcome {
	var list []PromptOutcome
	for _, id := range set.IDs() {
		list = append(list, ShowOutcome(set, id))
	}
	return list
}

// Arguments are an action's arguments; {} if it has none.
func Arguments(a ots.Action) json.RawMessage {
	if len(a.Arguments) == 0 {
		return json.RawMessage("{}")
	}
	return a.Arguments
}

// OutcomeConfig is the outcome block of components that judge.
type OutcomeConfig struct {
	ID          string `hcl:"id,label" doc:"Id of the outcome: lower case letters, digits and underscores."`
	Name        string `hcl:"name,optional" doc:"Its name; by default made from the id."`
	Description string `hcl:"description" doc:"What counts as this outcome."`
	Guidance    string `hcl:"guidance,optional" doc:"Where the line between safe and unsafe is."`
}

// Outcomes are the built-in outcomes and those of a block's outcome blocks.
func Outcomes(extra []OutcomeConfig) (ots.OutcomeSet, error) {
	list := make([]ots.Outcome, len(extra))
	for i, o := range extra {
		list[i] = ots.Outcome{ID: o.ID, Name: o.Name, Description: o.Description, Guidance: o.Guidance}
	}
	return ots.NewOutcomeSet(list...)
}

// CheckOutcomes reports outcome blocks that cannot be used.
func CheckOutcomes(p *sdk.Problems, blocks []OutcomeConfig) {
	for i := range blocks {
		// One at a time, after those before it, so that the report has a place.
		if _, err := Outcomes(blocks[:i+1]); err != nil {
			p.Attr("outcome", i).Errorf("Unusable outcome", "%s.", capital(err.Error()))
			return
		}
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
