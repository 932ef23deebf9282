package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/autosafe/autosafe/internal/page"
)

// block is a part of a page.
type block interface {
	markdown(p *page.Markdown)
	html(w *strings.Builder)
}

// span is text of one kind. Its text is of anybody.
type span struct {
	kind spanKind
	text string
	href string // of a link; never of anybody
}

type spanKind int

const (
	plainSpan  spanKind = iota
	codeSpan            // what a model, a tool, a file or a recipe calls something
	strongSpan          // stands out
	mutedSpan           // stands back
	linkSpan
)

// line is text of one line or paragraph.
type line []span

func plain(s string) span       { return span{kind: plainSpan, text: s} }
func code(s string) span        { return span{kind: codeSpan, text: s} }
func strong(s string) span      { return span{kind: strongSpan, text: s} }
func muted(s string) span       { return span{kind: mutedSpan, text: s} }
func link(text, to string) span { return span{linkSpan, text, to} }

func textf(format string, args ...any) line { return line{plain(fmt.Sprintf(format, args...))} }

// The blocks of a page.
type (
	heading struct {
		level int
		text  string // ours
	}
	// banner is a paragraph that nobody must miss.
	banner struct {
		line line
		bad  bool
	}
	para struct{ line line }
	list struct{ items []line }
	// table is a table with a head. Heads that begin with a blank are of numbers.
	table struct {
		heads []string // of anybody
		rows  [][]line
		names int // how many of the last heads are names
	}
	// picture is a plot.
	picture struct {
		name string // of its file
		plot plot
	}
	// quote is text of several lines, of anybody.
	quote struct{ text string }
	// fold is what is not shown at once.
	fold struct {
		summary line
		blocks  []block
	}
)

// plot is what draws itself, as a file and within a page.
type plot interface {
	SVG() []byte
	Inline() string
	Narrow() string // for a phone
}

// Bounds of what is shown, in characters and lines.
const (
	maxInline = 160
	maxTitle  = 120
	maxQuote  = 900
	maxLines  = 24
	maxText   = 1200 // of a span that is not code
)

// maxMarks is how many marks may stand on one character. More of them would reach
// over the lines around.
const maxMarks = 4

// visible shows what cannot be seen, or changes how other text is seen. keep are
// characters that stay as they are.
func visible(s, keep string) string {
	odd := func(r rune) bool { return page.Hidden(r) || mark(r) }
	if !strings.ContainsFunc(s, odd) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	marks := 0
	for _, r := range s {
		if !mark(r) {
			marks = 0
		} else if marks++; marks > maxMarks {
			continue
		}
		switch {
		case strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case page.Hidden(r):
			fmt.Fprintf(&b, "‹U+%04X›", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// mark says whether a character is drawn on the one before it.
func mark(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Me) }

// oneLine makes a line of at most so many characters of any text.
func oneLine(s string, most int) string {
	return page.Clip(visible(head(s, most), ""), most)
}

// lines makes lines of any text: at most most characters, and maxLines lines.
func lines(s string, most int) string {
	s = strings.ReplaceAll(head(s, most), "\r\n", "\n")
	s = page.Clip(visible(s, "\n"), most)
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(all) > maxLines {
		all = append(all[:maxLines], "…")
	}
	return strings.Join(all, "\n")
}

// head spares looking through megabytes for the sake of a line.
func head(s string, most int) string {
	if limit := most*utf8.UTFMax + utf8.UTFMax; len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "")
	}
	return s
}
