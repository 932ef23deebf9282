package tools

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// sedParser reads sed's language.
type sedParser struct {
	text string
	kind byte
	at   int
	last *regexp.Regexp
}

func (p *sedParser) parse() ([]*sedCommand, error) {
	var program []*sedCommand
	var blocks []int
	labels := map[string]int{}
	for {
		p.skip(" \t\n;")
		if p.at >= len(p.text) {
			break
		}
		c := &sedCommand{}
		var err error
		if c.from, err = p.address(); err != nil {
			return nil, err
		}
		if c.from != nil && p.is(',') {
			if c.to, err = p.address(); err != nil {
				return nil, err
			}
			if c.to == nil {
				return nil, errors.New("unexpected `,'")
			}
		}
		p.skip(" \t")
		for p.is('!') {
			c.not = true
			p.skip(" \t")
		}
		if p.at >= len(p.text) {
			return nil, errors.New("missing command")
		}
		c.name = p.text[p.at]
		p.at++
		switch c.name {
		case '#':
			p.upTo("\n")
			continue
		case ':':
			labels[strings.TrimSpace(p.upTo("\n;"))] = len(program)
			continue
		case '{':
			blocks = append(blocks, len(program))
		case '}':
			if len(blocks) == 0 {
				return nil, errors.New("unexpected `}'")
			}
			program[blocks[len(blocks)-1]].end = len(program)
			blocks = blocks[:len(blocks)-1]
			continue
		default:
			if err := p.command(c); err != nil {
				return nil, err
			}
		}
		program = append(program, c)
	}
	if len(blocks) > 0 {
		return nil, errors.New("unmatched `{'")
	}
	for _, c := range program {
		if c.name != 'b' && c.name != 't' && c.name != 'T' {
			continue
		}
		c.end = len(program)
		if c.text != "" {
			to, ok := labels[c.text]
			if !ok {
				return nil, fmt.Errorf("can't find label for jump to `%s'", c.text)
			}
			c.end = to
		}
	}
	return program, nil
}

