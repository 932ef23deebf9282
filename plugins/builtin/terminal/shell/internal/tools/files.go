package tools

import (
	"bufio"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

func cat(c *Call) int {
	f, ok := c.parse("n,number b,number-nonblank s,squeeze-blank A,show-all E,show-ends T,show-tabs v,show-nonprinting e t u")
	if !ok {
		return 1
	}
	plain := len(f.order) == 0 || len(f.order) == len(f.values["u"])
	n, blank := 0, false
	return c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		if plain {
			return c.copyTo(r)
		}
		for {
			line, err := c.line(r, '\n')
			if line == "" {
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
			text, end := strings.CutSuffix(line, "\n")
			if f.has("s") && text == "" && blank {
				continue
			}
			blank = text == ""
			if f.has("T") || f.has("A") || f.has("t") {
				text = strings.ReplaceAll(text, "\t", "^I")
			}
			if f.has("b") && !blank || f.has("n") && !f.has("b") {
				n++
				c.printf("%6d\t", n)
			}
			c.Out.Text(text)
			if end {
				if f.has("E") || f.has("A") || f.has("e") {
					c.Out.Byte('$')
				}
				c.Out.Byte('\n')
			}
			if c.stopped() {
				return nil
			}
		}
	})
}

// copyTo copies a reader to the command's output until nobody takes it.
func (c *Call) copyTo(r io.Reader) error {
	buf := make([]byte, 32<<10)
	for !c.stopped() {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := c.Out.Write(buf[:n]); err != nil {
				return nil // Flush tells
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// exists says what is at a path, nil if nothing.
func (c *Call) exists(name string, follow bool) *vfs.Info {
	info, err := c.FS.Stat(c.Who, c.abs(name), follow)
	if err != nil {
		return nil
	}
	return info
}

// into finds where sources go: the names of targets, one for each.
func (c *Call) into(f flags) (sources, targets []string, ok bool) {
	sources = f.args
	to := f.get("t")
	if to == "" {
		switch len(sources) {
		case 0:
			c.errf("missing file operand")
			return nil, nil, false
		case 1:
			c.errf("missing destination file operand after '%s'", sources[0])
			return nil, nil, false
		}
		to, sources = sources[len(sources)-1], sources[:len(sources)-1]
	}
	info := c.exists(to, true)
	isDir := info != nil && info.IsDir() && !f.has("T")
	if len(sources) > 1 && !isDir {
		if info == nil {
			c.errf("target '%s': No such file or directory", to)
		} else {
			c.errf("target '%s' is not a directory", to)
		}
		return nil, nil, false
	}
	if strings.HasSuffix(to, "/") && info == nil && len(sources) == 1 {
		if from := c.exists(sources[0], true); from != nil && !from.IsDir() {
			c.errf("cannot create regular file '%s': Not a directory", to)
			return nil, nil, false
		}
	}
	for _, s := range sources {
		target := to
		if isDir {
			target = strings.TrimSuffix(to, "/") + "/" + path.Base(vfs.Abs(c.Dir, s))
		}
		targets = append(targets, target)
	}
	return sources, targets, true
}

func cp(c *Call) int {
	f, ok := c.parse("r,R,recursive a,archive p f,force i,interactive n,no-clobber v,verbose u,update? d P,no-dereference L,dereference H l,link s,symbolic-link t,target-directory= T,no-target-directory b,backup? preserve? no-preserve? x parents sparse= reflink? remove-destination")
	if !ok {
		return 1
	}
	sources, targets, ok := c.into(f)
	if !ok {
		return 1
	}
	code := 0
	for i, from := range sources {
		if !c.copyTree(f, from, targets[i], true) {
			code = 1
		}
	}
	return code
}

func (c *Call) copyTree(f flags, from, to string, top bool) bool {
	keep := f.has("a") || f.has("d") || f.has("P") || f.has("r") && !f.has("L") && !(top && f.has("H"))
	info, err := c.FS.Stat(c.Who, c.abs(from), !keep)
	if err != nil {
		c.errf("cannot stat '%s': %s", from, Reason(err))
		return false
	}
	there := c.exists(to, !keep)
	if there != nil && there.Inode == info.Inode {
		c.errf("'%s' and '%s' are the same file", from, to)
		return false
	}
	if there != nil && !there.IsDir() && (f.has("n") || f.has("u") && !there.Changed.Before(info.Changed)) {
		return true
	}
	if info.IsDir() {
		return c.copyDir(f, from, to, info, there)
	}
	if there != nil && there.IsDir() {
		c.errf("cannot overwrite directory '%s' with non-directory '%s'", to, from)
		return false
	}
	if there != nil {
		c.backUp(f, to)
	}
	if f.has("remove-destination") || keep && info.Kind == vfs.Link && there != nil {
		_ = c.FS.Remove(c.Who, c.abs(to), false)
	}
	switch {
	case f.has("l"):
		err = c.FS.Hardlink(c.Who, c.abs(from), c.abs(to))
	case f.has("s"):
		err = c.FS.Symlink(c.Who, from, c.abs(to))
	case info.Kind == vfs.Link:
		err = c.FS.Symlink(c.Who, info.Target, c.abs(to))
	default:
		err = c.copyFile(f, from, to, info)
	}
	if err != nil {
		if where, ok := errors.AsType[copyError](err); ok {
			c.errf("cannot open '%s' for reading: %s", from, Reason(where.error))
		} else {
			c.errf("cannot create regular file '%s': %s", to, Reason(err))
		}
		return false
	}
	if f.has("v") {
		c.printf("'%s' -> '%s'\n", from, to)
	}
	return true
}

// copyError is an error of reading what is copied.
type copyError struct{ error }

func (c *Call) copyFile(f flags, from, to string, info *vfs.Info) error {
	data, err := c.slurp(c.abs(from))
	if err != nil {
		return copyError{err}
	}
	if f.has("f") && c.FS.Access(c.Who, c.abs(to), 2) != nil {
		_ = c.FS.Remove(c.Who, c.abs(to), false)
	}
	if err := c.FS.WriteFile(c.Who, c.abs(to), data, info.Perm&0o777&^c.Umask()); err != nil {
		return err
	}
	c.keepMeta(f, to, info)
	return nil
}

func (c *Call) keepMeta(f flags, to string, info *vfs.Info) {
	if f.has("a") || f.has("p") || f.has("preserve") {
		// As cp does: who may not give files away keeps them.
		_ = c.FS.Chown(c.Who, c.abs(to), info.Owner, info.Group, false)
		_ = c.FS.Chmod(c.Who, c.abs(to), info.Perm)
		_ = c.FS.Chtimes(c.Who, c.abs(to), info.Changed)
	}
}

func (c *Call) copyDir(f flags, from, to string, info, there *vfs.Info) bool {
	if !f.has("r") && !f.has("a") {
		c.errf("-r not specified; omitting directory '%s'", from)
		return false
	}
	if inside := vfs.Abs(c.Dir, to); strings.HasPrefix(inside+"/", strings.TrimSuffix(vfs.Abs(c.Dir, from), "/")+"/") {
		c.errf("cannot copy a directory, '%s', into itself, '%s'", from, to)
		return false
	}
	if there != nil && !there.IsDir() {
		c.errf("cannot overwrite non-directory '%s' with directory '%s'", to, from)
		return false
	}
	if there == nil {
		if err := c.FS.Mkdir(c.Who, c.abs(to), info.Perm|0o700); err != nil {
			c.errf("cannot create directory '%s': %s", to, Reason(err))
			return false
		}
		if f.has("v") {
			c.printf("'%s' -> '%s'\n", from, to)
		}
	}
	infos, err := c.FS.List(c.Who, c.abs(from))
	if err != nil {
		c.errf("cannot access '%s': %s", from, Reason(err))
		return false
	}
	good := true
	for _, child := range infos {
		if c.stopped() {
			return false
		}
		good = c.copyTree(f, from+"/"+child.Name(), to+"/"+child.Name(), false) && good
	}
	if there == nil {
		_ = c.FS.Chmod(c.Who, c.abs(to), info.Perm&^c.Umask())
		c.keepMeta(f, to, info)
	}
	return good
}

func mv(c *Call) int {
	f, ok := c.parse("f,force i,interactive n,no-clobber v,verbose u,update? t,target-directory= T,no-target-directory b,backup?")
	if !ok {
		return 1
	}
	sources, targets, ok := c.into(f)
	if !ok {
		return 1
	}
	code := 0
	for i, from := range sources {
		to := targets[i]
		info := c.exists(from, false)
		there := c.exists(to, false)
		switch {
		case info == nil:
			_, err := c.FS.Stat(c.Who, c.abs(from), false)
			c.errf("cannot stat '%s': %s", from, Reason(err))
			code = 1
			continue
		case there != nil && f.has("n"):
			continue
		case there != nil && there.Inode == info.Inode:
			c.errf("'%s' and '%s' are the same file", from, to)
			code = 1
			continue
		case there != nil && !there.IsDir() && info.IsDir():
			c.errf("cannot overwrite non-directory '%s' with directory '%s'", to, from)
			code = 1
			continue
		}
		if there != nil && !there.IsDir() {
			c.backUp(f, to)
		}
		err := c.FS.Rename(c.Who, strings.TrimRight(c.abs(from), "/"), strings.TrimRight(c.abs(to), "/"))
		switch {
		case err == nil && f.has("v"):
			c.printf("renamed '%s' -> '%s'\n", from, to)
		case err != nil && errors.Is(err, syscall.EINVAL):
			c.errf("cannot move '%s' to a subdirectory of itself, '%s'", from, to)
			code = 1
		case err != nil:
			c.errf("cannot move '%s' to '%s': %s", from, to, Reason(err))
			code = 1
		}
	}
	return code
}

func rm(c *Call) int {
	f, ok := c.parse("r,R,recursive f,force i I d,dir v,verbose interactive? preserve-root? no-preserve-root one-file-system")
	if !ok {
		return 1
	}
	if len(f.args) == 0 && !f.has("f") {
		c.errf("missing operand")
		return 1
	}
	code := 0
	for _, name := range f.args {
		clean := vfs.Abs(c.Dir, name)
		if base := path.Base(strings.TrimRight(name, "/")); (base == "." || base == "..") && f.has("r") && clean != "/" {
			c.errf("refusing to remove '.' or '..' directory: skipping '%s'", name)
			code = 1
			continue
		}
		if clean == "/" && f.has("r") && !f.has("no-preserve-root") {
			c.errf("it is dangerous to operate recursively on '%s'\nrm: use --no-preserve-root to override this failsafe", name)
			code = 1
			continue
		}
		if !c.remove(f, name) {
			code = 1
		}
	}
	return code
}

func (c *Call) remove(f flags, name string) bool {
	if c.stopped() {
		return false
	}
	info, err := c.FS.Stat(c.Who, strings.TrimRight(c.abs(name), "/")+"", false)
	if vfs.Abs(c.Dir, name) == "/" {
		info, err = c.FS.Stat(c.Who, "/", false)
	}
	if err != nil {
		if f.has("f") && errors.Is(err, syscall.ENOENT) {
			return true
		}
		c.errf("cannot remove '%s': %s", name, Reason(err))
		return false
	}
	full := vfs.Abs(c.Dir, name)
	if !info.IsDir() {
		if err := c.FS.Remove(c.Who, full, false); err != nil {
			c.errf("cannot remove '%s': %s", name, Reason(err))
			return false
		}
		if f.has("v") {
			c.printf("removed '%s'\n", name)
		}
		return true
	}
	if !f.has("r") && !f.has("d") {
		c.errf("cannot remove '%s': Is a directory", name)
		return false
	}
	good := true
	if f.has("r") {
		infos, err := c.FS.List(c.Who, full)
		if err != nil {
			c.errf("cannot remove '%s': %s", name, Reason(err))
			return false
		}
		for _, child := range infos {
			good = c.remove(f, strings.TrimSuffix(name, "/")+"/"+child.Name()) && good
		}
	}
	if !good {
		return false
	}
	if err := c.FS.Remove(c.Who, full, true); err != nil {
		c.errf("cannot remove '%s': %s", name, Reason(err))
		return false
	}
	if f.has("v") {
		c.printf("removed directory '%s'\n", name)
	}
	return true
}

func touch(c *Call) int {
	f, ok := c.parse("a m c,no-create d,date= r,reference= t= h,no-dereference")
	if !ok {
		return 1
	}
	if len(f.args) == 0 {
		c.errf("missing file operand")
		return 1
	}
	at := c.Now()
	if f.has("d") {
		if at, ok = parseDate(f.get("d"), c.Now()); !ok {
			c.errf("invalid date format '%s'", f.get("d"))
			return 1
		}
	}
	if f.has("t") {
		stamp, err := time.Parse("200601021504", strings.Split(f.get("t"), ".")[0])
		if err != nil {
			c.errf("invalid date format '%s'", f.get("t"))
			return 1
		}
		at = stamp
	}
	if f.has("r") {
		info, err := c.FS.Stat(c.Who, c.abs(f.get("r")), true)
		if err != nil {
			c.errf("failed to get attributes of '%s': %s", f.get("r"), Reason(err))
			return 1
		}
		at = info.Changed
	}
	code := 0
	for _, name := range f.args {
		full := c.abs(name)
		if c.exists(name, true) == nil {
			if f.has("c") {
				continue
			}
			if _, err := c.FS.Open(c.Who, full, 1|createFlag, 0o666&^c.Umask()); err != nil {
				c.errf("cannot touch '%s': %s", name, Reason(err))
				code = 1
				continue
			}
		}
		if err := c.FS.Chtimes(c.Who, full, at); err != nil {
			c.errf("cannot touch '%s': %s", name, Reason(err))
			code = 1
		}
	}
	return code
}

func truncate(c *Call) int {
	f, ok := c.parse("s,size= c,no-create r=")
	if !ok {
		return 1
	}
	if !f.has("s") {
		c.errf("you must specify either '--size' or '--reference'")
		return 1
	}
	size := f.get("s")
	sign := ""
	if size != "" && strings.ContainsRune("+-<>", rune(size[0])) {
		sign, size = size[:1], size[1:]
	}
	n, ok := parseSize(size)
	if !ok {
		c.errf("Invalid number: '%s'", strconv.Quote(size))
		return 1
	}
	code := 0
	for _, name := range f.args {
		to := n
		if info := c.exists(name, true); info != nil && sign != "" {
			switch sign {
			case "+":
				to = info.Bytes + n
			case "-":
				to = max(info.Bytes-n, 0)
			case "<":
				to = min(info.Bytes, n)
			case ">":
				to = max(info.Bytes, n)
			}
		}
		h, err := c.FS.Open(c.Who, c.abs(name), 1|createFlag, 0o666&^c.Umask())
		if err == nil {
			err = h.Truncate(to)
		}
		if err != nil {
			c.errf("cannot open '%s' for writing: %s", name, Reason(err))
			code = 1
		}
	}
	return code
}
