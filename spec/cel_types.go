package spec

import (
	"fmt"
	"sort"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/zclconf/go-cty/cty"
)

// A valueType is a column's or field's type: what the checker sees and how a
// decoded JSON value of it is read.
type valueType struct {
	kind   valueKind
	strict bool        // numberValue: absent, it has no value, not 0
	elem   *valueType  // listValue, mapValue
	object *objectType // objectValue
	cel    *types.Type
}

type valueKind uint8

const (
	anyValue valueKind = iota
	stringValue
	numberValue
	boolValue
	listValue
	mapValue
	objectValue
)

// An objectType is the type of an object with known fields, or of the row.
type objectType struct {
	name   string // as the checker names it; no expression can spell it
	fields map[string]*objectField
	names  []string // of fields, sorted
	open   bool     // fields beyond these may be read; they may hold any JSON
	row    bool
	cel    *types.Type
}

type objectField struct {
	name string
	typ  *valueType
	cel  *types.FieldType
}

// typeTable gives equal object types one name, so that an expression may
// compare values of two columns that have the same shape.
type typeTable struct {
	types.Provider
	row     *objectType
	objects []*objectType
	shapes  []cty.Type // of objects, by index
	any     *valueType
	strict  bool // numbers that are absent have no value
	// misses are the fields that the checker looked up in vain, in order: its
	// own errors do not say in which type.
	misses  []missedField
	checked bool // nothing is noted in misses any more: evaluations share the table
}

type missedField struct {
	object *objectType
	field  string
}

// objectMark stands in the names of object types. It cannot occur in an
// expression outside a string, so no expression can name or build one.
const objectMark = "object#"

func newTypeTable(base types.Provider, cols Columns, variable string) *typeTable {
	t := &typeTable{Provider: base, any: &valueType{cel: types.DynType}, strict: variable == metricsVariable}
	t.row = &objectType{
		name:   objectMark + "row",
		fields: make(map[string]*objectField, len(cols.List)),
		open:   cols.Open,
		row:    true,
	}
	t.row.cel = cel.ObjectType(t.row.name)
	for _, c := range cols.List {
		t.addField(t.row, c.Name, c.Type)
	}
	sort.Strings(t.row.names)
	return t
}

func (t *typeTable) addField(o *objectType, name string, ty cty.Type) {
	if _, ok := o.fields[name]; !ok {
		o.names = append(o.names, name)
	}
	o.fields[name] = newField(o, name, t.valueType(ty))
}

func newField(o *objectType, name string, typ *valueType) *objectField {
	f := &objectField{name: name, typ: typ}
	f.cel = &types.FieldType{Type: typ.cel}
	if o.row {
		f.cel.IsSet = func(target any) bool { return fieldSet(target.(*rowValue).column(f)) }
		f.cel.GetFrom = func(target any) (any, error) { return fieldValue(target.(*rowValue).column(f)) }
		return f
	}
	f.cel.IsSet = func(target any) bool { return fieldSet(f.read(target)) }
	f.cel.GetFrom = func(target any) (any, error) { return fieldValue(f.read(target)) }
	return f
}

func (t *typeTable) valueType(ty cty.Type) *valueType {
	switch {
	case ty == cty.NilType || ty == cty.DynamicPseudoType:
		return t.any
	case ty == cty.String:
		return &valueType{kind: stringValue, cel: types.StringType}
	case ty == cty.Number:
		// One JSON number may be an integer and the next not, which only a
		// dynamic type allows.
		return &valueType{kind: numberValue, strict: t.strict, cel: types.DynType}
	case ty == cty.Bool:
		return &valueType{kind: boolValue, cel: types.BoolType}
	case ty.IsListType() || ty.IsSetType():
		elem := t.valueType(ty.ElementType())
		return &valueType{kind: listValue, elem: elem, cel: types.NewListType(elem.cel)}
	case ty.IsTupleType():
		return &valueType{kind: listValue, elem: t.any, cel: types.NewListType(types.DynType)}
	case ty.IsMapType():
		elem := t.valueType(ty.ElementType())
		return &valueType{kind: mapValue, elem: elem, cel: types.NewMapType(types.StringType, elem.cel)}
	case ty.IsObjectType():
		o := t.object(ty)
		return &valueType{kind: objectValue, object: o, cel: o.cel}
	}
	return t.any
}

func (t *typeTable) object(ty cty.Type) *objectType {
	for i, shape := range t.shapes {
		if shape.Equals(ty) {
			return t.objects[i]
		}
	}
	attrs := ty.AttributeTypes()
	o := &objectType{
		name:   fmt.Sprintf("%s%d", objectMark, len(t.objects)),
		fields: make(map[string]*objectField, len(attrs)),
	}
	o.cel = cel.ObjectType(o.name)
	t.objects = append(t.objects, o)
	t.shapes = append(t.shapes, ty)
	for name, attr := range attrs {
		t.addField(o, name, attr)
	}
	sort.Strings(o.names)
	return o
}

func (t *typeTable) find(name string) *objectType {
	if name == t.row.name {
		return t.row
	}
	for _, o := range t.objects {
		if o.name == name {
			return o
		}
	}
	return nil
}

// FindStructType implements types.Provider.
func (t *typeTable) FindStructType(name string) (*types.Type, bool) {
	if o := t.find(name); o != nil {
		return types.NewTypeTypeWithParam(o.cel), true
	}
	return t.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (t *typeTable) FindStructFieldNames(name string) ([]string, bool) {
	if o := t.find(name); o != nil {
		return o.names, true
	}
	return t.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (t *typeTable) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if !strings.HasPrefix(name, objectMark) {
		return t.Provider.FindStructFieldType(name, field)
	}
	o := t.find(name)
	if o == nil {
		return nil, false
	}
	if f, ok := o.fields[field]; ok {
		return f.cel, true
	}
	if o.open {
		return newField(o, field, t.any).cel, true
	}
	if !t.checked {
		t.misses = append(t.misses, missedField{o, field})
	}
	return nil, false
}
