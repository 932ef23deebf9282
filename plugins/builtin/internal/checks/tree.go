package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
)

// encoding/json passes over members that it does not know, takes the last of two
// of one name, and does not mind upper and lower case. A check that says something
// else than its author meant is worse than none, so the shape is held to the types
// first, member by member.

// maxDepth bounds how deep conditions may stand within each other.
const maxDepth = 40

// Problem is what is wrong, and where.
type Problem struct {
	Path    string // checks[2].file.mode
	Message string
}

func (p Problem) String() string { return p.Path + ": " + p.Message }

// shaper holds JSON to Go types.
type shaper struct {
	dec      *json.Decoder
	problems []Problem
}

// Shape holds one JSON value to the Go type t and says where it does not fit: a
// member that there is not, or is given twice, another type, a negative whole
// number. Members of type json.RawMessage take anything. The error is one of JSON
// itself. It is for whatever people write by hand beside checks, too.
func Shape(text []byte, at string, t reflect.Type) ([]Problem, error) {
	s := &shaper{dec: json.NewDecoder(bytes.NewReader(text))}
	s.dec.UseNumber()
	if err := s.value(at, t, 0); err != nil {
		return nil, err
	}
	if _, err := s.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands after the value")
	}
	return s.problems, nil
}

func (s *shaper) add(at, format string, args ...any) {
	s.problems = append(s.problems, Problem{at, fmt.Sprintf(format, args...)})
}

// value reads one value; t is nil where anything may stand.
func (s *shaper) value(at string, t reflect.Type, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: more than %d levels stand within each other", at, maxDepth)
	}
	token, err := s.dec.Token()
	if err != nil {
		return err
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		t = nil
	}
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	delim, _ := token.(json.Delim)
	if t != nil {
		if want := wanted(t); want != got(token) {
			s.add(at, "must be %s, not %s", want, got(token))
			t = nil
		}
	}
	switch delim {
	case '{':
		return s.object(at, t, depth)
	case '[':
		for i := 0; s.dec.More(); i++ {
			var item reflect.Type
			if t != nil {
				item = t.Elem()
			}
			if err := s.value(fmt.Sprintf("%s[%d]", at, i), item, depth+1); err != nil {
				return err
			}
		}
		_, err := s.dec.Token()
		return err
	}
	if n, ok := token.(json.Number); ok && t != nil && t.Kind() == reflect.Int {
		if i, err := n.Int64(); err != nil || i < 0 {
			s.add(at, "must be a whole number that is not negative, not %s", clip(n.String()))
		}
	}
	return nil
}

func (s *shaper) object(at string, t reflect.Type, depth int) error {
	seen := map[string]bool{}
	for s.dec.More() {
		token, err := s.dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		where := at + "." + name
		if seen[name] {
			s.add(where, "is given twice")
		}
		seen[name] = true
		var member reflect.Type
		switch {
		case t == nil:
		case t.Kind() == reflect.Map:
			member, where = t.Elem(), at+"["+quote(name)+"]"
		default:
			var ok bool
			if member, ok = members(t)[name]; !ok {
				s.add(where, "is unknown.%s", toolkit.DidYouMean(name, names(t)))
			}
		}
		if err := s.value(where, member, depth+1); err != nil {
			return err
		}
	}
	_, err := s.dec.Token()
	return err
}

// members are a struct's members by their JSON names, those of embedded structs
// among them.
func members(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range t.Fields() {
		if f.Anonymous {
			for name, m := range members(f.Type) {
				out[name] = m
			}
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out[name] = f.Type
	}
	return out
}

func names(t reflect.Type) []string {
	var out []string
	for name := range members(t) {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// wanted names the JSON type of a Go type.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

func got(token json.Token) string {
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return "an object"
		}
		return "a list"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	}
	return "null"
}

func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

// clip bounds what is shown of a text.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
