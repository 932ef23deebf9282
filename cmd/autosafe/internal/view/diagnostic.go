package view

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostics shows problems, each with the lines that it is about.
func (v *View) Diagnostics(files map[string]*hcl.File, diags hcl.Diagnostics) {
	if v.opts.JSON {
		for _, d := range diags {
			v.line(diagnosticLine(files, d))
		}
		return
	}
	if len(diags) == 0 {
		return
	}
	var b strings.Builder
	for _, d := range diags {
		p := printer{b: &b, files: files, width: min(v.errWidth(), maxTextWidth), color: v.opts.Color}
		p.diagnostic(d)
	}
	v.message(b.String())
}

// maxTextWidth bounds lines of prose on wide terminals.
const maxTextWidth = 100

// printer writes problems for people. The words, the source and the file's
// name may all be foreign; the only escape sequences are its own.
type printer struct {
	b     *strings.Builder
	files map[string]*hcl.File
	width int // 0: a file, nothing is broken or cut
	color bool
}

func (p *printer) diagnostic(d *hcl.Diagnostic) {
	word, color := "Error", "\x1b[1;31m"
	if d.Severity == hcl.DiagWarning {
		word, color = "Warning", "\x1b[1;33m"
	}
	fmt.Fprintf(p.b, "%s: %s\n\n", p.paint(color, word), Clean(d.Summary))
	if d.Subject != nil {
		p.source(d.Subject, color)
	}
	if d.Detail == "" {
		return
	}
	for _, line := range strings.Split(strings.TrimRight(d.Detail, "\n"), "\n") {
		line = CleanLines(line)
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			p.b.WriteString(line + "\n") // laid out already
			continue
		}
		p.b.WriteString(strings.Join(wrap(line, p.width-1), "\n") + "\n")
	}
	p.b.WriteString("\n")
}

func (p *printer) paint(color, text string) string {
	if !p.color {
		return text
	}
	return color + text + "\x1b[0m"
}

// source shows where a problem is, with the line and a mark under the place.
func (p *printer) source(r *hcl.Range, color string) {
	fmt.Fprintf(p.b, "  on %s line %d", Clean(nearPath(r.Filename)), r.Start.Line)
	line, start, end, ok := lineAt(p.files[r.Filename], r)
	if !ok {
		p.b.WriteString("\n\n")
		return
	}
	if in := contextOf(p.files[r.Filename], r.Start.Byte); in != "" {
		p.b.WriteString(", in " + Clean(in))
	}
	before, place, after := p.fit(show(line[:start]), show(line[start:end]), show(line[end:]))
	number := fmt.Sprintf("%4d: ", r.Start.Line)
	fmt.Fprintf(p.b, ":\n%s%s%s%s\n", number, before, place, after)
	mark := strings.Repeat("^", max(1, columns(place)))
	fmt.Fprintf(p.b, "%s%s\n\n", strings.Repeat(" ", len(number)+columns(before)), p.paint(color, mark))
}

// show makes a piece of a source line fit to be shown.
func show(s string) string { return Clean(strings.ReplaceAll(s, "\t", "    ")) }

// fit cuts a long line so that the place stays in view.
func (p *printer) fit(before, place, after string) (string, string, string) {
	room := p.width - 7
	if p.width == 0 {
		room = 240
	}
	room = max(room, 20)
	place = clip(place, room*2/3)
	if left := room - columns(place); columns(before)+min(columns(after), 10) > left {
		before = "…" + tail(before, max(0, left-min(columns(after), 10)-1))
	}
	after = clip(after, max(1, room-columns(before)-columns(place)))
	return before, place, after
}

// lineAt is the line on which a range starts, and where in it the range lies.
func lineAt(f *hcl.File, r *hcl.Range) (line string, start, end int, ok bool) {
	if f == nil || r.Start.Byte < 0 || r.Start.Byte > len(f.Bytes) {
		return "", 0, 0, false
	}
	begin := bytes.LastIndexByte(f.Bytes[:r.Start.Byte], '\n') + 1
	rest, _, _ := bytes.Cut(f.Bytes[begin:], []byte("\n"))
	line = strings.TrimSuffix(string(rest), "\r")
	start = min(r.Start.Byte-begin, len(line))
	end = max(start, min(r.End.Byte-begin, len(line)))
	return line, start, end, true
}

// contextOf names the block that a place is in.
func contextOf(f *hcl.File, offset int) string {
	if nav, ok := f.Nav.(interface{ ContextString(offset int) string }); ok {
		return nav.ContextString(offset)
	}
	return ""
}

// diagnostic is a problem as a JSON line; the package documentation tells of
// its fields.
type diagnostic struct {
	Type     string       `json:"type"`
	Severity string       `json:"severity"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail,omitempty"`
	Range    *sourceRange `json:"range,omitempty"`
	Snippet  string       `json:"snippet,omitempty"`
}

type sourceRange struct {
	Filename string `json:"filename"`
	Start    pos    `json:"start"`
	End      pos    `json:"end"`
}

type pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

func diagnosticLine(files map[string]*hcl.File, d *hcl.Diagnostic) diagnostic {
	out := diagnostic{Type: "diagnostic", Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if r := d.Subject; r != nil {
		out.Range = &sourceRange{r.Filename, pos(r.Start), pos(r.End)}
		out.Snippet, _, _, _ = lineAt(files[r.Filename], r)
	}
	return out
}
