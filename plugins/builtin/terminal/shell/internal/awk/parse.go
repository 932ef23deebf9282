package awk

// node is a part of a program: an expression or a statement, by its what.
type node struct {
	what string
	text string
	num  float64
	kids []*node
}

type rule struct {
	pattern, until *node
	body           *node // nil: print
}

type function struct {
	params []string
	body   *node
}

// Program is a program that was read.
type Program struct {
	begin, end []*node
	rules      []rule
	functions  map[string]*function
}

type parser struct {
	lexer
	depth   int
	noIn    bool
	noGreat bool
	program *Program
}

const maxDepth = 500

// Parse reads a program.
func Parse(text string) (*Program, error) {
	s := &parser{lexer: lexer{text: text}, program: &Program{functions: map[string]*function{}}}
	s.advance()
	for s.lines(); s.tok.kind != end; s.lines() {
		s.item()
	}
	if s.err != nil {
		return nil, s.err
	}
	return s.program, nil
}

func (p *parser) lines() {
	for p.tok.kind == newline || p.is(";") {
		p.advance()
	}
}

func (p *parser) skipNewlines() {
	for p.tok.kind == newline {
		p.advance()
	}
}

func (p *parser) is(text string) bool {
	return (p.tok.kind == op || p.tok.kind == keyword) && p.tok.text == text
}

func (p *parser) take(text string) bool {
	if p.is(text) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) want(text string) {
	if !p.take(text) {
		p.fail("%q where %q should be", p.tok.text, text)
	}
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.fail("the program is nested too deep")
	}
}

func (p *parser) item() {
	switch {
	case p.take("BEGIN"):
		p.program.begin = append(p.program.begin, p.block())
	case p.take("END"):
		p.program.end = append(p.program.end, p.block())
	case p.take("function"), p.take("func"):
		f := &function{}
		fname := p.tok.text
		if p.tok.kind != name && p.tok.kind != call {
			p.fail("a function's name was expected")
		}
		p.advance()
		p.want("(")
		for !p.take(")") {
			f.params = append(f.params, p.tok.text)
			p.advance()
			p.take(",")
			if p.tok.kind == end {
				p.fail("unexpected end")
				return
			}
		}
		p.skipNewlines()
		f.body = p.block()
		p.program.functions[fname] = f
	default:
		var r rule
		if !p.is("{") {
			r.pattern = p.expr()
			if p.take(",") {
				p.skipNewlines()
				r.until = p.expr()
			}
		}
		if p.is("{") {
			r.body = p.block()
		}
		p.program.rules = append(p.program.rules, r)
	}
}

func (p *parser) block() *node {
	p.enter()
	defer func() { p.depth-- }()
	p.want("{")
	b := &node{what: "block"}
	for p.lines(); !p.take("}"); p.lines() {
		if p.tok.kind == end {
			p.fail("unexpected end of program")
			return b
		}
		b.kids = append(b.kids, p.statement())
	}
	return b
}

// simpleEnd ends a statement.
func (p *parser) simpleEnd() {
	if p.tok.kind == newline || p.is(";") {
		p.advance()
		return
	}
	if !p.is("}") && p.tok.kind != end {
		p.fail("unexpected %q", p.tok.text)
	}
}

func (p *parser) body() *node {
	p.skipNewlines()
	if p.take(";") {
		return &node{what: "block"}
	}
	return p.statement()
}

func (p *parser) statement() *node {
	p.enter()
	defer func() { p.depth-- }()
	switch {
	case p.is("{"):
		return p.block()
	case p.take("if"):
		p.want("(")
		cond := p.expr()
		p.want(")")
		n := &node{what: "if", kids: []*node{cond, p.body()}}
		at, tok := p.at, p.tok
		p.lines()
		if p.take("else") {
			n.kids = append(n.kids, p.body())
		} else {
			p.at, p.tok = at, tok
		}
		return n
	case p.take("while"):
		p.want("(")
		cond := p.expr()
		p.want(")")
		return &node{what: "while", kids: []*node{cond, p.body()}}
	case p.take("do"):
		body := p.body()
		p.lines()
		p.want("while")
		p.want("(")
		cond := p.expr()
		p.want(")")
		p.simpleEnd()
		return &node{what: "do", kids: []*node{cond, body}}
	case p.take("for"):
		return p.loop()
	}
	n := p.simple()
	p.simpleEnd()
	return n
}

func (p *parser) loop() *node {
	p.want("(")
	if p.tok.kind == name {
		at, tok := p.at, p.tok
		variable := p.tok.text
		p.advance()
		if p.take("in") && p.tok.kind == name {
			array := p.tok.text
			p.advance()
			if p.take(")") {
				return &node{what: "forin", text: variable, kids: []*node{{what: "name", text: array}, p.body()}}
			}
		}
		p.at, p.tok = at, tok
	}
	n := &node{what: "for", kids: []*node{nil, nil, nil, nil}}
	if !p.is(";") {
		n.kids[0] = p.simple()
	}
	p.want(";")
	p.skipNewlines()
	if !p.is(";") {
		n.kids[1] = p.expr()
	}
	p.want(";")
	p.skipNewlines()
	if !p.is(")") {
		n.kids[2] = p.simple()
	}
	p.want(")")
	n.kids[3] = p.body()
	return n
}

func (p *parser) simple() *node {
	for _, word := range []string{"break", "continue", "next", "nextfile"} {
		if p.take(word) {
			return &node{what: word}
		}
	}
	switch {
	case p.is("print"), p.is("printf"):
		return p.print()
	case p.is("exit"), p.is("return"):
		n := &node{what: p.tok.text}
		p.advance()
		if p.tok.kind != newline && p.tok.kind != end && !p.is(";") && !p.is("}") {
			n.kids = []*node{p.expr()}
		}
		return n
	case p.take("delete"):
		n := &node{what: "delete", text: p.tok.text}
		p.advance()
		if p.take("[") {
			n.kids = p.list("]")
		}
		return n
	}
	return &node{what: "expr", kids: []*node{p.expr()}}
}

func (p *parser) print() *node {
	n := &node{what: p.tok.text}
	p.advance()
	old := p.noGreat
	p.noGreat = true
	if p.tok.kind != newline && p.tok.kind != end && !p.is(";") && !p.is("}") && !p.is(">") && !p.is(">>") && !p.is("|") {
		n.kids = append(n.kids, p.expr())
		if n.kids[0].what == "group" && len(n.kids[0].kids) > 1 {
			n.kids = n.kids[0].kids
		}
		for p.take(",") {
			p.skipNewlines()
			n.kids = append(n.kids, p.expr())
		}
	}
	p.noGreat = old
	for _, to := range []string{">>", ">", "|"} {
		if p.take(to) {
			n.text = to
			n.kids = append(n.kids, p.concat())
		}
	}
	return n
}
