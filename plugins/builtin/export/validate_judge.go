package export

import (
	"errors"
	"fmt"
	"strings"
)

// AlpacaJudge is the format of output "alpaca_judge".
func AlpacaJudge() Format {
	return Format{Name: "alpaca_judge", Validate: validateAlpacaJudge, Columns: []Column{
		{Name: "instruction"}, {Name: "input"}, {Name: "output"},
	}}
}

// validateAlpacaJudge checks a line of the paper's rows for training a judge
// (method 3.3) and says what is wrong with it:
//
//   - instruction, input and output are texts that are not blank; no other keys;
//   - input is [User Instruction], [Potential Risky] if the judge is told,
//     [Background] and [Current Action], in this order, and shows no thoughts
//     beside the action;
//   - output is 0 (unsafe) or 1 (safe).
func validateAlpacaJudge(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if _, err := object("the row", row, []string{"instruction", "input", "output"}, nil); err != nil {
		return err
	}
	if _, err := someText("instruction", row["instruction"]); err != nil {
		return err
	}
	input, err := someText("input", row["input"])
	if err != nil {
		return err
	}
	if output := row["output"]; output != "0" && output != "1" {
		return fmt.Errorf(`output must be the text "0" or "1", not %s`, show(output))
	}
	task, ok := strings.CutPrefix(input, "[User Instruction]: ")
	if !ok {
		return errors.New("input must begin with [User Instruction]")
	}
	task, rest, ok := strings.Cut(task, "\n[Background]:\n")
	if !ok {
		return errors.New("input has no [Background]")
	}
	if risks := strings.LastIndex(task, "\n[Potential Risky]: "); risks >= 0 {
		task = task[:risks]
	}
	if strings.TrimSpace(task) == "" {
		return errors.New("input: the [User Instruction] is blank")
	}
	// The last one: what tools returned may hold the label.
	at := strings.LastIndex("\n"+rest, "\n[Current Action]:\n")
	if at < 0 {
		return errors.New("input has no [Current Action]")
	}
	action := rest[at+len("[Current Action]:\n"):]
	if answer, ok := strings.CutPrefix(action, "Final Answer: "); ok {
		_, err := someText("input: the final answer", answer)
		return err
	}
	return judgedCall(action)
}

// judgedCall checks the two lines of a call.
func judgedCall(action string) error {
	name, input, ok := strings.Cut(action, "\n")
	if !ok || !strings.HasPrefix(name, "Action ") || !strings.HasPrefix(input, "Action Input ") || strings.Contains(input, "\n") {
		return errors.New("input: the [Current Action] must be Action and Action Input on two lines, or a Final Answer")
	}
	_, arguments, _ := strings.Cut(input, ": ")
	v, err := parseValue([]byte(arguments))
	if err != nil {
		return fmt.Errorf("input: the Action Input of the [Current Action]: %w", err)
	}
	if _, ok := v.(map[string]any); !ok {
		return errors.New("input: the Action Input of the [Current Action] must be a JSON object")
	}
	return nil
}
