package ots

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// JSONSchema is the JSON Schema (draft 2020-12) of a Row, made from the
// types and their doc tags. It says what shape a row has; Check says more. A
// row may have further columns, the objects inside it may not.
func JSONSchema() json.RawMessage {
	s := schemaOf(reflect.TypeFor[Row]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "OTS row"
	s["additionalProperties"] = true
	b, err := json.Marshal(s)
	if err != nil {
		// Maps, strings and lists always marshal.
		return nil
	}
	return b
}

func schemaOf(t reflect.Type) map[string]any {
	// Every raw value in a row is a JSON object: arguments, parameters.
	if t == reflect.TypeFor[json.RawMessage]() {
		return map[string]any{"type": "object"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := schemaOf(t.Elem())
		s["type"] = []any{s["type"], "null"}
		return s
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int64:
		return map[string]any{"type": "integer"}
	}
	s := map[string]any{"type": "string"}
	if e, ok := reflect.Zero(t).Interface().(interface{ Values() []string }); ok {
		s["enum"] = e.Values()
	}
	return s
}

func structSchema(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := schemaOf(f.Type)
		if doc := f.Tag.Get("doc"); doc != "" {
			s["description"] = doc
		}
		properties[name] = s
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	return map[string]any{
		"type": "object", "properties": properties, "required": required, "additionalProperties": false,
	}
}
