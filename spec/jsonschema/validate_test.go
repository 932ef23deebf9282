package jsonschema

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// said are the problems of a value, as one text.
func said(t *testing.T, schema, value string) string {
	t.Helper()
	s, err := Compile([]byte(schema))
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	v, err := Decode([]byte(value))
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	var lines []string
	for _, p := range s.Validate(v) {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, " | ")
}

// TestMessages has what is told of values; "" for those that fit. The words go
// back to models, so that they are a part of the keys of calls.
func TestMessages(t *testing.T) {
	const verdict = `{"type":"object","properties":{"reason":{"type":"string"},"label":{"enum":["safe","unsafe"]},"n":{"type":"integer"}},
		"required":["reason","label"],"additionalProperties":false}`
	const shapes = `{"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number"}},"required":["kind","r"]},
		{"type":"object","properties":{"kind":{"const":"box"},"w":{"type":"number"}},"required":["kind","w"]}]}`
	for _, c := range []struct{ schema, value, want string }{
		{verdict, `{"reason":"r","label":"safe"}`, ""},
		{verdict, `[]`, "must be object, not array"},
		{verdict, `{"reason":1,"n":1.5}`, "label: is required | n: must be integer, not 1.5 | reason: must be string, not number"},
		{verdict, `{"reason":"r","label":"Safe"}`, `label: must be one of ["safe","unsafe"], not "Safe"`},
		{verdict, `{"reason":"r","label":"safe","x":1,"extra":2}`, "extra: is not a known property; those are label, n, reason | x: is not a known property"},
		{`false`, `1`, "is not allowed"},
		{`{"properties":{"a":false}}`, `{"a":1}`, "a: is not allowed"},
		{`{"additionalProperties":false}`, `{"a":1}`, "a: is not a known property"},
		{`{"type":["string","null"]}`, `{}`, "must be string or null, not object"},
		{`{"type":["integer","null","array"]}`, `true`, "must be array, integer or null, not boolean"},
		{`{"type":["integer","number"]}`, `"1"`, "must be number, not string"},
		{`{"const":{"a":[1.0]}}`, `{"a":[1]}`, ""},
		{`{"const":"<a>"}`, `"b"`, `must be "<a>", not "b"`},
		{`{"const":null}`, `0`, `must be null, not 0`},
		{`{"enum":[1,"a",null]}`, `1.00`, ""},

		{`{"minimum":1,"maximum":3}`, `0`, "must be at least 1"},
		{`{"minimum":1,"maximum":3}`, `3.0000000000000000000000000001`, "must be at most 3"},
		{`{"exclusiveMinimum":1,"exclusiveMaximum":3}`, `1.0`, "must be more than 1"},
		{`{"exclusiveMinimum":1,"exclusiveMaximum":3}`, `3`, "must be less than 3"},
		{`{` + in4 + `,"minimum":1,"exclusiveMinimum":true,"maximum":3,"exclusiveMaximum":false}`, `1`, "must be more than 1"},
		{`{` + in4 + `,"minimum":1,"exclusiveMinimum":true,"maximum":3,"exclusiveMaximum":false}`, `3`, ""},
		{`{"maximum":1000}`, `1e999`, "must be at most 1000"},
		{`{"minimum":-1e300}`, `-1e99999999999999999999`, "must be at least -1e300"},
		{`{"multipleOf":0.01}`, `19.99`, ""},
		{`{"multipleOf":0.01}`, `19.999`, "must be a multiple of 0.01"},
		{`{"multipleOf":12345678901234567891}`, `24691357802469135782`, ""},
		{`{"multipleOf":7}`, `1e999999999`, "must be a multiple of 7"},
		{`{"minLength":2,"maxLength":3}`, `"é"`, "must have at least 2 characters, not 1"},
		{`{"minLength":2,"maxLength":3}`, `"éééé"`, "must have at most 3 characters, not 4"},
		{`{"maxLength":1}`, `"ab"`, "must have at most 1 character, not 2"},
		{`{"pattern":"^[a-z]+$"}`, `"A"`, "must match the pattern ^[a-z]+$"},
		{`{"format":"date"}`, `"May"`, ""},
		{`{` + in7 + `,"format":"date"}`, `"May"`, ""},

		{`{"items":{"type":"string"}}`, `["a",1,null]`, "[1]: must be string, not number | [2]: must be string, not null"},
		{`{"prefixItems":[{"type":"string"}],"items":false}`, `["a",1]`, "[1]: is not allowed"},
		{`{` + in7 + `,"items":[{"type":"string"}],"additionalItems":{"type":"null"}}`, `[1,null,2]`, "[0]: must be string, not number | [2]: must be null, not number"},
		{`{"minItems":1}`, `[]`, "must have at least 1 element, not 0"},
		{`{"maxItems":1}`, `[1,2,3]`, "must have at most 1 element, not 3"},
		{`{"uniqueItems":true}`, `[1,"1",{"a":1},1.0]`, "must not have equal elements; [0] and [3] are"},
		{`{"uniqueItems":true}`, `[1,"1",{"a":1,"b":2},{"a":1,"b":3},[],[[]],null,false]`, ""},
		{`{"contains":{"type":"string"}}`, `[1]`, `must have an element that fits {"type":"string"}`},
		{`{"contains":{"const":1},"minContains":2}`, `[1,2]`, `must have at least 2 elements that fit {"const":1}, not 1`},
		{`{"contains":{"const":1},"minContains":0,"maxContains":1}`, `[1,1,2]`, `must have at most 1 elements that fit {"const":1}, not 2`},
		{`{"minProperties":2}`, `{"a":1}`, "must have at least 2 properties, not 1"},
		{`{"patternProperties":{"^x-":{"type":"string"}},"additionalProperties":{"type":"number"}}`, `{"x-a":1,"b":"c"}`, "b: must be number, not string | x-a: must be string, not number"},
		{`{"propertyNames":{"maxLength":2,"pattern":"^a"}}`, `{"bbb":1,"ab":2}`, "bbb: is not a name that is allowed: it must have at most 2 characters, not 3; it must match the pattern ^a"},
		{`{"dependentRequired":{"a":["b","c"]}}`, `{"a":1,"c":2}`, "b: is required beside a"},
		{`{"dependencies":{"a":["b"],"c":{"required":["d"]}}}`, `{"a":1,"c":2}`, "b: is required beside a | d: is required"},
		{`{"properties":{"a b":{"type":"null"},"":{"type":"null"},"é":{"type":"null"}}}`, `{"a b":1,"":1,"é":1}`,
			`"": must be null, not number | "a b": must be null, not number | é: must be null, not number`},

		{`{"not":{"required":["a"]}}`, `{"a":1}`, `must not fit {"required":["a"]}`},
		{`{"if":{"required":["a"]},"then":{"required":["b"]},"else":{"required":["c"]}}`, `{"a":1}`, "b: is required"},
		{`{"if":{"required":["a"]},"then":{"required":["b"]},"else":{"required":["c"]}}`, `{}`, "c: is required"},
		{`{"allOf":[{"required":["a"]},{"required":["b"]}]}`, `{}`, "a: is required | b: is required"},
		{`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1`, "must be string or null, not number"},
		{`{"anyOf":[{"type":"object","required":["a"]},{"type":"null"}]}`, `{}`, "a: is required"},
		{`{"anyOf":[{"const":1},{"const":2},{"enum":["x"]}]}`, `3`, `must be one of [1,2,"x"], not 3`},
		{`{"anyOf":[{"required":["a"]},{"properties":{"b":{"type":"null"}},"required":["b"]}]}`, `{"b":1}`,
			"fits none of the 2 allowed forms; to fit form 1: a: is required; to fit form 2: b: must be null, not number"},
		{`{"items":{"anyOf":[{"required":["a"]},{"required":["b"]}]}}`, `[{}]`,
			"[0]: fits none of the 2 allowed forms; to fit form 1: a: is required; to fit form 2: b: is required"},
		{shapes, `{"kind":"circle","w":1}`, "r: is required"},
		{shapes, `{"kind":"ring","r":1}`, `kind: must be one of ["circle","box"], not "ring"`},
		{shapes, `{"r":1}`, "fits none of the 2 allowed forms; to fit form 1: kind: is required; to fit form 2: kind: is required, w: is required"},
		{`{"oneOf":[{"minimum":1},{"minimum":2},{"type":"string"}]}`, `3`, "must fit only one of the allowed forms, and fits both form 1 and form 2"},

		{`{"allOf":[{"properties":{"a":true}}],"properties":{"b":true},"unevaluatedProperties":false}`, `{"a":1,"b":2,"c":3}`, "c: is not a known property"},
		{`{"anyOf":[{"required":["a"],"properties":{"a":true}},{"properties":{"b":true}}],"unevaluatedProperties":false}`, `{"b":1,"a":2}`, ""},
		{`{"prefixItems":[true],"contains":{"const":5},"unevaluatedItems":{"type":"string"}}`, `[1,5,"a",2]`, "[3]: must be string, not number"},
		{`{` + in2019 + `,"items":[true],"contains":{"const":5},"unevaluatedItems":false}`, `[1,5]`, "[1]: is not allowed"},

		{`{"properties":{"a":{"$ref":"#/$defs/n","maximum":3}},"$defs":{"n":{"type":"number"}}}`, `{"a":4}`, "a: must be at most 3"},
		{`{` + in7 + `,"properties":{"a":{"$ref":"#/definitions/n","maximum":3}},"definitions":{"n":{"type":"number"}}}`, `{"a":4}`, ""},
		{`{` + in7 + `,"$ref":"#/definitions/n","definitions":{"n":{"type":"number"}}}`, `"x"`, "must be number, not string"},
		{`{` + in4 + `,"$ref":"n.json#","definitions":{"n":{"id":"n.json","type":"number"}}}`, `"x"`, "must be number, not string"},
		{`{"$ref":"#/components/n","components":{"n":{"type":"number"}}}`, `"x"`, "must be number, not string"},
		{`{"type":"object","properties":{"next":{"$ref":"#"}},"additionalProperties":false}`, `{"next":{"next":{"prev":1}}}`, "next.next.prev: is not a known property; those are next"},
		{`{"$id":"tree","$dynamicAnchor":"node","type":"object","properties":{"kids":{"items":{"$dynamicRef":"#node"}}}}`, `{"kids":[{"kids":[1]}]}`, "kids[0].kids[0]: must be object, not number"},
		{`{"$id":"strict","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false,"$defs":{"t":{"$id":"tree","$dynamicAnchor":"node",
			"properties":{"kids":{"items":{"$dynamicRef":"#node"}}}}}}`, `{"kids":[{"kinds":1}]}`, "kids[0].kinds: is not a known property"},
		{`{` + in2019 + `,"$id":"strict","$recursiveAnchor":true,"$ref":"tree","unevaluatedProperties":false,"$defs":{"t":{"$id":"tree","$recursiveAnchor":true,
			"properties":{"kids":{"items":{"$recursiveRef":"#"}}}}}}`, `{"kids":[{"kinds":1}]}`, "kids[0].kinds: is not a known property"},
	} {
		if got := said(t, c.schema, c.value); got != c.want {
			t.Errorf("%s\nof %s\ngot  %s\nwant %s", c.schema, c.value, got, c.want)
		}
	}
}

