package view

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Clean makes text from anywhere fit to be shown on one line of a terminal:
// control characters, and characters that reorder text or do not show, are
// written as escapes, and so is what is not UTF-8.
func Clean(s string) string { return clean(s, "") }

// CleanLines is Clean for text of several lines.
func CleanLines(s string) string { return clean(s, "\n\t") }

func clean(s, allowed string) string {
	if isClean(s, allowed) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case harmless(r) || strings.ContainsRune(allowed, r):
			b.WriteString(s[i : i+n])
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

func isClean(s, allowed string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !harmless(r) && !strings.ContainsRune(allowed, r) {
			return false
		}
	}
	return true
}

// harmless says whether a terminal only shows a character. Format characters
// (Cf) are not harmless: they hold the bidirectional overrides, the invisible
// tags and the spaces of no width. The two joiners are kept, since scripts
// and emoji need them.
func harmless(r rune) bool {
	switch r {
	case '\u200c', '\u200d':
		return true
	case '\u2028', '\u2029':
		return false
	}
	return !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r)
}

// cleanJSON writes what a terminal would act on as JSON escapes. The value
// stays the same: in JSON text such characters stand in strings alone.
func cleanJSON(b []byte) []byte {
	if isClean(string(b), "\n") {
		return b
	}
	out := make([]byte, 0, len(b)+16)
	for _, r := range string(b) {
		switch {
		case harmless(r) || r == '\n':
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// Quote puts a name in quotes, cleaned.
func Quote(s string) string { return `"` + Clean(s) + `"` }
