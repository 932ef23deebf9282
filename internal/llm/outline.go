package llm

import (
	"encoding/json"
	"errors"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// Outline is what a stored call was, without what was said.
type Outline struct {
	Endpoint string
	Identity string // as in Record
	Model    string // as it was asked for
	Usage    Usage
	Millis   int64 // as in Record
}

// DecodeOutline reads the outline of a stored value, for those who count many:
// nearly all of a value is text, which it goes past once and fast. Like
// DecodeRecord it refuses what is not the record of a call, but it does not
// look at the text.
func DecodeOutline(value []byte) (Outline, error) {
	var o Outline
	var format, finish string
	var request []byte
	whole := members(value, func(name string, v []byte) {
		switch name {
		case "format":
			format = plainString(v)
		case "endpoint":
			o.Endpoint = plainString(v)
		case "identity":
			o.Identity = plainString(v)
		case "millis":
			_ = json.Unmarshal(v, &o.Millis) // not known, if it is no number
		case "request":
			request = v
		case "answer":
			members(v, func(name string, v []byte) {
				switch name {
				case "finish_reason":
					finish = plainString(v)
				case "usage":
					_ = json.Unmarshal(v, &o.Usage) // nothing, if it is no object
				}
			})
		}
	})
	if !whole || format != recordFormat || finish == "" {
		return Outline{}, errors.New("not the record of a call")
	}
	members(request, func(name string, v []byte) {
		if name == "model" {
			o.Model = plainString(v)
		}
	})
	return o, nil
}

// plainString is a JSON string's text; "" if it is none.
func plainString(v []byte) (s string) {
	_ = json.Unmarshal(v, &s) // "", if it is none
	return s
}

// members gives the members of a JSON object, and says whether it could go
// through to its end. It is for JSON that was written by this program: it sees
// where strings, objects and lists end, and nothing else that may be wrong.
func members(b []byte, f func(name string, value []byte)) bool {
	i := past(b, 0)
	if i == len(b) || b[i] != '{' {
		return false
	}
	for i = past(b, i+1); i < len(b) && b[i] == '"'; i = past(b, i+1) {
		name := i
		if i = skip(b, i); i < 0 {
			return false
		}
		text := b[name+1 : i-1]
		if i = past(b, i); i == len(b) || b[i] != ':' {
			return false
		}
		start := past(b, i+1)
		if i = skip(b, start); i <= start {
			return false
		}
		f(string(text), b[start:i])
		if i = past(b, i); i == len(b) || b[i] != ',' {
			break
		}
	}
	return i < len(b) && b[i] == '}' && past(b, i+1) == len(b)
}

// past is where white space ends.
func past(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skip is where the value that begins at i ends; below 0 if it does not end.
func skip(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = endOfString(b, i); i < 0 {
				return -1
			}
			if i--; depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

// endOfString is where the string that begins at i ends; below 0 if it does
// not.
func endOfString(b []byte, i int) int {
	for i++; i < len(b); i += 2 { // past a backslash and what it escapes
		n, _ := jsontext.Plain(b[i:])
		if i += n; i == len(b) {
			return -1
		}
		if b[i] == '"' {
			return i + 1
		}
	}
	return -1
}
