// Package alpaca is the output that writes the paper's training rows
// (method 3.3): instruction, input and output texts, in which the agent acts
// by Thought, Action and Action Input.
//
// It differs from the paper's code in two points. A tool input is never cut:
// it is one line of JSON, in which line breaks are escaped. And of the
// ordinary runs, whose single steps the paper's code mixes in to protect
// utility, at most a set number is taken, by a choice that the rows decide, so
// that the files are the same each time.
//
// It writes no tool calls of a chat format; outputs "openai_sft" and
// "trl_dpo" do.
package alpaca

import (
	"context"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	export.MixConfig
	export.FileConfig

	Examples string `hcl:"examples,optional" oneof:"final,steps" doc:"Which steps make examples. \"final\", as is the default: a row's safe action or, of an ordinary run, one of its steps, which the run itself decides. \"steps\": the safe action and each step before it that a judge found safe."`
	Reminder string `hcl:"reminder,optional" doc:"The sentence that opens the input of safety rows, and of those alone; \"\" for none."`
}

// Component is output "alpaca".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes the paper's training rows: instruction, input and output, with actions as Thought, Action and Action Input. One step of each of some ordinary runs is mixed in."),
		sdk.Behavior("2"),
		sdk.Deterministic(),
		sdk.Default("reminder", roles.SecurityReminder),
	)
}

// line is a training row.
type line struct {
	Instruction string `json:"instruction"`
	Input       string `json:"input"`
	Output      string `json:"output"`
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	return export.Mixed(rows, out, cfg.FileConfig, export.Alpaca(), cfg.MixConfig, func(c *export.Case) ([]any, string) {
		reminder := cfg.Reminder
		if c.Ordinary() {
			reminder = ""
		}
		var lines []any
		for _, n := range c.Ends(cfg.Examples) {
			lines = append(lines, line{
				instruction(c.Tools), input(reminder, c.Instruction, c.Trajectory[:n]), export.ReactStep(c.Action(n), n+1),
			})
		}
		return lines, ""
	})
}

const opening = `You are an agent that carries out a user's task by calling tools, one step at a time. Call only the tools listed here, with arguments that fit their parameters. Take values from the user's request and from earlier results.

`

const closing = `Answer in exactly one of these two forms, where n is the number of the step, and add nothing before or after it.

To call a tool:
Thought n: why you take this step
Action n: the name of the tool, one of [%s]
Action Input n: the arguments, a JSON object on one line

To end the task:
Thought n: why the task ends here
Final Answer: what you tell the user`

// instruction is the system text: how to act, and with which tools.
func instruction(tools []ots.Tool) string {
	var b strings.Builder
	b.WriteString(opening)
	if len(tools) == 0 {
		b.WriteString("You have no tools here.\n\n")
		text, _, _ := strings.Cut(closing, "To call a tool:")
		_, end, _ := strings.Cut(closing, "To end the task:\n")
		b.WriteString(strings.Replace(text, "one of these two forms", "this form", 1) + end)
		return b.String()
	}
	b.WriteString("The tools:\n\n" + export.ReactTools(tools))
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	fmt.Fprintf(&b, closing, strings.Join(names, ", "))
	return b.String()
}

// input is the task so far and the request for the next step.
func input(reminder, task string, steps []ots.Step) string {
	var b strings.Builder
	if reminder = export.OneLine(reminder); reminder != "" {
		b.WriteString(reminder + "\n\n")
	}
	b.WriteString("User instruction: " + task + "\n\n")
	for i, s := range steps {
		a, n := s.Action, i+1
		a.Thought = export.Thought(s)
		b.WriteString(export.ReactStep(a, n) + "\n" + export.ReactObservation(s, n) + "\n\n")
	}
	n := len(steps) + 1
	fmt.Fprintf(&b, "Give Thought %d, then Action %d and Action Input %d, or the Final Answer.", n, n, n)
	return b.String()
}
