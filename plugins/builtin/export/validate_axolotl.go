package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ValidateAxolotlSFT checks a line of data for Axolotl's type chat_template as
// output "axolotl_sft" writes it, and says what is wrong with it:
//
//   - a system message at most, the user's, then for each step one or more tool
//     calls and their results under their ids, and the assistant's message at
//     the end;
//   - tools is a JSON string of a list of tools in their function wrappers, ""
//     for none; arguments are a JSON string and fit the tool: as nested data,
//     those of all calls would share one table schema;
//   - content is a string in every message, "" beside a call without a text:
//     chat templates differ in what they make of null;
//   - train is true or false in every message, and true in assistant messages
//     alone, the last one among them;
//   - no other keys.
func ValidateAxolotlSFT(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if _, err := object("the row", row, []string{"messages", "tools"}, nil); err != nil {
		return err
	}
	v := axolotl{ids: map[string]bool{}}
	if v.tools, err = wrappedTools(row["tools"]); err != nil {
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
		return errors.New("messages must end with the assistant's")
	}
	if !v.train {
		return fmt.Errorf("messages[%d].train: the last message must be trained on", len(messages)-1)
	}
	return nil
}

func wrappedTools(v any) (toolTable, error) {
	if v == "" {
		return toolTable{}, nil
	}
	text, ok := v.(string)
	if !ok {
		return nil, errors.New("tools must be a JSON string: as nested data, all tools would share one table schema")
	}
	list, err := parseValue([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("tools: %w", err)
	}
	return readTools(list)
}

// axolotl is the state of reading a conversation.
type axolotl struct {
	tools toolTable
	order turnOrder
	ids   map[string]bool // of calls; true while the result is waited for
	train bool            // of the message read last
}

func (v *axolotl) message(where string, m any) error {
	o, ok := m.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be an object", where)
	}
	role, _ := o["role"].(string)
	required, optional := []string{"role", "content", "train"}, []string(nil)
	switch role {
	case "assistant":
		optional = []string{"tool_calls"}
	case "tool":
		required = append(required, "tool_call_id", "name")
	case "system", "user":
	default:
		return fmt.Errorf("%s.role: unknown role", where)
	}
	if _, err := object(where, m, required, optional); err != nil {
		return err
	}
	content, ok := o["content"].(string)
	if !ok {
		return fmt.Errorf("%s.content must be a string, \"\" beside a call without a text", where)
	}
	if v.train, ok = o["train"].(bool); !ok {
		return fmt.Errorf("%s.train must be true or false", where)
	}
	if v.train && role != "assistant" {
		return fmt.Errorf("%s.train must be false: only what the assistant says is learned", where)
	}
	switch {
	case role == "tool":
		return v.result(where, o)
	case has(o, "tool_calls"):
		return v.calls(where, o["tool_calls"])
	}
	if _, err := someText(where+".content", content); err != nil {
		return err
	}
	if err := v.allAnswered(where); err != nil {
		return err
	}
	return v.order.next(where+".role", role)
}

func (v *axolotl) allAnswered(where string) error {
	for _, id := range slices.Sorted(maps.Keys(v.ids)) {
		if v.ids[id] {
			return fmt.Errorf("%s: the call %q before it has no result", where, id)
		}
	}
	return nil
}

func (v *axolotl) result(where string, o map[string]any) error {
	id, _ := o["tool_call_id"].(string)
	if !v.ids[id] {
		return fmt.Errorf("%s.tool_call_id names no open call", where)
	}
	v.ids[id] = false
	if _, err := someText(where+".name", o["name"]); err != nil {
		return err
	}
	return v.order.next(where+".role", "tool")
}

func (v *axolotl) calls(where string, calls any) error {
	if err := v.allAnswered(where); err != nil {
		return err
	}
	list, ok := calls.([]any)
	if !ok || len(list) == 0 {
		return fmt.Errorf("%s.tool_calls must be a list that is not empty; leave it out where nothing is called", where)
	}
	for i, c := range list {
		at := fmt.Sprintf("%s.tool_calls[%d]", where, i)
		call, err := object(at, c, []string{"id", "type", "function"}, nil)
		if err != nil {
			return err
		}
		if call["type"] != "function" {
			return fmt.Errorf("%s.type must be function", at)
		}
		id, err := someText(at+".id", call["id"])
		if err != nil {
			return err
		}
		if _, twice := v.ids[id]; twice {
			return fmt.Errorf("%s.id: %q is there twice", at, id)
		}
		v.ids[id] = true
		f, err := object(at+".function", call["function"], []string{"name", "arguments"}, nil)
		if err != nil {
			return err
		}
		arguments, ok := f["arguments"].(string)
		if !ok {
			return fmt.Errorf("%s.function.arguments must be a JSON string: as nested data, those of all calls would share one table schema", at)
		}
		if err := v.fit(at+".function", f["name"], arguments); err != nil {
			return err
		}
	}
	return v.order.next(where+".role", "call")
}

