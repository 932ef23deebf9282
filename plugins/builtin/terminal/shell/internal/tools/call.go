package tools

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// Command does what a command does and returns its exit code.
type Command func(c *Call) int

// Call is one call of a command.
type Call struct {
	*World
	Ctx  context.Context
	Name string
	Args []string
	In   *bufio.Reader
	Out  *Output
	Err  io.Writer
	Dir  string
	Who  vfs.Who
	Env  func(name string) string
	// Vars are the exported variables, as NAME=value, sorted.
	Vars func() []string
	// Run runs another command as this one would be.
	Run func(s Sub) int
	// Shell changes the shell that the call stands in, by lines of shell; nil if
	// it stands in none. It returns their status.
	Shell func(lines string) int
	// Last is the exit code of the command before.
	Last int

	unended bool // the last line that was read had no end
}

// Output is what a command writes to. Its first error stays, and whoever runs the
// command asks for it at the end.
type Output struct {
	w   *bufio.Writer
	err error
}

// NewOutput makes an output to a writer.
func NewOutput(w io.Writer) *Output { return &Output{w: bufio.NewWriterSize(w, 16<<10)} }

// Write writes as an io.Writer does.
func (o *Output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.note(err)
	return n, err
}

func (o *Output) note(err error) {
	if o.err == nil {
		o.err = err
	}
}

// Text writes a text.
func (o *Output) Text(s string) {
	_, err := o.w.WriteString(s)
	o.note(err)
}

// Bytes writes bytes.
func (o *Output) Bytes(p []byte) {
	_, err := o.w.Write(p)
	o.note(err)
}

// Byte writes a byte.
func (o *Output) Byte(b byte) { o.note(o.w.WriteByte(b)) }

// Rune writes a character.
func (o *Output) Rune(r rune) {
	_, err := o.w.WriteRune(r)
	o.note(err)
}

// Flush hands on what was written.
func (o *Output) Flush() { o.note(o.w.Flush()) }

// Err is the first error.
func (o *Output) Err() error { return o.err }

// Sub is a command that another one runs. What is nil or empty is the caller's.
type Sub struct {
	Args []string
	In   io.Reader
	Out  io.Writer
	Err  io.Writer
	Dir  string
	User string
	Set  []string // variables, as NAME=value
	Bare bool     // no variables but Set
}

// errf writes an error message, behind the command's name.
func (c *Call) errf(format string, args ...any) {
	c.Out.Flush()
	c.warn(c.Name+": "+format+"\n", args...)
}

// warn writes to the standard error. Who does not take that is not told.
func (c *Call) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Err, format, args...)
}

func (c *Call) printf(format string, args ...any) {
	_, err := fmt.Fprintf(c.Out, format, args...)
	c.Out.note(err)
}

// stopped says whether there is no use in going on: time is up, or nobody takes
// what is written.
func (c *Call) stopped() bool {
	if c.Ctx.Err() != nil {
		return true
	}
	return c.Out.Err() != nil
}

func (c *Call) abs(name string) string {
	if name == "" {
		return ""
	}
	if strings.HasPrefix(name, "/") {
		return name
	}
	return strings.TrimSuffix(c.Dir, "/") + "/" + name
}

// Reason is an error in the words of GNU tools.
func Reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	var no syscall.Errno
	if !errors.As(err, &no) {
		return err.Error()
	}
	words := map[syscall.Errno]string{
		syscall.ENOENT: "No such file or directory", syscall.EACCES: "Permission denied", syscall.EPERM: "Operation not permitted",
		syscall.EEXIST: "File exists", syscall.ENOTDIR: "Not a directory", syscall.EISDIR: "Is a directory", syscall.EINVAL: "Invalid argument",
		syscall.ENOSPC: "No space left on device", syscall.ENOTEMPTY: "Directory not empty", syscall.ELOOP: "Too many levels of symbolic links",
		syscall.ENAMETOOLONG: "File name too long", syscall.EBUSY: "Device or resource busy", syscall.EBADF: "Bad file descriptor",
		syscall.EPIPE: "Broken pipe",
	}
	if w, ok := words[no]; ok {
		return w
	}
	return no.Error()
}

// errTooBig is the error of commands that would hold more than they may.
var errTooBig = errors.New("memory exhausted")

