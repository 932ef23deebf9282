package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// assembler makes lines of rows.
type assembler struct {
	root   *part
	json   map[string]bool // columns that hold JSON text, by path
	values [][]parquet.Value
	out    []byte
	room   int // that lines took so far
}

// part is a column, or a part of one.
type part struct {
	name  string // as a member of an object: "name":
	path  string
	first int // of its stored columns
	end   int // after the last

	definition int // the level from which on it is there
	repetition int // of a list: the level of its elements but the first

	item  *part   // of a list
	inner []*part // of a group
	json  bool    // its text is JSON
	rest  bool    // its members are those of the row
}

func newAssembler(f *parquet.File, columns []Column) *assembler {
	a := &assembler{json: map[string]bool{}}
	if list, ok := f.Lookup(JSONColumnsKey); ok {
		var names []string
		_ = json.Unmarshal([]byte(list), &names) // without it, types tell
		for _, n := range names {
			a.json[n] = true
		}
	}
	a.root = a.content(f.Schema(), &part{}, Column{Fields: columns})
	return a
}

// part reads the schema of a column, or of a part of one, that stands in what
// has these levels, and that the format knows as c.
func (a *assembler) part(n parquet.Node, path string, first, definition, repetition int, c Column) *part {
	p := &part{path: path, first: first, definition: definition, repetition: repetition}
	switch {
	case n.Optional():
		p.definition++
	case n.Repeated(): // a list without a group of its own
		p.repetition++
		item := &part{path: path, first: first, definition: definition + 1, repetition: repetition + 1}
		p.item = a.content(n, item, c)
		p.end = p.item.end
		return p
	}
	return a.content(n, p, c)
}

// content reads what a part is that is there.
func (a *assembler) content(n parquet.Node, p *part, c Column) *part {
	if n.Leaf() {
		p.end = p.first + 1
		p.json = a.json[p.path] || c.Type == JSONValue || c.Type == JSONText || isJSON(n)
		return p
	}
	if inner := listOf(n); inner != nil {
		p.repetition++
		c.List = false
		if fields := inner.Fields(); !inner.Leaf() && len(fields) == 1 {
			p.item = a.part(fields[0], p.path, p.first, p.definition+1, p.repetition, c)
		} else {
			p.item = a.content(inner, &part{path: p.path, first: p.first, definition: p.definition + 1, repetition: p.repetition}, c)
		}
		p.end = p.item.end
		return p
	}
	p.end, p.inner = p.first, []*part{}
	for _, field := range n.Fields() {
		var known Column
		if i := slices.IndexFunc(c.Fields, func(c Column) bool { return c.Name == field.Name() }); i >= 0 {
			known = c.Fields[i]
		}
		inner := a.part(field, strings.TrimPrefix(p.path+"."+field.Name(), "."), p.end, p.definition, p.repetition, known)
		inner.name, inner.rest = string(appendText(nil, []byte(field.Name())))+":", known.Rest
		p.inner, p.end = append(p.inner, inner), inner.end
	}
	return p
}

func isJSON(n parquet.Node) bool {
	logical := n.Type().LogicalType()
	return logical != nil && logical.String() == "JSON"
}

// listOf is what is repeated in a group that is a list; nil if it is none.
// Lists have one repeated part, under one of the names that writers give it.
func listOf(n parquet.Node) parquet.Node {
	fields := n.Fields()
	if len(fields) != 1 || !fields[0].Repeated() || !slices.Contains([]string{"list", "bag", "array"}, fields[0].Name()) {
		return nil
	}
	return fields[0]
}

var (
	errLevels  = errors.New("its columns do not fit together")
	errLongest = fmt.Errorf("it has more than %d MiB, or %d values", longest>>20, mostOfRow)
)

// line is a row as JSON, of the values of its columns.
func (a *assembler) line(values [][]parquet.Value) ([]byte, error) {
	a.values = values
	a.out = make([]byte, 0, a.room)
	if _, err := a.put(a.root); err != nil {
		return nil, err
	}
	for _, left := range a.values {
		if len(left) > 0 {
			return nil, errLevels
		}
	}
	a.room = min(max(a.room, len(a.out)), 1<<16)
	return a.out, nil
}

