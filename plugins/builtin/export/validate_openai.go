package export

import (
	"encoding/json"
	"errors"
	"fmt"
)

// ValidateOpenAI checks a line of OpenAI chat fine-tuning data as output
// "openai_sft" writes it, and says what is wrong with it:
//
//   - a system message at most, the user's, then for each step one tool call
//     and its result under the call's id, and an assistant's message at the end;
//   - no id twice; every call names a listed tool, and its arguments, a JSON
//     string, fit the tool's parameters;
//   - each assistant message says something or calls a tool, and has a weight
//     of 0 or 1; the last one has 1;
//   - at most 128 tools under names that the API takes; parallel_tool_calls is
//     false and stands beside tools alone;
//   - no other keys.
func ValidateOpenAI(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if _, err := object("the row", row, []string{"messages"}, []string{"tools", "parallel_tool_calls"}); err != nil {
		return err
	}
	v := openAI{ids: map[string]bool{}}
	if v.tools, err = openAITools(row); err != nil {
		return err
	}
	messages, ok := row["messages"].([]any)
	if !ok || len(messages) == 0 {
		return errors.New("messages must be a list that is not empty")
	}
	for i, m := range messages {
		if err := v.message(fmt.Sprintf("messages[%d]", i), m); err != nil {
			return err
		}
	}
	if v.order.last != "assistant" && v.order.last != "call" {
		return errors.New("the last message must be the assistant's")
	}
	if v.weight != "1" {
		return errors.New("the last message must have weight 1")
	}
	return nil
}

func openAITools(row map[string]any) (toolTable, error) {
	list, given := row["tools"]
	parallel, also := row["parallel_tool_calls"]
	if given != also || also && parallel != false {
		return nil, errors.New("parallel_tool_calls must be false beside tools, and absent without")
	}
	if !given {
		return toolTable{}, nil
	}
	tools, err := readTools(list)
	if err != nil {
		return nil, err
	}
	if len(tools) == 0 || len(tools) > MaxTools {
		return nil, fmt.Errorf("tools must list 1 to %d tools, not %d", MaxTools, len(tools))
	}
	for name := range tools {
		if !functionName().MatchString(name) {
			return nil, fmt.Errorf("the API does not take %q as a tool's name", name)
		}
	}
	return tools, nil
}

// openAI is the state of reading a conversation.
type openAI struct {
	tools  toolTable
	order  order
	ids    map[string]bool
	open   string      // id of the call that waits for its result
	weight json.Number // of the last assistant message
}

func (v *openAI) message(where string, m any) error {
	o, ok := m.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be an object", where)
	}
	switch o["role"] {
	case "assistant":
		return v.assistant(where, m)
	case "tool":
		if _, err := object(where, m, []string{"role", "tool_call_id", "content"}, nil); err != nil {
			return err
		}
		if err := v.order.next(where, "tool"); err != nil {
			return err
		}
		if o["tool_call_id"] != v.open {
			return fmt.Errorf("%s answers no open call", where)
		}
		if _, ok := o["content"].(string); !ok {
			return fmt.Errorf("%s.content must be a string", where)
		}
		return nil
	}
	if _, err := object(where, m, []string{"role", "content"}, nil); err != nil {
		return err
	}
	if _, err := someText(where+".content", o["content"]); err != nil {
		return err
	}
	role, _ := o["role"].(string)
	if role != "system" && role != "user" {
		return fmt.Errorf("%s: unknown role", where)
	}
	return v.order.next(where, role)
}

func (v *openAI) assistant(where string, m any) error {
	o, err := object(where, m, []string{"role", "content", "weight"}, []string{"tool_calls"})
	if err != nil {
		return err
	}
	weight, ok := o["weight"].(json.Number)
	if !ok || weight != "0" && weight != "1" {
		return fmt.Errorf("%s.weight must be 0 or 1", where)
	}
	v.weight = weight
	calls, calling := o["tool_calls"]
	if o["content"] != nil || !calling {
		if _, err := someText(where+".content", o["content"]); err != nil {
			return err
		}
	}
	if !calling {
		return v.order.next(where, "assistant")
	}
	if err := v.order.next(where, "call"); err != nil {
		return err
	}
	call, function, err := oneCall(where, calls, "id")
	if err != nil {
		return err
	}
	if v.open, err = someText(where+": the call's id", call["id"]); err != nil {
		return err
	}
	if v.ids[v.open] {
		return fmt.Errorf("%s: the id %q is there twice", where, v.open)
	}
	v.ids[v.open] = true
	name, _ := function["name"].(string)
	arguments, ok := function["arguments"].(string)
	if !ok {
		return fmt.Errorf("%s: arguments must be a JSON string", where)
	}
	if _, err := parseValue([]byte(arguments)); err != nil {
		return fmt.Errorf("%s: arguments: %w", where, err)
	}
	return v.tools.fit(where, name, []byte(arguments))
}
