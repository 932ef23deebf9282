package tools

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// parseMode applies a mode as chmod takes it, such as 644 or u+x,go=, to an old
// one.
func parseMode(text string, old uint32, dir bool, umask uint32) (uint32, bool) {
	if n, err := strconv.ParseUint(text, 8, 32); err == nil {
		return uint32(n), n <= 0o7777
	}
	for clause := range strings.SplitSeq(text, ",") {
		at := strings.IndexAny(clause, "+-=")
		if at < 0 {
			return 0, false
		}
		who := clause[:at]
		mask := uint32(0)
		for _, w := range who {
			bits, ok := map[rune]uint32{'u': 0o4700, 'g': 0o2070, 'o': 0o1007, 'a': 0o7777}[w]
			if !ok {
				return 0, false
			}
			mask |= bits
		}
		if who == "" {
			mask = 0o7777 &^ umask
		}
		for rest := clause[at:]; rest != ""; {
			op := rest[0]
			end := strings.IndexAny(rest[1:], "+-=") + 1
			if end == 0 {
				end = len(rest)
			}
			bits, ok := modeBits(rest[1:end], old, dir)
			if !ok {
				return 0, false
			}
			switch op {
			case '+':
				old |= bits & mask
			case '-':
				old &^= bits & mask
			case '=':
				old = old&^(mask&0o777) | bits&mask
			}
			rest = rest[end:]
		}
	}
	return old, true
}

func modeBits(letters string, old uint32, dir bool) (uint32, bool) {
	bits := uint32(0)
	for _, l := range letters {
		switch l {
		case 'r':
			bits |= 0o444
		case 'w':
			bits |= 0o222
		case 'x':
			bits |= 0o111
		case 'X':
			if dir || old&0o111 != 0 {
				bits |= 0o111
			}
		case 's':
			bits |= 0o6000
		case 't':
			bits |= 0o1000
		case 'u':
			bits |= (old >> 6 & 7) * 0o111
		case 'g':
			bits |= (old >> 3 & 7) * 0o111
		case 'o':
			bits |= (old & 7) * 0o111
		default:
			return 0, false
		}
	}
	return bits, true
}

func chmod(c *Call) int {
	// A mode such as -x is no option.
	var mode string
	for i, arg := range c.Args {
		if len(arg) > 1 && arg[0] == '-' && strings.Trim(arg[1:], "rwxXst,ugoa+-=") == "" && arg != "--" {
			mode = arg
			c.Args = append(append([]string{}, c.Args[:i]...), c.Args[i+1:]...)
			break
		}
	}
	f, ok := c.parse("R,recursive v,verbose c,changes f,silent,quiet reference= preserve-root no-preserve-root")
	if !ok {
		return 1
	}
	if mode == "" && !f.has("reference") {
		if len(f.args) == 0 {
			c.errf("missing operand")
			return 1
		}
		mode, f.args = f.args[0], f.args[1:]
	}
	if info := c.exists(f.get("reference"), true); info != nil && f.has("reference") {
		mode = strconv.FormatUint(uint64(info.Perm), 8)
	}
	if _, ok := parseMode(mode, 0, false, 0); !ok {
		c.errf("invalid mode: '%s'", mode)
		return 1
	}
	if len(f.args) == 0 {
		c.errf("missing operand after '%s'", mode)
		return 1
	}
	return c.changeAll(f, "access", func(name string, i *vfs.Info) error {
		if i.Kind == vfs.Link && f.has("R") {
			return nil
		}
		to, _ := parseMode(mode, i.Perm, i.IsDir(), c.Umask())
		if err := c.FS.Chmod(c.Who, c.abs(name), to); err != nil {
			return fmt.Errorf("changing permissions of '%s': %s", name, Reason(err))
		}
		return nil
	})
}

// changeAll changes files, and with -R what is below them.
func (c *Call) changeAll(f flags, verb string, do func(name string, i *vfs.Info) error) int {
	code := 0
	for _, name := range f.args {
		_, err := c.FS.Stat(c.Who, c.abs(name), false)
		info := c.exists(name, true)
		if err != nil || info == nil {
			if !f.has("f") {
				c.errf("cannot %s '%s': No such file or directory", verb, name)
			}
			code = 1
			continue
		}
		change := func(name string, i *vfs.Info) bool {
			if err := do(name, i); err != nil {
				if !f.has("f") {
					c.errf("%s", err)
				}
				code = 1
			}
			return true
		}
		if f.has("R") {
			c.walk(name, change)
		} else {
			change(name, info)
		}
	}
	return code
}

