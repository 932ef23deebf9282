package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// jsonPath leads to values inside a JSON value.
type jsonPath []pathStep

// pathStep is a member's name, an index, or every element.
type pathStep struct {
	name  string
	index int
	every bool
}

// parsePath reads a.b[0].c and a[*]. A member whose name has a dot or a bracket
// in it cannot be named.
func parsePath(text string) (jsonPath, error) {
	var out jsonPath
	for i, part := range strings.Split(text, ".") {
		name, rest, bracket := strings.Cut(part, "[")
		if name == "" && (i > 0 || !bracket) {
			return nil, errors.New("is no path; write a path as to, items[0].name or items[*].name")
		}
		if name != "" {
			out = append(out, pathStep{name: name, index: -1})
		}
		for bracket {
			inner, after, ok := strings.Cut(rest, "]")
			index, err := strconv.Atoi(inner)
			if !ok || inner != "*" && (err != nil || index < 0) {
				return nil, fmt.Errorf("is no path: %s is no index; [0] and [*] are", quote("["+rest))
			}
			out = append(out, pathStep{index: index, every: inner == "*"})
			if after == "" {
				break
			}
			if rest, ok = strings.CutPrefix(after, "["); !ok {
				return nil, fmt.Errorf("is no path: %s follows an index", quote(after))
			}
		}
	}
	return out, nil
}

// holds says whether a predicate holds of a value at the path.
func (p jsonPath) holds(value any, predicate func(value any, there bool) bool) bool {
	if len(p) == 0 {
		return predicate(value, value != nil)
	}
	step, rest := p[0], p[1:]
	switch v := value.(type) {
	case map[string]any:
		if inner, ok := v[step.name]; ok && step.name != "" {
			return rest.holds(inner, predicate)
		}
	case []any:
		if step.every {
			return slices.ContainsFunc(v, func(e any) bool { return rest.holds(e, predicate) }) ||
				len(v) == 0 && predicate(nil, false)
		}
		if step.name == "" && step.index < len(v) {
			return rest.holds(v[step.index], predicate)
		}
	}
	return predicate(nil, false)
}

// predicate makes a test of a value.
func (b *builder) predicate(at string, p Predicate) func(value any, there bool) bool {
	find := b.find(at, p.Contains, p.Matches, p.IgnoreCase)
	words := p.Contains != nil || p.Matches != nil
	numbers := p.Greater != nil || p.Less != nil
	var equals any
	if len(p.Equals) > 0 {
		equals = b.decode(at+".equals", p.Equals)
	}
	var oneOf []any
	for i, raw := range p.OneOf {
		oneOf = append(oneOf, b.decode(fmt.Sprintf("%s.one_of[%d]", at, i), raw))
	}
	switch given := len(p.Equals) > 0 || p.OneOf != nil || words || numbers; {
	case p.Absent && given:
		b.add(at, "absent stands alone")
	case !p.Absent && !given:
		b.add(at, "says nothing; give equals, one_of, contains, matches, greater, less or absent")
	case p.OneOf != nil && len(p.OneOf) == 0:
		b.add(at+".one_of", "is empty, so nothing is one of it")
	}
	return func(v any, there bool) bool {
		switch {
		case p.Absent || !there && len(p.Equals) == 0:
			return p.Absent && !there
		case len(p.Equals) > 0 && !equal(v, equals):
			return false
		case p.OneOf != nil && !slices.ContainsFunc(oneOf, func(o any) bool { return equal(v, o) }):
			return false
		case words && !within(v, find):
			return false
		}
		if !numbers {
			return true
		}
		n, ok := number(v)
		return ok && (p.Greater == nil || n > *p.Greater) && (p.Less == nil || n < *p.Less)
	}
}

func (b *builder) decode(at string, raw json.RawMessage) any {
	v, ok := decode(raw)
	if !ok {
		b.add(at, "is not valid JSON")
	}
	return v
}

// decode reads a JSON value and keeps numbers as they are written.
func decode(raw []byte) (any, bool) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return map[string]any{}, true // a call without arguments
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	return v, d.Decode(&v) == nil
}

// within says whether a text, or a text in a list, fits; of another value, its
// JSON.
func within(v any, find func(string) bool) bool {
	switch x := v.(type) {
	case string:
		return find(x)
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return within(e, find) })
	}
	text, err := json.Marshal(v)
	return err == nil && find(string(text))
}

func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// equal compares JSON values; 1 and 1.0 are the same number.
func equal(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		if !ok || x == y {
			return ok
		}
		m, okM := number(x)
		n, okN := number(y)
		return okM && okN && m == n
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equal)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for name, v := range x {
			if other, ok := y[name]; !ok || !equal(v, other) {
				return false
			}
		}
		return true
	}
	return a == b
}
