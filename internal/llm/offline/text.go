package offline

import "strings"

// kind is what a token in a text looks like.
type kind uint8

const (
	isWord kind = iota
	anEmail
	aMoney
	aNumber
	aPath
	anID
	aURL
	aDate
	aClock
	aDigits // an account or phone number
	aQuoted
	aName // two capitalised words in a row
	aHandle
)

type entity struct {
	kind kind
	text string
	pos  int // where it starts
}

// entities finds what can be pointed at in a text: names, addresses, amounts,
// paths, ids, dates.
func entities(s string) []entity {
	var out []entity
	for i := 0; i < len(s); {
		if s[i] == '"' {
			if end := strings.IndexByte(s[i+1:], '"'); end > 0 && end < 120 {
				out = append(out, entity{aQuoted, s[i+1 : i+1+end], i + 1})
				i += end + 2
				continue
			}
		}
		if separator(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && !separator(s[end]) {
			end++
		}
		tok := strings.TrimRight(s[i:end], ".:!?'")
		if k := kindOf(tok); k != isWord {
			out = append(out, entity{k, tok, i})
		} else if n := nameAt(s, i); n > 0 {
			out = append(out, entity{aName, s[i : i+n], i})
			end = i + n
		}
		i = max(end, i+1)
	}
	return out
}

func separator(c byte) bool {
	switch c {
	case ' ', ',', ';', '"', '(', ')', '[', ']', '{', '}', '\n', '\t', '\r', '<', '>', '|', '\\':
		return true
	}
	return false
}

func kindOf(t string) kind {
	if len(t) == 0 {
		return isWord
	}
	digitsIn, letters, dashes := 0, 0, 0
	for i := 0; i < len(t); i++ {
		switch {
		case isDigit(t[i]):
			digitsIn++
		case isUpper(t[i]) || isLower(t[i]):
			letters++
		case t[i] == '-' || t[i] == '_':
			dashes++
		}
	}
	switch {
	case t[0] == '$' && digitsIn > 0:
		return aMoney
	case strings.Contains(t, "://"):
		return aURL
	case t[0] == '@' && letters > 0:
		return aHandle
	case isEmail(t):
		return anEmail
	case (t[0] == '/' || t[0] == '~') && letters > 0 && len(t) > 2, len(t) > 3 && t[1] == ':' && t[2] == '\\':
		return aPath
	case isDate(t), len(t) > 11 && t[10] == 'T' && isDate(t[:10]):
		return aDate
	case len(t) == 5 && t[2] == ':' && digitsIn == 4:
		return aClock
	case digitsIn > 0 && letters == 0 && dashes > 0:
		return aDigits
	case digitsIn > 0 && letters == 0 && strings.Trim(t, "0123456789.,%") == "":
		return aNumber
	case digitsIn > 1 && letters > 0 && dashes > 0, t[0] == '0' && letters > 0 && len(t) > 12:
		return anID
	case strings.HasSuffix(t, ".example") || strings.HasSuffix(t, ".test") || strings.HasSuffix(t, ".com"):
		return aURL
	}
	return isWord
}

// nameAt is the length of "Maria Keller" at i, 0 if there is no such pair.
func nameAt(s string, i int) int {
	word := func(i int) int {
		if i >= len(s) || !isUpper(s[i]) {
			return 0
		}
		n := 1
		for i+n < len(s) && (isLower(s[i+n]) || s[i+n] >= 0x80) {
			n++
		}
		if n < 3 {
			return 0
		}
		return n
	}
	a := word(i)
	if a == 0 || i+a >= len(s) || s[i+a] != ' ' {
		return 0
	}
	b := word(i + a + 1)
	if b == 0 {
		return 0
	}
	return a + 1 + b
}

func isEmail(t string) bool {
	at := strings.IndexByte(t, '@')
	return at > 0 && at < len(t)-3 && strings.IndexByte(t[at:], '.') > 1 && !strings.ContainsAny(t, " ,/\"") && strings.LastIndexByte(t, '@') == at
}

func isDate(t string) bool {
	return len(t) == 10 && t[4] == '-' && t[7] == '-' && strings.Trim(t, "0123456789-") == ""
}

// mentions reports whether v stands in s as a whole word or run of words,
// whatever the case.
func mentions(s, v string) bool {
	if v == "" {
		return false
	}
	for from := 0; ; {
		i := indexFold(s[from:], v)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(v)
		if (i == 0 || !isAlnum(s[i-1]) || !isAlnum(v[0])) && (end == len(s) || !isAlnum(s[end]) || !isAlnum(v[len(v)-1])) {
			return true
		}
		from = i + 1
	}
}

// mentionsPath is mentions for a file or folder: a folder is not named by
// naming a file in it.
func mentionsPath(s, v string) bool {
	for from := 0; ; {
		i := strings.Index(s[from:], v)
		if i < 0 {
			return false
		}
		end := from + i + len(v)
		rest := strings.TrimRight(s[end:min(end+2, len(s))], " .,;:!?)\"'\n")
		if rest == "" || !isAlnum(rest[0]) && !strings.ContainsRune("/._-", rune(rest[0])) {
			return true
		}
		from += i + 1
	}
}

// indexFold is strings.Index that takes no notice of ASCII case.
func indexFold(s, sub string) int {
	lower := func(c byte) byte {
		if isUpper(c) {
			return c + 'a' - 'A'
		}
		return c
	}
	first := lower(sub[0])
	for i := 0; i+len(sub) <= len(s); i++ {
		if lower(s[i]) != first {
			continue
		}
		j := 1
		for j < len(sub) && lower(s[i+j]) == lower(sub[j]) {
			j++
		}
		if j == len(sub) {
			return i
		}
	}
	return -1
}

// stems reports whether s has the word or another form of it: delete, deleted,
// deleting.
func stems(s, word string) bool {
	w := strings.TrimSuffix(strings.TrimSuffix(word, "s"), "e")
	if len(w) < 3 {
		return mentions(s, word)
	}
	for from := 0; ; {
		i := indexFold(s[from:], w)
		if i < 0 {
			return false
		}
		i += from
		if i == 0 || !isAlnum(s[i-1]) {
			return true
		}
		from = i + 1
	}
}

// amounts lists the numbers in a text, in hundredths.
func amounts(s string) []cents {
	var out []cents
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) || i > 0 && (isAlnum(s[i-1]) || s[i-1] == '-' && i > 1 && isAlnum(s[i-2])) {
			continue
		}
		end := i
		for end < len(s) && (isDigit(s[end]) || (s[end] == ',' || s[end] == '.') && end+1 < len(s) && isDigit(s[end+1])) {
			end++
		}
		if end == len(s) || !isAlnum(s[end]) || s[end] == 'k' || s[end] == 'm' {
			out = append(out, parseCents(s[i:end]))
		}
		i = end
	}
	return out
}

// parseCents reads 1,240.50 as 124050.
func parseCents(s string) cents {
	var c, frac cents
	places := -1
	for i := 0; i < len(s); i++ {
		switch {
		case isDigit(s[i]) && places < 0:
			if c < 1e15 {
				c = c*10 + cents(s[i]-'0')
			}
		case isDigit(s[i]):
			if places < 2 {
				frac = frac*10 + cents(s[i]-'0')
				places++
			}
		case s[i] == '.':
			places = 0
		}
	}
	if places == 1 {
		frac *= 10
	}
	return c*100 + frac
}

// sentences calls fn with each sentence of a text; a quotation mark or a line
// break ends one as well, so that it works on raw JSON.
func sentences(s string, fn func(string)) {
	start := 0
	for i := 0; i < len(s); i++ {
		end := s[i] == '"' || s[i] == '\n' || (s[i] == '.' || s[i] == '!' || s[i] == '?') && (i+1 == len(s) || s[i+1] == ' ' || s[i+1] == '"')
		if end {
			if i-start > 8 {
				fn(strings.TrimSpace(s[start:i]))
			}
			start = i + 1
		}
	}
	if len(s)-start > 8 {
		fn(strings.TrimSpace(s[start:]))
	}
}
