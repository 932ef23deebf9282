package ots

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Problem is something wrong with a row.
type Problem struct {
	Path    string // trajectory[2].action.arguments.amount; "" for the whole
	Message string
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// CheckArguments says how a tool call's arguments fail to fit the tool's
// parameters, a JSON Schema of type object. Nil arguments count as {}.
//
// It knows the part of JSON Schema that tool descriptions use: type,
// properties, required, additionalProperties, items, enum, const, minimum,
// maximum. Other keywords are ignored: it never refuses what a full validator
// accepts, but it may accept what that refuses.
func CheckArguments(parameters, arguments json.RawMessage) []Problem {
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	value, err := decode(arguments)
	if err != nil {
		return []Problem{{Message: "the arguments are not JSON: " + err.Error()}}
	}
	if _, ok := value.(map[string]any); !ok {
		return []Problem{{Message: "the arguments must be an object, not " + typeName(value)}}
	}
	if len(parameters) == 0 {
		return nil
	}
	shape, err := decode(parameters)
	if err != nil {
		return []Problem{{Message: "the tool's parameters are not JSON: " + err.Error()}}
	}
	var c fit
	c.check("", shape, value)
	return c.problems
}

// decode reads exactly one JSON value and keeps numbers as written.
func decode(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is something after the value")
	}
	return v, nil
}

// fit collects how a value fails to fit a schema. The recursion follows the
// schema, which has no references, so it ends.
type fit struct{ problems []Problem }

func (c *fit) add(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *fit) check(path string, shape, value any) {
	if never, ok := shape.(bool); ok && !never {
		c.add(path, "nothing is allowed here")
		return
	}
	s, ok := shape.(map[string]any)
	if !ok {
		return
	}
	if types := typesOf(s["type"]); len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return isType(t, value) }) {
		c.add(path, "must be %s, not %s", strings.Join(types, " or "), typeName(value))
		return
	}
	if list, ok := s["enum"].([]any); ok && !slices.ContainsFunc(list, func(v any) bool { return equal(v, value) }) {
		c.add(path, "%s is none of %s", text(value), text(list))
	}
	if want, ok := s["const"]; ok && !equal(want, value) {
		c.add(path, "must be %s", text(want))
	}
	switch v := value.(type) {
	case map[string]any:
		c.object(path, s, v)
	case []any:
		if items, ok := s["items"]; ok {
			for i, e := range v {
				c.check(fmt.Sprintf("%s[%d]", path, i), items, e)
			}
		}
	case json.Number:
		c.bounds(path, s, v)
	}
}

func (c *fit) object(path string, s, value map[string]any) {
	required, _ := s["required"].([]any)
	for _, r := range required {
		if name, ok := r.(string); ok {
			if _, there := value[name]; !there {
				c.add(join(path, name), "is required")
			}
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(value)) {
		if shape, known := properties[name]; known {
			c.check(join(path, name), shape, value[name])
			continue
		}
		switch extra := s["additionalProperties"].(type) {
		case bool:
			if !extra {
				c.add(join(path, name), "is not a parameter")
			}
		case map[string]any:
			c.check(join(path, name), extra, value[name])
		}
	}
}

func (c *fit) bounds(path string, s map[string]any, value json.Number) {
	v, err := strconv.ParseFloat(string(value), 64)
	if err != nil && !math.IsInf(v, 0) {
		return
	}
	if lowest, ok := number(s["minimum"]); ok && v < lowest {
		c.add(path, "must be at least %s", s["minimum"])
	}
	if highest, ok := number(s["maximum"]); ok && v > highest {
		c.add(path, "must be at most %s", s["maximum"])
	}
}

func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

func typesOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var types []string
		for _, e := range v {
			if t, ok := e.(string); ok {
				types = append(types, t)
			}
		}
		return types
	}
	return nil
}

// isType says whether value has the JSON Schema type t. A type that JSON
// Schema does not have is not held against the value.
func isType(t string, value any) bool {
	switch t {
	case "integer":
		n, ok := value.(json.Number)
		if !ok {
			return false
		}
		f, err := n.Float64()
		return err == nil && f == math.Trunc(f)
	case "string", "number", "boolean", "array", "object", "null":
		return typeName(value) == t
	}
	return true
}

func typeName(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// equal compares two decoded values; numbers by value, so 1 equals 1.0.
func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		x, errX := a.Float64()
		y, errY := b.Float64()
		return a == b || errX == nil && errY == nil && x == y
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, there := b[k]; !there || !equal(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}

// text shows a value in a message, cut short if it is long.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "the value"
	}
	const longest = 200
	if len(b) > longest {
		return strings.ToValidUTF8(string(b[:longest]), "") + "…"
	}
	return string(b)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