func chown(c *Call) int {
	f, ok := c.parse("R,recursive v,verbose c,changes f,silent,quiet h,no-dereference reference= L P H from= preserve-root")
	if !ok {
		return 1
	}
	if len(f.args) < 2 && !f.has("reference") {
		c.errf("missing operand")
		return 1
	}
	owner, group := "", ""
	if info := c.exists(f.get("reference"), true); f.has("reference") && info != nil {
		owner, group = info.Owner, info.Group
	} else {
		spec := f.args[0]
		f.args = f.args[1:]
		if c.Name == "chgrp" {
			group = spec
		} else if o, g, ok := strings.Cut(spec, ":"); ok {
			if owner, group = o, g; g == "" {
				group = o
			}
		} else {
			owner = spec
		}
	}
	if r := c.row("/etc/passwd", owner); r != nil {
		owner = r[0]
	} else if owner != "" {
		c.errf("invalid user: '%s'", owner)
		return 1
	}
	if r := c.row("/etc/group", group); r != nil {
		group = r[0]
	} else if group != "" {
		c.errf("invalid group: '%s'", group)
		return 1
	}
	what := "ownership"
	if c.Name == "chgrp" {
		what = "group"
	}
	return c.changeAll(f, "access", func(name string, i *vfs.Info) error {
		if err := c.FS.Chown(c.Who, c.abs(name), owner, group, !f.has("h") && !f.has("R")); err != nil {
			return fmt.Errorf("changing %s of '%s': %s", what, name, Reason(err))
		}
		return nil
	})
}

func stat(c *Call) int {
	f, ok := c.parse("c,format= L,dereference f t printf=")
	if !ok {
		return 1
	}
	if len(f.args) == 0 {
		c.errf("missing operand")
		return 1
	}
	code := 0
	for _, name := range f.args {
		info, err := c.FS.Stat(c.Who, c.abs(name), f.has("L"))
		if err != nil {
			c.errf("cannot statx '%s': %s", name, Reason(err))
			code = 1
			continue
		}
		switch {
		case f.has("c"):
			c.printf("%s\n", c.statFormat(f.get("c"), name, info))
		case f.has("printf"):
			c.printf("%s", unescape(c.statFormat(f.get("printf"), name, info)))
		default:
			shown := name
			if info.Kind == vfs.Link {
				shown += " -> " + info.Target
			}
			c.printf("  File: %s\n  Size: %-10d\tBlocks: %-10d IO Block: 4096   %s\n", shown, info.Bytes, blocksOf(info)*2, c.statFormat("%F", name, info))
			c.printf("Device: 8,1\tInode: %-11d Links: %d\n", info.Inode, info.Links)
			c.printf("%s\n", c.statFormat("Access: (%04a/%A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)", name, info))
			for _, what := range []string{"Access", "Modify", "Change"} {
				c.printf("%s: %s\n", what, info.Changed.Format("2006-01-02 15:04:05.000000000 -0700"))
			}
			c.printf(" Birth: -\n")
		}
	}
	return code
}

func (c *Call) statFormat(format, name string, i *vfs.Info) string {
	var b strings.Builder
	for at := 0; at < len(format); at++ {
		if format[at] != '%' || at+1 == len(format) {
			b.WriteByte(format[at])
			continue
		}
		width := at + 1
		for at++; at < len(format)-1 && (format[at] >= '0' && format[at] <= '9' || format[at] == '-'); at++ {
		}
		pad := format[width:at]
		text := ""
		switch format[at] {
		case 'n':
			text = name
		case 'N':
			text = "'" + name + "'"
			if i.Kind == vfs.Link {
				text += " -> '" + i.Target + "'"
			}
		case 's':
			text = strconv.FormatInt(i.Bytes, 10)
		case 'a':
			text = strconv.FormatUint(uint64(i.Perm), 8)
		case 'A':
			text = modeText(i)
		case 'U':
			text = i.Owner
		case 'u':
			text = c.UID(i.Owner)
		case 'G':
			text = i.Group
		case 'g':
			text = c.GID(i.Group)
		case 'i':
			text = strconv.FormatUint(i.Inode, 10)
		case 'h':
			text = strconv.Itoa(i.Links)
		case 'F':
			text = map[vfs.Kind]string{vfs.Dir: "directory", vfs.Link: "symbolic link", vfs.Device: "character special file", vfs.File: "regular file"}[i.Kind]
			if i.Kind == vfs.File && i.Bytes == 0 {
				text = "regular empty file"
			}
		case 'y', 'x', 'z':
			text = i.Changed.Format("2006-01-02 15:04:05.000000000 -0700")
		case 'Y', 'X', 'Z':
			text = strconv.FormatInt(i.Changed.Unix(), 10)
		case 'b':
			text = strconv.FormatInt(blocksOf(i)*2, 10)
		case 'B':
			text = "512"
		case 'm':
			text = "/"
		case 'w':
			text = "-"
		case 'W':
			text = "0"
		case '%':
			text = "%"
		default:
			text = "?"
		}
		if n, err := strconv.Atoi(pad); err == nil && n < 1000 {
			if strings.HasPrefix(pad, "0") {
				text = strings.Repeat("0", max(n-len(text), 0)) + text
			} else {
				text = fmt.Sprintf("%*s", n, text)
			}
		}
		b.WriteString(text)
	}
	return b.String()
}

func umask(c *Call) int {
	f, ok := c.parse("S p")
	if !ok {
		return 1
	}
	if len(f.args) == 0 {
		c.printf("%04o\n", c.Umask())
		return 0
	}
	if n, err := strconv.ParseUint(f.args[0], 8, 16); err == nil && n <= 0o777 {
		c.SetUmask(uint32(n))
		return 0
	}
	mode, ok := parseMode(f.args[0], 0o777&^c.Umask(), true, 0)
	if !ok {
		c.errf("%s: invalid symbolic mode", f.args[0])
		return 1
	}
	c.SetUmask(0o777 &^ mode)
	return 0
}
