package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a tool's parameters. What lies beyond is told in words.
const (
	maxParameters  = 32 << 10 // bytes of JSON
	maxNodes       = 1000     // schemas within a schema, references followed
	maxDepth       = 16
	maxEnum        = 100
	maxProperty    = 200 // bytes of a property's name
	maxPropertyDoc = 600 // bytes of a property's description
	maxWords       = 700 // bytes of what is told in words about one property
	maxBrief       = 400 // bytes of a piece of JSON Schema in those words
)

// parameters makes the parameters of a catalogue's tool of a server's JSON
// Schema. Of JSON Schema they know type, format, enum, minimum, maximum,
// items, properties, required and additionalProperties, and no references:
// what the checks of calls and the offline model know too. All else is told in
// words, in the description of the property that it is about, and listed in
// inWords as "PROPERTY: KEYWORD". The result takes everything that the schema
// takes, and more only where words say so.
func parameters(raw json.RawMessage) (out json.RawMessage, inWords []string) {
	open := json.RawMessage(`{"properties":{},"type":"object"}`)
	if len(raw) == 0 || string(raw) == "null" {
		return open, []string{"schema: there is none, any arguments are taken"}
	}
	v, err := decode(raw)
	if err != nil {
		return open, []string{"schema: " + err.Error()}
	}
	root, ok := v.(map[string]any)
	if v == true {
		root, ok = map[string]any{}, true
	}
	draft, _ := root["$schema"].(string)
	c := &converter{root: root, left: maxNodes, refAlone: strings.Contains(draft, "/draft-0")}
	if !ok {
		return open, []string{"schema: it is no object"}
	}
	s := c.convert(root, "", 0, nil)
	if !takesObjects(s["type"]) {
		return open, append(c.inWords, "schema: it is not for objects, which arguments are")
	}
	s["type"] = "object"
	delete(s, "enum") // of whole objects; no tool has any
	if s["properties"] == nil {
		s["properties"] = map[string]any{}
	}
	b, err := canonical(s, "")
	if err != nil || len(b) > maxParameters {
		return open, []string{fmt.Sprintf("schema: it is larger than %d KiB, any arguments are taken", maxParameters>>10)}
	}
	return b, c.inWords
}

func takesObjects(types any) bool {
	switch t := types.(type) {
	case string:
		return t == "object"
	case []any:
		return slices.Contains(t, any("object"))
	}
	return true
}

// converter converts one schema.
type converter struct {
	root     map[string]any
	left     int  // of maxNodes
	refAlone bool // what stands beside a $ref does not count
	inWords  []string
}

// say notes that a keyword is told in words, and gives the words.
func (c *converter) say(path, keyword, words string) string {
	c.inWords = append(c.inWords, placeOf(path)+": "+keyword)
	return words
}

// convert converts a schema. refs are the references that led here.
func (c *converter) convert(v any, path string, depth int, refs []string) map[string]any {
	node, ok := v.(map[string]any)
	if c.left--; c.left < 0 || depth > maxDepth {
		return map[string]any{"description": c.say(path, "depth", "Any value; what it holds is too deeply nested to be told.")}
	}
	if !ok {
		if v == false {
			return map[string]any{"description": c.say(path, "false", "It must not be given.")}
		}
		return map[string]any{} // true, or no schema at all
	}
	flat, said := c.flatten(node, path, refs)
	out := map[string]any{}
	said = append(said, c.scalars(flat, out, path)...)
	if items, ok := flat.node["items"]; ok {
		_, list := items.([]any)
		_, prefix := flat.node["prefixItems"]
		switch {
		case list:
			said = append(said, c.say(path, "items", "Its elements in order fit these JSON Schemas: "+brief(items)+"."))
		case prefix:
			said = append(said, c.say(path, "items", "Its further elements fit this JSON Schema: "+brief(items)+"."))
		default:
			out["items"] = c.convert(items, path+"[]", depth+1, flat.refs)
		}
	}
	said = append(said, c.members(flat, out, path, depth)...)
	said = append(said, c.rest(flat.node, path)...)
	if text := describe(flat.node, said); text != "" {
		out["description"] = text
	}
	return out
}

// members converts what is said of an object's members.
func (c *converter) members(flat flat, out map[string]any, path string, depth int) (said []string) {
	properties, _ := flat.node["properties"].(map[string]any)
	converted := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if len(name) > maxProperty {
			said = append(said, c.say(path, "properties", "It has a member whose name is too long to be told."))
			flat.node["additionalProperties"] = true
			continue
		}
		converted[name] = c.convert(properties[name], join(path, name), depth+1, flat.refs)
	}
	if properties != nil {
		out["properties"] = converted
	}
	if list, ok := flat.node["required"].([]any); ok {
		var names []any
		for _, name := range list {
			if s, ok := name.(string); ok && len(s) <= maxProperty && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			slices.SortFunc(names, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			out["required"] = names
		}
	}
	switch extra := flat.node["additionalProperties"].(type) {
	case bool:
		if _, patterns := flat.node["patternProperties"]; !extra && !patterns {
			out["additionalProperties"] = false
		}
	case map[string]any:
		if _, patterns := flat.node["patternProperties"]; !patterns {
			out["additionalProperties"] = c.convert(extra, join(path, "*"), depth+1, flat.refs)
		}
	}
	return said
}

