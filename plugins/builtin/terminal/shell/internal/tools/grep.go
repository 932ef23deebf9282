package tools

import (
	"bufio"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

type grepCall struct {
	*Call
	flags
	res           []*regexp.Regexp
	names         bool
	before, after int
	max           int
	found, failed bool
}

func grep(c *Call) int {
	f, ok := c.parse("E,extended-regexp F,fixed-strings G,basic-regexp P,perl-regexp e,regexp= f,file= i,y,ignore-case v,invert-match w,word-regexp x,line-regexp c,count o,only-matching q,quiet,silent s,no-messages l,files-with-matches L,files-without-match n,line-number H,with-filename h,no-filename r,recursive R,dereference-recursive A,after-context= B,before-context= C,context= m,max-count= a,text color? colour? include= exclude= exclude-dir= b,byte-offset z,null-data Z,null I binary-files= line-buffered U T no-ignore-case")
	if !ok {
		return 2
	}
	g := &grepCall{Call: c, flags: f}
	kind := byte('G')
	switch {
	case c.Name == "egrep" || f.last("E", "F", "G", "P") == "E":
		kind = 'E'
	case c.Name == "fgrep" || f.last("E", "F", "G", "P") == "F":
		kind = 'F'
	case f.last("E", "F", "G", "P") == "P":
		kind = 'P'
	}
	if !g.patterns(kind) {
		return 2
	}
	number := func(flag string, into *int) bool {
		if g.has(flag) {
			n, err := strconv.Atoi(g.get(flag))
			if err != nil || n < 0 {
				c.errf("%s: invalid context length argument", g.get(flag))
				return false
			}
			*into = n
		}
		return true
	}
	g.max = -1
	if !number("C", &g.before) || !number("C", &g.after) || !number("A", &g.after) || !number("B", &g.before) || !number("m", &g.max) {
		return 2
	}
	recurse := f.has("r") || f.has("R")
	args := g.args
	if len(args) == 0 {
		args = []string{"-"}
		if recurse {
			args = []string{"."}
		}
	}
	g.names = (len(args) > 1 || recurse) && !f.has("h") || f.has("H")
	for _, name := range args {
		g.search(name, recurse, len(g.args) == 0)
		if c.stopped() || g.found && g.has("q") {
			break
		}
	}
	switch {
	case g.failed && !(g.found && g.has("q")):
		return 2
	case g.found:
		return 0
	}
	return 1
}

func (g *grepCall) patterns(kind byte) bool {
	texts := g.values["e"]
	for _, file := range g.values["f"] {
		data, err := g.slurp(file)
		if err != nil {
			g.errf("%s: %s", file, Reason(err))
			return false
		}
		texts = append(texts, strings.TrimSuffix(string(data), "\n"))
	}
	if !g.has("e") && !g.has("f") {
		if len(g.args) == 0 {
			g.Out.Flush()
			g.warn("Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n")
			return false
		}
		texts, g.args = g.args[:1], g.args[1:]
	}
	for _, text := range texts {
		for line := range strings.SplitSeq(text, "\n") {
			re, err := compile(line, kind, g.has("i"))
			if err == nil && (g.has("w") || g.has("x")) {
				wrapped := `\b` + re.String() + `\b`
				if g.has("x") {
					wrapped = "^" + re.String() + "$"
				}
				if re, err = regexp.Compile(wrapped); err == nil {
					re.Longest()
				}
			}
			if err != nil {
				g.errf("%s", err)
				return false
			}
			g.res = append(g.res, re)
		}
	}
	return true
}

func (g *grepCall) search(name string, recurse, bare bool) {
	info := g.exists(name, true)
	if name == "-" {
		g.file("-", g.In)
		return
	}
	if info == nil || !info.IsDir() {
		r, err := g.open(name)
		if err != nil {
			g.complain(name, err)
			return
		}
		g.file(strings.TrimPrefix(name, g.trim(bare)), bufio.NewReader(r))
		return
	}
	if !recurse {
		g.errf("%s: Is a directory", name)
		return
	}
	infos, err := g.FS.List(g.Who, g.abs(name))
	if err != nil {
		g.complain(name, err)
		return
	}
	for _, i := range infos {
		if g.stopped() {
			return
		}
		if i.IsDir() && g.matchAny("exclude-dir", i.Name()) || !i.IsDir() && (g.matchAny("exclude", i.Name()) || g.has("include") && !g.matchAny("include", i.Name())) {
			continue
		}
		if i.Kind == vfs.Link && !g.has("R") || i.Kind == vfs.Device {
			continue
		}
		g.search(strings.TrimSuffix(name, "/")+"/"+i.Name(), true, bare)
	}
}

// trim is what is left out of names when no folder was named.
func (g *grepCall) trim(bare bool) string {
	if bare {
		return "./"
	}
	return ""
}

func (g *grepCall) complain(name string, err error) {
	g.failed = true
	if !g.has("s") {
		g.errf("%s: %s", name, Reason(err))
	}
}

func (g *grepCall) matchAny(flag, name string) bool {
	for _, pattern := range g.values[flag] {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return false
}

// match finds the first match in a line.
func (g *grepCall) match(line string) []int {
	var best []int
	for _, re := range g.res {
		if loc := re.FindStringIndex(line); loc != nil && (best == nil || loc[0] < best[0] || loc[0] == best[0] && loc[1] > best[1]) {
			best = loc
		}
	}
	return best
}

func (g *grepCall) file(name string, r *bufio.Reader) {
	shown := name
	if name == "-" {
		shown = "(standard input)"
	}
	prefix := func(n int, sep string) string {
		text := ""
		if g.names {
			text = shown + sep
		}
		if g.has("n") {
			text += strconv.Itoa(n) + sep
		}
		return text
	}
	var before []string
	count, n, left, last := 0, 0, 0, 0
	quiet := g.has("q") || g.has("l") || g.has("L") || g.has("c")
	binary := false
	err := g.lines(r, func(line string) bool {
		n++
		if strings.IndexByte(line, 0) >= 0 && !g.has("a") {
			binary = true
		}
		loc := g.match(line)
		if (loc != nil) == g.has("v") {
			if left > 0 && !quiet {
				g.printf("%s%s\n", prefix(n, "-"), line)
				last = n
				left--
			} else if g.before > 0 {
				before = append(before, line)
				before = before[max(len(before)-g.before, 0):]
			}
			return g.max < 0 || count < g.max || left > 0
		}
		if g.max >= 0 && count >= g.max {
			return false
		}
		count++
		if quiet || binary {
			return !(g.has("q") || g.has("l") || g.has("L")) && (g.max < 0 || count < g.max)
		}
		if (g.before > 0 || g.after > 0) && last > 0 && n-len(before) > last+1 {
			g.printf("--\n")
		}
		for i, b := range before {
			g.printf("%s%s\n", prefix(n-len(before)+i, "-"), b)
		}
		before = nil
		if g.has("o") {
			g.matches(line, prefix(n, ":"))
		} else {
			g.printf("%s%s\n", prefix(n, ":"), line)
		}
		last, left = n, g.after
		return g.max < 0 || count < g.max || left > 0
	})
	if err != nil {
		g.complain(name, err)
		return
	}
	g.found = g.found || count > 0 != g.has("L")
	switch {
	case g.has("q"):
	case g.has("l") && count > 0, g.has("L") && count == 0:
		g.printf("%s\n", shown)
	case g.has("l"), g.has("L"):
	case g.has("c"):
		if g.names {
			g.printf("%s:", shown)
		}
		g.printf("%d\n", count)
	case binary && count > 0:
		g.Out.Flush()
		g.printf("grep: %s: binary file matches\n", shown)
	}
}

// matches writes each match of a line.
func (g *grepCall) matches(line, prefix string) {
	if g.has("v") {
		return
	}
	for offset := 0; offset <= len(line); {
		loc := g.match(line[offset:])
		if loc == nil {
			return
		}
		if loc[1] > loc[0] {
			g.printf("%s%s\n", prefix, line[offset+loc[0]:offset+loc[1]])
		}
		offset += max(loc[1], loc[0]+1)
	}
}
