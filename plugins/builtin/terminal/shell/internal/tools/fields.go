package tools

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// span is a range of positions from 1; to 0 is without end.
type span struct{ from, to int }

func parseSpans(text string) ([]span, bool) {
	var spans []span
	for part := range strings.SplitSeq(text, ",") {
		a, b, ranged := strings.Cut(part, "-")
		var s span
		var err error
		s.from = 1
		if a != "" {
			s.from, err = strconv.Atoi(a)
		}
		if s.to = s.from; ranged {
			if s.to = 0; b != "" && err == nil {
				s.to, err = strconv.Atoi(b)
			}
		}
		if err != nil || s.from < 1 || part == "-" || part == "" || s.to != 0 && s.to < s.from {
			return nil, false
		}
		spans = append(spans, s)
	}
	return spans, true
}

func cut(c *Call) int {
	f, ok := c.parse("b,bytes= c,characters= d,delimiter= f,fields= s,only-delimited complement output-delimiter= n z")
	if !ok {
		return 1
	}
	kind := f.last("b", "c", "f")
	if kind == "" {
		c.errf("you must specify a list of bytes, characters, or fields")
		return 1
	}
	spans, ok := parseSpans(f.get(kind))
	if !ok {
		c.errf("invalid %s value '%s'", map[string]string{"f": "field", "b": "byte/character position", "c": "byte/character position"}[kind], f.get(kind))
		return 1
	}
	delim := "\t"
	if f.has("d") {
		if delim = f.get("d"); len([]rune(delim)) != 1 {
			c.errf("the delimiter must be a single character")
			return 1
		}
	}
	out := delim
	if kind != "f" {
		out = ""
	}
	if f.has("output-delimiter") {
		out = f.get("output-delimiter")
	}
	in := func(n int) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return n >= s.from && (s.to == 0 || n <= s.to) }) != f.has("complement")
	}
	return c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		return c.lines(r, func(line string) bool {
			var parts []string
			switch kind {
			case "f":
				if !strings.Contains(line, delim) {
					if !f.has("s") {
						c.printf("%s\n", line)
					}
					return true
				}
				parts = strings.Split(line, delim)
			case "c":
				for _, r := range line {
					parts = append(parts, string(r))
				}
			default:
				for i := range len(line) {
					parts = append(parts, line[i:i+1])
				}
			}
			var kept []string
			for i, part := range parts {
				if in(i + 1) {
					kept = append(kept, part)
				}
			}
			c.printf("%s\n", strings.Join(kept, out))
			return true
		})
	})
}

// trSet is the characters of a set as tr takes it.
func trSet(text string) []rune {
	var set []rune
	text = unescape(text)
	classes := map[string]func(rune) bool{
		"alpha": unicode.IsLetter, "digit": unicode.IsDigit, "upper": unicode.IsUpper, "lower": unicode.IsLower, "space": unicode.IsSpace, "punct": func(r rune) bool { return r > 32 && r < 127 && !unicode.IsLetter(r) && !unicode.IsDigit(r) },
		"alnum": func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }, "cntrl": unicode.IsControl, "print": func(r rune) bool { return r >= 32 && r < 127 }, "graph": func(r rune) bool { return r > 32 && r < 127 },
		"blank": func(r rune) bool { return r == ' ' || r == '\t' }, "xdigit": func(r rune) bool { return strings.ContainsRune("0123456789abcdefABCDEF", r) },
	}
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		rest := string(runes[i:])
		if strings.HasPrefix(rest, "[:") {
			if name, _, ok := strings.Cut(rest[2:], ":]"); ok && classes[name] != nil {
				for r := rune(0); r < 128; r++ {
					if classes[name](r) {
						set = append(set, r)
					}
				}
				i += len(name) + 3
				continue
			}
		}
		if i+2 < len(runes) && runes[i+1] == '-' && runes[i+2] >= runes[i] {
			for r := runes[i]; r <= min(runes[i+2], runes[i]+0xffff); r++ {
				set = append(set, r)
			}
			i += 2
			continue
		}
		set = append(set, runes[i])
	}
	return set
}