// put writes a part's value, null if there is none, and says whether there is
// one. It takes its values away.
func (a *assembler) put(p *part) (there bool, err error) {
	if p.first == p.end { // a group of nothing
		a.out = append(a.out, "{}"...)
		return true, nil
	}
	if len(a.values[p.first]) == 0 {
		return false, errLevels
	}
	if len(a.out) > longest {
		return false, errLongest
	}
	definition := a.values[p.first][0].DefinitionLevel()
	switch {
	case definition < p.definition:
		a.out = append(a.out, "null"...)
		return false, a.skip(p)
	case p.item != nil && definition == p.definition:
		a.out = append(a.out, "[]"...)
		return true, a.skip(p)
	case p.item != nil:
		return true, a.list(p)
	case p.inner != nil:
		return true, a.object(p)
	}
	return true, a.scalar(p)
}

// skip takes away the one value that each column of a part has that is not
// there.
func (a *assembler) skip(p *part) error {
	for i := p.first; i < p.end; i++ {
		if len(a.values[i]) == 0 {
			return errLevels
		}
		a.values[i] = a.values[i][1:]
	}
	return nil
}

func (a *assembler) list(p *part) error {
	open := byte('[')
	for {
		a.out = append(a.out, open)
		open = ','
		if _, err := a.put(p.item); err != nil {
			return err
		}
		if rest := a.values[p.first]; len(rest) == 0 || rest[0].RepetitionLevel() != p.repetition {
			a.out = append(a.out, ']')
			return nil
		}
	}
}

// object writes a group's members, leaving out those that are null.
func (a *assembler) object(p *part) error {
	a.out = append(a.out, '{')
	for _, inner := range p.inner {
		before := len(a.out)
		a.out = append(a.out, inner.name...)
		there, err := a.put(inner)
		if err != nil {
			return err
		}
		if !there {
			a.out = a.out[:before]
			continue
		}
		if own := a.out[before+len(inner.name):]; inner.rest && there && own[0] == '{' && len(own) > 2 {
			a.out = append(a.out[:before], own[1:len(own)-1]...)
		}
		a.out = append(a.out, ',')
	}
	if last := len(a.out) - 1; a.out[last] == ',' {
		a.out = a.out[:last]
	}
	a.out = append(a.out, '}')
	return nil
}

func (a *assembler) scalar(p *part) error {
	v := a.values[p.first][0]
	a.values[p.first] = a.values[p.first][1:]
	switch v.Kind() {
	case parquet.Boolean:
		a.out = strconv.AppendBool(a.out, v.Boolean())
	case parquet.Int32:
		a.out = strconv.AppendInt(a.out, int64(v.Int32()), 10)
	case parquet.Int64:
		a.out = strconv.AppendInt(a.out, v.Int64(), 10)
	case parquet.Float:
		return a.number(p, float64(v.Float()), 32)
	case parquet.Double:
		return a.number(p, v.Double(), 64)
	case parquet.ByteArray:
		return a.text(p, v.ByteArray())
	default:
		return fmt.Errorf("column %s holds what is not read here", p.path)
	}
	return nil
}

func (a *assembler) text(p *part, text []byte) error {
	switch {
	case !utf8.Valid(text):
		return fmt.Errorf("column %s is not UTF-8", p.path)
	case p.json:
		end := tight(text, 0, 0)
		if end != len(text) && !json.Valid(text) {
			return fmt.Errorf("column %s is not JSON", p.path)
		}
		if end != len(text) {
			text = compacted(text)
		}
		a.out = append(a.out, text...)
	default:
		a.out = appendText(a.out, text)
	}
	return nil
}

func (a *assembler) number(p *part, f float64, bits int) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("column %s holds %v, which JSON has no number for", p.path, f)
	}
	a.out = strconv.AppendFloat(a.out, f, 'g', -1, bits)
	return nil
}
