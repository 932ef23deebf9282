package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/internal/llm/offline"
	"github.com/autosafe/autosafe/spec"
)

// callTag starts the key of every call. Raising its number buys every call
// again: do so only if a part changes its meaning.
const callTag = "autosafe.call/1"

// field is one top-level field of a request body.
type field struct {
	name  string
	value json.RawMessage
}

// wire is the body of a chat completion request, field by field. The same
// fields are the parts of the call's key, so what is sent and what is keyed
// cannot drift apart.
type wire []field

func (w wire) body() []byte {
	size := 1
	for _, f := range w {
		size += len(f.name) + len(f.value) + 4
	}
	var b bytes.Buffer
	b.Grow(size)
	for i, f := range w {
		if i == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.Write(appendText(b.AvailableBuffer(), f.name))
		b.WriteByte(':')
		b.Write(f.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func (w wire) has(name string) bool { return w.get(name) != nil }

// get is the value of a field; nil if there is none.
func (w wire) get(name string) json.RawMessage {
	for i := range w {
		if w[i].name == name {
			return w[i].value
		}
	}
	return nil
}

// shape is a request in its first form.
func shape(req Request) (wire, key.List, error) {
	return (&shaper{}).shape(&req, formsOf(req)[0])
}

// shape resolves a request in one of its forms to what will be sent, and to
// the parts of its key. Schemas are sent and keyed in the order they are
// written in, since models answer in that order; only white space is taken
// out.
func (s *shaper) shape(req *Request, in form) (wire, key.List, error) {
	m := req.Model
	s.fields = make(wire, 0, 8)
	s.addJSON("model", appendText(nil, m.ID))
	if in.inPrompt() {
		s.messages(func() []Message { return s.withTools(*req) })
	} else {
		s.messages(func() []Message { return s.withSchemaText(req, in.structured) })
		if tools := s.tools(req.Tools); len(tools) > 0 {
			s.add("tools", tools)
		}
	}
	if format := s.responseFormat(req, in); format != nil {
		s.addJSON("response_format", format)
	}
	if m.Temperature != nil {
		s.add("temperature", *m.Temperature)
	}
	if m.TopP != nil {
		s.add("top_p", *m.TopP)
	}
	if m.MaxTokens > 0 {
		s.add(maxTokensField(m), m.MaxTokens)
	}
	if stop := union(m.Stop, req.Stop); len(stop) > 0 {
		s.add("stop", stop)
	}
	if m.FrequencyPen != nil {
		s.add("frequency_penalty", *m.FrequencyPen)
	}
	if m.PresencePen != nil {
		s.add("presence_penalty", *m.PresencePen)
	}
	if m.ReasoningEffort != "" {
		s.add("reasoning_effort", m.ReasoningEffort)
	}
	if req.Seed != 0 {
		s.add("seed", req.Seed)
	}
	for _, name := range slices.Sorted(maps.Keys(m.ExtraBody)) {
		// Endpoints refuse what is about tools where there are none.
		if !s.fields.has("tools") && (name == "tool_choice" || name == "parallel_tool_calls") {
			continue
		}
		s.add(name, m.ExtraBody[name])
	}
	parts := s.keyParts(req)
	return s.fields, parts, s.err
}

// shaper collects fields and the first error.
type shaper struct {
	// constants has what is the same for request after request; nil: it is
	// made each time.
	constants *constants
	// said is the messages, if they were written for another form.
	said   json.RawMessage
	fields wire
	err    error
}

func (s *shaper) addJSON(name string, value json.RawMessage) {
	s.fields = append(s.fields, field{name, value})
}

// messages adds the messages.
func (s *shaper) messages(list func() []Message) {
	if s.said == nil {
		messages := list()
		size := 2
		for i := range messages {
			const frame = 48
			size += frame + len(messages[i].Content)
		}
		s.said = appendMessages(make([]byte, 0, size+size/16), messages)
	}
	s.addJSON("messages", s.said)
}

func (s *shaper) add(name string, v any) {
	b, err := compact(v)
	if err != nil {
		s.note(fmt.Errorf("%s: %w", name, err))
	}
	s.addJSON(name, b)
}

// note keeps an error, if it is the first.
func (s *shaper) note(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *shaper) keyParts(req *Request) key.List {
	const others = 8
	parts := append(make(key.List, 0, len(s.fields)+others), key.New(callTag)...)
	parts.AddString("endpoint", req.Model.Provider.Identity())
	for _, f := range s.fields {
		parts.Add(f.name, f.value)
	}
	parts.AddInt("sample", int64(req.Sample))
	parts.AddInt("generation", int64(req.Generation))
	if req.Model.Revision != "" {
		parts.AddString("revision", req.Model.Revision)
	}
	if req.Model.Provider.Type != spec.ProviderOffline {
		return parts
	}
	parts.AddString("offline.version", offline.Version)
	parts.AddString("offline.purpose", req.Purpose)
	facts, err := canonical(req.Facts)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("facts: %w", err)
	}
	parts.Add("offline.facts", facts)
	return parts
}

// maxTokensField: reasoning models refuse max_tokens, many other endpoints do
// not know max_completion_tokens.
func maxTokensField(m *spec.Model) string {
	id := m.ID[strings.LastIndexByte(m.ID, '/')+1:]
	reasoning := m.ReasoningEffort != ""
	for _, prefix := range []string{"o1", "o3", "o4", "gpt-5"} {
		reasoning = reasoning || strings.HasPrefix(id, prefix)
	}
	if reasoning {
		return "max_completion_tokens"
	}
	return "max_tokens"
}

type wireTool struct {
	Type     string       `json:"type"`
	Function wireToolSpec `json:"function"`
}

type wireToolSpec struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
}

func (s *shaper) tools(tools []Tool) []wireTool {
	var out []wireTool
	for _, t := range tools {
		params := t.Parameters
		if len(bytes.TrimSpace(params)) == 0 {
			params = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		if !json.Valid(params) && s.err == nil {
			s.err = fmt.Errorf("the parameters of tool %q are not JSON", t.Name)
		}
		out = append(out, wireTool{"function", wireToolSpec{t.Name, t.Description, params}})
	}
	return out
}

type wireFormat struct {
	Type       string          `json:"type"`
	JSONSchema *wireJSONSchema `json:"json_schema,omitempty"`
}

type wireJSONSchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Strict bool            `json:"strict"`
}

// responseFormat is the form that the reply is to have, as it is sent; nil if
// it may be text.
func (s *shaper) responseFormat(req *Request, in form) json.RawMessage {
	format := wireFormat{Type: "json_object"}
	switch {
	case in.structured == "" || in.structured == spec.StructuredText:
		return nil
	case in.structured == spec.StructuredObject:
	case in.inPrompt():
		schema := s.wordsFormat(*req)
		format = wireFormat{"json_schema", &wireJSONSchema{"action", schema, strictable(schema)}}
	default:
		return s.constant(formatConstant, req.SchemaName, req.Schema, func() (json.RawMessage, error) {
			return compact(wireFormat{"json_schema", &wireJSONSchema{schemaName(req.SchemaName), req.Schema, strictable(req.Schema)}})
		})
	}
	b, err := compact(format)
	if err != nil {
		s.note(fmt.Errorf("response_format: %w", err))
	}
	return b
}

// schemaName keeps the letters that endpoints allow in a schema's name.
func schemaName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	if name == "" {
		return "reply"
	}
	return name[:min(len(name), 64)]
}

