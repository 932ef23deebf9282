package roles

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/spec/ots"
)

// marker is a label of a ReAct reply at the start of a line, with or without
// a step number.
var marker = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^[ \t]*(Thought|Action|Action Input|Final Answer)(?:[ \t]+\d+)?[ \t]*:`)
})

// ParseReact reads an agent's reply in the paper's text form:
//
//	Thought: …
//	Action: ToolName
//	Action Input: {…}
//
// or
//
//	Thought: …
//	Final Answer: …
//
// The labels may bear the step's number, the thought may be left out, and
// the input is one JSON object, over as many lines as it takes, in a code
// fence or not. An observation that the model made up after its action is cut
// off. Anything else is an error that says what to do; nothing is guessed.
func ParseReact(text string) (ots.Action, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	marks := marker().FindAllStringSubmatchIndex(text, -1)
	if len(marks) == 0 || marks[0][0] != 0 {
		return ots.Action{}, errors.New("begin the reply with Thought:, Action: or Final Answer:") //nolint:staticcheck // the label ends in a colon
	}
	name := func(i int) string { return text[marks[i][2]:marks[i][3]] }
	from := func(i int) string { return text[marks[i][1]:] }
	upTo := func(i int) string {
		if i+1 < len(marks) {
			return strings.TrimSpace(text[marks[i][1]:marks[i+1][0]])
		}
		return strings.TrimSpace(from(i))
	}

	var a ots.Action
	i := 0
	if name(0) == "Thought" {
		a.Thought = upTo(0)
		i = 1
	}
	if i == len(marks) {
		return ots.Action{}, errors.New("after the thought, give Action: and Action Input:, or Final Answer:") //nolint:staticcheck // the label ends in a colon
	}
	switch name(i) {
	case "Final Answer":
		a.Answer = strings.TrimSpace(from(i))
		if a.Answer == "" {
			return ots.Action{}, errors.New("the final answer is empty")
		}
		return a, nil
	case "Action":
		a.Tool = upTo(i)
		if a.Tool == "" || strings.ContainsAny(a.Tool, "\n \t") {
			return ots.Action{}, errors.New("after Action: give the name of one tool, alone on the line")
		}
		if i+1 == len(marks) || name(i+1) != "Action Input" {
			return ots.Action{}, errors.New("after Action: give Action Input: with the arguments as a JSON object")
		}
		arguments, err := reactInput(from(i + 1))
		if err != nil {
			return ots.Action{}, err
		}
		a.Arguments = arguments
		return a, nil
	}
	return ots.Action{}, fmt.Errorf("%s: is not expected here; give one Thought, then Action and Action Input, or Final Answer", name(i))
}

// reactInput reads the JSON object that text begins with.
func reactInput(text string) (json.RawMessage, error) {
	body := strings.TrimSpace(text)
	fenced := false
	for _, fence := range []string{"```json", "```"} {
		if rest, ok := strings.CutPrefix(body, fence); ok {
			body, fenced = rest, true
			break
		}
	}
	dec := json.NewDecoder(strings.NewReader(body))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return nil, fmt.Errorf("the Action Input is not JSON: %w", err)
	}
	if len(raw) == 0 || raw[0] != '{' {
		return nil, errors.New("the Action Input must be a JSON object")
	}
	rest := strings.TrimSpace(body[dec.InputOffset():])
	if fenced {
		var closed bool
		if rest, closed = strings.CutPrefix(rest, "```"); !closed {
			return nil, errors.New("the code fence around the Action Input is not closed")
		}
		rest = strings.TrimSpace(rest)
	}
	if rest != "" && !strings.HasPrefix(rest, "Observation") {
		return nil, errors.New("give one action only, with nothing after the Action Input")
	}
	return compact(raw)
}
