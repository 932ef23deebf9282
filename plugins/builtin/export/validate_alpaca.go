package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

var (
	alpacaThought = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^Thought (\d+):(?: \S.*)?$`) })
	alpacaNames   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^Action n: .*one of \[(.*)\]$`) })
)

const alpacaParameters = "  Parameters: "

// Alpaca is the format of output "alpaca".
func Alpaca() Format {
	return Format{Name: "alpaca", Validate: ValidateAlpaca, Columns: []Column{
		{Name: "instruction"}, {Name: "input"}, {Name: "output"},
	}}
}

// ValidateAlpaca checks a line as output "alpaca" writes it (the paper's rows;
// method 3.3), and says what is wrong with it:
//
//   - instruction, input and output are texts that are not blank; no other keys;
//   - output is Thought n, Action n and Action Input n on three lines, or
//     Thought n and a Final Answer that is not blank;
//   - input shows every step before step n, in order, and ends with the request
//     for step n;
//   - the tool is one of those that instruction names and describes, and the
//     Action Input is a JSON object that fits its parameters.
func ValidateAlpaca(line []byte) error {
	row, err := parse(line)
	if err != nil {
		return err
	}
	if _, err := object("the row", row, []string{"instruction", "input", "output"}, nil); err != nil {
		return err
	}
	text := map[string]string{}
	for name, v := range row {
		if text[name], err = someText(name, v); err != nil {
			return err
		}
	}
	tools, err := alpacaTools(text["instruction"])
	if err != nil {
		return err
	}
	thought, rest, _ := strings.Cut(text["output"], "\n")
	m := alpacaThought().FindStringSubmatch(thought)
	if m == nil {
		return errors.New("output must begin with a line Thought n:") //nolint:staticcheck // the label ends in a colon
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return fmt.Errorf("output: the step's number: %w", err)
	}
	if err := alpacaSteps(text["input"], n); err != nil {
		return err
	}
	if answer, ok := strings.CutPrefix(rest, "Final Answer: "); ok {
		_, err := someText("output: the final answer", answer)
		return err
	}
	return alpacaAction(tools, rest, n)
}

// alpacaTools reads the tools' parameters from the instruction, and checks
// that the tools described are those named.
func alpacaTools(instruction string) (toolTable, error) {
	tools := toolTable{}
	var described []string
	lines := strings.Split(instruction, "\n")
	for i, line := range lines {
		text, ok := strings.CutPrefix(line, alpacaParameters)
		if !ok {
			continue
		}
		v, err := parseValue([]byte(text))
		if err != nil || i == 0 {
			return nil, fmt.Errorf("instruction, line %d: parameters of no tool, or not JSON", i+1)
		}
		name, _, _ := strings.Cut(lines[i-1], ":")
		if _, twice := tools[name]; twice || name == "" {
			return nil, fmt.Errorf("instruction, line %d: the tool has no name or one that is there twice", i)
		}
		if tools[name], err = readParameters(fmt.Sprintf("instruction, line %d", i+1), v); err != nil {
			return nil, err
		}
		described = append(described, name)
	}
	var named []string
	if m := alpacaNames().FindStringSubmatch(instruction); m != nil {
		named = strings.Split(m[1], ", ")
	}
	if !slices.Equal(named, described) {
		return nil, errors.New("instruction names other tools than it describes")
	}
	return tools, nil
}

// alpacaSteps checks that input shows the steps before step n.
func alpacaSteps(input string, n int) error {
	if n < 1 {
		return errors.New("output: steps are counted from 1")
	}
	rest := "\n" + input
	for k := 1; k < n; k++ {
		for _, label := range []string{"Thought", "Action", "Action Input", "Observation"} {
			_, after, ok := strings.Cut(rest, fmt.Sprintf("\n%s %d:", label, k))
			if !ok {
				return fmt.Errorf("input has no %s %d before step %d", label, k, n)
			}
			rest = after
		}
	}
	// The last line alone is sure to be the request: what tools returned may
	// look like steps.
	last := rest[strings.LastIndexByte(rest, '\n')+1:]
	if !strings.HasPrefix(last, fmt.Sprintf("Give Thought %d, ", n)) {
		return fmt.Errorf("input does not end with the request for step %d", n)
	}
	return nil
}

func alpacaAction(tools toolTable, text string, n int) error {
	lines := strings.Split(text, "\n")
	if len(lines) != 2 {
		return errors.New("output must be three lines, or a thought and a final answer")
	}
	name, ok := strings.CutPrefix(lines[0], fmt.Sprintf("Action %d: ", n))
	if !ok {
		return fmt.Errorf("output: the second line must be Action %d", n)
	}
	arguments, ok := strings.CutPrefix(lines[1], fmt.Sprintf("Action Input %d: ", n))
	if !ok {
		return fmt.Errorf("output: the third line must be Action Input %d", n)
	}
	v, err := parseValue([]byte(arguments))
	if err != nil {
		return fmt.Errorf("output: the Action Input: %w", err)
	}
	if _, ok := v.(map[string]any); !ok {
		return errors.New("output: the Action Input must be a JSON object")
	}
	return tools.fit("output", name, json.RawMessage(arguments))
}
