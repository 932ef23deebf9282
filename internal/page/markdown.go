package page

import (
	"fmt"
	"strings"
)

// Markdown is a Markdown document as it is written.
type Markdown struct{ strings.Builder }

// Para writes a paragraph.
func (p *Markdown) Para(format string, args ...any) {
	fmt.Fprintf(p, format+"\n\n", args...)
}

// Section begins a section.
func (p *Markdown) Section(title string) { p.Para("## %s", title) }

// Item writes an item of a list; the list ends with End.
func (p *Markdown) Item(format string, args ...any) { fmt.Fprintf(p, "- "+format+"\n", args...) }

// End ends a list.
func (p *Markdown) End() { p.WriteString("\n") }

// Table writes a table. Columns whose heads begin with a blank hold numbers.
// Cells are written as they are.
func (p *Markdown) Table(heads []string, rows [][]string) {
	line := func(cells []string) {
		p.WriteString("|")
		for _, c := range cells {
			p.WriteString(" " + strings.TrimSpace(c) + " |")
		}
		p.WriteString("\n")
	}
	line(heads)
	rules := make([]string, len(heads))
	for i, h := range heads {
		rules[i] = "---"
		if strings.HasPrefix(h, " ") {
			rules[i] = "---:"
		}
	}
	line(rules)
	for _, r := range rows {
		line(r)
	}
	p.WriteString("\n")
}

// Plain makes text from rows, models and files into Markdown that reads as
// that text, on one line, cut to the length of a cell.
func Plain(s string) string { return Escape(Clip(s, MaxCell)) }

// Escape is Plain for text of any length.
func Escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case Hidden(r):
			b.WriteByte(' ')
		case strings.ContainsRune("\\`*_{}[]<>()#+!|~&$", r):
			b.WriteString("\\" + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Code writes text in the font of code. What cannot stand there is plain.
func Code(s string) string {
	s = Clip(s, MaxCell)
	if s == "" || strings.ContainsAny(s, "`|") || strings.ContainsFunc(s, Hidden) {
		return Plain(s)
	}
	return "`" + s + "`"
}
