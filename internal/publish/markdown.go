package publish

import (
	"fmt"
	"strings"
	"unicode"
)

// page is a Markdown document as it is written.
type page struct{ strings.Builder }

// para writes a paragraph.
func (p *page) para(format string, args ...any) {
	fmt.Fprintf(p, format+"\n\n", args...)
}

func (p *page) section(title string) { p.para("## %s", title) }

// item writes an item of a list; the list ends with end.
func (p *page) item(format string, args ...any) { fmt.Fprintf(p, "- "+format+"\n", args...) }

func (p *page) end() { p.WriteString("\n") }

// table writes a table. Columns whose heads begin with a blank hold numbers.
// Cells are written as they are.
func (p *page) table(heads []string, rows [][]string) {
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

// maxCell is how much of a text from elsewhere a table shows.
const maxCell = 100

// plain makes text from rows, models and files into Markdown that reads as
// that text, on one line.
func plain(s string) string {
	var b strings.Builder
	for _, r := range clip(s, maxCell) {
		switch {
		case hidden(r):
			b.WriteByte(' ')
		case strings.ContainsRune("\\`*_{}[]<>()#+!|~&$", r):
			b.WriteString("\\" + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden says whether a character is not seen, or changes how others are.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
}

// code writes text in the font of code. What cannot stand there is plain.
func code(s string) string {
	s = clip(s, maxCell)
	if s == "" || strings.ContainsAny(s, "`|") || strings.ContainsFunc(s, hidden) {
		return plain(s)
	}
	return "`" + s + "`"
}
