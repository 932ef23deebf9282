package row

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON from models and plugins, so that it
// cannot exhaust the stack.
const maxDepth = 512

// Canonical returns the canonical form of one JSON value. It refuses what
// encoding/json refuses, and values nested more than 512 deep.
func Canonical(b []byte) ([]byte, error) {
	c := canonicaliser{in: b, out: make([]byte, 0, len(b))}
	if err := c.value(0); err != nil {
		return nil, err
	}
	c.space()
	if c.pos != len(c.in) {
		return nil, c.fail("data after the value")
	}
	return c.out, nil
}

type canonicaliser struct {
	in  []byte
	pos int
	out []byte
}

func (c *canonicaliser) fail(what string) error {
	return fmt.Errorf("invalid JSON at byte %d: %s", c.pos, what)
}

func (c *canonicaliser) space() {
	for c.pos < len(c.in) {
		switch c.in[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return
		}
	}
}

func (c *canonicaliser) peek() byte {
	if c.pos < len(c.in) {
		return c.in[c.pos]
	}
	return 0
}

func (c *canonicaliser) value(depth int) error {
	if depth > maxDepth {
		return c.fail("nested too deeply")
	}
	c.space()
	if c.pos >= len(c.in) {
		return c.fail("unexpected end")
	}
	switch b := c.in[c.pos]; {
	case b == '{':
		return c.object(depth)
	case b == '[':
		return c.array(depth)
	case b == '"':
		return c.str()
	case b == '-' || '0' <= b && b <= '9':
		return c.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(string(c.in[c.pos:min(len(c.in), c.pos+5)]), word) {
			c.pos += len(word)
			c.out = append(c.out, word...)
			return nil
		}
	}
	return c.fail("unexpected character")
}

func (c *canonicaliser) array(depth int) error {
	c.pos++
	c.out = append(c.out, '[')
	c.space()
	if c.peek() == ']' {
		c.pos++
		c.out = append(c.out, ']')
		return nil
	}
	for {
		if err := c.value(depth + 1); err != nil {
			return err
		}
		c.space()
		switch c.peek() {
		case ',':
			c.pos++
			c.out = append(c.out, ',')
		case ']':
			c.pos++
			c.out = append(c.out, ']')
			return nil
		default:
			return c.fail("expected , or ]")
		}
	}
}

// member is one key and value of an object, as written to out.
type member struct {
	name       string
	start, end int
}

func (c *canonicaliser) object(depth int) error {
	c.pos++
	c.out = append(c.out, '{')
	body := len(c.out)
	c.space()
	if c.peek() == '}' {
		c.pos++
		c.out = append(c.out, '}')
		return nil
	}
	var room [24]member
	members, sorted := room[:0], true
	for {
		m, err := c.member(depth)
		if err != nil {
			return err
		}
		if n := len(members); n > 0 && members[n-1].name >= m.name {
			sorted = false
		}
		members = append(members, m)
		c.space()
		switch c.peek() {
		case ',':
			c.pos++
			c.out = append(c.out, ',')
		case '}':
			c.pos++
			if !sorted {
				c.reorder(body, members)
			}
			c.out = append(c.out, '}')
			return nil
		default:
			return c.fail("expected , or }")
		}
	}
}

func (c *canonicaliser) member(depth int) (member, error) {
	c.space()
	if c.peek() != '"' {
		return member{}, c.fail("expected a key")
	}
	m := member{start: len(c.out)}
	if err := c.str(); err != nil {
		return m, err
	}
	var err error
	if m.name, err = unquote(c.out[m.start:]); err != nil {
		return m, err
	}
	c.space()
	if c.peek() != ':' {
		return m, c.fail("expected :")
	}
	c.pos++
	c.out = append(c.out, ':')
	err = c.value(depth + 1)
	m.end = len(c.out)
	return m, err
}

// reorder rewrites an object's members in order of key. Of equal keys the
// last one stays, as encoding/json has it.
func (c *canonicaliser) reorder(body int, members []member) {
	sort.SliceStable(members, func(i, j int) bool { return members[i].name < members[j].name })
	sorted := make([]byte, 0, len(c.out)-body)
	for i, m := range members {
		if i+1 < len(members) && members[i+1].name == m.name {
			continue
		}
		if len(sorted) > 0 {
			sorted = append(sorted, ',')
		}
		sorted = append(sorted, c.out[m.start:m.end]...)
	}
	c.out = append(c.out[:body], sorted...)
}

