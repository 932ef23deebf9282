package export

import (
	"slices"
	"strings"
)

// ToolSchema is why a row is left out whose tools have parameters of a shape
// that the trainer cannot describe.
const ToolSchema = "tool_schema"

// HoldsMarks says whether a turn's text holds one of the marks.
func HoldsMarks(turns []Turn, marks ...string) bool {
	return slices.ContainsFunc(turns, func(t Turn) bool {
		return slices.ContainsFunc(marks, func(m string) bool {
			return strings.Contains(t.Text, m) || strings.Contains(t.Reasoning, m)
		})
	})
}

// AsText are turns in which tools, calls and results are text: the tools in
// the system message, calls in <tool_call> marks, results in <tool_response>
// marks as the user's. It gives the reason where that cannot be done.
func AsText(tools []Tool, turns []Turn) ([]Turn, string) {
	if marked(turns) {
		return nil, Marks
	}
	out, err := asText(tools, turns)
	if err != nil {
		return nil, InvalidRow
	}
	return out, ""
}
