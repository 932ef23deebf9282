// Package retry is the reflector that looks for a safe action in the
// trigger's place (Algorithm 2, paper §3.2; method 3.1). It follows the
// paper's text, not its printed algorithm, which stores unsafe actions and
// does not feed the reflection back.
//
// In each round the agent proposes an action for the step at hand and the
// judge looks at it. A safe one is kept. After an unsafe one the reflector
// says why and how to do better, and the agent tries again with that advice.
//
// Who sees what: the judge sees the risks. The reflector sees the
// achievements, but neither the risks nor the judge's words, which may tell
// them. The agent sees neither risks nor achievements nor the outcome.
//
// It repairs one action and does not run on after it.
package retry

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

//go:embed prompts/reflection.tmpl
var reflectionPrompt string

//go:embed prompts/advice.tmpl
var advicePrompt string

//go:embed prompts/useful.tmpl
var usefulPrompt string

// Config is the block's configuration.
type Config struct {
	roles.AgentConfig
	roles.JudgeConfig

	Reflector    sdk.Model                    `hcl:"reflector,optional" doc:"The model that reflects (M_r); by default the judge's."`
	Rounds       int                          `hcl:"rounds,optional" default:"10" min:"1" doc:"The most attempts at a row (N_r); a row without a safe action after them is dropped as unsolved."`
	Memory       string                       `hcl:"memory,optional" oneof:"latest,all" default:"latest" doc:"Which reflections the agent sees: the latest one, or all so far."`
	Require      string                       `hcl:"require,optional" oneof:"safe,useful" default:"safe" doc:"What ends the search: a safe action, or one that is also useful to the user, so that stopping is not always best."`
	MaxSteps     int                          `hcl:"max_steps,optional" default:"15" min:"1" doc:"The most actions that the agent is told it has, as in the simulator."`
	IgnoreSafety bool                         `hcl:"ignore_safety,optional" default:"false" doc:"Whether the agent is told to pursue the task without regard to safety, as in the simulator."`
	Prompt       sdk.Template[ReflectionVars] `hcl:"prompt,optional" doc:"The reflector's prompt. A line ---user--- parts the system message from the user message."`
	AdvicePrompt sdk.Template[AdviceVars]     `hcl:"advice_prompt,optional" doc:"The message that gives the agent the reflections and asks it to try again."`
	UsefulPrompt sdk.Template[ReflectionVars] `hcl:"useful_prompt,optional" doc:"With require = \"useful\": the prompt that asks the judge's model whether a safe action is useful."`
}

// ReflectionVars are the variables of prompt and useful_prompt. The risks
// and the verdict are not among them.
type ReflectionVars struct {
	Instruction     string             `json:"instruction" doc:"The user's instruction."`
	InstructionType string             `json:"instruction_type" doc:"normal, underspecified or malicious; may be empty."`
	Domain          string             `json:"domain" doc:"Field of use; may be empty."`
	Achievements    []string           `json:"achievements" doc:"What a good agent would achieve."`
	Tools           []ots.Tool         `json:"tools" doc:"The agent's tools."`
	Trajectory      []roles.PromptStep `json:"trajectory" doc:"The steps before the action."`
	Action          roles.PromptAction `json:"action" doc:"The action in question."`
	Round           int                `json:"round" doc:"Number of the attempt, from 1."`
}

// AdviceVars are the variables of advice_prompt.
type AdviceVars struct {
	Instruction string   `json:"instruction" doc:"The user's instruction."`
	Reflections []string `json:"reflections" doc:"The reflections to show, the latest last."`
	Attempt     int      `json:"attempt" doc:"Number of the attempt that is asked for, from 2."`
}

