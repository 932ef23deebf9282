package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

// columns is how many columns of a terminal cleaned text takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// clip cuts text to at most n columns.
func clip(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	return head(s, n-1) + "…"
}

// shorten cuts text in the middle: addresses and paths differ at their ends.
func shorten(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	front := (n - 1) / 3
	return head(s, front) + "…" + tail(s, n-1-front)
}

// head is the longest start of s that fits into n columns.
func head(s string, n int) string {
	for i, r := range s {
		if n -= runeColumns(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// tail is the longest end of s that fits into n columns.
func tail(s string, n int) string {
	runes := []rune(s)
	i := len(runes)
	for ; i > 0; i-- {
		if n -= runeColumns(runes[i-1]); n < 0 {
			break
		}
	}
	return string(runes[i:])
}

// pad fills text up to n columns, on the left if right is set.
func pad(s string, n int, right bool) string {
	fill := strings.Repeat(" ", max(0, n-columns(s)))
	if right {
		return fill + s
	}
	return s + fill
}

// wrap breaks text between words into lines of at most n columns; n below 1
// does not break it. A word that is longer is broken too, unless n is so small
// that this would be of no use.
func wrap(s string, n int) []string {
	if n < 1 || columns(s) <= n {
		return []string{s}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		for n >= 16 && columns(word) > n {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			part := head(word, n)
			lines, word = append(lines, part), word[len(part):]
		}
		switch {
		case line == "":
			line = word
		case columns(line)+1+columns(word) <= n:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// count writes a number with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number is count for a table, where nothing is told as nothing.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return count(n)
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// duration writes a time as precisely as is of use.
func duration(seconds float64) string {
	switch {
	case seconds < 0.05:
		return "0 s"
	case seconds < 9.95:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 59.5:
		return fmt.Sprintf("%.0f s", seconds)
	}
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	if d < time.Hour {
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// dollars writes an amount with as many places as small amounts need.
func dollars(usd float64) string {
	switch {
	case usd <= 0:
		return ""
	case usd < 0.1:
		return fmt.Sprintf("$%.4f", usd)
	}
	return amount(usd)
}

// amount writes dollars and cents.
func amount(usd float64) string {
	s := fmt.Sprintf("%.2f", usd)
	whole, cents, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return "$" + s // more than anybody has
	}
	return "$" + count(n) + "." + cents
}
