package view

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/provenance"
)

// Lineage shows where a row comes from: its source, then step by step what
// was asked and answered, and which filters it passed. Without full, long
// messages are cut.
func (v *View) Lineage(l *provenance.LineageReport, full bool) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			*provenance.LineageReport
		}{"lineage", l})
		return
	}
	p := lineagePage{page: v.page(), full: full}
	p.lineage(l)
	v.result(p.String())
}

func (p *lineagePage) lineage(l *provenance.LineageReport) {
	p.head(Clean(l.ID)+" of "+Clean(l.Address), "build "+buildName(l.Build))
	if l.Matches > 1 {
		p.text(0, fmt.Sprintf("%s have this id; this is the first.", plural(int64(l.Matches), "row")))
	}
	if !l.Found && len(l.Fates) > 0 {
		p.text(0, "It is not among the rows of this step; below is where it was left.")
	}
	if o := l.Origin; o != nil {
		p.origin(o)
	}
	for _, h := range slices.Backward(l.Path) {
		p.hop(&h)
	}
	for i := range l.Fates {
		p.fate(&l.Fates[i])
	}
	p.verdicts(l.Verdicts)
	p.row(l.Row)
	p.notes(l.Notes)
	if p.cut {
		p.WriteString("\nLong messages are cut; -full shows all of them, -json all there is.\n")
	}
}

// lineagePage is a page on which conversations stand.
type lineagePage struct {
	*page
	full bool
	cut  bool // something was cut
}

func (p *lineagePage) origin(o *provenance.Origin) {
	var parts []string
	for _, f := range []struct{ name, value string }{{"source", o.Source}, {"file", o.File}, {"licence", o.Licence}} {
		if f.value != "" {
			parts = append(parts, f.name+" "+Clean(f.value))
		}
	}
	if o.Index > 0 || o.File != "" {
		parts = append(parts, "record "+count(o.Index+1))
	}
	if o.EvalOnly {
		parts = append(parts, "for evaluation only")
	}
	if len(parts) > 0 {
		p.WriteString("\n")
		p.head("Origin", strings.Join(parts, ", "))
	}
}

// hop tells of a step that the row went through.
func (p *lineagePage) hop(h *provenance.Hop) {
	about := ""
	if h.Component != "" && !strings.HasPrefix(h.Address, strings.Replace(h.Component, " ", ".", 1)) {
		about = Clean(h.Component)
	}
	p.WriteString("\n")
	p.head(Clean(h.Address), about)
	id := Clean(h.ID)
	if h.Position >= 0 && h.Gone == "" {
		id += ", row " + count(h.Position+1)
	}
	p.field("row", id)
	if len(h.Writes) > 0 {
		p.field("writes", Clean(strings.Join(h.Writes, ", ")))
	}
	for _, op := range h.Ops {
		p.op(&op)
	}
	p.taskCalls(h.Task)
	if h.Gone != "" {
		p.text(2, Clean(h.Gone))
	}
}

// field is a line about a step.
func (p *lineagePage) field(name, value string) {
	p.hanging("  ", fmt.Sprintf("%-8s", name), value)
}

// op tells of an operation that the row passed, or at which it was dropped.
func (p *lineagePage) op(op *provenance.OpPass) {
	change, word := "added", "passed"
	if !op.Passed {
		change, word = "gone", "dropped"
	}
	text := fmt.Sprintf("%s %s.%s", word, Clean(op.Kind), Clean(op.Name))
	about := Clean(op.Text)
	if op.Max > 0 {
		about = strings.TrimSpace(about + fmt.Sprintf(" at most %d", op.Max))
	}
	if op.Similarity > 0 {
		about = strings.TrimSpace(about + fmt.Sprintf(" similarity %g", op.Similarity))
	}
	p.signed(2, change, text)
	if about != "" {
		p.hanging("      ", "", about)
	}
}

// taskCalls shows the conversations of a task. What a call repeats of the one
// before it is not shown again.
func (p *lineagePage) taskCalls(t *provenance.Task) {
	if t == nil {
		return
	}
	if t.Sample > 0 {
		p.field("sample", count(int64(t.Sample)))
	}
	var before []provenance.Message
	for i := range t.Calls {
		c := &t.Calls[i]
		p.WriteString("\n  " + p.paint(bold, fmt.Sprintf("Call %d", i+1)) + "  " + callAbout(c) + "\n")
		if !c.Stored {
			continue
		}
		same := 0
		for same < len(c.Messages) && same < len(before) && sameMessage(c.Messages[same], before[same]) {
			same++
		}
		if same > 0 {
			p.WriteString("    " + p.paint(faint, "("+plural(int64(same), "message")+" as in the call before)") + "\n")
		}
		for _, m := range c.Messages[same:] {
			p.message(m.Role, m.Content, m.ToolCalls)
		}
		before = c.Messages
		if c.Reply != nil {
			p.reply(c.Reply)
		}
	}
}

func sameMessage(a, b provenance.Message) bool {
	return a.Role == b.Role && a.Content == b.Content && slices.Equal(a.ToolCalls, b.ToolCalls)
}

