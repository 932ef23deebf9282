package tools

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// tester reads the expressions of test.
type tester struct {
	*Call
	args []string
	err  error
}

func test(c *Call) int {
	args := c.Args
	if c.Name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			c.errf("missing `]'")
			return 2
		}
		args = args[:len(args)-1]
	}
	t := &tester{Call: c, args: args}
	var yes bool
	switch {
	case len(args) == 0:
	case len(args) == 1:
		yes = args[0] != ""
	case len(args) == 3 && t.isBinary(args[1]):
		yes = t.binary(args[0], args[1], args[2])
	default:
		yes = t.or(0)
		if t.err == nil && len(t.args) > 0 {
			t.err = fmt.Errorf("too many arguments")
		}
	}
	if t.err != nil {
		c.Out.Flush()
		fmt.Fprintf(c.Err, "bash: %s: %s\n", c.Name, t.err)
		return 2
	}
	if yes {
		return 0
	}
	return 1
}

// maxNesting bounds expressions in expressions.
const maxNesting = 1000

func (t *tester) or(depth int) bool {
	left := t.and(depth)
	for len(t.args) > 0 && t.args[0] == "-o" {
		t.args = t.args[1:]
		right := t.and(depth)
		left = left || right
	}
	return left
}

func (t *tester) and(depth int) bool {
	left := t.not(depth)
	for len(t.args) > 0 && t.args[0] == "-a" {
		t.args = t.args[1:]
		right := t.not(depth)
		left = left && right
	}
	return left
}

func (t *tester) not(depth int) bool {
	flip := false
	for len(t.args) > 1 && t.args[0] == "!" {
		flip = !flip
		t.args = t.args[1:]
	}
	return t.primary(depth) != flip
}

func (t *tester) primary(depth int) bool {
	if len(t.args) == 0 || depth > maxNesting {
		t.err = fmt.Errorf("argument expected")
		return false
	}
	if len(t.args) >= 3 && t.isBinary(t.args[1]) {
		yes := t.binary(t.args[0], t.args[1], t.args[2])
		t.args = t.args[3:]
		return yes
	}
	first := t.args[0]
	if first == "(" {
		t.args = t.args[1:]
		yes := t.or(depth + 1)
		if len(t.args) == 0 || t.args[0] != ")" {
			t.err = fmt.Errorf("`)' expected")
			return false
		}
		t.args = t.args[1:]
		return yes
	}
	if len(first) == 2 && first[0] == '-' && len(t.args) > 1 && strings.IndexByte("abcdefghkLnNoOpGrsStuvwxz", first[1]) >= 0 {
		arg := t.args[1]
		t.args = t.args[2:]
		return t.unary(first[1], arg)
	}
	t.args = t.args[1:]
	if len(first) > 1 && first[0] == '-' && len(t.args) > 0 {
		t.err = fmt.Errorf("%s: unary operator expected", first)
	}
	return first != ""
}

