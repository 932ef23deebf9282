package tools

import (
	"bytes"
	"strconv"
	"strings"
)

// edit is a part of a comparison of lines: same, taken away or added.
type edit struct {
	kind byte // ' ', '-', '+'
	line string
	a, b int // where it stands, from 0
}

// maxDiff bounds the work of a comparison.
const maxDiff = 4000

// compareLines is the shortest way from a to b, as long as that is not too much
// work.
func compareLines(a, b []string) []edit {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	x, y := a[start:len(a)-end], b[start:len(b)-end]
	var edits []edit
	for i := range start {
		edits = append(edits, edit{' ', a[i], i, i})
	}
	if len(x) <= maxDiff && len(y) <= maxDiff {
		edits = append(edits, longestCommon(x, y, start)...)
	} else {
		for i, line := range x {
			edits = append(edits, edit{'-', line, start + i, start})
		}
		for i, line := range y {
			edits = append(edits, edit{'+', line, start + len(x), start + i})
		}
	}
	for i := range end {
		edits = append(edits, edit{' ', a[len(a)-end+i], len(a) - end + i, len(b) - end + i})
	}
	return edits
}

func longestCommon(x, y []string, start int) []edit {
	width := len(y) + 1
	table := make([]int32, (len(x)+1)*width)
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				table[i*width+j] = table[(i+1)*width+j+1] + 1
			} else {
				table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
			}
		}
	}
	var edits []edit
	for i, j := 0, 0; i < len(x) || j < len(y); {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			edits = append(edits, edit{' ', x[i], start + i, start + j})
			i++
			j++
		case j == len(y) || i < len(x) && table[(i+1)*width+j] >= table[i*width+j+1]:
			edits = append(edits, edit{'-', x[i], start + i, start + j})
			i++
		default:
			edits = append(edits, edit{'+', y[j], start + i, start + j})
			j++
		}
	}
	return edits
}

func splitLines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func diff(c *Call) int {
	f, ok := c.parse("u,unified? q,brief r,recursive N,new-file i,ignore-case w,ignore-all-space b,ignore-space-change B U= c y s,report-identical-files a,text color? strip-trailing-cr E Z")
	if !ok {
		return 2
	}
	if len(f.args) != 2 {
		c.errf("missing operand after '%s'", strings.Join(f.args, " "))
		return 2
	}
	return c.diffPaths(f, f.args[0], f.args[1])
}

func (c *Call) diffPaths(f flags, one, two string) int {
	a, b := c.exists(one, true), c.exists(two, true)
	if one != "-" && two != "-" && a != nil && b != nil {
		switch {
		case a.IsDir() && b.IsDir():
			return c.diffDirs(f, one, two)
		case a.IsDir():
			one = strings.TrimSuffix(one, "/") + "/" + b.Name()
		case b.IsDir():
			two = strings.TrimSuffix(two, "/") + "/" + a.Name()
		}
	}
	var data [2][]byte
	for i, name := range []string{one, two} {
		var err error
		if data[i], err = c.slurp(name); err != nil && !f.has("N") {
			c.errf("%s: %s", name, Reason(err))
			return 2
		}
	}
	if bytes.Equal(data[0], data[1]) {
		if f.has("s") {
			c.printf("Files %s and %s are identical\n", one, two)
		}
		return 0
	}
	if f.has("q") {
		c.printf("Files %s and %s differ\n", one, two)
		return 1
	}
	if bytes.IndexByte(data[0], 0) >= 0 || bytes.IndexByte(data[1], 0) >= 0 {
		c.printf("Binary files %s and %s differ\n", one, two)
		return 1
	}
	edits := compareLines(c.diffKeys(f, data[0]), c.diffKeys(f, data[1]))
	if f.has("i") || f.has("w") || f.has("b") {
		restore(edits, splitLines(data[0]), splitLines(data[1]))
	}
	changed := false
	for _, e := range edits {
		changed = changed || e.kind != ' '
	}
	if !changed && (f.has("i") || f.has("w") || f.has("b")) {
		return 0
	}
	if f.has("r") {
		c.printf("diff %s %s %s\n", strings.Join(c.options(), " "), one, two)
	}
	if f.has("u") || f.has("U") {
		context := 3
		if n, err := strconv.Atoi(f.get("U") + f.get("u")); err == nil && n >= 0 {
			context = n
		}
		stamp := func(name string) string {
			if info := c.exists(name, true); info != nil {
				return name + "\t" + info.Changed.Format("2006-01-02 15:04:05.000000000 -0700")
			}
			return name + "\t" + c.Now().Format("2006-01-02 15:04:05.000000000 -0700")
		}
		c.printf("--- %s\n+++ %s\n", stamp(one), stamp(two))
		c.unified(edits, context)
	} else {
		c.classic(edits)
	}
	return 1
}

// options are the arguments that are options.
func (c *Call) options() []string {
	var all []string
	for _, a := range c.Args {
		if strings.HasPrefix(a, "-") && a != "-" {
			all = append(all, a)
		}
	}
	return all
}

