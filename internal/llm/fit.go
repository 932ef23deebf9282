package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/jsonschema"
)

// schemas compiles JSON Schemas, each once.
type schemas struct {
	mu   sync.Mutex
	done map[string]compiled
}

type compiled struct {
	schema *jsonschema.Schema
	err    error
}

// maxSchemas bounds the memory taken by recipes whose tools differ from row
// to row; past it, compiling starts over.
const maxSchemas = 4096

func (s *schemas) compile(text json.RawMessage) (*jsonschema.Schema, error) {
	s.mu.Lock()
	c, ok := s.done[string(text)]
	s.mu.Unlock()
	if ok {
		return c.schema, c.err
	}
	c.schema, c.err = jsonschema.Compile(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil || len(s.done) >= maxSchemas {
		s.done = map[string]compiled{}
	}
	s.done[string(text)] = c
	return c.schema, c.err
}

// fit decides whether an answer is what a request asked for.
type fit struct {
	mode   spec.Structured
	schema *jsonschema.Schema // nil: text
	// tools are the known tools; a nil schema takes any object.
	tools map[string]*jsonschema.Schema
}

// newFit fails if the reply's schema does not compile. A tool's schema that
// does not compile is as good as {"type":"object"}: tools come from data sets,
// and a flaw there is no reason to lose the row.
func (s *schemas) newFit(req Request) (*fit, error) {
	f := &fit{mode: structuredForms(req.Model)[0]}
	if req.Schema != nil {
		var err error
		if f.schema, err = s.compile(req.Schema); err != nil {
			return nil, err
		}
	}
	if len(req.Tools) > 0 {
		f.tools = make(map[string]*jsonschema.Schema, len(req.Tools))
	}
	for _, t := range req.Tools {
		f.tools[t.Name] = nil
		if len(t.Parameters) > 0 {
			f.tools[t.Name], _ = s.compile(t.Parameters)
		}
	}
	return f, nil
}

// misfit says why an answer is not usable.
type misfit struct {
	code   Code
	reason string
	// calls are the reasons call by call, "" for a call that is fine; nil if
	// the answer had none.
	calls []string
	// final: asking again would be of no use.
	final bool
	// noJSON: there was none where there should have been.
	noJSON bool
}

// checkAs is check for an answer to a request of that form. It also gives the
// answer as it is to be shown to the model again.
func (f *fit) checkAs(in form, a Answer) (Reply, Answer, *misfit) {
	own := *f
	if in.structured != "" {
		own.mode = in.structured
	}
	if in.inPrompt() {
		return own.checkJSONTools(a)
	}
	a, err := own.callsInText(a)
	if err != nil {
		return Reply{}, a, &misfit{code: CodeInvalidReply, reason: err.Error()}
	}
	reply, bad := own.check(a)
	return reply, a, bad
}

// check turns an answer into a reply, or says what is wrong with it.
func (f *fit) check(a Answer) (Reply, *misfit) {
	reply := Reply{
		Content: a.Content, FinishReason: a.FinishReason, Refusal: a.Refusal,
		Reasoning: a.Reasoning, Model: a.Model, Usage: a.Usage,
	}
	switch {
	case a.FinishReason == finishFilter:
		return reply, &misfit{code: CodeRefused, reason: "the endpoint's content filter cut the reply", final: true}
	case a.Refusal != "" && f.refusalIsReply(a):
		// An agent that declines has acted: this is its final answer.
		if reply.Content == "" {
			reply.Content = a.Refusal
		}
		return reply, nil
	case a.Refusal != "":
		return reply, &misfit{code: CodeRefused, reason: a.Refusal, final: true}
	}
	m := f.checkParts(a, &reply)
	if a.FinishReason == finishLength && (m != nil || f.isText(a)) {
		return reply, &misfit{code: CodeTruncated, reason: "it was cut off at the token limit"}
	}
	return reply, m
}

func (f *fit) refusalIsReply(a Answer) bool {
	return f.tools != nil && f.schema == nil && len(a.ToolCalls) == 0
}

// isText says whether the answer is free text, which may end anywhere without
// showing it.
func (f *fit) isText(a Answer) bool { return f.schema == nil && len(a.ToolCalls) == 0 }

func (f *fit) checkParts(a Answer, reply *Reply) *misfit {
	switch {
	case len(a.ToolCalls) > 0:
		return f.checkCalls(a, reply)
	case f.schema != nil:
		content, err := f.checkContent(a.Content)
		if err != nil {
			return &misfit{code: CodeInvalidReply, reason: err.Error(), noJSON: !hasJSON(a.Content)}
		}
		reply.Content = content
	case strings.TrimSpace(a.Content) == "":
		return &misfit{code: CodeInvalidReply, reason: "it is empty"}
	}
	return nil
}

// checkContent gives the JSON value that the text holds.
func (f *fit) checkContent(text string) (string, error) {
	raw, err := f.fitting(unfence(text))
	if err == nil || f.mode != spec.StructuredText {
		return string(raw), err
	}
	// Free text: exactly one of the objects in it must fit. Two that differ
	// would leave open which of them the model means.
	var found []string
	var first error
	for _, text := range findObjects(text) {
		raw, err := f.fitting(text)
		switch {
		case err == nil && !slices.Contains(found, string(raw)):
			found = append(found, string(raw))
		case err != nil && first == nil:
			first = err
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", errors.New("it holds more than one JSON object that fits")
	case first != nil:
		return "", first
	}
	return "", err
}

func (f *fit) fitting(text string) (json.RawMessage, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("it is empty")
	}
	raw, value, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	return raw, validate(f.schema, value)
}

func (f *fit) checkCalls(a Answer, reply *Reply) *misfit {
	bad := &misfit{code: CodeInvalidReply, calls: make([]string, len(a.ToolCalls))}
	reply.ToolCalls = make([]ToolCall, len(a.ToolCalls))
	for i, c := range a.ToolCalls {
		args, err := f.checkCall(c)
		if err != nil {
			bad.calls[i] = err.Error()
			if bad.reason == "" {
				bad.reason = err.Error()
			}
			continue
		}
		reply.ToolCalls[i] = ToolCall{ID: c.ID, Name: c.Name, Arguments: args}
	}
	if bad.reason != "" {
		reply.ToolCalls = nil
		return bad
	}
	return nil
}

func (f *fit) checkCall(c AnswerCall) (json.RawMessage, error) {
	schema, ok := f.tools[c.Name]
	switch {
	case f.tools == nil:
		return nil, errors.New("it calls a tool, and there are none")
	case !ok:
		return nil, fmt.Errorf("there is no tool %.100q; there are: %s", c.Name, f.toolNames())
	}
	text := c.Arguments
	if strings.TrimSpace(text) == "" {
		text = "{}" // how many models call a tool without parameters
	}
	args, value, err := parseJSON(text)
	if err != nil {
		return nil, fmt.Errorf("the arguments of %s are wrong: %w", c.Name, err)
	}
	if args[0] != '{' {
		return nil, fmt.Errorf("the arguments of %s are not a JSON object", c.Name)
	}
	if err := validate(schema, value); err != nil {
		return nil, fmt.Errorf("the arguments of %s are wrong: %w", c.Name, err)
	}
	return args, nil
}

func (f *fit) toolNames() string {
	names := slices.Sorted(maps.Keys(f.tools))
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	return strings.Join(names, ", ")
}

// validate reports what is wrong with a value: in one line, or a line for each
// of several problems. A nil schema takes everything.
func validate(schema *jsonschema.Schema, value any) error {
	if schema == nil {
		return nil
	}
	problems := schema.Validate(value)
	lines := make([]string, len(problems))
	for i, p := range problems {
		if lines[i] = p.String(); p.Path == "" {
			lines[i] = "it " + p.Message
		}
	}
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return errors.New(lines[0])
	}
	return fmt.Errorf("%d problems:\n- %s", len(lines), strings.Join(lines, "\n- "))
}

