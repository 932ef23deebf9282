package tools

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

func mkdir(c *Call) int {
	f, ok := c.parse("p,parents m,mode= v,verbose")
	if !ok {
		return 1
	}
	if len(f.args) == 0 {
		c.errf("missing operand")
		return 1
	}
	mode := 0o777 &^ c.Umask()
	if f.has("m") {
		if mode, ok = parseMode(f.get("m"), 0o777, true, c.Umask()); !ok {
			c.errf("invalid mode '%s'", f.get("m"))
			return 1
		}
	}
	code := 0
	for _, name := range f.args {
		var todo []string
		if f.has("p") {
			at := ""
			for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
				at += part
				todo = append(todo, at)
				at += "/"
			}
			if strings.HasPrefix(name, "/") {
				for i := range todo {
					todo[i] = "/" + todo[i]
				}
			}
		} else {
			todo = []string{name}
		}
		for _, dir := range todo {
			if info := c.exists(dir, true); f.has("p") && info != nil && info.IsDir() {
				continue
			}
			if err := c.FS.Mkdir(c.Who, c.abs(dir), mode); err != nil {
				c.errf("cannot create directory '%s': %s", name, Reason(err))
				code = 1
				break
			}
			if f.has("v") {
				c.printf("%s: created directory '%s'\n", c.Name, dir)
			}
		}
	}
	return code
}

func rmdir(c *Call) int {
	f, ok := c.parse("p,parents v,verbose ignore-fail-on-non-empty")
	if !ok {
		return 1
	}
	code := 0
	for _, name := range f.args {
		for dir := strings.TrimRight(name, "/"); dir != "" && dir != "." && dir != "/"; dir = path.Dir(dir) {
			if err := c.FS.Remove(c.Who, c.abs(dir), true); err != nil {
				if !f.has("ignore-fail-on-non-empty") {
					c.errf("failed to remove '%s': %s", dir, Reason(err))
					code = 1
				}
				break
			}
			if !f.has("p") {
				break
			}
		}
	}
	return code
}

func ln(c *Call) int {
	f, ok := c.parse("s,symbolic f,force n,no-dereference v,verbose r,relative t,target-directory= T,no-target-directory i b L P")
	if !ok {
		return 1
	}
	if len(f.args) == 1 && !f.has("t") {
		f.args = append(f.args, ".")
	}
	if f.has("n") && len(f.args) == 2 {
		if info := c.exists(f.args[1], false); info != nil && info.Kind == vfs.Link {
			f.values["T"] = []string{""}
		}
	}
	sources, targets, ok := c.into(f)
	if !ok {
		return 1
	}
	code := 0
	for i, from := range sources {
		to := targets[i]
		if f.has("f") && c.exists(to, false) != nil {
			_ = c.FS.Remove(c.Who, c.abs(to), false)
		}
		var err error
		kind := "hard"
		if f.has("s") {
			kind = "symbolic"
			err = c.FS.Symlink(c.Who, from, c.abs(to))
		} else {
			if info := c.exists(from, true); info == nil {
				_, err = c.FS.Stat(c.Who, c.abs(from), true)
				c.errf("failed to access '%s': %s", from, Reason(err))
				code = 1
				continue
			} else if info.IsDir() {
				c.errf("%s: hard link not allowed for directory", from)
				code = 1
				continue
			}
			err = c.FS.Hardlink(c.Who, c.abs(from), c.abs(to))
		}
		if err != nil {
			c.errf("failed to create %s link '%s': %s", kind, to, Reason(err))
			code = 1
		} else if f.has("v") {
			c.printf("'%s' -> '%s'\n", to, from)
		}
	}
	return code
}

func readlink(c *Call) int {
	f, ok := c.parse("f,canonicalize e,canonicalize-existing m,canonicalize-missing n,no-newline q s,no-symlinks v z relative-to=")
	if !ok {
		return 1
	}
	if len(f.args) == 0 {
		c.errf("missing operand")
		return 1
	}
	real := c.Name == "realpath" || f.has("f") || f.has("e") || f.has("m")
	code := 0
	for _, name := range f.args {
		var to string
		if real {
			var err error
			to, err = c.FS.Real(c.Who, c.abs(name), f.has("e"))
			if err != nil && f.has("m") {
				to, err = vfs.Abs(c.Dir, name), nil
			}
			if err != nil {
				if c.Name == "realpath" {
					c.errf("%s: %s", name, Reason(err))
				}
				code = 1
				continue
			}
		} else {
			info := c.exists(name, false)
			if info == nil || info.Kind != vfs.Link {
				code = 1
				continue
			}
			to = info.Target
		}
		if base, ok := strings.CutPrefix(to, strings.TrimSuffix(vfs.Abs(c.Dir, f.get("relative-to")), "/")+"/"); ok && f.has("relative-to") {
			to = base
		} else if to == vfs.Abs(c.Dir, f.get("relative-to")) && f.has("relative-to") {
			to = "."
		}
		c.Out.Text(to)
		if !f.has("n") {
			c.Out.Byte('\n')
		}
	}
	return code
}

