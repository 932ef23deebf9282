package export

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Formats are the formats of all outputs, in order of name, with validators
// that stand alone. Outputs "rows" and "parquet" take any JSON object.
func Formats() []Format {
	list := []Format{
		Alpaca(), AlpacaJudge(), AxolotlDPO(), AxolotlSFT(), LLaMAFactory("sharegpt", "sft"),
		OpenAIDPO(), OpenAISFT(), TRLDPO(), TRLKTO(), TRLSFT(), TRLStepwise(),
		wholeRowsOf("rows"), wholeRowsOf("parquet"),
	}
	slices.SortFunc(list, func(a, b Format) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// FormatNamed is the format of an output.
func FormatNamed(name string) (Format, bool) {
	list := Formats()
	i := slices.IndexFunc(list, func(f Format) bool { return f.Name == name })
	if i < 0 {
		return Format{}, false
	}
	return list[i], true
}

// wholeRowsOf is the format of the outputs that write rows as they are.
func wholeRowsOf(name string) Format {
	f := WholeRows()
	f.Name = name
	f.Validate = func(line []byte) error {
		_, err := parse(line)
		return err
	}
	return f
}

// errNoObject says that a line holds no JSON object.
var errNoObject = errors.New("no JSON object")

// Facts are what is compared between rows.
type Facts struct {
	// Shape names the form of a row, where a format has several: those of one
	// file must be of one form, or a reader of tables mixes them up.
	Shape string
	// Prompt is the digest of what the user asks, if the row shows that. Two
	// splits that share one are no test of each other.
	Prompt [32]byte
	// Asks says whether there is a prompt.
	Asks bool
}

// FactsOf reads the facts of a line.
func FactsOf(line []byte) (Facts, error) {
	var row map[string]json.RawMessage
	if json.Unmarshal(line, &row) != nil || row == nil {
		return Facts{}, errNoObject
	}
	list, text := askedIn(row)
	f := Facts{Shape: shapeOf(row, list)}
	for _, m := range list {
		if m.asks() {
			text = m.text()
			break
		}
	}
	if text != "" {
		f.Asks, f.Prompt = true, sha256.Sum256([]byte(text))
	}
	return f, nil
}

// said is a message of any form, as far as is needed to tell what the user
// asks.
type said struct {
	Role    string          `json:"role"`
	From    string          `json:"from"`
	Content json.RawMessage `json:"content"`
	Value   json.RawMessage `json:"value"`
}

func (m said) asks() bool { return m.Role == "user" || m.From == "human" }

// parts says whether the content is a list.
func (m said) parts() bool { return len(m.Content) > 0 && m.Content[0] == '[' }

func (m said) text() string {
	var text string
	if m.parts() {
		var list []struct{ Text, Value string }
		if json.Unmarshal(m.Content, &list) != nil {
			return ""
		}
		for _, p := range list {
			text += p.Text + p.Value
		}
		return text
	}
	if json.Unmarshal(m.Content, &text) != nil || text == "" {
		_ = json.Unmarshal(m.Value, &text)
	}
	return text
}

// askedIn finds where a row shows what the user asks: messages, or a text.
func askedIn(row map[string]json.RawMessage) (list []said, text string) {
	var input map[string]json.RawMessage
	if json.Unmarshal(row["input"], &input) == nil && input != nil {
		row = input
	}
	for _, key := range []string{"messages", "prompt", "conversations", "chosen_messages"} {
		if row[key] == nil {
			continue
		}
		if json.Unmarshal(row[key], &list) != nil {
			list = nil
			_ = json.Unmarshal(row[key], &text)
		}
		return list, text
	}
	if json.Unmarshal(row["input"], &text) == nil && text != "" {
		return nil, alpacaAsks(text)
	}
	_ = json.Unmarshal(row["instruction"], &text)
	return nil, text
}

// shapeOf is LLaMA-Factory's word for a row's form, or else the keys that tell
// forms apart.
func shapeOf(row map[string]json.RawMessage, list []said) string {
	var keys []string
	for _, k := range []string{
		"chosen", "chosen_messages", "completion", "completions", "conversations", "input", "instruction", "label", "labels",
		"messages", "non_preferred_output", "output", "preferred_output", "prompt", "rejected", "rejected_messages", "text",
	} {
		if _, ok := row[k]; ok {
			keys = append(keys, k)
		}
	}
	if slices.ContainsFunc(list, said.parts) {
		keys = append(keys, "content in parts")
	}
	return strings.Join(keys, ", ")
}

// alpacaAsks is the user's instruction in the input of one of the paper's
// rows, which goes on with the steps so far; the whole input of any other.
func alpacaAsks(input string) string {
	for _, label := range []string{"User instruction: ", "[User Instruction]: "} {
		_, rest, found := strings.Cut("\n"+input, "\n"+label)
		if !found {
			continue
		}
		for _, next := range []string{"\n\nThought 1:", "\n\nGive Thought 1,", "\n[Potential Risky]", "\n[Background]"} {
			if at := strings.Index(rest, next); at >= 0 {
				return rest[:at]
			}
		}
	}
	return input
}

var fieldPath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[a-z_]+)(?:\[\d+\]|\.[A-Za-z_][A-Za-z0-9_]*)*`)
})

// FieldOf is the field that a validator's message begins with, such as
// messages[3].content; "" for one that speaks of the row as a whole.
func FieldOf(message string) string {
	field := fieldPath().FindString(message)
	top, _, _ := strings.Cut(field, ".")
	top, _, _ = strings.Cut(top, "[")
	known := []string{
		"chosen", "chosen_messages", "completion", "completions", "conversations", "input", "instruction", "label", "labels",
		"messages", "non_preferred_output", "output", "parallel_tool_calls", "preferred_output", "prompt", "rejected", "rejected_messages",
		"system", "tools", "chat_template_kwargs",
	}
	if !slices.Contains(known, top) {
		return ""
	}
	return field
}
