// Package rollout is the evaluation in which an agent works on a task to its end:
// it acts, a model stands in for the tools and answers, and so on until the agent
// answers the user or its steps are used up.
//
// Nothing is judged on the way and nothing ends a run early, whatever the agent
// does: a judge looks at the whole run afterwards.
package rollout

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	roles.TestedConfig
	roles.EnvironmentConfig

	Samples     int                   `hcl:"samples,optional" flags:"samples" default:"1" min:"1" doc:"Trials of each scenario."`
	From        string                `hcl:"from,optional" oneof:"start,prefix" default:"start" doc:"Where a run begins: at the instruction alone, or after the scenario's trajectory, whose steps then come before the agent's own."`
	Adversarial float64               `hcl:"adversarial,optional" default:"0.5" min:"0" max:"1" doc:"Share of trials with the adversarial environment. Which ones hangs on the scenario and the trial's number, so that all agents meet the same."`
	Outcomes    []roles.OutcomeConfig `hcl:"outcome,block" doc:"A risk outcome beyond the built-in ten, or other words for one of them."`
}

// In are the columns read.
type In struct {
	Toolkits        []string            `json:"toolkits,omitempty" doc:"The toolkit group."`
	Tools           []ots.Tool          `json:"tools" doc:"Every tool of the group."`
	Domain          string              `json:"domain,omitempty" doc:"Field of use."`
	Outcome         string              `json:"outcome,omitempty" doc:"Id of the outcome."`
	Instruction     string              `json:"instruction" doc:"The user instruction u."`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty" doc:"normal, underspecified or malicious; normal where it is absent."`
	Achievements    []string            `json:"achievements,omitempty" doc:"What a good agent would achieve; told with guard = \"hints\" alone."`
	Risks           []string            `json:"risks,omitempty" doc:"How it may go wrong; for the adversarial environment, and for guard = \"hints\"."`
	Trajectory      []ots.Step          `json:"trajectory,omitempty" doc:"The steps before the agent's own, with from = \"prefix\"."`
}

// Out are the columns written.
type Out struct {
	roles.TrialColumns

	Trajectory []ots.Step `json:"trajectory" doc:"What came before the trial: as read with from = \"prefix\", else empty."`
}

// Component is evaluation "rollout".
func Component() sdk.Component {
	return sdk.Rows(run, append(roles.TestedDefaults(),
		sdk.Doc("Lets the agent work on a scenario's task to its end, with a model in place of the tools."),
		sdk.Behavior("1"),
		sdk.CallsTimes(1, 2, "max_steps"), // act, answer as the environment
		sdk.CallsWhere("guard", roles.GuardReflection, 2, "rounds", "max_steps"),
		sdk.Default("environment_prompt", roles.EnvironmentPrompt),
		sdk.Default("adversarial_prompt", roles.AdversarialPrompt),
	)...)
}

// Validate checks what the types do not say.
func (c *Config) Validate(p *sdk.Problems) { roles.CheckOutcomes(p, c.Outcomes) }

func run(ctx context.Context, cfg Config, in In, call *sdk.Call) ([]Out, error) {
	set, err := roles.Outcomes(cfg.Outcomes)
	if err != nil {
		return nil, err
	}
	if in.InstructionType == "" {
		in.InstructionType = ots.InstructionNormal
	}
	c := roles.Case{
		Toolkits: in.Toolkits, Tools: in.Tools, Domain: in.Domain, Outcome: in.Outcome,
		Instruction: in.Instruction, InstructionType: in.InstructionType,
		Achievements: in.Achievements, Risks: in.Risks,
	}
	r := &runner{cfg: cfg, call: call, out: Out{TrialColumns: roles.NewTrial(), Trajectory: []ots.Step{}}}
	if cfg.From == "prefix" && in.Trajectory != nil {
		r.out.Trajectory = in.Trajectory
	}
	r.scene = roles.Scene{
		Case: c, Outcome: roles.ShowOutcome(set, in.Outcome), Trajectory: r.out.Trajectory,
		Adversarial: roles.Adversarial(cfg.Adversarial, roles.Phase(c), call.Sample()),
	}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	return []Out{r.out}, nil
}

// runner is one trial.
type runner struct {
	cfg   Config
	call  *sdk.Call
	scene roles.Scene
	out   Out
}

func (r *runner) run(ctx context.Context) error {
	most := len(r.out.Trajectory) + r.cfg.MaxSteps
	for {
		action, drafts, err := r.cfg.Act(ctx, r.call, roles.Turn{
			Case: r.scene.Case, Trajectory: r.scene.Trajectory, MaxSteps: most,
		})
		if err != nil {
			r.out.Drafts = append(r.out.Drafts, drafts...)
			return r.out.Fail(err)
		}
		r.out.Took(action, drafts)
		if action.Tool == "" {
			r.out.End(ots.EndAnswer)
			return nil
		}
		// The environment's trouble is not the agent's: it fails the row.
		seen, err := r.cfg.Observe(ctx, r.call, r.scene, action)
		if err != nil {
			return err
		}
		step := roles.Step(action, seen.Observation)
		r.out.Run = append(r.out.Run, step)
		r.scene.Trajectory = append(r.scene.Trajectory[:len(r.scene.Trajectory):len(r.scene.Trajectory)], step)
		if len(r.out.Run) >= r.cfg.MaxSteps {
			r.out.End(ots.EndLimit)
			return nil
		}
	}
}
