package report

import (
	"strings"

	"github.com/autosafe/autosafe/internal/page"
)

// inMarkdown writes a line. Within a table, code has its bars escaped.
func (l line) inMarkdown(table bool) string {
	var b strings.Builder
	for _, s := range l {
		switch s.kind {
		case codeSpan:
			b.WriteString(markdownCode(s.text, table))
		case strongSpan:
			b.WriteString("**" + markdownText(s.text) + "**")
		case linkSpan:
			b.WriteString("[" + markdownText(s.text) + "](" + s.href + ")")
		case plainSpan, mutedSpan:
			b.WriteString(markdownText(s.text))
		}
	}
	return b.String()
}

// markdownText makes any text into Markdown that reads as that text, in which
// addresses are no links.
func markdownText(s string) string {
	s = page.Escape(oneLine(s, maxText))
	// A bracket that is escaped ends no link, so parentheses need not be; and no
	// line begins with text of others, so that a plus begins no list.
	return strings.NewReplacer("://", `:\//`, "www.", `www\.`, "WWW.", `WWW\.`, `\(`, "(", `\)`, ")", `\+`, "+").Replace(s)
}

// markdownCode makes code of any text.
func markdownCode(s string, table bool) string {
	s = oneLine(s, maxInline)
	if strings.TrimSpace(s) == "" {
		return "(empty)"
	}
	if table {
		s = strings.ReplaceAll(s, "|", `\|`)
	}
	ticks := strings.Repeat("`", longest(s, '`')+1)
	if len(ticks) > 1 || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		return ticks + " " + s + " " + ticks
	}
	return ticks + s + ticks
}

// longest is how often c stands in a row at most.
func longest(s string, c byte) int {
	most, n := 0, 0
	for i := range len(s) {
		if s[i] != c {
			n = 0
			continue
		}
		n++
		most = max(most, n)
	}
	return most
}

func (h heading) markdown(p *page.Markdown) {
	p.Para("%s %s", strings.Repeat("#", h.level), markdownText(h.text))
}

func (b banner) markdown(p *page.Markdown) { p.Para("> %s", b.line.inMarkdown(false)) }

func (b para) markdown(p *page.Markdown) { p.Para("%s", b.line.inMarkdown(false)) }

func (l list) markdown(p *page.Markdown) {
	for _, item := range l.items {
		p.Item("%s", item.inMarkdown(false))
	}
	p.End()
}

func (t table) markdown(p *page.Markdown) {
	heads := make([]string, len(t.heads))
	for i, h := range t.heads {
		name := strings.TrimPrefix(h, " ")
		text := markdownText(name)
		if i >= len(t.heads)-t.names {
			text = markdownCode(name, true)
		}
		heads[i] = h[:len(h)-len(name)] + text
	}
	rows := make([][]string, len(t.rows))
	for i, r := range t.rows {
		for _, c := range r {
			rows[i] = append(rows[i], c.inMarkdown(true))
		}
	}
	p.Table(heads, rows)
}

func (g picture) markdown(p *page.Markdown) { p.Para("![%s](%s)", pictureAlt, g.name) }

// pictureAlt stands where a plot cannot be shown. The tables say the same as it.
const pictureAlt = "Plot"

func (q quote) markdown(p *page.Markdown) {
	text := lines(q.text, maxQuote)
	fence := strings.Repeat("`", max(3, longest(text, '`')+1))
	p.Para("%stext\n%s\n%[1]s", fence, text)
}

func (f fold) markdown(p *page.Markdown) {
	p.Para("<details>\n<summary>%s</summary>", f.summary.inHTML())
	for _, b := range f.blocks {
		b.markdown(p)
	}
	p.Para("</details>")
}