// In are the columns read.
type In struct {
	Kind            ots.Kind            `json:"kind,omitempty" doc:"An ordinary row passes through as it is."`
	Toolkits        []string            `json:"toolkits,omitempty" doc:"The toolkit group."`
	Tools           []ots.Tool          `json:"tools" doc:"Every tool of the group."`
	Domain          string              `json:"domain,omitempty" doc:"Field of use."`
	Outcome         string              `json:"outcome,omitempty" doc:"Id of the outcome."`
	Instruction     string              `json:"instruction" doc:"The user instruction u."`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty" doc:"normal, underspecified or malicious."`
	Achievements    []string            `json:"achievements,omitempty" doc:"What a good agent would achieve; for the reflector."`
	Risks           []string            `json:"risks,omitempty" doc:"How it may go wrong; for the judge."`
	Trajectory      []ots.Step          `json:"trajectory" doc:"The steps before the action to repair."`
	Attempts        []ots.Attempt       `json:"attempts,omitempty" doc:"Of an ordinary row: kept."`
	SafeAction      *ots.Action         `json:"safe_action" doc:"Of an ordinary row: kept."`
	SafeVerdict     *ots.Verdict        `json:"safe_verdict" doc:"Of an ordinary row: kept."`
}

// Out are the columns written.
type Out struct {
	Attempts    []ots.Attempt `json:"attempts" doc:"Every action tried, in order; the last one is the safe action."`
	SafeAction  *ots.Action   `json:"safe_action" doc:"The first safe action (with require = \"useful\", the first safe and useful one)."`
	SafeVerdict *ots.Verdict  `json:"safe_verdict" doc:"The verdict on safe_action."`
}

// Unsolved is the reason under which a row without a safe action is dropped.
const Unsolved = "unsolved"

// Component is reflector "retry".
func Component() sdk.Component {
	return sdk.Rows(run,
		sdk.Doc("Lets the agent try again with reflections until the judge finds its action safe, and keeps every attempt (Algorithm 2 as its text says). Ordinary rows pass through."),
		sdk.Behavior("1"),
		sdk.CallsTimes(0, 3, "rounds"), // act, judge, and reflect or ask whether it is useful
		sdk.Default("agent_prompt", roles.AgentPrompt),
		sdk.Default("judge_prompt", roles.JudgePrompt),
		sdk.Default("prompt", reflectionPrompt),
		sdk.Default("advice_prompt", advicePrompt),
		sdk.Default("useful_prompt", usefulPrompt),
	)
}

// Validate checks what the types do not say.
func (c *Config) Validate(p *sdk.Problems) { roles.CheckOutcomes(p, c.Outcomes) }

func run(ctx context.Context, cfg Config, in In, call *sdk.Call) ([]Out, error) {
	if in.Kind == ots.KindOrdinary {
		out := Out{Attempts: in.Attempts, SafeAction: in.SafeAction, SafeVerdict: in.SafeVerdict}
		if out.Attempts == nil {
			out.Attempts = []ots.Attempt{}
		}
		return []Out{out}, nil
	}
	s := &search{cfg: cfg, call: call, trajectory: in.Trajectory, in: roles.Case{
		Toolkits: in.Toolkits, Tools: in.Tools, Domain: in.Domain, Outcome: in.Outcome,
		Instruction: in.Instruction, InstructionType: in.InstructionType,
		Achievements: in.Achievements, Risks: in.Risks,
	}}
	return s.run(ctx)
}

// search is one run of Algorithm 2.
type search struct {
	cfg        Config
	call       *sdk.Call
	in         roles.Case
	trajectory []ots.Step

	attempts    []ots.Attempt
	reflections []string
}

func (s *search) run(ctx context.Context) ([]Out, error) {
	for round := range s.cfg.Rounds {
		action, err := s.act(ctx, round)
		if err != nil {
			return nil, err
		}
		verdict, err := s.cfg.Verdict(ctx, s.call, s.in, s.trajectory, action)
		if err != nil {
			return nil, err
		}
		attempt := ots.Attempt{Action: action, Verdict: verdict}
		done := false
		switch {
		case verdict.Label != ots.Safe:
			// A reflection after the last round would be read by nobody, but
			// the attempt is dropped with its row, so it is not bought.
			if round+1 < s.cfg.Rounds {
				attempt.Reflection, err = s.reflect(ctx, action, round)
			}
		case s.cfg.Require == "useful":
			done, attempt.Reflection, err = s.useful(ctx, action, round)
		default:
			done = true
		}
		if err != nil {
			return nil, err
		}
		s.attempts = append(s.attempts, attempt)
		if done {
			return []Out{{Attempts: s.attempts, SafeAction: &action, SafeVerdict: &verdict}}, nil
		}
		s.reflections = append(s.reflections, attempt.Reflection)
	}
	return nil, sdk.Drop(Unsolved)
}

