package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// Decode reads exactly one JSON value, and keeps numbers as they are written:
// as encoding/json does with UseNumber, in less than half of the time. Values
// are decoded for each call of a tool, and schemas often are.
func Decode(text []byte) (any, error) {
	r := reader{text: text}
	if v, ok := r.value(); ok {
		if r.space(); r.at == len(text) {
			return v, nil
		}
	}
	return decodeSlowly(text)
}

// decodeSlowly is for what the reader does not take. It knows what is wrong.
func decodeSlowly(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is something after the value")
	}
	return v, nil
}

// maxNesting is how deep encoding/json reads.
const maxNesting = 10_000

// reader reads JSON. It gives up at the first thing that is not as it should
// be.
type reader struct {
	text      []byte
	at, depth int
}

// peek is the next byte, 0 at the end.
func (r *reader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *reader) space() {
	for r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\n' || r.text[r.at] == '\r' || r.text[r.at] == '\t') {
		r.at++
	}
}

// take steps over a byte, and the white space around it, if it comes next.
func (r *reader) take(b byte) bool {
	if r.space(); r.peek() != b {
		return false
	}
	r.at++
	r.space()
	return true
}

func (r *reader) value() (any, bool) {
	r.space()
	switch r.peek() {
	case '{':
		return r.object()
	case '[':
		return r.list()
	case '"':
		s, ok := r.string()
		return s, ok
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	}
	return r.number()
}

func (r *reader) word(w string) bool {
	if !bytes.HasPrefix(r.text[r.at:], []byte(w)) {
		return false
	}
	r.at += len(w)
	return true
}

func (r *reader) object() (any, bool) {
	object := map[string]any{}
	if r.depth++; r.depth > maxNesting || !r.take('{') {
		return nil, false
	}
	for more := r.peek() != '}'; more; more = r.take(',') {
		if r.peek() != '"' {
			return nil, false
		}
		name, ok := r.string()
		if !ok || !r.take(':') {
			return nil, false
		}
		if object[name], ok = r.value(); !ok {
			return nil, false
		}
	}
	r.depth--
	return object, r.end('}')
}

func (r *reader) list() (any, bool) {
	list := make([]any, 0, 4)
	if r.depth++; r.depth > maxNesting || !r.take('[') {
		return nil, false
	}
	for more := r.peek() != ']'; more; more = r.take(',') {
		v, ok := r.value()
		if !ok {
			return nil, false
		}
		list = append(list, v)
	}
	r.depth--
	return list, r.end(']')
}

func (r *reader) end(b byte) bool {
	if r.space(); r.peek() != b {
		return false
	}
	r.at++
	return true
}

func (r *reader) string() (string, bool) {
	r.at++ // the quote
	var read []byte
	for {
		n, ascii := jsontext.Plain(r.text[r.at:])
		part := r.text[r.at : r.at+n]
		r.at += n
		switch r.peek() {
		case '"':
			r.at++
			if read == nil && (ascii || utf8.Valid(part)) {
				return wordOf(part), true
			}
			return string(jsontext.AppendUTF8(read, part, ascii)), true
		case '\\':
			read = jsontext.AppendUTF8(read, part, ascii)
			char, n := jsontext.Escape(r.text[r.at:])
			if n == 0 {
				return "", false
			}
			read = utf8.AppendRune(read, char)
			r.at += n
		default:
			return "", false
		}
	}
}

// wordOf is a string of these bytes. The words that schemas are made of need no
// memory of their own.
func wordOf(b []byte) string {
	for _, word := range [...]string{"type", "string", "description", "properties", "required", "object", "enum", "integer", "number", "items", "array", "additionalProperties"} {
		if string(b) == word {
			return word
		}
	}
	return string(b)
}

func (r *reader) number() (any, bool) {
	n, _ := jsontext.Number(r.text[r.at:])
	if n == 0 {
		return nil, false
	}
	r.at += n
	return json.Number(r.text[r.at-n : r.at]), true
}
