package export

import (
	"errors"
	"fmt"
	"reflect"
)

// The formats of Hugging Face TRL. In Parquet each message stays JSON text: as
// nested data, the arguments of all calls would share one table schema, and
// chat templates would be given None for what a message does not have.

func trlMessages(name string) Column { return Column{Name: name, Type: JSONValue, List: true} }

// TRLSFT is the format of output "trl_sft", in both of its forms.
func TRLSFT() Format {
	return Format{Name: "trl_sft", Validate: validateTRLSFT, Columns: []Column{
		trlMessages("messages"), trlMessages("prompt"), trlMessages("completion"), {Name: "tools"},
	}}
}

// TRLDPO is the format of output "trl_dpo".
func TRLDPO() Format {
	return Format{Name: "trl_dpo", Validate: validateTRLDPO, Columns: []Column{
		trlMessages("prompt"), trlMessages("chosen"), trlMessages("rejected"), {Name: "tools"},
	}}
}

// TRLKTO is the format of output "trl_kto".
func TRLKTO() Format {
	return Format{Name: "trl_kto", Validate: validateTRLKTO, Columns: []Column{
		trlMessages("prompt"), trlMessages("completion"), {Name: "label", Type: BoolValue}, {Name: "tools"},
	}}
}

// TRLStepwise is the format of output "trl_stepwise".
func TRLStepwise() Format {
	return Format{Name: "trl_stepwise", Validate: validateTRLStepwise, Columns: []Column{
		{Name: "prompt"}, {Name: "completions", List: true}, {Name: "labels", Type: BoolValue, List: true},
	}}
}

// trl begins to read a row's conversation.
func trl(row map[string]any, keys ...string) (*conversation, error) {
	if _, err := object("the row", row, keys, []string{"tools", "chat_template_kwargs"}); err != nil {
		return nil, err
	}
	if kwargs, given := row["chat_template_kwargs"]; given {
		if _, ok := kwargs.(map[string]any); !ok {
			return nil, errors.New("chat_template_kwargs must be an object")
		}
	}
	text, given := row["tools"]
	tools, err := textTools(text, given)
	if err != nil {
		return nil, err
	}
	return dialect{text: true, thoughts: []string{"reasoning_content", "thinking"}}.read(tools), nil
}

// validateTRLSFT checks a line of data for TRL's SFT trainer and says what is
// wrong with it. A line has messages, or prompt and completion, never both:
//
//   - a system message at most, then the user's and the assistant's in turn,
//     calls with the results of each under its tool's name between; the
//     assistant's message ends the messages, or the completion, and a prompt
//     ends before one;
//   - tools, if any, are a JSON string that holds a list; every call names one
//     of them, and its arguments, an object, fit the parameters;
//   - each assistant message says something or calls a tool, without null
//     content, and may have a reasoning_content or thinking beside it;
//   - where the system message lists tools between <tools> and </tools>, a call
//     in <tool_call> tags ends its message, and fits one of them;
//   - no other keys but chat_template_kwargs.
func validateTRLSFT(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if !has(row, "messages") {
		if !has(row, "prompt") && !has(row, "completion") {
			return errors.New("the row has no messages, and no prompt and completion")
		}
		c, err := trl(row, "prompt", "completion")
		if err != nil {
			return err
		}
		if err := c.prompt("prompt", row["prompt"]); err != nil {
			return err
		}
		_, err = c.reply("completion", row["completion"])
		return err
	}
	if has(row, "prompt") || has(row, "completion") {
		return errors.New("the row has messages beside prompt or completion: it must be of one form")
	}
	c, err := trl(row, "messages")
	if err != nil {
		return err
	}
	if _, err := c.messages("messages", row["messages"]); err != nil {
		return err
	}
	if c.last != "assistant" {
		return fmt.Errorf("messages must end with the assistant's, not the %s's", c.last)
	}
	return nil
}

// validateTRLDPO checks a line of data for TRL's DPO trainer and says what is
// wrong with it:
//
//   - prompt is a conversation as validateTRLSFT has it, which ends with the
//     user's message or a tool's; chosen and rejected go on from there with the
//     assistant's, and do not do the same (the text beside a call does not
//     count);
//   - tools, calls and keys are as in validateTRLSFT.
//
// Both sides share the one prompt, so it is byte-identical for both.
func validateTRLDPO(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if !has(row, "prompt") && has(row, "chosen") {
		return errors.New("the row has no prompt: what came before the two sides must stand there, once, so that it is the same for both")
	}
	c, err := trl(row, "prompt", "chosen", "rejected")
	if err != nil {
		return err
	}
	if err := c.prompt("prompt", row["prompt"]); err != nil {
		return err
	}
	chosen, err := c.reply("chosen", row["chosen"])
	if err != nil {
		return err
	}
	rejected, err := c.reply("rejected", row["rejected"])
	if err != nil {
		return err
	}
	if reflect.DeepEqual(chosen, rejected) {
		return errors.New("chosen and rejected do the same")
	}
	return nil
}

// validateTRLKTO checks a line of data for TRL's KTO trainer and says what is
// wrong with it: prompt and completion are as in validateTRLSFT, and label is
// true or false.
func validateTRLKTO(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if has(row, "chosen") || has(row, "rejected") {
		return errors.New("the row has chosen or rejected: unpaired preferences have a completion and a label")
	}
	c, err := trl(row, "prompt", "completion", "label")
	if err != nil {
		return err
	}
	if _, ok := row["label"].(bool); !ok {
		return fmt.Errorf("label must be true or false, not %s", show(row["label"]))
	}
	if err := c.prompt("prompt", row["prompt"]); err != nil {
		return err
	}
	_, err = c.reply("completion", row["completion"])
	return err
}

// validateTRLStepwise checks a line of data for TRL's trainer of process reward
// models and says what is wrong with it: prompt is a text, completions are
// texts, none blank, and labels are as many values true or false; no other
// keys.
func validateTRLStepwise(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if _, err := object("the row", row, []string{"prompt", "completions", "labels"}, nil); err != nil {
		return err
	}
	if _, err := someText("prompt", row["prompt"]); err != nil {
		return err
	}
	steps, ok := row["completions"].([]any)
	if !ok || len(steps) == 0 {
		return errors.New("completions must be a list of texts that is not empty")
	}
	for i, s := range steps {
		if _, err := someText(fmt.Sprintf("completions[%d]", i), s); err != nil {
			return err
		}
	}
	labels, ok := row["labels"].([]any)
	if !ok {
		return errors.New("labels must be a list")
	}
	for i, l := range labels {
		if _, ok := l.(bool); !ok {
			return fmt.Errorf("labels[%d] must be true or false, not %s", i, show(l))
		}
	}
	if len(labels) != len(steps) {
		return fmt.Errorf("labels has %d values for %d completions", len(labels), len(steps))
	}
	return nil
}
