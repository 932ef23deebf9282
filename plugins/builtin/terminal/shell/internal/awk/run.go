package awk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Options are what a program has to do with.
type Options struct {
	Args    []string // files to read, and assignments between them
	Vars    []string // assignments, as NAME=value
	FS      string   // "": blanks
	Env     []string
	Stdin   io.Reader
	Out     io.Writer
	Open    func(name string) (io.Reader, error)
	Create  func(name string, more bool) (io.Writer, error)
	Command func(line, input string) int // runs a command and writes what it says to Out
	Regexp  func(pattern string) (*regexp.Regexp, error)
	Time    func() int64
	Format  func(layout string, unix int64) string
	Stop    func() bool // asked at each step
	Max     int         // bytes of one text, and so many elements of arrays
}

// flow is how a statement ended.
type flow int

const (
	goOn flow = iota
	toBreak
	toContinue
	toNext
	toNextFile
	toReturn
	toExit
)

type variables map[string]*cell

// cell is a variable: a value or an array.
type cell struct {
	v     value
	array map[string]value
}

type machine struct {
	Options
	p       *Program
	globals variables
	locals  []variables
	line    string
	fields  []value // from $1 on; nil: not split yet
	split   bool
	changed bool // a field was set: $0 is to be made anew
	nr, fnr int
	file    string
	result  value
	code    int
	active  []bool
	pipes   map[string]*strings.Builder
	files   map[string]io.Writer
	readers map[string]*bufio.Reader
	regexps map[string]*regexp.Regexp
	input   *bufio.Reader
	args    []string
	used    bool // an argument was a file
	seed    uint64
	held    int
	err     error // the first fault; nothing more is run then
}

// Run runs a program and returns its exit code.
func (p *Program) Run(o Options) (int, error) {
	m := &machine{Options: o, p: p, globals: variables{}, active: make([]bool, len(p.rules)), pipes: map[string]*strings.Builder{}, files: map[string]io.Writer{}, readers: map[string]*bufio.Reader{}, regexps: map[string]*regexp.Regexp{}, args: o.Args, seed: 1}
	fs := " "
	if o.FS != "" {
		fs = o.FS
	}
	for name, text := range map[string]string{"FS": fs, "OFS": " ", "ORS": "\n", "RS": "\n", "SUBSEP": "\x1c", "CONVFMT": "%.6g", "OFMT": "%.6g"} {
		m.set(name, stringValue(text))
	}
	env := &cell{array: map[string]value{}}
	for _, pair := range o.Env {
		name, text, _ := strings.Cut(pair, "=")
		env.array[name] = inputValue(text)
	}
	m.globals["ENVIRON"] = env
	argv := &cell{array: map[string]value{"0": stringValue("awk")}}
	for i, a := range o.Args {
		argv.array[fmt.Sprint(i+1)] = inputValue(a)
	}
	m.globals["ARGV"] = argv
	m.set("ARGC", numberValue(float64(len(o.Args)+1)))
	for _, pair := range o.Vars {
		m.assignment(pair)
	}
	m.main()
	m.flush()
	if m.err != nil {
		return 2, m.err
	}
	return m.code, nil
}

func (m *machine) assignment(pair string) bool {
	name, text, ok := strings.Cut(pair, "=")
	if !ok || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" || !isLetter(name[0]) {
		return false
	}
	l := lexer{text: `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(text) + `"`}
	m.set(name, inputValue(l.quoted('"')))
	return true
}

func (m *machine) main() {
	state := goOn
	for _, b := range m.p.begin {
		if state = m.exec(b); state == toExit {
			break
		}
	}
	if state != toExit && len(m.p.rules)+len(m.p.end) > 0 {
		state = m.records()
	}
	if state == toExit && len(m.p.end) == 0 {
		return
	}
	for _, b := range m.p.end {
		if m.err != nil || m.exec(b) == toExit {
			return
		}
	}
}

func (m *machine) records() flow {
	for m.nextRecord() {
		for i, r := range m.p.rules {
			if !m.selects(i, r) {
				continue
			}
			state := goOn
			if r.body == nil {
				m.write(m.Out, m.record()+m.text("ORS"))
			} else {
				state = m.exec(r.body)
			}
			if state == toExit {
				return toExit
			}
			if state == toNextFile {
				m.input = nil
			}
			if state == toNext || state == toNextFile {
				break
			}
		}
	}
	return goOn
}

func (m *machine) selects(i int, r rule) bool {
	switch {
	case r.pattern == nil:
		return true
	case r.until == nil:
		return m.eval(r.pattern).truth()
	case !m.active[i]:
		if !m.eval(r.pattern).truth() {
			return false
		}
	}
	m.active[i] = !m.eval(r.until).truth()
	return true
}

// nextRecord reads the next record of all files into $0.
func (m *machine) nextRecord() bool {
	for {
		if m.step(); m.err != nil {
			return false
		}
		if m.input == nil && !m.nextFile() {
			return false
		}
		text, ok := m.readRecord(m.input)
		if ok {
			m.nr++
			m.fnr++
			m.setRecord(text)
			return true
		}
		m.input = nil
	}
}

func (m *machine) nextFile() bool {
	for len(m.args) > 0 {
		arg := m.args[0]
		m.args = m.args[1:]
		if arg == "" || m.assignment(arg) {
			continue
		}
		m.used = true
		m.file, m.fnr = arg, 0
		r, err := m.open(arg)
		if err != nil {
			m.fail("cannot open %s (%s)", arg, err)
			return false
		}
		m.input = bufio.NewReader(r)
		return true
	}
	if m.used {
		return false
	}
	m.used = true
	m.input = bufio.NewReader(m.Stdin)
	return true
}

