// Package terminal measures agents at real work in a terminal: evaluation
// "terminal" lets an agent act in a sandboxed shell and decides by the state that
// it leaves behind, and threat_source "terminal_tasks" has tasks for it.
//
// The shell is that of package plugins/builtin/terminal/shell: a process of its
// own over a file system in memory, with no way to the computer that it runs on. So
// commands have their effects, the same ones each time, and harm nobody. What a
// trial is held to is plugins/builtin/internal/checks.
//
// A task is a file in tasks/, in the format that docs/tasks.md describes. The
// reference solutions in it are for tests and for the offline model.
package terminal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/autosafe/autosafe/plugins/builtin/internal/checks"
	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	roles.TestedConfig

	Samples        int  `hcl:"samples,optional" flags:"samples" default:"5" min:"1" doc:"Trials of each scenario."`
	OneStep        bool `hcl:"one_step,optional" default:"false" doc:"Whether a trial is the next action alone (the paper's protocol): it is carried out, and the state checked."`
	TimeoutSeconds int  `hcl:"timeout_seconds,optional" default:"20" min:"1" max:"600" doc:"How long one command may run."`
	OutputBytes    int  `hcl:"output_bytes,optional" default:"16384" min:"256" max:"1048576" doc:"How much of a command's output the agent sees."`
	DiskBytes      int  `hcl:"disk_bytes,optional" default:"67108864" min:"1048576" max:"1073741824" doc:"How much all files of a trial may hold."`
}

// In are the columns read.
type In struct {
	Domain          string              `json:"domain,omitempty" doc:"Field of use."`
	Outcome         string              `json:"outcome,omitempty" doc:"Id of the outcome."`
	Instruction     string              `json:"instruction" doc:"The user instruction u."`
	InstructionType ots.InstructionType `json:"instruction_type,omitempty" doc:"normal, underspecified or malicious."`
	Achievements    []string            `json:"achievements,omitempty" doc:"What a good agent would achieve; told with guard = \"hints\" alone."`
	Risks           []string            `json:"risks,omitempty" doc:"How it may go wrong; told with guard = \"hints\" alone."`
	Trajectory      []ots.Step          `json:"trajectory,omitempty" doc:"Steps before the agent's own: commands of the terminal, which are carried out again; what they print now stands in place of what is recorded."`
	Fixture         json.RawMessage     `json:"fixture,omitempty" doc:"The computer that the trial begins on: user, sudo, hostname, files, users, processes, units, urls, env."`
	Checks          json.RawMessage     `json:"checks,omitempty" doc:"What decides about the trial (docs/tasks.md). Without any, judges do."`
	Solutions       *Solutions          `json:"solutions,omitempty" doc:"Reference solutions. No model is told, save for the offline one, which would otherwise know no commands."`
}

// Out are the columns written.
type Out struct {
	roles.TrialColumns
	State StateColumn `json:"state" doc:"What the agent left behind: paths created, changed and removed (200 of each at most), commands that were not found, attempts to reach other computers, and why the terminal ended, if it did."`
}

// Component is evaluation "terminal".
func Component() sdk.Component {
	pool := shell.NewPool(idleSandboxes)
	room := make(chan struct{}, sandboxes())
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	try := func(ctx context.Context, cfg Config, in In, call *sdk.Call) ([]Out, error) {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return run(ctx, pool, turns, cfg, in, call)
	}
	return sdk.Rows(try, append(roles.TestedDefaults(),
		sdk.Doc("Lets the agent work in a real shell, in a sandbox with no network and a file system of its own, and decides by the scenario's checks on the state that it leaves behind."),
		sdk.Behavior("1"),
		sdk.CallsTimes(1, 1, "max_steps"),
		sdk.CallsWhere("guard", roles.GuardReflection, 2, "rounds", "max_steps"), // look at it and act again
	)...)
}

// sandboxes is how many trials have a sandbox at a time. Most wait for a model, but
// each is a process with tens of megabytes.
func sandboxes() int { return min(max(16*runtime.NumCPU(), 32), 256) }

// idleSandboxes is how many processes of trials that are over wait for others.
const idleSandboxes = 4

// terminal is a session and what is remembered of it.
type terminal struct {
	session *shell.Session
	// turns has room for as many commands as there are processors. With more at a
	// time, a command's limits of time would depend on what the others do, and so
	// would what it prints.
	turns  chan struct{}
	limit  int
	before shell.State
	closed string // why the session is over; "" while it is not
}

func run(ctx context.Context, pool *shell.Pool, turns chan struct{}, cfg Config, in In, call *sdk.Call) ([]Out, error) {
	fixture, err := parseFixture(in.Fixture)
	if err != nil {
		return nil, sdk.Fail("bad_row", err.Error())
	}
	set, err := checks.Parse(in.Checks)
	if err != nil {
		return nil, sdk.Fail("bad_row", err.Error())
	}
	limits := shell.DefaultLimits()
	limits.Command = time.Duration(cfg.TimeoutSeconds) * time.Second
	limits.Session = time.Duration(cfg.MaxSteps+len(in.Trajectory)+1) * limits.Command
	limits.Output, limits.Bytes = cfg.OutputBytes, int64(cfg.DiskBytes)
	session, err := pool.Start(ctx, fixture.options(limits))
	if err != nil {
		return nil, broken(ctx, "does not start", err)
	}
	defer func() { _ = session.Close() }()
	t := &terminal{session: session, turns: turns, limit: cfg.OutputBytes}
	prefix, err := t.replay(ctx, in.Trajectory)
	if err != nil {
		return nil, err
	}
	out := Out{TrialColumns: roles.NewTrial()}
	if err := t.trial(ctx, cfg, in, prefix, call, &out); err != nil {
		return nil, err
	}
	after, err := session.State(ctx)
	if err != nil {
		return nil, broken(ctx, "does not tell its state", err)
	}
	out.State = stateColumn(t.before, after, t.closed)
	answer := ""
	if out.Action != nil {
		answer = out.Action.Answer
	}
	decided := set.Decide(checks.Transcript{Prefix: prefix, Steps: out.Run, Answer: answer, State: checkState(t.before, after)})
	decided.Into(&out.Trial)
	return []Out{out}, nil
}

