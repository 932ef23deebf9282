package export

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Marks that LLaMA-Factory sets around the reasoning before a call, exactly
// so: other white space would be taken for part of the call.
const (
	ThinkOpen  = "<think>\n"
	ThinkClose = "\n</think>\n\n"
)

// llamaForm is how a form of LLaMA-Factory's data names things.
type llamaForm struct {
	messages, role, text       string // keys
	user, assistant            string // roles
	call, result, systemPrompt string // likewise
}

// sharegpt and openai are the names that output "llamafactory" writes, and
// that LLaMA-Factory takes when dataset_info.json gives no others.
func sharegptForm() llamaForm {
	return llamaForm{"conversations", "from", "value", "human", "gpt", "function_call", "observation", "system"}
}

func openaiForm() llamaForm {
	return llamaForm{"messages", "role", "content", "user", "assistant", "function", "tool", "system"}
}

// ValidateLLaMAFactory checks a line of data for LLaMA-Factory, in any of the
// forms that output "llamafactory" writes, and says what is wrong with it:
//
//   - turns 1, 3, 5, … are the user's or a tool's, turns 2, 4, 6, … the model's
//     answers or calls: LLaMA-Factory leaves out all other rows with no more
//     than a warning. What is trained on (or has a label) has an even number of
//     turns; what stands before chosen and rejected, an odd one;
//   - a call is a JSON string of an object {name, arguments} or a list of them,
//     with at most one thought in <think> marks before it, and fits its tool;
//   - tools is a JSON string of a list of bare tools, "" for none, whose
//     parameters have the shape that LLaMA-Factory reads without looking;
//   - chosen and rejected are one message each and do not do the same; label is
//     true or false;
//   - no other keys.
//
// Rows of the newer form, in which content is a list of parts, are checked by
// what holds there.
func ValidateLLaMAFactory(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	switch llamaShape(row) {
	case "v1", "v1 dpo":
		return llamaV1(row)
	case "":
		return errors.New("the row has neither conversations nor messages nor chosen_messages")
	}
	form := sharegptForm()
	if _, ok := row["conversations"]; !ok {
		form = openaiForm()
	}
	return form.row(row)
}

// llamaShape names a row's form and stage; "" if it has none.
func llamaShape(row map[string]any) string {
	shape := ""
	switch messages, _ := row["messages"].([]any); {
	case row["chosen_messages"] != nil || row["rejected_messages"] != nil:
		return "v1 dpo"
	case row["conversations"] != nil:
		shape = "sharegpt"
	case row["messages"] == nil:
		return ""
	case slices.ContainsFunc(messages, hasParts):
		return "v1"
	default:
		shape = "openai"
	}
	switch {
	case has(row, "chosen") || has(row, "rejected"):
		return shape + " dpo"
	case has(row, "label"):
		return shape + " kto"
	}
	return shape
}

func has(row map[string]any, key string) bool {
	_, ok := row[key]
	return ok
}

// hasParts says whether a message's content is a list.
func hasParts(m any) bool {
	o, _ := m.(map[string]any)
	_, list := o["content"].([]any)
	return list
}

// llamaTurn is a turn of a conversation.
type llamaTurn struct {
	where string
	role  string // the form's word for it
	does  any    // what an answer or a call does, to be compared
}

func (f llamaForm) row(row map[string]any) error {
	ranking := has(row, "chosen") || has(row, "rejected")
	required, optional := []string{f.messages}, []string{"system", "tools"}
	switch {
	case ranking:
		required = append(required, "chosen", "rejected")
	case has(row, "label"):
		optional = append(optional, "label")
		if _, ok := row["label"].(bool); !ok {
			return errors.New("label must be true or false; LLaMA-Factory trains on rows with any other label as on answers that are wanted")
		}
	}
	if _, err := object("the row", row, required, optional); err != nil {
		return err
	}
	tools, err := llamaTools(row["tools"])
	if err != nil {
		return err
	}
	if v := row["system"]; v != nil {
		if _, ok := v.(string); !ok {
			return errors.New("system must be a string")
		}
	}
	turns, err := f.turns(row, tools, ranking)
	if err != nil {
		return err
	}
	if err := f.alternate(turns, ranking); err != nil {
		return err
	}
	if !ranking {
		return nil
	}
	var does [2]any
	for i, side := range []string{"chosen", "rejected"} {
		if does[i], err = f.side(side, row[side], tools); err != nil {
			return err
		}
	}
	if reflect.DeepEqual(does[0], does[1]) {
		return errors.New("chosen and rejected do the same")
	}
	return nil
}

