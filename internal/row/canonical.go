package row

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/autosafe/autosafe/spec/jsontext"
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
	if err := c.end(); err != nil {
		return nil, err
	}
	return c.out, nil
}

// canonicaliser reads in once, from left to right, and writes out.
type canonicaliser struct {
	in      []byte
	pos     int
	out     []byte
	members []member // of the objects that are being read, the innermost last
	sorted  []byte   // reorder's, used again
}

// begin makes c ready for another text. Its memory is used again, unless a
// huge text made it huge.
func (c *canonicaliser) begin(in []byte) {
	const huge = 1 << 20
	if cap(c.out) > huge {
		c.out, c.sorted = nil, nil
	}
	c.in, c.pos, c.out, c.members = in, 0, c.out[:0], c.members[:0]
}

// end checks that nothing follows the value.
func (c *canonicaliser) end() error {
	c.space()
	if c.pos != len(c.in) {
		return c.fail("data after the value")
	}
	return nil
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
	switch b := c.in[c.pos]; b {
	case '{':
		body, first := len(c.out)+1, len(c.members)
		sorted, err := c.object(depth)
		if err == nil && !sorted {
			c.reorder(body, first)
		}
		c.members = c.members[:first]
		return err
	case '[':
		return c.array(depth)
	case '"':
		return c.str()
	case 't':
		return c.word("true")
	case 'f':
		return c.word("false")
	case 'n':
		return c.word("null")
	default:
		if b == '-' || '0' <= b && b <= '9' {
			return c.number()
		}
	}
	return c.fail("unexpected character")
}

func (c *canonicaliser) word(word string) error {
	end := c.pos + len(word)
	if end > len(c.in) || string(c.in[c.pos:end]) != word {
		return c.fail("unexpected character")
	}
	c.pos = end
	c.out = append(c.out, word...)
	return nil
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

// member is a key and value of an object, by their places in out.
type member struct {
	start, colon, end int
	escaped           bool // the key is written with escapes
}

// name is a member's key, decoded.
func (c *canonicaliser) name(m member) []byte {
	if m.escaped {
		return jsontext.Unquote(c.out[m.start:m.colon])
	}
	return c.out[m.start+1 : m.colon-1]
}

// object copies an object, its members in the order in which they come, and
// puts their places on top of members. It says whether that order is the
// canonical one.
func (c *canonicaliser) object(depth int) (sorted bool, err error) {
	c.pos++
	c.out = append(c.out, '{')
	c.space()
	if c.peek() == '}' {
		c.pos++
		c.out = append(c.out, '}')
		return true, nil
	}
	sorted = true
	for first := len(c.members); ; {
		m, err := c.member(depth)
		if err != nil {
			return false, err
		}
		if n := len(c.members); sorted && n > first {
			sorted = bytes.Compare(c.name(c.members[n-1]), c.name(m)) < 0
		}
		c.members = append(c.members, m)
		c.space()
		switch c.peek() {
		case ',':
			c.pos++
			c.out = append(c.out, ',')
		case '}':
			c.pos++
			c.out = append(c.out, '}')
			return sorted, nil
		default:
			return false, c.fail("expected , or }")
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
	m.colon = len(c.out)
	m.escaped = bytes.IndexByte(c.out[m.start:m.colon], '\\') >= 0
	c.space()
	if c.peek() != ':' {
		return m, c.fail("expected :")
	}
	c.pos++
	c.out = append(c.out, ':')
	err := c.value(depth + 1)
	m.end = len(c.out)
	return m, err
}

// order puts the members from first on in order of key. Of equal keys the
// last one stays, as encoding/json has it.
func (c *canonicaliser) order(first int) []member {
	list := c.members[first:]
	slices.SortStableFunc(list, func(a, b member) int { return bytes.Compare(c.name(a), c.name(b)) })
	kept := list[:0]
	for i, m := range list {
		if i+1 == len(list) || !bytes.Equal(c.name(list[i+1]), c.name(m)) {
			kept = append(kept, m)
		}
	}
	return kept
}

// reorder rewrites the object that ends out, and whose first member begins at
// body, in canonical order.
func (c *canonicaliser) reorder(body, first int) {
	c.sorted = c.sorted[:0]
	for _, m := range c.order(first) {
		c.sorted = append(c.sorted, c.out[m.start:m.end]...)
		c.sorted = append(c.sorted, ',')
	}
	c.out = append(c.out[:body], c.sorted...)
	c.out[len(c.out)-1] = '}'
}

func (c *canonicaliser) number() error {
	n, integer := jsontext.Number(c.in[c.pos:])
	if n == 0 {
		return c.fail("malformed number")
	}
	text := c.in[c.pos : c.pos+n]
	c.pos += n
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
