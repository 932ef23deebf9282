package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// dialect is how a format writes conversations.
type dialect struct {
	strings  bool     // the arguments of a call are a JSON string, and not an object
	ids      bool     // results name the id of their call, and not its tool
	nulls    bool     // content may be null beside a call
	weights  bool     // messages of the assistant's may say whether they are learned
	text     bool     // tools and calls may be text; see listedTools
	thoughts []string // keys of the assistant's reasoning
}

// conversation is the state of reading one. It knows nothing of how the
// writers made it.
type conversation struct {
	dialect
	tools   toolTable
	written toolTable // those listed in the system message; nil if none are
	single  bool      // several calls at once are not allowed

	ids     map[string]bool
	open    []openCall
	last    string // role of the message before; "" before the first
	learned int    // messages of the assistant's that are, or may be, learned
}

// openCall is a call that waits for its result.
type openCall struct{ id, name string }

func (d dialect) read(tools toolTable) *conversation {
	return &conversation{dialect: d, tools: tools, ids: map[string]bool{}}
}

// clone reads on from the same place.
func (c *conversation) clone() *conversation {
	d := *c
	d.ids, d.open = maps.Clone(c.ids), slices.Clone(c.open)
	return &d
}

// messages reads a list of messages that is not empty.
func (c *conversation) messages(where string, v any) ([]any, error) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("%s must be a list of messages that is not empty", where)
	}
	for i, m := range list {
		if err := c.message(fmt.Sprintf("%s[%d]", where, i), m); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// prompt reads what comes before what is learned.
func (c *conversation) prompt(where string, v any) error {
	if _, err := c.messages(where, v); err != nil {
		return err
	}
	return c.ready(where)
}

// ready says whether the assistant is to go on.
func (c *conversation) ready(where string) error {
	switch {
	case len(c.open) > 0:
		return fmt.Errorf("%s ends with the call of %q, which has no result", where, c.open[0].name)
	case c.last != "user" && c.last != "tool":
		return fmt.Errorf("%s must end with the user's message or a tool's, not the %s's: what the assistant does next is what is learned", where, c.last)
	}
	return nil
}

// reply reads what goes on from a prompt and gives what it does.
func (c *conversation) reply(where string, v any) (any, error) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("%s must be a list of messages that is not empty", where)
	}
	if first, ok := list[0].(map[string]any); ok && first["role"] != "assistant" {
		return nil, fmt.Errorf("%s[0].role must be assistant: what came before stands in the prompt alone, so that it is the same for all that follow", where)
	}
	at := c.clone()
	if _, err := at.messages(where, v); err != nil {
		return nil, err
	}
	if at.last != "assistant" {
		return nil, fmt.Errorf("%s must end with the assistant's message", where)
	}
	does := make([]any, len(list))
	for i, m := range list {
		does[i] = c.deed(m)
	}
	return does, nil
}

// deed is what a message does: its calls, whatever text stands beside them,
// or its content.
func (c *conversation) deed(m any) any {
	o, _ := m.(map[string]any)
	calls, calling := o["tool_calls"].([]any)
	if !calling {
		text, _ := o["content"].(string)
		if call := c.writtenIn(text); call != nil {
			return call
		}
		return text
	}
	does := make([]any, len(calls))
	for i, call := range calls {
		function, _ := call.(map[string]any)["function"].(map[string]any)
		arguments := function["arguments"]
		if text, ok := arguments.(string); ok {
			if v, err := parseValue([]byte(text)); err == nil {
				arguments = v
			}
		}
		does[i] = []any{function["name"], arguments}
	}
	return does
}

// writtenIn is the call in a text that was checked; nil if there is none.
func (c *conversation) writtenIn(text string) any {
	if c.written == nil {
		return nil
	}
	call, err := writtenCall("", text, c.written)
	if err != nil {
		return nil
	}
	return call
}

func (c *conversation) message(where string, m any) error {
	o, ok := m.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be an object with a role", where)
	}
	role, ok := o["role"].(string)
	if !ok {
		return fmt.Errorf("%s.role must be a string", where)
	}
	if _, weighed := o["weight"]; weighed {
		switch {
		case !c.weights:
			return fmt.Errorf("%s.weight has no meaning in this format", where)
		case role != "assistant":
			return fmt.Errorf("%s.weight: only messages of the assistant's have one", where)
		}
	}
	switch role {
	case "assistant":
		return c.assistant(where, o)
	case "tool":
		return c.result(where, o)
	case "system", "user":
		if _, err := object(where, m, []string{"role", "content"}, nil); err != nil {
			return err
		}
		text, err := someText(where+".content", o["content"])
		if err != nil {
			return err
		}
		if role == "system" && c.text && len(c.tools) == 0 {
			if c.written, _, err = listedTools(where, text); err != nil {
				return err
			}
		}
		return c.next(where, role)
	}
	return fmt.Errorf("%s.role: unknown role %q; there are system, user, assistant and tool", where, role)
}

// next holds messages to their order: a system message at most, then the
// user's and the assistant's in turn, calls with their results between.
func (c *conversation) next(where, role string) error {
	if role != "tool" {
		if err := c.answered(where); err != nil {
			return err
		}
	}
	after := map[string][]string{
		"system": {""}, "user": {"", "system", "assistant"}, "assistant": {"user", "tool"}, "tool": {"assistant", "tool"},
	}
	if !slices.Contains(after[role], c.last) {
		before := "first"
		if c.last != "" {
			before = "after " + c.last
		}
		return fmt.Errorf("%s.role: a message of role %q is out of order: it comes %s", where, role, before)
	}
	c.last = role
	return nil
}

