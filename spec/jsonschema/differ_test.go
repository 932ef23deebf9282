package jsonschema

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	independent "github.com/santhosh-tekuri/jsonschema/v6"
)

var cases = flag.Int("schemas", 3000, "how many random schemas TestAgrees tries")

// noLoader refuses other documents, as this package does.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) { return nil, fmt.Errorf("another document: %s", url) }

// place is where the other validator takes a schema to lie.
const place = "http://example.test/schema.json"

// opinion is what a validator of other people makes of a schema.
func opinion(text []byte) (*independent.Schema, error) {
	doc, err := independent.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := independent.NewCompiler()
	c.UseLoader(noLoader{})
	if err := c.AddResource(place, doc); err != nil {
		return nil, err
	}
	return c.Compile(place)
}

// TestAgrees compares the verdicts on random schemas, and on random values for
// them, with those of another validator. Where the two differ on purpose:
//
//   - a reference that goes round in a circle without going into the value is
//     refused with the schema here, and there with each value that gets to it;
//   - the metaschemas are other documents here;
//   - formats are never checked here, and are there up to draft 7;
//   - a count that no int holds stays what it is here, and becomes another there;
//   - up to draft 7 a reference stands alone here; there what draft 4 did not
//     have counts beside it (const, contains, propertyNames, if);
//   - the names that propertyNames is about are outside of the schema there, so
//     that $recursiveRef leads elsewhere;
//   - $recursiveRef and $recursiveAnchor are keywords of draft 2019-09 alone.
//
// Only the first is among the random schemas.
func TestAgrees(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 5))
	compiled, fit, unfit, circles := 0, 0, 0, 0
	for range *cases {
		g := generator{r, drafts()[r.IntN(len(drafts()))]}
		text := g.document()
		s, err := Compile(text)
		if err != nil && strings.Contains(err.Error(), "refers to itself") {
			circles++
			continue
		}
		other, otherErr := opinion(text)
		if (err == nil) != (otherErr == nil) {
			t.Errorf("%s\nhere: %v\nthere: %v", text, err, otherErr)
			continue
		}
		if err != nil {
			continue
		}
		compiled++
		for range 10 {
			value, err := json.Marshal(g.value(3))
			if err != nil {
				t.Fatal(err)
			}
			v, err := Decode(value)
			if err != nil {
				t.Fatal(err)
			}
			problems := s.Validate(v)
			if otherErr := other.Validate(v); (len(problems) == 0) != (otherErr == nil) {
				t.Errorf("%s\nof %s\nhere: %v\nthere: %v", text, value, problems, otherErr)
			}
			if len(problems) == 0 {
				fit++
			} else {
				unfit++
			}
		}
	}
	t.Logf("%d schemas compiled, %d circles; %d values fit, %d do not", compiled, circles, fit, unfit)
	if compiled < *cases/4 || min(fit, unfit) < compiled {
		t.Errorf("of %d schemas %d compile; %d values fit and %d do not: the test says little", *cases, compiled, fit, unfit)
	}
}

func drafts() []string {
	return []string{"", "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema",
		"http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-04/schema#"}
}

// generator makes schemas of one draft, mostly good ones, and values that have
// something to do with them.
type generator struct {
	r     *rand.Rand
	draft string
}

