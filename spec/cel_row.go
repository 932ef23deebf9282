package spec

import (
	"fmt"
	"reflect"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// RowView is a row as an expression reads it: JSON by column.
type RowView interface {
	Column(name string) (json []byte, ok bool)
}

// DecodedRow is a RowView that decodes each column at most once, for several
// expressions over one row. It is for one goroutine at a time; what Eval
// returns may share its memory and must not be changed.
type DecodedRow struct {
	RowView
	columns []decodedColumn
}

// Decode returns row as a DecodedRow.
func Decode(row RowView) *DecodedRow { return &DecodedRow{RowView: row} }

type decodedColumn struct {
	name  string
	need  *need // what of it was decoded
	value any   // nil if absent or null
	err   error
}

// decode gives a column, or as much of it as is needed.
func (d *DecodedRow) decode(name string, n *need) (any, error) {
	for i := range d.columns {
		if c := &d.columns[i]; c.name == name && (c.need == nil || c.need == n) {
			return c.value, c.err
		}
	}
	b, ok := d.Column(name)
	if len(b) > 0 && b[0] != '{' && b[0] != '[' {
		n = nil // there are no parts
	}
	c := decodedColumn{name: name, need: n}
	if ok {
		c.value, c.err = decodeNeeded(b, n)
	}
	d.columns = append(d.columns, c)
	return c.value, c.err
}

// Names returns the names of the columns, if the row below knows them.
func (d *DecodedRow) Names() []string { return rowNames(d.RowView) }

// rowNames are the columns that a row has, where it can tell.
func rowNames(row RowView) []string {
	if named, ok := row.(interface{ Names() []string }); ok {
		return named.Names()
	}
	return nil
}

// rowValue is the value of the variable that an expression reads, and the
// activation that holds it.
type rowValue struct {
	typ      *objectType
	variable string
	row      *DecodedRow
	needs    map[string]*need
}

var (
	_ traits.Indexer     = (*rowValue)(nil)
	_ traits.FieldTester = (*rowValue)(nil)
	_ cel.Activation     = (*rowValue)(nil)
)

// ResolveName implements cel.Activation.
func (r *rowValue) ResolveName(name string) (any, bool) {
	if name == r.variable {
		return r, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (r *rowValue) Parent() cel.Activation { return nil }

// column reads a column as its declared type.
func (r *rowValue) column(f *objectField) (v any, set bool, err error) {
	raw, err := r.row.decode(f.name, r.needs[f.name])
	if err == nil {
		v, err = adapt(raw, f.typ)
	}
	if err != nil {
		return nil, false, rowErrorf("column %q: %v", f.name, err)
	}
	return v, raw != nil, nil
}

// ConvertToNative implements ref.Val.
func (r *rowValue) ConvertToNative(want reflect.Type) (any, error) {
	return nil, fmt.Errorf("a row cannot become %v", want)
}

// ConvertToType implements ref.Val.
func (r *rowValue) ConvertToType(want ref.Type) ref.Val { return convertObject(r, r.typ, want) }

// Equal implements ref.Val. There is one row to an evaluation.
func (r *rowValue) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(r) == other) }

// Type implements ref.Val.
func (r *rowValue) Type() ref.Type { return r.typ.cel }

// Value implements ref.Val.
func (r *rowValue) Value() any { return r }

// Get implements traits.Indexer.
func (r *rowValue) Get(index ref.Val) ref.Val {
	f, err := r.typ.field(index)
	if err != nil {
		return types.WrapErr(err)
	}
	return fieldRef(r.column(f))
}

// IsSet implements traits.FieldTester.
func (r *rowValue) IsSet(index ref.Val) ref.Val {
	f, err := r.typ.field(index)
	if err != nil {
		return types.WrapErr(err)
	}
	_, set, err := r.column(f)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(set)
}

// native returns the whole row: every column that it has.
func (r *rowValue) native() (map[string]any, error) {
	names := r.typ.names
	if r.typ.open {
		names = append(rowNames(r.row.RowView), names...)
	}
	out := make(map[string]any, len(names))
	for _, name := range names {
		v, err := r.row.decode(name, nil)
		if err != nil {
			return nil, rowErrorf("column %q: %v", name, err)
		}
		if v != nil {
			out[name] = v
		}
	}
	return out, nil
}
