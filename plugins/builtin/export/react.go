package export

import (
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/spec/ots"
)

// Here stand the pieces of a run in the paper's text form: Thought, Action and
// Action Input, then an Observation.

// ReactStep is action n, from 1, as an agent writes it: three lines, or a
// thought and a final answer.
func ReactStep(a ots.Action, n int) string {
	if a.Tool == "" {
		return reactThought(a.Thought, n) + "\nFinal Answer: " + strings.TrimSpace(a.Answer)
	}
	return fmt.Sprintf("%s\n%s", reactThought(a.Thought, n), ReactCall(a, n))
}

// ReactCall is a tool call as step n, without the thought before it.
func ReactCall(a ots.Action, n int) string {
	return fmt.Sprintf("Action %d: %s\nAction Input %d: %s", n, a.Tool, n, Arguments(a))
}

// ReactObservation is what step n returned.
func ReactObservation(s ots.Step, n int) string {
	return fmt.Sprintf("Observation %d: %s", n, s.Observation)
}

// reactThought is the first line of a step; reasoning over several lines
// becomes one, so that a step can be read by its lines.
func reactThought(text string, n int) string {
	return strings.TrimRight(fmt.Sprintf("Thought %d: %s", n, OneLine(text)), " ")
}

// ReactTools describes tools, each on lines of its own.
func ReactTools(tools []ots.Tool) string {
	var b strings.Builder
	for _, t := range tools {
		fmt.Fprintf(&b, "%s: %s\n  Parameters: %s\n", t.Name, OneLine(t.Description), shortJSON(Parameters(t)))
		if len(t.Returns) > 0 {
			fmt.Fprintf(&b, "  Returns: %s\n", shortJSON(t.Returns))
		}
		if len(t.Exceptions) > 0 {
			fmt.Fprintf(&b, "  Exceptions: %s\n", shortJSON(t.Exceptions))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// OneLine is text with each run of white space as one blank.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// shortJSON is a value as JSON on one line. What comes here was decoded from
// JSON, so it can be encoded.
func shortJSON(v any) string {
	text, err := JSON(v)
	if err != nil {
		return "{}"
	}
	return string(text)
}