func (v *axolotl) fit(where string, name any, arguments string) error {
	value, err := parseValue([]byte(arguments))
	if err != nil {
		return fmt.Errorf("%s.arguments: %w", where, err)
	}
	if _, ok := value.(map[string]any); !ok {
		return fmt.Errorf("%s.arguments must hold an object", where)
	}
	text, err := someText(where+".name", name)
	if err != nil {
		return err
	}
	return v.tools.fit(where, text, json.RawMessage(arguments))
}

// templateText is what chat templates set around the message that Axolotl
// looks a content up behind; a content that is found in it is cut wrongly.
const templateText = "<|im_start|>system<|im_end|><|start_header_id|>user<|end_header_id|>[[dummy_message]]<|eot_id|>assistant[INST][/INST]</s><bos><start_of_turn>model<end_of_turn>"

// ValidateAxolotlDPO checks a line of data for Axolotl's type
// chat_template.default of preference training, and says what is wrong with
// it. Axolotl copies only role and content there, and looks the content of
// chosen and rejected up in what the chat template made of it, so:
//
//   - messages, chosen and rejected have role and content and nothing else;
//     content is a string that is not blank;
//   - a system message at most, then the user and the assistant in turn, up to
//     the user; chosen and rejected are the assistant's;
//   - a call is text in <tool_call> marks at the end of a message, and fits a
//     tool in <tools> marks in the system message;
//   - chosen and rejected do not do the same, have no white space around them,
//     which templates cut away, are not part of what templates write by
//     themselves, and hold no </think>, at which templates cut;
//   - no other keys.
func ValidateAxolotlDPO(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if _, err := object("the row", row, []string{"messages", "chosen", "rejected"}, nil); err != nil {
		return err
	}
	messages, ok := row["messages"].([]any)
	if !ok || len(messages) == 0 {
		return errors.New("messages must be a list that is not empty")
	}
	v := axolotlText{tools: toolTable{}}
	for i, m := range messages {
		if err := v.message(fmt.Sprintf("messages[%d]", i), m); err != nil {
			return err
		}
	}
	if v.last != "user" {
		return errors.New("messages must end with the user's")
	}
	var does [2]string
	for i, side := range []string{"chosen", "rejected"} {
		if does[i], err = v.side(side, row[side]); err != nil {
			return err
		}
	}
	if does[0] == does[1] {
		return errors.New("chosen and rejected do the same")
	}
	return nil
}

// axolotlText is the state of reading a conversation that is text alone.
type axolotlText struct {
	tools toolTable
	last  string // role of the message before
	does  string // what that message does
}

func (v *axolotlText) message(where string, m any) error {
	o, err := object(where, m, []string{"role", "content"}, nil)
	if err != nil {
		return fmt.Errorf("%w; Axolotl copies role and content alone", err)
	}
	content, err := someText(where+".content", o["content"])
	if err != nil {
		return err
	}
	role, _ := o["role"].(string)
	if role == "tool" {
		return fmt.Errorf("%s.role: Axolotl knows no role tool here; what a tool returned stands as the user's", where)
	}
	before := map[string][]string{"system": {""}, "user": {"", "system", "assistant"}, "assistant": {"user"}}
	if !slices.Contains(before[role], v.last) {
		return fmt.Errorf("%s.role: a message of role %q is out of order", where, role)
	}
	v.last, v.does = role, content
	switch role {
	case "system":
		return v.system(where, content)
	case "assistant":
		return v.assistant(where, content)
	}
	return nil
}

// system reads the tools that a system message lists.
func (v *axolotlText) system(where, content string) error {
	tools, listed, err := listedTools(where, content)
	if listed {
		v.tools = tools
	}
	return err
}

// assistant checks the call at the end of a message, if there is one.
func (v *axolotlText) assistant(where, content string) error {
	if strings.Contains(content, "</think>") {
		return fmt.Errorf("%s.content holds </think>, at which chat templates cut", where)
	}
	value, err := writtenCall(where, content, v.tools)
	if err != nil || value == nil {
		return err
	}
	call, err := json.Marshal(value)
	v.does = callOpen + string(call)
	return err
}

// side reads chosen or rejected and gives what it does.
func (v *axolotlText) side(where string, m any) (string, error) {
	if _, ok := m.(map[string]any); !ok {
		return "", fmt.Errorf("%s must be one message, an object", where)
	}
	at := *v // both sides go on from the same messages
	if err := at.message(where, m); err != nil {
		return "", err
	}
	if at.last != "assistant" {
		return "", fmt.Errorf("%s.role must be assistant", where)
	}
	o, _ := m.(map[string]any)
	content, _ := o["content"].(string)
	if strings.TrimSpace(content) != content {
		return "", fmt.Errorf("%s.content must have no white space around it: chat templates cut it away, and Axolotl then does not find the content", where)
	}
	if strings.Contains(templateText, content) {
		return "", fmt.Errorf("%s.content is so short that it is found in what chat templates write, and cut there", where)
	}
	return at.does, nil
}
