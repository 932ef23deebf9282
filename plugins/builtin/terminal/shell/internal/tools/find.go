package tools

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// found is a file that find looks at.
type found struct {
	*vfs.Info
	path  string
	start string
	depth int
	prune bool
}

type findTest func(f *found) bool

type finder struct {
	*Call
	args     []string
	minDepth int
	maxDepth int
	deep     bool
	follow   bool            // links are what they lead to (-L)
	trail    map[uint64]bool // folders on the way to here, where links are followed
	acts     bool
	quit     bool
	code     int
	batches  []*findBatch
	err      error
}

// findBatch is an -exec that ends with +.
type findBatch struct {
	args  []string
	files []string
}

func find(c *Call) int {
	f := &finder{Call: c, maxDepth: 1 << 30, trail: map[uint64]bool{}}
	args := c.Args
	var starts []string
	for len(args) > 0 && (args[0] == "-L" || args[0] == "-H" || args[0] == "-P") {
		f.follow = f.follow || args[0] == "-L"
		args = args[1:]
	}
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "(" && args[0] != "!" {
		starts, args = append(starts, args[0]), args[1:]
	}
	if len(starts) == 0 {
		starts = []string{"."}
	}
	f.args = args
	test := findTest(func(*found) bool { return true })
	if len(args) > 0 {
		test = f.or(0)
	}
	if f.err == nil && len(f.args) > 0 {
		f.err = fmt.Errorf("paths must precede expression: `%s'", f.args[0])
	}
	if f.err != nil {
		c.errf("%s", f.err)
		return 1
	}
	for _, start := range starts {
		info, err := c.FS.Stat(c.Who, c.abs(start), f.follow)
		if err != nil {
			c.errf("'%s': %s", start, Reason(err))
			f.code = 1
			continue
		}
		f.visit(test, &found{Info: info, path: start, start: start})
	}
	for _, b := range f.batches {
		f.run(b)
	}
	return f.code
}

func (f *finder) visit(test findTest, at *found) {
	if f.quit || f.stopped() {
		return
	}
	check := func() {
		if at.depth >= f.minDepth && test(at) && !f.acts {
			f.printf("%s\n", at.path)
		}
	}
	if !f.deep {
		check()
	}
	if at.IsDir() && !at.prune && at.depth < f.maxDepth && f.enter(at) {
		infos, err := f.FS.List(f.Who, f.abs(at.path))
		if err != nil {
			f.errf("'%s': %s", at.path, Reason(err))
			f.code = 1
		}
		for _, i := range infos {
			name := strings.TrimSuffix(at.path, "/") + "/" + i.Name()
			if i.Kind == vfs.Link && f.follow {
				if to, err := f.FS.Stat(f.Who, f.abs(name), true); err == nil {
					i = to
				}
			}
			f.visit(test, &found{Info: i, path: name, start: at.start, depth: at.depth + 1})
		}
		delete(f.trail, at.Inode)
	}
	if f.deep {
		check()
	}
}

// enter says whether a folder may be gone into: one that it lies in itself may not,
// where a link leads back to it.
func (f *finder) enter(at *found) bool {
	if !f.follow {
		return true
	}
	if f.trail[at.Inode] {
		f.errf("File system loop detected; '%s' is part of the same file system loop", at.path)
		f.code = 1
		return false
	}
	f.trail[at.Inode] = true
	return true
}

func (f *finder) take(words ...string) bool {
	for _, w := range words {
		if len(f.args) > 0 && f.args[0] == w {
			f.args = f.args[1:]
			return true
		}
	}
	return false
}

func (f *finder) or(depth int) findTest {
	left := f.and(depth)
	for f.err == nil && f.take("-o", "-or", ",") {
		a, b := left, f.and(depth)
		left = func(x *found) bool { return a(x) || b(x) }
	}
	return left
}

func (f *finder) and(depth int) findTest {
	left := f.not(depth)
	for f.err == nil && len(f.args) > 0 && f.args[0] != "-o" && f.args[0] != "-or" && f.args[0] != ")" && f.args[0] != "," {
		f.take("-a", "-and")
		a, b := left, f.not(depth)
		left = func(x *found) bool { return a(x) && b(x) }
	}
	return left
}

