package jsonschema

import (
	"errors"
	"strings"
	"testing"
)

const (
	in4    = `"$schema":"http://json-schema.org/draft-04/schema#"`
	in6    = `"$schema":"http://json-schema.org/draft-06/schema#"`
	in7    = `"$schema":"http://json-schema.org/draft-07/schema"`
	in2019 = `"$schema":"https://json-schema.org/draft/2019-09/schema"`
)

// TestCompileErrors has the place and the words of what is told to those who
// write a schema; "" for schemas that are fine.
func TestCompileErrors(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`true`, ""},
		{`{}`, ""},
		{`{"type":"object","properties":{"score":{"type":"integer","minimum":0}}}`, ""},
		{`{"format":"no such","x-mine":[],"default":{},"examples":[1]}`, ""},
		{`{`, "is not JSON: unexpected EOF"},
		{`{} {}`, "is not JSON: there is something after the value"},
		{`null`, "must be an object or a boolean, not null"},
		{`[]`, "must be an object or a boolean, not array"},
		{`{"properties":{"score":{"minimum":"3"}}}`, "properties.score.minimum: must be a number, not string"},
		{`{"properties":{"score":5}}`, "properties.score: must be an object or a boolean, not number"},
		{`{"properties":[]}`, "properties: must be an object, not array"},
		{`{"properties":{"b":{"type":5},"a":{"title":5}}}`, "properties.a.title: must be a string, not number"},
		{`{"type":"date"}`, `type: "date" is not a type; those are null, boolean, integer, number, string, array, object`},
		{`{"type":{}}`, "type: must be a string or an array, not object"},
		{`{"type":[]}`, "type: must not be empty"},
		{`{"type":["string",1]}`, "type.1: must be a string, not number"},
		{`{"type":["null","null"]}`, `type.1: "null" is there twice`},
		{`{"enum":"x"}`, "enum: must be an array, not string"},
		{`{"enum":[]}`, ""},
		{`{` + in7 + `,"enum":[]}`, "enum: must not be empty"},
		{`{` + in6 + `,"enum":[1,{},1.0]}`, "enum.2: 1.0 is there twice"},
		{`{"required":"a"}`, "required: must be an array of names, not string"},
		{`{"required":["a",1]}`, "required.1: must be a string, not number"},
		{`{"required":["a","b","a"]}`, `required.2: "a" is there twice`},
		{`{` + in4 + `,"required":[]}`, "required: must not be empty in draft 4"},
		{`{"maxItems":-1}`, "maxItems: must be a whole number from 0, not -1"},
		{`{"minLength":1.5}`, "minLength: must be a whole number from 0, not 1.5"},
		{`{"minLength":2.0,"maxLength":1e99}`, ""},
		{`{"maximum":1e999999999}`, "maximum: the number 1e999999999 is too long or too large"},
		{`{"minItems":1e-99999999999999999999}`, "minItems: the number 1e-99999999999999999999 is too long or too large"},
		{`{"multipleOf":0}`, "multipleOf: must be above 0, not 0"},
		{`{"const":1e999999999,"enum":[1e999999999]}`, ""},
		{`{"pattern":"("}`, "pattern: is not a regular expression of Go: error parsing regexp: missing closing ): `(`"},
		{`{"patternProperties":{"(?=a)":{}}}`, "patternProperties.(?=a): is not a regular expression of Go: error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
		{`{"uniqueItems":1}`, "uniqueItems: must be a boolean, not number"},
		{`{"items":[{}]}`, "items: must be an object or a boolean, not array; for a list of schemas there is prefixItems"},
		{`{` + in2019 + `,"items":[{}],"additionalItems":false}`, ""},
		{`{` + in7 + `,"items":[]}`, "items: must not be empty"},
		{`{"prefixItems":[]}`, "prefixItems: must not be empty"},
		{`{"anyOf":[{},7]}`, "anyOf.1: must be an object or a boolean, not number"},
		{`{"oneOf":{}}`, "oneOf: must be an array, not object"},
		{`{"dependentRequired":{"a":{}}}`, "dependentRequired.a: must be an array of names, not object"},
		{`{"dependentSchemas":{"a":[]}}`, "dependentSchemas.a: must be an object or a boolean, not array"},
		{`{"exclusiveMinimum":true}`, "exclusiveMinimum: must be a number, not boolean"},
		{`{` + in4 + `,"minimum":1,"exclusiveMinimum":true}`, ""},
		{`{` + in4 + `,"exclusiveMinimum":true}`, "exclusiveMinimum: needs minimum beside it in draft 4"},
		{`{` + in4 + `,"exclusiveMaximum":1}`, "exclusiveMaximum: must be a boolean in draft 4, not number"},
		{`{` + in4 + `,"not":true}`, "not: must be an object, not boolean"},
		{`{` + in4 + `,"additionalProperties":false,"const":1,"if":7}`, ""},
		{`{"deprecated":"yes"}`, "deprecated: must be a boolean, not string"},

		{`{"$schema":"https://example.test/schema"}`, `$schema: "https://example.test/schema" is not a known draft; those are 2020-12, 2019-09, 7, 6 and 4`},
		{`{"$schema":7}`, "$schema: must be a string, not number"},
		{`{"$ref":7}`, "$ref: must be a string, not number"},
		{`{"properties":{"a":{"$ref":"#/$defs/no"}}}`, `properties.a.$ref: there is nothing at "#/$defs/no"`},
		{`{"$ref":"#/allOf/2","allOf":[{}]}`, `$ref: there is nothing at "#/allOf/2"`},
		{`{"$ref":"#/examples/0","examples":[5]}`, "examples.0: must be an object or a boolean, not number"},
		{`{"$ref":"#/x-mine/a~1b/0","x-mine":{"a/b":[{"type":"no"}]}}`, `x-mine.a/b.0.type: "no" is not a type; those are null, boolean, integer, number, string, array, object`},
		{`{"$ref":"#here"}`, `$ref: there is no anchor "here"`},
		{`{"$ref":"#/%zz"}`, `$ref: "#/%zz" is not an address`},
		{`{"$ref":"https://example.test/a.json"}`, "$ref: a schema must not refer to another document (https://example.test/a.json)"},
		{`{"$ref":"file:///etc/passwd"}`, "$ref: a schema must not refer to another document (file:///etc/passwd)"},
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, "$ref: a schema must not refer to another document (https://json-schema.org/draft/2020-12/schema)"},
		{`{"$defs":{"unused":{"$ref":"far.json"}}}`, ""},
		{`{"$id":"https://example.test/a.json","properties":{"a":{"$ref":"b.json#c"}},"$defs":{"b":{"$id":"b.json","$defs":{"c":{"$anchor":"c"}}}}}`, ""},
		{`{"$id":"a#b"}`, "$id: must not have a fragment (#); there is $anchor"},
		{`{"$defs":{"a":{"$id":"x"},"b":{"$id":"x"}}}`, `$defs.b.$id: "x" is there twice`},
		{`{"$defs":{"a":{"$anchor":"x"},"b":{"$dynamicAnchor":"x"}}}`, `$defs.b.$dynamicAnchor: the anchor "x" is there twice`},
		{`{"$anchor":"a b"}`, `$anchor: "a b" is not a name of letters and digits`},

		{`{"$ref":"#"}`, "refers to itself without going into the value, so that checking would not end"},
		{`{"$dynamicRef":"#"}`, "refers to itself without going into the value, so that checking would not end"},
		{`{"not":{"$ref":"#"}}`, "refers to itself without going into the value, so that checking would not end"},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"dependentSchemas":{"x":{"$ref":"#/$defs/a"}}}}}`,
			"$defs.a: refers to itself without going into the value, so that checking would not end"},
		{`{"items":{"$ref":"#"},"properties":{"a":{"$ref":"#"}}}`, ""},
	} {
		_, err := Compile([]byte(c.schema))
		var bad *Error
		switch {
		case err == nil && c.want != "":
			t.Errorf("%s compiles, want %q", c.schema, c.want)
		case err != nil && !errors.As(err, &bad):
			t.Errorf("%s: %T", c.schema, err)
		case err != nil && err.Error() != c.want:
			t.Errorf("%s: %q, want %q", c.schema, err, c.want)
		}
	}
}

// TestErrorPath has steps that a path in words cannot show.
func TestErrorPath(t *testing.T) {
	_, err := Compile([]byte(`{"properties":{"a.b":{"anyOf":[{"minimum":"3"}]}}}`))
	var bad *Error
	if !errors.As(err, &bad) || strings.Join(bad.Path, "|") != "properties|a.b|anyOf|0|minimum" || bad.Reason != "must be a number, not string" {
		t.Errorf("%v", err)
	}
}
