package checks

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// JSONSchema is the JSON Schema (draft 2020-12) of a scenario's checks, made from
// the types. What it cannot say, such as that a path is absolute, Parse says.
func JSONSchema() json.RawMessage {
	s := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "checks of a scenario",
		"type":    "array", "maxItems": maxChecks,
		"items": structSchema(reflect.TypeFor[Check]()),
		"$defs": map[string]any{"condition": structSchema(reflect.TypeFor[Condition]())},
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil // maps, lists and strings always marshal
	}
	return text
}

func schemaOf(t reflect.Type) map[string]any {
	if t == reflect.TypeFor[Condition]() {
		return map[string]any{"$ref": "#/$defs/condition"}
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	s := map[string]any{"type": "string"}
	if v, ok := reflect.Zero(t).Interface().(interface{ Values() []string }); ok {
		s["enum"] = v.Values()
	}
	return s
}

// structSchema is the schema of a closed object. A condition has one member of
// its own, beside the name and the kind that a check has.
func structSchema(t reflect.Type) map[string]any {
	properties := map[string]any{}
	required := []string{}
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		for f := range t.Fields() {
			if f.Anonymous {
				visit(f.Type)
				continue
			}
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			s := schemaOf(f.Type)
			s["description"] = f.Tag.Get("doc")
			properties[name] = s
			if options == "" {
				required = append(required, name)
			}
		}
	}
	visit(t)
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		slices.Sort(required)
		s["required"] = required
	}
	switch t {
	case reflect.TypeFor[Condition]():
		s["minProperties"], s["maxProperties"] = 1, 1
	case reflect.TypeFor[Check]():
		s["minProperties"], s["maxProperties"] = 3, 3
	}
	return s
}
