package jsonschema

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// types is a set of JSON types.
type types uint8

const (
	typeNull types = 1 << iota
	typeBoolean
	typeInteger
	typeNumber
	typeString
	typeArray
	typeObject
)

// typeNames are the names of the types, in the order of their bits.
func typeNames() []string {
	return []string{"null", "boolean", "integer", "number", "string", "array", "object"}
}

func typeOf(name string) (types, bool) {
	i := slices.Index(typeNames(), name)
	if i < 0 {
		return 0, false
	}
	return 1 << i, true
}

// String lists the types: string, number or null.
func (t types) String() string {
	var names []string
	for i, name := range typeNames() {
		if t&(1<<i) != 0 && (1<<i != typeInteger || t&typeNumber == 0) {
			names = append(names, name)
		}
	}
	slices.Reverse(names) // null comes last
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// has says whether a value is of one of the types. What is no JSON value is of
// none.
func (t types) has(value any) bool {
	switch v := value.(type) {
	case nil:
		return t&typeNull != 0
	case bool:
		return t&typeBoolean != 0
	case string:
		return t&typeString != 0
	case []any:
		return t&typeArray != 0
	case map[string]any:
		return t&typeObject != 0
	case json.Number:
		if t&typeInteger == 0 {
			return t&typeNumber != 0
		}
		d, ok := parseNumber(string(v))
		return ok && (t&typeNumber != 0 || d.isInt())
	}
	return false
}

// TypeName is the JSON type of a value as Decode gives it.
func TypeName(value any) string {
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

// Equal compares two values as Decode gives them; numbers by value, so that 1
// equals 1.0.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok || a == b {
			return ok
		}
		x, okX := parseNumber(string(a))
		y, okY := parseNumber(string(b))
		return okX && okY && x == y
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, Equal)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, there := b[k]; !there || !Equal(v, w) {
				return false
			}
		}
		return true
	case nil:
		return b == nil
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case string:
		b, ok := b.(string)
		return ok && a == b
	}
	return false
}

// appendKey writes a value so that equal ones are written alike.
func appendKey(b []byte, value any) []byte {
	switch v := value.(type) {
	case json.Number:
		d, _ := parseNumber(string(v))
		return append(b, d.key()...)
	case []any:
		b = append(b, '[')
		for _, e := range v {
			b = append(appendKey(b, e), ',')
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b = strconv.AppendQuote(b, name)
			b = append(appendKey(append(b, ':'), v[name]), ',')
		}
		return append(b, '}')
	case string:
		return strconv.AppendQuote(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, "null"...)
}

// How much of a value is shown in a message, in bytes.
const (
	longestValue = 200
	longestName  = 100
	longestPath  = 500
)

// shown is a value in a message, cut short if it is long. It is written out
// only if the message is.
type shown struct{ value any }

func (s shown) String() string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s.value) != nil {
		return "the value"
	}
	return cut(strings.TrimSuffix(b.String(), "\n"), longestValue)
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}

// step is a way down into a value: a name, or an index that is not below 0.
type step struct {
	name  string
	index int
}

// pathText writes steps like trajectory[2].action.
func pathText(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		if b.Len() > longestPath {
			b.WriteString("…")
			break
		}
		if s.index >= 0 {
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(nameText(s.name))
	}
	return b.String()
}

// nameText is a name as it stands in a path: in quotes if it would not be seen
// to be one otherwise.
func nameText(name string) string {
	name = cut(name, longestName)
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == '"' }) {
		return strconv.Quote(name)
	}
	return name
}