func basename(c *Call) int {
	f, ok := c.parse("+a,multiple s,suffix= z")
	if !ok || len(f.args) == 0 {
		if ok {
			c.errf("missing operand")
		}
		return 1
	}
	names, suffix := f.args, f.get("s")
	if !f.has("a") && !f.has("s") {
		if len(names) > 1 {
			suffix = names[1]
		}
		names = names[:1]
	}
	for _, name := range names {
		base := path.Base(name)
		if name == "" {
			base = ""
		}
		if suffix != "" && base != suffix {
			base = strings.TrimSuffix(base, suffix)
		}
		c.printf("%s\n", base)
	}
	return 0
}

func dirname(c *Call) int {
	f, ok := c.parse("z")
	if !ok || len(f.args) == 0 {
		if ok {
			c.errf("missing operand")
		}
		return 1
	}
	for _, name := range f.args {
		dir := path.Dir(strings.TrimRight(name, "/"))
		if strings.Trim(name, "/") == "" && name != "" {
			dir = "/"
		}
		c.printf("%s\n", dir)
	}
	return 0
}

func mktemp(c *Call) int {
	f, ok := c.parse("d,directory u,dry-run q,quiet p,tmpdir= t suffix=")
	if !ok {
		return 1
	}
	pattern := "tmp.XXXXXXXXXX"
	dir := "/tmp"
	if len(f.args) > 0 {
		pattern = f.args[0]
		if !f.has("p") && !f.has("t") {
			dir = ""
		}
	}
	if f.has("p") && f.get("p") != "" {
		dir = f.get("p")
	}
	start := strings.LastIndex(pattern, "XXX")
	if start < 0 {
		c.errf("too few X's in template '%s'", pattern)
		return 1
	}
	end := start + 3
	for start > 0 && pattern[start-1] == 'X' {
		start--
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for {
		random := make([]byte, end-start)
		for i := range random {
			random[i] = letters[c.Random(len(letters))]
		}
		name := pattern[:start] + string(random) + pattern[end:] + f.get("suffix")
		if dir != "" {
			name = strings.TrimSuffix(dir, "/") + "/" + name
		}
		if c.exists(name, false) != nil {
			continue
		}
		var err error
		if !f.has("u") && f.has("d") {
			err = c.FS.Mkdir(c.Who, c.abs(name), 0o700)
		} else if !f.has("u") {
			_, err = c.FS.Open(c.Who, c.abs(name), 1|createFlag, 0o600)
		}
		if err != nil {
			c.errf("failed to create file via template '%s': %s", pattern, Reason(err))
			return 1
		}
		c.printf("%s\n", name)
		return 0
	}
}

// walk calls do with each file at and below a path, as far as one may see.
func (c *Call) walk(name string, do func(name string, i *vfs.Info) bool) {
	info := c.exists(name, false)
	if info == nil || c.stopped() || !do(name, info) || !info.IsDir() {
		return
	}
	infos, err := c.FS.List(c.Who, c.abs(name))
	if err != nil {
		c.errf("cannot read directory '%s': %s", name, Reason(err))
		return
	}
	for _, child := range infos {
		c.walk(strings.TrimSuffix(name, "/")+"/"+child.Name(), do)
	}
}

func du(c *Call) int {
	f, ok := c.parse("s,summarize h,human-readable a,all c,total d,max-depth= k m b,bytes x L P S exclude= apparent-size time? 0")
	if !ok {
		return 1
	}
	show := func(n int64) string {
		switch {
		case f.has("h"):
			return human(n)
		case f.has("b"):
			return strconv.FormatInt(n, 10)
		case f.has("m"):
			return strconv.FormatInt((n+1<<20-1)>>20, 10)
		}
		return strconv.FormatInt((n+1023)/1024, 10)
	}
	depth := 1 << 30
	if f.has("d") {
		depth, _ = strconv.Atoi(f.get("d"))
	}
	if f.has("s") {
		depth = 0
	}
	var size func(name string, level int) int64
	size = func(name string, level int) int64 {
		info := c.exists(name, false)
		if info == nil || c.stopped() {
			return 0
		}
		total := blocksOf(info) * 1024
		if f.has("b") || f.has("apparent-size") {
			total = info.Bytes
		}
		if info.IsDir() {
			infos, err := c.FS.List(c.Who, c.abs(name))
			if err != nil {
				c.errf("cannot read directory '%s': %s", name, Reason(err))
			}
			for _, child := range infos {
				total += size(strings.TrimSuffix(name, "/")+"/"+child.Name(), level+1)
			}
		}
		if level <= depth && (info.IsDir() || f.has("a") || level == 0) {
			c.printf("%s\t%s\n", show(total), name)
		}
		return total
	}
	names := f.args
	if len(names) == 0 {
		names = []string{"."}
	}
	code, total := 0, int64(0)
	for _, name := range names {
		if c.exists(name, false) == nil {
			c.errf("cannot access '%s': No such file or directory", name)
			code = 1
			continue
		}
		total += size(name, 0)
	}
	if f.has("c") {
		c.printf("%s\ttotal\n", show(total))
	}
	return code
}

func df(c *Call) int {
	f, ok := c.parse("h,human-readable T,print-type k m a i,inodes t= x= total P,portability B= output?")
	if !ok {
		return 1
	}
	used, files := c.FS.Usage()
	limits := c.FS.Limits()
	if f.has("i") {
		c.printf("Filesystem     Inodes IUsed IFree IUse%% Mounted on\n/dev/sda1      %6d %5d %5d %4d%% /\n", limits.Files, files, limits.Files-files, files*100/max(limits.Files, 1))
		return 0
	}
	show := func(n int64) string {
		if f.has("h") {
			return human(n)
		}
		return strconv.FormatInt((n+1023)/1024, 10)
	}
	head := "1K-blocks"
	if f.has("h") {
		head = "Size"
	}
	percent := (used*100 + limits.Bytes - 1) / max(limits.Bytes, 1)
	kind, kindHead := "", ""
	if f.has("T") {
		kind, kindHead = "ext4  ", "Type  "
	}
	c.printf("Filesystem     %s%9s %9s %9s Use%% Mounted on\n", kindHead, head, "Used", "Available")
	c.printf("%-14s %s%9s %9s %9s %3d%% /\n", "/dev/sda1", kind, show(limits.Bytes), show(used), show(limits.Bytes-used), percent)
	return 0
}

func tree(c *Call) int {
	f, ok := c.parse("a d L= f p s h i n C F I= P= noreport dirsfirst D u g")
	if !ok {
		return 1
	}
	limit := 1 << 30
	if f.has("L") {
		limit, _ = strconv.Atoi(f.get("L"))
	}
	dirs, files := 0, 0
	var show func(name, indent string, level int)
	show = func(name, indent string, level int) {
		if level > limit {
			return
		}
		all, err := c.FS.List(c.Who, c.abs(name))
		if err != nil {
			return
		}
		var infos []*vfs.Info
		for _, i := range all {
			hidden := strings.HasPrefix(i.Name(), ".") && !f.has("a")
			ignored := f.has("I") && globAny(f.get("I"), i.Name())
			if !hidden && !ignored && (i.IsDir() || !f.has("d")) {
				infos = append(infos, i)
			}
		}
		for n, i := range infos {
			if c.stopped() {
				return
			}
			branch, next := "├── ", "│   "
			if n == len(infos)-1 {
				branch, next = "└── ", "    "
			}
			label := i.Name()
			if f.has("f") {
				label = name + "/" + label
			}
			if i.Kind == vfs.Link {
				label += " -> " + i.Target
			}
			c.printf("%s%s%s\n", indent, branch, label)
			if i.IsDir() {
				dirs++
				show(name+"/"+i.Name(), indent+next, level+1)
			} else {
				files++
			}
		}
	}
	names := f.args
	if len(names) == 0 {
		names = []string{"."}
	}
	for _, name := range names {
		if info := c.exists(name, true); info == nil || !info.IsDir() {
			c.printf("%s  [error opening dir]\n", name)
			continue
		}
		c.printf("%s\n", name)
		show(name, "", 1)
	}
	if !f.has("noreport") {
		c.printf("\n%s, %s\n", plural(dirs, "director", "y", "ies"), plural(files, "file", "", "s"))
	}
	return 0
}

func plural(n int, stem, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s%s", n, stem, one)
	}
	return fmt.Sprintf("%d %s%s", n, stem, many)
}

func globAny(patterns, name string) bool {
	for p := range strings.SplitSeq(patterns, "|") {
		if ok, err := path.Match(p, name); err == nil && ok {
			return true
		}
	}
	return false
}
