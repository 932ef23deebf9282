package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// llamaV1 checks a row of LLaMA-Factory's newer form, in which content is a
// list of parts and each message has a weight in the loss:
//
//   - a system message at most, the user's, then calls and their results in
//     turn, and the assistant's message at the end;
//   - a part is a text, a reasoning or a tool_call, whose value is the JSON of
//     a call that fits its tool; only the assistant reasons and calls;
//   - loss_weight is a number from 0 to 1; 0 for all but the assistant, more
//     than 0 for the last message;
//   - chosen_messages and rejected_messages differ in the last message alone,
//     and do not do the same there.
func llamaV1(row map[string]any) error {
	keys := []string{"messages"}
	if has(row, "chosen_messages") || has(row, "rejected_messages") {
		keys = []string{"chosen_messages", "rejected_messages"}
	}
	if _, err := object("the row", row, keys, []string{"tools"}); err != nil {
		return err
	}
	tools, err := llamaTools(row["tools"])
	if err != nil {
		return err
	}
	var before [2][]any
	var does [2]any
	for i, key := range keys {
		list, ok := row[key].([]any)
		if !ok || len(list) == 0 {
			return fmt.Errorf("%s must be a list that is not empty", key)
		}
		c := v1Conversation{key: key, tools: tools}
		for k, m := range list {
			if err := c.message(fmt.Sprintf("%s[%d]", key, k), m); err != nil {
				return err
			}
		}
		if c.order.last != "assistant" && c.order.last != "call" {
			return fmt.Errorf("%s must end with the assistant's message", key)
		}
		if c.weight == 0 {
			return fmt.Errorf("%s[%d].loss_weight: the last message must count, or nothing is learned", key, len(list)-1)
		}
		before[i], does[i] = list[:len(list)-1], c.does
	}
	if len(keys) == 1 {
		return nil
	}
	if !reflect.DeepEqual(before[0], before[1]) {
		return errors.New("chosen_messages and rejected_messages must be equal but for the last message")
	}
	if reflect.DeepEqual(does[0], does[1]) {
		return errors.New("chosen_messages and rejected_messages do the same")
	}
	return nil
}

// v1Conversation is the state of reading a conversation.
type v1Conversation struct {
	key    string
	tools  toolTable
	order  turnOrder
	open   int     // calls whose results are waited for
	weight float64 // of the message read last
	does   any     // what it does
}

func (c *v1Conversation) message(where string, m any) error {
	o, err := object(where, m, []string{"role", "content", "loss_weight"}, nil)
	if err != nil {
		return err
	}
	number, ok := o["loss_weight"].(json.Number)
	if ok {
		c.weight, err = number.Float64()
	}
	if !ok || err != nil || c.weight < 0 || c.weight > 1 {
		return fmt.Errorf("%s.loss_weight must be a number from 0 to 1", where)
	}
	role, _ := o["role"].(string)
	if role != "assistant" && c.weight != 0 {
		return fmt.Errorf("%s.loss_weight must be 0: only what the assistant says is learned", where)
	}
	parts, ok := o["content"].([]any)
	if !ok || len(parts) == 0 {
		return fmt.Errorf("%s.content must be a list of parts that is not empty", where)
	}
	calls, said := []any{}, []any{}
	for i, p := range parts {
		at := fmt.Sprintf("%s.content[%d]", where, i)
		kind, value, err := c.part(at, role, p)
		if err != nil {
			return err
		}
		switch kind {
		case "tool_call":
			calls = append(calls, value)
		case "text":
			said = append(said, value)
		}
	}
	if role == "assistant" && len(calls)+len(said) == 0 {
		return fmt.Errorf("%s.content must have a text or a tool_call beside the reasoning", where)
	}
	c.does = []any{calls, said}
	if len(calls) > 0 {
		role, c.does = "call", calls
	}
	return c.follow(where, role, len(calls))
}

// follow holds the message to its place. A call is followed by its results, as
// many as it makes calls.
func (c *v1Conversation) follow(where, role string, calls int) error {
	if role == "tool" && c.open == 0 {
		return fmt.Errorf("%s.role: a result of no call", where)
	}
	if role != "tool" && c.open > 0 {
		return fmt.Errorf("%s.role: a call before it has no result", where)
	}
	if role == "tool" {
		c.open--
	}
	c.open += calls
	return c.order.next(where+".role", role)
}

// part checks a part of a message; the value of a call is decoded.
func (c *v1Conversation) part(where, role string, p any) (kind string, value any, err error) {
	o, err := object(where, p, []string{"type", "value"}, nil)
	if err != nil {
		return "", nil, err
	}
	kind, _ = o["type"].(string)
	text, ok := o["value"].(string)
	if !ok {
		return "", nil, fmt.Errorf("%s.value must be a string", where)
	}
	switch kind {
	case "text":
		if role == "tool" {
			return kind, text, nil
		}
		_, err := someText(where+".value", text)
		return kind, strings.TrimSpace(text), err
	case "reasoning", "tool_call":
		if role != "assistant" {
			return "", nil, fmt.Errorf("%s.type: only the assistant has parts of type %s", where, kind)
		}
	default:
		return "", nil, fmt.Errorf("%s.type must be text, reasoning or tool_call", where)
	}
	if kind == "reasoning" {
		_, err := someText(where+".value", text)
		return kind, nil, err
	}
	call, err := parseValue([]byte(text))
	if err != nil {
		return "", nil, fmt.Errorf("%s.value must be the JSON of a call: %w", where, err)
	}
	return kind, call, llamaCall(where+".value", call, c.tools)
}
