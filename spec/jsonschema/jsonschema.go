// Package jsonschema checks values against JSON Schemas: replies of models,
// and the arguments of tool calls.
//
// It knows the drafts 2020-12, 2019-09, 7, 6 and 4. A schema stands alone:
// references into other documents are refused, so that checking opens no file
// and no connection. Patterns are Go's regular expressions, which take linear
// time. The format of a string is an annotation and is not checked.
//
// Schemas and values come from models, data sets and plugins. Whatever they
// say, compiling and checking end soon, and say the same each time.
package jsonschema

import "strings"

// Schema is a compiled JSON Schema. It does not change, so that many may use
// it at a time.
type Schema struct {
	root *node
	// dynamic: there are references whose target depends on the way to them.
	dynamic bool
}

// Error says why a schema cannot be used.
type Error struct {
	Path   []string // where in the schema; empty for the whole
	Reason string   // must be a number, not string
}

func (e *Error) Error() string {
	if len(e.Path) == 0 {
		return e.Reason
	}
	return cut(strings.Join(e.Path, "."), longestPath) + ": " + e.Reason
}

// Problem is something wrong with a value.
type Problem struct {
	Path    string // trajectory[2].action.arguments.amount; "" for the whole
	Message string // must be string, not number
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// Compile reads a schema. A draft other than 2020-12 is named by "$schema".
// The error is an *Error.
func Compile(text []byte) (*Schema, error) {
	doc, err := Decode(text)
	if err != nil {
		return nil, &Error{Reason: "is not JSON: " + err.Error()}
	}
	return CompileValue(doc)
}

// CompileValue is Compile for a schema that Decode has read. The value must
// not be changed afterwards.
func CompileValue(doc any) (*Schema, error) {
	s, err := compile(doc)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Validate says what is wrong with a value as Decode gives it: a hundred things
// at most, in an order that depends on nothing but the schema and the value. A
// value that fits gives nil.
func (s *Schema) Validate(value any) []Problem {
	quick := run{dynamic: s.dynamic, steps: maxSteps}
	fits := quick.check(s.root, value, nil)
	switch {
	case quick.stopped != "":
		return []Problem{{Message: quick.stopped}}
	case fits:
		return nil
	}
	// Only now is it worth the while to find everything and the words for it.
	slow := run{dynamic: s.dynamic, steps: maxSteps, out: &report{most: maxProblems}}
	slow.check(s.root, value, nil)
	problems := make([]Problem, 0, len(slow.out.flaws)+1)
	for _, f := range slow.out.flaws {
		problems = append(problems, f.Problem)
	}
	if slow.stopped != "" {
		problems = append(problems, Problem{Message: slow.stopped})
	}
	return problems
}
