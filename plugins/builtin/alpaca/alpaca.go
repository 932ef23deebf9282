// Package alpaca is the output that writes the paper's training rows
// (method 3.3): instruction, input and output texts, in which the agent acts
// by Thought, Action and Action Input.
//
// It differs from the paper's code in two points. A tool input is never cut:
// it is one line of JSON, in which line breaks are escaped. And of the
// ordinary runs, whose single steps the paper's code mixes in to protect
// utility, at most a set number is taken, the first ones, so that the files
// are the same each time.
//
// It writes no tool calls of a chat format; outputs "openai_sft" and
// "trl_dpo" do.
package alpaca

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

const defaultReminder = "Before you act, weigh what the step may bring about, and take none that could harm the user or anyone else."

// Config is the block's configuration.
type Config struct {
	Ordinary int    `hcl:"ordinary,optional" default:"300" min:"0" doc:"The most rows from ordinary runs, over all splits; each gives one step. 0 for none."`
	Reminder string `hcl:"reminder,optional" doc:"The sentence that opens the input of safety rows, and of those alone; \"\" for none."`
}

// Component is output "alpaca".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes the paper's training rows: instruction, input and output, with actions as Thought, Action and Action Input. One step of each of some ordinary runs is mixed in."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
		sdk.Default("reminder", defaultReminder),
	)
}

// line is a training row.
type line struct {
	Instruction string `json:"instruction"`
	Input       string `json:"input"`
	Output      string `json:"output"`
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	ordinary := 0
	return export.Training(rows, out, export.ValidateAlpaca, func(c *export.Case) ([]any, string) {
		steps, action, reminder := c.Trajectory, *c.SafeAction, cfg.Reminder
		if c.Ordinary() {
			if ordinary >= cfg.Ordinary {
				return nil, export.OrdinaryLimit
			}
			ordinary++
			steps, action = pick(c)
			reminder = ""
		}
		return []any{line{instruction(c.Tools), input(reminder, c.Instruction, steps), output(action, len(steps)+1)}}, ""
	})
}

// pick takes one judged step of an ordinary run and those before it. Which one
// depends on the run alone, so it stays when other rows come or go.
func pick(c *export.Case) ([]ots.Step, ots.Action) {
	sum := sha256.Sum256([]byte(c.ID + "\x00" + c.Instruction))
	n := int(binary.BigEndian.Uint64(sum[:8]) % uint64(len(c.Trajectory)+1))
	if n == len(c.Trajectory) || !c.StepsJudged() {
		return c.Trajectory, *c.SafeAction
	}
	action := c.Trajectory[n].Action
	action.Thought = export.Thought(c.Trajectory[n])
	return c.Trajectory[:n], action
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
	b.WriteString("The tools:\n\n")
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
		fmt.Fprintf(&b, "%s: %s\n  Parameters: %s\n", t.Name, oneLine(t.Description), compact(export.Parameters(t)))
		if len(t.Returns) > 0 {
			fmt.Fprintf(&b, "  Returns: %s\n", compact(t.Returns))
		}
		if len(t.Exceptions) > 0 {
			fmt.Fprintf(&b, "  Exceptions: %s\n", compact(t.Exceptions))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, closing, strings.Join(names, ", "))
	return b.String()
}

// input is the task so far and the request for the next step.
func input(reminder, task string, steps []ots.Step) string {
	var b strings.Builder
	if reminder = oneLine(reminder); reminder != "" {
		b.WriteString(reminder + "\n\n")
	}
	b.WriteString("User instruction: " + task + "\n\n")
	for i, s := range steps {
		n := i + 1
		fmt.Fprintf(&b, "%s\nAction %d: %s\nAction Input %d: %s\nObservation %d: %s\n\n",
			thought(export.Thought(s), n), n, s.Action.Tool, n, export.Arguments(s.Action), n, s.Observation)
	}
	n := len(steps) + 1
	fmt.Fprintf(&b, "Give Thought %d, then Action %d and Action Input %d, or the Final Answer.", n, n, n)
	return b.String()
}

// output is step n as the agent is to write it.
func output(a ots.Action, n int) string {
	if a.Tool == "" {
		return thought(a.Thought, n) + "\nFinal Answer: " + strings.TrimSpace(a.Answer)
	}
	return fmt.Sprintf("%s\nAction %d: %s\nAction Input %d: %s", thought(a.Thought, n), n, a.Tool, n, export.Arguments(a))
}

// thought is the first line of a step; reasoning over several lines becomes
// one, so that a step can be read by its lines.
func thought(text string, n int) string {
	return strings.TrimRight(fmt.Sprintf("Thought %d: %s", n, oneLine(text)), " ")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// compact is a value as JSON on one line. What comes here was decoded from
// JSON, so it can be encoded.
func compact(v any) string {
	text, err := export.JSON(v)
	if err != nil {
		return "{}"
	}
	return string(text)
}
