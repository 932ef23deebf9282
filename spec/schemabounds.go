package spec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A JSON Schema may ask for what no value can be. Every reply would be unfit
// then, and each of them paid for: such a schema is refused.

// bounds are members of a schema of which the first must not be above the
// second; strict: nor equal to it.
type bounds struct {
	low, high string
	strict    bool
}

func schemaBounds() []bounds {
	return []bounds{
		{"minimum", "maximum", false}, {"exclusiveMinimum", "maximum", true},
		{"minimum", "exclusiveMaximum", true}, {"exclusiveMinimum", "exclusiveMaximum", true},
		{"minLength", "maxLength", false}, {"minItems", "maxItems", false}, {"minProperties", "maxProperties", false},
	}
}

// checkPossible refuses bounds that exclude each other, and values to choose
// from of which none has the type.
func (c schemaChecker) checkPossible(v cty.Value, at func(string) []pathStep) *hcl.Diagnostic {
	for _, b := range schemaBounds() {
		low, hasLow := member(v, b.low)
		high, hasHigh := member(v, b.high)
		if !hasLow || !hasHigh || low.Type() != cty.Number || high.Type() != cty.Number {
			continue // what is no number, the validator of replies refuses
		}
		if cmp := low.AsBigFloat().Cmp(high.AsBigFloat()); cmp > 0 || b.strict && cmp == 0 {
			return c.fail(at(b.low), "no value fits both %q = %s and %q = %s", b.low, describe(low), b.high, describe(high))
		}
	}
	if one, ok := v.AsValueMap()["const"]; ok && !hasSchemaType(v, one) {
		return c.fail(at("const"), "%s is not of the type that the schema asks for", describe(one))
	}
	values, ok := member(v, "enum")
	if !ok {
		return nil
	}
	if !values.CanIterateElements() || isObject(values) {
		return c.fail(at("enum"), "a list of values is expected here; %s was given", describe(values))
	}
	if values.LengthInt() == 0 {
		return c.fail(at("enum"), "there is no value to choose from")
	}
	if !slices.ContainsFunc(values.AsValueSlice(), func(e cty.Value) bool { return hasSchemaType(v, e) }) {
		return c.fail(at("enum"), "none of the values to choose from is of the type that the schema asks for")
	}
	return nil
}

// hasSchemaType says whether a schema's type allows a value.
func hasSchemaType(s, v cty.Value) bool {
	t, ok := member(s, "type")
	if !ok {
		return true
	}
	names := []cty.Value{t}
	if t.Type() != cty.String {
		names = t.AsValueSlice()
	}
	return slices.ContainsFunc(names, func(n cty.Value) bool {
		switch n.AsString() {
		case "null":
			return v.IsNull()
		case "boolean":
			return !v.IsNull() && v.Type() == cty.Bool
		case "string":
			return !v.IsNull() && v.Type() == cty.String
		case "number":
			return !v.IsNull() && v.Type() == cty.Number
		case "integer":
			return !v.IsNull() && v.Type() == cty.Number && v.AsBigFloat().IsInt()
		case "object":
			return isObject(v)
		}
		return !v.IsNull() && v.CanIterateElements() && !isObject(v) // array
	})
}
