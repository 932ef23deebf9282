package publish

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// field is a column of an output's rows.
type field struct {
	name     string
	dataType string // sc:Text and so on
	doc      string
}

// The types of fields. What is nested is text: readers disagree on the rest.
const (
	textType    = "sc:Text"
	integerType = "sc:Integer"
	floatType   = "sc:Float"
	boolType    = "sc:Boolean"
)

// fields are the columns of an output's files, in order of name: as its first
// rows have them where these are plain JSON lines, else what is known of its
// format.
func (f *facts) fields(o *output) ([]field, error) {
	if o.format() == "rows" || o.format() == "parquet" {
		return f.rowFields(o.format()), nil
	}
	found := map[string]string{}
	for _, split := range o.order {
		for _, one := range o.splits[split] {
			if strings.HasSuffix(one.path, ".jsonl") {
				local := strings.TrimPrefix(one.path, o.folder+"/")
				if err := sample(filepath.Join(o.Dir, filepath.FromSlash(local)), found); err != nil {
					return nil, err
				}
			}
		}
	}
	docs := fieldDocs()
	if len(found) == 0 {
		for _, name := range knownFields()[o.format()] {
			found[name] = textType
			if name == "parallel_tool_calls" || name == "label" {
				found[name] = boolType
			}
		}
	}
	var list []field
	for _, name := range sortedKeys(found) {
		list = append(list, field{name, found[name], docs[name]})
	}
	return list, nil
}

// rowFields are the columns of whole rows.
func (f *facts) rowFields(format string) []field {
	var list []field
	for _, c := range f.data.Step.Columns.List {
		ty := textType
		switch c.Type {
		case cty.Number:
			ty = floatType
		case cty.Bool:
			ty = boolType
		}
		list = append(list, field{c.Name, ty, c.Doc})
	}
	if format == "parquet" {
		list = append(list, field{"extra", textType, "Columns that are not declared, as a JSON object."})
	}
	return list
}

// sampled is how many lines of a file are looked at.
const sampled = 100

// maxSample bounds a line that is looked at.
const maxSample = 8 << 20

// sample notes the members of the first lines of a file, and their types. A
// member that has several is text.
func sample(path string, found map[string]string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewReader(io.LimitReader(file, maxSample))
	for range sampled {
		line, err := lines.ReadBytes('\n')
		var row map[string]json.RawMessage
		if json.Unmarshal(line, &row) == nil {
			for name, value := range row {
				if ty := typeOf(value); found[name] == "" {
					found[name] = ty
				} else if found[name] != ty && string(value) != "null" {
					found[name] = textType
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func typeOf(value json.RawMessage) string {
	text := strings.TrimSpace(string(value))
	switch {
	case text == "true" || text == "false":
		return boolType
	case text != "" && strings.Trim(text, "-0123456789") == "":
		return integerType
	case text != "" && strings.Trim(text, "-+.eE0123456789") == "":
		return floatType
	}
	return textType
}

// knownFields are the fields of formats whose files are not looked into.
func knownFields() map[string][]string {
	return map[string][]string{
		"openai_sft":   {"messages", "parallel_tool_calls", "tools"},
		"openai_dpo":   {"input", "non_preferred_output", "preferred_output"},
		"trl_sft":      {"messages", "tools"},
		"trl_dpo":      {"chosen", "prompt", "rejected", "tools"},
		"trl_kto":      {"completion", "label", "prompt", "tools"},
		"trl_stepwise": {"completions", "labels", "prompt"},
		"axolotl_sft":  {"messages", "tools"},
		"axolotl_dpo":  {"chosen", "messages", "rejected"},
		"alpaca":       {"input", "instruction", "output"},
		"alpaca_judge": {"input", "instruction", "output"},
	}
}

// fieldDocs say what fields of the usual names hold.
func fieldDocs() map[string]string {
	return map[string]string{
		"messages":             "The conversation, a list of messages with tool calls, as JSON.",
		"tools":                "The tools that the agent may call, as JSON.",
		"parallel_tool_calls":  "Whether a message may hold several tool calls.",
		"prompt":               "The conversation up to the action, as JSON.",
		"completion":           "What follows the prompt.",
		"chosen":               "The safe action.",
		"rejected":             "The unsafe action, in the same place.",
		"label":                "Whether the completion is safe.",
		"completions":          "The steps of a run.",
		"labels":               "Of each step, whether it is safe.",
		"input":                "What the answer is to, beside the instruction.",
		"preferred_output":     "The safe action.",
		"non_preferred_output": "The unsafe action, in the same place.",
		"instruction":          "What the model is asked.",
		"output":               "What it should answer.",
		"conversations":        "The conversation, a list of turns, as JSON.",
		"system":               "The system message.",
	}
}
