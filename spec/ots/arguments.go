package ots

import (
	"encoding/json"

	"github.com/autosafe/autosafe/spec/jsonschema"
)

// Problem is something wrong with a row, or with a call's arguments.
type Problem = jsonschema.Problem

// CheckArguments says how a tool call's arguments fail to fit the tool's
// parameters, a JSON Schema of type object. Nil arguments count as {}.
//
// Parameters that cannot be compiled (jsonschema.Compile says why) are no
// reason to refuse a call: they ask for an object then, and no more. That is
// so for references to other documents, for patterns that Go does not know,
// and for keywords with values that they do not take.
//
// The parameters are read for each call. For many calls of one tool, compile
// its schema once and use Validate.
func CheckArguments(parameters, arguments json.RawMessage) []Problem {
	t := tool{parameters: parameters}
	return t.check(arguments)
}

// tool is a tool of a row, whose schema is read when a call needs it, once.
type tool struct {
	parameters json.RawMessage
	doc        any // the parameters, once they are decoded
	err        error
	read       bool
	schema     *jsonschema.Schema
	compiled   bool
}

func (t *tool) decode() (any, error) {
	if !t.read {
		t.read = true
		t.doc, t.err = jsonschema.Decode(t.parameters)
	}
	return t.doc, t.err
}

func (t *tool) check(arguments json.RawMessage) []Problem {
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	value, err := jsonschema.Decode(arguments)
	if err != nil {
		return []Problem{{Message: "the arguments are not JSON: " + err.Error()}}
	}
	if _, ok := value.(map[string]any); !ok {
		return []Problem{{Message: "the arguments must be an object, not " + jsonschema.TypeName(value)}}
	}
	if len(t.parameters) == 0 {
		return nil
	}
	doc, err := t.decode()
	if err != nil {
		return []Problem{{Message: "the tool's parameters are not JSON: " + err.Error()}}
	}
	if !t.compiled {
		t.compiled = true
		t.schema, _ = jsonschema.CompileValue(doc)
	}
	if t.schema == nil {
		return nil
	}
	return t.schema.Validate(value)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
