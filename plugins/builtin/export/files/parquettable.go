package files

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// table is the schema of a format's Parquet files. It is not changed once
// made.
type table struct {
	schema *parquet.Schema
	roots  []*node        // the columns, in order of name
	byName map[string]int // of roots
	rest   *node          // the column for what has none, or nil
	leaves []*node        // what is stored, in the file's order
}

// node is a column, or a part of one.
type node struct {
	Column
	leaf   int // its place in leaves, or that of its first part
	end    int // after its last part
	fields []*node
	byName map[string]int // of fields
	depth  int            // of lists that it stands in, itself included
	bounds bool           // whether the file says the least and the greatest of its values
}

func newTable(f Format) (*table, error) {
	t := &table{}
	group, err := t.group(f.Columns, 0, &t.roots)
	if err != nil {
		return nil, fmt.Errorf("the columns of %s: %w", f.Name, err)
	}
	t.byName = places(t.roots)
	for _, n := range t.roots {
		if n.Rest {
			t.rest = n
		}
	}
	t.schema = parquet.NewSchema("row", group)
	return t, nil
}

// group makes a group of columns, sorted as the library sorts them.
func (t *table) group(columns []Column, depth int, to *[]*node) (parquet.Group, error) {
	columns = slices.Clone(columns)
	slices.SortFunc(columns, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
	group := parquet.Group{}
	for _, c := range columns {
		if _, ok := group[c.Name]; ok || c.Name == "" {
			return nil, fmt.Errorf("the name %q stands twice or is empty", c.Name)
		}
		n := &node{Column: c, leaf: len(t.leaves), depth: depth}
		if c.List {
			n.depth++
		}
		var of parquet.Node
		if len(c.Fields) > 0 {
			inner, err := t.group(c.Fields, n.depth, &n.fields)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			of, n.byName = inner, places(n.fields)
		} else {
			of, n.bounds = stored(c), c.Few || c.Type == BoolValue || c.Type == IntValue || c.Type == FloatValue
			t.leaves = append(t.leaves, n)
		}
		if n.end = len(t.leaves); c.List {
			of = parquet.List(parquet.Optional(of))
		}
		group[c.Name] = parquet.Optional(of)
		*to = append(*to, n)
	}
	return group, nil
}

func places(nodes []*node) map[string]int {
	m := make(map[string]int, len(nodes))
	for i, n := range nodes {
		m[n.Name] = i
	}
	return m
}

// stored is how a column's values are stored. Of JSON only JSONValue has
// Parquet's own type for it: readers that know it decode the values, and to
// others they are bytes.
func stored(c Column) parquet.Node {
	var n parquet.Node
	switch c.Type {
	case BoolValue:
		return parquet.Leaf(parquet.BooleanType)
	case IntValue:
		return parquet.Int(64)
	case FloatValue:
		return parquet.Leaf(parquet.DoubleType)
	case JSONValue:
		n = parquet.JSON()
	default:
		n = parquet.String()
	}
	if c.Few {
		return parquet.Encoded(n, &parquet.RLEDictionary)
	}
	return parquet.Encoded(n, &parquet.Plain) // the oldest, which all readers know
}

// filler lays rows out as columns of values. A value refers to the text of
// its row.
type filler struct {
	table  *table
	values [][]parquet.Value // by leaf
	slots  [][]byte          // of the objects under way, the innermost last
	rest   []member          // of the row under way
}

func newFiller(t *table) *filler {
	return &filler{table: t, values: make([][]parquet.Value, len(t.leaves))}
}

// clear forgets the values. Their memory is used again.
func (f *filler) clear() {
	for i := range f.values {
		clear(f.values[i])
		f.values[i] = f.values[i][:0]
	}
}

// row adds a row, a compact object.
func (f *filler) row(line []byte) error {
	t := f.table
	slots := f.open(len(t.roots))
	defer f.shut(len(t.roots))
	f.rest = f.rest[:0]
	var err error
	members(line, func(name, value []byte) {
		key := string(jsontext.Unquote(name))
		i, ok := t.byName[key]
		switch {
		case ok && t.rest == nil, ok && t.roots[i] != t.rest && t.roots[i].takes(value):
			slots[i] = value
		case t.rest == nil:
			err = fmt.Errorf("there is no column for %q", key)
		default:
			f.rest = append(f.rest, member{key, name, value})
		}
	})
	if len(f.rest) > 0 {
		slots[t.byName[t.rest.Name]] = joined(f.rest)
	}
	for i, n := range t.roots {
		if err == nil {
			err = f.value(n, slots[i], 0, 0)
		}
	}
	return err
}

// member is a part of an object: name is key as it was written.
type member struct {
	key         string
	name, value []byte
}

// joined is the object of members in order of name.
func joined(list []member) []byte {
	slices.SortStableFunc(list, func(a, b member) int { return strings.Compare(a.key, b.key) })
	size := 1
	for _, m := range list {
		size += len(m.name) + len(m.value) + 2
	}
	b := append(make([]byte, 0, size), '{')
	for i, m := range list {
		if i+1 < len(list) && list[i+1].key == m.key {
			continue // of members with one name the last counts
		}
		b = append(append(append(append(b, m.name...), ':'), m.value...), ',')
	}
	b[len(b)-1] = '}'
	return b
}

// open gives room for the members of an object, shut takes it back.
func (f *filler) open(n int) [][]byte {
	f.slots = slices.Grow(f.slots, n)
	f.slots = f.slots[:len(f.slots)+n]
	slots := f.slots[len(f.slots)-n:]
	clear(slots)
	return slots
}

func (f *filler) shut(n int) { f.slots = f.slots[:len(f.slots)-n] }

// takes says whether a value is what a column beside a Rest column holds.
func (n *node) takes(value []byte) bool {
	switch c := value[0]; {
	case c == 'n':
		return true
	case n.List:
		return c == '['
	case len(n.fields) > 0:
		return c == '{'
	case n.Type == TextValue:
		return c == '"'
	case n.Type == JSONText:
		return c == '[' || c == '{'
	case n.Type == JSONValue:
		return true
	}
	return false
}

// value adds a value, nil if it is absent: repetition and definition are the
// levels of what it stands in.
func (f *filler) value(n *node, value []byte, repetition, definition int) error {
	switch {
	case value == nil || string(value) == "null":
		f.null(n, repetition, definition)
		return nil
	case !n.List:
		return f.single(n, value, repetition, definition)
	case value[0] != '[':
		return n.unsuitable("a list")
	case len(value) == 2:
		f.null(n, repetition, definition+1)
		return nil
	}
	var err error
	elements(value, func(element []byte) {
		switch {
		case err != nil:
		case string(element) == "null":
			f.null(n, repetition, definition+2)
		default:
			err = f.single(n, element, repetition, definition+2)
		}
		repetition = n.depth
	})
	return err
}

// single adds what is no list, or an element of one.
func (f *filler) single(n *node, value []byte, repetition, definition int) error {
	if len(n.fields) == 0 {
		v, err := n.scalar(value)
		if err != nil {
			return err
		}
		f.values[n.leaf] = append(f.values[n.leaf], v.Level(repetition, definition+1, n.leaf))
		return nil
	}
	if value[0] != '{' {
		return n.unsuitable("an object")
	}
	slots := f.open(len(n.fields))
	defer f.shut(len(n.fields))
	var err error
	members(value, func(name, value []byte) {
		i, ok := n.byName[string(jsontext.Unquote(name))]
		if !ok {
			err = fmt.Errorf("%s: there is no column for %s", n.Name, name)
			return
		}
		slots[i] = value
	})
	for i, field := range n.fields {
		if err == nil {
			err = f.value(field, slots[i], repetition, definition+1)
		}
	}
	return err
}

// null adds that there is nothing, to all parts of a column.
func (f *filler) null(n *node, repetition, definition int) {
	for i := n.leaf; i < n.end; i++ {
		f.values[i] = append(f.values[i], parquet.NullValue().Level(repetition, definition, i))
	}
}

func (n *node) scalar(value []byte) (parquet.Value, error) {
	switch n.Type {
	case BoolValue:
		if value[0] == 't' || value[0] == 'f' {
			return parquet.BooleanValue(value[0] == 't'), nil
		}
		return parquet.Value{}, n.unsuitable("true or false")
	case IntValue:
		v, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return parquet.Value{}, n.unsuitable("a whole number of 64 bits")
		}
		return parquet.Int64Value(v), nil
	case FloatValue:
		v, err := strconv.ParseFloat(string(value), 64)
		if err != nil {
			return parquet.Value{}, n.unsuitable("a number")
		}
		return parquet.DoubleValue(v), nil
	case JSONValue:
		return parquet.ByteArrayValue(value), nil
	case JSONText:
		if value[0] == '{' || value[0] == '[' {
			return parquet.ByteArrayValue(value), nil
		}
		return parquet.Value{}, n.unsuitable("an object or a list")
	}
	if value[0] != '"' {
		return parquet.Value{}, n.unsuitable("a string")
	}
	return parquet.ByteArrayValue(jsontext.Unquote(value)), nil
}

func (n *node) unsuitable(want string) error {
	return fmt.Errorf("the value of %q is not %s", n.Name, want)
}

// features is what Hugging Face datasets reads to know the columns' types:
// the same columns in the same order, in its own words.
func (t *table) features() string {
	var b bytes.Buffer
	b.WriteString(`{"info":{"features":`)
	writeFeatures(&b, t.roots)
	b.WriteString(`}}`)
	return b.String()
}

func writeFeatures(b *bytes.Buffer, nodes []*node) {
	b.WriteByte('{')
	for i, n := range nodes {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(n.Name) + ":")
		if n.List { // a list of one, which releases before 4.0 understand too
			b.WriteByte('[')
		}
		switch {
		case len(n.fields) > 0:
			writeFeatures(b, n.fields)
		case n.Type == JSONValue:
			b.WriteString(`{"_type":"Json"}`)
		default:
			b.WriteString(`{"dtype":"` + dtype(n.Type) + `","_type":"Value"}`)
		}
		if n.List {
			b.WriteByte(']')
		}
	}
	b.WriteByte('}')
}

func dtype(t ValueType) string {
	switch t {
	case BoolValue:
		return "bool"
	case IntValue:
		return "int64"
	case FloatValue:
		return "float64"
	}
	return "string"
}
