package awk

import "slices"

// list is expressions up to a closing bracket.
func (p *parser) list(closing string) []*node {
	var all []*node
	oldIn, oldGreat := p.noIn, p.noGreat
	p.noIn, p.noGreat = false, false
	for p.skipNewlines(); !p.take(closing) && p.err == nil; p.skipNewlines() {
		all = append(all, p.expr())
		p.skipNewlines()
		if !p.take(",") && !p.is(closing) {
			p.fail("%q where %q should be", p.tok.text, closing)
		}
	}
	p.noIn, p.noGreat = oldIn, oldGreat
	return all
}

func (p *parser) expr() *node {
	p.enter()
	defer func() { p.depth-- }()
	left := p.ternary()
	if p.tok.kind == op && slices.Contains([]string{"=", "+=", "-=", "*=", "/=", "%=", "^=", "**="}, p.tok.text) {
		if left.what != "name" && left.what != "index" && left.what != "field" {
			p.fail("this cannot be assigned to")
		}
		text := p.tok.text[:len(p.tok.text)-1]
		p.advance()
		p.skipNewlines()
		return &node{what: "assign", text: text, kids: []*node{left, p.expr()}}
	}
	return left
}

func (p *parser) ternary() *node {
	cond := p.binary(0)
	if p.take("?") {
		p.skipNewlines()
		yes := p.expr()
		p.skipNewlines()
		p.want(":")
		p.skipNewlines()
		return &node{what: "?", kids: []*node{cond, yes, p.expr()}}
	}
	return cond
}

// levels are the operators that come before concatenation, loosest first.
func levels(i int) []string {
	return [][]string{{"||"}, {"&&"}, {"in"}, {"~", "!~"}, {"<", "<=", "==", "!=", ">", ">="}}[i]
}

func (p *parser) binary(level int) *node {
	if level == 5 {
		return p.concat()
	}
	left := p.binary(level + 1)
	for p.tok.kind == op || p.is("in") {
		text := p.tok.text
		if !slices.Contains(levels(level), text) || text == ">" && p.noGreat {
			break
		}
		p.advance()
		if text == "||" || text == "&&" {
			p.skipNewlines()
		}
		if text == "in" {
			keys := []*node{left}
			if left.what == "group" {
				keys = left.kids
			}
			left = &node{what: "in", text: p.tok.text, kids: keys}
			p.advance()
			continue
		}
		left = &node{what: text, kids: []*node{left, p.binary(level + 1)}}
	}
	return left
}

func (p *parser) startsValue() bool {
	switch p.tok.kind {
	case number, str, name, call:
		return true
	case keyword:
		return builtin(p.tok.text)
	case op:
		return slices.Contains([]string{"$", "(", "++", "--"}, p.tok.text)
	}
	return false
}

func (p *parser) concat() *node {
	left := p.sum()
	for p.startsValue() && !p.is("in") {
		left = &node{what: "concat", kids: []*node{left, p.sum()}}
	}
	if p.is("|") && !p.noGreat {
		p.fail("pipes into getline are not supported here")
	}
	return left
}

func (p *parser) sum() *node {
	left := p.product()
	for p.is("+") || p.is("-") {
		text := p.tok.text
		p.advance()
		left = &node{what: text, kids: []*node{left, p.product()}}
	}
	return left
}

func (p *parser) product() *node {
	left := p.unary()
	for p.is("*") || p.is("/") || p.is("%") {
		text := p.tok.text
		p.advance()
		left = &node{what: text, kids: []*node{left, p.unary()}}
	}
	return left
}

func (p *parser) unary() *node {
	p.enter()
	defer func() { p.depth-- }()
	for _, text := range []string{"!", "-", "+"} {
		if p.take(text) {
			return &node{what: "unary" + text, kids: []*node{p.unary()}}
		}
	}
	left := p.postfix()
	if p.is("^") || p.is("**") {
		p.advance()
		return &node{what: "^", kids: []*node{left, p.unary()}}
	}
	return left
}

func (p *parser) postfix() *node {
	for _, text := range []string{"++", "--"} {
		if p.take(text) {
			return &node{what: "pre" + text, kids: []*node{p.postfix()}}
		}
	}
	n := p.primary()
	if n.what == "name" || n.what == "index" || n.what == "field" {
		for _, text := range []string{"++", "--"} {
			if p.take(text) {
				return &node{what: "post" + text, kids: []*node{n}}
			}
		}
	}
	return n
}

func (p *parser) primary() *node {
	p.enter()
	defer func() { p.depth-- }()
	tok := p.tok
	switch {
	case tok.kind == number:
		p.advance()
		return &node{what: "number", num: tok.num}
	case tok.kind == str:
		p.advance()
		return &node{what: "string", text: tok.text}
	case p.is("/") || p.is("/="):
		text := p.regexp()
		p.advance()
		return &node{what: "regex", text: text}
	case p.take("$"):
		if p.is("++") || p.is("--") || p.is("-") {
			return &node{what: "field", kids: []*node{p.unary()}}
		}
		return &node{what: "field", kids: []*node{p.primary()}}
	case p.take("("):
		kids := p.list(")")
		if len(kids) == 0 {
			p.fail("an empty group")
			return &node{what: "number"}
		}
		return &node{what: "group", kids: kids}
	case tok.kind == call:
		p.advance()
		p.want("(")
		return &node{what: "call", text: tok.text, kids: p.list(")")}
	case tok.kind == name:
		p.advance()
		if p.take("[") {
			return &node{what: "index", text: tok.text, kids: p.list("]")}
		}
		return &node{what: "name", text: tok.text}
	case tok.kind == keyword && builtin(tok.text):
		p.advance()
		n := &node{what: "builtin", text: tok.text}
		if p.take("(") {
			n.kids = p.list(")")
		} else if tok.text != "length" {
			p.fail("%s needs ()", tok.text)
		}
		return n
	case p.take("getline"):
		n := &node{what: "getline"}
		if p.tok.kind == name {
			n.text = p.tok.text
			p.advance()
		}
		if p.take("<") {
			n.kids = []*node{p.primary()}
		}
		return n
	}
	p.fail("unexpected %q", tok.text)
	return &node{what: "number"}
}
