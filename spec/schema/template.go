package schema

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"text/template"
)

// TemplateFuncs are the functions that prompts may use beside those of
// text/template:
//
//	json V          V as compact JSON
//	indent N TEXT   every line of TEXT moved right by N spaces
//	join SEP LIST   the elements as text, with SEP between them
//	lower upper trim TEXT
//	add A B         the sum
//	default D V     V, or D if V is empty
func TemplateFuncs() template.FuncMap {
	return template.FuncMap{
		"json":    toJSON,
		"indent":  indent,
		"join":    join,
		"lower":   strings.ToLower,
		"upper":   strings.ToUpper,
		"trim":    strings.TrimSpace,
		"add":     add,
		"default": fallback,
	}
}

// ParseTemplate parses a prompt as every component does: with TemplateFuncs,
// and with an error where a missing variable is used.
func ParseTemplate(name, text string) (*template.Template, error) {
	return template.New(name).Option("missingkey=error").Funcs(TemplateFuncs()).Parse(text)
}

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// maxIndent keeps a template from making huge text of a slip.
const maxIndent = 1000

func indent(n int, text string) (string, error) {
	if n < 0 || n > maxIndent {
		return "", fmt.Errorf("indent takes 0 to %d spaces", maxIndent)
	}
	pad := strings.Repeat(" ", n)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = pad + l
		}
	}
	return strings.Join(lines, "\n"), nil
}

func join(sep string, list any) (string, error) {
	if list == nil {
		return "", nil
	}
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return "", fmt.Errorf("join takes a list, not %s", v.Kind())
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = fmt.Sprint(v.Index(i).Interface())
	}
	return strings.Join(parts, sep), nil
}

func add(a, b any) (any, error) {
	x, xInt, err := numeric(a)
	if err != nil {
		return nil, err
	}
	y, yInt, err := numeric(b)
	if err != nil {
		return nil, err
	}
	if xInt && yInt {
		return int64(x) + int64(y), nil
	}
	return x + y, nil
}

func numeric(v any) (n float64, whole bool, err error) {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return float64(r.Int()), true, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return float64(r.Uint()), true, nil
	case reflect.Float32, reflect.Float64:
		return r.Float(), false, nil
	}
	return 0, false, fmt.Errorf("add takes numbers, not %T", v)
}

func fallback(d, v any) any {
	if truth, ok := template.IsTrue(v); ok && truth {
		return v
	}
	return d
}

// TemplateData turns a value into what a template sees: structs become maps
// by their json names with every member present, JSON becomes maps, lists,
// strings and numbers, and a nil pointer or null nothing: text/template prints
// that as <no value>, so that prompts guard it with if or default.
func TemplateData(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	return plain(reflect.ValueOf(v))
}

func plain(v reflect.Value) (any, error) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil, nil
		}
		v = v.Elem()
	}
	switch m := v.Interface().(type) {
	case json.RawMessage:
		return decodeAny(m)
	case json.Marshaler:
		b, err := m.MarshalJSON()
		if err != nil {
			return nil, err
		}
		return decodeAny(b)
	case encoding.TextMarshaler:
		b, err := m.MarshalText()
		return string(b), err
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Slice, reflect.Array:
		return plainList(v)
	case reflect.Map:
		return plainMap(v)
	case reflect.Struct:
		return plainStruct(v)
	case reflect.Chan, reflect.Func:
		return nil, fmt.Errorf("a template cannot use a %s", v.Kind())
	}
	return v.Interface(), nil
}

func plainList(v reflect.Value) (any, error) {
	out := make([]any, v.Len())
	for i := range out {
		e, err := plain(v.Index(i))
		if err != nil {
			return nil, err
		}
		out[i] = e
	}
	return out, nil
}

func plainMap(v reflect.Value) (any, error) {
	out := make(map[string]any, v.Len())
	for it := v.MapRange(); it.Next(); {
		e, err := plain(it.Value())
		if err != nil {
			return nil, err
		}
		out[fmt.Sprint(it.Key().Interface())] = e
	}
	return out, nil
}

func plainStruct(v reflect.Value) (any, error) {
	out := map[string]any{}
	for _, f := range jsonFields(v.Type()) {
		m, err := v.FieldByIndexErr(fieldIndex(v.Type(), f))
		if err != nil { // inside an embedded nil pointer
			out[f.name] = nil
			continue
		}
		if out[f.name], err = plain(m); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return out, nil
}

// fieldIndex finds a member that may come from an embedded struct.
func fieldIndex(t reflect.Type, f field) []int {
	if s, ok := t.FieldByName(f.Name); ok {
		return s.Index
	}
	return f.Index
}

func decodeAny(b []byte) (any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	// Text and numbers are most of what templates are given, and need no
	// decoder with a buffer of its own.
	switch c := b[0]; {
	case c == '"':
		var text string
		if err := json.Unmarshal(b, &text); err == nil {
			return text, nil
		}
	case (c == '-' || c >= '0' && c <= '9') && json.Valid(b):
		return numbers(json.Number(bytes.TrimSpace(b))), nil
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return numbers(v), nil
}

// numbers makes int64 or float64 of JSON numbers, so that templates can
// compare and add them; whole numbers too big for either stay text.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = numbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		if n, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return n
		}
		return v.String()
	}
	return v
}