func (m *machine) open(name string) (io.Reader, error) {
	if name == "-" || name == "/dev/stdin" {
		return m.Stdin, nil
	}
	return m.Open(name)
}

// readRecord reads up to RS.
func (m *machine) readRecord(r *bufio.Reader) (string, bool) {
	sep := m.text("RS")
	paragraphs := sep == ""
	stop := byte('\n')
	if len(sep) == 1 {
		stop = sep[0]
	}
	var b strings.Builder
	for {
		part, err := r.ReadSlice(stop)
		b.Write(part)
		if m.bound(b.Len()); m.err != nil {
			return "", false
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			m.step()
			continue
		}
		text := b.String()
		switch {
		case err != nil && text == "":
			return "", false
		case paragraphs && text == "\n":
			b.Reset()
		case paragraphs && err == nil && !strings.HasSuffix(text, "\n\n"):
		case len(sep) > 1 && err == nil && !m.compile(sep).MatchString(text):
		case len(sep) > 1:
			if loc := m.compile(sep).FindStringIndex(text); loc != nil && loc[1] == len(text) {
				text = text[:loc[0]]
			}
			return strings.TrimSuffix(text, "\n"), true
		case paragraphs:
			return strings.TrimRight(text, "\n"), true
		default:
			return strings.TrimSuffix(text, string(stop)), true
		}
	}
}

// fail notes a fault. What is being evaluated goes on with some value, and then
// nothing more is run.
func (m *machine) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// step ends a program whose time is up.
func (m *machine) step() {
	if m.Stop() {
		m.fail("stopped")
	}
}

func (m *machine) bound(size int) {
	if size > m.Max {
		m.fail("memory exhausted")
	}
}

func (m *machine) write(w io.Writer, text string) {
	if _, err := io.WriteString(w, text); err != nil {
		m.fail("write error: %s", err)
	}
}

// flush runs the commands that were printed to.
func (m *machine) flush() {
	for _, line := range slices.Sorted(maps.Keys(m.pipes)) {
		m.close(line)
	}
}

func (m *machine) close(name string) float64 {
	delete(m.readers, name)
	delete(m.files, name)
	if b, ok := m.pipes[name]; ok {
		delete(m.pipes, name)
		return float64(m.Command(name, b.String()))
	}
	return 0
}

func (m *machine) compile(pattern string) *regexp.Regexp {
	re, ok := m.regexps[pattern]
	if !ok {
		var err error
		if re, err = m.Regexp(pattern); err != nil {
			m.fail("%s: /%s/", err, pattern)
			return regexp.MustCompile("$^")
		}
		if len(m.regexps) < 500 {
			m.regexps[pattern] = re
		}
	}
	return re
}

// exec runs a statement.
func (m *machine) exec(n *node) flow {
	if m.step(); m.err != nil {
		return toExit
	}
	switch n.what {
	case "block":
		for _, k := range n.kids {
			if state := m.exec(k); state != goOn {
				return state
			}
		}
	case "expr":
		m.eval(n.kids[0])
	case "if":
		if m.eval(n.kids[0]).truth() {
			return m.exec(n.kids[1])
		} else if len(n.kids) > 2 {
			return m.exec(n.kids[2])
		}
	case "while":
		for m.eval(n.kids[0]).truth() {
			if state, leave := loopEnd(m.exec(n.kids[1])); leave {
				return state
			}
		}
	case "do":
		for {
			if state, leave := loopEnd(m.exec(n.kids[1])); leave {
				return state
			}
			if !m.eval(n.kids[0]).truth() {
				return goOn
			}
		}
	case "for":
		return m.loop(n)
	case "forin":
		array := m.array(n.kids[0].text)
		for _, key := range sortedKeys(array) {
			m.set(n.text, inputValue(key))
			if state, leave := loopEnd(m.exec(n.kids[1])); leave {
				return state
			}
		}
	case "print", "printf":
		m.print(n)
	case "delete":
		if n.kids == nil {
			clear(m.array(n.text))
		} else {
			delete(m.array(n.text), m.key(n.kids))
		}
	case "exit", "return":
		return m.leave(n)
	default:
		return map[string]flow{"break": toBreak, "continue": toContinue, "next": toNext, "nextfile": toNextFile}[n.what]
	}
	return goOn
}

func loopEnd(state flow) (flow, bool) {
	switch state {
	case toBreak:
		return goOn, true
	case goOn, toContinue:
		return goOn, false
	}
	return state, true
}

func (m *machine) leave(n *node) flow {
	if n.what == "exit" {
		if len(n.kids) > 0 {
			m.code = int(m.eval(n.kids[0]).number()) & 255
		}
		return toExit
	}
	m.result = value{}
	if len(n.kids) > 0 {
		m.result = m.eval(n.kids[0])
	}
	return toReturn
}

func (m *machine) loop(n *node) flow {
	if n.kids[0] != nil {
		m.exec(n.kids[0])
	}
	for n.kids[1] == nil || m.eval(n.kids[1]).truth() {
		if state, leave := loopEnd(m.exec(n.kids[3])); leave {
			return state
		}
		if n.kids[2] != nil {
			m.exec(n.kids[2])
		}
	}
	return goOn
}

// sortedKeys has numbers come first, by size: awk promises no order, so this one
// is always the same.
func sortedKeys(array map[string]value) []string {
	return slices.SortedFunc(maps.Keys(array), func(a, b string) int {
		x, y := inputValue(a), inputValue(b)
		switch {
		case x.numeric && y.numeric && x.n != y.n:
			if x.n < y.n {
				return -1
			}
			return 1
		case x.numeric != y.numeric:
			if x.numeric {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
}
