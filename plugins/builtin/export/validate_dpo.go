package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// ValidateDPO checks a line of preference data as output "trl_dpo" writes it,
// and says what is wrong with it:
//
//   - prompt: a system message at most, the user's, then for each step one
//     tool call and the result under the tool's name;
//   - chosen and rejected: one assistant message each, and they do not do the
//     same (the text beside a call does not count);
//   - tools: a JSON string that holds a list of tools; every call names one of
//     them, and its arguments, an object, fit the parameters;
//   - each assistant message says something or calls a tool, without null
//     content;
//   - no other keys.
//
// Both sides share the one prompt, so it is byte-identical for both.
func ValidateDPO(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if _, err := object("the row", row, []string{"prompt", "chosen", "rejected", "tools"}, nil); err != nil {
		return err
	}
	var v dpo
	if v.tools, err = dpoTools(row["tools"]); err != nil {
		return err
	}
	prompt, ok := row["prompt"].([]any)
	if !ok || len(prompt) == 0 {
		return errors.New("prompt must be a list that is not empty")
	}
	for i, m := range prompt {
		if err := v.message(fmt.Sprintf("prompt[%d]", i), m); err != nil {
			return err
		}
	}
	if v.order.last != "user" && v.order.last != "tool" {
		return errors.New("the prompt must end with the user's message or a tool's")
	}
	chosen, err := v.side("chosen", row["chosen"])
	if err != nil {
		return err
	}
	rejected, err := v.side("rejected", row["rejected"])
	if err != nil {
		return err
	}
	if reflect.DeepEqual(chosen, rejected) {
		return errors.New("chosen and rejected do the same")
	}
	return nil
}

func dpoTools(v any) (toolTable, error) {
	text, ok := v.(string)
	if !ok {
		return nil, errors.New("tools must be a JSON string")
	}
	list, err := parseValue([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("tools: %w", err)
	}
	return readTools(list)
}

// dpo is the state of reading a conversation.
type dpo struct {
	tools toolTable
	order order
	open  any // name of the tool whose result is waited for
}

// side checks the one message of chosen or rejected and gives what it does.
func (v *dpo) side(where string, m any) (any, error) {
	list, ok := m.([]any)
	if !ok || len(list) != 1 {
		return nil, fmt.Errorf("%s must be a list of one message", where)
	}
	message, ok := list[0].(map[string]any)
	if !ok || message["role"] != "assistant" {
		return nil, fmt.Errorf("%s must be the assistant's message", where)
	}
	at := *v // both sides go on from the prompt
	if err := at.message(where+"[0]", message); err != nil {
		return nil, err
	}
	if calls, calling := message["tool_calls"]; calling {
		return calls, nil
	}
	return message["content"], nil
}

func (v *dpo) message(where string, m any) error {
	o, ok := m.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be an object", where)
	}
	switch o["role"] {
	case "assistant":
		return v.assistant(where, o)
	case "tool":
		if _, err := object(where, m, []string{"role", "name", "content"}, nil); err != nil {
			return err
		}
		if _, ok := o["content"].(string); !ok {
			return fmt.Errorf("%s.content must be a string", where)
		}
		if err := v.order.next(where, "tool"); err != nil {
			return err
		}
		if o["name"] != v.open {
			return fmt.Errorf("%s answers another tool than was called", where)
		}
		return nil
	case "system", "user":
		if _, err := object(where, m, []string{"role", "content"}, nil); err != nil {
			return err
		}
		if _, err := someText(where+".content", o["content"]); err != nil {
			return err
		}
		return v.order.next(where, o["role"].(string))
	}
	return fmt.Errorf("%s: unknown role", where)
}

func (v *dpo) assistant(where string, o map[string]any) error {
	if _, err := object(where, o, []string{"role"}, []string{"content", "tool_calls"}); err != nil {
		return err
	}
	content, speaking := o["content"]
	calls, calling := o["tool_calls"]
	if speaking || !calling {
		if _, err := someText(where+".content", content); err != nil {
			return err
		}
	}
	if !calling {
		return v.order.next(where, "assistant")
	}
	if err := v.order.next(where, "call"); err != nil {
		return err
	}
	_, function, err := oneCall(where, calls)
	if err != nil {
		return err
	}
	arguments, ok := function["arguments"].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: arguments must be an object", where)
	}
	text, err := json.Marshal(arguments)
	if err != nil {
		return err
	}
	name, _ := function["name"].(string)
	v.open = name
	return v.tools.fit(where, name, text)
}