// turns reads the conversation. In the OpenAI form, tools' results that follow
// each other are one turn.
func (f llamaForm) turns(row map[string]any, tools toolTable, ranking bool) ([]llamaTurn, error) {
	list, ok := row[f.messages].([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("%s must be a list that is not empty", f.messages)
	}
	native := slices.ContainsFunc(list, func(m any) bool { o, _ := m.(map[string]any); return o["tool_calls"] != nil })
	var turns []llamaTurn
	for i, m := range list {
		where := fmt.Sprintf("%s[%d]", f.messages, i)
		turn, err := f.message(where, m, tools, native)
		if err != nil {
			return nil, err
		}
		if turn.role == f.systemPrompt {
			if i > 0 {
				return nil, fmt.Errorf("%s.%s: a system message can only be the first", where, f.role)
			}
			if s, _ := row["system"].(string); s != "" {
				return nil, fmt.Errorf("%s.%s: there is a system message beside the system column, which LLaMA-Factory would then pass over", where, f.role)
			}
			continue
		}
		last := len(turns) - 1
		if f.messages == "messages" && !ranking && last >= 0 && turn.role == f.result && turns[last].role == f.result {
			continue
		}
		turns = append(turns, turn)
	}
	return turns, nil
}

// message checks a message by itself. native says that the conversation has
// tool_calls beside the messages' text.
func (f llamaForm) message(where string, m any, tools toolTable, native bool) (llamaTurn, error) {
	turn := llamaTurn{where: where}
	optional := []string{}
	if f.messages == "messages" {
		optional = append(optional, "tool_calls")
	}
	o, err := object(where, m, []string{f.role, f.text}, optional)
	if err != nil {
		return turn, err
	}
	turn.role, _ = o[f.role].(string)
	if !slices.Contains([]string{f.user, f.assistant, f.call, f.result, f.systemPrompt}, turn.role) {
		return turn, fmt.Errorf("%s.%s must be %s, %s, %s, %s or %s", where, f.role, f.user, f.assistant, f.call, f.result, f.systemPrompt)
	}
	if calls, given := o["tool_calls"]; given || native && turn.role == f.assistant {
		if turn.role != f.assistant {
			return turn, fmt.Errorf("%s.tool_calls: only a message of role %s can call tools", where, f.assistant)
		}
		list, ok := calls.([]any)
		if !ok {
			return turn, fmt.Errorf("%s.tool_calls must be a list, empty where nothing is called: where it is absent or null beside others that have one, LLaMA-Factory fails", where)
		}
		if len(list) > 0 {
			turn.role = f.call
			turn.does, err = llamaNative(where, list, o[f.text], tools)
			return turn, err
		}
	}
	text, ok := o[f.text].(string)
	if !ok {
		return turn, fmt.Errorf("%s.%s must be a string", where, f.text)
	}
	switch {
	case turn.role == f.call:
		turn.does, err = llamaCalls(where+"."+f.text, text, tools)
		return turn, err
	case turn.role == f.result || turn.role == f.systemPrompt:
		return turn, nil
	}
	turn.does = strings.TrimSpace(text)
	_, err = someText(where+"."+f.text, text)
	return turn, err
}

// alternate holds the turns to LLaMA-Factory's order.
func (f llamaForm) alternate(turns []llamaTurn, ranking bool) error {
	for i, t := range turns {
		takes := []string{f.user, f.result}
		if i%2 == 1 {
			takes = []string{f.assistant, f.call}
		}
		if !slices.Contains(takes, t.role) {
			return fmt.Errorf("%s.%s: turn %d must be of %s or %s, not of %s; LLaMA-Factory leaves such rows out", t.where, f.role, i+1, takes[0], takes[1], t.role)
		}
		called := i > 0 && turns[i-1].role == f.call
		if t.role == f.result && !called {
			return fmt.Errorf("%s.%s: a result of no call", t.where, f.role)
		}
		if t.role == f.user && called {
			return fmt.Errorf("%s.%s: the call before has no result", t.where, f.role)
		}
	}
	if n := len(turns); ranking && n%2 == 0 {
		return fmt.Errorf("%s must have an odd number of turns before chosen and rejected, not %d; LLaMA-Factory leaves such rows out", f.messages, n)
	} else if !ranking && n%2 == 1 {
		return fmt.Errorf("%s must have an even number of turns, not %d; LLaMA-Factory leaves such rows out", f.messages, n)
	}
	return nil
}

// side reads the one message of chosen or rejected and gives what it does.
func (f llamaForm) side(where string, m any, tools toolTable) (any, error) {
	if _, ok := m.(map[string]any); !ok {
		return nil, fmt.Errorf("%s must be one message, an object; a pair with anything else is trained on without it", where)
	}
	turn, err := f.message(where, m, tools, false)
	if err != nil {
		return nil, err
	}
	o, _ := m.(map[string]any)
	if has(o, "tool_calls") {
		return nil, fmt.Errorf("%s.tool_calls: LLaMA-Factory does not read it there; give role %s and the call as text", where, f.call)
	}
	if turn.role != f.assistant && turn.role != f.call {
		return nil, fmt.Errorf("%s.%s must be %s or %s", where, f.role, f.assistant, f.call)
	}
	return turn.does, nil
}