// replay carries out the steps that are given, for real, and remembers the state
// that they lead to: the agent answers for nothing before it.
func (t *terminal) replay(ctx context.Context, given []ots.Step) ([]ots.Step, error) {
	var prefix []ots.Step
	for i, s := range given {
		command, err := commandOf(s.Action)
		if err == nil && t.closed != "" {
			err = fmt.Errorf("the terminal was closed before it: %s", t.closed)
		}
		if err != nil {
			return nil, sdk.Fail("bad_row", fmt.Sprintf("trajectory[%d]: %s", i, err))
		}
		if s.Observation, err = t.execute(ctx, command); err != nil {
			return nil, err
		}
		prefix = append(prefix, s)
	}
	var err error
	t.before, err = t.session.State(ctx)
	if err != nil {
		return nil, broken(ctx, "does not tell its state", err)
	}
	return prefix, nil
}

// trial lets the agent act until it answers, its steps are used up, its reply
// cannot be used, or the terminal is gone.
func (t *terminal) trial(ctx context.Context, cfg Config, in In, prefix []ots.Step, call *sdk.Call, out *Out) error {
	limit := cfg.MaxSteps
	if cfg.OneStep {
		limit = 1
	}
	trajectory := prefix
	for range limit {
		action, drafts, err := cfg.Act(ctx, call, roles.Turn{
			Trajectory: trajectory, Solutions: in.Solutions.facts(len(prefix)),
			Case: roles.Case{
				Toolkits: []string{Toolkit}, Tools: Tools(), Domain: in.Domain, Outcome: in.Outcome,
				Instruction: in.Instruction, InstructionType: in.InstructionType,
				Achievements: in.Achievements, Risks: in.Risks,
			},
		})
		if err != nil {
			out.Drafts = append(out.Drafts, drafts...)
			return out.Fail(err)
		}
		out.Took(action, drafts)
		if action.Tool == "" {
			out.End(ots.EndAnswer)
			return nil
		}
		command, err := commandOf(action)
		if err != nil {
			return err // Act has held the arguments to the tool's schema
		}
		observation, err := t.execute(ctx, command)
		if err != nil {
			return err
		}
		step := roles.Step(action, observation)
		out.Run = append(out.Run, step)
		trajectory = append(trajectory[:len(trajectory):len(trajectory)], step)
		if t.closed != "" {
			break
		}
	}
	out.End(ots.EndLimit)
	if cfg.OneStep {
		out.End(ots.EndAction)
	}
	return nil
}

// execute runs a command and gives what a terminal would show.
func (t *terminal) execute(ctx context.Context, command string) (string, error) {
	select {
	case t.turns <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	r, err := t.session.Run(ctx, command)
	<-t.turns
	if errors.Is(err, shell.ErrOver) {
		t.closed = "the session is over"
		return "[the terminal was closed]", nil
	}
	if err != nil {
		return "", broken(ctx, "does not answer", err)
	}
	var b strings.Builder
	b.WriteString(r.Output)
	note := func(format string, args ...any) {
		if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "["+format+"]", args...)
	}
	if r.Truncated {
		note("the output was cut at %d bytes", t.limit)
	}
	if r.Ended != "" {
		note("the command was stopped: %s", r.Ended)
	}
	note("exit status %d", r.ExitCode)
	if t.session.Over() {
		t.closed = cmp.Or(r.Ended, "the session is over")
		note("the terminal was closed")
	}
	return b.String(), nil
}

// broken is the failure of a row whose sandbox failed it: no fault of the agent's, and
// another time it may work.
func broken(ctx context.Context, how string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &sdk.Error{Code: "sandbox", Summary: "the sandbox " + how, Detail: err.Error(), Transient: true}
}

// commandOf is the command line of a call of the terminal.
func commandOf(a ots.Action) (string, error) {
	var arguments struct {
		Command *string `json:"command"`
	}
	if a.Tool != Tool {
		return "", fmt.Errorf("a call of %q cannot be carried out; %s can", a.Tool, Tool)
	}
	if err := json.Unmarshal(a.Arguments, &arguments); err != nil || arguments.Command == nil {
		return "", errors.New(`its arguments must be {"command": "..."}`)
	}
	return *arguments.Command, nil
}

// facts are the solutions as the offline model takes them.
func (s *Solutions) facts(given int) *roles.Solutions {
	if s == nil || s.Safe == nil && s.Unsafe == nil {
		return nil
	}
	as := func(x *Solution) *roles.Solution {
		if x == nil {
			return nil
		}
		return &roles.Solution{Tool: Tool, Argument: "command", Texts: x.Commands, Answer: x.Answer}
	}
	return &roles.Solutions{Given: given, Safe: as(s.Safe), Unsafe: as(s.Unsafe)}
}
