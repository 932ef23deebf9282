package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/spec"
)

// Tools in words: where an endpoint takes no tools, they stand in the prompt,
// a call is a JSON object in the reply, and what was called before and what
// came of it stand as text in the conversation.

const (
	toolsLead = "You can use these tools, each with the JSON Schema of its arguments:\n"
	toolsRule = "\nReply with one JSON object and with nothing else. To use a tool, whose result you are then given:\n" +
		`{"thought": "why", "tool": "NAME", "arguments": {}}` + "\nTo end instead:\n"
	toolsFinal  = `{"thought": "why", "final": "your answer"}`
	toolsSchema = `{"thought": "why", "final": VALUE}` + "\nVALUE fits this JSON Schema:\n"
)

// withTools puts the tools of a request, and the calls in its messages, into
// words.
func (s *shaper) withTools(req Request) []Message {
	var b strings.Builder
	b.WriteString(toolsLead)
	for _, t := range s.tools(req.Tools) {
		text, err := compact(t.Function)
		s.note(err)
		b.Write(text)
		b.WriteByte('\n')
	}
	b.WriteString(toolsRule)
	if req.Schema == nil {
		b.WriteString(toolsFinal)
	} else {
		text, err := compact(req.Schema)
		s.note(err)
		b.WriteString(toolsSchema + string(text))
	}
	return withSystem(inWords(req.Messages), b.String())
}

// inWords is a conversation without tool messages. Those that follow each
// other on the user's side become one: many chat templates insist on turns.
func inWords(messages []Message) []Message {
	out := make([]Message, 0, len(messages))
	called := map[string]string{} // names by id
	result := false               // the last of out holds a tool's result
	for _, m := range messages {
		switch {
		case m.Role == "assistant" && len(m.ToolCalls) > 0:
			var lines []string
			for i, c := range m.ToolCalls {
				called[c.ID] = c.Name
				thought := m.Content
				if i > 0 {
					thought = ""
				}
				lines = append(lines, callInWords(thought, c))
			}
			out, result = append(out, Message{Role: "assistant", Content: strings.Join(lines, "\n")}), false
		case m.Role == "tool":
			text := "The result of the tool:\n"
			if name := called[m.ToolCallID]; name != "" {
				text = fmt.Sprintf("The result of the tool %s:\n", name)
			}
			out, result = appendUser(out, text+m.Content, result), true
		case m.Role == "user" && m.Name == "":
			out, result = appendUser(out, m.Content, result), false
		default:
			out, result = append(out, m), false
		}
	}
	return out
}

func appendUser(out []Message, text string, join bool) []Message {
	if join {
		out[len(out)-1].Content += "\n\n" + text
		return out
	}
	return append(out, Message{Role: "user", Content: text})
}

// callInWords is a call as the model writes it.
func callInWords(thought string, c ToolCall) string {
	call := struct {
		Thought   string          `json:"thought,omitempty"`
		Tool      string          `json:"tool"`
		Arguments json.RawMessage `json:"arguments"`
	}{thought, c.Name, c.Arguments}
	if !json.Valid(call.Arguments) {
		call.Arguments = json.RawMessage("{}")
	}
	text, err := compact(call)
	if err != nil { // strings and valid JSON always have a form
		return c.Name
	}
	return string(text)
}

// A JSON Schema of a reply with tools in words.
type (
	wordsSchema struct {
		Type  string        `json:"type"`
		AnyOf []wordsBranch `json:"anyOf"`
	}
	wordsBranch struct {
		Type       string          `json:"type"`
		Properties wordsProperties `json:"properties"`
		Required   []string        `json:"required"`
		Closed     bool            `json:"additionalProperties"` // false
	}
	wordsProperties struct {
		Thought   json.RawMessage `json:"thought"`
		Tool      json.RawMessage `json:"tool,omitempty"`
		Arguments json.RawMessage `json:"arguments,omitempty"`
		Final     json.RawMessage `json:"final,omitempty"`
	}
)

