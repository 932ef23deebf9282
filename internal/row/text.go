package row

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// str copies a string. The plain case, no escapes and valid UTF-8, is by far
// the most common one.
func (c *canonicaliser) str() error {
	n, ascii := jsontext.Plain(c.in[c.pos+1:])
	end := c.pos + 1 + n
	if end < len(c.in) && c.in[end] == '"' && (ascii || utf8.Valid(c.in[c.pos:end])) {
		c.out = append(c.out, c.in[c.pos:end+1]...)
		c.pos = end + 1
		return nil
	}
	return c.rewrite()
}

// rewrite is str for any string: escapes are written in the one canonical
// way, and what is no UTF-8 as U+FFFD.
func (c *canonicaliser) rewrite() error {
	c.out = append(c.out, '"')
	for i := c.pos + 1; ; {
		n, ascii := jsontext.Plain(c.in[i:])
		c.out = jsontext.AppendUTF8(c.out, c.in[i:i+n], ascii)
		if i += n; i >= len(c.in) {
			return c.fail("unterminated string")
		}
		switch c.in[i] {
		case '"':
			c.out = append(c.out, '"')
			c.pos = i + 1
			return nil
		case '\\':
			r, n := jsontext.Escape(c.in[i:])
			if n == 0 {
				return c.fail(errString.Error())
			}
			if r < utf8.RuneSelf {
				c.out = jsontext.AppendChar(c.out, byte(r))
			} else {
				c.out = utf8.AppendRune(c.out, r)
			}
			i += n
		default:
			return c.fail("control character in a string")
		}
	}
}

// skipString returns the index after the string that begins at i, or -1.
func skipString(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		slashes := 0
		for slashes < n && b[i+n-1-slashes] == '\\' {
			slashes++
		}
		i += n + 1
		if slashes%2 == 0 {
			return i
		}
	}
}

// skipValue returns the index after the canonical value that begins at i, or
// -1. It trusts the value to be well formed.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return -1
}

var errString = errors.New("malformed string")

// appendString writes s, which is valid UTF-8, as a canonical JSON string.
func appendString[T ~string | ~[]byte](b []byte, s T) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		ch := s[i]
		if ch >= 0x20 && ch != '"' && ch != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		b = jsontext.AppendChar(b, ch)
		start = i + 1
	}
	return append(append(b, s[start:]...), '"')
}
