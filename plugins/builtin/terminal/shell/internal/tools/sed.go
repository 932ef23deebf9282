package tools

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// sedAddress is where a command of sed applies.
type sedAddress struct {
	line int // 0: none
	last bool
	re   *regexp.Regexp
	step int
	plus int // so many lines from the first on
}

type sedCommand struct {
	from, to *sedAddress
	not      bool
	name     byte
	text     string
	re       *regexp.Regexp
	global   bool
	print    bool
	nth      int
	file     string
	chars    map[rune]rune
	end      int // of a block: the index behind it

	inside bool
	until  int
}

type sedRun struct {
	*Call
	program   []*sedCommand
	quiet     bool
	out       io.Writer
	hold      string
	line      int
	appended  []string
	quit      bool
	code      int
	unfinish  bool
	next      func() (string, bool)
	peek      func() bool
	jumps     int
	separated bool
}

// maxJumps bounds loops of branches on one line.
const maxJumps = 100_000

func sed(c *Call) int {
	f, ok := c.parse("n,quiet,silent e,expression= f,file= i,in-place? E,r,regexp-extended s,separate z,null-data u,unbuffered l= posix debug sandbox")
	if !ok {
		return 1
	}
	var script []string
	for _, name := range f.order {
		switch name {
		case "e":
			script = append(script, f.values["e"][len(script)%max(len(f.values["e"]), 1)])
		case "f":
			data, err := c.slurp(f.get("f"))
			if err != nil {
				c.errf("couldn't open file %s: %s", f.get("f"), Reason(err))
				return 1
			}
			script = append(script, strings.TrimSuffix(string(data), "\n"))
		}
	}
	args := f.args
	if len(script) == 0 {
		if len(args) == 0 {
			c.errf("no script specified")
			return 1
		}
		script, args = args[:1], args[1:]
	}
	kind := byte('G')
	if f.has("E") {
		kind = 'E'
	}
	p := &sedParser{text: strings.Join(script, "\n"), kind: kind}
	program, err := p.parse()
	if err != nil {
		c.errf("-e expression #1, char %d: %s", p.at, err)
		return 1
	}
	if text := p.text; strings.HasPrefix(text, "#n\n") {
		f.values["n"] = []string{""}
	}
	s := &sedRun{Call: c, program: program, quiet: f.has("n"), out: c.Out, separated: f.has("s") || f.has("i")}
	if !f.has("i") {
		if len(args) == 0 {
			args = []string{"-"}
		}
		return max(s.files(args), s.code)
	}
	code := 0
	for _, name := range args {
		var b strings.Builder
		s.out, s.line, s.quit = &b, 0, false
		if info := c.exists(name, true); info == nil {
			c.errf("can't read %s: No such file or directory", name)
			code = 4
			continue
		} else if info.IsDir() {
			c.errf("couldn't edit %s: not a regular file", name)
			code = 4
			continue
		}
		if n := s.files([]string{name}); n != 0 {
			code = 4
			continue
		}
		if suffix := f.get("i"); suffix != "" {
			if old, err := c.FS.ReadFile(c.Who, c.abs(name)); err == nil {
				_ = c.write(name+suffix, old, false)
			}
		}
		if err := c.write(name, []byte(b.String()), false); err != nil {
			c.errf("couldn't open file %s: %s", name, Reason(err))
			code = 4
		}
	}
	return max(code, s.code)
}

// files runs the program over files, as one text.
func (s *sedRun) files(names []string) int {
	code := 0
	var r *bufio.Reader
	var held *string
	read := func() (string, bool) {
		for {
			if r == nil {
				if len(names) == 0 {
					return "", false
				}
				in, err := s.open(names[0])
				name := names[0]
				names = names[1:]
				if err != nil {
					s.errf("can't read %s: %s", name, Reason(err))
					code = 2
					continue
				}
				r = bufio.NewReader(in)
			}
			line, err := s.Call.line(r, '\n')
			if line == "" && err != nil {
				if !errors.Is(err, io.EOF) {
					s.errf("read error: %s", Reason(err))
					code = 2
				}
				r = nil
				continue
			}
			text, ended := strings.CutSuffix(line, "\n")
			s.unfinish = !ended
			return text, true
		}
	}
	s.next = func() (string, bool) {
		if held != nil {
			text := *held
			held = nil
			return text, true
		}
		return read()
	}
	s.peek = func() bool {
		if held == nil {
			if text, ok := read(); ok {
				held = &text
			}
		}
		return held != nil
	}
	for !s.quit && !s.stopped() {
		line, ok := s.next()
		if !ok {
			break
		}
		s.line++
		s.jumps = 0
		s.cycle(line)
	}
	return code
}

func (s *sedRun) put(text string) {
	io.WriteString(s.out, text)
	if !s.unfinish || s.peek() {
		io.WriteString(s.out, "\n")
	}
}

