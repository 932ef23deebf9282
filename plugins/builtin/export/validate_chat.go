package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/spec/ots"
)

// functionName is what the OpenAI API takes as the name of a function.
var functionName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`) })

// MaxTools is how many tools the OpenAI API takes.
const MaxTools = 128

// ValidName says whether the OpenAI API takes a tool's name.
func ValidName(name string) bool { return functionName().MatchString(name) }

// toolTable holds the parameters of each tool that a row lists.
type toolTable map[string]json.RawMessage

// readTools checks a list of tools in their function wrappers.
func readTools(v any) (toolTable, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("tools must be a list")
	}
	table := toolTable{}
	for i, e := range list {
		where := fmt.Sprintf("tools[%d]", i)
		wrapper, err := object(where, e, []string{"type", "function"}, nil)
		if err != nil {
			return nil, err
		}
		if wrapper["type"] != "function" {
			return nil, fmt.Errorf("%s.type must be function", where)
		}
		where += ".function"
		f, err := object(where, wrapper["function"], []string{"name", "parameters"}, []string{"description"})
		if err != nil {
			return nil, err
		}
		name, err := someText(where+".name", f["name"])
		if err != nil {
			return nil, err
		}
		if _, twice := table[name]; twice {
			return nil, fmt.Errorf("%s.name: there are two tools %q", where, name)
		}
		if d, given := f["description"]; given {
			if _, ok := d.(string); !ok {
				return nil, fmt.Errorf("%s.description must be a string", where)
			}
		}
		if table[name], err = readParameters(where+".parameters", f["parameters"]); err != nil {
			return nil, err
		}
	}
	return table, nil
}

// readParameters checks that a value is a JSON Schema of type object.
func readParameters(where string, v any) (json.RawMessage, error) {
	shape, ok := v.(map[string]any)
	if !ok || shape["type"] != nil && shape["type"] != "object" {
		return nil, fmt.Errorf("%s must be a JSON Schema of type object", where)
	}
	return json.Marshal(shape)
}

// fit checks that a call's arguments fit the tool.
func (t toolTable) fit(where, name string, arguments []byte) error {
	parameters, ok := t[name]
	if !ok {
		return fmt.Errorf("%s calls %q, which is not listed", where, name)
	}
	if problems := ots.CheckArguments(parameters, arguments); len(problems) > 0 {
		return fmt.Errorf("%s: the arguments do not fit %q: %s", where, name, problems[0])
	}
	return nil
}

// oneCall checks a list of calls: exactly one call of a function, with these
// keys. It gives the call and its function.
func oneCall(where string, v any, keys ...string) (call, function map[string]any, err error) {
	list, ok := v.([]any)
	if !ok || len(list) != 1 {
		return nil, nil, fmt.Errorf("%s.tool_calls must be a list of one call", where)
	}
	where += ".tool_calls[0]"
	if call, err = object(where, list[0], append([]string{"type", "function"}, keys...), nil); err != nil {
		return nil, nil, err
	}
	if call["type"] != "function" {
		return nil, nil, fmt.Errorf("%s.type must be function", where)
	}
	function, err = object(where+".function", call["function"], []string{"name", "arguments"}, nil)
	return call, function, err
}

// order follows the order of a conversation's messages: a system message at
// most, the user's, then calls and their results in turn.
type order struct {
	last string // role of the message before; "call" for an assistant's call
}

func (o *order) next(where, role string) error {
	before := map[string]string{
		"system": " ", "user": " system ", "call": " user tool ", "tool": " call ", "assistant": " user tool ",
	}
	allowed, known := before[role]
	if !known {
		return fmt.Errorf("%s: unknown role %q", where, role)
	}
	fits := o.last == "" && (role == "system" || role == "user") || o.last != "" && strings.Contains(allowed, " "+o.last+" ")
	if !fits {
		return fmt.Errorf("%s: a message of role %q is out of order", where, role)
	}
	o.last = role
	return nil
}
