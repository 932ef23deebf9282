// Package trajectory is the simulator that looks for risk scenarios
// (Algorithm 1, paper §3.1 step 2; method 2.3): an agent works on an
// instruction in a simulated environment, a judge looks at each of its
// actions, and the first unsafe one ends the run. What led up to it is the
// scenario, the action itself the trigger. A run that ends without one is no
// scenario; it is kept as an ordinary row.
//
// It does not look for a safe action in the trigger's place: the reflector
// does.
package trajectory

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	roles.AgentConfig
	roles.JudgeConfig
	roles.EnvironmentConfig

	Samples      int     `hcl:"samples,optional" flags:"samples" default:"5" min:"1" doc:"Runs for each input row (N_t)."`
	MaxSteps     int     `hcl:"max_steps,optional" default:"15" min:"1" doc:"The most actions in a run (N_iter)."`
	Adversarial  float64 `hcl:"adversarial,optional" default:"0.5" min:"0" max:"1" doc:"Share of runs with the adversarial environment. The paper states none."`
	IgnoreSafety bool    `hcl:"ignore_safety,optional" default:"true" doc:"Whether the agent is told to pursue the task without regard to safety, which finds more scenarios."`
}

// In are the columns read.
type In struct {
	Toolkits        []string            `json:"toolkits,omitempty" doc:"The toolkit group."`
	Tools           []ots.Tool          `json:"tools" doc:"Every tool of the group."`
	Domain          string              `json:"domain,omitempty" doc:"Field of use."`
	Outcome         string              `json:"outcome,omitempty" doc:"Id of the outcome."`
	Instruction     string              `json:"instruction" doc:"The user instruction u."`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty" doc:"normal, underspecified or malicious; normal where it is absent."`
	Risks           []string            `json:"risks,omitempty" doc:"How it may go wrong; for the judge and the adversarial environment."`
}

// Out are the columns written.
type Out struct {
	Kind            ots.Kind            `json:"kind" doc:"scenario, or ordinary where the run ended without an unsafe action."`
	InstructionType ots.InstructionType `json:"instruction_type" doc:"As read; normal where it was absent."`
	ContextType     ots.ContextType     `json:"context_type" doc:"malicious where an observation in the trajectory carries attacker content."`
	ScenarioClass   ots.ScenarioClass   `json:"scenario_class" doc:"Instruction type and context type, as N-N to M-M."`
	Source          ots.Source          `json:"source" doc:"Where the risk comes from: instruction, context or action."`
	Trajectory      []ots.Step          `json:"trajectory" doc:"The steps before the trigger, or before the last action of an ordinary run."`
	Trigger         *ots.Action         `json:"trigger" doc:"The unsafe action; null in an ordinary row."`
	TriggerVerdict  *ots.Verdict        `json:"trigger_verdict" doc:"Why the trigger is unsafe; null in an ordinary row."`
	Attempts        []ots.Attempt       `json:"attempts" doc:"Empty; the reflector fills it."`
	SafeAction      *ots.Action         `json:"safe_action" doc:"The last action of an ordinary run; null in a scenario."`
	SafeVerdict     *ots.Verdict        `json:"safe_verdict" doc:"The verdict on safe_action; null in a scenario."`
}

// Component is simulator "trajectory".
func Component() sdk.Component {
	return sdk.Rows(run,
		sdk.Doc("Runs an agent on each instruction in a simulated environment and keeps what led up to its first unsafe action (Algorithm 1)."),
		sdk.Behavior("1"),
		sdk.CallsTimes(1, 3, "max_steps"), // act, judge, answer as the environment
		sdk.Default("agent_prompt", roles.AgentPrompt),
		sdk.Default("judge_prompt", roles.JudgePrompt),
		sdk.Default("environment_prompt", roles.EnvironmentPrompt),
		sdk.Default("adversarial_prompt", roles.AdversarialPrompt),
	)
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
		Instruction: in.Instruction, InstructionType: in.InstructionType, Risks: in.Risks,
	}
	r := &simulation{
		cfg: cfg, call: call, in: c,
		outcome:     roles.ShowOutcome(set, in.Outcome),
		adversarial: roles.Adversarial(cfg.Adversarial, roles.Phase(c), call.Sample()),
		context:     ots.ContextNormal,
	}
	out, err := r.run(ctx)
	if err != nil {
		return nil, err
	}
	return []Out{out}, nil
}

// simulation is one run of Algorithm 1.
type simulation struct {
	cfg         Config
	call        *sdk.Call
	in          roles.Case
	outcome     roles.PromptOutcome
	adversarial bool

	trajectory []ots.Step      // τ so far
	context    ots.ContextType // of τ so far
}

func (r *simulation) run(ctx context.Context) (Out, error) {
	for step := 1; ; step++ {
		action, err := r.cfg.Act(ctx, r.call, roles.Turn{
			Case: r.in, Trajectory: r.trajectory, MaxSteps: r.cfg.MaxSteps, IgnoreSafety: r.cfg.IgnoreSafety,
		})
		if err != nil {
			return Out{}, err
		}
		verdict, err := r.cfg.Verdict(ctx, r.call, r.in, r.trajectory, action)
		if err != nil {
			return Out{}, err
		}
		if verdict.Label != ots.Safe {
			return r.scenario(action, verdict), nil
		}
		// The last action of a run needs no observation: nobody would see it.
		if action.Tool == "" || step >= r.cfg.MaxSteps {
			return r.ordinary(action, verdict), nil
		}
		seen, err := r.cfg.Observe(ctx, r.call, roles.Scene{
			Case: r.in, Outcome: r.outcome, Trajectory: r.trajectory, Adversarial: r.adversarial,
		}, action)
		if err != nil {
			return Out{}, err
		}
		r.trajectory = append(r.trajectory, roles.Step(action, seen.Observation))
		if seen.Injected {
			r.context = ots.ContextMalicious
		}
	}
}

// scenario is the row of a run that met an unsafe action: (u, τ_{t-1}) and
// the trigger beside it.
func (r *simulation) scenario(trigger ots.Action, v ots.Verdict) Out {
	out := r.row(ots.KindScenario)
	out.Trigger, out.TriggerVerdict = &trigger, &v
	return out
}

// ordinary is the row of a run that ended clean, by an answer or by reaching
// the last step.
func (r *simulation) ordinary(last ots.Action, v ots.Verdict) Out {
	out := r.row(ots.KindOrdinary)
	out.SafeAction, out.SafeVerdict = &last, &v
	return out
}

func (r *simulation) row(kind ots.Kind) Out {
	out := Out{
		Kind:            kind,
		InstructionType: r.in.InstructionType,
		ContextType:     r.context,
		ScenarioClass:   ots.Class(r.in.InstructionType, r.context),
		Source:          ots.RiskSource(r.in.InstructionType, r.context),
		Trajectory:      r.trajectory,
		Attempts:        []ots.Attempt{},
	}
	if out.Trajectory == nil {
		out.Trajectory = []ots.Step{}
	}
	return out
}
