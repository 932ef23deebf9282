package tools

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// modeText is a mode as ls writes it.
func modeText(i *vfs.Info) string {
	kind := map[vfs.Kind]string{vfs.Dir: "d", vfs.Link: "l", vfs.Device: "c", vfs.File: "-"}[i.Kind]
	text := []byte(kind + "rwxrwxrwx")
	for bit := range 9 {
		if i.Perm&(0o400>>bit) == 0 {
			text[bit+1] = '-'
		}
	}
	special := func(bit uint32, at int, set, bare byte) {
		if i.Perm&bit == 0 {
			return
		}
		if text[at] == 'x' {
			text[at] = set
		} else {
			text[at] = bare
		}
	}
	special(0o4000, 3, 's', 'S')
	special(0o2000, 6, 's', 'S')
	special(0o1000, 9, 't', 'T')
	return string(text)
}

// human is a size as -h writes it.
func human(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	v := float64(n)
	for _, unit := range "KMGTPE" {
		v /= 1024
		if v < 9.95 {
			return fmt.Sprintf("%.1f%c", float64(int(v*10+0.999999))/10, unit)
		}
		if v < 1023.5 {
			return fmt.Sprintf("%d%c", int64(v+0.999999), unit)
		}
	}
	return strconv.FormatInt(n, 10)
}

type lsItem struct {
	*vfs.Info
	show string
}

func ls(c *Call) int {
	f, ok := c.parse("a,all A,almost-all l 1 h,human-readable R,recursive d,directory t S,size-sort r,reverse F,classify? p i,inode n,numeric-uid-gid s,size g o G,no-group U X m C x L,dereference H Q,quote-name N color? full-time time-style= group-directories-first sort= time= ignore= I= k w= Z b q c u v")
	if !ok {
		return 2
	}
	names := f.args
	if len(names) == 0 {
		names = []string{"."}
	}
	code := 0
	var files []lsItem
	var dirs []string
	for _, name := range names {
		follow := !f.has("l") && !f.has("d") && !f.has("F") || f.has("L") || f.has("H") || strings.HasSuffix(name, "/")
		info, err := c.FS.Stat(c.Who, c.abs(name), follow)
		if err != nil && follow {
			info, err = c.FS.Stat(c.Who, c.abs(name), false)
		}
		switch {
		case err != nil:
			c.errf("cannot access '%s': %s", name, Reason(err))
			code = 2
		case info.IsDir() && !f.has("d"):
			dirs = append(dirs, name)
		default:
			files = append(files, lsItem{info, name})
		}
	}
	c.lsPrint(f, files, false)
	if slices.Sort(dirs); f.has("r") {
		slices.Reverse(dirs)
	}
	for i, dir := range dirs {
		if len(names) > 1 || f.has("R") {
			if i > 0 || len(files) > 0 {
				c.printf("\n")
			}
			c.printf("%s:\n", dir)
		}
		code = max(code, c.lsDir(f, dir))
	}
	return code
}

func (c *Call) lsDir(f flags, dir string) int {
	infos, err := c.FS.List(c.Who, c.abs(dir))
	if err != nil {
		c.errf("cannot open directory '%s': %s", dir, Reason(err))
		return 2
	}
	var items []lsItem
	if f.has("a") && !f.has("A") {
		for _, name := range []string{".", ".."} {
			if info, err := c.FS.Stat(c.Who, c.abs(dir)+"/"+name, true); err == nil {
				items = append(items, lsItem{info, name})
			}
		}
	}
	for _, info := range infos {
		if strings.HasPrefix(info.Name(), ".") && !f.has("a") && !f.has("A") {
			continue
		}
		items = append(items, lsItem{info, info.Name()})
	}
	c.lsPrint(f, items, true)
	code := 0
	if f.has("R") {
		for _, item := range items {
			if item.IsDir() && item.show != "." && item.show != ".." && !c.stopped() {
				sub := dir + "/" + item.show
				if dir == "/" {
					sub = "/" + item.show
				}
				c.printf("\n%s:\n", sub)
				code = max(code, c.lsDir(f, sub))
			}
		}
	}
	return code
}