// schemaLead stands before a schema in a prompt.
const schemaLead = "Reply with one JSON object that fits this JSON Schema, and with nothing else:\n"

// withSchemaText adds the schema to the prompt where the endpoint does not
// take it by itself. It joins a system message that stands first, since many
// chat templates take only one, and only there.
func (s *shaper) withSchemaText(req *Request, in spec.Structured) []Message {
	if in == "" || in == spec.StructuredSchema {
		return req.Messages
	}
	schema := s.constant(schemaConstant, "", req.Schema, func() (json.RawMessage, error) { return compact(req.Schema) })
	if schema == nil {
		return req.Messages
	}
	return withSystem(req.Messages, schemaLead+string(schema))
}

// withSystem adds a text to the system message that stands first, or puts one
// there.
func withSystem(messages []Message, text string) []Message {
	if len(messages) > 0 && messages[0].Role == "system" {
		first := messages[0]
		first.Content += "\n\n" + text
		return append([]Message{first}, messages[1:]...)
	}
	return append([]Message{{Role: "system", Content: text}}, messages...)
}

// union is a and then what b adds.
func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// compact is v as JSON without white space and without HTML escapes.
func compact(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// canonical is JSON with sorted keys; nothing stays nothing.
func canonical(raw json.RawMessage) (json.RawMessage, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return compact(v)
}
