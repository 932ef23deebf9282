package tools

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

func dd(c *Call) int {
	v := map[string]string{"bs": "512"}
	for _, arg := range c.Args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			c.errf("unrecognized operand '%s'", arg)
			return 1
		}
		v[name] = value
	}
	number := func(name string, without int64) int64 {
		if n, ok := parseSize(v[name]); ok && v[name] != "" {
			return n
		}
		return without
	}
	bs, count, skip, seek := number("bs", 512), number("count", -1), number("skip", 0), number("seek", 0)
	if bs < 1 || bs > 16<<20 {
		c.errf("invalid number: '%s'", v["bs"])
		return 1
	}
	in := io.Reader(c.In)
	if v["if"] != "" {
		var err error
		if in, err = c.open(v["if"]); err != nil {
			c.errf("failed to open '%s': %s", v["if"], Reason(err))
			return 1
		}
	}
	out := io.Writer(c.Out)
	if v["of"] != "" {
		flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		if strings.Contains(v["conv"], "notrunc") || seek > 0 {
			flag = os.O_WRONLY | os.O_CREATE
		}
		h, err := c.FS.Open(c.Who, c.abs(v["of"]), flag, 0o666&^c.Umask())
		if err != nil {
			c.errf("failed to open '%s': %s", v["of"], Reason(err))
			return 1
		}
		h.SeekTo(seek * bs)
		out = h
	}
	if skip > 0 {
		_, _ = io.CopyN(io.Discard, in, min(skip*bs, c.MaxRead))
	}
	buf := make([]byte, bs)
	var full, part, total int64
	code := 0
	for count != 0 && !c.stopped() {
		n, err := io.ReadFull(in, buf)
		if n > 0 {
			written, err := out.Write(buf[:n])
			total += int64(written)
			if err != nil {
				c.errf("error writing '%s': %s", v["of"], Reason(err))
				code = 1
				break
			}
			if int64(n) == bs {
				full++
			} else {
				part++
			}
		}
		if err != nil {
			break
		}
		count--
	}
	if v["status"] != "none" {
		c.Out.Flush()
		fmt.Fprintf(c.Err, "%d+%d records in\n%d+%d records out\n%d bytes copied, 0.001 s, %d MB/s\n", full, part, full, part, total, total/1000)
	}
	return code
}

func split(c *Call) int {
	f, ok := c.parse("l,lines= b,bytes= a,suffix-length= d,numeric-suffixes? n= additional-suffix= C= x")
	if !ok {
		return 1
	}
	name, prefix := "-", "x"
	if len(f.args) > 0 {
		name = f.args[0]
	}
	if len(f.args) > 1 {
		prefix = f.args[1]
	}
	data, err := c.slurp(name)
	if err != nil {
		c.errf("cannot open '%s' for reading: %s", name, Reason(err))
		return 1
	}
	var parts [][]byte
	if f.has("b") {
		size, ok := parseSize(f.get("b"))
		if !ok || size < 1 {
			c.errf("invalid number of bytes: '%s'", f.get("b"))
			return 1
		}
		for len(data) > 0 {
			n := min(size, int64(len(data)))
			parts, data = append(parts, data[:n]), data[n:]
		}
	} else {
		size := int64(1000)
		if f.has("l") {
			if size, ok = parseSize(f.get("l")); !ok || size < 1 {
				c.errf("invalid number of lines: '%s'", f.get("l"))
				return 1
			}
		}
		lines := strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
		for len(lines) > 0 && len(data) > 0 {
			n := min(size, int64(len(lines)))
			text := strings.Join(lines[:n], "")
			if !strings.HasSuffix(text, "\n") {
				text += "\n"
			}
			parts, lines = append(parts, []byte(text)), lines[n:]
		}
	}
	width := 2
	if n, err := strconv.Atoi(f.get("a")); err == nil && n > 0 && n < 10 {
		width = n
	}
	for i, part := range parts {
		suffix := fmt.Sprintf("%0*d", width, i)
		if !f.has("d") {
			letters := make([]byte, width)
			for k, n := width-1, i; k >= 0; k, n = k-1, n/26 {
				letters[k] = 'a' + byte(n%26)
			}
			suffix = string(letters)
		}
		if err := c.write(prefix+suffix+f.get("additional-suffix"), part, false); err != nil {
			c.errf("%s: %s", prefix+suffix, Reason(err))
			return 1
		}
	}
	return 0
}

func fileType(c *Call) int {
	f, ok := c.parse("b,brief i,mime L z k h mime-type")
	if !ok {
		return 1
	}
	for _, name := range f.args {
		if !f.has("b") {
			c.printf("%s: ", name)
		}
		info := c.exists(name, f.has("L"))
		if info == nil {
			c.printf("cannot open `%s' (No such file or directory)\n", name)
			continue
		}
		c.printf("%s\n", c.describe(name, info))
	}
	return 0
}

func (c *Call) describe(name string, info *vfs.Info) string {
	switch info.Kind {
	case vfs.Dir:
		return "directory"
	case vfs.Link:
		return "symbolic link to " + info.Target
	case vfs.Device:
		return "character special"
	}
	data, err := c.FS.ReadFile(c.Who, c.abs(name))
	if err != nil {
		return "regular file, no read permission"
	}
	text := string(data[:min(len(data), 4096)])
	first, _, _ := strings.Cut(text, "\n")
	switch {
	case text == "":
		return "empty"
	case strings.HasPrefix(text, "\x7fELF"):
		return "ELF 64-bit LSB pie executable, x86-64, version 1 (SYSV), dynamically linked, stripped"
	case strings.HasPrefix(first, "#!") && strings.Contains(first, "python"):
		return "Python script, ASCII text executable"
	case strings.HasPrefix(first, "#!") && strings.Contains(first, "bash"):
		return "Bourne-Again shell script, ASCII text executable"
	case strings.HasPrefix(first, "#!"):
		return "POSIX shell script, ASCII text executable"
	case strings.HasPrefix(text, "\x1f\x8b"):
		return "gzip compressed data"
	case strings.HasPrefix(text, "PK\x03\x04"):
		return "Zip archive data, at least v2.0 to extract"
	case strings.HasPrefix(text, "\x89PNG"):
		return "PNG image data"
	case strings.HasPrefix(text, "%PDF"):
		return "PDF document"
	case len(text) > 262 && text[257:262] == "ustar":
		return "POSIX tar archive"
	case strings.HasPrefix(strings.TrimSpace(text), "{") && strings.HasSuffix(strings.TrimSpace(text), "}"):
		return "JSON text data"
	case strings.IndexByte(text, 0) >= 0:
		return "data"
	}
	for _, r := range text {
		if r > 127 {
			return "UTF-8 Unicode text"
		}
	}
	return "ASCII text"
}