// wordsFormat is the schema of a reply with tools in words.
func (s *shaper) wordsFormat(req Request) json.RawMessage {
	text := json.RawMessage(`{"type":"string"}`)
	out := wordsSchema{Type: "object"}
	for _, t := range req.Tools {
		name, err := compact(map[string][]string{"enum": {t.Name}})
		s.note(err)
		out.AnyOf = append(out.AnyOf, wordsBranch{
			Type: "object", Required: []string{"tool", "arguments"},
			Properties: wordsProperties{Thought: text, Tool: name, Arguments: embeddable(t.Parameters)},
		})
	}
	final := wordsBranch{Type: "object", Required: []string{"final"}, Properties: wordsProperties{Thought: text, Final: text}}
	if req.Schema != nil {
		final.Properties.Final = embeddable(req.Schema)
	}
	out.AnyOf = append(out.AnyOf, final)
	schema, err := compact(out)
	s.note(err)
	return schema
}

// embeddable is a schema that can stand inside another one. One with
// references is left open: they lead elsewhere from there, and the reply is
// checked against the schema itself in any case.
func embeddable(schema json.RawMessage) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(schema, &object) != nil || object == nil || bytes.Contains(schema, []byte(`"$`)) {
		return json.RawMessage(`{"type":"object"}`)
	}
	return schema
}

// checkJSONTools is check for a reply with tools in words.
func (f *fit) checkJSONTools(a Answer) (Reply, Answer, *misfit) {
	if a.Refusal != "" || a.FinishReason == finishFilter || len(a.ToolCalls) > 0 {
		reply, bad := f.check(a)
		return reply, a, bad
	}
	said, err := f.fromWords(a)
	if err != nil {
		bad := &misfit{code: CodeInvalidReply, reason: err.Error(), noJSON: !hasJSON(a.Content)}
		if a.FinishReason == finishLength {
			bad = &misfit{code: CodeTruncated, reason: "it was cut off at the token limit"}
		}
		return Reply{}, a, bad
	}
	reply, bad := f.check(said)
	return reply, said, bad
}

// fromWords makes of a reply in words what an endpoint with tools gives.
func (f *fit) fromWords(a Answer) (Answer, error) {
	object, err := f.wordsObject(a.Content)
	if err != nil {
		return a, err
	}
	tool, final := plainWords(object["tool"], object["name"]), plainWords(object["final"])
	switch {
	case tool != "" && final != "":
		return a, errors.New(`it has both "tool" and "final"`)
	case tool == "" && final == "":
		return a, errors.New(`it is neither {"tool": ..., "arguments": {...}} nor {"final": ...}`)
	case final != "":
		a.Reasoning = strings.TrimSpace(a.Reasoning + "\n" + words(object["thought"]))
		a.Content, a.FinishReason = final, finishStop
		return a, nil
	}
	a.Content, a.FinishReason = words(object["thought"]), finishCalls
	a.ToolCalls = []AnswerCall{{Name: tool, Arguments: plainWords(object["arguments"], object["parameters"])}}
	nameCalls(a.ToolCalls)
	return a, nil
}

// plainWords is the first of the values that says anything.
func plainWords(values ...json.RawMessage) string {
	for _, v := range values {
		if text := words(v); text != "" {
			return text
		}
	}
	return ""
}

