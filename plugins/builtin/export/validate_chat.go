package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/autosafe/autosafe/spec/ots"
)

// functionName is what the OpenAI API takes as the name of a function.
var functionName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`) })

// MaxTools is how many tools the OpenAI API takes.
const MaxTools = 128

// validName says whether the OpenAI API takes a tool's name.
func validName(name string) bool { return functionName().MatchString(name) }

// toolTable holds the parameters of each tool that a row lists.
type toolTable map[string]json.RawMessage

// readTools checks a list of tools in their function wrappers. A function may
// have more keys than every format knows.
func readTools(v any, more ...string) (toolTable, error) {
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
		f, err := object(where, wrapper["function"], []string{"name", "parameters"}, append([]string{"description"}, more...))
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