func (g generator) document() []byte {
	s := map[string]any{}
	for range 1 + g.r.IntN(3) {
		g.keyword(s, 3)
	}
	if g.draft != "" {
		s["$schema"] = g.draft
	}
	for _, key := range []string{"$defs", "definitions"} {
		if g.chance(2) {
			s[key] = map[string]any{"a": g.anchored("one"), "b": g.anchored("two")}
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return text
}

// anchored is a schema that may have a name or an address.
func (g generator) anchored(name string) any {
	s, ok := g.schema(2).(map[string]any)
	if !ok || !g.chance(2) {
		return s
	}
	switch g.r.IntN(5) {
	case 0:
		s["$anchor"] = name
	case 1:
		s["$dynamicAnchor"] = name
	case 2:
		s["$id"] = "#" + name
	case 3:
		s["id"] = name + ".json"
	default:
		s["$id"] = name + ".json"
	}
	return s
}

func (g generator) chance(oneIn int) bool { return g.r.IntN(oneIn) == 0 }

func pick[T any](g generator, from ...T) T { return from[g.r.IntN(len(from))] }

func (g generator) schema(depth int) any {
	if depth <= 0 || g.chance(6) {
		if strings.Contains(g.draft, "draft-04") && !g.chance(20) {
			return map[string]any{}
		}
		return g.chance(2)
	}
	s := map[string]any{}
	for range 1 + g.r.IntN(2) {
		g.keyword(s, depth)
	}
	return s
}

func (g generator) schemas(depth int) []any {
	list := []any{}
	for range 1 + g.r.IntN(3) {
		list = append(list, g.schema(depth-1))
	}
	return list
}

func (g generator) members(depth int, names ...string) map[string]any {
	m := map[string]any{}
	for range 1 + g.r.IntN(2) {
		m[pick(g, names...)] = g.schema(depth - 1)
	}
	return m
}

func (g generator) names() []any {
	all := []any{"a", "b", "c"}
	return all[g.r.IntN(2) : 2+g.r.IntN(2)]
}

func (g generator) keyword(s map[string]any, depth int) {
	key := pick(g, "type", "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
		"minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "items", "items", "prefixItems", "additionalItems",
		"contains", "minContains", "maxContains", "unevaluatedItems", "minProperties", "maxProperties", "required", "properties",
		"properties", "patternProperties", "additionalProperties", "propertyNames", "dependencies", "dependentRequired",
		"dependentSchemas", "unevaluatedProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
		"$ref", "$ref", "$dynamicRef", "$recursiveRef", "$recursiveAnchor", "title", "deprecated", "examples", "contentSchema")
	if strings.HasPrefix(key, "$recursive") && !strings.Contains(g.draft, "2019") ||
		key == "propertyNames" && strings.Contains(g.draft, "2019") || strings.Contains(g.draft, "draft-0") && !g.alone(s, key) {
		return
	}
	if g.chance(60) && !strings.HasPrefix(key, "min") && !strings.HasPrefix(key, "max") {
		s[key] = g.value(1) // most often nothing that it takes
		return
	}
	switch key {
	case "type":
		s[key] = pick[any](g, "null", "boolean", "integer", "number", "string", "array", "object", []any{"string", "integer"}, []any{"array", "object", "null"})
	case "enum":
		s[key] = []any{g.value(1), g.value(0), g.value(0)}
	case "const", "examples":
		s[key] = g.value(1)
	case "exclusiveMinimum", "exclusiveMaximum":
		s[key] = pick[any](g, 0, 1, json.Number("1.5"), g.chance(2))
	case "minimum", "maximum":
		s[key] = pick[any](g, 0, 1, -1, json.Number("1.50"), json.Number("1e0"), json.Number("12345678901234567890"))
	case "multipleOf":
		s[key] = pick[any](g, 1, 2, json.Number("0.5"), json.Number("0.01"), json.Number("1e2"), json.Number("0.0075"), 0)
	case "minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties":
		s[key] = pick[any](g, 0, 1, 2, 3, json.Number("2.0"))
	case "pattern":
		s[key] = pick(g, "^a", "b$", "[0-9]", "", "a+b")
	case "uniqueItems", "deprecated", "$recursiveAnchor":
		s[key] = g.chance(2)
	case "prefixItems", "allOf", "anyOf", "oneOf":
		s[key] = g.schemas(depth)
	case "items":
		if s[key] = g.schema(depth - 1); g.chance(3) && !strings.Contains(g.draft, "2020") {
			s[key] = g.schemas(depth)
		}
	case "properties", "dependentSchemas":
		s[key] = g.members(depth, "a", "b", "c", "")
	case "patternProperties":
		s[key] = g.members(depth, "^a", "b", "c$")
	case "required":
		s[key] = g.names()
	case "dependentRequired":
		s[key] = map[string]any{"a": g.names()}
	case "dependencies":
		s[key] = map[string]any{"a": g.names(), "b": g.schema(depth - 1)}
	case "$ref", "$dynamicRef":
		s[key] = pick(g, "#", "#/$defs/a", "#/$defs/b", "#/definitions/a", "#/definitions/b", "#/properties/a", "#/allOf/0",
			"#one", "#two", "one.json", "two.json", "one.json#/properties/a", "#/examples/0", "far.json")
	case "$recursiveRef":
		s[key] = "#"
	case "title":
		s[key] = "T"
	default:
		s[key] = g.schema(depth - 1)
	}
}

// alone keeps apart what the two validators do not agree may stand together.
func (g generator) alone(s map[string]any, key string) bool {
	newer := []string{"const", "contains", "propertyNames", "if"}
	if key == "$ref" {
		return !slices.ContainsFunc(newer, func(key string) bool { _, ok := s[key]; return ok })
	}
	_, ref := s["$ref"]
	return !ref || !slices.Contains(newer, key)
}

func (g generator) value(depth int) any {
	switch n := g.r.IntN(8); {
	case n < 2 && depth > 0:
		m := map[string]any{}
		for range g.r.IntN(4) {
			m[pick(g, "a", "b", "c", "ab", "")] = g.value(depth - 1)
		}
		return m
	case n < 4 && depth > 0:
		list := []any{}
		for range g.r.IntN(4) {
			list = append(list, g.value(depth-1))
		}
		return list
	case n == 4:
		return pick[any](g, nil, true, false)
	case n == 5:
		return pick(g, "", "a", "ab", "b", "é1", "aab")
	}
	return json.Number(pick(g, "0", "-0.0", "1", "1.0", "2", "-1", "1.5", "3", "1e1", "0.1", "100", "1E+2", "12345678901234567890", "0.0150"))
}

// FuzzAgrees compares the verdicts on any schema and any value. It also checks
// that they are the same each time, and that compiling and checking end.
func FuzzAgrees(f *testing.F) {
	for _, s := range []string{
		`{"minimum":1e999999999}`, `{"multipleOf":1e-999999999}`, `{"multipleOf":0}`, `{"multipleOf":1e-5}`,
		`{"const":1e999999999}`, `{"enum":[1e99999999999999999999]}`, `{"maxLength":1e99}`, `{"minItems":1e99,"maxItems":1.5}`,
		`{"$ref":"#"}`, `{"allOf":[{"$ref":"#"}]}`, `{"$dynamicRef":"#"}`, `{"not":{"$ref":"#"}}`, `{"items":{"$ref":"#"}}`,
		`{"$ref":"file:///etc/passwd"}`, `{"$schema":"http://example.com/x"}`, `{"pattern":"(a+)+$"}`, `{"pattern":"("}`,
		`{"$id":"test:schema"}`, `true`, `null`, `[]`, `"x"`, `{"type":["object"],"properties":{"a":{"type":"integer"}}}`,
		`{"$schema":"http://json-schema.org/draft-04/schema#","id":"x","minimum":1,"exclusiveMinimum":true}`,
		`{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/a","definitions":{"a":{"$id":"#a","dependencies":{"a":["b"]}}}}`,
		`{"$schema":"https://json-schema.org/draft/2019-09/schema","$recursiveAnchor":true,"items":{"$recursiveRef":"#"},"unevaluatedItems":false}`,
		`{"$id":"http://x.test/a","$dynamicAnchor":"n","items":{"$dynamicRef":"#n"},"$defs":{"b":{"$id":"b","$anchor":"c"}},"$ref":"b#c"}`,
		`{"anyOf":[{"properties":{"k":{"const":1}}},{"required":["l"]}],"unevaluatedProperties":false,"if":{"minProperties":2},"then":{"propertyNames":{"maxLength":1}}}`,
	} {
		f.Add(s, `{"a":[5,1e400,-1e-400,"aaaaaaaaaaaaaaaaaaaaaaaaaaaaab"],"k":2}`)
		f.Add(s, "5")
	}
	f.Fuzz(func(t *testing.T, schema, value string) {
		s, err := Compile([]byte(schema))
		if err != nil {
			return
		}
		v, err := Decode([]byte(value))
		if err != nil {
			return
		}
		problems := s.Validate(v)
		if again := s.Validate(v); fmt.Sprint(problems) != fmt.Sprint(again) {
			t.Fatalf("%v, then %v", problems, again)
		}
		if !comparable(schema) || !comparable(value) {
			return
		}
		other, err := opinion([]byte(schema))
		if err != nil {
			return // compiling is compared by TestAgrees, on schemas that say something
		}
		if otherErr := other.Validate(v); (len(problems) == 0) != (otherErr == nil) {
			t.Errorf("%s\nof %s\nhere: %v\nthere: %v", schema, value, problems, otherErr)
		}
	})
}

// comparable leaves out what TestAgrees names, and numbers that the other
// validator works on for too long.
func comparable(text string) bool {
	for _, word := range []string{"format", "$recursive", "draft-0"} {
		if strings.Contains(text, word) {
			return false
		}
	}
	digits := 0
	for i, b := range []byte(text) {
		if b >= '0' && b <= '9' {
			digits++
			continue
		}
		if digits > 17 || (b == 'e' || b == 'E') && i > 0 && digits > 0 {
			return false
		}
		digits = 0
	}
	return digits <= 17 && len(text) < 4000
}
