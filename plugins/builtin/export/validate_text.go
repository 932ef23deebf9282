package export

import (
	"fmt"
	"strings"
)

// listedTools reads the tools that a system message lists as text, one a line
// between <tools> and </tools>, and says whether it lists any.
func listedTools(where, content string) (toolTable, bool, error) {
	_, rest, found := strings.Cut(content, "<tools>\n")
	if !found {
		return nil, false, nil
	}
	text, _, closed := strings.Cut(rest, "\n</tools>")
	if !closed {
		return nil, false, fmt.Errorf("%s.content: <tools> is not closed", where)
	}
	var list []any
	for i, line := range strings.Split(text, "\n") {
		tool, err := parseValue([]byte(line))
		if err != nil {
			return nil, false, fmt.Errorf("%s.content: tool %d: %w", where, i+1, err)
		}
		list = append(list, tool)
	}
	tools, err := readTools(list)
	if err != nil {
		return nil, false, fmt.Errorf("%s.content: %w", where, err)
	}
	return tools, true, nil
}

// writtenCall reads the call that stands as text at the end of what an
// assistant says, nil if there is none, and checks that it fits its tool.
func writtenCall(where, content string, tools toolTable) (call any, err error) {
	if !strings.Contains(content, callOpen) && !strings.Contains(content, callClose) {
		return nil, nil
	}
	_, rest, _ := strings.Cut(content, callOpen+"\n")
	text, end, closed := strings.Cut(rest, "\n"+callClose)
	if !closed || end != "" || strings.Contains(text, "tool_call>") {
		return nil, fmt.Errorf("%s.content must hold one call at its end, on a line between <tool_call> and </tool_call>", where)
	}
	if call, err = parseValue([]byte(text)); err != nil {
		return nil, fmt.Errorf("%s.content: the call: %w", where, err)
	}
	return call, llamaCall(where+".content", call, tools)
}