func (f *finder) not(depth int) findTest {
	never := func(*found) bool { return false }
	if depth > maxNesting {
		f.err = fmt.Errorf("the expression is too deep")
		return never
	}
	if f.take("!", "-not") {
		t := f.not(depth + 1)
		return func(x *found) bool { return !t(x) }
	}
	if f.take("(") {
		t := f.or(depth + 1)
		if !f.take(")") && f.err == nil {
			f.err = fmt.Errorf("invalid expression; expected to find a ')' but didn't see one")
		}
		return t
	}
	if len(f.args) == 0 {
		f.err = fmt.Errorf("invalid expression")
		return never
	}
	name := f.args[0]
	f.args = f.args[1:]
	t := f.primary(name)
	if t == nil {
		if f.err == nil {
			f.err = fmt.Errorf("unknown predicate `%s'", name)
		}
		return never
	}
	return t
}

func (f *finder) value(name string) string {
	if len(f.args) == 0 {
		if f.err == nil {
			f.err = fmt.Errorf("missing argument to `%s'", name)
		}
		return ""
	}
	v := f.args[0]
	f.args = f.args[1:]
	return v
}

// compare reads +5, -5 or 5.
func (f *finder) compare(name, text string) func(n int64) bool {
	n, err := strconv.ParseInt(strings.TrimLeft(text, "+-"), 10, 40)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("invalid argument `%s' to `%s'", text, name)
	}
	switch {
	case strings.HasPrefix(text, "+"):
		return func(v int64) bool { return v > n }
	case strings.HasPrefix(text, "-"):
		return func(v int64) bool { return v < n }
	}
	return func(v int64) bool { return v == n }
}

func always(do func(x *found)) findTest {
	return func(x *found) bool { do(x); return true }
}

func (f *finder) primary(name string) findTest {
	switch name {
	case "-name", "-iname", "-path", "-ipath", "-wholename", "-regex", "-iregex", "-lname":
		return f.names(name, f.value(name))
	case "-type", "-xtype":
		kinds := f.value(name)
		return func(x *found) bool {
			return strings.Contains(kinds, map[vfs.Kind]string{vfs.File: "f", vfs.Dir: "d", vfs.Link: "l", vfs.Device: "c"}[x.Kind])
		}
	case "-user", "-group", "-uid", "-gid", "-perm", "-size", "-links", "-empty", "-readable", "-writable", "-executable", "-nouser", "-nogroup", "-inum", "-samefile":
		return f.attributes(name)
	case "-mtime", "-ctime", "-atime", "-mmin", "-cmin", "-amin", "-newer", "-newermt", "-daystart":
		return f.times(name)
	case "-maxdepth", "-mindepth":
		n, err := strconv.Atoi(f.value(name))
		if err != nil && f.err == nil {
			f.err = fmt.Errorf("expected a positive decimal integer argument to %s", name)
		}
		if name == "-maxdepth" {
			f.maxDepth = n
		} else {
			f.minDepth = n
		}
		return always(func(*found) {})
	case "-depth", "-d":
		f.deep = true
		return always(func(*found) {})
	case "-true", "-noleaf", "-xdev", "-mount", "-follow", "-ignore_readdir_race":
		return always(func(*found) {})
	case "-false":
		return func(*found) bool { return false }
	case "-prune":
		return always(func(x *found) { x.prune = true })
	case "-quit":
		f.acts = true
		return always(func(*found) { f.quit = true })
	}
	return f.actions(name)
}

func (f *finder) names(name, pattern string) findTest {
	fold := strings.HasPrefix(name, "-i")
	var re *regexp.Regexp
	var err error
	if strings.HasSuffix(name, "regex") {
		re, err = compile("^"+pattern+"$", 'G', fold)
	} else {
		re, err = globRegexp(pattern, fold)
	}
	if err != nil && f.err == nil {
		f.err = err
	}
	return func(x *found) bool {
		switch name {
		case "-name", "-iname":
			base := path.Base(x.path)
			return re.MatchString(base)
		case "-lname":
			return re.MatchString(x.Target)
		}
		return re.MatchString(x.path)
	}
}

