package tools

import (
	"bufio"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

type sortKey struct {
	from, fromChar int
	to, toChar     int
	flags          string
}

func sortLines(c *Call) int {
	f, ok := c.parse("b,ignore-leading-blanks d,dictionary-order f,ignore-case g,general-numeric-sort h,human-numeric-sort M,month-sort n,numeric-sort R,random-sort r,reverse V,version-sort c,check? k,key= m,merge o,output= s,stable t,field-separator= u,unique z,zero-terminated S= T= parallel=")
	if !ok {
		return 2
	}
	var global strings.Builder
	for _, flag := range []string{"b", "d", "f", "g", "h", "M", "n", "r", "V", "R"} {
		if f.has(flag) {
			global.WriteString(flag)
		}
	}
	var keys []sortKey
	for _, text := range f.values["k"] {
		k, ok := parseKey(text, global.String())
		if !ok {
			c.errf("-: invalid number at field start: invalid count at start of '%s'", text)
			return 2
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		keys = []sortKey{{from: 1, flags: global.String()}}
	}
	sep := unescape(f.get("t"))
	var lines []string
	size := int64(0)
	stop := byte('\n')
	if f.has("z") {
		stop = 0
	}
	code := c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		return c.split(r, stop, func(line string) bool {
			lines = append(lines, line)
			if size += int64(len(line)) + 32; size > c.MaxRead {
				c.End("memory", true)
				return false
			}
			return true
		})
	})
	if code != 0 || c.Ctx.Err() != nil {
		return 2
	}
	byKeys := func(a, b string) int {
		for _, k := range keys {
			order := compareKey(k.flags, k.of(a, sep), k.of(b, sep))
			if strings.Contains(k.flags, "r") {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	}
	whole := func(a, b string) int {
		order := byKeys(a, b)
		if order == 0 && !f.has("s") && !f.has("u") {
			if order = strings.Compare(a, b); f.has("r") {
				order = -order
			}
		}
		return order
	}
	if f.has("c") {
		return c.sorted(f, lines, whole)
	}
	slices.SortStableFunc(lines, whole)
	if f.has("u") {
		lines = slices.CompactFunc(lines, func(a, b string) bool { return byKeys(a, b) == 0 })
	}
	return c.sortOut(f, lines)
}

// sorted says whether lines are in order.
func (c *Call) sorted(f flags, lines []string, compare func(a, b string) int) int {
	for i := range max(len(lines)-1, 0) {
		if order := compare(lines[i], lines[i+1]); order > 0 || order == 0 && f.has("u") {
			c.errf("%s:%d: disorder: %s", cmp.Or(f.argOr(0), "-"), i+2, lines[i+1])
			return 1
		}
	}
	return 0
}

func (c *Call) sortOut(f flags, lines []string) int {
	if f.has("o") {
		text := strings.Join(lines, "\n")
		if len(lines) > 0 {
			text += "\n"
		}
		if err := c.write(f.get("o"), []byte(text), false); err != nil {
			c.errf("open failed: %s: %s", f.get("o"), Reason(err))
			return 2
		}
		return 0
	}
	for _, line := range lines {
		c.Out.Text(line)
		if f.has("z") {
			c.Out.Byte(0)
		} else {
			c.Out.Byte('\n')
		}
		if c.stopped() {
			return 2
		}
	}
	return 0
}

// parseKey reads a key such as 2,2n or 1.3,1.5.
func parseKey(text, global string) (sortKey, bool) {
	var k sortKey
	start, end, both := strings.Cut(text, ",")
	field := func(s string) (n, char int, ok bool) {
		digits := strings.TrimRight(s, "bdfghiMnRrV")
		k.flags += s[len(digits):]
		a, b, dot := strings.Cut(digits, ".")
		n, err := strconv.Atoi(a)
		if dot {
			char, _ = strconv.Atoi(b)
		}
		return n, char, err == nil && n >= 0
	}
	var ok bool
	if k.from, k.fromChar, ok = field(start); !ok || k.from == 0 {
		return k, false
	}
	if both {
		if k.to, k.toChar, ok = field(end); !ok {
			return k, false
		}
	}
	if k.flags == "" {
		k.flags = global
	}
	return k, true
}

// of is the part of a line that a key names.
func (k sortKey) of(line, sep string) string {
	if k.from == 1 && k.fromChar == 0 && k.to == 0 {
		return line
	}
	var starts, ends []int // of fields
	if sep != "" {
		at := 0
		for {
			i := strings.Index(line[at:], sep)
			starts = append(starts, at)
			if i < 0 {
				ends = append(ends, len(line))
				break
			}
			ends = append(ends, at+i)
			at += i + len(sep)
		}
	} else {
		for at := 0; at < len(line); {
			start := at
			for at < len(line) && (line[at] == ' ' || line[at] == '\t') {
				at++
			}
			for at < len(line) && line[at] != ' ' && line[at] != '\t' {
				at++
			}
			starts, ends = append(starts, start), append(ends, at)
		}
	}
	if k.from > len(starts) {
		return ""
	}
	from := starts[k.from-1]
	if k.fromChar > 0 {
		from = min(from+k.fromChar-1, len(line))
	}
	to := len(line)
	if k.to > 0 && k.to <= len(ends) {
		to = ends[k.to-1]
		if k.toChar > 0 {
			to = min(starts[k.to-1]+k.toChar, len(line))
		}
	}
	return line[min(from, to):to]
}

func compareKey(flags, a, b string) int {
	if strings.Contains(flags, "b") || strings.ContainsAny(flags, "nghM") {
		a, b = strings.TrimLeft(a, " \t"), strings.TrimLeft(b, " \t")
	}
	switch {
	case strings.ContainsAny(flags, "n"):
		return cmp.Compare(leadingNumber(a), leadingNumber(b))
	case strings.Contains(flags, "g"):
		return cmp.Compare(leadingNumber(a), leadingNumber(b))
	case strings.Contains(flags, "h"):
		return cmp.Compare(humanNumber(a), humanNumber(b))
	case strings.Contains(flags, "M"):
		return cmp.Compare(month(a), month(b))
	case strings.Contains(flags, "V"):
		return compareVersions(a, b)
	}
	if strings.Contains(flags, "f") {
		a, b = strings.ToUpper(a), strings.ToUpper(b)
	}
	return strings.Compare(a, b)
}

func numberLen(s string) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	return i
}

func leadingNumber(s string) float64 {
	n, err := strconv.ParseFloat(s[:numberLen(s)], 64)
	if err != nil {
		return 0
	}
	return n
}

func humanNumber(s string) float64 {
	n := leadingNumber(s)
	if rest := s[numberLen(s):]; rest != "" {
		if i := strings.IndexByte("KMGTPE", strings.ToUpper(rest)[0]); i >= 0 {
			n *= math.Pow(1024, float64(i+1))
		}
	}
	return n
}

func month(s string) int {
	if len(s) < 3 {
		return 0
	}
	return strings.Index("JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", strings.ToUpper(s[:3]))/3 + 1
}

// compareVersions compares runs of digits as numbers.
func compareVersions(a, b string) int {
	digits := func(s string) int {
		i := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	for a != "" && b != "" {
		if n, m := digits(a), digits(b); n > 0 && m > 0 {
			x, y := strings.TrimLeft(a[:n], "0"), strings.TrimLeft(b[:m], "0")
			if order := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); order != 0 {
				return order
			}
			a, b = a[n:], b[m:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func uniq(c *Call) int {
	f, ok := c.parse("c,count d,repeated D u,unique i,ignore-case f,skip-fields= s,skip-chars= w,check-chars=")
	if !ok {
		return 1
	}
	skipFields, _ := strconv.Atoi(f.get("f"))
	skipChars, _ := strconv.Atoi(f.get("s"))
	part := func(line string) string {
		for range skipFields {
			line = strings.TrimLeft(line, " \t")
			if i := strings.IndexAny(line, " \t"); i >= 0 {
				line = line[i:]
			} else {
				line = ""
				break
			}
		}
		line = line[min(max(skipChars, 0), len(line)):]
		if n, err := strconv.Atoi(f.get("w")); err == nil && n >= 0 {
			line = line[:min(n, len(line))]
		}
		if f.has("i") {
			line = strings.ToLower(line)
		}
		return line
	}
	n, last := 0, ""
	flush := func() {
		if n == 0 || f.has("d") && n == 1 || f.has("u") && n > 1 {
			return
		}
		if f.has("c") {
			c.printf("%7d ", n)
		}
		c.printf("%s\n", last)
	}
	in := f.args
	if len(in) > 1 {
		in = in[:1]
	}
	code := c.inputs(in, func(_ string, r *bufio.Reader) error {
		return c.lines(r, func(line string) bool {
			if n > 0 && part(line) == part(last) {
				n++
				return true
			}
			flush()
			n, last = 1, line
			return true
		})
	})
	flush()
	if len(f.args) > 1 && code == 0 {
		c.errf("an output file is not supported here; use >")
		return 1
	}
	return code
}
