// Package tasks is the evaluation that lets an agent work on a scenario with
// tools and decides by rules: which tools were called, with what, and what was
// answered. The tools answer with the responses that the scenario brings, or, where
// it brings none that fits, by a model, or with an error.
//
// Imported benchmarks (InjecAgent, AgentDojo) are scenarios of this kind. Those
// that end in the state of a computer are for evaluation "terminal".
package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/checks"
	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	roles.TestedConfig

	Samples           int                                 `hcl:"samples,optional" flags:"samples" default:"5" min:"1" doc:"Trials of each scenario."`
	Environment       sdk.Model                           `hcl:"environment,optional" doc:"The model that stands in for the tools where the scenario has no response that fits. Without it such a call fails, and the trial says so."`
	EnvironmentPrompt sdk.Template[roles.EnvironmentVars] `hcl:"environment_prompt,optional" doc:"The environment's prompt. A line ---user--- parts the system message from the user message."`
}

// In are the columns read.
type In struct {
	Toolkits        []string            `json:"toolkits,omitempty" doc:"The toolkit group."`
	Tools           []ots.Tool          `json:"tools" doc:"The tools that the agent has."`
	Domain          string              `json:"domain,omitempty" doc:"Field of use."`
	Outcome         string              `json:"outcome,omitempty" doc:"Id of the outcome."`
	Instruction     string              `json:"instruction" doc:"The user instruction u."`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty" doc:"normal, underspecified or malicious."`
	Achievements    []string            `json:"achievements,omitempty" doc:"What a good agent would achieve; told with guard = \"hints\" alone."`
	Risks           []string            `json:"risks,omitempty" doc:"How it may go wrong; told with guard = \"hints\" alone."`
	Trajectory      []ots.Step          `json:"trajectory,omitempty" doc:"Steps before the agent's own, which it goes on from."`
	Responses       json.RawMessage     `json:"responses,omitempty" doc:"What tools answer: a list of {tool, arguments, observation}, the first that fits (docs/tasks.md)."`
	Checks          json.RawMessage     `json:"checks,omitempty" doc:"What decides about the trial (docs/tasks.md). Without any, judges do."`
}

// Component is evaluation "tasks".
func Component() sdk.Component {
	return sdk.Rows(run, append(roles.TestedDefaults(),
		sdk.Default("environment_prompt", roles.EnvironmentPrompt),
		sdk.Doc("Lets the agent work on a scenario with tools that answer as the scenario says, or as a model does, and decides by the scenario's checks on what was called and answered."),
		sdk.Behavior("1"),
		sdk.CallsTimes(1, 2, "max_steps"), // act, answer as the environment
		sdk.CallsWhere("guard", roles.GuardReflection, 2, "rounds", "max_steps"),
	)...)
}

// Failed is what an agent sees of a tool that has nothing to answer.
const Failed = `{"error": "the tool failed: it gave no answer"}`

// UnmatchedCheck names the note in a trial's checks on calls that nothing answered.
const UnmatchedCheck = "unmatched calls"

// trial is one trial under way.
type trial struct {
	cfg       Config
	call      *sdk.Call
	in        roles.Case
	outcome   roles.PromptOutcome
	responses checks.Responses
	unmatched []string // tools
	out       roles.TrialColumns
}

func run(ctx context.Context, cfg Config, in In, call *sdk.Call) ([]roles.TrialColumns, error) {
	set, err := checks.Parse(in.Checks)
	if err != nil {
		return nil, sdk.Fail("bad_row", err.Error())
	}
	if name := set.NeedsState(); name != "" {
		return nil, sdk.Fail("bad_row", fmt.Sprintf("the check %q looks at the state of a computer; here there is none, evaluation \"terminal\" has one", name))
	}
	responses, err := checks.ParseResponses(in.Responses)
	if err != nil {
		return nil, sdk.Fail("bad_row", err.Error())
	}
	outcomes, err := roles.Outcomes(nil)
	if err != nil {
		return nil, err
	}
	t := &trial{cfg: cfg, call: call, responses: responses, outcome: roles.ShowOutcome(outcomes, in.Outcome), out: roles.NewTrial(), in: roles.Case{
		Toolkits: in.Toolkits, Tools: in.Tools, Domain: in.Domain, Outcome: in.Outcome,
		Instruction: in.Instruction, InstructionType: in.InstructionType, Achievements: in.Achievements, Risks: in.Risks,
	}}
	if err := t.run(ctx, in.Trajectory); err != nil {
		return nil, err
	}
	answer := ""
	if t.out.Action != nil {
		answer = t.out.Action.Answer
	}
	decided := set.Decide(checks.Transcript{Prefix: in.Trajectory, Steps: t.out.Run, Answer: answer})
	decided.Into(&t.out.Trial)
	if n := len(t.unmatched); n > 0 {
		t.out.Trial.Checks = append(t.out.Trial.Checks, ots.Check{
			Name: UnmatchedCheck, Kind: ots.CheckReach, Passed: false,
			Detail: fmt.Sprintf("%d calls were answered by nothing: %s", n, strings.Join(slices.Compact(slices.Sorted(slices.Values(t.unmatched))), ", ")),
		})
	}
	return []roles.TrialColumns{t.out}, nil
}

// run lets the agent act until it answers, its steps are used up, or its reply
// cannot be used.
func (t *trial) run(ctx context.Context, trajectory []ots.Step) error {
	for range t.cfg.MaxSteps {
		action, drafts, err := t.cfg.Act(ctx, t.call, roles.Turn{Case: t.in, Trajectory: trajectory})
		if err != nil {
			t.out.Drafts = append(t.out.Drafts, drafts...)
			return t.out.Fail(err)
		}
		t.out.Took(action, drafts)
		if action.Tool == "" {
			t.out.End(ots.EndAnswer)
			return nil
		}
		observation, err := t.observe(ctx, trajectory, action)
		if err != nil {
			return err
		}
		step := roles.Step(action, observation)
		t.out.Run = append(t.out.Run, step)
		trajectory = append(trajectory[:len(trajectory):len(trajectory)], step)
	}
	t.out.End(ots.EndLimit)
	return nil
}

// observe is what a call returns.
func (t *trial) observe(ctx context.Context, trajectory []ots.Step, a ots.Action) (string, error) {
	if text, ok := t.responses.Find(a); ok {
		return text, nil
	}
	if t.cfg.Environment == "" {
		t.unmatched = append(t.unmatched, a.Tool)
		return Failed, nil
	}
	environment := roles.EnvironmentConfig{Environment: t.cfg.Environment, EnvironmentPrompt: t.cfg.EnvironmentPrompt}
	seen, err := environment.Observe(ctx, t.call, roles.Scene{Case: t.in, Outcome: t.outcome, Trajectory: trajectory}, a)
	return seen.Observation, err
}
