package page

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"unicode"
)

// MaxCell is how much of a text from elsewhere a table shows.
const MaxCell = 100

// Hidden says whether a character is not seen, or changes how others are.
func Hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
}

// Text makes what stands in HTML and SVG of any text, on one line.
func Text(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if Hidden(r) || r == '\ufffe' || r == '\uffff' {
			return ' '
		}
		return r
	}, s))
}

// Clip cuts text to so many characters.
func Clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// Share writes how many of how many.
func Share(n, of int64) string {
	if of == 0 {
		return fmt.Sprintf("%s of 0", Number(n))
	}
	return fmt.Sprintf("%s of %s (%s)", Number(n), Number(of), Percent(n, of))
}

// Percent writes a share in percent.
func Percent(n, of int64) string {
	if of == 0 {
		return "–"
	}
	return strconv.FormatFloat(float64(n)*100/float64(of), 'f', 1, 64) + " %"
}

// Number writes a number with its thousands apart.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
