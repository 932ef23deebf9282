// Package row is the shape in which rows travel through the engine: a JSON
// object in canonical form, split into its columns.
//
// Canonical means: keys sorted bytewise at every level, no white space,
// strings in UTF-8 with only the escapes that JSON demands, integers as they
// were written, other numbers as the shortest form of the float64. Equal rows
// are equal bytes, which is what digests and keys rest on.
//
// It knows nothing of which columns there are or what they mean.
package row

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// Row is a canonical JSON object. The zero Row is the empty object. Rows are
// immutable: operations give new ones that may share memory.
type Row struct {
	cols []column // in order of name
	text []byte   // the whole object; nil if it has to be put together
}

// column is a column of a row; both parts lie in the row's text as a rule.
type column struct {
	name []byte // decoded
	json []byte // canonical
}

// ErrNotObject is returned for JSON that is not an object.
var ErrNotObject = errors.New("not a JSON object")

// Parse reads any JSON object and makes it canonical. Of equal keys the last
// one counts.
func Parse(b []byte) (Row, error) { return new(Parser).Parse(b) }

// FromCanonical splits an object that is canonical already, such as one read
// back from the cache. The row keeps b.
func FromCanonical(b []byte) (Row, error) { return new(Parser).FromCanonical(b) }

// Parser is Parse and FromCanonical for many rows: it shares what can be
// shared between them, and its working memory is used again. The zero Parser
// is ready. It is for one goroutine at a time; its rows are for any.
type Parser struct {
	c    canonicaliser
	cols []column // of the row at work
	room []column // what is left of the memory that rows take their columns from
}

// Parse is Parse.
func (p *Parser) Parse(b []byte) (Row, error) {
	c := &p.c
	c.begin(b)
	if c.space(); c.peek() != '{' {
		if _, err := Canonical(b); err != nil {
			return Row{}, err
		}
		return Row{}, ErrNotObject
	}
	sorted, err := c.object(0)
	if err == nil {
		err = c.end()
	}
	if err != nil {
		return Row{}, err
	}
	members := c.members
	if !sorted {
		members = c.order(0)
	}
	size := 1
	for _, m := range members {
		size += m.end - m.start + 1
	}
	text := append(make([]byte, 0, max(size, 2)), '{')
	p.cols = p.cols[:0]
	for i, m := range members {
		if i > 0 {
			text = append(text, ',')
		}
		start := len(text)
		text = append(text, c.out[m.start:m.end]...)
		colon := start + m.colon - m.start
		p.cols = append(p.cols, column{jsontext.Unquote(text[start:colon]), text[colon+1 : len(text) : len(text)]})
	}
	return Row{p.keep(), append(text, '}')}, nil
}

// FromCanonical is FromCanonical.
func (p *Parser) FromCanonical(b []byte) (Row, error) {
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return Row{}, ErrNotObject
	}
	p.cols = p.cols[:0]
	for i := 1; i < len(b)-1; {
		start := i
		i = skipString(b, i)
		if i < 0 || i >= len(b) || b[i] != ':' {
			return Row{}, fmt.Errorf("malformed object at byte %d", start)
		}
		name := jsontext.Unquote(b[start:i])
		if name == nil {
			return Row{}, errString
		}
		i++
		end := skipValue(b, i)
		if end < 0 || end > len(b)-1 {
			return Row{}, fmt.Errorf("malformed object at byte %d", i)
		}
		p.cols = append(p.cols, column{name, b[i:end:end]})
		i = end
		if b[i] == ',' {
			i++
		}
	}
	return Row{p.keep(), b[:len(b):len(b)]}, nil
}

// keep moves the columns at work to memory of the row's own. Rows that are
// made one after the other share it: they mostly live and die together.
func (p *Parser) keep() []column {
	const shared = 256
	n := len(p.cols)
	if cap(p.room) < n {
		if p.room == nil {
			p.room = make([]column, n) // perhaps it is for one row only
		} else {
			p.room = make([]column, max(n, shared))
		}
	}
	cols := p.room[:n:n]
	copy(cols, p.cols)
	p.room = p.room[n:cap(p.room)]
	return cols
}

// Column returns the canonical JSON of a column.
func (r Row) Column(name string) ([]byte, bool) {
	if i, ok := r.find(name); ok {
		return r.cols[i].json, true
	}
	return nil, false
}

