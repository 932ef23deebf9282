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
	"crypto/sha256"
	"errors"
	"fmt"
	"sort"
)

// Row is a canonical JSON object. The zero Row is the empty object. Rows are
// immutable: operations give new ones that may share memory.
type Row struct {
	cols []column // in order of name
}

type column struct {
	name string
	json []byte // canonical
}

// ErrNotObject is returned for JSON that is not an object.
var ErrNotObject = errors.New("not a JSON object")

// Parse reads any JSON object and makes it canonical. Of equal keys the last
// one counts.
func Parse(b []byte) (Row, error) {
	c, err := Canonical(b)
	if err != nil {
		return Row{}, err
	}
	return FromCanonical(c)
}

// FromCanonical splits an object that is canonical already, such as one read
// back from the cache. The row keeps b.
func FromCanonical(b []byte) (Row, error) {
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return Row{}, ErrNotObject
	}
	cols := make([]column, 0, 24)
	for i := 1; i < len(b)-1; {
		start := i
		i = skipString(b, i)
		if i < 0 || i >= len(b) || b[i] != ':' {
			return Row{}, fmt.Errorf("malformed object at byte %d", start)
		}
		name, err := unquote(b[start:i])
		if err != nil {
			return Row{}, err
		}
		i++
		end := skipValue(b, i)
		if end < 0 || end > len(b)-1 {
			return Row{}, fmt.Errorf("malformed object at byte %d", i)
		}
		cols = append(cols, column{name, b[i:end:end]})
		i = end
		if b[i] == ',' {
			i++
		}
	}
	return Row{cols}, nil
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
		s, _ := unquote(v)
		return s
	}
	return ""
}

// Names returns the names of the columns, sorted.
func (r Row) Names() []string {
	names := make([]string, len(r.cols))
	for i, c := range r.cols {
		names[i] = c.name
	}
	return names
}

func (r Row) find(name string) (int, bool) {
	i := sort.Search(len(r.cols), func(i int) bool { return r.cols[i].name >= name })
	return i, i < len(r.cols) && r.cols[i].name == name
}

// Merge returns r with the columns of over added or replaced.
func (r Row) Merge(over Row) Row {
	out := make([]column, 0, len(r.cols)+len(over.cols))
	i, j := 0, 0
	for i < len(r.cols) && j < len(over.cols) {
		switch a, b := r.cols[i], over.cols[j]; {
		case a.name < b.name:
			out, i = append(out, a), i+1
		case a.name > b.name:
			out, j = append(out, b), j+1
		default:
			out, i, j = append(out, b), i+1, j+1
		}
	}
	out = append(out, r.cols[i:]...)
	return Row{append(out, over.cols[j:]...)}
}

// With returns r with one column set to canonical JSON.
func (r Row) With(name string, json []byte) Row {
	return r.Merge(Row{[]column{{name, json}}})
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
	return Row{append(append(out, r.cols[:i]...), r.cols[i+1:]...)}
}

// Project returns r with only the named columns; those it lacks are left out.
// The names must be sorted.
func (r Row) Project(names []string) Row {
	out := make([]column, 0, len(names))
	i := 0
	for _, name := range names {
		for i < len(r.cols) && r.cols[i].name < name {
			i++
		}
		if i < len(r.cols) && r.cols[i].name == name {
			out = append(out, r.cols[i])
		}
	}
	return Row{out}
}

// Append appends the row's canonical bytes to b.
func (r Row) Append(b []byte) []byte {
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

// Bytes returns the row's canonical bytes.
func (r Row) Bytes() []byte { return r.Append(make([]byte, 0, r.Size())) }

// Size is the length of Bytes, or a little more.
func (r Row) Size() int {
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