func (s *sedRun) cycle(pattern string) {
	replaced := false
	deleted := false
loop:
	for i := 0; i < len(s.program); i++ {
		c := s.program[i]
		if !s.applies(c, pattern) {
			if c.name == '{' {
				i = c.end - 1
			}
			continue
		}
		switch c.name {
		case 's':
			var hit bool
			if pattern, hit = s.substitute(c, pattern); hit {
				replaced = true
			}
		case 'd':
			deleted = true
			break loop
		case 'D':
			if _, rest, ok := strings.Cut(pattern, "\n"); ok {
				if s.jumps++; s.jumps > maxJumps {
					s.End("steps", true)
					break loop
				}
				pattern, i = rest, -1
				continue
			}
			deleted = true
			break loop
		case 'p':
			s.put(pattern)
		case 'P':
			first, _, _ := strings.Cut(pattern, "\n")
			s.put(first)
		case 'q', 'Q':
			s.quit = true
			s.code, _ = strconv.Atoi(c.text)
			deleted = c.name == 'Q'
			break loop
		case 'b', 't', 'T':
			if c.name == 't' && !replaced || c.name == 'T' && replaced {
				continue
			}
			replaced = false
			if s.jumps++; s.jumps > maxJumps {
				s.End("steps", true)
				break loop
			}
			if s.Ctx.Err() != nil {
				break loop
			}
			i = c.end - 1
		case 'n', 'N':
			var ok bool
			if pattern, ok = s.read(c.name, pattern); !ok {
				break loop
			}
		default:
			pattern, deleted = s.simple(c, pattern)
			if deleted {
				break loop
			}
		}
	}
	if !deleted && !s.quiet {
		s.put(pattern)
	}
	s.flush()
}

// read is the commands n and N. It fails where there is no more line.
func (s *sedRun) read(name byte, pattern string) (string, bool) {
	if !s.peek() {
		s.quit = true
		return pattern, false
	}
	if name == 'n' && !s.quiet {
		s.put(pattern)
	}
	s.flush()
	line, _ := s.next()
	s.line++
	if name == 'n' {
		return line, true
	}
	if pattern += "\n" + line; int64(len(pattern)) > s.MaxRead/8 {
		s.End("memory", true)
		return pattern, false
	}
	return pattern, true
}

// simple does the commands that neither jump nor read lines.
func (s *sedRun) simple(c *sedCommand, pattern string) (string, bool) {
	switch c.name {
	case 'i':
		fmt.Fprintln(s.out, c.text)
	case 'a':
		s.appended = append(s.appended, c.text+"\n")
	case 'c':
		if c.to == nil || !c.inside || c.not {
			fmt.Fprintln(s.out, c.text)
		}
		return pattern, true
	case 'r':
		if data, err := s.slurp(c.file); err == nil {
			s.appended = append(s.appended, string(data))
		}
	case 'w':
		s.save(c.file, pattern)
	case '=':
		fmt.Fprintln(s.out, s.line)
	case 'y':
		pattern = strings.Map(func(r rune) rune {
			if to, ok := c.chars[r]; ok {
				return to
			}
			return r
		}, pattern)
	case 'h':
		s.hold = pattern
	case 'H':
		s.hold += "\n" + pattern
	case 'g':
		pattern = s.hold
	case 'G':
		pattern += "\n" + s.hold
	case 'x':
		pattern, s.hold = s.hold, pattern
	case 'l':
		quoted := strconv.QuoteToASCII(pattern)
		fmt.Fprintf(s.out, "%s$\n", quoted[1:len(quoted)-1])
	case 'z':
		pattern = ""
	}
	if int64(len(pattern)+len(s.hold)) > s.MaxRead/8 {
		s.End("memory", true)
		return "", true
	}
	return pattern, false
}

func (s *sedRun) flush() {
	for _, text := range s.appended {
		if s.unfinish {
			text = strings.TrimSuffix("\n"+text, "\n")
		}
		io.WriteString(s.out, text)
	}
	s.appended = nil
}

func (s *sedRun) save(file, line string) {
	if file == "/dev/stdout" {
		s.put(line)
		return
	}
	flag := 1 | createFlag | appendFlag
	h, err := s.FS.Open(s.Who, s.abs(file), flag, 0o666&^s.Umask())
	if err == nil {
		_, err = h.Write([]byte(line + "\n"))
	}
	if err != nil {
		s.errf("couldn't open file %s: %s", file, Reason(err))
	}
}

func (s *sedRun) applies(c *sedCommand, pattern string) bool {
	return s.selected(c, pattern) != c.not
}

func (s *sedRun) at(a *sedAddress, pattern string) bool {
	switch {
	case a.re != nil:
		return a.re.MatchString(pattern)
	case a.last:
		return !s.peek()
	case a.step > 0:
		return s.line >= a.line && (s.line-a.line)%a.step == 0
	}
	return s.line == a.line
}

func (s *sedRun) selected(c *sedCommand, pattern string) bool {
	switch {
	case c.from == nil:
		return true
	case c.to == nil:
		return s.at(c.from, pattern)
	case c.inside:
		switch {
		case c.until > 0:
			c.inside = s.line < c.until
			return s.line <= c.until
		default:
			c.inside = !s.at(c.to, pattern)
		}
		return true
	case s.at(c.from, pattern):
		c.inside = true
		c.until = 0
		if c.to.plus > 0 {
			c.until = s.line + c.to.plus
		} else if c.to.line > 0 {
			c.until = c.to.line
			c.inside = c.until > s.line
		}
		if c.to.last && !s.peek() {
			c.inside = false
		}
		return true
	}
	return false
}

// substitute replaces matches of a pattern.
func (s *sedRun) substitute(c *sedCommand, text string) (string, bool) {
	var b strings.Builder
	at, n, hit := 0, 0, false
	for _, loc := range c.re.FindAllStringSubmatchIndex(text, -1) {
		n++
		if c.nth > 0 && n < c.nth {
			continue
		}
		b.WriteString(text[at:loc[0]])
		b.WriteString(expandSed(c.text, text, loc))
		at, hit = loc[1], true
		if int64(b.Len()) > s.MaxRead {
			s.End("memory", true)
			return "", false
		}
		if !c.global {
			break
		}
	}
	if !hit {
		return text, false
	}
	b.WriteString(text[at:])
	if c.print {
		s.put(b.String())
	}
	if c.file != "" {
		s.save(c.file, b.String())
	}
	return b.String(), true
}
