// Package literal reads values as Python writes them, which sets of agents' runs
// have in place of JSON.
//
// It runs nothing and knows no names but True, False and None.
package literal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// JSON turns the text of a Python literal, as repr writes it, into JSON:
// dictionaries with text keys, lists, tuples, texts, numbers, True, False, None.
// Members keep their order.
func JSON(text string) (json.RawMessage, error) {
	p := &python{rest: text}
	if err := p.value(0); err != nil {
		return nil, fmt.Errorf("at character %d: %w", len(text)-len(p.rest)+1, err)
	}
	p.space()
	if p.rest != "" {
		return nil, errors.New("something stands after the value")
	}
	if !json.Valid(p.out.Bytes()) {
		return nil, errors.New("it has no form in JSON")
	}
	return p.out.Bytes(), nil
}

type python struct {
	rest string
	out  bytes.Buffer
}

// maxDepth bounds how deep values may stand within each other.
const maxDepth = 100

func (p *python) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// eat takes a token if it comes next.
func (p *python) eat(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *python) value(depth int) error {
	if depth > maxDepth {
		return errors.New("it is nested too deep")
	}
	switch {
	case p.eat("{"):
		return p.items("{", "}", func() error {
			if err := p.text(); err != nil {
				return err
			}
			if !p.eat(":") {
				return errors.New(`":" is missing after a key`)
			}
			p.out.WriteByte(':')
			return p.value(depth + 1)
		})
	case p.eat("["):
		return p.items("[", "]", func() error { return p.value(depth + 1) })
	case p.eat("("):
		return p.items("[", ")", func() error { return p.value(depth + 1) })
	case strings.HasPrefix(p.rest, "'") || strings.HasPrefix(p.rest, `"`):
		return p.text()
	}
	end := strings.IndexAny(p.rest, ",]}): \t\r\n")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	switch word {
	case "True", "False":
		p.out.WriteString(strings.ToLower(word))
	case "None":
		p.out.WriteString("null")
	default:
		if word == "" || !json.Valid([]byte(word)) || !strings.ContainsAny(word[:1], "-0123456789") {
			return fmt.Errorf("%.20q is no value", word)
		}
		p.out.WriteString(word)
	}
	p.rest = p.rest[end:]
	return nil
}

// items reads what stands between brackets, parted by commas.
func (p *python) items(open, end string, item func() error) error {
	p.out.WriteString(open)
	for first := true; !p.eat(end); first = false {
		if !first {
			if !p.eat(",") {
				return fmt.Errorf(`"," or %q is missing`, end)
			}
			if p.eat(end) { // (1,)
				break
			}
			p.out.WriteByte(',')
		}
		if err := item(); err != nil {
			return err
		}
	}
	if open == "[" {
		end = "]"
	}
	p.out.WriteString(end)
	return nil
}

// text reads a text in either kind of quotation marks.
func (p *python) text() error {
	p.space()
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		return errors.New("a text is missing")
	}
	quote := p.rest[0]
	p.rest = p.rest[1:]
	var b strings.Builder
	for {
		i := strings.IndexAny(p.rest, string(rune(quote))+"\\\n")
		if i < 0 || p.rest[i] == '\n' {
			return errors.New("a text does not end")
		}
		b.WriteString(p.rest[:i])
		mark := p.rest[i]
		p.rest = p.rest[i+1:]
		if mark == quote {
			break
		}
		if err := p.escape(&b); err != nil {
			return err
		}
	}
	encoder := json.NewEncoder(&p.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(strings.ToValidUTF8(b.String(), "\uFFFD")); err != nil {
		return err
	}
	p.out.Truncate(p.out.Len() - 1) // the encoder's line end
	return nil
}

// escape reads what follows a backslash.
func (p *python) escape(b *strings.Builder) error {
	if p.rest == "" {
		return errors.New("a text does not end")
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	if i := strings.IndexByte(`nrtabfv0'"\`, c); i >= 0 {
		b.WriteByte("\n\r\t\a\b\f\v\x00'\"\\"[i])
		return nil
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if digits == 0 {
		b.WriteByte('\\') // Python keeps a backslash that means nothing
		b.WriteByte(c)
		return nil
	}
	if len(p.rest) < digits {
		return errors.New("an escape does not end")
	}
	n, err := strconv.ParseUint(p.rest[:digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return errors.New("an escape is no character")
	}
	b.WriteRune(rune(n))
	p.rest = p.rest[digits:]
	return nil
}
