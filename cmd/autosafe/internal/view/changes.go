package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/autosafe/autosafe/internal/provenance"
)

// page writes a result for people: paragraphs and lists with differences in
// them. The words may all be foreign; the only escape sequences are its own.
type page struct {
	strings.Builder
	width int // 0: a file, nothing is broken or cut
	color bool
}

// page is a new page for standard output.
func (v *View) page() *page { return &page{width: v.outWidth(), color: v.opts.OutColor} }

// The colours of results.
const (
	bold   = "\x1b[1m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain0 = "\x1b[0m"
)

func (p *page) paint(color, text string) string {
	if !p.color || color == "" || text == "" {
		return text
	}
	return color + text + plain0
}

// head writes a heading, with something about it behind, or below where there
// is no room.
func (p *page) head(text, about string) {
	room := p.room(0)
	p.WriteString(p.paint(bold, text))
	switch {
	case about == "":
	case room == 0 || columns(text)+2+columns(about) <= room:
		p.WriteString("  " + about)
	default:
		for _, line := range wrap(about, p.room(2)) {
			p.WriteString("\n  " + line)
		}
	}
	p.WriteString("\n")
}

// text writes a paragraph, broken between words.
func (p *page) text(indent int, text string) { p.hanging(strings.Repeat(" ", indent), "", text) }

// hanging writes text behind a sign, and goes on below the text.
func (p *page) hanging(indent, sign, text string) {
	lead := indent + sign
	for _, line := range wrap(text, p.room(columns(lead))) {
		p.WriteString(strings.TrimRight(lead+line, " ") + "\n")
		lead = strings.Repeat(" ", columns(lead))
	}
}

// room is how many columns are left behind an indent; 0: any number.
func (p *page) room(indent int) int {
	if p.width == 0 {
		return 0
	}
	return max(20, min(p.width, maxPageWidth)-indent-1)
}

// maxPageWidth bounds the lines of results on wide terminals.
const maxPageWidth = 120

// signs tell a change at a glance.
func sign(change string) (mark, color string) {
	switch change {
	case "added":
		return "+ ", green
	case "gone":
		return "- ", red
	case "same":
		return "= ", faint
	}
	return "~ ", yellow
}

// signed writes a line with the sign of a change before it.
func (p *page) signed(indent int, change, text string) {
	mark, color := sign(change)
	lead := strings.Repeat(" ", indent)
	mark = p.paint(color, mark)
	for _, line := range wrap(text, p.room(indent+2)) {
		if change == "same" {
			line = p.paint(color, line)
		}
		p.WriteString(lead + mark + line + "\n")
		mark = "    "
	}
}

// parts writes the parts of a key that differ.
func (p *page) parts(indent int, parts []provenance.PartDiff) {
	for i := range parts {
		d := &parts[i]
		if d.Kind == provenance.PartInput {
			name, what := Clean(d.Name), "the rows that it takes"
			if strings.HasPrefix(name, "trials.") {
				what = "what came of trying the agent"
			}
			p.signed(indent, d.Change, name+"  "+what)
			continue
		}
		if v := d.Values; len(v) == 1 && v[0].Path == "" && v[0].Text == nil {
			p.change(indent, d.Change, Clean(d.Name), &v[0])
			continue
		}
		if short := shortChange(d.Before, d.After); d.Text == nil && d.Values == nil && d.Files == nil && short != "" {
			p.signed(indent, d.Change, Clean(d.Name)+"  "+short)
			continue
		}
		p.signed(indent, d.Change, Clean(d.Name))
		p.textDiff(indent+4, d.Text)
		p.values(indent+4, d.Values)
		p.files(indent+4, d.Files)
	}
}

// shortChange is a value before and after on one line.
func shortChange(before, after string) string {
	before, after = shortDigests(Clean(before)), shortDigests(Clean(after))
	switch {
	case before == "" && after == "":
		return ""
	case before == "":
		return after
	case after == "":
		return before
	}
	return before + " → " + after
}

// shortDigests cuts digests in a text, which nobody reads to their end.
func shortDigests(text string) string {
	words := strings.Split(text, " ")
	for i, w := range words {
		if len(w) == 64 && strings.Trim(w, "0123456789abcdef") == "" {
			words[i] = w[:12] + "…"
		}
	}
	return strings.Join(words, " ")
}

// values writes the places of a value that differ.
func (p *page) values(indent int, values []provenance.ValueDiff) {
	for i := range values {
		d := &values[i]
		name := Clean(d.Path)
		if name == "" {
			name = "value"
		}
		change := "changed"
		if d.Before == "" {
			change = "added"
		} else if d.After == "" {
			change = "gone"
		}
		if d.Text != nil {
			p.signed(indent, change, name)
			p.textDiff(indent+4, d.Text)
			continue
		}
		p.change(indent, change, name, d)
	}
}

// change writes a value before and after: on one line, or below its name
// where that is too long.
func (p *page) change(indent int, change, name string, d *provenance.ValueDiff) {
	short := shortChange(d.Before, d.After)
	if room := p.room(indent + 4 + columns(name)); room == 0 || columns(short) <= room {
		p.signed(indent, change, name+"  "+short)
		return
	}
	p.signed(indent, change, name)
	p.side(indent+4, "- ", red, d.Before)
	p.side(indent+4, "+ ", green, d.After)
}

// sideLines bounds how much of a value is shown.
const sideLines = 12

// side writes a value that was taken away or came.
func (p *page) side(indent int, mark, color, text string) {
	if text == "" {
		return
	}
	lines := wrap(Clean(text), p.room(indent+2))
	for i, line := range lines {
		if i == sideLines {
			p.WriteString(strings.Repeat(" ", indent) + "  …\n")
			return
		}
		p.WriteString(strings.Repeat(" ", indent) + p.paint(color, mark+line) + "\n")
		mark = "  "
	}
}

// textDiff writes the difference of two texts.
func (p *page) textDiff(indent int, d *provenance.TextDiff) {
	if d == nil {
		return
	}
	for i, h := range d.Hunks {
		if i > 0 || h.NewStart > 1 {
			p.WriteString(strings.Repeat(" ", indent) + p.paint(faint, fmt.Sprintf("line %d", max(h.NewStart, 1))) + "\n")
		}
		lines := h.Lines
		for n := len(lines); n > 0 && lines[n-1].Op == " " && lines[n-1].Text == ""; n-- {
			lines = lines[:n-1]
		}
		for _, l := range lines {
			p.diffLine(indent, l)
		}
	}
	if d.Truncated {
		p.WriteString(strings.Repeat(" ", indent) + p.paint(faint, "…") + "\n")
	}
}

func (p *page) diffLine(indent int, l provenance.Line) {
	color, mark := "", "  "
	switch l.Op {
	case "-":
		color, mark = red, "- "
	case "+":
		color, mark = green, "+ "
	}
	space := strings.Repeat(" ", indent)
	text := lineText(l.Text)
	room := p.room(indent + 2)
	if room == 0 || columns(text) <= room {
		body := text
		if p.color && len(l.Marks) > 0 {
			body = p.marked(l, color)
		} else {
			body = p.paint(color, body)
		}
		p.WriteString(strings.TrimRight(space+p.paint(color, mark)+body, " ") + "\n")
		return
	}
	for _, line := range wrapKeeping(text, room) {
		p.WriteString(strings.TrimRight(space+p.paint(color, mark+line), " ") + "\n")
		mark = "  "
	}
}

func lineText(s string) string { return Clean(strings.ReplaceAll(s, "\t", "    ")) }

// marked paints a line, and stronger what differs in it.
func (p *page) marked(l provenance.Line, color string) string {
	var b strings.Builder
	at := 0
	for _, m := range l.Marks {
		from, to := m[0], m[1]
		if from < at || to < from || to > len(l.Text) {
			break
		}
		b.WriteString(p.paint(color, lineText(l.Text[at:from])) + p.paint(bold+color, lineText(l.Text[from:to])))
		at = to
	}
	b.WriteString(p.paint(color, lineText(l.Text[at:])))
	return b.String()
}

// files writes the difference of two lists of files.
func (p *page) files(indent int, d *provenance.FilesDiff) {
	if d == nil {
		return
	}
	list := func(change string, files []provenance.FileChange, n int) {
		for _, f := range files {
			p.signed(indent, change, Clean(f.Name))
		}
		p.more(indent, change, n-len(files), "file")
	}
	list("added", d.Added, d.AddedCount)
	list("gone", d.Gone, d.GoneCount)
	list("changed", d.Changed, d.ChangedCount)
}

// more says how many are not listed.
func (p *page) more(indent int, change string, n int, what string) {
	if n > 0 {
		p.signed(indent, change, plural(int64(n), "more "+what))
	}
}

// rowsShown bounds how many rows of a kind are listed.
const rowsShown = 4

// rows lists the first few rows that differ.
func (p *page) rows(indent int, d *provenance.RowsDiff) {
	var changed []string
	for _, c := range d.ChangedIDs {
		text := Clean(c.ID)
		if len(c.Columns) > 0 {
			text += "  " + Clean(strings.Join(c.Columns, ", "))
		}
		changed = append(changed, text)
	}
	for _, l := range []struct {
		change string
		rows   []string
		n      int64
	}{{"added", d.AddedIDs, d.Added}, {"gone", d.GoneIDs, d.Gone}, {"changed", changed, d.Changed}} {
		for _, text := range l.rows[:min(len(l.rows), rowsShown)] {
			text = Clean(text)
			if room := p.room(indent + 2); room > 0 {
				text = clip(text, room)
			}
			p.signed(indent, l.change, text)
		}
		p.more(indent, l.change, int(l.n)-min(len(l.rows), rowsShown), "row")
	}
}

// rowsInWords tells the difference of two lists of rows on one line.
func rowsInWords(d *provenance.RowsDiff) string {
	if d.Unknown != "" {
		return "not compared: " + Clean(d.Unknown)
	}
	text := plural(d.After, "row")
	if d.Before != d.After {
		text = count(d.Before) + " → " + text
	}
	var parts []string
	for _, c := range []struct {
		n    int64
		what string
	}{{d.Added, "added"}, {d.Gone, "gone"}, {d.Changed, "changed"}} {
		if c.n > 0 {
			parts = append(parts, count(c.n)+" "+c.what)
		}
	}
	if d.Reordered {
		parts = append(parts, "in another order")
	}
	if len(parts) == 0 {
		parts = append(parts, "the same")
	}
	return text + ": " + strings.Join(parts, ", ")
}

// notes writes what could not be told.
func (p *page) notes(notes []string) {
	if len(notes) == 0 {
		return
	}
	p.WriteString("\n")
	for _, n := range notes {
		p.hanging("", "Note: ", Clean(n))
	}
}

// buildName is a build as people name it: its id and when it was.
func buildName(r provenance.Ref) string { return Clean(r.ID) + ", " + when(r.Time) }

// when writes a time in the user's time zone.
func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
