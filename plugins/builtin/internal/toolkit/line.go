package toolkit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// shape is the part of JSON Schema that a parameter can say. Its members
// stand in the order in which they are written.
type shape struct {
	Type                 string            `json:"type,omitempty"`
	Description          string            `json:"description,omitempty"`
	Format               string            `json:"format,omitempty"`
	Enum                 []string          `json:"enum,omitempty"`
	Minimum              json.Number       `json:"minimum,omitempty"`
	Maximum              json.Number       `json:"maximum,omitempty"`
	Items                *shape            `json:"items,omitempty"`
	Properties           map[string]*shape `json:"properties,omitempty"`
	Required             []string          `json:"required,omitempty"`
	AdditionalProperties *bool             `json:"additionalProperties,omitempty"`

	order []string // of Properties, as written
}

// field is a parameter, or a value in a result.
type field struct {
	name     string
	optional bool
	shape    *shape
}

// parseLine reads NAME[?] [TYPE [RANGE]]: DESCRIPTION.
func parseLine(line string) (field, error) {
	head, description, ok := strings.Cut(line, ":")
	if !ok {
		return field{}, errors.New(`there is no ":"; write NAME TYPE: DESCRIPTION`)
	}
	description = strings.TrimSpace(description)
	if description == "" {
		return field{}, errors.New("there is no description after the colon")
	}
	s := scanner{rest: head}
	f, err := s.field(0)
	if err == nil && s.peek() != "" {
		err = fmt.Errorf("%q is not expected after the type", s.peek())
	}
	if err != nil {
		return field{}, err
	}
	f.shape.Description = description
	return f, nil
}

// scanner cuts the part before the colon into words and marks.
type scanner struct{ rest string }

const marks = "[]{},"

// peek gives the next token, "" at the end.
func (s *scanner) peek() string {
	s.rest = strings.TrimLeft(s.rest, " \t")
	if s.rest == "" {
		return ""
	}
	if strings.Contains(marks, s.rest[:1]) {
		return s.rest[:1]
	}
	end := strings.IndexAny(s.rest, marks+" \t")
	if end < 0 {
		end = len(s.rest)
	}
	return s.rest[:end]
}

func (s *scanner) next() string {
	token := s.peek()
	s.rest = s.rest[len(token):]
	return token
}

// word says whether the next token is a word, not a mark or the end.
func (s *scanner) word() bool {
	token := s.peek()
	return token != "" && !strings.Contains(marks, token)
}

// maxDepth bounds how deep types nest; it keeps hostile files off the stack.
const maxDepth = 8

// field reads NAME[?] [TYPE [RANGE]].
func (s *scanner) field(depth int) (field, error) {
	if !s.word() {
		return field{}, fmt.Errorf("a name is missing before %q", s.peek())
	}
	name, optional := strings.CutSuffix(s.next(), "?")
	if name == "" || Clean(name) != name {
		return field{}, fmt.Errorf("%q is not a name; letters, digits, - and _ are", name)
	}
	f := field{name: name, optional: optional, shape: &shape{Type: "string"}}
	if t := s.peek(); t == "" || t == "," || t == "}" {
		return f, nil
	}
	var err error
	f.shape, err = s.kind(depth)
	return f, err
}

// kind reads TYPE [RANGE].
func (s *scanner) kind(depth int) (*shape, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("types nest more than %d deep", maxDepth)
	}
	token := s.next()
	switch token {
	case "[":
		items, err := s.kind(depth + 1)
		if err != nil {
			return nil, err
		}
		if s.next() != "]" {
			return nil, errors.New(`"]" is missing`)
		}
		return &shape{Type: "array", Items: items}, nil
	case "{":
		return s.members(depth + 1)
	case "string", "boolean", "object":
		return &shape{Type: token}, nil
	case "date", "email", "uri":
		return &shape{Type: "string", Format: token}, nil
	case "datetime":
		return &shape{Type: "string", Format: "date-time"}, nil
	case "integer", "number":
		return s.bounds(&shape{Type: token})
	}
	if strings.Contains(token, "|") {
		words := strings.Split(token, "|")
		if slices.Contains(words, "") {
			return nil, fmt.Errorf("%q has an empty word", token)
		}
		return &shape{Type: "string", Enum: words}, nil
	}
	return nil, fmt.Errorf("%q is not a type; string, integer, number, boolean, object, date, datetime, email, uri, a|b, [TYPE] and {NAME TYPE, …} are", token)
}

// members reads the members of an object up to the closing brace.
func (s *scanner) members(depth int) (*shape, error) {
	closed := false
	out := &shape{Type: "object", Properties: map[string]*shape{}, AdditionalProperties: &closed}
	for {
		f, err := s.field(depth)
		if err != nil {
			return nil, err
		}
		if out.Properties[f.name] != nil {
			return nil, fmt.Errorf("the member %q is given twice", f.name)
		}
		out.add(f)
		switch mark := s.next(); mark {
		case ",":
		case "}":
			return out, nil
		default:
			return nil, fmt.Errorf(`"," or "}" is missing after the member %q`, f.name)
		}
	}
}

func (s *shape) add(f field) {
	s.Properties[f.name] = f.shape
	s.order = append(s.order, f.name)
	if !f.optional {
		s.Required = append(s.Required, f.name)
	}
}

// bounds reads the range after a number's type, if there is one.
func (s *scanner) bounds(out *shape) (*shape, error) {
	if !s.word() {
		return out, nil
	}
	token := s.next()
	low, high, ok := strings.Cut(token, "..")
	out.Minimum, out.Maximum = json.Number(low), json.Number(high)
	var ends []float64
	for _, n := range []string{low, high} {
		if n == "" {
			continue
		}
		v, err := json.Number(n).Float64()
		if ok = ok && err == nil && json.Valid([]byte(n)); !ok {
			break
		}
		ends = append(ends, v)
	}
	if !ok || len(ends) == 0 || len(ends) == 2 && ends[0] > ends[1] {
		return nil, fmt.Errorf("%q is not a range; 1..9, 1.. and ..9 are", token)
	}
	return out, nil
}

// words says what a composite value holds, for results, whose type is a plain
// word: "Each has a and b."
func (s *shape) words() string {
	lead, of := "It has ", s
	if s.Type == "array" && s.Items != nil {
		lead, of = "Each has ", s.Items
	}
	if len(of.order) == 0 {
		return ""
	}
	names := make([]string, len(of.order))
	for i, name := range of.order {
		names[i] = name
		if t := of.Properties[name].Type; t != "string" {
			names[i] += " (" + t + ")"
		}
	}
	if last := len(names) - 1; last > 0 {
		return lead + strings.Join(names[:last], ", ") + " and " + names[last] + "."
	}
	return lead + names[0] + "."
}