func (t *tester) isBinary(op string) bool {
	switch op {
	case "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

func (t *tester) binary(a, op, b string) bool {
	switch op {
	case "=", "==":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case ">":
		return a > b
	case "-nt", "-ot", "-ef":
		x, y := t.exists(a, true), t.exists(b, true)
		switch {
		case op == "-ef":
			return x != nil && y != nil && x.Inode == y.Inode
		case op == "-ot":
			x, y = y, x
		}
		return x != nil && (y == nil || x.Changed.After(y.Changed))
	}
	x, err := strconv.ParseInt(strings.TrimSpace(a), 10, 64)
	if err != nil {
		t.err = fmt.Errorf("%s: integer expression expected", a)
		return false
	}
	y, err := strconv.ParseInt(strings.TrimSpace(b), 10, 64)
	if err != nil {
		t.err = fmt.Errorf("%s: integer expression expected", b)
		return false
	}
	switch op {
	case "-eq":
		return x == y
	case "-ne":
		return x != y
	case "-lt":
		return x < y
	case "-le":
		return x <= y
	case "-gt":
		return x > y
	}
	return x >= y
}

func (t *tester) unary(op byte, arg string) bool {
	switch op {
	case 'z':
		return arg == ""
	case 'n':
		return arg != ""
	case 'v':
		return t.Env(arg) != ""
	case 't', 'o':
		return false
	case 'r', 'w', 'x':
		return t.FS.Access(t.Who, t.abs(arg), map[byte]uint32{'r': 4, 'w': 2, 'x': 1}[op]) == nil
	}
	info := t.exists(arg, op != 'L' && op != 'h')
	if info == nil {
		return false
	}
	switch op {
	case 'f':
		return info.Kind == vfs.File
	case 'd':
		return info.IsDir()
	case 'L', 'h':
		return info.Kind == vfs.Link
	case 's':
		return info.Bytes > 0
	case 'c':
		return info.Kind == vfs.Device
	case 'O':
		return info.Owner == t.Who.User
	case 'G':
		return len(t.Who.Groups) > 0 && info.Group == t.Who.Groups[0]
	case 'u':
		return info.Perm&0o4000 != 0
	case 'g':
		return info.Perm&0o2000 != 0
	case 'k':
		return info.Perm&0o1000 != 0
	case 'a', 'e':
		return true
	}
	return false
}

// expr evaluates expressions of whole numbers and texts.
func expr(c *Call) int {
	e := &expression{args: c.Args, c: c}
	v := e.or(0)
	if e.err == nil && len(e.args) > 0 {
		e.err = fmt.Errorf("syntax error: unexpected argument '%s'", e.args[0])
	}
	if e.err != nil {
		c.errf("%s", e.err)
		return 2
	}
	c.printf("%s\n", v)
	if v == "" || v == "0" {
		return 1
	}
	return 0
}

type expression struct {
	args []string
	c    *Call
	err  error
}

func (e *expression) take(ops ...string) string {
	for _, op := range ops {
		if len(e.args) > 0 && e.args[0] == op {
			e.args = e.args[1:]
			return op
		}
	}
	return ""
}

func (e *expression) or(depth int) string {
	v := e.and(depth)
	for e.take("|") != "" {
		if w := e.and(depth); v == "" || v == "0" {
			v = w
		}
	}
	return v
}

func (e *expression) and(depth int) string {
	v := e.compare(depth)
	for e.take("&") != "" {
		if w := e.compare(depth); v == "" || v == "0" || w == "" || w == "0" {
			v = "0"
		}
	}
	return v
}

func (e *expression) compare(depth int) string {
	v := e.sum(depth)
	for {
		op := e.take("=", "==", "!=", "<", "<=", ">", ">=")
		if op == "" {
			return v
		}
		w := e.sum(depth)
		order := strings.Compare(v, w)
		a, err1 := strconv.ParseInt(v, 10, 64)
		b, err2 := strconv.ParseInt(w, 10, 64)
		if err1 == nil && err2 == nil {
			order = 0
			if a < b {
				order = -1
			} else if a > b {
				order = 1
			}
		}
		yes := map[string]bool{"=": order == 0, "==": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[op]
		v = "0"
		if yes {
			v = "1"
		}
	}
}

func (e *expression) number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("non-integer argument")
	}
	return n
}

func (e *expression) sum(depth int) string {
	v := e.product(depth)
	for {
		op := e.take("+", "-")
		if op == "" {
			return v
		}
		w := e.product(depth)
		if a, b := e.number(v), e.number(w); op == "+" {
			v = strconv.FormatInt(a+b, 10)
		} else {
			v = strconv.FormatInt(a-b, 10)
		}
	}
}

func (e *expression) product(depth int) string {
	v := e.match(depth)
	for {
		op := e.take("*", "/", "%")
		if op == "" {
			return v
		}
		w := e.match(depth)
		a, b := e.number(v), e.number(w)
		switch {
		case op == "*":
			a *= b
		case b == 0:
			e.err = fmt.Errorf("division by zero")
		case op == "/":
			a /= b
		default:
			a %= b
		}
		v = strconv.FormatInt(a, 10)
	}
}

func (e *expression) match(depth int) string {
	v := e.primary(depth)
	for e.take(":") != "" {
		re, err := compile("^"+e.primary(depth), 'G', false)
		if err != nil {
			e.err = err
			return ""
		}
		loc := re.FindStringSubmatch(v)
		switch {
		case len(loc) > 1:
			v = loc[1]
		case loc == nil && re.NumSubexp() > 0:
			v = ""
		case loc == nil:
			v = "0"
		default:
			v = strconv.Itoa(len([]rune(loc[0])))
		}
	}
	return v
}

func (e *expression) primary(depth int) string {
	if len(e.args) == 0 || depth > maxNesting {
		if e.err == nil {
			e.err = fmt.Errorf("syntax error: missing argument after '%s'", strings.Join(e.c.Args, " "))
		}
		return ""
	}
	if e.take("(") != "" {
		v := e.or(depth + 1)
		if e.take(")") == "" {
			e.err = fmt.Errorf("syntax error: expecting ')'")
		}
		return v
	}
	switch e.take("length", "substr", "index", "+") {
	case "length":
		return strconv.Itoa(len([]rune(e.primary(depth + 1))))
	case "substr":
		text := []rune(e.primary(depth + 1))
		from, n := int(e.number(e.primary(depth+1))), int(e.number(e.primary(depth+1)))
		if from < 1 || n < 1 || from > len(text) {
			return ""
		}
		return string(text[from-1 : min(from-1+n, len(text))])
	case "index":
		text, chars := e.primary(depth+1), e.primary(depth+1)
		return strconv.Itoa(strings.IndexAny(text, chars) + 1)
	}
	v := e.args[0]
	e.args = e.args[1:]
	return v
}
