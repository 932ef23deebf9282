// Package ots holds the OTS threat model (Outcome, Trigger, Scenario; arXiv
// 2505.17735 §2) as Go types: the standard columns of a row, the ten built-in
// risk outcomes, the six scenario classes, and the checks that hold between
// them. JSON Schemas and column types are made from these structs.
//
// It is not for generating or judging anything, and does no input or output.
package ots

import "encoding/json"

// Row holds the standard columns. Rows travel as JSON objects; a component
// reads and writes some of these columns and may add its own.
type Row struct {
	ID string `json:"id" doc:"Stable identity: a content digest for a source row, the parent's id and an index for its descendants."`

	Kind            Kind            `json:"kind,omitempty" doc:"scenario: the run met an unsafe action; ordinary: it ended clean and serves the utility mix."`
	Source          Source          `json:"source,omitempty" doc:"Where the risk comes from: instruction, context or action."`
	InstructionType InstructionType `json:"instruction_type,omitempty" doc:"normal, underspecified or malicious."`
	ContextType     ContextType     `json:"context_type,omitempty" doc:"normal, or malicious where an observation carries attacker content."`
	ScenarioClass   ScenarioClass   `json:"scenario_class,omitempty" doc:"Instruction type and context type, as N-N to M-M."`
	Domain          string          `json:"domain,omitempty" doc:"Field of use, such as finance."`
	Toolkits        []string        `json:"toolkits,omitempty" doc:"The toolkit group: the primary toolkit, then the auxiliary ones."`
	Tools           []Tool          `json:"tools,omitempty" doc:"Every tool of the group."`
	Outcome         string          `json:"outcome,omitempty" doc:"Id of the risk outcome O that the scenario was made for."`

	Instruction  string   `json:"instruction,omitempty" doc:"The user instruction u."`
	Achievements []string `json:"achievements,omitempty" doc:"What a good agent would achieve; the agent never sees them."`
	Risks        []string `json:"risks,omitempty" doc:"How it may go wrong; the agent and the reflector never see them."`

	Trajectory     []Step   `json:"trajectory,omitempty" doc:"The history before the trigger: agent steps and what the environment answered."`
	Trigger        *Action  `json:"trigger,omitempty" doc:"The unsafe action T; null in an ordinary row."`
	TriggerVerdict *Verdict `json:"trigger_verdict,omitempty" doc:"Why the trigger is unsafe."`

	Attempts    []Attempt `json:"attempts,omitempty" doc:"Every action tried in the trigger's place, in order."`
	SafeAction  *Action   `json:"safe_action,omitempty" doc:"The first safe action; in an ordinary row the action that ended the run."`
	SafeVerdict *Verdict  `json:"safe_verdict,omitempty" doc:"The verdict on safe_action."`

	Origin *Origin `json:"origin,omitempty" doc:"Where the row came from."`
}

// Kind tells risk scenarios from ordinary runs.
type Kind string

// The kinds of row that a trajectory yields (method: Algorithm 1).
const (
	KindScenario Kind = "scenario"
	KindOrdinary Kind = "ordinary"
)

// Source is the origin of the risk.
type Source string

// The three risk sources.
const (
	SourceInstruction Source = "instruction"
	SourceContext     Source = "context"
	SourceAction      Source = "action"
)

// InstructionType is the type of the user instruction u.
type InstructionType string

// The instruction types.
const (
	InstructionNormal         InstructionType = "normal"
	InstructionUnderspecified InstructionType = "underspecified"
	InstructionMalicious      InstructionType = "malicious"
)

// ContextType is the type of the history τ.
type ContextType string

// The context types.
const (
	ContextNormal    ContextType = "normal"
	ContextMalicious ContextType = "malicious"
)

// ScenarioClass is an instruction type and a context type: "N-N" to "M-M".
type ScenarioClass string

// Label is a judge's decision about an action.
type Label string

// The labels. Invalid is for a reply that could not be read; it never counts
// as safe.
const (
	Safe    Label = "safe"
	Unsafe  Label = "unsafe"
	Invalid Label = "invalid"
)

// Step is one turn of a trajectory.
type Step struct {
	Thought     string `json:"thought" doc:"The agent's reasoning before the action."`
	Action      Action `json:"action"`
	Observation string `json:"observation" doc:"What the environment answered, as the agent saw it."`
}

// Action is a tool call, or an answer to the user that ends the run.
// Exactly one of Tool and Answer is set.
type Action struct {
	Thought   string          `json:"thought,omitempty" doc:"The reasoning before the action, where it is not part of a step."`
	Tool      string          `json:"tool" doc:"Full name of the tool called; empty for an answer to the user."`
	Arguments json.RawMessage `json:"arguments,omitempty" doc:"The call's arguments, an object that fits the tool's parameters."`
	Answer    string          `json:"answer,omitempty" doc:"The text given to the user, where no tool is called."`
}

// Verdict is a judge's decision with everything it rests on.
type Verdict struct {
	Label   Label  `json:"label" doc:"safe, unsafe, or invalid where the reply could not be read."`
	Outcome string `json:"outcome" doc:"Id of the outcome that the action would bring about; empty when safe."`
	Reason  string `json:"reason" doc:"The judge's reasoning."`
	Raw     string `json:"raw,omitempty" doc:"The judge's reply as it came."`
}

// Attempt is one round of the reflection loop (method: Algorithm 2).
type Attempt struct {
	Action     Action  `json:"action"`
	Verdict    Verdict `json:"verdict"`
	Reflection string  `json:"reflection,omitempty" doc:"What the reflector said after an unsafe attempt."`
}

// Tool is one function that the agent may call.
type Tool struct {
	Toolkit     string          `json:"toolkit" doc:"The toolkit it belongs to."`
	Name        string          `json:"name" doc:"Full name, toolkit first, as an agent calls it: TodoistDeleteTask."`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters" doc:"JSON Schema of the arguments, of type object."`
	Returns     []Field         `json:"returns,omitempty" doc:"What a successful call gives back."`
	Exceptions  []Exception     `json:"exceptions,omitempty" doc:"The errors that the tool declares."`
}

// Field is one value in a tool's result.
type Field struct {
	Name        string `json:"name"`
	Type        string `json:"type" doc:"string, integer, number, boolean, array or object."`
	Description string `json:"description"`
}

// Exception is an error that a tool declares.
type Exception struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Origin says where a row came from.
type Origin struct {
	Source   string `json:"source" doc:"The component that made the row."`
	File     string `json:"file,omitempty" doc:"The file it was read from, relative to the recipe."`
	Index    int64  `json:"index" doc:"Position in that source."`
	Licence  string `json:"licence,omitempty"`
	EvalOnly bool   `json:"eval_only,omitempty" doc:"Must not be trained on."`
}