func (c *Call) lsSort(f flags, items []lsItem) {
	by := f.last("t", "S", "U", "X")
	switch f.get("sort") {
	case "time":
		by = "t"
	case "size":
		by = "S"
	case "none":
		by = "U"
	}
	slices.SortStableFunc(items, func(a, b lsItem) int {
		order := 0
		switch by {
		case "t":
			order = b.Changed.Compare(a.Changed)
		case "S":
			order = cmp.Compare(b.Bytes, a.Bytes)
		case "U":
			return 0
		case "X":
			order = strings.Compare(path.Ext(a.show), path.Ext(b.show))
		}
		order = cmp.Or(order, strings.Compare(a.show, b.show))
		if f.has("r") {
			order = -order
		}
		return order
	})
	if f.has("group-directories-first") {
		slices.SortStableFunc(items, func(a, b lsItem) int {
			switch {
			case a.IsDir() == b.IsDir():
				return 0
			case a.IsDir():
				return -1
			}
			return 1
		})
	}
}

func (c *Call) lsPrint(f flags, items []lsItem, total bool) {
	c.lsSort(f, items)
	long := f.has("l") || f.has("n") || f.has("g") || f.has("o") || f.has("full-time")
	size := func(n int64) string {
		if f.has("h") {
			return human(n)
		}
		return strconv.FormatInt(n, 10)
	}
	blocks := int64(0)
	var rows [][]string
	for _, item := range items {
		name := item.show
		if f.has("Q") {
			name = strconv.Quote(name)
		}
		name += lsMark(f, item.Info)
		if long && item.Kind == vfs.Link {
			name += " -> " + item.Target
		}
		kib := blocksOf(item.Info)
		blocks += kib
		var row []string
		if f.has("i") {
			row = append(row, strconv.FormatUint(item.Inode, 10))
		}
		if f.has("s") {
			row = append(row, size(kib))
		}
		if long {
			owner, group := item.Owner, item.Group
			if f.has("n") {
				owner, group = c.UID(owner), c.GID(group)
			}
			row = append(row, modeText(item.Info), strconv.Itoa(item.Links))
			if !f.has("g") {
				row = append(row, owner)
			}
			if !f.has("o") && !f.has("G") {
				row = append(row, group)
			}
			row = append(row, size(item.Bytes), c.lsTime(f, item.Changed))
		}
		rows = append(rows, append(row, name))
	}
	if total && (long || f.has("s")) {
		c.printf("total %s\n", lsTotal(f, blocks))
	}
	if f.has("m") && !long {
		var all []string
		for _, row := range rows {
			all = append(all, strings.Join(row, " "))
		}
		c.printf("%s\n", strings.Join(all, ", "))
		return
	}
	c.columns(rows, long)
}

func lsTotal(f flags, kib int64) string {
	if f.has("h") {
		return human(kib * 1024)
	}
	return strconv.FormatInt(kib, 10)
}

func blocksOf(i *vfs.Info) int64 {
	switch i.Kind {
	case vfs.Dir:
		return 4
	case vfs.File:
		return (i.Bytes + 4095) / 4096 * 4
	}
	return 0
}

func lsMark(f flags, i *vfs.Info) string {
	switch {
	case i.IsDir() && (f.has("F") || f.has("p")):
		return "/"
	case i.Kind == vfs.Link && f.has("F") && !f.has("l"):
		return "@"
	case i.Kind == vfs.File && f.has("F") && i.Perm&0o111 != 0:
		return "*"
	}
	return ""
}

func (c *Call) lsTime(f flags, at time.Time) string {
	style := f.get("time-style")
	switch {
	case f.has("full-time") || style == "full-iso":
		return at.Format("2006-01-02 15:04:05.000000000 -0700")
	case style == "long-iso":
		return at.Format("2006-01-02 15:04")
	case style == "iso":
		return at.Format("01-02 15:04")
	case strings.HasPrefix(style, "+"):
		return strftime(style[1:], at)
	}
	if age := c.Now().Sub(at); age > 182*24*time.Hour || age < -time.Hour {
		return at.Format("Jan _2  2006")
	}
	return at.Format("Jan _2 15:04")
}

// columns writes rows, numbers to the right and names to the left.
func (c *Call) columns(rows [][]string, long bool) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if long && cell != "" && (cell[0] >= 'a' && cell[0] <= 'z') {
				c.printf("%-*s ", widths[i], cell)
			} else {
				c.printf("%*s ", widths[i], cell)
			}
		}
		c.printf("%s\n", row[len(row)-1])
	}
}