// String returns a column that is a JSON string, or "".
func (r Row) String(name string) string {
	if v, ok := r.Column(name); ok && len(v) > 0 && v[0] == '"' {
		return string(jsontext.Unquote(v))
	}
	return ""
}

// All gives the columns in order: name and canonical JSON. Neither may be
// changed.
func (r Row) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, json []byte) bool) {
		for _, c := range r.cols {
			if !yield(c.name, c.json) {
				return
			}
		}
	}
}

// Names returns the names of the columns, sorted.
func (r Row) Names() []string {
	names := make([]string, len(r.cols))
	for i, c := range r.cols {
		names[i] = string(c.name)
	}
	return names
}

func (r Row) find(name string) (int, bool) {
	return slices.BinarySearchFunc(r.cols, name, func(c column, name string) int {
		switch {
		case string(c.name) < name:
			return -1
		case string(c.name) > name:
			return 1
		}
		return 0
	})
}

// Merge returns r with the columns of over added or replaced.
func (r Row) Merge(over Row) Row {
	out := make([]column, 0, len(r.cols)+len(over.cols))
	i, j := 0, 0
	for i < len(r.cols) && j < len(over.cols) {
		switch a, b := r.cols[i], over.cols[j]; bytes.Compare(a.name, b.name) {
		case -1:
			out, i = append(out, a), i+1
		case 1:
			out, j = append(out, b), j+1
		default:
			out, i, j = append(out, b), i+1, j+1
		}
	}
	out = append(out, r.cols[i:]...)
	return Row{cols: append(out, over.cols[j:]...)}
}

// With returns r with one column set to canonical JSON.
func (r Row) With(name string, json []byte) Row {
	if old, ok := r.Column(name); ok && bytes.Equal(old, json) {
		return r
	}
	return r.Merge(Row{cols: []column{{[]byte(name), json}}})
}

// WithString returns r with one column set to a string.
func (r Row) WithString(name, value string) Row {
	return r.With(name, appendString(nil, value))
}

// Rename returns r with a column under another name.
func (r Row) Rename(from, to string) Row {
	v, ok := r.Column(from)
	if !ok || from == to {
		return r
	}
	return r.Without(from).With(to, v)
}

// Without returns r without a column.
func (r Row) Without(name string) Row {
	i, ok := r.find(name)
	if !ok {
		return r
	}
	out := make([]column, 0, len(r.cols)-1)
	return Row{cols: append(append(out, r.cols[:i]...), r.cols[i+1:]...)}
}

// Project returns r with only the named columns; those it lacks are left out.
// The names must be sorted.
func (r Row) Project(names []string) Row {
	out := make([]column, 0, len(names))
	i := 0
	for _, name := range names {
		for i < len(r.cols) && string(r.cols[i].name) < name {
			i++
		}
		if i < len(r.cols) && string(r.cols[i].name) == name {
			out = append(out, r.cols[i])
		}
	}
	return Row{cols: out}
}

// Append appends the row's canonical bytes to b.
func (r Row) Append(b []byte) []byte {
	if r.text != nil {
		return append(b, r.text...)
	}
	b = append(b, '{')
	for i, c := range r.cols {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, c.name)
		b = append(b, ':')
		b = append(b, c.json...)
	}
	return append(b, '}')
}

// Bytes returns the row's canonical bytes, which must not be changed.
func (r Row) Bytes() []byte {
	if r.text != nil {
		return r.text
	}
	return r.Append(make([]byte, 0, r.Size()))
}

// Whole returns r in one piece, of which Bytes costs nothing.
func (r Row) Whole() Row {
	r.text = slices.Clip(r.Bytes())
	return r
}

// Size is the length of Bytes, or a little more.
func (r Row) Size() int {
	if r.text != nil {
		return len(r.text)
	}
	n := 2
	for _, c := range r.cols {
		n += len(c.name) + len(c.json) + 4
	}
	return n
}

// MarshalJSON gives the canonical bytes.
func (r Row) MarshalJSON() ([]byte, error) { return r.Bytes(), nil }

// Digest is the SHA-256 of the canonical bytes.
func (r Row) Digest() [32]byte { return sha256.Sum256(r.Bytes()) }