func tr(c *Call) int {
	f, ok := c.parse("+d,delete s,squeeze-repeats c,C,complement t,truncate-set1")
	if !ok {
		return 1
	}
	if len(f.args) == 0 || len(f.args) == 1 && !f.has("d") && !f.has("s") {
		c.errf("missing operand")
		return 1
	}
	one := trSet(f.args[0])
	var two []rune
	if len(f.args) > 1 {
		two = trSet(f.args[1])
	}
	index := map[rune]int{}
	for i, r := range one {
		if _, ok := index[r]; !ok || !f.has("d") {
			index[r] = i
		}
	}
	squeeze := one
	if len(two) > 0 {
		squeeze = two
	}
	squeezed := map[rune]bool{}
	for _, r := range squeeze {
		squeezed[r] = true
	}
	last := rune(-1)
	for !c.stopped() {
		r, size, err := c.In.ReadRune()
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err != nil {
			return 1
		}
		if r == unicode.ReplacementChar && size == 1 {
			_ = c.In.UnreadRune()
			b, _ := c.In.ReadByte()
			if !(f.has("d") && f.has("c")) {
				c.Out.Byte(b)
			}
			continue
		}
		at, in := index[r]
		in = in != f.has("c")
		if f.has("d") && in {
			continue
		}
		if in && !f.has("d") && len(two) > 0 {
			if f.has("c") {
				at = len(two) - 1
			}
			r = two[min(at, len(two)-1)]
		}
		member := squeezed[r]
		if len(two) == 0 && f.has("c") {
			member = !member
		}
		if f.has("s") && r == last && member {
			continue
		}
		last = r
		c.Out.Rune(r)
	}
	return 1
}

func paste(c *Call) int {
	f, ok := c.parse("d,delimiters= s,serial z")
	if !ok {
		return 1
	}
	delims := []rune("\t")
	if f.has("d") {
		if delims = []rune(unescape(f.get("d"))); len(delims) == 0 {
			delims = []rune{0}
		}
	}
	sep := func(i int) string {
		if d := delims[i%len(delims)]; d != 0 {
			return string(d)
		}
		return ""
	}
	var columns [][]string
	longest := 0
	code := c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		data, err := c.readAll(r)
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		columns, longest = append(columns, lines), max(longest, len(lines))
		return err
	})
	if f.has("s") {
		for _, lines := range columns {
			for i, line := range lines {
				if i > 0 {
					c.Out.Text(sep(i - 1))
				}
				c.Out.Text(line)
			}
			c.Out.Byte('\n')
		}
		return code
	}
	if len(f.args) > 1 && slices.Contains(f.args, "-") {
		columns, longest = dealt(columns, f.args)
	}
	for row := range longest {
		for i, lines := range columns {
			if i > 0 {
				c.Out.Text(sep(i - 1))
			}
			if row < len(lines) {
				c.Out.Text(lines[row])
			}
		}
		c.Out.Byte('\n')
	}
	return code
}

// dealt deals the lines of the standard input to all columns that are "-".
func dealt(columns [][]string, names []string) ([][]string, int) {
	first, n := slices.Index(names, "-"), 0
	for _, name := range names {
		if name == "-" {
			n++
		}
	}
	lines := columns[first]
	longest, k := 0, 0
	for i, name := range names {
		if name == "-" {
			columns[i] = nil
			for at := k; at < len(lines); at += n {
				columns[i] = append(columns[i], lines[at])
			}
			k++
		}
		longest = max(longest, len(columns[i]))
	}
	return columns, longest
}

func comm(c *Call) int {
	f, ok := c.parse("1 2 3 check-order nocheck-order")
	if !ok {
		return 1
	}
	if len(f.args) != 2 {
		c.errf("missing operand")
		return 1
	}
	var both [2][]string
	for i, name := range f.args {
		data, err := c.slurp(name)
		if err != nil {
			c.errf("%s: %s", name, Reason(err))
			return 1
		}
		if len(data) > 0 {
			both[i] = strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		}
	}
	indent2, indent3 := "\t", "\t\t"
	if f.has("1") {
		indent2, indent3 = "", "\t"
	}
	if f.has("2") {
		indent3 = strings.TrimPrefix(indent3, "\t")
	}
	say := func(flag, indent, line string) {
		if !f.has(flag) {
			c.printf("%s%s\n", indent, line)
		}
	}
	a, b := both[0], both[1]
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			say("1", "", a[0])
			a = a[1:]
		case len(a) == 0 || a[0] > b[0]:
			say("2", indent2, b[0])
			b = b[1:]
		default:
			say("3", indent3, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return 0
}
