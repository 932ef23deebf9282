package report

import (
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/internal/page"
)

// pageStyle is the style of the page: for both colour schemes, for a narrow
// window, and for paper. No font or picture is fetched.
const pageStyle = `<style>
:root{color-scheme:light dark;--text:#1f2328;--soft:#59636e;--line:#d1d9e0;--back:#fff;--shade:#f6f8fa;--link:#0969da;--warn:#9a6700;--warnback:#fff8c5;--bad:#cf222e;--badback:#ffebe9}
@media (prefers-color-scheme:dark){:root{--text:#f0f6fc;--soft:#9198a1;--line:#3d444d;--back:#0d1117;--shade:#151b23;--link:#4493f8;--warn:#d29922;--warnback:#272115;--bad:#f85149;--badback:#25171c}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 20px 64px;max-width:1080px;background:var(--back);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:1.9em;line-height:1.2;margin:.2em 0 .5em;overflow-wrap:anywhere}h2{font-size:1.35em;margin:2em 0 .6em;padding-bottom:.25em;border-bottom:1px solid var(--line)}h3{font-size:1.08em;margin:1.6em 0 .5em;overflow-wrap:anywhere}
p,ul{margin:.6em 0;max-width:76ch;overflow-wrap:anywhere}a{color:var(--link)}
.banner{max-width:none;margin:1em 0;padding:.7em 1em;border:1px solid var(--warn);border-left-width:5px;border-radius:6px;background:var(--warnback)}
.banner.bad{border-color:var(--bad);background:var(--badback)}
.scroll{overflow-x:auto;margin:.8em 0}
table{border-collapse:collapse;font-size:.9em}th,td{padding:.36em .7em;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;unicode-bidi:isolate}
th{border-bottom-width:2px;white-space:nowrap;vertical-align:bottom}th.n,td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td:not(.n){min-width:8em;max-width:40em;overflow-wrap:anywhere}td:first-child:not(.n){min-width:14em}td.n .soft{display:block}
.soft{color:var(--soft)}code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;unicode-bidi:isolate}
code{font-size:.9em;padding:.1em .35em;border-radius:5px;background:var(--shade);overflow-wrap:anywhere}th code{font-weight:600;white-space:normal}th.n code{display:inline-block;min-width:5.5em}
pre{margin:.5em 0;padding:.7em .9em;border-radius:6px;background:var(--shade);font-size:.82em;white-space:pre-wrap;overflow-wrap:anywhere;max-height:26em;overflow-y:auto}
details{margin:.8em 0}details[open]{padding-left:1em;border-left:3px solid var(--line)}summary{cursor:pointer;overflow-wrap:anywhere}summary:focus-visible{outline:2px solid var(--link)}
.picture{margin:1em 0}.picture svg{display:block;width:100%;max-width:720px;height:auto}.narrow{display:none}
nav{margin:1em 0;font-size:.95em}nav a{display:inline-block;margin:0 1em .2em 0}
@media (max-width:600px){body{padding:16px 12px 48px;font-size:15px}th,td{padding:.34em .5em}td:not(.n),td:first-child:not(.n){min-width:7.5em}.picture{display:none}.picture.narrow{display:block}.narrow svg{max-width:460px}}
@media print{body{max-width:none;padding:0}nav{display:none}.scroll,pre{overflow:visible;max-height:none}tr,.picture,pre{break-inside:avoid}h2,h3{break-after:avoid}table{font-size:.74em}th.n,th{white-space:normal}td:first-child:not(.n){min-width:7em}details::details-content{content-visibility:visible;height:auto}}
</style>
`

// maxHead is how much of a name stands at the head of a column.
const maxHead = 40