func (p *sedParser) skip(chars string) {
	for p.at < len(p.text) && strings.IndexByte(chars, p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *sedParser) is(ch byte) bool {
	if p.at < len(p.text) && p.text[p.at] == ch {
		p.at++
		return true
	}
	return false
}

func (p *sedParser) upTo(ends string) string {
	from := p.at
	for p.at < len(p.text) && strings.IndexByte(ends, p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[from:p.at]
}

func (p *sedParser) number() int {
	from := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	n, err := strconv.Atoi(p.text[from:p.at])
	if err != nil {
		return 0
	}
	return n
}

func (p *sedParser) address() (*sedAddress, error) {
	p.skip(" \t")
	if p.at >= len(p.text) {
		return nil, nil
	}
	a := &sedAddress{}
	switch ch := p.text[p.at]; {
	case ch >= '0' && ch <= '9':
		a.line = p.number()
		if p.is('~') {
			a.step = p.number()
		}
	case ch == '+':
		p.at++
		a.plus = p.number()
	case ch == '$':
		p.at++
		a.last = true
	case ch == '/' || ch == '\\':
		if ch == '\\' {
			p.at++
		}
		if p.at >= len(p.text) {
			return nil, errors.New("unterminated address regex")
		}
		delim := p.text[p.at]
		p.at++
		text, ok := p.delimited(delim, true)
		if !ok {
			return nil, errors.New("unterminated address regex")
		}
		fold := p.is('I')
		var err error
		if a.re, err = p.regex(text, fold); err != nil {
			return nil, err
		}
	default:
		return nil, nil
	}
	p.skip(" \t")
	return a, nil
}

func (p *sedParser) regex(text string, fold bool) (*regexp.Regexp, error) {
	if text == "" {
		if p.last == nil {
			return nil, errors.New("no previous regular expression")
		}
		return p.last, nil
	}
	re, err := compile(text, p.kind, fold)
	p.last = re
	return re, err
}

// delimited reads up to a delimiter that is not behind a backslash.
func (p *sedParser) delimited(delim byte, pattern bool) (string, bool) {
	var b strings.Builder
	inSet := false
	for p.at < len(p.text) {
		ch := p.text[p.at]
		p.at++
		switch {
		case ch == '\\' && p.at < len(p.text):
			next := p.text[p.at]
			p.at++
			if next == delim && (delim != '|' || !pattern) {
				b.WriteByte(delim)
				continue
			}
			b.WriteByte('\\')
			b.WriteByte(next)
		case ch == delim && !inSet:
			return b.String(), true
		default:
			if pattern && ch == '[' {
				inSet = strings.IndexByte(p.text[min(p.at+1, len(p.text)):], ']') >= 0 && delim != '['
			} else if ch == ']' {
				inSet = false
			}
			b.WriteByte(ch)
		}
	}
	return "", false
}

func (p *sedParser) command(c *sedCommand) error {
	switch c.name {
	case 's':
		return p.substitute(c)
	case 'y':
		return p.transliterate(c)
	case 'a', 'i', 'c':
		p.skip(" \t")
		if p.is('\\') {
			p.skip(" \t")
			p.is('\n')
		}
		c.text = p.textLines()
	case 'b', 't', 'T':
		c.text = strings.TrimSpace(p.upTo("\n;}"))
	case 'r', 'w':
		p.skip(" \t")
		c.file = p.upTo("\n")
	case 'q', 'Q':
		p.skip(" \t")
		c.text = strconv.Itoa(p.number())
	case 'd', 'D', 'p', 'P', 'n', 'N', '=', 'h', 'H', 'g', 'G', 'x', 'l', 'z':
	case 'e':
		return errors.New("the command `e' is not there")
	default:
		return fmt.Errorf("unknown command: `%c'", c.name)
	}
	p.skip(" \t")
	if p.at < len(p.text) && strings.IndexByte(";\n}#", p.text[p.at]) < 0 {
		return errors.New("extra characters after command")
	}
	return nil
}

// textLines reads the text of a, i and c: a line, and those after a backslash.
func (p *sedParser) textLines() string {
	var b strings.Builder
	for p.at < len(p.text) {
		ch := p.text[p.at]
		p.at++
		if ch == '\\' && p.at < len(p.text) {
			b.WriteByte(p.text[p.at])
			p.at++
			continue
		}
		if ch == '\n' {
			p.at--
			break
		}
		b.WriteByte(ch)
	}
	return b.String()
}

func (p *sedParser) substitute(c *sedCommand) error {
	bad := errors.New("unterminated `s' command")
	if p.at >= len(p.text) {
		return bad
	}
	delim := p.text[p.at]
	p.at++
	pattern, ok := p.delimited(delim, true)
	if !ok {
		return bad
	}
	if c.text, ok = p.delimited(delim, false); !ok {
		return bad
	}
	fold := false
	for p.at < len(p.text) {
		switch ch := p.text[p.at]; {
		case ch == 'g':
			c.global = true
		case ch == 'p':
			c.print = true
		case ch == 'i' || ch == 'I':
			fold = true
		case ch == 'm' || ch == 'M':
		case ch >= '1' && ch <= '9':
			c.nth = p.number()
			continue
		case ch == 'w':
			p.at++
			p.skip(" \t")
			c.file = p.upTo("\n")
			continue
		case strings.IndexByte(" \t;\n}#", ch) >= 0:
			var err error
			c.re, err = p.regex(pattern, fold)
			return err
		default:
			return errors.New("unknown option to `s'")
		}
		p.at++
	}
	var err error
	c.re, err = p.regex(pattern, fold)
	return err
}

func (p *sedParser) transliterate(c *sedCommand) error {
	if p.at >= len(p.text) {
		return errors.New("unterminated `y' command")
	}
	delim := p.text[p.at]
	p.at++
	from, ok := p.delimited(delim, false)
	to, ok2 := p.delimited(delim, false)
	a, b := []rune(unescape(from)), []rune(unescape(to))
	if !ok || !ok2 {
		return errors.New("unterminated `y' command")
	}
	if len(a) != len(b) {
		return errors.New("strings for `y' command are different lengths")
	}
	c.chars = map[rune]rune{}
	for i := range a {
		c.chars[a[i]] = b[i]
	}
	return nil
}

// expandSed writes a replacement with what was matched.
func expandSed(with, text string, loc []int) string {
	var b strings.Builder
	mode, once := byte(0), byte(0)
	write := func(s string) {
		if s == "" {
			return
		}
		switch mode {
		case 'U':
			s = strings.ToUpper(s)
		case 'L':
			s = strings.ToLower(s)
		}
		switch once {
		case 'u':
			s = strings.ToUpper(s[:1]) + s[1:]
		case 'l':
			s = strings.ToLower(s[:1]) + s[1:]
		}
		once = 0
		b.WriteString(s)
	}
	for i := 0; i < len(with); i++ {
		switch {
		case with[i] == '&':
			write(text[loc[0]:loc[1]])
		case with[i] == '\\' && i+1 < len(with):
			i++
			switch ch := with[i]; {
			case ch >= '0' && ch <= '9':
				if k := int(ch-'0') * 2; k+1 < len(loc) && loc[k] >= 0 {
					write(text[loc[k]:loc[k+1]])
				}
			case ch == 'n':
				write("\n")
			case ch == 't':
				write("\t")
			case ch == 'U' || ch == 'L':
				mode = ch
			case ch == 'E':
				mode = 0
			case ch == 'u' || ch == 'l':
				once = ch
			default:
				write(string(ch))
			}
		default:
			write(string(with[i]))
		}
	}
	return b.String()
}
