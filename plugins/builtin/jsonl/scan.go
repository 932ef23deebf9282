package jsonl

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// scan goes over a line once: ok says that it is a JSON object in UTF-8, and
// keyed that the object has the key at its top level.
func scan(line []byte, key string) (ok, keyed bool) {
	s := scanner{b: line, key: key}
	ok = len(line) > 0 && line[0] == '{' && s.value(1)
	s.space()
	return ok && s.i == len(line), s.keyed
}

// maxDepth is what encoding/json takes.
const maxDepth = 10000

// scanner checks JSON. Its methods go past what they are named after, and say
// whether it was there.
type scanner struct {
	b     []byte
	i     int
	key   string
	keyed bool
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// take goes past c, with white space before it.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) value(depth int) bool {
	s.space()
	if s.i == len(s.b) || depth > maxDepth+1 {
		return false
	}
	switch s.b[s.i] {
	case '{':
		return depth <= maxDepth && s.object(depth)
	case '[':
		return depth <= maxDepth && s.list(depth)
	case '"':
		return s.text()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *scanner) object(depth int) bool {
	s.i++
	if s.take('}') {
		return true
	}
	for {
		s.space()
		start := s.i
		if !s.text() {
			return false
		}
		if depth == 1 && !s.keyed {
			s.keyed = equalString(s.b[start:s.i], s.key)
		}
		if !s.take(':') || !s.value(depth+1) {
			return false
		}
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *scanner) list(depth int) bool {
	s.i++
	if s.take(']') {
		return true
	}
	for s.value(depth + 1) {
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
	return false
}

// text is a string in UTF-8.
func (s *scanner) text() bool {
	if s.i == len(s.b) || s.b[s.i] != '"' {
		return false
	}
	for s.i++; ; {
		n, ascii := jsontext.Plain(s.b[s.i:])
		if !ascii && !utf8.Valid(s.b[s.i:s.i+n]) {
			return false
		}
		if s.i += n; s.i == len(s.b) {
			return false
		}
		switch s.b[s.i] {
		case '"':
			s.i++
			return true
		case '\\':
			_, n := jsontext.Escape(s.b[s.i:])
			if n == 0 {
				return false
			}
			s.i += n
		default: // a control character
			return false
		}
	}
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

func (s *scanner) number() bool {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		if s.i++; !s.digits() {
			return false
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		if s.i++; s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

// equalString compares a key as it is written, with its quotes and perhaps
// with escapes.
func equalString(quoted []byte, key string) bool {
	if len(quoted) == len(key)+2 {
		return string(quoted[1:len(quoted)-1]) == key
	}
	var text string
	return len(quoted) > len(key)+2 && bytes.IndexByte(quoted, '\\') >= 0 &&
		json.Unmarshal(quoted, &text) == nil && text == key
}