func (c *conversation) answered(where string) error {
	if len(c.open) > 0 {
		return fmt.Errorf("%s is out of order: the call of %q before it has no result", where, c.open[0].name)
	}
	return nil
}

func (c *conversation) result(where string, o map[string]any) error {
	required, optional := []string{"role", "name", "content"}, []string{"tool_call_id"}
	if c.dialect.ids {
		required, optional = []string{"role", "tool_call_id", "content"}, nil
	}
	if _, err := object(where, o, required, optional); err != nil {
		return err
	}
	if _, ok := o["content"].(string); !ok {
		return fmt.Errorf("%s.content must be a string, \"\" where the tool returned nothing", where)
	}
	if err := c.next(where, "tool"); err != nil {
		return err
	}
	key := required[1]
	if _, given := o["tool_call_id"]; given {
		key = "tool_call_id"
	}
	i := slices.IndexFunc(c.open, func(call openCall) bool {
		if !c.dialect.ids && o["name"] != call.name {
			return false
		}
		return key == "name" || o["tool_call_id"] == call.id
	})
	if i < 0 {
		return fmt.Errorf("%s.%s: %s answers no open call", where, key, show(o[key]))
	}
	c.open = slices.Delete(c.open, i, i+1)
	return nil
}

// show is a value in an error, clipped.
func show(v any) string {
	text, err := JSON(v)
	if err != nil || len(text) > 80 {
		return "the value"
	}
	return string(text)
}

func (c *conversation) assistant(where string, o map[string]any) error {
	if _, old := o["function_call"]; old {
		return fmt.Errorf("%s.function_call is the old form of a call: use tool_calls", where)
	}
	optional := append([]string{"content", "tool_calls"}, c.thoughts...)
	if c.weights {
		optional = append(optional, "weight")
	}
	if _, err := object(where, o, []string{"role"}, optional); err != nil {
		return err
	}
	for _, key := range c.thoughts {
		if v, given := o[key]; given {
			if _, err := someText(where+"."+key, v); err != nil {
				return err
			}
		}
	}
	if v, given := o["weight"]; given && v != json.Number("0") && v != json.Number("1") {
		return fmt.Errorf("%s.weight must be 0 or 1, not %s", where, show(v))
	}
	if o["weight"] != json.Number("0") {
		c.learned++
	}
	if err := c.next(where, "assistant"); err != nil {
		return err
	}
	calls, calling := o["tool_calls"]
	if err := c.content(where, o, calling); err != nil {
		return err
	}
	if !calling {
		return nil
	}
	return c.calls(where+".tool_calls", calls)
}

func (c *conversation) content(where string, o map[string]any, calling bool) error {
	content, given := o["content"]
	switch {
	case calling && !given, calling && content == nil && c.nulls:
		return nil
	case calling && content == nil:
		return fmt.Errorf("%s.content must be left out beside a call without a text: chat templates write null as a word", where)
	}
	text, err := someText(where+".content", content)
	if err != nil || c.written == nil {
		return err
	}
	_, err = writtenCall(where, text, c.written)
	return err
}

func (c *conversation) calls(where string, v any) error {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return fmt.Errorf("%s must be a list that is not empty; leave it out where nothing is called", where)
	}
	if len(list) > 1 && c.single {
		return fmt.Errorf("%s makes %d calls at once, which parallel_tool_calls denies", where, len(list))
	}
	for i, call := range list {
		if err := c.call(fmt.Sprintf("%s[%d]", where, i), call); err != nil {
			return err
		}
	}
	return nil
}

func (c *conversation) call(where string, v any) error {
	required, optional := []string{"type", "function"}, []string{"id"}
	if c.dialect.ids {
		required, optional = []string{"id", "type", "function"}, nil
	}
	o, err := object(where, v, required, optional)
	if err != nil {
		return err
	}
	if o["type"] != "function" {
		return fmt.Errorf("%s.type must be function", where)
	}
	var id string
	if v, given := o["id"]; given {
		if id, err = someText(where+".id", v); err != nil {
			return err
		}
		if c.ids[id] {
			return fmt.Errorf("%s.id: %q is there twice", where, id)
		}
		c.ids[id] = true
	}
	where += ".function"
	f, err := object(where, o["function"], []string{"name", "arguments"}, nil)
	if err != nil {
		return err
	}
	name, err := someText(where+".name", f["name"])
	if err != nil {
		return err
	}
	arguments, err := c.arguments(where+".arguments", f["arguments"])
	if err != nil {
		return err
	}
	c.open = append(c.open, openCall{id, name})
	return c.tools.fit(where, name, arguments)
}

// arguments are those of a call as JSON.
func (c *conversation) arguments(where string, v any) ([]byte, error) {
	text, ok := v.(string)
	if !c.strings {
		if ok {
			return nil, fmt.Errorf("%s must be an object, not a JSON string: chat templates would write it as a string", where)
		}
		if _, ok := v.(map[string]any); !ok {
			return nil, fmt.Errorf("%s must be an object", where)
		}
		return json.Marshal(v)
	}
	if !ok {
		return nil, fmt.Errorf("%s must be a JSON string, not the object itself", where)
	}
	if _, err := parseValue([]byte(text)); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return []byte(text), nil
}

// textTools reads tools that stand in a JSON string.
func textTools(v any, given bool) (toolTable, error) {
	if !given {
		return toolTable{}, nil
	}
	text, ok := v.(string)
	if !ok {
		return nil, errors.New("tools must be a JSON string: as nested data, tools with different parameters would share one table schema")
	}
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("tools must be a JSON string that holds a list, [] for none")
	}
	list, err := parseValue([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("tools: %w", err)
	}
	return readTools(list, "return")
}
