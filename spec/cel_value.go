package spec

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// errNoValue is what reading an absent number of a strict type gives.
var errNoValue = errors.New("it has no value, for there is no data for it; test for it with has() first, or choose another figure")

// fieldSet and fieldValue read the three results of a field access.
func fieldSet(_ any, set bool, err error) bool {
	return set || err != nil && !errors.Is(err, errNoValue)
}

func fieldValue(v any, _ bool, err error) (any, error) { return v, err }

// read returns a field of an object value. An object that is null has every
// field unset, and an unset field reads as the zero value of its type.
func (f *objectField) read(target any) (v any, set bool, err error) {
	switch o := target.(type) {
	case *objectVal:
		raw := o.fields[f.name]
		v, err = adapt(raw, f.typ)
		if errors.Is(err, errNoValue) {
			return nil, false, err
		}
		if err != nil {
			return nil, false, rowErrorf("field %q: %v", f.name, err)
		}
		return v, raw != nil, nil
	case error:
		return nil, false, o
	}
	v, err = adapt(nil, f.typ)
	return v, false, err
}

// adapt gives a decoded JSON value its declared type: a ref.Val, or a Go value
// that the CEL runtime adapts by itself.
func adapt(v any, t *valueType) (any, error) {
	if v == nil && t.strict {
		return nil, errNoValue
	}
	if v == nil {
		return zeroOf(t), nil
	}
	switch t.kind {
	case stringValue:
		if _, ok := v.(string); ok {
			return v, nil
		}
	case boolValue:
		if _, ok := v.(bool); ok {
			return v, nil
		}
	case numberValue:
		switch v.(type) {
		case int64, uint64, float64:
			return v, nil
		}
	case listValue:
		if elems, ok := v.([]any); ok {
			return types.NewDynamicList(elementAdapter{t.elem}, elems), nil
		}
	case mapValue:
		if fields, ok := v.(map[string]any); ok {
			return newSortedMap(t.elem, fields), nil
		}
	case objectValue:
		if fields, ok := v.(map[string]any); ok {
			return &objectVal{t.object, fields}, nil
		}
	default:
		return adaptAny(v, t), nil
	}
	return nil, rowErrorf("it is declared as %s, but the row has %s there", t.describe(), describeJSON(v))
}

// adaptAny is adapt for a value that may be of any type; t is that type.
func adaptAny(v any, t *valueType) any {
	switch v := v.(type) {
	case map[string]any:
		return newSortedMap(t, v)
	case []any:
		return types.NewDynamicList(elementAdapter{t}, v)
	}
	return v
}

// sortedMap is a map that loops go through in order of its keys. CEL leaves
// the order open; in Go it would differ from run to run, and so would rows.
type sortedMap struct {
	traits.Mapper
	fields map[string]any
}

func newSortedMap(elem *valueType, fields map[string]any) sortedMap {
	return sortedMap{types.NewStringInterfaceMap(elementAdapter{elem}, fields), fields}
}

// Iterator implements traits.Iterable.
func (m sortedMap) Iterator() traits.Iterator {
	return types.NewStringList(types.DefaultTypeAdapter, slices.Sorted(maps.Keys(m.fields))).Iterator()
}

func zeroOf(t *valueType) any {
	switch t.kind {
	case stringValue:
		return types.String("")
	case boolValue:
		return types.False
	case numberValue:
		return types.IntZero
	case listValue:
		return types.NewDynamicList(elementAdapter{t.elem}, []any(nil))
	case mapValue:
		return types.NewStringInterfaceMap(elementAdapter{t.elem}, nil)
	}
	return types.NullValue
}

func (t *valueType) describe() string {
	switch t.kind {
	case stringValue:
		return "a string"
	case boolValue:
		return "a bool"
	case numberValue:
		return "a number"
	case listValue:
		return "a list"
	case mapValue, objectValue:
		return "an object"
	}
	return "any JSON"
}

func describeJSON(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a bool"
	case int64, uint64, float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "null"
}

// elementAdapter adapts the elements of a list or the values of a map.
type elementAdapter struct{ elem *valueType }

// NativeToValue implements types.Adapter.
func (a elementAdapter) NativeToValue(v any) ref.Val {
	if val, ok := v.(ref.Val); ok {
		return val
	}
	adapted, err := adapt(v, a.elem)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.DefaultTypeAdapter.NativeToValue(adapted)
}

// objectVal is an object with declared fields. An absent one is null.
type objectVal struct {
	typ    *objectType
	fields map[string]any
}

var (
	_ traits.Indexer     = (*objectVal)(nil)
	_ traits.FieldTester = (*objectVal)(nil)
)

// ConvertToNative implements ref.Val.
func (o *objectVal) ConvertToNative(want reflect.Type) (any, error) {
	if reflect.TypeOf(o.fields).AssignableTo(want) {
		return o.fields, nil
	}
	return nil, fmt.Errorf("an object cannot become %v", want)
}

// ConvertToType implements ref.Val.
func (o *objectVal) ConvertToType(want ref.Type) ref.Val {
	return convertObject(o, o.typ, want)
}

func convertObject(v ref.Val, t *objectType, want ref.Type) ref.Val {
	if want == types.TypeType {
		return t.cel
	}
	if want.TypeName() == t.name {
		return v
	}
	return types.NewErr("an object cannot become %s", want.TypeName())
}

// Equal compares declared fields; one that is unset equals its zero value.
func (o *objectVal) Equal(other ref.Val) ref.Val {
	p, ok := other.(*objectVal)
	if !ok || p.typ != o.typ {
		return types.False
	}
	for _, name := range o.typ.names {
		f := o.typ.fields[name]
		if eq := types.Equal(fieldRef(f.read(o)), fieldRef(f.read(p))); eq != types.True {
			return eq
		}
	}
	return types.True
}

// Type implements ref.Val.
func (o *objectVal) Type() ref.Type { return o.typ.cel }

// Value implements ref.Val. Field access (objectField.read) needs the object.
func (o *objectVal) Value() any { return o }

// Get implements traits.Indexer, for objects whose type the checker lost.
func (o *objectVal) Get(index ref.Val) ref.Val {
	f, err := o.typ.field(index)
	if err != nil {
		return types.WrapErr(err)
	}
	return fieldRef(f.read(o))
}

// IsSet implements traits.FieldTester.
func (o *objectVal) IsSet(index ref.Val) ref.Val {
	f, err := o.typ.field(index)
	if err != nil {
		return types.WrapErr(err)
	}
	_, set, err := f.read(o)
	if err != nil && !errors.Is(err, errNoValue) {
		return types.WrapErr(err)
	}
	return types.Bool(set)
}

func (t *objectType) field(index ref.Val) (*objectField, error) {
	name, ok := index.(types.String)
	if !ok {
		return nil, fmt.Errorf("a field is named by a string, not by %s", index.Type().TypeName())
	}
	if f, ok := t.fields[string(name)]; ok {
		return f, nil
	}
	if t.open {
		return newField(t, string(name), &valueType{cel: types.DynType}), nil
	}
	return nil, fmt.Errorf("no such field: %s", short(string(name)))
}

// fieldRef makes the result of a field access a CEL value.
func fieldRef(v any, _ bool, err error) ref.Val {
	if err != nil {
		return types.WrapErr(err)
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}
