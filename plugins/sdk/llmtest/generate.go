package llmtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// maxDepth ends schemas that refer to themselves.
const maxDepth = 8

// generator makes values that fit a JSON Schema: types, enum, const,
// required, bounds, local references and choices. Patterns it does not know.
type generator struct {
	root map[string]any
	rng  *rand.Rand
}

func (s *Server) generator(schema json.RawMessage, rng *rand.Rand) *generator {
	return &generator{root: s.schemas.parsed(schema), rng: rng}
}

// value makes a value for the property name; depth counts the nesting.
func (g *generator) value(schema map[string]any, name string, depth int) any {
	schema = g.resolve(schema)
	if v, ok := schema["const"]; ok {
		return v
	}
	if enum, ok := schema["enum"].([]any); ok && len(enum) > 0 {
		return enum[g.rng.IntN(len(enum))]
	}
	for _, choice := range []string{"anyOf", "oneOf"} {
		if list, ok := schema[choice].([]any); ok && len(list) > 0 && depth < maxDepth {
			if s, ok := list[g.rng.IntN(len(list))].(map[string]any); ok {
				return g.value(s, name, depth+1)
			}
		}
	}
	switch g.typeOf(schema) {
	case "object":
		return g.object(schema, depth)
	case "array":
		return g.array(schema, name, depth)
	case "integer":
		return g.integer(schema)
	case "number":
		return g.number(schema)
	case "boolean":
		return g.rng.IntN(2) == 0
	case "null":
		return nil
	}
	return g.text(schema, name)
}

// resolve follows local references and lays allOf together.
func (g *generator) resolve(schema map[string]any) map[string]any {
	for range maxDepth {
		ref, ok := schema["$ref"].(string)
		if !ok || !strings.HasPrefix(ref, "#") {
			break
		}
		var at any = g.root
		for _, step := range strings.Split(strings.TrimPrefix(ref, "#"), "/")[1:] {
			m, _ := at.(map[string]any)
			at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
		}
		next, ok := at.(map[string]any)
		if !ok {
			return map[string]any{}
		}
		schema = next
	}
	all, _ := schema["allOf"].([]any)
	if len(all) == 0 {
		return schema
	}
	merged := map[string]any{"properties": map[string]any{}}
	for _, part := range append(all, any(schema)) {
		m, _ := part.(map[string]any)
		for k, v := range m {
			props, isProps := v.(map[string]any)
			if k == "properties" && isProps {
				for name, p := range props {
					merged[k].(map[string]any)[name] = p
				}
			} else if k == "required" {
				old, _ := merged[k].([]any)
				list, _ := v.([]any)
				merged[k] = append(slices.Clone(old), list...)
			} else if k != "allOf" {
				merged[k] = v
			}
		}
	}
	return merged
}

func (g *generator) typeOf(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		return t
	case []any:
		for _, v := range t {
			if s, ok := v.(string); ok && s != "null" {
				return s
			}
		}
		return "null"
	}
	switch {
	case schema["properties"] != nil:
		return "object"
	case schema["items"] != nil:
		return "array"
	}
	return "string"
}

// object fills what is required, and half of the rest.
func (g *generator) object(schema map[string]any, depth int) map[string]any {
	schema = g.resolve(schema)
	out := map[string]any{}
	props, _ := schema["properties"].(map[string]any)
	list, _ := schema["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(props)) {
		p, ok := props[name].(map[string]any)
		required := slices.Contains(list, any(name))
		if !ok { // true
			p = map[string]any{}
		}
		if required || depth < maxDepth && g.rng.IntN(2) == 0 {
			out[name] = g.value(p, name, depth+1)
		}
	}
	for _, r := range list {
		if name, ok := r.(string); ok && props[name] == nil {
			out[name] = g.text(nil, name)
		}
	}
	return out
}

func (g *generator) array(schema map[string]any, name string, depth int) []any {
	least, most := int(num(schema, "minItems", 0)), int(num(schema, "maxItems", math.MaxInt32))
	n := min(max(least, 1+g.rng.IntN(3)), most)
	if depth >= maxDepth {
		n = least
	}
	items, _ := schema["items"].(map[string]any)
	out := []any{}
	for range n {
		v := g.value(items, strings.TrimSuffix(name, "s"), depth+1)
		if schema["uniqueItems"] == true && slices.ContainsFunc(out, func(o any) bool { return fmt.Sprint(o) == fmt.Sprint(v) }) {
			continue
		}
		out = append(out, v)
	}
	return out
}

