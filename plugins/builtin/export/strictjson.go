package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// parseValue reads exactly one JSON value, numbers as json.Number; see parse
// for what it refuses. It is a parser of its own because it says where in the
// value something is wrong, and tells half of a surrogate pair from the
// character that others put in its place.
func parseValue(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		return nil, errors.New("begins with a byte order mark")
	}
	r := reader{text: text}
	v, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.space(); r.at < len(text) {
		return nil, errMore
	}
	return v, nil
}

// reader reads a JSON value and knows where in it it is.
type reader struct {
	text []byte
	at   int
	path []any // keys and indexes down to the value at hand
}

// errorf is an error that names the value at hand.
func (r *reader) errorf(format string, args ...any) error {
	where := pathText(r.path)
	if where != "" {
		where += ": "
	}
	return fmt.Errorf("%s"+format, append([]any{where}, args...)...)
}

func pathText(path []any) string {
	var b strings.Builder
	for _, p := range path {
		switch p := p.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", p)
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(p)
		}
	}
	return b.String()
}

// syntax is an error at the next byte.
func (r *reader) syntax() error {
	if r.at >= len(r.text) {
		return r.errorf("not JSON: it ends too early")
	}
	c, _ := utf8.DecodeRune(r.text[r.at:])
	return r.errorf("not JSON: invalid character %q", c)
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// next is the next byte that is no white space, 0 at the end.
func (r *reader) next() byte {
	if r.space(); r.at >= len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *reader) value() (any, error) {
	if len(r.path) > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	switch c := r.next(); c {
	case '{':
		r.at++
		return r.object()
	case '[':
		r.at++
		return r.list()
	case '"':
		return r.string()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	}
	return r.number()
}

func (r *reader) word(word string) error {
	if !bytes.HasPrefix(r.text[r.at:], []byte(word)) {
		return r.syntax()
	}
	r.at += len(word)
	return nil
}

func (r *reader) list() (any, error) {
	list := []any{}
	if r.next() == ']' {
		r.at++
		return list, nil
	}
	for {
		r.path = append(r.path, len(list))
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		list, r.path = append(list, v), r.path[:len(r.path)-1]
		switch r.next() {
		case ',':
			r.at++
		case ']':
			r.at++
			return list, nil
		default:
			return nil, r.syntax()
		}
	}
}

func (r *reader) object() (any, error) {
	object := map[string]any{}
	if r.next() == '}' {
		r.at++
		return object, nil
	}
	for {
		if r.next() != '"' {
			return nil, r.syntax()
		}
		name, err := r.string()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, r.errorf("the key %q is there twice", name)
		}
		if r.next() != ':' {
			return nil, r.syntax()
		}
		r.at++
		r.path = append(r.path, name)
		if object[name], err = r.value(); err != nil {
			return nil, err
		}
		r.path = r.path[:len(r.path)-1]
		switch r.next() {
		case ',':
			r.at++
		case '}':
			r.at++
			return object, nil
		default:
			return nil, r.syntax()
		}
	}
}

// string reads a string. One with half of a surrogate pair is refused: readers
// put different characters in its place.
func (r *reader) string() (string, error) {
	r.at++
	var text []byte // what was read, if there are escapes
	for {
		n, _ := jsontext.Plain(r.text[r.at:])
		from := r.at
		if r.at += n; r.at >= len(r.text) {
			return "", r.syntax()
		}
		plain := r.text[from:r.at]
		switch {
		case r.text[r.at] == '"':
			r.at++
			if text == nil {
				return string(plain), nil
			}
			return string(append(text, plain...)), nil
		case r.text[r.at] != '\\':
			return "", r.syntax() // a control character
		}
		c, size := jsontext.Escape(r.text[r.at:])
		if size == 0 {
			return "", r.errorf("not JSON: invalid escape in a string")
		}
		// Escape gives U+FFFD for half of a pair, and for its own escape \ufffd.
		if c == utf8.RuneError && r.text[r.at+2]|0x20 == 'd' {
			return "", r.errorf("half of a surrogate pair")
		}
		text = utf8.AppendRune(append(text, plain...), c)
		r.at += size
	}
}

// number reads a number as it is written.
func (r *reader) number() (any, error) {
	n, _ := jsontext.Number(r.text[r.at:])
	if n == 0 {
		if r.at < len(r.text) && (r.text[r.at] == '-' || r.text[r.at] >= '0' && r.text[r.at] <= '9') {
			return nil, r.errorf("not JSON: invalid number")
		}
		return nil, r.syntax()
	}
	r.at += n
	return json.Number(r.text[r.at-n : r.at]), nil
}
