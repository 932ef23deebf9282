package schema

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Kinded is implemented by Go types that stand for attributes of a special
// kind, such as the SDK's Model and Files.
type Kinded interface{ SchemaKind() Kind }

// Templated is implemented by Go types that hold a template and know the
// variables that its text may use.
type Templated interface{ SchemaVariables() []Variable }

// field is one member of a struct as JSON sees it.
type field struct {
	name     string
	doc      string
	optional bool // pointer, omitempty or omitzero
	reflect.StructField
}

// jsonFields lists the members of a struct that encoding/json would write, in
// order of declaration; embedded structs are flattened.
func jsonFields(t reflect.Type) []field {
	out := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		name, opts, _ := strings.Cut(tag, ",")
		if tag == "-" {
			continue
		}
		if f.Anonymous && name == "" {
			if e := deref(f.Type); e.Kind() == reflect.Struct {
				out = append(out, jsonFields(e)...)
				continue
			}
		}
		if !f.IsExported() {
			continue
		}
		if !tagged || name == "" {
			name = f.Name
		}
		omit := strings.Contains(","+opts+",", ",omitempty,") || strings.Contains(","+opts+",", ",omitzero,")
		out = append(out, field{
			name:        name,
			doc:         f.Tag.Get("doc"),
			optional:    omit || f.Type.Kind() == reflect.Pointer,
			StructField: f,
		})
	}
	return out
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// hasMethods says whether a type, or a pointer to it, has methods. Asking costs
// less than trying what they are.
func hasMethods(t reflect.Type) bool { return reflect.PointerTo(t).NumMethod() > 0 }

// instance gives a zero value of t to ask its methods, as t or *t.
func instance(t reflect.Type) any { return reflect.New(t).Interface() }

// kindOf gives the Kind that a Go type stands for.
func kindOf(t reflect.Type) Kind {
	if t = deref(t); !hasMethods(t) {
		return Value
	}
	if k, ok := instance(t).(Kinded); ok {
		return k.SchemaKind()
	}
	return Value
}

// kindType is the type of what is written in a recipe for a kind; NilType
// where the Go type decides.
func kindType(k Kind) cty.Type {
	switch k {
	case Model, Template:
		return cty.String
	case Files, JSONSchema:
		return cty.DynamicPseudoType
	case Samples:
		return cty.Number
	case RowMap:
		return cty.Map(cty.String)
	}
	return cty.NilType
}

// TypeOf gives the type of the JSON that encoding/json makes of a Go type.
// Structs are objects whose pointer and omitempty members are optional;
// interfaces, json.RawMessage and types that marshal themselves are any JSON,
// and so is what a recursive type repeats.
func TypeOf(t reflect.Type) cty.Type { return typeOf(t, nil) }

func typeOf(t reflect.Type, seen []reflect.Type) cty.Type {
	t = deref(t)
	if hasMethods(t) {
		if kt := kindType(kindOf(t)); kt != cty.NilType {
			return kt
		}
		switch instance(t).(type) {
		case json.Marshaler:
			return cty.DynamicPseudoType
		case encoding.TextMarshaler:
			return cty.String
		}
	}
	switch t.Kind() {
	case reflect.String:
		return cty.String
	case reflect.Bool:
		return cty.Bool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return cty.Number
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return cty.String // base64
		}
		return cty.List(typeOf(t.Elem(), seen))
	case reflect.Map:
		return cty.Map(typeOf(t.Elem(), seen))
	case reflect.Struct:
		return objectType(t, seen)
	}
	return cty.DynamicPseudoType
}

func objectType(t reflect.Type, seen []reflect.Type) cty.Type {
	for _, s := range seen {
		if s == t {
			return cty.DynamicPseudoType
		}
	}
	seen = append(seen, t)
	attrs := map[string]cty.Type{}
	var optional []string
	for _, f := range jsonFields(t) {
		attrs[f.name] = typeOf(f.Type, seen)
		if f.optional {
			optional = append(optional, f.name)
		}
	}
	return cty.ObjectWithOptionalAttrs(attrs, optional)
}

// ColumnsOf gives the columns that a struct's json and doc tags describe, in
// order of declaration. Pointer and omitempty members are optional. A type
// that is no struct has none.
func ColumnsOf(t reflect.Type) []Column {
	t = deref(t)
	if t.Kind() != reflect.Struct {
		return nil
	}
	var out []Column
	for _, f := range jsonFields(t) {
		out = append(out, Column{Name: f.name, Type: TypeOf(f.Type), Doc: f.doc, Optional: f.optional})
	}
	return out
}

// VariablesOf gives a template's variables from the json and doc tags of the
// struct it is executed with.
func VariablesOf(t reflect.Type) []Variable {
	var out []Variable
	for _, c := range ColumnsOf(t) {
		out = append(out, Variable{Name: c.Name, Type: c.Type, Doc: c.Doc})
	}
	return out
}