// again is what is added to the conversation to have a bad answer replaced:
// the answer itself, and the reason it does not do. Endpoints read their own
// history strictly, so calls get ids that are unique in the conversation, and
// arguments that are no JSON object are left out; the reason quotes them.
func (m *misfit) again(a Answer, try int) []Message {
	if m.calls == nil {
		content := clip(a.Content, maxEcho)
		if content == "" {
			content = "(empty)"
		}
		text := "That reply cannot be used: " + clip(m.reason, maxReason) + "\nAnswer again"
		if m.code == CodeTruncated {
			text += ", more briefly"
		}
		return []Message{{Role: "assistant", Content: content}, {Role: "user", Content: text + "."}}
	}
	echo := Message{Role: "assistant", Content: clip(a.Content, maxEcho)}
	out := []Message{{}}
	for i, c := range a.ToolCalls {
		id, args := fmt.Sprintf("retry_%d_%d", try+1, i+1), json.RawMessage(c.Arguments)
		var object map[string]json.RawMessage
		if json.Unmarshal(args, &object) != nil || object == nil {
			args = json.RawMessage("{}")
		}
		echo.ToolCalls = append(echo.ToolCalls, ToolCall{ID: id, Name: c.Name, Arguments: args})
		text := "Not run, since another call of the same reply is wrong. Answer again."
		if i < len(m.calls) && m.calls[i] != "" {
			text = "Error: " + clip(m.calls[i], maxReason) + "\nAnswer again."
		}
		if string(args) != c.Arguments {
			text = "The arguments were: " + clip(c.Arguments, maxReason) + "\n" + text
		}
		out = append(out, Message{Role: "tool", ToolCallID: id, Content: text})
	}
	out[0] = echo
	return out
}

// How much of a bad reply, and of what is wrong with it, the model is shown.
const (
	maxEcho   = 8000 // runes
	maxReason = 1500 // runes
)
