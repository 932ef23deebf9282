package terminal

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

//go:embed tasks/*.txtar
var own embed.FS // the embedded tasks; never changed

// SourceName is the name of the threat source, and the source in its rows' origin.
const SourceName = "terminal_tasks"

// licence is that of the embedded tasks: the project's own.
const licence = "Apache-2.0"

// extension is that of a task's file.
const extension = ".txtar"

// SourceConfig is the body of the threat source's block.
type SourceConfig struct {
	Set      string    `hcl:"set,optional" oneof:"all,core,extra" default:"all" doc:"core: 32 cases, as many as the paper kept. extra: the others, with the benign twins. all: both."`
	Twins    bool      `hcl:"twins,optional" default:"true" doc:"Whether the benign twins of cases take part: tasks like theirs with which nothing is wrong."`
	Domains  []string  `hcl:"domains,optional" doc:"Only tasks of these domains."`
	Outcomes []string  `hcl:"outcomes,optional" doc:"Only tasks with these outcomes; twins have that of their case."`
	Tasks    []string  `hcl:"tasks,optional" doc:"Only the tasks of these names."`
	Path     sdk.Files `hcl:"path,optional" doc:"Tasks of your own in place of the built-in ones: a file of the format that docs/tasks.md describes, a folder of such, or a glob."`
	Limit    *int      `hcl:"limit,optional" min:"1" doc:"Emit at most this many tasks, the first ones."`
}

// SourceRow is a task as a scenario.
type SourceRow struct {
	Task            string              `json:"task" doc:"Name of the task."`
	Title           string              `json:"title" doc:"What the task is about, in a line."`
	Set             string              `json:"set" doc:"core or extra."`
	TwinOf          string              `json:"twin_of" doc:"The task whose benign twin this is; empty for others."`
	Expect          ots.Expect          `json:"expect" doc:"safe: whatever is done must be safe. help: nothing is wrong with the task. refuse: it is to be declined."`
	Source          ots.Source          `json:"source" doc:"Where the risk comes from: instruction, context or action."`
	InstructionType ots.InstructionType `json:"instruction_type" doc:"normal, underspecified or malicious."`
	ContextType     ots.ContextType     `json:"context_type" doc:"malicious where something that the agent comes to read carries attacker content."`
	ScenarioClass   ots.ScenarioClass   `json:"scenario_class" doc:"Instruction type and context type, as N-N to M-M."`
	Domain          string              `json:"domain" doc:"Field of use."`
	Toolkits        []string            `json:"toolkits" doc:"The terminal."`
	Tools           []ots.Tool          `json:"tools" doc:"The terminal's one tool."`
	Outcome         string              `json:"outcome" doc:"Id of the risk outcome."`
	Instruction     string              `json:"instruction" doc:"The user instruction."`
	Achievements    []string            `json:"achievements" doc:"What a good agent would achieve."`
	Risks           []string            `json:"risks" doc:"How it may go wrong."`
	Trajectory      []ots.Step          `json:"trajectory" doc:"The steps before the agent's own, with what they printed."`
	Fixture         Fixture             `json:"fixture" doc:"The computer that the task begins on."`
	Checks          json.RawMessage     `json:"checks" doc:"What decides about a trial."`
	Solutions       Solutions           `json:"solutions" doc:"A safe and an unsafe reference solution. No model is told, save for the offline one."`
	Origin          ots.Origin          `json:"origin" doc:"The task's file, and its place among the files."`
}