func (g *generator) integer(schema map[string]any) int64 {
	low, high := bounds(schema, 1)
	low, high = math.Ceil(low), math.Floor(high)
	v := low
	if high > low {
		v += float64(g.rng.Int64N(int64(high-low) + 1))
	}
	if step := num(schema, "multipleOf", 0); step > 0 {
		v = math.Ceil(low/step) * step
	}
	return int64(v)
}

func (g *generator) number(schema map[string]any) float64 {
	low, high := bounds(schema, 0.001)
	if step := num(schema, "multipleOf", 0); step > 0 {
		return math.Ceil(low/step) * step
	}
	v := math.Round((low+g.rng.Float64()*(high-low))*100) / 100
	return min(max(v, low), high)
}

// bounds are the least and the largest value; step is what an exclusive
// bound is moved by.
func bounds(schema map[string]any, step float64) (low, high float64) {
	low = max(num(schema, "minimum", math.Inf(-1)), num(schema, "exclusiveMinimum", math.Inf(-1))+step)
	high = min(num(schema, "maximum", math.Inf(1)), num(schema, "exclusiveMaximum", math.Inf(1))-step)
	switch {
	case math.IsInf(low, -1) && math.IsInf(high, 1):
		return 1, 100
	case math.IsInf(low, -1):
		return min(high, max(high-100, 0)), high
	case math.IsInf(high, 1):
		return low, low + 100
	}
	return low, high
}

func num(schema map[string]any, name string, none float64) float64 {
	if v, ok := schema[name].(float64); ok {
		return v
	}
	return none
}

func (g *generator) text(schema map[string]any, name string) string {
	switch schema["format"] {
	case "date":
		return fmt.Sprintf("2024-%02d-%02d", 1+g.rng.IntN(12), 1+g.rng.IntN(28))
	case "date-time":
		return fmt.Sprintf("2024-%02d-%02dT%02d:30:00Z", 1+g.rng.IntN(12), 1+g.rng.IntN(28), g.rng.IntN(24))
	case "time":
		return fmt.Sprintf("%02d:30:00Z", g.rng.IntN(24))
	case "email":
		return pick(g.rng, people) + "@example.com"
	case "uri", "url":
		return "https://example.com/" + hexWord(g.rng)
	case "uuid":
		return fmt.Sprintf("00000000-0000-4000-8000-%012x", g.rng.Uint64N(1<<48))
	}
	s := g.words(strings.ToLower(name))
	for float64(len(s)) < num(schema, "minLength", 0) {
		s += " " + hexWord(g.rng)
	}
	if most := num(schema, "maxLength", math.Inf(1)); float64(len(s)) > most {
		s = s[:int(most)]
	}
	return s
}

// words are what a property of that name may hold.
func (g *generator) words(name string) string {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(name, p) })
	}
	switch {
	case has("email", "recipient"):
		return pick(g.rng, people) + "@example.com"
	case has("date"):
		return fmt.Sprintf("2024-%02d-%02d", 1+g.rng.IntN(12), 1+g.rng.IntN(28))
	case has("path", "file"):
		return "/home/" + pick(g.rng, people) + "/" + hexWord(g.rng) + ".txt"
	case name == "id" || strings.HasSuffix(name, "_id"):
		return hexWord(g.rng)
	case has("name", "user"):
		return pick(g.rng, people)
	}
	return sentence(g.rng)
}

func sentence(rng *rand.Rand) string {
	return fmt.Sprintf("%s the %s of %s for case %s.", pick(rng, verbs), pick(rng, things), pick(rng, people), hexWord(rng))
}

func hexWord(rng *rand.Rand) string { return fmt.Sprintf("%08x", rng.Uint32()) }

func pick(rng *rand.Rand, words string) string {
	list := strings.Fields(words)
	return list[rng.IntN(len(list))]
}

const (
	verbs  = "Check Send Review Update Delete Share Archive Compare Open Rename"
	things = "report invoice mailbox backup schedule prescription contract account ticket calendar"
	people = "amelia bruno chidi daria emeka freya goran hana ines jonas"
)
