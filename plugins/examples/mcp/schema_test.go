package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/autosafe/autosafe/spec/ots"
)

// schemaCase is a schema, what becomes of it, and what is told in words.
type schemaCase struct {
	name, schema, want string
	inWords            []string
}

func schemaCases() []schemaCase {
	return []schemaCase{
		{"none", ``, `{"properties":{},"type":"object"}`, []string{"schema: there is none, any arguments are taken"}},
		{"empty", `{}`, `{"properties":{},"type":"object"}`, nil},
		{"true", `true`, `{"properties":{},"type":"object"}`, nil},
		{"false", `false`, `{"properties":{},"type":"object"}`, []string{"schema: it is no object"}},
		{"no object", `{"type":"array"}`, `{"properties":{},"type":"object"}`, []string{"schema: it is not for objects, which arguments are"}},
		{"plain", `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","title":"X","properties":{"b":{"type":"integer","minimum":1,"maximum":9,"description":"How many."},"a":{"type":"string","enum":["x","y"],"title":"Kind"}},"required":["b","b"],"additionalProperties":false}`,
			`{"additionalProperties":false,"description":"X","properties":{"a":{"description":"Kind","enum":["x","y"],"type":"string"},"b":{"description":"How many.","maximum":9,"minimum":1,"type":"integer"}},"required":["b"],"type":"object"}`, nil},
		{"words", `{"properties":{"a":{"type":"string","description":"A name","minLength":3,"pattern":"^a","default":"abc","examples":["abd"]}}}`,
			`{"properties":{"a":{"description":"A name. Default: \"abc\". Examples: [\"abd\"]. At least 3 characters. It matches the regular expression \"^a\".","type":"string"}},"type":"object"}`,
			[]string{"a: default", "a: examples", "a: minLength", "a: pattern"}},
		{"exclusive", `{"properties":{"i":{"type":"integer","exclusiveMinimum":0,"maximum":7,"exclusiveMaximum":9},"n":{"type":"number","exclusiveMinimum":0.5},"old":{"type":"integer","minimum":3,"exclusiveMinimum":true}}}`,
			`{"properties":{"i":{"maximum":7,"minimum":1,"type":"integer"},"n":{"description":"Greater than 0.5.","minimum":0.5,"type":"number"},"old":{"minimum":4,"type":"integer"}},"type":"object"}`,
			[]string{"n: exclusiveMinimum"}},
		{"reference", `{"$defs":{"place":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}},"properties":{"from":{"$ref":"#/$defs/place","description":"Start."},"to":{"allOf":[{"$ref":"#/$defs/place"}]},"by":{"$ref":"http://example.com/far.json"}}}`,
			`{"properties":{"by":{"description":"Any value; its form is described elsewhere (http://example.com/far.json)."},"from":{"description":"Start.","properties":{"city":{"type":"string"}},"required":["city"],"type":"object"},"to":{"properties":{"city":{"type":"string"}},"required":["city"],"type":"object"}},"type":"object"}`,
			[]string{"by: $ref"}},
		{"recursive", `{"properties":{"tree":{"$ref":"#/definitions/node"}},"definitions":{"node":{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/definitions/node"}}}}}}`,
			`{"properties":{"tree":{"properties":{"children":{"items":{"description":"It has the same form as what it stands in.","type":"object"},"type":"array"},"name":{"type":"string"}},"type":"object"}},"type":"object"}`,
			[]string{"tree.children[]: $ref"}},
		{"nullable", `{"properties":{"a":{"anyOf":[{"type":"string","format":"date"},{"type":"null"}],"default":null},"b":{"type":["integer","null"]},"c":{"oneOf":[{"type":"string"},{"type":"number"}]}}}`,
			`{"properties":{"a":{"description":"Default: null.","format":"date","type":["string","null"]},"b":{"type":["integer","null"]},"c":{"type":["string","number"]}},"type":"object"}`,
			[]string{"a: default"}},
		{"constants", `{"properties":{"a":{"anyOf":[{"const":"x"},{"const":"y"},{"enum":["y",3]},{"type":"null"}]},"b":{"const":1}}}`,
			`{"properties":{"a":{"enum":["x","y",3,null]},"b":{"enum":[1]}},"type":"object"}`, nil},
		{"kinds of object", `{"properties":{"s":{"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number"}},"required":["kind","r"],"additionalProperties":false},{"type":"object","properties":{"kind":{"const":"dot"}},"required":["kind"],"additionalProperties":false}]}}}`,
			`{"properties":{"s":{"description":"It fits one of these JSON Schemas: [{\"additionalProperties\":false,\"properties\":{\"kind\":{\"const\":\"circle\"},\"r\":{\"type\":\"number\"}},\"required\":[\"kind\",\"r\"],\"type\":\"object\"},{\"additionalProperties\":false,\"properties\":{\"kind\":{\"const\":\"dot\"}},\"required\":[\"kind\"],\"type\":\"object\"}].","properties":{"kind":{"enum":["circle","dot"]},"r":{"type":"number"}},"required":["kind"],"type":"object"}},"type":"object"}`,
			[]string{"s: oneOf"}},
		{"open kinds of object", `{"properties":{"s":{"anyOf":[{"type":"object","properties":{"k":{"const":"a"},"r":{"type":"number"}}},{"type":"object","properties":{"k":{"const":"b"}}}]}}}`,
			`{"properties":{"s":{"description":"It fits one of these JSON Schemas: [{\"properties\":{\"k\":{\"const\":\"a\"},\"r\":{\"type\":\"number\"}},\"type\":\"object\"},{\"properties\":{\"k\":{\"const\":\"b\"}},\"type\":\"object\"}].","properties":{"k":{"enum":["a","b"]},"r":{}},"type":"object"}},"type":"object"}`,
			[]string{"s: anyOf"}},
		{"kinds of object with patterns", `{"properties":{"s":{"anyOf":[{"type":"object","properties":{"r":{"type":"number"}},"additionalProperties":false},{"type":"object","patternProperties":{"^r":{"type":"string"}},"additionalProperties":false}]}}}`,
			`{"properties":{"s":{"description":"It fits one of these JSON Schemas: [{\"additionalProperties\":false,\"properties\":{\"r\":{\"type\":\"number\"}},\"type\":\"object\"},{\"additionalProperties\":false,\"patternProperties\":{\"^r\":{\"type\":\"string\"}},\"type\":\"object\"}].","properties":{"r":{}},"type":"object"}},"type":"object"}`,
			[]string{"s: anyOf"}},
		{"arrays", `{"properties":{"a":{"type":"array","items":{"type":"array","items":{"type":"string"}},"minItems":1},"t":{"type":"array","items":[{"type":"string"}]},"p":{"type":"array","prefixItems":[{"type":"integer"}],"items":false}}}`,
			`{"properties":{"a":{"description":"At least 1 elements.","items":{"items":{"type":"string"},"type":"array"},"type":"array"},"p":{"description":"Its further elements fit this JSON Schema: false. Its first elements fit these JSON Schemas: [{\"type\":\"integer\"}].","type":"array"},"t":{"description":"Its elements in order fit these JSON Schemas: [{\"type\":\"string\"}].","type":"array"}},"type":"object"}`,
			[]string{"a: minItems", "p: items", "p: prefixItems", "t: items"}},
		{"maps", `{"properties":{"m":{"type":"object","additionalProperties":{"type":"string","maxLength":3}},"q":{"type":"object","patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}}}`,
			`{"properties":{"m":{"additionalProperties":{"description":"At most 3 characters.","type":"string"},"type":"object"},"q":{"description":"Members whose name matches a regular expression fit these JSON Schemas: {\"^x\":{\"type\":\"string\"}}.","type":"object"}},"type":"object"}`,
			[]string{"m.*: maxLength", "q: patternProperties"}},
		{"allOf", `{"allOf":[{"properties":{"a":{"type":"number","minimum":1}},"required":["a"]},{"properties":{"a":{"type":"integer","minimum":3},"b":{}},"required":["b"]}]}`,
			`{"properties":{"a":{"minimum":3,"type":"integer"},"b":{}},"required":["a","b"],"type":"object"}`, nil},
		{"conditions", `{"type":"object","properties":{"a":{"not":{"type":"null"}}},"if":{"required":["a"]},"then":{"required":["b"]},"dependentRequired":{"a":["c"]}}`,
			`{"description":"Members that need others: {\"a\":[\"c\"]}. If it fits this JSON Schema: {\"required\":[\"a\"]}. Then it fits this too: {\"required\":[\"b\"]}.","properties":{"a":{"description":"It does not fit this JSON Schema: {\"type\":\"null\"}."}},"type":"object"}`,
			[]string{"a: not", "schema: dependentRequired", "schema: if", "schema: then"}},
		{"beside a reference, old", `{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"n":{"type":"number"}},"properties":{"a":{"$ref":"#/definitions/n","maximum":3,"description":"N."}}}`,
			`{"properties":{"a":{"description":"N.","type":"number"}},"type":"object"}`, nil},
		{"beside a reference, new", `{"$defs":{"n":{"type":"number"}},"properties":{"a":{"$ref":"#/$defs/n","maximum":3}}}`,
			`{"properties":{"a":{"maximum":3,"type":"number"}},"type":"object"}`, nil},
		{"hidden text", `{"properties":{"a":{"description":"Fine.` + "\u202e\U000e0041\u200b" + `\u0007\n\tBut"}}}`, `{"properties":{"a":{"description":"Fine.\n But"}},"type":"object"}`, nil},
		{"numbers nobody reads", `{"properties":{"a":{"type":"number","maximum":1e999,"minimum":1,"enum":[1e999]}}}`,
			`{"properties":{"a":{"description":"One of 1 values: [1e999].","minimum":1,"type":"number"}},"type":"object"}`, []string{"a: enum"}},
	}
}

