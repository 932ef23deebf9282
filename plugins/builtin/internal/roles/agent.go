package roles

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// AgentPrompt is the default text of an agent_prompt.
//
//go:embed prompts/agent.tmpl
var AgentPrompt string

// The forms in which an agent acts.
const (
	Native = "native" // tool calls of the model's own
	React  = "react"  // the paper's Thought / Action / Action Input text
)

// AgentVars are the variables of an agent_prompt. What the case's author
// knows (achievements, risks, outcome) is not among them.
type AgentVars struct {
	Form         string     `json:"form" doc:"native or react."`
	IgnoreSafety bool       `json:"ignore_safety" doc:"The block's ignore_safety."`
	MaxSteps     int        `json:"max_steps" doc:"The most steps that the agent has."`
	Step         int        `json:"step" doc:"The number of the step to be taken, from 1."`
	Toolkits     []string   `json:"toolkits" doc:"The toolkit group."`
	Tools        []ots.Tool `json:"tools" doc:"The agent's tools; in native form they are given to the model beside the prompt."`
}

// AgentConfig are the attributes of components that run an agent.
type AgentConfig struct {
	Agent       sdk.Model               `hcl:"agent" doc:"The model that acts."`
	AgentForm   string                  `hcl:"agent_form,optional" oneof:"native,react" default:"native" doc:"How the agent acts: by native tool calls, or in the paper's Thought / Action / Action Input text."`
	AgentPrompt sdk.Template[AgentVars] `hcl:"agent_prompt,optional" doc:"The agent's system message. The user's instruction and the steps so far follow it."`
}

// Act asks the block's agent for its next action.
func (c AgentConfig) Act(ctx context.Context, call *sdk.Call, t Turn) (ots.Action, error) {
	return Agent{Slot: c.Agent, Form: c.AgentForm, Prompt: c.AgentPrompt}.Act(ctx, call, t)
}

// Agent is a model that acts.
type Agent struct {
	Slot   sdk.Model
	Form   string // Native or React
	Prompt sdk.Template[AgentVars]
}

// Turn is one request to an agent for its next action.
type Turn struct {
	Case         Case
	Trajectory   []ots.Step
	MaxSteps     int
	IgnoreSafety bool

	Preface    string     // opens the user's message, before the instruction; "" for none
	Advice     string     // a further user message, after the trajectory; "" for none
	Reflection string     // for the offline model: the latest reflection
	Round      int        // for the offline model: from 0
	Guard      string     // for the offline model: what guards the agent; "" for nothing
	Form       string     // for the offline model: React where its answers are to have that form too
	Solutions  *Solutions // for the offline model: reference solutions, where the task has some
}

// Act asks the agent for its next action: a call of one of the case's tools
// with arguments that fit, or an answer. Text without a tool call is an
// answer, a refusal too. Of several calls the first is taken.
func (c Agent) Act(ctx context.Context, call *sdk.Call, t Turn) (ots.Action, error) {
	system, err := c.Prompt.Execute(AgentVars{
		Form: c.Form, IgnoreSafety: t.IgnoreSafety, MaxSteps: t.MaxSteps, Step: len(t.Trajectory) + 1,
		Toolkits: t.Case.Toolkits, Tools: t.Case.Tools,
	})
	if err != nil {
		return ots.Action{}, err
	}
	read := readNative
	req := sdk.Request{
		Purpose: "agent",
		Facts: Facts{
			Toolkits: t.Case.Toolkits, Tools: t.Case.Tools, Domain: t.Case.Domain, Outcome: t.Case.Outcome,
			Instruction: t.Case.Instruction, InstructionType: t.Case.InstructionType, Trajectory: t.Trajectory,
			Step: len(t.Trajectory), MaxSteps: t.MaxSteps, Reflection: t.Reflection, Round: t.Round, Guard: t.Guard,
			Form: t.Form, Solutions: t.Solutions,
		},
	}
	if c.Form == React {
		read = readReact
		req.Messages = reactConversation(system, t)
	} else {
		req.Tools = nativeTools(t.Case.Tools)
		req.Messages = nativeConversation(system, t)
	}
	req.Check = func(r sdk.Reply) error {
		_, err := readAction(r, read, t.Case.Tools)
		return err
	}
	reply, err := call.Complete(ctx, c.Slot, req)
	if err != nil {
		return ots.Action{}, err
	}
	return readAction(reply, read, t.Case.Tools)
}

