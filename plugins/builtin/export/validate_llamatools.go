package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// llamaTools reads the column tools: a JSON string of a list of bare tools;
// absent, null or "" for none.
func llamaTools(v any) (toolTable, error) {
	if v == nil || v == "" {
		return toolTable{}, nil
	}
	text, ok := v.(string)
	if !ok {
		return nil, errors.New("tools must be a JSON string: as nested data, all tools would share one table schema")
	}
	value, err := parseValue([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("tools: %w", err)
	}
	list, ok := value.([]any)
	if !ok {
		return nil, errors.New("tools must hold a list")
	}
	table := toolTable{}
	for i, e := range list {
		where := fmt.Sprintf("tools[%d]", i)
		if o, _ := e.(map[string]any); has(o, "function") {
			return nil, fmt.Errorf("%s is wrapped in type and function; LLaMA-Factory takes the bare tool", where)
		}
		tool, err := object(where, e, []string{"name", "parameters"}, []string{"description"})
		if err != nil {
			return nil, err
		}
		name, err := someText(where+".name", tool["name"])
		if err != nil {
			return nil, err
		}
		if _, twice := table[name]; twice {
			return nil, fmt.Errorf("%s.name: there are two tools %q", where, name)
		}
		if d, given := tool["description"]; given {
			if _, ok := d.(string); !ok {
				return nil, fmt.Errorf("%s.description must be a string", where)
			}
		}
		if table[name], err = readParameters(where+".parameters", tool["parameters"]); err != nil {
			return nil, err
		}
		if err := llamaParameters(where+".parameters", tool["parameters"]); err != nil {
			return nil, err
		}
	}
	return table, nil
}

// llamaParameters checks what LLaMA-Factory's own way to describe tools takes
// for granted; where it does not hold, a training run stops.
func llamaParameters(where string, v any) error {
	parameters, _ := v.(map[string]any)
	properties, ok := parameters["properties"].(map[string]any)
	if !ok {
		return fmt.Errorf("%s.properties must be an object, if need be an empty one", where)
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		at := where + ".properties." + name
		p, ok := properties[name].(map[string]any)
		if !ok {
			return fmt.Errorf("%s must be an object", at)
		}
		if e, given := p["enum"]; given {
			list, ok := e.([]any)
			isText := func(v any) bool { _, ok := v.(string); return ok }
			if !ok || slices.ContainsFunc(list, func(v any) bool { return !isText(v) }) {
				return fmt.Errorf("%s.enum must be a list of strings; LLaMA-Factory joins them as text", at)
			}
		}
		if items, given := p["items"]; given && items != nil {
			if _, ok := items.(map[string]any); !ok {
				return fmt.Errorf("%s.items must be an object", at)
			}
		}
	}
	return nil
}

// llamaCalls reads the text of a call: at most one thought in marks, and then
// a JSON object, or a list of them, with a name and arguments. It gives the
// calls.
func llamaCalls(where, text string, tools toolTable) (any, error) {
	rest := text
	if after, thinks := strings.CutPrefix(text, ThinkOpen); thinks {
		thought, call, closed := strings.Cut(after, ThinkClose)
		if !closed || strings.TrimSpace(thought) == "" {
			return nil, fmt.Errorf("%s: the thought must not be blank, and end in a line break, </think> and an empty line", where)
		}
		rest = call
	}
	for _, mark := range []string{"<think>", "</think>", "<tool_call>", "</tool_call>"} {
		if strings.Contains(rest, mark) {
			return nil, fmt.Errorf("%s: %s stands where LLaMA-Factory reads the call; write \\u003c for < in the JSON", where, mark)
		}
	}
	value, err := parseValue([]byte(rest))
	if err != nil {
		return nil, fmt.Errorf("%s must be the JSON of a call: %w", where, err)
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s calls nothing", where)
	}
	for i, e := range list {
		at := where
		if ok {
			at = fmt.Sprintf("%s[%d]", where, i)
		}
		if err := llamaCall(at, e, tools); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func llamaCall(where string, v any, tools toolTable) error {
	o, err := object(where, v, []string{"name", "arguments"}, nil)
	if err != nil {
		return err
	}
	name, err := someText(where+".name", o["name"])
	if err != nil {
		return err
	}
	arguments, ok := o["arguments"].(map[string]any)
	if !ok {
		return fmt.Errorf("%s.arguments must be an object; a string would be quoted once more", where)
	}
	text, err := json.Marshal(arguments)
	if err != nil {
		return err
	}
	return tools.fit(where, name, text)
}

// llamaNative checks tool_calls beside a message's text, as LLaMA-Factory's
// OpenAI form takes them.
func llamaNative(where string, calls []any, content any, tools toolTable) (any, error) {
	if s, text := content.(string); text && strings.TrimSpace(s) != "" {
		return nil, fmt.Errorf("%s.content: LLaMA-Factory drops the text beside tool_calls", where)
	} else if !text && content != nil {
		return nil, fmt.Errorf("%s.content must be a string", where)
	}
	var does []any
	for i, c := range calls {
		at := fmt.Sprintf("%s.tool_calls[%d]", where, i)
		o, err := object(at, c, []string{"function"}, []string{"id", "type"})
		if err != nil {
			return nil, err
		}
		if err := llamaCall(at+".function", o["function"], tools); err != nil {
			return nil, err
		}
		does = append(does, o["function"])
	}
	return does, nil
}

// CheckLLaMATools says what is wrong with a column tools of LLaMA-Factory's.
func CheckLLaMATools(tools string) error {
	_, err := llamaTools(tools)
	return err
}
