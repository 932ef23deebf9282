package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean leaves what a person sees of a text: without control characters, and
// without characters that take no room, in which texts for models alone are
// hidden. Line feeds stay.
func clean(s string) string {
	s, _ = cleaned(s)
	return s
}

// cleaned also counts what it took out.
func cleaned(s string) (string, int) {
	taken := 0
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ").Replace(s)
	s = strings.Map(func(r rune) rune {
		if r != '\n' && unseen(r) {
			taken++
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimSpace(s), taken
}

// unseen says whether a character is not there to be seen: controls, marks of
// direction, joiners, tags, selectors of variants and private ones.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) || unicode.Is(unicode.Variation_Selector, r)
}

// bounded cuts a text to so many bytes at most, at a whole character.
func bounded(s string, most int) (text string, cut bool) {
	if len(s) <= most {
		return s, false
	}
	const mark = "…"
	end := max(most-len(mark), 0)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSpace(s[:end]) + mark, true
}

// shown is a name of others' making in a message: in one line, and short.
func shown(name string) string {
	s, _ := bounded(strings.Join(strings.Fields(clean(name)), " "), 80)
	if s == "" {
		return `""`
	}
	return s
}

// hidden replaces secrets in a text that is to be shown.
func hidden(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= shortestSecret {
			text = strings.ReplaceAll(text, s, "(secret)")
		}
	}
	return text
}

// shortestSecret is the shortest value that is looked for: shorter ones, such
// as "1", stand in every text.
const shortestSecret = 4