// act asks for the action of a round, from 0.
func (s *search) act(ctx context.Context, round int) (ots.Action, error) {
	turn := roles.Turn{
		Case: s.in, Trajectory: s.trajectory, MaxSteps: s.cfg.MaxSteps, IgnoreSafety: s.cfg.IgnoreSafety, Round: round,
	}
	if n := len(s.reflections); n > 0 {
		shown := s.reflections
		if s.cfg.Memory == "latest" {
			shown = shown[n-1:]
		}
		advice, err := s.cfg.AdvicePrompt.Execute(AdviceVars{Instruction: s.in.Instruction, Reflections: shown, Attempt: round + 1})
		if err != nil {
			return ots.Action{}, err
		}
		turn.Advice, turn.Reflection = strings.TrimSpace(advice), shown[len(shown)-1]
	}
	return s.cfg.Act(ctx, s.call, turn)
}

// reflect asks why an unsafe action is unsafe and how to do better.
func (s *search) reflect(ctx context.Context, a ots.Action, round int) (string, error) {
	slot := s.cfg.Reflector
	if slot == "" {
		slot = s.cfg.Judge
	}
	text, err := s.cfg.Prompt.Execute(s.vars(a, round))
	if err != nil {
		return "", err
	}
	var got struct {
		Reflection string `json:"reflection"`
	}
	facts := s.facts(a, round)
	facts.Tools, facts.Outcome, facts.InstructionType = s.in.Tools, s.in.Outcome, s.in.InstructionType
	err = s.call.JSON(ctx, slot, sdk.Request{
		Purpose:    "reflector",
		Messages:   roles.Messages(text),
		SchemaName: "reflection",
		Schema:     roles.Schema("reflection", `{"type":"string"}`),
		Check: func(r sdk.Reply) error {
			if json.Unmarshal([]byte(r.Content), &got) != nil || strings.TrimSpace(got.Reflection) == "" {
				return errors.New("the reflection is empty")
			}
			return nil
		},
		Facts: facts,
	}, &got)
	return strings.TrimSpace(got.Reflection), err
}

// useful asks whether a safe action is useful as well. If it is not, the
// reason becomes the advice for the next round.
func (s *search) useful(ctx context.Context, a ots.Action, round int) (ok bool, reflection string, err error) {
	text, err := s.cfg.UsefulPrompt.Execute(s.vars(a, round))
	if err != nil {
		return false, "", err
	}
	var got struct {
		Reason string `json:"reason"`
		Useful bool   `json:"useful"`
	}
	err = s.call.JSON(ctx, s.cfg.Judge, sdk.Request{
		Purpose:    "useful",
		Messages:   roles.Messages(text),
		SchemaName: "usefulness",
		Schema:     roles.Schema("reason", `{"type":"string"}`, "useful", `{"type":"boolean"}`),
		Facts:      s.facts(a, round),
	}, &got)
	if err != nil || got.Useful {
		return got.Useful, "", err
	}
	return false, fmt.Sprintf("The action is safe but not useful to the user: %s Stay safe, and find a step that brings the user closer to what they need.",
		sentence(got.Reason)), nil
}

func (s *search) vars(a ots.Action, round int) ReflectionVars {
	return ReflectionVars{
		Instruction: s.in.Instruction, InstructionType: string(s.in.InstructionType), Domain: s.in.Domain,
		Achievements: s.in.Achievements, Tools: s.in.Tools,
		Trajectory: roles.PromptSteps(s.trajectory), Action: roles.ShowAction(a), Round: round + 1,
	}
}

func (s *search) facts(a ots.Action, round int) roles.Facts {
	return roles.Facts{
		Instruction: s.in.Instruction, Achievements: s.in.Achievements, Trajectory: s.trajectory, Action: &a, Round: round,
	}
}

// sentence makes sure that text ends like one.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return "it does not help."
	}
	if !strings.ContainsAny(text[len(text)-1:], ".!?") {
		text += "."
	}
	return text
}
