package jsonl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// scan goes over a line once: ok says that it is a JSON object in UTF-8, and
// keyed that the object has the key at its top level. Odd is what readers of
// JSON do not agree on, the first such thing; "" if there is none.
func (s *scanner) scan(line []byte, key string) (ok, keyed bool, odd string) {
	s.b, s.i, s.key, s.keyed, s.odd, s.names = line, 0, key, false, "", s.names[:0]
	ok = len(line) > 0 && line[0] == '{' && s.value(1)
	s.space()
	return ok && s.i == len(line), s.keyed, s.odd
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
	odd   string
	names [][]byte // of the objects that are being read, the innermost last
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
	first := len(s.names)
	defer func() { s.names = s.names[:first] }()
	var many map[string]bool
	for {
		s.space()
		start := s.i
		if !s.text() {
			return false
		}
		name := nameOf(s.b[start:s.i])
		if depth == 1 && !s.keyed {
			s.keyed = string(name) == s.key
		}
		many = s.note(name, first, many)
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

// manyNames is from how many members on an object's names are in a map.
const manyNames = 24

// note holds an object's name to those before it, which are in names from
// first on, or in many once they are that.
func (s *scanner) note(name []byte, first int, many map[string]bool) map[string]bool {
	if s.odd != "" {
		return many
	}
	twice := false
	switch n := len(s.names) - first; {
	case n < manyNames:
		for _, before := range s.names[first:] {
			twice = twice || string(before) == string(name)
		}
		s.names = append(s.names, name)
	default:
		if many == nil {
			many = map[string]bool{}
			for _, before := range s.names[first:] {
				many[string(before)] = true
			}
		}
		twice = many[string(name)]
		many[string(name)] = true
	}
	if twice {
		s.odd = fmt.Sprintf("the name %.100q stands twice in one object, and readers differ in which of the two counts", name)
	}
	return many
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
			r, n := jsontext.Escape(s.b[s.i:])
			if n == 0 {
				return false
			}
			if r == utf8.RuneError && s.odd == "" && !bytes.EqualFold(s.b[s.i+2:s.i+6], []byte("fffd")) {
				s.odd = fmt.Sprintf("it holds %s, half of a character that takes two escapes", s.b[s.i:s.i+6])
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
	n, _ := jsontext.Number(s.b[s.i:])
	s.i += n
	return n > 0
}

// nameOf is the name that is written with quotes and perhaps with escapes.
func nameOf(quoted []byte) []byte {
	raw := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	var text string
	_ = json.Unmarshal(quoted, &text) // it is a string: it was gone past as one
	return []byte(text)
}
