package spec

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// A dot is the static type of a value in a template.
type dot struct {
	kind dotKind
	ty   cty.Type // of a plainDot
}

type dotKind uint8

const (
	plainDot dotKind = iota
	rootDot          // the template's data: its variables by name
	rowDot           // the variable schema.RowVariable
)

func unknownDot() dot         { return dot{ty: cty.DynamicPseudoType} }
func typedDot(t cty.Type) dot { return dot{ty: t} }

// equal is there because == panics for types that hold a map.
func (d dot) equal(other dot) bool {
	return d.kind == other.kind && (d.kind != plainDot || d.ty.Equals(other.ty))
}

// elements returns the types of the keys and elements of what range goes over.
func elements(over dot) (key, elem dot, ok bool) {
	if over.kind != plainDot {
		return typedDot(cty.String), unknownDot(), true
	}
	switch ty := over.ty; {
	case ty == cty.DynamicPseudoType:
		return unknownDot(), unknownDot(), true
	case ty.IsListType() || ty.IsSetType():
		return typedDot(cty.Number), typedDot(ty.ElementType()), true
	case ty.IsTupleType():
		return typedDot(cty.Number), unknownDot(), true
	case ty.IsMapType():
		return typedDot(cty.String), typedDot(ty.ElementType()), true
	case ty.IsObjectType():
		return typedDot(cty.String), unknownDot(), true
	case ty == cty.Number:
		return typedDot(cty.Number), typedDot(cty.Number), true
	}
	return unknownDot(), unknownDot(), false
}

func templateFunctions() map[string]reflect.Type {
	funcs := make(map[string]reflect.Type)
	for _, name := range builtinFunctions() {
		funcs[name] = nil
	}
	for name, fn := range schema.TemplateFuncs() {
		funcs[name] = reflect.TypeOf(fn)
	}
	return funcs
}

// builtinFunctions are those of text/template itself.
func builtinFunctions() []string {
	return []string{
		"and", "or", "not", "len", "index", "slice", "print", "printf", "println",
		"html", "js", "urlquery", "call", "eq", "ne", "lt", "le", "gt", "ge",
	}
}

// checkArguments compares arguments with the function's parameters.
func checkArguments(name string, fn reflect.Type, args []dot) string {
	if fn.IsVariadic() {
		return ""
	}
	if len(args) != fn.NumIn() {
		return fmt.Sprintf("The function %s takes %d arguments, not %d.", name, fn.NumIn(), len(args))
	}
	for i, a := range args {
		if a.kind == plainDot && a.ty == cty.DynamicPseudoType {
			continue
		}
		var want cty.Type
		switch fn.In(i).Kind() {
		case reflect.String:
			want = cty.String
		case reflect.Int:
			want = cty.Number
		default:
			continue
		}
		if a.kind != plainDot || a.ty != want {
			return fmt.Sprintf("The function %s takes %s here, not %s.", name, describeType(want), describeDot(a))
		}
	}
	return ""
}

func resultOf(name string, fn reflect.Type) dot {
	switch name {
	case "not", "eq", "ne", "lt", "le", "gt", "ge":
		return typedDot(cty.Bool)
	case "len":
		return typedDot(cty.Number)
	case "print", "printf", "println", "html", "js", "urlquery":
		return typedDot(cty.String)
	}
	if fn != nil && fn.NumOut() > 0 && fn.Out(0).Kind() == reflect.String {
		return typedDot(cty.String)
	}
	return unknownDot()
}

func describeDot(d dot) string {
	if d.kind != plainDot {
		return "the row"
	}
	return describeType(d.ty)
}

func describeType(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "a bool"
	case ty.IsListType() || ty.IsSetType() || ty.IsTupleType():
		return "a list"
	case ty.IsMapType() || ty.IsObjectType():
		return "an object"
	}
	return "a value of any type"
}

func sentenceCase(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
