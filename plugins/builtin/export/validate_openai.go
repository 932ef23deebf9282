package export

import (
	"errors"
	"fmt"
	"reflect"
)

// openAIColumns are those of OpenAI's messages and what stands beside them. The
// arguments of a call are a string in the format already; in Parquet a tool,
// whose parameters differ from those of others, stays JSON text.
func openAIColumns() []Column {
	return []Column{
		openAIMessages("messages"),
		{Name: "tools", Type: JSONValue, List: true},
		{Name: "parallel_tool_calls", Type: BoolValue},
	}
}

func openAIMessages(name string) Column { return Column{Name: name, Type: JSONValue, List: true} }

// OpenAISFT is the format of output "openai_sft".
func OpenAISFT() Format {
	return Format{Name: "openai_sft", Validate: validateOpenAI, Columns: openAIColumns()}
}

// OpenAIDPO is the format of output "openai_dpo".
func OpenAIDPO() Format {
	return Format{Name: "openai_dpo", Validate: validateOpenAIDPO, Columns: []Column{
		{Name: "input", Fields: append([]Column{openAIMessages("messages")}, openAIColumns()[1:]...)},
		openAIMessages("preferred_output"), openAIMessages("non_preferred_output"),
	}}
}

// validateOpenAI checks a line of OpenAI chat fine-tuning data and says what is
// wrong with it:
//
//   - a system message at most, then the user's and the assistant's in turn,
//     calls with the results of each under its id between, and an assistant's
//     message at the end;
//   - no id twice; every call names a listed tool, and its arguments, a JSON
//     string, fit the tool's parameters;
//   - each assistant message says something or calls a tool; a weight, which no
//     other message has, is 0 or 1, and not every one is 0;
//   - at most 128 tools under names that the API takes; parallel_tool_calls
//     stands beside tools alone, and is kept to;
//   - no other keys.
func validateOpenAI(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if has(row, "functions") {
		return errors.New("functions is the old form: use tools")
	}
	c, err := openAI("the row", "", row, true)
	if err != nil {
		return err
	}
	if c.last != "assistant" {
		return fmt.Errorf("messages must end with the assistant's, not the %s's", c.last)
	}
	if c.learned == 0 {
		return errors.New("messages: every weight is 0, so nothing is learned")
	}
	return nil
}

// validateOpenAIDPO checks a line of OpenAI preference data and says what is
// wrong with it:
//
//   - input holds messages, tools and parallel_tool_calls as validateOpenAI has
//     them, without weights, and ends before an assistant's message;
//   - preferred_output and non_preferred_output are one message of the
//     assistant's each, and do not do the same (the text beside a call does not
//     count);
//   - no other keys.
func validateOpenAIDPO(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	for _, side := range []string{"preferred", "non_preferred"} {
		if has(row, side+"_completion") {
			return fmt.Errorf("%s_completion is the old name: use %s_output", side, side)
		}
	}
	if _, err := object("the row", row, []string{"input", "preferred_output", "non_preferred_output"}, nil); err != nil {
		return err
	}
	c, err := openAI("input", "input.", row["input"], false)
	if err != nil {
		return err
	}
	if err := c.ready("input.messages"); err != nil {
		return err
	}
	var does [2]any
	for i, side := range []string{"preferred_output", "non_preferred_output"} {
		if list, ok := row[side].([]any); !ok || len(list) != 1 {
			return fmt.Errorf("%s must be a list of one message", side)
		}
		if does[i], err = c.reply(side, row[side]); err != nil {
			return err
		}
	}
	if reflect.DeepEqual(does[0], does[1]) {
		return errors.New("preferred_output and non_preferred_output do the same")
	}
	return nil
}

// openAI reads messages and what stands beside them; prefix is the path to
// them.
func openAI(where, prefix string, v any, weights bool) (*conversation, error) {
	o, err := object(where, v, []string{"messages"}, []string{"tools", "parallel_tool_calls"})
	if err != nil {
		return nil, err
	}
	tools, err := openAITools(prefix, o)
	if err != nil {
		return nil, err
	}
	c := dialect{strings: true, ids: true, nulls: true, weights: weights}.read(tools)
	c.single = o["parallel_tool_calls"] == false
	_, err = c.messages(prefix+"messages", o["messages"])
	return c, err
}

func openAITools(prefix string, row map[string]any) (toolTable, error) {
	list, given := row["tools"]
	if parallel, also := row["parallel_tool_calls"]; also {
		if _, ok := parallel.(bool); !ok {
			return nil, fmt.Errorf("%sparallel_tool_calls must be true or false", prefix)
		}
		if !given {
			return nil, fmt.Errorf("%sparallel_tool_calls must not stand where there are no tools", prefix)
		}
	}
	if !given {
		return toolTable{}, nil
	}
	tools, err := readTools(list, "strict")
	if err != nil {
		return nil, fmt.Errorf("%s%w", prefix, err)
	}
	if len(tools) == 0 || len(tools) > MaxTools {
		return nil, fmt.Errorf("%stools must list 1 to %d tools, not %d", prefix, MaxTools, len(tools))
	}
	for name := range tools {
		if !functionName().MatchString(name) {
			return nil, fmt.Errorf("%stools: the API does not take %q as a tool's name", prefix, name)
		}
	}
	return tools, nil
}
