package spec

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// typeName names a type for a sentence, with its article.
func typeName(ty cty.Type) string {
	switch {
	case ty == cty.NilType || ty == cty.DynamicPseudoType:
		return "any value"
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty.IsListType(), ty.IsSetType():
		return "a list of " + typePlural(ty.ElementType())
	case ty.IsTupleType():
		return "a list"
	case ty.IsMapType():
		return "a map of " + typePlural(ty.ElementType())
	case ty.IsObjectType():
		names := sortedKeys(ty.AttributeTypes())
		if len(names) == 0 {
			return "an object"
		}
		return "an object with " + listed(names)
	}
	return "a " + ty.FriendlyName()
}

func typePlural(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "strings"
	case ty == cty.Number:
		return "numbers"
	case ty == cty.Bool:
		return "true or false"
	case ty == cty.DynamicPseudoType:
		return "values"
	case ty.IsObjectType():
		return "objects"
	case ty.IsListType(), ty.IsSetType(), ty.IsTupleType():
		return "lists"
	}
	return "maps"
}

// describe says what kind of value was given, never the value of a string:
// it may be a secret.
func describe(v cty.Value) string {
	v, _ = v.Unmark()
	ty := v.Type()
	if r, ok := asReference(v); ok {
		return r.String()
	}
	switch {
	case v.IsNull():
		return "null"
	case !v.IsKnown():
		return "a value that is not known"
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return v.AsBigFloat().Text('g', 12)
	case ty == cty.Bool:
		return fmt.Sprint(v.True())
	case ty.IsTupleType(), ty.IsListType(), ty.IsSetType():
		return "a list"
	case ty.IsObjectType(), ty.IsMapType():
		return "an object"
	}
	return "a " + ty.FriendlyName()
}