// scalars converts types, values and bounds.
func (c *converter) scalars(flat flat, out map[string]any, path string) (said []string) {
	node := flat.node
	if t := typesOf(node["type"]); len(t) == 1 {
		out["type"] = t[0]
	} else if len(t) > 1 {
		out["type"] = t
	}
	if f, ok := node["format"].(string); ok && fit(f) == f && f != "" {
		out["format"] = f
	}
	values, ok := node["enum"].([]any)
	if v, single := node["const"]; single {
		values, ok = []any{v}, true
	}
	switch {
	case ok && len(values) > 0 && len(values) <= maxEnum && finite(values):
		out["enum"] = values
	case ok:
		said = append(said, c.say(path, "enum", fmt.Sprintf("One of %d values: %s.", len(values), brief(values))))
	}
	said = append(said, c.bound(node, out, path, "minimum", "exclusiveMinimum", "Greater than", 1)...)
	return append(said, c.bound(node, out, path, "maximum", "exclusiveMaximum", "Less than", -1)...)
}

// bound converts a bound, and one that is itself not allowed: for integers to
// the next integer, else to the bound, with words.
func (c *converter) bound(node, out map[string]any, path, keyword, exclusive, words string, step float64) (said []string) {
	limit, has := number(node[keyword])
	if has {
		out[keyword] = node[keyword]
	}
	edge, ok := number(node[exclusive])
	value := node[exclusive]
	if node[exclusive] == true { // as drafts before the sixth had it
		edge, ok, value = limit, has, node[keyword]
	}
	if !ok || has && (edge-limit)*step < 0 {
		return nil
	}
	whole := edge == math.Trunc(edge) && math.Abs(edge) < 1<<53
	if out["type"] == "integer" && whole {
		out[keyword] = json.Number(strconv.FormatFloat(edge+step, 'f', -1, 64))
		return nil
	}
	out[keyword] = value
	return []string{c.say(path, exclusive, fmt.Sprintf("%s %s.", words, value))}
}

// number gives a number that others can read too.
func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil && !math.IsInf(f, 0)
}

// finite says whether all numbers in a value can be read.
func finite(v any) bool {
	switch v := v.(type) {
	case json.Number:
		_, ok := number(v)
		return ok
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !finite(e) })
	case map[string]any:
		return finite(slices.Collect(maps.Values(v)))
	}
	return true
}

// typesOf gives the types of a schema that JSON Schema knows.
func typesOf(v any) []any {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []any
	for _, t := range list {
		switch t {
		case "string", "integer", "number", "boolean", "array", "object", "null":
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}

// rest tells keywords in words that parameters do not have.
func (c *converter) rest(node map[string]any, path string) (said []string) {
	for _, r := range []struct{ keyword, words string }{
		{"default", "Default: %s."},
		{"examples", "Examples: %s."},
		{"multipleOf", "A multiple of %s."},
		{"minLength", "At least %s characters."},
		{"maxLength", "At most %s characters."},
		{"pattern", "It matches the regular expression %s."},
		{"contentEncoding", "Encoded as %s."},
		{"contentMediaType", "Its content is of the type %s."},
		{"minItems", "At least %s elements."},
		{"maxItems", "At most %s elements."},
		{"uniqueItems", "No element twice: %s."},
		{"prefixItems", "Its first elements fit these JSON Schemas: %s."},
		{"contains", "An element of it fits this JSON Schema: %s."},
		{"minProperties", "At least %s members."},
		{"maxProperties", "At most %s members."},
		{"propertyNames", "The names of its members fit this JSON Schema: %s."},
		{"patternProperties", "Members whose name matches a regular expression fit these JSON Schemas: %s."},
		{"dependentRequired", "Members that need others: %s."},
		{"dependentSchemas", "Members that ask more of it, as JSON Schema: %s."},
		{"dependencies", "Members that ask more of it, as JSON Schema: %s."},
		{"unevaluatedProperties", "For all other members, as JSON Schema: %s."},
		{"unevaluatedItems", "For all other elements, as JSON Schema: %s."},
		{"additionalItems", "For all other elements, as JSON Schema: %s."},
		{"not", "It does not fit this JSON Schema: %s."},
		{"if", "If it fits this JSON Schema: %s."},
		{"then", "Then it fits this too: %s."},
		{"else", "If not, it fits this too: %s."},
		{"$dynamicRef", "It is like %s."},
		{"deprecated", "Deprecated: %s."},
	} {
		if v, ok := node[r.keyword]; ok {
			said = append(said, c.say(path, r.keyword, fmt.Sprintf(r.words, brief(v))))
		}
	}
	return said
}

// describe makes the description of a property: the server's, then what had to
// be told in words.
func describe(node map[string]any, said []string) string {
	text, _ := node["description"].(string)
	if text = clean(text); text == "" {
		title, _ := node["title"].(string)
		text = clean(title)
	}
	text, _ = bounded(text, maxPropertyDoc)
	words, _ := bounded(clean(strings.Join(said, " ")), maxWords)
	if text != "" && words != "" {
		if !strings.ContainsAny(text[len(text)-1:], ".!?…:") {
			text += "."
		}
		text += " "
	}
	return text + words
}

// brief shows a value as JSON, cut short.
func brief(v any) string {
	b, err := canonical(v, "")
	if err != nil {
		return "a value"
	}
	s, _ := bounded(string(b), maxBrief)
	return s
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// placeOf names the place of a property in messages.
func placeOf(path string) string {
	if path == "" {
		return "schema"
	}
	return shown(path)
}