func (p *lineagePage) reply(r *provenance.Reply) {
	if r.Reasoning != "" {
		p.message("reasoning", r.Reasoning, nil)
	}
	text := r.Content
	if r.Refusal != "" {
		text = r.Refusal
	}
	p.message("→ reply", text, r.ToolCalls)
	if r.FinishReason != "" && r.FinishReason != "stop" && r.FinishReason != "tool_calls" {
		p.text(6, "ended with "+Clean(r.FinishReason))
	}
}

// messageLines bounds how much of a message is shown.
const messageLines = 12

// message shows who said what.
func (p *lineagePage) message(role, content string, calls []provenance.ToolCall) {
	p.WriteString("    " + p.paint(yellow, Clean(role)) + "\n")
	var lines []string
	if content != "" {
		for _, line := range strings.Split(strings.TrimRight(pretty(content), "\n"), "\n") {
			lines = append(lines, wrapKeeping(lineText(line), p.room(6))...)
		}
	}
	for _, c := range calls {
		lines = append(lines, wrap(Clean(c.Name+" "+c.Arguments), p.room(6))...)
	}
	if len(lines) == 0 {
		lines = []string{"(empty)"}
	}
	hidden := 0
	if !p.full && len(lines) > messageLines+1 {
		hidden = len(lines) - messageLines
		head, tail := lines[:messageLines*2/3], lines[len(lines)-messageLines/3:]
		lines = append(slices.Clone(head), p.paint(faint, "… "+plural(int64(hidden), "more line")))
		lines = append(lines, tail...)
		p.cut = true
	}
	for _, line := range lines {
		p.WriteString(strings.TrimRight("      "+line, " ") + "\n")
	}
}

// wrapKeeping is wrap for text that is laid out: it keeps the space at the
// start of a line that is broken.
func wrapKeeping(line string, n int) []string {
	text := strings.TrimLeft(line, " ")
	lead := line[:len(line)-len(text)]
	if n == 0 || columns(line) <= n || len(lead) > n/2 {
		if n != 0 && columns(line) > n {
			return wrap(line, n)
		}
		return []string{line}
	}
	lines := wrap(text, n-len(lead))
	for i := range lines {
		lines[i] = lead + lines[i]
	}
	return lines
}

// pretty lays out text that is one JSON value.
func pretty(text string) string {
	trimmed := strings.TrimSpace(text)
	if !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "[") || len(trimmed) < 72 {
		return text
	}
	var b strings.Builder
	dec := json.NewDecoder(strings.NewReader(trimmed))
	var value json.RawMessage
	if dec.Decode(&value) != nil || dec.More() {
		return text
	}
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if enc.Encode(value) != nil {
		return text
	}
	return b.String()
}

// fate tells what became of a row in a step.
func (p *lineagePage) fate(f *provenance.Fate) {
	p.WriteString("\n")
	about := Clean(f.Outcome)
	if f.Reason != "" && f.Op == nil {
		about += ": " + Clean(f.Reason)
	}
	p.head(Clean(f.Address), about)
	if f.Input != "" {
		p.field("from", Clean(f.Input))
	}
	if len(f.Rows) > 0 {
		p.field("became", Clean(strings.Join(f.Rows, ", ")))
	}
	if f.Op != nil {
		p.op(f.Op)
	}
	if f.Error != nil {
		p.field("error", Clean(f.Error.Error()))
	}
	p.taskCalls(f.Task)
}

// verdicts is a table of what judges said, as it stands in the row.
func (p *lineagePage) verdicts(list []provenance.Verdict) {
	if len(list) == 0 {
		return
	}
	p.WriteString("\n")
	t := table{heads: []string{"Verdict", "", ""}}
	for _, v := range list {
		text := Clean(v.Label)
		if v.Outcome != "" && v.Outcome != v.Label {
			text += ", " + Clean(v.Outcome)
		}
		if v.Reason != "" {
			text += ": " + Clean(v.Reason)
		}
		t.add(Clean(v.Path), "", text)
	}
	t.render(&p.Builder, p.width)
}

// row shows the row itself.
func (p *lineagePage) row(text json.RawMessage) {
	if len(text) == 0 {
		return
	}
	p.WriteString("\n")
	p.head("Row", "")
	var columns map[string]json.RawMessage
	if json.Unmarshal(text, &columns) != nil {
		p.text(2, Clean(string(text)))
		return
	}
	names := make([]string, 0, len(columns))
	for name := range columns {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p.column(name, columns[name])
	}
}

// column shows a column's value, on as many lines as it needs.
func (p *lineagePage) column(name string, value json.RawMessage) {
	text := string(value)
	if room := p.room(4 + len(name)); len(text) < 100 && (room == 0 || len(text) <= room) {
		p.WriteString("  " + Clean(name) + ": " + Clean(text) + "\n")
		return
	}
	p.WriteString("  " + Clean(name) + ":\n")
	lines := strings.Split(strings.TrimRight(pretty(text), "\n"), "\n")
	if !p.full && len(lines) > messageLines+1 {
		hidden := len(lines) - messageLines
		lines = append(slices.Clone(lines[:messageLines]), "… "+plural(int64(hidden), "more line"))
		p.cut = true
	}
	for _, line := range lines {
		for _, part := range wrapKeeping(lineText(line), p.room(4)) {
			p.WriteString(strings.TrimRight("    "+part, " ") + "\n")
		}
	}
}
