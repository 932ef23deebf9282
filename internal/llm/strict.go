package llm

import (
	"encoding/json"
	"strings"
)

// strictable says whether OpenAI's strict mode takes a schema: an object at
// the root; every object closed, with all its properties required; and no
// keyword but those it knows. Where in doubt it says no: the reply is checked
// here in any case.
// https://platform.openai.com/docs/guides/structured-outputs
func strictable(schema json.RawMessage) bool {
	var root map[string]any
	if json.Unmarshal(schema, &root) != nil || root["type"] != "object" || root["anyOf"] != nil {
		return false
	}
	return strictNode(root)
}

func strictNode(v any) bool {
	node, ok := v.(map[string]any)
	if !ok {
		return false
	}
	says := false // something says what the value is
	for name, value := range node {
		switch name {
		case "title", "description", "pattern", "format", "multipleOf", "minimum", "maximum",
			"exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
			"properties", "required", "additionalProperties":
		case "type", "enum", "const":
			says = true
		case "$ref":
			ref, _ := value.(string)
			says = strings.HasPrefix(ref, "#")
			if !says {
				return false
			}
		case "items":
			if !strictNode(value) {
				return false
			}
		case "anyOf":
			list, _ := value.([]any)
			says = len(list) > 0
			for _, v := range list {
				if !strictNode(v) {
					return false
				}
			}
		case "$defs", "definitions":
			if !strictEach(value) {
				return false
			}
		default:
			return false
		}
	}
	return says && strictObject(node) && strictArray(node)
}

func strictEach(v any) bool {
	nodes, ok := v.(map[string]any)
	for _, n := range nodes {
		ok = ok && strictNode(n)
	}
	return ok
}

// strictObject: a schema that allows objects closes them and requires every
// property.
func strictObject(node map[string]any) bool {
	if !hasType(node, "object") {
		return node["properties"] == nil
	}
	props, _ := node["properties"].(map[string]any)
	if node["additionalProperties"] != false || props == nil || !strictEach(props) {
		return false
	}
	required := map[string]bool{}
	list, _ := node["required"].([]any)
	for _, r := range list {
		name, _ := r.(string)
		required[name] = true
	}
	for name := range props {
		if !required[name] {
			return false
		}
	}
	return true
}

func strictArray(node map[string]any) bool {
	return !hasType(node, "array") || node["items"] != nil
}

func hasType(node map[string]any, want string) bool {
	switch t := node["type"].(type) {
	case string:
		return t == want
	case []any:
		for _, v := range t {
			if v == want {
				return true
			}
		}
	}
	return false
}