// TestLongTexts: what is long is cut, of values as of names and of lists.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("é", 5000)
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprintf(`"p%03d":{"type":"string"}`, i)
	}
	wide := `{"properties":{` + strings.Join(many, ",") + `},"additionalProperties":false}`
	for _, c := range []struct{ schema, value string }{
		{`{"const":"` + long + `"}`, `"` + long + `x"`},
		{`{"enum":["` + long + `",1]}`, `2`},
		{`{"additionalProperties":false}`, `{"` + long + `":1}`},
		{`{"pattern":"` + long + `"}`, `"a"`},
		{`{"not":{"title":"` + long + `"}}`, `1`},
		{wide, `{"q":1}`},
		{`{"anyOf":[` + strings.Repeat(`{"required":["`+long+`"]},`, 50) + `{"required":["b"]}]}`, `{}`},
		{`{"type":"object","properties":{"a":{"$ref":"#"}}}`, strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)},
		{`{"propertyNames":{"pattern":"` + long + `"}}`, `{"a` + long[4:] + `":1}`},
	} {
		if got := said(t, c.schema, c.value); got == "" || len(got) > 1500 || strings.Contains(got, "\uFFFD") {
			t.Errorf("%.60s: %d bytes: %s", c.schema, len(got), got)
		}
	}
	if got := said(t, wide, `{`+strings.ReplaceAll(strings.Join(many, ","), `"type":"string"`, "")+`}`); strings.Count(got, "|") != maxProblems-1 {
		t.Errorf("%d problems", strings.Count(got, "|")+1)
	}
}

