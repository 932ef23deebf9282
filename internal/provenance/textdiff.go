package provenance

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	contextLines = 3
	// maxDiffLines bounds the lines of a text's difference that are kept.
	maxDiffLines = 400
	// maxMarked is the length of a line from which it is not compared word by
	// word.
	maxMarked = 64 << 10
)

// diffText compares two texts line by line; nil if they are equal.
func diffText(before, after string) *TextDiff {
	if before == after {
		return nil
	}
	a, b := splitLines(before), splitLines(after)
	d := &TextDiff{Hunks: []Hunk{}}
	blocks := compare(a, b)
	shown := 0
	for len(blocks) > 0 {
		n := 1
		for n < len(blocks) && blocks[n].a0-blocks[n-1].a1 <= 2*contextLines {
			n++
		}
		for _, x := range blocks[:n] {
			d.Removed += x.a1 - x.a0
			d.Added += x.b1 - x.b0
		}
		if shown < maxDiffLines {
			h := newHunk(a, b, blocks[:n])
			if shown += len(h.Lines); shown > maxDiffLines {
				h.Lines = h.Lines[:len(h.Lines)-(shown-maxDiffLines)]
				d.Truncated = true
			}
			d.Hunks = append(d.Hunks, h)
		} else {
			d.Truncated = true
		}
		blocks = blocks[n:]
	}
	return d
}

// textLine is a line of a text. The last one may be open: no line feed ends
// it, which tells it from one that has it.
type textLine struct {
	text string
	open bool
}

func splitLines(text string) []textLine {
	var lines []textLine
	for text != "" {
		line, rest, ended := strings.Cut(text, "\n")
		lines = append(lines, textLine{line, !ended})
		text = rest
	}
	return lines
}

// newHunk shows some blocks, which lie near each other, with what is around.
func newHunk(a, b []textLine, blocks []block) Hunk {
	first, last := blocks[0], blocks[len(blocks)-1]
	lead := min(contextLines, first.a0)
	trail := min(contextLines, len(a)-last.a1)
	h := Hunk{
		OldStart: first.a0 - lead + 1, OldLines: last.a1 - first.a0 + lead + trail,
		NewStart: first.b0 - lead + 1, NewLines: last.b1 - first.b0 + lead + trail,
	}
	at := first.a0 - lead
	for _, x := range blocks {
		h.same(a[at:x.a0])
		h.changed(a[x.a0:x.a1], b[x.b0:x.b1])
		at = x.a1
	}
	h.same(a[at : at+trail])
	return h
}

func (h *Hunk) same(lines []textLine) {
	for _, l := range lines {
		h.Lines = append(h.Lines, Line{Op: " ", Text: l.text})
	}
}

// changed adds lines that were replaced by others. Those that are alike are
// marked where they differ.
func (h *Hunk) changed(before, after []textLine) {
	start := len(h.Lines)
	for _, l := range before {
		h.Lines = append(h.Lines, Line{Op: "-", Text: l.text})
	}
	for _, l := range after {
		h.Lines = append(h.Lines, Line{Op: "+", Text: l.text})
	}
	for i := range min(len(before), len(after)) {
		x, y := &h.Lines[start+i], &h.Lines[start+len(before)+i]
		x.Marks, y.Marks = marks(x.Text, y.Text)
	}
}

// marks are the bytes at which two lines differ, word by word; none where
// they have little in common, or nothing but the line feed between them.
func marks(before, after string) (x, y [][2]int) {
	if len(before) > maxMarked || len(after) > maxMarked {
		return nil, nil
	}
	a, b := words(before), words(after)
	blocks := compare(a, b)
	offA, offB := offsets(a), offsets(b)
	differing := 0
	for _, k := range blocks {
		if k.a1 > k.a0 {
			x = append(x, [2]int{offA[k.a0], offA[k.a1]})
		}
		if k.b1 > k.b0 {
			y = append(y, [2]int{offB[k.b0], offB[k.b1]})
		}
		differing += offA[k.a1] - offA[k.a0] + offB[k.b1] - offB[k.b0]
	}
	if 2*differing > len(before)+len(after) {
		return nil, nil
	}
	return x, y
}

// words cuts a line into words, runs of space, and single other characters.
func words(line string) []string {
	var list []string
	class := func(r rune) int {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_':
			return 1
		case unicode.IsSpace(r):
			return 2
		}
		return 0
	}
	for len(line) > 0 {
		r, n := utf8.DecodeRuneInString(line)
		c := class(r)
		for c > 0 && n < len(line) {
			r, size := utf8.DecodeRuneInString(line[n:])
			if class(r) != c {
				break
			}
			n += size
		}
		list = append(list, line[:n])
		line = line[n:]
	}
	return list
}

// offsets are where each word begins, and the end of the last.
func offsets(words []string) []int {
	list := make([]int, 1, len(words)+1)
	for _, w := range words {
		list = append(list, list[len(list)-1]+len(w))
	}
	return list
}