// readAll reads all of a reader, as far as a command may.
func (c *Call) readAll(r io.Reader) ([]byte, error) {
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		if c.Ctx.Err() != nil {
			return nil, c.Ctx.Err()
		}
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if int64(len(all)) > c.MaxRead {
			c.End("memory", true)
			return nil, errTooBig
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// runOr runs a command, or complains in the caller's words that it is not there.
func (c *Call) runOr(s Sub, format string) int {
	search := SafePath
	for _, v := range append(c.Vars(), s.Set...) {
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			search = path
		}
	}
	if _, ok := c.Which(c.Who, search, c.Dir, s.Args[0]); !ok {
		c.Miss(s.Args[0][strings.LastIndexByte(s.Args[0], '/')+1:])
		c.errf(format, s.Args[0])
		return 127
	}
	return c.Run(s)
}

// open opens a file to read; "-" is what the command is fed.
func (c *Call) open(name string) (io.Reader, error) {
	if name == "-" || name == "/dev/stdin" || name == "/proc/self/fd/0" {
		return c.In, nil
	}
	h, err := c.FS.Open(c.Who, c.abs(name), 0, 0)
	if err != nil {
		return nil, err
	}
	if info, err := c.FS.Stat(c.Who, c.abs(name), true); err == nil && info.IsDir() {
		return nil, syscall.EISDIR
	}
	return h, nil
}

// slurp is the whole of a file, or "-".
func (c *Call) slurp(name string) ([]byte, error) {
	r, err := c.open(name)
	if err != nil {
		return nil, err
	}
	return c.readAll(r)
}

// inputs calls do with each file that the arguments name, or what the command is
// fed, and returns 1 if one cannot be read.
func (c *Call) inputs(names []string, do func(name string, r *bufio.Reader) error) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	code := 0
	for _, name := range names {
		r, err := c.open(name)
		if err == nil {
			br, ok := r.(*bufio.Reader)
			if !ok {
				br = bufio.NewReader(r)
			}
			err = do(name, br)
		}
		if err != nil {
			c.errf(c.unreadable(), name, Reason(err))
			code = 1
		}
		if c.stopped() {
			break
		}
	}
	return code
}

// unreadable is how a command complains of a file.
func (c *Call) unreadable() string {
	switch c.Name {
	case "head", "tail", "tac":
		return "cannot open '%s' for reading: %s"
	case "sort":
		return "cannot read: %s: %s"
	}
	return "%s: %s"
}

// lines calls do with each line of a reader, without its end, until it returns
// false.
func (c *Call) lines(r *bufio.Reader, do func(line string) bool) error {
	return c.split(r, '\n', do)
}

func (c *Call) split(r *bufio.Reader, end byte, do func(line string) bool) error {
	c.unended = false
	for {
		line, err := c.line(r, end)
		if line == "" && errors.Is(err, io.EOF) {
			return nil
		}
		c.unended = err != nil
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !do(strings.TrimSuffix(line, string(end))) || err != nil || c.stopped() {
			return nil
		}
	}
}

// line reads up to and with the next end, as far as a command may.
func (c *Call) line(r *bufio.Reader, end byte) (string, error) {
	var all []byte
	for {
		part, err := r.ReadSlice(end)
		all = append(all, part...)
		if int64(len(all)) > c.MaxRead/4 {
			c.End("memory", true)
			return "", errTooBig
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return string(all), err
		}
		if c.Ctx.Err() != nil {
			return "", c.Ctx.Err()
		}
	}
}

// write replaces or extends a file.
func (c *Call) write(name string, data []byte, more bool) error {
	flag := 0x1 | createFlag | truncFlag
	if more {
		flag = 0x1 | createFlag | appendFlag
	}
	h, err := c.FS.Open(c.Who, c.abs(name), flag, 0o666&^c.Umask())
	if err != nil {
		return err
	}
	_, err = h.Write(data)
	return err
}

// parseSize reads a count with the suffixes that head, tail, dd and others know.
func parseSize(s string) (int64, bool) {
	units := map[string]int64{"": 1, "c": 1, "b": 512, "w": 2, "k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "kB": 1000, "KB": 1000, "MB": 1000_000, "GB": 1000_000_000, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
	end := len(s)
	for end > 0 && (s[end-1] < '0' || s[end-1] > '9') {
		end--
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	unit, ok := units[s[end:]]
	if err != nil || !ok || n < 0 || n*unit/unit != n {
		return 0, false
	}
	return n * unit, true
}