// policy keeps a page from fetching or running anything, whatever is in it.
const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`

// htmlPage writes a page of blocks.
func htmlPage(title string, blocks []block) string {
	var w strings.Builder
	fmt.Fprintf(&w, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n%s\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>%s</title>\n%s%s</head>\n<body>\n", policy, htmlText(title, maxTitle), pageStyle, page.IntervalStyle)
	told := false
	for _, b := range blocks {
		if h, ok := b.(heading); ok && h.level == 2 && !told {
			contents(&w, blocks)
			told = true
		}
		b.html(&w)
	}
	w.WriteString("</body>\n</html>\n")
	return w.String()
}

// contents lists the sections.
func contents(w *strings.Builder, blocks []block) {
	w.WriteString("<nav>")
	for _, b := range blocks {
		if h, ok := b.(heading); ok && h.level == 2 {
			fmt.Fprintf(w, `<a href="#%s">%s</a>`, slug(h.text), htmlText(h.text, maxTitle))
		}
	}
	w.WriteString("</nav>\n")
}

// slug is the anchor of a heading of ours.
func slug(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r == ' ':
			return '-'
		}
		return -1
	}, s)
}

// htmlText makes any text into a line of HTML.
func htmlText(s string, most int) string { return page.Text(oneLine(s, most)) }

func (l line) inHTML() string {
	var b strings.Builder
	for _, s := range l {
		switch s.kind {
		case plainSpan:
			b.WriteString(htmlText(s.text, maxText))
		case codeSpan:
			b.WriteString("<code>" + htmlText(s.text, maxInline) + "</code>")
		case strongSpan:
			b.WriteString("<strong>" + htmlText(s.text, maxText) + "</strong>")
		case mutedSpan:
			b.WriteString(`<span class="soft">` + htmlText(s.text, maxText) + "</span>")
		case linkSpan:
			fmt.Fprintf(&b, `<a href="%s">%s</a>`, page.Text(s.href), htmlText(s.text, maxText))
		}
	}
	return b.String()
}

func (h heading) html(w *strings.Builder) {
	id := ""
	if h.level == 2 {
		id = ` id="` + slug(h.text) + `"`
	}
	fmt.Fprintf(w, "<h%d%s>%s</h%[1]d>\n", h.level, id, htmlText(h.text, maxTitle))
}

func (b banner) html(w *strings.Builder) {
	class := "banner"
	if b.bad {
		class += " bad"
	}
	fmt.Fprintf(w, "<p class=\"%s\">%s</p>\n", class, b.line.inHTML())
}

func (b para) html(w *strings.Builder) { fmt.Fprintf(w, "<p>%s</p>\n", b.line.inHTML()) }

func (l list) html(w *strings.Builder) {
	w.WriteString("<ul>\n")
	for _, item := range l.items {
		fmt.Fprintf(w, "<li>%s</li>\n", item.inHTML())
	}
	w.WriteString("</ul>\n")
}

func (t table) html(w *strings.Builder) {
	w.WriteString("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>")
	class := make([]string, len(t.heads))
	for i, h := range t.heads {
		name, numbers := strings.CutPrefix(h, " ")
		if numbers {
			class[i] = ` class="n"`
		}
		text := htmlText(name, maxHead)
		if i >= len(t.heads)-t.names {
			text = line{code(oneLine(name, maxHead))}.inHTML()
		}
		fmt.Fprintf(w, `<th scope="col"%s>%s</th>`, class[i], text)
	}
	w.WriteString("</tr></thead>\n<tbody>\n")
	for _, r := range t.rows {
		w.WriteString("<tr>")
		for i, c := range r {
			fmt.Fprintf(w, "<td%s>%s</td>", class[i], c.inHTML())
		}
		w.WriteString("</tr>\n")
	}
	w.WriteString("</tbody></table></div>\n")
}

func (g picture) html(w *strings.Builder) {
	fmt.Fprintf(w, "<div class=\"picture\">\n%s</div>\n<div class=\"picture narrow\">\n%s</div>\n", g.plot.Inline(), g.plot.Narrow())
}

func (q quote) html(w *strings.Builder) {
	var escaped []string
	for l := range strings.SplitSeq(lines(q.text, maxQuote), "\n") {
		escaped = append(escaped, page.Text(l))
	}
	fmt.Fprintf(w, "<pre>%s</pre>\n", strings.Join(escaped, "\n"))
}

func (f fold) html(w *strings.Builder) {
	fmt.Fprintf(w, "<details>\n<summary>%s</summary>\n", f.summary.inHTML())
	for _, b := range f.blocks {
		b.html(w)
	}
	w.WriteString("</details>\n")
}