func TestParameters(t *testing.T) {
	for _, c := range schemaCases() {
		t.Run(c.name, func(t *testing.T) {
			got, inWords := parameters(json.RawMessage(c.schema))
			if string(got) != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if !slices.Equal(inWords, c.inWords) {
				t.Errorf("in words %q, want %q", inWords, c.inWords)
			}
		})
	}
}

// TestLargeParameters converts schemas that are too deep, too wide or too big.
func TestLargeParameters(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","items":`, 500) + "{}" + strings.Repeat("}", 500)
	all := strings.Repeat(`{"allOf":[`, 3000) + "{}" + strings.Repeat("]}", 3000)
	var wide, doubling strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&wide, `"p%d":{"type":"string"},`, i)
	}
	for i := range 40 { // each refers to the next one twice
		fmt.Fprintf(&doubling, `"d%d":{"type":"object","properties":{"a":{"$ref":"#/$defs/d%d"},"b":{"$ref":"#/$defs/d%d"}}},`, i, i+1, i+1)
	}
	for name, schema := range map[string]string{
		"deep":     `{"properties":{"a":` + deep + `}}`,
		"all":      `{"properties":{"a":` + all + `}}`,
		"wide":     `{"properties":{` + wide.String() + `"z":{}}}`,
		"doubling": `{"$ref":"#/$defs/d0","$defs":{` + doubling.String() + `"d40":{}}}`,
		"circle":   `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"object"}]}}}`,
		"itself":   `{"allOf":[{"$ref":"#"}]}`,
		"long":     `{"properties":{"` + strings.Repeat("n", 300) + `":{"type":"string"}},"additionalProperties":false}`,
		"values":   `{"properties":{"a":{"enum":[` + strings.TrimSuffix(strings.Repeat(`"v",`, 5000), ",") + `]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, inWords := parameters(json.RawMessage(schema))
			if len(got) > maxParameters || len(inWords) == 0 {
				t.Errorf("%d bytes, in words %.200q", len(got), inWords)
			}
			var s map[string]any
			if err := json.Unmarshal(got, &s); err != nil || s["type"] != "object" {
				t.Errorf("%.200s: %v", got, err)
			}
		})
	}
}

// validator makes the full validator of a schema; nil if it cannot be read.
func validator(schema []byte) *jsonschema.Resolved {
	var s jsonschema.Schema
	if json.Unmarshal(schema, &s) != nil {
		return nil
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return nil
	}
	return resolved
}

// refuses says why the converted schema refuses what the server's takes; ok is
// false if that does not take it either.
func refuses(full *jsonschema.Resolved, converted json.RawMessage, value any) (why []ots.Problem, ok bool) {
	if full == nil || full.Validate(value) != nil {
		return nil, false
	}
	b, err := json.Marshal(value)
	if err != nil {
		return nil, false
	}
	return ots.CheckArguments(converted, b), true
}

// TestTakesAll tries values by the thousand: what a server's schema takes, the
// converted one takes.
func TestTakesAll(t *testing.T) {
	t.Parallel()
	const tries = 2000
	taken := 0
	for _, c := range schemaCases() {
		if c.schema == "" || strings.Contains(c.schema, "draft-07") || strings.Contains(c.schema, "1e999") {
			continue // the validator reads the newest draft alone, and no such number
		}
		converted, _ := parameters(json.RawMessage(c.schema))
		v := vocabularyOf(c.schema)
		r := rand.New(rand.NewPCG(1, 2))
		full := validator([]byte(c.schema))
		for range tries {
			value := v.object(r, 3)
			why, ok := refuses(full, converted, value)
			if ok {
				taken++
			}
			if len(why) > 0 {
				b, _ := json.Marshal(value)
				t.Fatalf("%s: %s is refused: %v", c.name, b, why)
			}
		}
	}
	if taken < tries {
		t.Errorf("only %d values were taken by the schemas; the test says little", taken)
	}
}

// vocabulary are the names and values that a schema speaks of.
type vocabulary struct{ names, values []any }

func vocabularyOf(schema string) vocabulary {
	v := vocabulary{values: []any{nil, true, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 7.0, 8.0, 0.5, 0.75, "", "x", "abc", "2026-01-01"}}
	var walk func(any)
	walk = func(at any) {
		switch at := at.(type) {
		case map[string]any:
			for _, name := range sorted(at) {
				v.names = append(v.names, name)
				walk(at[name])
			}
		case []any:
			for _, e := range at {
				walk(e)
			}
		case string:
			v.names, v.values = append(v.names, at), append(v.values, at)
		}
	}
	var s any
	if json.Unmarshal([]byte(schema), &s) == nil {
		walk(s)
	}
	return v
}

func (v vocabulary) object(r *rand.Rand, depth int) map[string]any {
	out := map[string]any{}
	for range r.IntN(4) {
		if len(v.names) > 0 {
			out[v.names[r.IntN(len(v.names))].(string)] = v.value(r, depth-1)
		}
	}
	return out
}

func (v vocabulary) value(r *rand.Rand, depth int) any {
	switch n := r.IntN(4); {
	case n == 0 && depth > 0:
		return v.object(r, depth)
	case n == 1 && depth > 0:
		list := []any{}
		for range r.IntN(3) {
			list = append(list, v.value(r, depth-1))
		}
		return list
	}
	return v.values[r.IntN(len(v.values))]
}

// FuzzParameters converts any schema: the result is a bounded schema of an
// object, the same each time, and takes what the schema takes.
func FuzzParameters(f *testing.F) {
	for _, c := range schemaCases() {
		f.Add([]byte(c.schema), []byte(`{"a":1,"b":{"a":["x",null]},"from":{"city":"Rome"}}`))
	}
	f.Fuzz(func(t *testing.T, schema, arguments []byte) {
		got, _ := parameters(schema)
		again, _ := parameters(schema)
		if len(got) > maxParameters || string(got) != string(again) {
			t.Fatalf("%d bytes, then %d", len(got), len(again))
		}
		row := ots.Row{Tools: []ots.Tool{{Name: "t", Parameters: got}}}
		if problems := row.Check(); len(problems) > 0 {
			t.Fatal(problems)
		}
		var value map[string]any
		if strings.Contains(string(schema), "draft-0") || json.Unmarshal(arguments, &value) != nil || value == nil {
			return
		}
		if why, ok := refuses(validator(schema), got, value); ok && len(why) > 0 {
			t.Errorf("%s\nbecame\n%s\nwhich refuses %s: %v", schema, got, arguments, why)
		}
	})
}
