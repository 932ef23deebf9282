package files

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// compact is a JSON object without space between its parts and in UTF-8, as
// the functions below want it: the text itself where it is so already, as
// rows from autosafe's engine are. It is nil for all but objects.
func compact(text []byte) []byte {
	if len(text) > 0 && text[0] == '{' && tight(text, 0, 0) == len(text) && utf8.Valid(text) {
		return text
	}
	text = compacted(bytes.ToValidUTF8(text, []byte("\ufffd")))
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	return text
}

// compacted is a JSON value without space between its parts; nil if it is none.
func compacted(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return nil
	}
	return b.Bytes()
}

// tightDepth is how deep tight looks; encoding/json looks after the rest.
const tightDepth = 200

// tight is the index after the JSON value that begins at i and has no space
// between its parts; -1 if there is none, or one too deep.
func tight(b []byte, i, depth int) int {
	if i >= len(b) || depth > tightDepth {
		return -1
	}
	switch c := b[i]; c {
	case '"':
		return tightText(b, i)
	case '{', '[':
		return tightParts(b, i, depth)
	case 't':
		return word(b, i, "true")
	case 'f':
		return word(b, i, "false")
	case 'n':
		return word(b, i, "null")
	}
	return number(b, i)
}

// tightParts is tight for an object or a list.
func tightParts(b []byte, i, depth int) int {
	object, end := b[i] == '{', b[i]+2 // } is two after {, and ] after [
	i++
	if i < len(b) && b[i] == end {
		return i + 1
	}
	for {
		if object {
			if i >= len(b) || b[i] != '"' {
				return -1
			}
			if i = tightText(b, i); i < 0 || i >= len(b) || b[i] != ':' {
				return -1
			}
			i++
		}
		if i = tight(b, i, depth+1); i < 0 || i >= len(b) {
			return -1
		}
		switch b[i] {
		case end:
			return i + 1
		case ',':
			i++
		default:
			return -1
		}
	}
}

func tightText(b []byte, i int) int {
	for i++; ; {
		n, _ := jsontext.Plain(b[i:])
		if i += n; i >= len(b) {
			return -1
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			_, n := jsontext.Escape(b[i:])
			if n == 0 {
				return -1
			}
			i += n
		default:
			return -1
		}
	}
}

func word(b []byte, i int, w string) int {
	if len(b)-i >= len(w) && string(b[i:i+len(w)]) == w {
		return i + len(w)
	}
	return -1
}

func number(b []byte, i int) int {
	n, _ := jsontext.Number(b[i:])
	if n == 0 {
		return -1
	}
	return i + n
}

// members calls fn with each member of a compact object: its name, with
// quotes and escapes, and its value.
func members(object []byte, fn func(name, value []byte)) {
	for i := 1; i < len(object)-1; i++ {
		colon := skipText(object, i)
		end := skip(object, colon+1)
		fn(object[i:colon], object[colon+1:end])
		i = end
	}
}

// elements calls fn with each value of a compact list.
func elements(list []byte, fn func(value []byte)) {
	for i := 1; i < len(list)-1; i++ {
		end := skip(list, i)
		fn(list[i:end])
		i = end
	}
}

// skip is the index after the compact value that begins at i.
func skip(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipText(b, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth <= 1 {
				return i + depth
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

func skipText(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		slashes := 0
		for slashes < n && b[i+n-1-slashes] == '\\' {
			slashes++
		}
		if i += n; slashes%2 == 0 {
			return i + 1
		}
	}
	return len(b)
}

// appendText appends a text, which is UTF-8, as a JSON string.
func appendText(b, text []byte) []byte {
	b = append(b, '"')
	for {
		n, _ := jsontext.Plain(text)
		b = append(b, text[:n]...)
		if n == len(text) {
			return append(b, '"')
		}
		b = jsontext.AppendChar(b, text[n])
		text = text[n+1:]
	}
}
