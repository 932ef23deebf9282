package offline

import (
	"bytes"
	"encoding/json"
	"slices"
	"sort"
	"strings"
)

// schema is one node of a JSON Schema, with references followed and branches
// merged. It covers what tool and reply schemas use; a keyword it does not
// know is ignored.
type schema struct {
	root, node map[string]any
	never      bool // the schema false
}

// maxNesting bounds recursive schemas.
const maxNesting = 12

// parseSchema decodes a schema. Nothing at all stands for the empty one.
func parseSchema(raw []byte) (*schema, bool) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return &schema{}, true
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil, false
	}
	switch v := v.(type) {
	case map[string]any:
		return newSchema(v, v), true
	case bool:
		return &schema{never: !v}, v
	}
	return nil, false
}

func newSchema(root map[string]any, v any) *schema {
	switch v := v.(type) {
	case bool:
		return &schema{root: root, never: !v}
	case map[string]any:
		return &schema{root: root, node: flatten(root, v, new(int))}
	}
	return &schema{root: root}
}

// flatten follows $ref, merges allOf and takes a branch of anyOf and oneOf.
// done counts the nodes, so that a schema that holds itself comes to an end.
func flatten(root, node map[string]any, done *int) map[string]any {
	if *done++; *done > 200 {
		return map[string]any{}
	}
	ref, _ := node["$ref"].(string)
	all, _ := node["allOf"].([]any)
	branch := firstBranch(node)
	if ref == "" && all == nil && branch == nil {
		return node
	}
	out := map[string]any{}
	merge(out, node)
	delete(out, "$ref")
	delete(out, "allOf")
	parts := all
	if ref != "" {
		parts = append([]any{lookup(root, ref)}, parts...)
	}
	if branch != nil {
		parts = append(parts[:len(parts):len(parts)], branch)
	}
	for _, p := range parts {
		if m, ok := p.(map[string]any); ok {
			merge(out, flatten(root, m, done))
		}
	}
	return out
}

// firstBranch is the first alternative that is not just null.
func firstBranch(node map[string]any) any {
	for _, k := range []string{"anyOf", "oneOf"} {
		list, _ := node[k].([]any)
		for _, b := range list {
			if m, ok := b.(map[string]any); ok && m["type"] != "null" {
				return b
			}
		}
	}
	return nil
}

func merge(dst, src map[string]any) {
	for k, v := range src {
		old, both := dst[k]
		switch {
		case !both:
			dst[k] = v
		case k == "properties":
			a, _ := old.(map[string]any)
			b, _ := v.(map[string]any)
			m := make(map[string]any, len(a)+len(b))
			for k, v := range a {
				m[k] = v
			}
			for k, v := range b {
				if _, ok := m[k]; !ok {
					m[k] = v
				}
			}
			dst[k] = m
		case k == "required":
			a, _ := old.([]any)
			b, _ := v.([]any)
			dst[k] = append(append([]any{}, a...), b...)
		}
	}
}

// lookup follows a reference inside the document: #/$defs/name.
func lookup(root map[string]any, ref string) any {
	if !strings.HasPrefix(ref, "#") {
		return nil
	}
	var v any = root
	for _, p := range strings.Split(strings.TrimPrefix(ref, "#"), "/") {
		if p == "" {
			continue
		}
		p = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

// typ is the type, inferred where it is not given; "" if anything goes.
func (s *schema) typ() string {
	switch t := s.node["type"].(type) {
	case string:
		return t
	case []any:
		for _, e := range t {
			if n, ok := e.(string); ok && n != "null" {
				return n
			}
		}
		return "null"
	}
	has := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { _, ok := s.node[k]; return ok })
	}
	switch {
	case has("properties", "required", "additionalProperties", "minProperties"):
		return "object"
	case has("items", "prefixItems", "minItems"):
		return "array"
	case has("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
		return "number"
	case has("pattern", "format", "minLength", "maxLength"):
		return "string"
	}
	return ""
}

// enum lists the values allowed: enum, or const alone.
func (s *schema) enum() []any {
	if c, ok := s.node["const"]; ok {
		return []any{c}
	}
	list, _ := s.node["enum"].([]any)
	return list
}

func (s *schema) description() string {
	d, _ := s.node["description"].(string)
	return d
}

func (s *schema) str(key string) string {
	v, _ := s.node[key].(string)
	return v
}

func (s *schema) integer(key string) (int, bool) {
	n, ok := s.node[key].(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	if err != nil || f > 1e9 || f < -1e9 {
		return 0, false
	}
	return int(f), true
}

func (s *schema) float(key string) (float64, bool) {
	n, ok := s.node[key].(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// required lists the names of required members, without doubles.
func (s *schema) required() []string {
	list, _ := s.node["required"].([]any)
	var out []string
	for _, v := range list {
		if n, ok := v.(string); ok && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// properties lists the declared members, required ones first, then by name.
func (s *schema) properties() []*param {
	props, _ := s.node["properties"].(map[string]any)
	req := s.required()
	out := make([]*param, 0, len(props))
	for name, v := range props {
		out = append(out, &param{name: name, required: slices.Contains(req, name), schema: newSchema(s.root, v)})
	}
	for _, name := range req {
		if _, ok := props[name]; !ok {
			out = append(out, &param{name: name, required: true, schema: s.additional()})
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].required != out[j].required {
			return out[i].required
		}
		return out[i].name < out[j].name
	})
	return out
}

// additional is the schema of members that are not declared.
func (s *schema) additional() *schema {
	if v, ok := s.node["additionalProperties"]; ok {
		return newSchema(s.root, v)
	}
	return &schema{root: s.root}
}

func (s *schema) items() *schema {
	if v, ok := s.node["items"]; ok {
		return newSchema(s.root, v)
	}
	return &schema{root: s.root, node: map[string]any{"type": "string"}}
}

func (s *schema) prefix() []any {
	list, _ := s.node["prefixItems"].([]any)
	return list
}
