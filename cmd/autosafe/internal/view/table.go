package view

import (
	"slices"
	"strings"
)

// table lays text out in columns: the first and the last on the left, those
// between them, which hold numbers, on the right. A column in which nothing
// stands is left out. A first cell that is too wide has a line of its own, so
// that it is neither cut nor pushes the others aside; a last cell that is too
// wide goes on below itself.
type table struct {
	heads []string
	rows  [][]string     // as many cells as heads, cleaned
	notes map[int]string // what is said below a row, by its number
	// spare are columns to leave out where the table is too wide, the first
	// ones first.
	spare []string
}

const gap = 2

// firstCap bounds the first column where the width is not known.
const firstCap = 60

// lastMin is the least width of a last column that goes on below itself.
const lastMin = 24

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// note says something below the row that was added last.
func (t *table) note(text string) {
	if t.notes == nil {
		t.notes = map[int]string{}
	}
	t.notes[len(t.rows)-1] = text
}

// render writes the table for a terminal of the given width; 0 is a file.
func (t *table) render(b *strings.Builder, width int) {
	shown := t.filled()
	for _, name := range t.spare {
		if width > 0 && t.least(shown) > width {
			shown = slices.DeleteFunc(shown, func(c int) bool { return t.heads[c] == name })
		}
	}
	widths := t.widths(shown)
	first, last := firstCap, 0
	if width > 0 {
		rest := t.total(shown) - widths[0]
		if t.lastIsText(shown) {
			rest -= widths[len(widths)-1]
			last = max(lastMin, width-rest-min(widths[0], firstCap))
			rest += min(widths[len(widths)-1], last)
		}
		first = max(16, width-rest)
	}
	widths[0] = t.firstWidth(first)
	for i, cells := range slices.Concat([][]string{t.heads}, t.rows) {
		t.line(b, cells, shown, widths, last)
		if note, ok := t.notes[i-1]; ok {
			indent := noteIndent + len(cells[0]) - len(strings.TrimLeft(cells[0], " "))
			for _, text := range wrap(note, width-indent-1) {
				b.WriteString(strings.Repeat(" ", indent) + text + "\n")
			}
		}
	}
}

// noteIndent is how far a note stands to the right of its row.
const noteIndent = 4

// firstWidth is the width of the first column: that of its widest cell that
// is not too wide.
func (t *table) firstWidth(limit int) int {
	n := columns(t.heads[0])
	for _, cells := range t.rows {
		if c := columns(cells[0]); c <= limit {
			n = max(n, c)
		}
	}
	return n
}

// filled lists the columns in which something stands.
func (t *table) filled() []int {
	var list []int
	for c := range t.heads {
		if c == 0 || slices.ContainsFunc(t.rows, func(cells []string) bool { return cells[c] != "" }) {
			list = append(list, c)
		}
	}
	return list
}

func (t *table) lastIsText(shown []int) bool {
	return len(shown) > 1 && shown[len(shown)-1] == len(t.heads)-1
}

func (t *table) widths(shown []int) []int {
	widths := make([]int, len(shown))
	for i, c := range shown {
		widths[i] = columns(t.heads[c])
		for _, cells := range t.rows {
			widths[i] = max(widths[i], columns(cells[c]))
		}
	}
	return widths
}

func (t *table) total(shown []int) int {
	n := gap * (len(shown) - 1)
	for _, w := range t.widths(shown) {
		n += w
	}
	return n
}

// least is the width of a table whose last cells go on below themselves.
func (t *table) least(shown []int) int {
	n := t.total(shown)
	if t.lastIsText(shown) {
		widths := t.widths(shown)
		n -= max(0, widths[len(widths)-1]-lastMin)
	}
	return n
}

// line writes one row of the table.
func (t *table) line(b *strings.Builder, cells []string, shown, widths []int, last int) {
	var line strings.Builder
	var more []string // of a last cell that goes on below itself
	for i, c := range shown {
		text := cells[c]
		switch {
		case i == 0 && columns(text) > widths[0]:
			b.WriteString(text + "\n")
			line.WriteString(strings.Repeat(" ", widths[0]))
			continue
		case i == 0:
			line.WriteString(pad(text, widths[0], false))
			continue
		case c == len(t.heads)-1:
			lines := wrap(text, last)
			text, more = lines[0], lines[1:]
		default:
			text = pad(text, widths[i], true)
		}
		line.WriteString(strings.Repeat(" ", gap) + text)
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	indent := 0
	for _, w := range widths[:len(widths)-1] {
		indent += w + gap
	}
	for _, text := range more {
		b.WriteString(strings.Repeat(" ", indent) + text + "\n")
	}
}
