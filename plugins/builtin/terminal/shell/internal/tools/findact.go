package tools

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

func (f *finder) actions(name string) findTest {
	f.acts = true
	switch name {
	case "-print":
		return always(func(x *found) { f.printf("%s\n", x.path) })
	case "-print0":
		return always(func(x *found) { f.printf("%s\x00", x.path) })
	case "-ls":
		return always(func(x *found) {
			f.printf("%9d %6d %s %3d %-8s %-8s %8d %s %s\n", x.Inode, blocksOf(x.Info), modeText(x.Info), x.Links, x.Owner, x.Group, x.Bytes, f.lsTime(flags{}, x.Changed), x.path)
		})
	case "-printf":
		format := f.value(name)
		return always(func(x *found) { f.Out.Text(unescape(f.print(format, x))) })
	case "-fprint":
		file := f.value(name)
		return always(func(x *found) { _ = f.write(file, []byte(x.path+"\n"), true) })
	case "-delete":
		f.deep = true
		return func(x *found) bool {
			if x.path == "." {
				return true
			}
			if err := f.FS.Remove(f.Who, f.abs(x.path), x.IsDir()); err != nil {
				f.errf("cannot delete '%s': %s", x.path, Reason(err))
				f.code = 1
				return false
			}
			return true
		}
	case "-exec", "-execdir", "-ok", "-okdir":
		return f.exec(name)
	}
	return nil
}

func (f *finder) exec(name string) findTest {
	var args []string
	for len(f.args) > 0 {
		arg := f.args[0]
		f.args = f.args[1:]
		if arg == ";" {
			if len(args) == 0 {
				break
			}
			return func(x *found) bool {
				dir, file := "", x.path
				if strings.HasSuffix(name, "dir") {
					dir, file = path.Dir(vfs.Abs(f.Dir, x.path)), "./"+path.Base(x.path)
				}
				call := make([]string, len(args))
				for i, a := range args {
					call[i] = strings.ReplaceAll(a, "{}", file)
				}
				return f.Run(Sub{Args: call, Dir: dir, In: strings.NewReader("")}) == 0
			}
		}
		if arg == "+" && len(args) > 0 && args[len(args)-1] == "{}" {
			b := &findBatch{args: args[:len(args)-1]}
			f.batches = append(f.batches, b)
			return always(func(x *found) { b.files = append(b.files, x.path) })
		}
		args = append(args, arg)
	}
	if f.err == nil {
		f.err = fmt.Errorf("missing argument to `%s'", name)
	}
	return always(func(*found) {})
}

func (f *finder) run(b *findBatch) {
	if len(b.files) > 0 && f.Run(Sub{Args: append(append([]string{}, b.args...), b.files...), In: strings.NewReader("")}) != 0 {
		f.code = 1
	}
}

func (f *finder) print(format string, x *found) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch format[i] {
		case 'p':
			b.WriteString(x.path)
		case 'f':
			b.WriteString(path.Base(x.path))
		case 'h':
			b.WriteString(path.Dir(x.path))
		case 'P':
			b.WriteString(strings.TrimPrefix(strings.TrimPrefix(x.path, x.start), "/"))
		case 'm':
			b.WriteString(strconv.FormatUint(uint64(x.Perm), 8))
		case 'M':
			b.WriteString(modeText(x.Info))
		case 'u':
			b.WriteString(x.Owner)
		case 'g':
			b.WriteString(x.Group)
		case 's':
			b.WriteString(strconv.FormatInt(x.Bytes, 10))
		case 'd':
			b.WriteString(strconv.Itoa(x.depth))
		case 'y':
			b.WriteString(map[vfs.Kind]string{vfs.File: "f", vfs.Dir: "d", vfs.Link: "l", vfs.Device: "c"}[x.Kind])
		case 'l':
			b.WriteString(x.Target)
		case 't':
			b.WriteString(x.Changed.Format("Mon Jan _2 15:04:05.0000000000 2006"))
		case 'T', 'C', 'A':
			if i+1 < len(format) {
				i++
				if format[i] == '@' {
					b.WriteString(strconv.FormatInt(x.Changed.Unix(), 10) + ".0000000000")
				} else {
					b.WriteString(strftime("%"+string(format[i]), x.Changed))
				}
			}
		case '%':
			b.WriteByte('%')
		}
	}
	return b.String()
}