// wordsObject finds the one object in a reply that is a call or an end.
func (f *fit) wordsObject(text string) (map[string]json.RawMessage, error) {
	raw, _, err := parseJSON(unfence(text))
	if err != nil {
		found := findObjects(text)
		if len(found) != 1 {
			return nil, err
		}
		if raw, _, err = parseJSON(found[0]); err != nil {
			return nil, err
		}
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || object == nil {
		return nil, errors.New("it is not a JSON object")
	}
	return object, nil
}

// hasJSON says whether a reply made an attempt at JSON. An empty one says
// nothing about that.
func hasJSON(text string) bool {
	return strings.Contains(text, "{") || strings.TrimSpace(text) == ""
}

// callsInText finds the tool calls that a server has left in the text, since
// it does not know how the model writes them. A text is taken for a call only
// if it can hardly be anything else.
func (f *fit) callsInText(a Answer) (Answer, error) {
	if f.tools == nil || len(a.ToolCalls) > 0 || a.Refusal != "" {
		return a, nil
	}
	text := strings.TrimSpace(a.Content)
	thought, calls, err := f.textCalls(text)
	if err != nil || len(calls) == 0 {
		return a, err
	}
	a.Content, a.ToolCalls = thought, calls
	nameCalls(a.ToolCalls)
	if a.FinishReason == finishStop {
		a.FinishReason = finishCalls
	}
	return a, nil
}

// textCalls reads the forms in which models are trained to write calls: those
// of Hermes and Qwen, of Mistral, and of Llama, which marks them or not. What
// an answer quotes of an attack may have such marks too: it is no call.
func (f *fit) textCalls(text string) (thought string, calls []AnswerCall, err error) {
	if f.schema != nil && json.Valid([]byte(unfence(text))) {
		return "", nil, nil // an answer, whatever stands in it
	}
	if before, rest, ok := cutLine(text, "<tool_call>"); ok {
		for ok {
			inner, after, _ := strings.Cut(rest, "</tool_call>")
			found, err := readCalls(inner)
			if err != nil {
				return "", nil, err
			}
			calls = append(calls, found...)
			rest = after
			_, after, ok = strings.Cut(rest, "<tool_call>")
			if !ok && !isTail(rest) {
				return "", nil, nil
			}
			rest = after
		}
		return strings.TrimSpace(before), calls, nil
	}
	if before, rest, ok := strings.Cut(text, "[TOOL_CALLS]"); ok {
		if calls, err = readCalls(rest); err != nil && before != "" {
			return "", nil, nil
		}
		return strings.TrimSpace(before), calls, err
	}
	if rest, ok := strings.CutPrefix(text, "<function="); ok {
		name, rest, _ := strings.Cut(rest, ">")
		args, _, _ := strings.Cut(rest, "</function>")
		return "", []AnswerCall{{Name: name, Arguments: args}}, nil
	}
	rest, marked := strings.CutPrefix(text, "<|python_tag|>")
	if f.schema != nil && !marked { // JSON is what an answer is then
		return "", nil, nil
	}
	rest = unfence(rest)
	calls, err = readCalls(rest)
	if err != nil {
		return "", nil, nil // a text like any other
	}
	for _, c := range calls {
		if _, known := f.tools[c.Name]; !known || !strings.HasPrefix(c.Arguments, "{") {
			return "", nil, nil
		}
	}
	return "", calls, nil
}

// cutLine is strings.Cut at a mark that begins a line.
func cutLine(text, mark string) (before, after string, found bool) {
	if after, ok := strings.CutPrefix(text, mark); ok {
		return "", after, true
	}
	return strings.Cut(text, "\n"+mark)
}

// isTail says whether a text ends a reply: it is empty, or a mark of the
// model's own that the server has left.
func isTail(text string) bool {
	text = strings.TrimSpace(text)
	return text == "" || strings.HasPrefix(text, "<|")
}

// readCalls reads a call, or a list of them, as JSON.
func readCalls(text string) ([]AnswerCall, error) {
	unreadable := errors.New("it holds a tool call that cannot be read")
	raw, _, err := parseJSON(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", unreadable, err)
	}
	if raw[0] != '[' {
		raw = append(append(json.RawMessage{'['}, raw...), ']')
	}
	var list []struct {
		Name       json.RawMessage `json:"name"`
		Arguments  json.RawMessage `json:"arguments"`
		Parameters json.RawMessage `json:"parameters"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return nil, unreadable
	}
	var calls []AnswerCall
	for _, c := range list {
		name := words(c.Name)
		if name == "" {
			return nil, unreadable
		}
		calls = append(calls, AnswerCall{Name: name, Arguments: plainWords(c.Arguments, c.Parameters)})
	}
	return calls, nil
}

// inPrompt says whether tools stand in the prompt.
func (f form) inPrompt() bool { return f.tools == spec.ToolsJSON }