// globRegexp is a pattern of file names, in which * takes slashes too.
func globRegexp(pattern string, fold bool) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString("^")
	for i := 0; i < len(pattern); i++ {
		switch ch := pattern[i]; ch {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '\\':
			if i+1 < len(pattern) {
				i++
			}
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		case '[':
			text := pattern
			if strings.HasPrefix(pattern[i:], "[!") {
				text = pattern[:i] + "[^" + pattern[i+2:]
			}
			set, end := bracket(text, i)
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			b.WriteString(set)
			i = end
		default:
			b.WriteString(regexp.QuoteMeta(string(ch)))
		}
	}
	b.WriteString("$")
	return compile(b.String(), 'P', fold)
}

func (f *finder) attributes(name string) findTest {
	switch name {
	case "-empty":
		return func(x *found) bool {
			if x.IsDir() {
				infos, err := f.FS.List(f.Who, f.abs(x.path))
				return err == nil && len(infos) == 0
			}
			return x.Kind == vfs.File && x.Bytes == 0
		}
	case "-readable", "-writable", "-executable":
		want := map[string]uint32{"-readable": 4, "-writable": 2, "-executable": 1}[name]
		return func(x *found) bool { return f.FS.Access(f.Who, f.abs(x.path), want) == nil }
	case "-nouser":
		return func(x *found) bool { return f.row("/etc/passwd", x.Owner) == nil }
	case "-nogroup":
		return func(x *found) bool { return f.row("/etc/group", x.Group) == nil }
	}
	v := f.value(name)
	switch name {
	case "-user", "-uid":
		return func(x *found) bool { return x.Owner == v || f.UID(x.Owner) == v }
	case "-group", "-gid":
		return func(x *found) bool { return x.Group == v || f.GID(x.Group) == v }
	case "-links":
		is := f.compare(name, v)
		return func(x *found) bool { return is(int64(x.Links)) }
	case "-inum":
		is := f.compare(name, v)
		return func(x *found) bool { return is(int64(x.Inode)) }
	case "-samefile":
		other := f.exists(v, true)
		return func(x *found) bool { return other != nil && x.Inode == other.Inode }
	case "-perm":
		mode, ok := parseMode(strings.TrimLeft(v, "-/"), 0, false, 0)
		if !ok && f.err == nil {
			f.err = fmt.Errorf("invalid mode '%s'", v)
		}
		return func(x *found) bool {
			switch {
			case strings.HasPrefix(v, "-"):
				return x.Perm&mode == mode
			case strings.HasPrefix(v, "/"):
				return mode == 0 || x.Perm&mode != 0
			}
			return x.Perm == mode
		}
	}
	// -size
	unit := int64(512)
	if v != "" {
		if u, ok := map[byte]int64{'c': 1, 'w': 2, 'b': 512, 'k': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}[v[len(v)-1]]; ok {
			unit, v = u, v[:len(v)-1]
		}
	}
	is := f.compare(name, v)
	return func(x *found) bool { return is((x.Bytes + unit - 1) / unit) }
}

func (f *finder) times(name string) findTest {
	if name == "-daystart" {
		return always(func(*found) {})
	}
	v := f.value(name)
	switch name {
	case "-newer":
		other := f.exists(v, true)
		if other == nil && f.err == nil {
			f.err = fmt.Errorf("'%s': No such file or directory", v)
		}
		return func(x *found) bool { return x.Changed.After(other.Changed) }
	case "-newermt":
		at, ok := parseDate(v, f.Now())
		if !ok && f.err == nil {
			f.err = fmt.Errorf("cannot figure out how to interpret '%s' as a date or time", v)
		}
		return func(x *found) bool { return x.Changed.After(at) }
	}
	unit := 24 * time.Hour
	if strings.HasSuffix(name, "min") {
		unit = time.Minute
	}
	is := f.compare(name, v)
	return func(x *found) bool { return is(int64(f.Now().Sub(x.Changed) / unit)) }
}
