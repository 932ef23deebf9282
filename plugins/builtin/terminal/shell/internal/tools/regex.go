package tools

import (
	"errors"
	"regexp"
	"strings"
)

var errBackReference = errors.New("back-references in patterns are not supported here")

// words is an error as the GNU tools say it, with a capital.
type words string

func (w words) Error() string { return string(w) }

// maxPattern is how long a pattern may be.
const maxPattern = 10_000

// compile makes a regular expression of POSIX one of Go. Kind is G (basic), E
// (extended), P (Perl, as far as Go knows it) or F (no pattern).
func compile(pattern string, kind byte, fold bool) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, errors.New("the pattern is too long")
	}
	text := pattern
	switch kind {
	case 'F':
		text = regexp.QuoteMeta(pattern)
	case 'G', 'E':
		var err error
		if text, err = translate(pattern, kind == 'E'); err != nil {
			return nil, err
		}
	}
	prefix := "(?s:"
	if fold {
		prefix = "(?si:"
	}
	re, err := regexp.Compile(prefix + text + ")")
	if err != nil {
		return nil, words("Invalid regular expression")
	}
	if kind != 'P' {
		re.Longest()
	}
	return re, nil
}

// translate writes a POSIX pattern in Go's syntax.
func translate(p string, extended bool) (string, error) {
	var b strings.Builder
	start := true // where a * is itself, and a ^ an anchor
	for i := 0; i < len(p); i++ {
		ch := p[i]
		was := start
		start = false
		switch {
		case ch == '\\' && i+1 == len(p):
			return "", words("Trailing backslash")
		case ch == '\\':
			i++
			next := p[i]
			switch {
			case strings.IndexByte("(){}|+?", next) >= 0:
				if extended {
					b.WriteString("\\" + string(next))
				} else {
					b.WriteByte(next)
					start = next == '(' || next == '|'
				}
			case next >= '1' && next <= '9':
				return "", errBackReference
			case next == '<' || next == '>':
				b.WriteString(`\b`)
			case strings.IndexByte("wWsSbBntrfdD", next) >= 0:
				b.WriteString("\\" + string(next))
			default:
				b.WriteString(regexp.QuoteMeta(string(next)))
			}
		case ch == '[':
			set, end := bracket(p, i)
			if end < 0 {
				return "", words("Unmatched [, [^, [:, [., or [=")
			}
			b.WriteString(set)
			i = end
		case ch == '*' && was:
			b.WriteString(`\*`)
		case ch == '^' && !extended && !was:
			b.WriteString(`\^`)
		case ch == '^':
			b.WriteByte('^')
			start = true
		case ch == '$' && !extended:
			rest := p[i+1:]
			if rest == "" || strings.HasPrefix(rest, `\)`) || strings.HasPrefix(rest, `\|`) {
				b.WriteByte('$')
			} else {
				b.WriteString(`\$`)
			}
		case strings.IndexByte("(){}|+?", ch) >= 0:
			literalBrace := extended && ch == '{' && !bounds(p[i:])
			if extended && !literalBrace && !(was && strings.IndexByte("+?{", ch) >= 0) {
				b.WriteByte(ch)
				start = ch == '(' || ch == '|'
			} else {
				b.WriteString("\\" + string(ch))
			}
		default:
			b.WriteByte(ch)
		}
	}
	return b.String(), nil
}

// bounds says whether a text begins with bounds such as {2,3}.
func bounds(p string) bool {
	end := strings.IndexByte(p, '}')
	return end > 1 && strings.Trim(p[1:end], "0123456789,") == ""
}

// bracket translates a set of characters and says where it ends.
func bracket(p string, at int) (string, int) {
	i := at + 1
	var b strings.Builder
	b.WriteByte('[')
	if i < len(p) && p[i] == '^' {
		b.WriteByte('^')
		i++
	}
	for first := true; i < len(p); first = false {
		switch {
		case p[i] == ']' && !first:
			b.WriteByte(']')
			return b.String(), i
		case strings.HasPrefix(p[i:], "[:"):
			end := strings.Index(p[i:], ":]")
			if end < 0 {
				return "", -1
			}
			b.WriteString(p[i : i+end+2])
			i += end + 2
		case p[i] == '\\' && i+1 < len(p) && strings.IndexByte("ntr", p[i+1]) >= 0:
			b.WriteString(p[i : i+2])
			i += 2
		case strings.IndexByte(`\[]^`, p[i]) >= 0:
			b.WriteString("\\" + p[i:i+1])
			i++
		default:
			b.WriteByte(p[i])
			i++
		}
	}
	return "", -1
}