// diffKeys are the lines as they are compared.
func (c *Call) diffKeys(f flags, data []byte) []string {
	lines := splitLines(data)
	for i, line := range lines {
		if f.has("w") {
			line = strings.Join(strings.Fields(line), "")
		} else if f.has("b") {
			line = strings.Join(strings.Fields(line), " ")
		}
		if f.has("i") {
			line = strings.ToLower(line)
		}
		lines[i] = line
	}
	return lines
}

func restore(edits []edit, a, b []string) {
	for i, e := range edits {
		if e.kind == '+' {
			edits[i].line = b[e.b]
		} else {
			edits[i].line = a[e.a]
		}
	}
}

func (c *Call) diffDirs(f flags, one, two string) int {
	code := 0
	names := map[string]int{}
	for i, dir := range []string{one, two} {
		infos, err := c.FS.List(c.Who, c.abs(dir))
		if err != nil {
			c.errf("%s: %s", dir, Reason(err))
			return 2
		}
		for _, info := range infos {
			names[info.Name()] |= 1 << i
		}
	}
	for _, name := range sortedKeys(names) {
		if c.stopped() {
			return 2
		}
		a, b := strings.TrimSuffix(one, "/")+"/"+name, strings.TrimSuffix(two, "/")+"/"+name
		switch where := names[name]; {
		case where == 1 && !f.has("N"):
			c.printf("Only in %s: %s\n", one, name)
			code = max(code, 1)
		case where == 2 && !f.has("N"):
			c.printf("Only in %s: %s\n", two, name)
			code = max(code, 1)
		default:
			if x, y := c.exists(a, true), c.exists(b, true); x != nil && y != nil && x.IsDir() && y.IsDir() && !f.has("r") {
				c.printf("Common subdirectories: %s and %s\n", a, b)
				continue
			}
			code = max(code, c.diffPaths(f, a, b))
		}
	}
	return code
}

// hunks groups changes that stand close to each other.
func hunks(edits []edit, context int) [][]edit {
	var all [][]edit
	for i := 0; i < len(edits); {
		if edits[i].kind == ' ' {
			i++
			continue
		}
		from := max(i-context, 0)
		last := i
		for k := i; k < len(edits) && k <= last+2*context+1; k++ {
			if edits[k].kind != ' ' {
				last = k
			}
		}
		to := min(last+context+1, len(edits))
		all = append(all, edits[from:to])
		i = to
	}
	return all
}

func (c *Call) unified(edits []edit, context int) {
	for _, hunk := range hunks(edits, context) {
		a, b := 0, 0
		for _, e := range hunk {
			if e.kind != '+' {
				a++
			}
			if e.kind != '-' {
				b++
			}
		}
		where := func(at, n int) string {
			switch n {
			case 0:
				return strconv.Itoa(at) + ",0"
			case 1:
				return strconv.Itoa(at + 1)
			}
			return strconv.Itoa(at+1) + "," + strconv.Itoa(n)
		}
		c.printf("@@ -%s +%s @@\n", where(hunk[0].a, a), where(hunk[0].b, b))
		for _, e := range hunk {
			c.printf("%c%s\n", e.kind, e.line)
		}
	}
}

func (c *Call) classic(edits []edit) {
	for _, hunk := range hunks(edits, 0) {
		var gone, come []edit
		for _, e := range hunk {
			if e.kind == '-' {
				gone = append(gone, e)
			} else if e.kind == '+' {
				come = append(come, e)
			}
		}
		where := func(at, n int) string {
			if n > 1 {
				return strconv.Itoa(at+1) + "," + strconv.Itoa(at+n)
			}
			return strconv.Itoa(at + 1)
		}
		first := hunk[0]
		switch {
		case len(come) == 0:
			c.printf("%sd%d\n", where(first.a, len(gone)), first.b)
		case len(gone) == 0:
			c.printf("%da%s\n", first.a, where(first.b, len(come)))
		default:
			c.printf("%sc%s\n", where(gone[0].a, len(gone)), where(come[0].b, len(come)))
		}
		for _, e := range gone {
			c.printf("< %s\n", e.line)
		}
		if len(gone) > 0 && len(come) > 0 {
			c.printf("---\n")
		}
		for _, e := range come {
			c.printf("> %s\n", e.line)
		}
	}
}

func cmpFiles(c *Call) int {
	f, ok := c.parse("s,quiet,silent l b n=")
	if !ok || len(f.args) < 2 {
		return 2
	}
	a, err := c.slurp(f.args[0])
	if err != nil {
		c.errf("%s: %s", f.args[0], Reason(err))
		return 2
	}
	b, err := c.slurp(f.args[1])
	if err != nil {
		c.errf("%s: %s", f.args[1], Reason(err))
		return 2
	}
	line := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			if !f.has("s") {
				c.printf("%s %s differ: byte %d, line %d\n", f.args[0], f.args[1], i+1, line)
			}
			return 1
		}
		if a[i] == '\n' {
			line++
		}
	}
	if len(a) != len(b) {
		short := f.args[0]
		if len(b) < len(a) {
			short = f.args[1]
		}
		if !f.has("s") {
			c.errf("EOF on %s after byte %d, line %d", short, min(len(a), len(b)), max(line-1, 0))
		}
		return 1
	}
	return 0
}
