package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes text from anywhere fit to be shown on one line of a terminal:
// control characters, and characters that reorder text or do not show, are
// written as escapes, and so is what is not UTF-8.
func Clean(s string) string { return clean(s, "") }

// CleanLines is Clean for text of several lines.
func CleanLines(s string) string { return clean(s, "\n\t") }

func clean(s, allowed string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !harmless(r, allowed) }) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case harmless(r, allowed):
			b.WriteString(s[i : i+n])
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

func harmless(r rune, allowed string) bool {
	if strings.ContainsRune(allowed, r) {
		return true
	}
	// Format characters (Cf) hold the bidirectional overrides and the
	// invisible tags; only the joiners of scripts and emoji are kept.
	return r != utf8.RuneError && !unicode.IsControl(r) && (!unicode.Is(unicode.Cf, r) || r == '\u200c' || r == '\u200d') &&
		r != '\u2028' && r != '\u2029'
}

// Quote puts a name in quotes, cleaned.
func Quote(s string) string { return `"` + Clean(s) + `"` }

// cleaner cleans what is written through it, but lets colours through that
// the writer before it made.
type cleaner struct {
	w     io.Writer
	color bool
}

func (c cleaner) Write(b []byte) (int, error) {
	text := string(b)
	if !c.color {
		_, err := io.WriteString(c.w, CleanLines(text))
		return len(b), err
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "\x1b[")
		out.WriteString(CleanLines(before))
		if !found {
			break
		}
		n := strings.IndexFunc(rest, func(r rune) bool { return r != ';' && (r < '0' || r > '9') })
		if n >= 0 && rest[n] == 'm' {
			out.WriteString("\x1b[" + rest[:n+1])
			rest = rest[n+1:]
		} else {
			out.WriteString(`\x1b[`)
		}
		text = rest
	}
	_, err := io.WriteString(c.w, out.String())
	return len(b), err
}