// Source is threat_source "terminal_tasks".
func Source() sdk.Component {
	return sdk.Source(emitTasks,
		sdk.Doc("Ordinary chores in a terminal with a risk in them, each with the computer that it begins on and checks that decide by the state that it is left in: 56 cases and benign twins, or tasks of your own."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
	)
}

// Toolkit and Tool name the terminal as agents see it.
const (
	Toolkit = "Terminal"
	Tool    = "TerminalExecute"
)

// Tools are the terminal's tools: one.
func Tools() []ots.Tool {
	return []ots.Tool{{
		Toolkit: Toolkit, Name: Tool,
		Description: "Run a command line in a bash shell on the user's computer. The shell stays the same from call to call: its folder, variables and background jobs last. It returns what the command printed, standard error included, and its exit status. Nobody can type into a program that asks for input.",
		Parameters:  json.RawMessage(`{"type":"object","properties":{"command":{"type":"string","description":"The command line, or several lines."}},"required":["command"],"additionalProperties":false}`),
		Returns:     []ots.Field{{Name: "output", Type: "string", Description: "What was printed, and the exit status."}},
		Exceptions:  []ots.Exception{{Name: "TimedOut", Description: "The command ran longer than allowed and was stopped."}},
	}}
}

func emitTasks(ctx context.Context, cfg SourceConfig, emit func(SourceRow) error) error {
	tasks, err := load(cfg.Path)
	if err != nil {
		return err
	}
	known := make([]string, len(tasks))
	for i, t := range tasks {
		known[i] = t.Name
	}
	for _, name := range cfg.Tasks {
		if !slices.Contains(known, name) {
			return fmt.Errorf("tasks: there is no task %q.%s", name, toolkit.DidYouMean(name, known))
		}
	}
	emitted := 0
	for i, t := range tasks {
		if !cfg.keeps(t) {
			continue
		}
		if cfg.Limit != nil && emitted == *cfg.Limit {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(t.row(i)); err != nil {
			return err
		}
		emitted++
	}
	return nil
}

func (c SourceConfig) keeps(t Task) bool {
	among := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	return (c.Set == "all" || c.Set == t.Set) && (c.Twins || t.TwinOf == "") &&
		among(c.Domains, t.Domain) && among(c.Outcomes, t.Outcome) && among(c.Tasks, t.Name)
}

// load reads the built-in tasks, or the user's.
func load(files sdk.Files) ([]Task, error) {
	if len(files) == 0 {
		return Builtin()
	}
	list, err := toolkit.Expand(files)
	if err != nil {
		return nil, err
	}
	var out []Task
	for _, f := range list {
		if len(list) > 1 && path.Ext(f.Name) != extension {
			continue
		}
		text, err := os.ReadFile(f.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, toolkit.Cause(err))
		}
		t, err := ParseTask(f.Name, string(text))
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(out, func(o Task) bool { return o.Name == t.Name }); i >= 0 {
			return nil, fmt.Errorf("%s: another file has the name %q too; rename one of them", f.Name, t.Name)
		}
		t.file, t.licence = f.Name, ""
		out = append(out, t)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("path: no tasks were found; files that end in %s are, see docs/tasks.md", extension)
	}
	return out, join(out)
}

// Builtin reads the embedded tasks, in order of name.
func Builtin() ([]Task, error) {
	names, err := fs.Glob(own, "tasks/*"+extension)
	if err != nil {
		return nil, err
	}
	out := make([]Task, len(names))
	for i, name := range names {
		text, err := own.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if out[i], err = ParseTask(path.Base(name), string(text)); err != nil {
			return nil, err
		}
		out[i].file, out[i].licence = SourceName+"/"+path.Base(name), licence
	}
	return out, join(out)
}

func (t Task) row(index int) SourceRow {
	row := SourceRow{
		Task: t.Name, Title: t.Title, Set: t.Set, TwinOf: t.TwinOf, Expect: t.Expect,
		Source: ots.RiskSource(t.InstructionType, t.ContextType), InstructionType: t.InstructionType,
		ContextType: t.ContextType, ScenarioClass: ots.Class(t.InstructionType, t.ContextType),
		Domain: t.Domain, Toolkits: []string{Toolkit}, Tools: Tools(), Outcome: t.Outcome, Instruction: t.Instruction,
		Achievements: t.Achievements, Risks: t.Risks, Trajectory: []ots.Step{}, Fixture: t.Fixture, Checks: t.Checks,
		Solutions: t.Solutions,
		Origin:    ots.Origin{Source: SourceName, File: t.file, Index: int64(index), Licence: t.licence},
	}
	if row.Risks == nil {
		row.Risks = []string{}
	}
	for _, turn := range t.prefix.turns {
		a := ots.Action{Thought: turn.thought, Tool: Tool, Arguments: arguments(turn.command)}
		row.Trajectory = append(row.Trajectory, roles.Step(a, turn.output))
	}
	return row
}

// arguments are those of a call of the terminal.
func arguments(command string) json.RawMessage {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]string{"command": command}); err != nil {
		return json.RawMessage(`{}`) // texts always encode
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
}
