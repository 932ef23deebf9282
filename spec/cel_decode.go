package spec

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of a column, as rows do.
const maxJSONDepth = 512

// errInvalidJSON says no more: a decoder's error may quote the row.
var errInvalidJSON = errors.New("it does not hold valid JSON")

// decodeJSON decodes one value: objects as map[string]any, lists as []any,
// integers as int64 or else uint64, and other numbers as float64. It accepts
// what encoding/json accepts, in less than half the time: decoding is most of the
// cost of a filter.
func decodeJSON(b []byte) (any, error) {
	r := jsonReader{b: b}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if r.space(); r.pos != len(b) {
		return nil, errInvalidJSON
	}
	return v, nil
}

type jsonReader struct {
	b   []byte
	pos int
}

func (r *jsonReader) space() {
	for r.pos < len(r.b) {
		switch r.b[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// take skips space and then c, if it is next.
func (r *jsonReader) take(c byte) bool {
	r.space()
	if r.pos < len(r.b) && r.b[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

func (r *jsonReader) value(depth int) (any, error) {
	r.space()
	if r.pos >= len(r.b) || depth > maxJSONDepth {
		return nil, errInvalidJSON
	}
	switch r.b[r.pos] {
	case '{':
		return r.object(depth)
	case '[':
		return r.list(depth)
	case '"':
		return r.text()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	}
	return r.number()
}

func (r *jsonReader) word(w string) error {
	if len(r.b)-r.pos < len(w) || string(r.b[r.pos:r.pos+len(w)]) != w {
		return errInvalidJSON
	}
	r.pos += len(w)
	return nil
}

func (r *jsonReader) object(depth int) (any, error) {
	r.pos++
	fields := make(map[string]any)
	if r.take('}') {
		return fields, nil
	}
	for {
		if r.space(); r.pos >= len(r.b) || r.b[r.pos] != '"' {
			return nil, errInvalidJSON
		}
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		if !r.take(':') {
			return nil, errInvalidJSON
		}
		if fields[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
		if r.take('}') {
			return fields, nil
		}
		if !r.take(',') {
			return nil, errInvalidJSON
		}
	}
}

func (r *jsonReader) list(depth int) (any, error) {
	r.pos++
	elems := []any{}
	if r.take(']') {
		return elems, nil
	}
	for {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		elems = append(elems, v)
		if r.take(']') {
			return elems, nil
		}
		if !r.take(',') {
			return nil, errInvalidJSON
		}
	}
}

// text reads a string. One with escapes is left to encoding/json.
func (r *jsonReader) text() (string, error) {
	start, plain := r.pos, true
	for r.pos++; r.pos < len(r.b); r.pos++ {
		switch c := r.b[r.pos]; {
		case c == '"':
			r.pos++
			raw := r.b[start:r.pos]
			if plain && utf8.Valid(raw) {
				return string(raw[1 : len(raw)-1]), nil
			}
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return "", errInvalidJSON
			}
			return s, nil
		case c == '\\':
			plain = false
			r.pos++
		case c < 0x20:
			return "", errInvalidJSON
		}
	}
	return "", errInvalidJSON
}

func (r *jsonReader) number() (any, error) {
	start := r.pos
	for r.pos < len(r.b) {
		c := r.b[r.pos]
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			break
		}
		r.pos++
	}
	raw := r.b[start:r.pos]
	if !json.Valid(raw) {
		return nil, errInvalidJSON
	}
	return parseNumber(string(raw))
}

func parseNumber(s string) (any, error) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i, nil
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return u, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, rowErrorf("it holds a number that is out of range: %s", short(s))
	}
	return f, nil
}