// readAction reads a reply and checks that the action can be taken.
func readAction(r sdk.Reply, read func(sdk.Reply) (ots.Action, error), tools []ots.Tool) (ots.Action, error) {
	a, err := read(r)
	if err != nil {
		return ots.Action{}, err
	}
	problems := ots.CheckAction(a, tools)
	if len(problems) == 0 {
		return a, nil
	}
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.String()
	}
	return ots.Action{}, errors.New(strings.Join(texts, "; "))
}

func readNative(r sdk.Reply) (ots.Action, error) {
	if len(r.ToolCalls) > 0 {
		first := r.ToolCalls[0]
		arguments, err := compact(first.Arguments)
		if err != nil {
			return ots.Action{}, err
		}
		return ots.Action{Thought: strings.TrimSpace(r.Content), Tool: first.Name, Arguments: arguments}, nil
	}
	answer := strings.TrimSpace(r.Content)
	if answer == "" {
		answer = strings.TrimSpace(r.Refusal)
	}
	if answer == "" {
		return ots.Action{}, errors.New("call one tool, or answer the user in plain text; the reply did neither")
	}
	return ots.Action{Answer: answer}, nil
}

func readReact(r sdk.Reply) (ots.Action, error) {
	if strings.TrimSpace(r.Content) == "" && strings.TrimSpace(r.Refusal) != "" {
		return ots.Action{Answer: strings.TrimSpace(r.Refusal)}, nil
	}
	return ParseReact(r.Content)
}

// compact takes insignificant space out of arguments, so that the same call
// is the same bytes whichever form it came in.
func compact(arguments json.RawMessage) (json.RawMessage, error) {
	if len(bytes.TrimSpace(arguments)) == 0 {
		return json.RawMessage("{}"), nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, arguments); err != nil {
		return nil, fmt.Errorf("the arguments are not JSON: %w", err)
	}
	return b.Bytes(), nil
}

func nativeTools(tools []ots.Tool) []sdk.Tool {
	out := make([]sdk.Tool, len(tools))
	for i, t := range tools {
		parameters := t.Parameters
		if len(parameters) == 0 {
			parameters = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		out[i] = sdk.Tool{Name: t.Name, Description: t.Description, Parameters: parameters}
	}
	return out
}

// request is what the user is shown to have said.
func (t Turn) request() string {
	if t.Preface == "" {
		return t.Case.Instruction
	}
	return t.Preface + "\n\n" + t.Case.Instruction
}

// nativeConversation shows the run so far as the agent's own tool calls.
func nativeConversation(system string, t Turn) []sdk.Message {
	messages := []sdk.Message{sdk.System(strings.TrimSpace(system)), sdk.User(t.request())}
	for i, s := range t.Trajectory {
		id := fmt.Sprintf("call_%d", i+1)
		called := sdk.Assistant(s.Thought)
		called.ToolCalls = []sdk.ToolCall{{ID: id, Name: s.Action.Tool, Arguments: Arguments(s.Action)}}
		messages = append(messages, called, sdk.ToolResult(id, s.Observation))
	}
	if t.Advice != "" {
		messages = append(messages, sdk.User(t.Advice))
	}
	return messages
}

// reactConversation shows the run so far as one text (method: §3.3).
func reactConversation(system string, t Turn) []sdk.Message {
	var b strings.Builder
	b.WriteString(t.request())
	if len(t.Trajectory) > 0 {
		b.WriteString("\n\nYour steps so far:\n")
	}
	for i, s := range t.Trajectory {
		n := i + 1
		fmt.Fprintf(&b, "\nThought %d: %s\nAction %d: %s\nAction Input %d: %s\nObservation %d: %s\n",
			n, s.Thought, n, s.Action.Tool, n, Arguments(s.Action), n, s.Observation)
	}
	if t.Advice != "" {
		b.WriteString("\n\n" + t.Advice)
	}
	b.WriteString("\n\nGive your next Thought, Action and Action Input, or Thought and Final Answer.")
	return []sdk.Message{sdk.System(strings.TrimSpace(system)), sdk.User(b.String())}
}