func (c *canonicaliser) number() error {
	start := c.pos
	integer := true
	if c.peek() == '-' {
		c.pos++
	}
	switch {
	case c.peek() == '0':
		c.pos++
	case '1' <= c.peek() && c.peek() <= '9':
		c.digits()
	default:
		return c.fail("malformed number")
	}
	if c.peek() == '.' {
		integer = false
		c.pos++
		if !c.digits() {
			return c.fail("malformed number")
		}
	}
	if c.peek() == 'e' || c.peek() == 'E' {
		integer = false
		c.pos++
		if c.peek() == '+' || c.peek() == '-' {
			c.pos++
		}
		if !c.digits() {
			return c.fail("malformed number")
		}
	}
	text := c.in[start:c.pos]
	const surelyFinite = 300 // digits
	if integer && len(text) < surelyFinite {
		if string(text) == "-0" {
			text = text[1:]
		}
		c.out = append(c.out, text...)
		return nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return c.fail("number out of range")
	}
	c.out = appendFloat(c.out, f)
	return nil
}

func (c *canonicaliser) digits() bool {
	start := c.pos
	for '0' <= c.peek() && c.peek() <= '9' {
		c.pos++
	}
	return c.pos > start
}

// appendFloat writes a float64 as encoding/json does, so that a value that
// went through Go's decoder and encoder comes out alike.
func appendFloat(b []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.AppendInt(b, int64(f), 10)
	}
	format := byte('f')
	if abs := math.Abs(f); abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// str copies a string. The plain case, no escapes and valid UTF-8, is by far
// the most common one.
func (c *canonicaliser) str() error {
	start := c.pos
	end := skipString(c.in, start)
	if end < 0 {
		return c.fail("unterminated string")
	}
	text := c.in[start:end]
	plain := true
	for _, b := range text[1 : len(text)-1] {
		if b < 0x20 {
			return c.fail("control character in a string")
		}
		if b == '\\' {
			plain = false
		}
	}
	c.pos = end
	if plain && utf8.Valid(text) {
		c.out = append(c.out, text...)
		return nil
	}
	s, err := unquote(text)
	if err != nil {
		c.pos = start
		return c.fail(err.Error())
	}
	c.out = appendString(c.out, s)
	return nil
}

// skipString returns the index after the string that begins at i, or -1.
func skipString(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
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

// unquote decodes a JSON string with its quotes. Lone surrogates and invalid
// UTF-8 become U+FFFD.
func unquote(b []byte) (string, error) {
	if len(b) < 2 {
		return "", errString
	}
	b = b[1 : len(b)-1]
	i := 0
	for i < len(b) && b[i] != '\\' {
		i++
	}
	if i == len(b) {
		return validUTF8(b), nil
	}
	out := append(make([]byte, 0, len(b)), b[:i]...)
	for i < len(b) {
		if b[i] != '\\' {
			out = append(out, b[i])
			i++
			continue
		}
		r, n := escape(b[i:])
		if n == 0 {
			return "", errString
		}
		out = utf8.AppendRune(out, r)
		i += n
	}
	return validUTF8(out), nil
}

// validUTF8 puts U+FFFD in the place of every byte that is not UTF-8.
func validUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}

// escape decodes one escape sequence and says how long it is; 0 if it is none.
func escape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, ok := hex4(b[2:])
		if !ok {
			return 0, 0
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
			if r2, ok := hex4(b[8:]); ok {
				if full := utf16.DecodeRune(r, r2); full != utf8.RuneError {
					return full, 12
				}
			}
		}
		return utf8.RuneError, 6
	}
	return 0, 0
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil
}

// appendString writes s as a canonical JSON string.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		ch := s[i]
		if ch >= 0x20 && ch != '"' && ch != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		switch ch {
		case '"', '\\':
			b = append(b, '\\', ch)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[ch>>4], digits[ch&15])
		}
		start = i + 1
	}
	return append(append(b, s[start:]...), '"')
}
