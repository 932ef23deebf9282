package spec

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// maxJSONDepth bounds the nesting of a column, as rows do.
const maxJSONDepth = 512

// errInvalidJSON says no more: a decoder's error may quote the row.
var errInvalidJSON = errors.New("it does not hold valid JSON")

// decodeNeeded decodes one value: objects as map[string]any, lists as []any,
// integers as int64 or else uint64, and other numbers as float64. It accepts
// what encoding/json accepts, in a fraction of the time: decoding is most of
// the cost of a filter. The strings of one value share their memory.
// Fields that are not needed are left out; nil needs all.
func decodeNeeded(b []byte, n *need) (any, error) {
	r := jsonReader{b: b, s: string(b)}
	v, err := r.value(0, n)
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
	s   string // the same text; strings without escapes are parts of it
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

func (r *jsonReader) value(depth int, n *need) (any, error) {
	r.space()
	if r.pos >= len(r.b) || depth > maxJSONDepth {
		return nil, errInvalidJSON
	}
	switch r.b[r.pos] {
	case '{':
		return r.object(depth, n.ofObject())
	case '[':
		return r.list(depth, n.ofList())
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

// object reads an object: all its fields, or those that are wanted.
func (r *jsonReader) object(depth int, wanted map[string]*need) (any, error) {
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
		n, want := wanted[name]
		if want || wanted == nil {
			fields[name], err = r.value(depth+1, n)
		} else {
			err = r.skip(depth + 1)
		}
		if err != nil {
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

func (r *jsonReader) list(depth int, n *need) (any, error) {
	r.pos++
	elems := []any{}
	if r.take(']') {
		return elems, nil
	}
	for {
		v, err := r.value(depth+1, n)
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

// skip goes past a value that nobody looks at. It must be JSON all the same.
func (r *jsonReader) skip(depth int) error {
	r.space()
	if r.pos >= len(r.b) || depth > maxJSONDepth {
		return errInvalidJSON
	}
	var err error
	switch r.b[r.pos] {
	case '{':
		return r.skipAll(depth, '}')
	case '[':
		return r.skipAll(depth, ']')
	case '"':
		return r.skipText()
	case 't', 'f', 'n':
		_, err = r.value(depth, nil)
	default:
		_, err = r.number()
	}
	return err
}

// skipAll goes past an object or a list.
func (r *jsonReader) skipAll(depth int, end byte) error {
	r.pos++
	if r.take(end) {
		return nil
	}
	for {
		if end == '}' {
			r.space()
			if err := r.skipText(); err != nil || !r.take(':') {
				return errInvalidJSON
			}
		}
		if err := r.skip(depth + 1); err != nil {
			return err
		}
		if r.take(end) {
			return nil
		}
		if !r.take(',') {
			return errInvalidJSON
		}
	}
}

func (r *jsonReader) skipText() error {
	if r.pos >= len(r.b) || r.b[r.pos] != '"' {
		return errInvalidJSON
	}
	for r.pos++; ; {
		n, _ := jsontext.Plain(r.b[r.pos:])
		if r.pos += n; r.pos >= len(r.b) || r.b[r.pos] < 0x20 {
			return errInvalidJSON
		}
		if r.b[r.pos] == '"' {
			r.pos++
			return nil
		}
		if _, n = jsontext.Escape(r.b[r.pos:]); n == 0 {
			return errInvalidJSON
		}
		r.pos += n
	}
}

// text reads a string.
func (r *jsonReader) text() (string, error) {
	start := r.pos + 1
	n, ascii := jsontext.Plain(r.b[start:])
	end := start + n
	if end < len(r.b) && r.b[end] == '"' && (ascii || utf8.Valid(r.b[start:end])) {
		r.pos = end + 1
		return r.s[start:end], nil
	}
	return r.escaped()
}

// escaped is text for any string.
func (r *jsonReader) escaped() (string, error) {
	var out []byte
	for i := r.pos + 1; ; {
		n, ascii := jsontext.Plain(r.b[i:])
		out = jsontext.AppendUTF8(out, r.b[i:i+n], ascii)
		if i += n; i >= len(r.b) {
			return "", errInvalidJSON
		}
		switch r.b[i] {
		case '"':
			r.pos = i + 1
			return string(out), nil
		case '\\':
			c, n := jsontext.Escape(r.b[i:])
			if n == 0 {
				return "", errInvalidJSON
			}
			out = utf8.AppendRune(out, c)
			i += n
		default:
			return "", errInvalidJSON
		}
	}
}

func (r *jsonReader) number() (any, error) {
	if i, ok := r.digits(); ok {
		return i, nil
	}
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

// digits reads a positive integer that is surely an int64: most numbers are.
func (r *jsonReader) digits() (value int64, ok bool) {
	const surely = 18
	i := r.pos
	for ; i < len(r.b) && i-r.pos < surely && r.b[i] >= '0' && r.b[i] <= '9'; i++ {
		value = 10*value + int64(r.b[i]-'0')
	}
	if i == r.pos || r.b[r.pos] == '0' && i > r.pos+1 {
		return 0, false
	}
	if i < len(r.b) && (r.b[i] >= '0' && r.b[i] <= '9' || r.b[i] == '.' || r.b[i] == 'e' || r.b[i] == 'E') {
		return 0, false
	}
	r.pos = i
	return value, true
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
