package spec

import (
	"bufio"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A literal maps places in the text of an HCL string to the characters of the
// recipe that stand for them.
type literal struct {
	node  hcl.Range
	parts []literalPart // nil: the text is not written out in the recipe
}

// literalPart is one run of the text with its source.
type literalPart struct {
	start   int // byte in the text
	text    string
	source  hcl.Range
	written string // the source, as rebuilt from the text
	offsets []int  // per byte of text, where in written it begins; nil: they are the same
}

// newLiteral finds where text is written in node. If node computes it, or its
// escapes cannot be told from its value, the literal has no parts.
func newLiteral(node hcl.Expression, text string) *literal {
	if node == nil {
		return &literal{}
	}
	l := &literal{node: node.Range()}
	var parts []literalPart
	var ok bool
	switch e := node.(type) {
	case *hclsyntax.TemplateExpr:
		parts, ok = templateParts(e)
	case *hclsyntax.TemplateWrapExpr, *hclsyntax.FunctionCallExpr, *hclsyntax.ScopeTraversalExpr:
	default:
		if _, native := node.(hclsyntax.Expression); !native {
			parts, ok = jsonParts(node, text)
		}
	}
	if !ok {
		return l
	}
	var whole strings.Builder
	for i := range parts {
		parts[i].start = whole.Len()
		whole.WriteString(parts[i].text)
	}
	// text may have been trimmed or computed from the literal: then its
	// places are not the literal's.
	if whole.String() == text {
		l.parts = parts
	}
	return l
}

func templateParts(e *hclsyntax.TemplateExpr) ([]literalPart, bool) {
	parts := make([]literalPart, 0, len(e.Parts))
	for _, p := range e.Parts {
		lit, ok := p.(*hclsyntax.LiteralValueExpr)
		if !ok || lit.Val.Type() != cty.String || lit.Val.IsNull() || !lit.Val.IsKnown() {
			return nil, false
		}
		part := literalPart{text: lit.Val.AsString(), source: lit.SrcRange}
		first := e.Parts[0].Range().Start
		w := writing{quoted: true}
		if e.SrcRange.Start.Line < first.Line {
			// A heredoc begins on a line above its text. What <<- took off
			// each line is what stands before the first.
			w = writing{indent: first.Column - 1}
		}
		if !part.rebuild(w) {
			return nil, false
		}
		parts = append(parts, part)
	}
	return parts, true
}

// jsonParts is for a string of the JSON syntax, which has one part.
func jsonParts(node hcl.Expression, text string) ([]literalPart, bool) {
	source := node.Range()
	if sourceLen(source) < 2 {
		return nil, false
	}
	source.Start.Byte++
	source.Start.Column++
	source.End.Byte--
	source.End.Column--
	part := literalPart{text: text, source: source}
	ok := part.rebuild(writing{quoted: true})
	return []literalPart{part}, ok
}

func sourceLen(r hcl.Range) int { return r.End.Byte - r.Start.Byte }

// writing is a way to write text.
type writing struct {
	quoted bool
	tab    string // how a quoted string has a tab
	indent int    // of a heredoc's lines
}

// rebuild works out the source of the text. The parser keeps only its length,
// and there is more than one way to write some characters, so rebuild tries
// the likely ones, and fails if none fits.
func (p *literalPart) rebuild(w writing) bool {
	length := sourceLen(p.source)
	if len(p.text) == length {
		p.written = p.text
		return true
	}
	for _, w.tab = range []string{"\t", `\t`} {
		if p.written, p.offsets = w.write(p.text); len(p.written) == length {
			return true
		}
	}
	return false
}

func (w writing) write(text string) (source string, offsets []int) {
	var b strings.Builder
	offsets = make([]int, len(text)+1)
	for i := range len(text) {
		if w.indent > 0 && i > 0 && text[i-1] == '\n' && !blankLine(text[i:]) {
			b.WriteString(strings.Repeat(" ", w.indent))
		}
		offsets[i] = b.Len()
		if strings.HasPrefix(text[i:], "${") || strings.HasPrefix(text[i:], "%{") {
			b.WriteByte(text[i])
		}
		b.WriteString(w.escape(text[i : i+1]))
	}
	offsets[len(text)] = b.Len()
	return b.String(), offsets
}

// blankLine reports whether text begins with a line of nothing but space,
// which keeps its indentation.
func blankLine(text string) bool {
	line, _, ended := strings.Cut(text, "\n")
	return ended && strings.TrimSpace(line) == ""
}

func (w writing) escape(c string) string {
	if !w.quoted {
		return c
	}
	switch c {
	case `"`, `\`:
		return `\` + c
	case "\n":
		return `\n`
	case "\r":
		return `\r`
	case "\t":
		return w.tab
	}
	return c
}

// span returns the source of text[start:end], or of the whole expression, with
// the expression as context; ok is false if there is no source at all.
func (l *literal) span(start, end int) (subject, context hcl.Range, ok bool) {
	if l.node == (hcl.Range{}) {
		return hcl.Range{}, hcl.Range{}, false
	}
	if len(l.parts) == 0 {
		return l.node, l.node, true
	}
	from, to := l.pos(start, false), l.pos(end, true)
	if to.Byte < from.Byte {
		to = from
	}
	return hcl.Range{Filename: l.node.Filename, Start: from, End: to}, l.node, true
}

// pos returns the source position of a byte of the text. At a border between
// parts, an end belongs to the part before it.
func (l *literal) pos(at int, isEnd bool) hcl.Pos {
	part := l.parts[len(l.parts)-1]
	for _, p := range l.parts {
		stop := p.start + len(p.text)
		if at < stop || isEnd && at == stop {
			part = p
			break
		}
	}
	return part.pos(min(max(at-part.start, 0), len(part.text)))
}

func (p *literalPart) pos(at int) hcl.Pos {
	if p.offsets != nil {
		at = p.offsets[at]
	}
	return advance(p.source.Start, p.written[:at])
}

// advance moves pos over text, counting columns in characters as HCL does.
func advance(pos hcl.Pos, text string) hcl.Pos {
	if text == "" {
		return pos
	}
	all := func(data []byte, _ bool) (int, []byte, error) { return len(data), data, nil }
	sc := hcl.NewRangeScanner([]byte(text), "", bufio.SplitFunc(all))
	sc.Scan()
	end := sc.Range().End
	pos.Byte += end.Byte
	if end.Line > 1 {
		pos.Line += end.Line - 1
		pos.Column = end.Column
	} else {
		pos.Column += end.Column - 1
	}
	return pos
}

// tokenAt returns the end of the name, operator or character at text[at:].
func tokenAt(text string, at int) int {
	end := at
	for end < len(text) && isNameByte(text[end]) {
		end++
	}
	if end > at || end >= len(text) {
		return end
	}
	for _, op := range []string{"==", "!=", "<=", ">=", "&&", "||"} {
		if strings.HasPrefix(text[at:], op) {
			return at + len(op)
		}
	}
	_, n := utf8.DecodeRuneInString(text[at:])
	return at + n
}

func isNameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