// TestOrder checks the same value often: what is told does not follow the
// order of Go's maps.
func TestOrder(t *testing.T) {
	const schema = `{"properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"string"}},"additionalProperties":{"type":"null"},
		"patternProperties":{"^d":{"type":"null"},"e$":{"type":"string"}},"dependencies":{"a":["x"],"b":["y"]},"propertyNames":{"maxLength":1},
		"anyOf":[{"properties":{"a":{"type":"null"},"b":{"type":"null"}}},{"required":["z"]}]}`
	const value = `{"a":1,"b":2,"c":3,"de":4,"f":5,"g":6,"hh":7,"ii":8}`
	want := said(t, schema, value)
	for range 50 {
		if got := said(t, schema, value); got != want {
			t.Fatalf("%s\nthen\n%s", want, got)
		}
	}
}

// TestHostile has schemas and values that would take for ever, or more memory
// than there is.
func TestHostile(t *testing.T) {
	var doubling, chain strings.Builder
	for i := range 40 { // each tries the next one twice
		fmt.Fprintf(&doubling, `"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	for i := range 60_000 {
		fmt.Fprintf(&chain, `"d%d":{"$ref":"#/$defs/d%d"},`, i, i+1)
	}
	const tooLong, tooDeep = "takes too long to check", "is nested too deeply to be checked"
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	for name, c := range map[string]struct{ schema, value, want string }{
		"doubling":     {`{"$ref":"#/$defs/d0","$defs":{` + doubling.String() + `"d40":false}}`, `1`, tooLong},
		"doubling not": {`{"not":{"$ref":"#/$defs/d0"},"$defs":{` + doubling.String() + `"d40":false}}`, `1`, tooLong},
		"chain":        {`{"$ref":"#/$defs/d0","$defs":{` + chain.String() + `"d60000":{}}}`, `1`, tooDeep},
		"deep value":   {`{"properties":{"a":{"$ref":"#"}}}`, deep, ""},
		"deep schema":  {strings.Repeat(`{"items":`, 5000) + "{}" + strings.Repeat("}", 5000), `[[[[]]]]`, ""},
		"unique deep": {`{"uniqueItems":true,"items":{"$ref":"#"}}`,
			strings.Repeat(`[1,`, 4000) + `"` + strings.Repeat("x", 100_000) + `"` + strings.Repeat("]", 4000), tooLong},
		"unique many":   {`{"uniqueItems":true}`, `[` + numbers(200_000) + `]`, ""},
		"enum of items": {`{"items":{"enum":[` + numbers(10_000) + `]}}`, `[` + strings.Repeat("9999,", 5000) + `0]`, tooLong},
		"long number":   {`{"multipleOf":3}`, strings.Repeat("3", 1_000_000), ""},
		"long patterns": {`{"items":{"pattern":"(a*)*b"}}`, `["` + strings.Repeat("a", 100_000) + `"]`, "[0]: must match the pattern (a*)*b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := said(t, c.schema, c.value); got != c.want {
				t.Errorf("got %.200s, want %s", got, c.want)
			}
		})
	}
}

func numbers(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i)
	}
	return strings.Join(list, ",")
}

// TestNumbers compares numbers in every order.
func TestNumbers(t *testing.T) {
	inOrder := []string{"-1e99999999999999999999", "-1e400", "-12.5", "-12", "-1.20", "-1.2e-5", "0", "1e-999999999", "0.0150", "0.1",
		"1", "1.00000000000000000000001", "9.99e0", "10", "12345678901234567890", "12345678901234567891", "1e400", "1e999999999"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			x, okX := parseNumber(a)
			y, okY := parseNumber(b)
			if want := min(1, max(-1, i-j)); !okX || !okY || x.compare(y) != want {
				t.Errorf("%s and %s: %d, want %d", a, b, x.compare(y), want)
			}
		}
	}
	for _, same := range [][]string{{"0", "-0", "0.0", "0e9", "-0.00E-5"}, {"1", "1.0", "1e0", "10E-1", "0.1e+1"}, {"1200", "1.2e3", "12e2"}} {
		for _, text := range same {
			x, _ := parseNumber(same[0])
			y, ok := parseNumber(text)
			if !ok || x != y && x.sign() != 0 || x.compare(y) != 0 || y.isInt() != true {
				t.Errorf("%s is not %s", text, same[0])
			}
		}
	}
	for _, text := range []string{"", "-", "1.", ".5", "1e", "1e+", "0x1", "1_000", "Inf", "NaN", "1.5e2.5"} {
		if d, ok := parseNumber(text); ok {
			t.Errorf("%q is %v", text, d)
		}
	}
	if whole := []string{"0", "1.0", "1e5", "1.5e1", "-3"}; slices.ContainsFunc(whole, func(s string) bool { d, _ := parseNumber(s); return !d.isInt() }) {
		t.Errorf("not all of %v are whole", whole)
	}
	for _, text := range []string{"0.5", "1e-1", "15e-1"} {
		if d, _ := parseNumber(text); d.isInt() {
			t.Errorf("%s is whole", text)
		}
	}
}

// TestOtherValues: what Decode never gives fits nothing but an empty schema.
func TestOtherValues(t *testing.T) {
	s, err := Compile([]byte(`{"type":["null","boolean","integer","number","string","array","object"],"enum":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{1, 1.5, []string{"a"}, map[string]string{}, struct{}{}} {
		if len(s.Validate(v)) == 0 {
			t.Errorf("%T fits", v)
		}
	}
}
