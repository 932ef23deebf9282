package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// markdown is the whole document.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n")
	b.WriteString("Written by `go run ./internal/bench`; changes here are lost. It builds autosafe, makes\n" +
		"its data, runs the contenders in turns and takes medians. ninja and Snakemake are\n" +
		"Debian's: `apt-get install ninja-build snakemake`. promptfoo is installed by npm at\n" +
		"first, into a folder of the user's cache. Memory needs Linux.\n\n")
	if r.quick {
		b.WriteString("**Small sizes (`-quick`): these figures say that it works, and no more.**\n\n")
	}
	writeTable(&b, []string{"Taken with", ""}, pairs(r.machine))
	fmt.Fprintf(&b, "\nThe whole run took %.0f s.\n\n## What autosafe is held to\n\n", r.took.Seconds())
	var rows [][]string
	for _, bar := range r.bars {
		verdict := "**no**"
		switch {
		case bar.unknown:
			verdict = "?"
		case bar.holds:
			verdict = "yes"
		}
		rows = append(rows, []string{bar.what, bar.want, bar.got, verdict})
	}
	writeTable(&b, []string{"", "held to", "here", "holds"}, rows)
	for _, s := range r.sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", s.title, wrap(s.intro, 86))
		writeTable(&b, s.head, s.rows)
	}
	return b.String()
}

func pairs(list [][2]string) [][]string {
	var rows [][]string
	for _, p := range list {
		rows = append(rows, []string{p[0], p[1]})
	}
	return rows
}

func writeTable(b *strings.Builder, head []string, rows [][]string) {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)), 3)
		}
	}
	line := func(row []string) {
		for i := range head {
			cell := ""
			if i < len(row) {
				cell = row[i]
			}
			fmt.Fprintf(b, "| %-*s ", widths[i], cell)
		}
		b.WriteString("|\n")
	}
	line(head)
	for _, w := range widths {
		b.WriteString("|" + strings.Repeat("-", w+2))
	}
	b.WriteString("|\n")
	for _, row := range rows {
		line(row)
	}
}

// wrap breaks text into lines.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// seconds writes a median duration with three digits.
func seconds(s spread) string {
	if !s.known {
		return ""
	}
	return duration(s.median)
}

func duration(seconds float64) string {
	if math.Abs(seconds) < 1 {
		return digits(seconds*1000) + " ms"
	}
	return digits(seconds) + " s"
}

// digits writes a number with three of them.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// between writes the least and the largest duration.
func between(s spread) string {
	if !s.known {
		return ""
	}
	return duration(s.low) + " to " + duration(s.high)
}

// counts writes a number that should be the same each time.
func counts(s spread) string {
	if s.low == s.high {
		return strconv.Itoa(int(s.low))
	}
	return fmt.Sprintf("%.0f to %.0f", s.low, s.high)
}

func times(v float64) string { return digits(v) + " x" }

func mebibytes(s spread) string {
	if !s.known || s.high == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.0f MiB", s.median)
}

// thousands writes a whole number with a comma between thousands.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
