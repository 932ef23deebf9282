package awk

import (
	"bufio"
	"math"
	"strings"
)

// maxCalls bounds functions in functions.
const maxCalls = 500

func (m *machine) eval(n *node) value {
	switch n.what {
	case "number":
		return numberValue(n.num)
	case "string":
		return stringValue(n.text)
	case "regex":
		return boolValue(m.compile(n.text).MatchString(m.record()))
	case "group":
		if len(n.kids) == 1 {
			return m.eval(n.kids[0])
		}
		return stringValue(m.key(n.kids))
	case "name":
		return m.get(n.text)
	case "index":
		array, key := m.array(n.text), m.key(n.kids)
		v, ok := array[key]
		if !ok {
			m.put(array, key, v)
		}
		return v
	case "field":
		return m.field(int(m.eval(n.kids[0]).number()))
	case "assign":
		v := m.eval(n.kids[1])
		if n.text != "" {
			v = numberValue(m.arithmetic(n.text, m.eval(n.kids[0]).number(), v.number()))
		}
		m.assign(n.kids[0], v)
		return v
	case "pre++", "pre--", "post++", "post--":
		old := m.eval(n.kids[0]).number()
		now := old + 1
		if strings.HasSuffix(n.what, "--") {
			now = old - 1
		}
		m.assign(n.kids[0], numberValue(now))
		if strings.HasPrefix(n.what, "pre") {
			old = now
		}
		return numberValue(old)
	case "?":
		if m.eval(n.kids[0]).truth() {
			return m.eval(n.kids[1])
		}
		return m.eval(n.kids[2])
	case "in":
		_, ok := m.array(n.text)[m.key(n.kids)]
		return boolValue(ok)
	case "call":
		return m.call(n)
	case "builtin":
		return m.builtin(n)
	case "getline":
		return m.getline(n)
	}
	return m.operator(n)
}

func (m *machine) operator(n *node) value {
	switch n.what {
	case "||":
		return boolValue(m.eval(n.kids[0]).truth() || m.eval(n.kids[1]).truth())
	case "&&":
		return boolValue(m.eval(n.kids[0]).truth() && m.eval(n.kids[1]).truth())
	case "~", "!~":
		hit := m.compile(m.pattern(n.kids[1])).MatchString(m.eval(n.kids[0]).string(m))
		return boolValue(hit == (n.what == "~"))
	case "<", "<=", "==", "!=", ">", ">=":
		order := compare(m, m.eval(n.kids[0]), m.eval(n.kids[1]))
		return boolValue(map[string]bool{"<": order < 0, "<=": order <= 0, "==": order == 0, "!=": order != 0, ">": order > 0, ">=": order >= 0}[n.what])
	case "concat":
		a := m.eval(n.kids[0]).string(m)
		b := m.eval(n.kids[1]).string(m)
		if m.bound(len(a) + len(b)); m.err != nil {
			return value{}
		}
		return stringValue(a + b)
	case "unary!":
		return boolValue(!m.eval(n.kids[0]).truth())
	case "unary-":
		return numberValue(-m.eval(n.kids[0]).number())
	case "unary+":
		return numberValue(m.eval(n.kids[0]).number())
	}
	a := m.eval(n.kids[0]).number()
	return numberValue(m.arithmetic(n.what, a, m.eval(n.kids[1]).number()))
}

func (m *machine) arithmetic(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/", "%":
		if b == 0 {
			m.fail("division by zero")
			return 0
		}
		if op == "%" {
			return math.Mod(a, b)
		}
		return a / b
	}
	return math.Pow(a, b)
}

// pattern is the text of a pattern: a regexp as it stands, else a value.
func (m *machine) pattern(n *node) string {
	if n.what == "regex" {
		return n.text
	}
	return m.eval(n).string(m)
}

func (m *machine) cell(name string) *cell {
	if len(m.locals) > 0 {
		if c, ok := m.locals[len(m.locals)-1][name]; ok {
			return c
		}
	}
	c, ok := m.globals[name]
	if !ok {
		c = &cell{}
		m.globals[name] = c
	}
	return c
}

func (m *machine) array(name string) map[string]value {
	c := m.cell(name)
	if c.array == nil {
		c.array = map[string]value{}
	}
	return c.array
}

func (m *machine) put(array map[string]value, key string, v value) {
	if _, ok := array[key]; !ok {
		m.held += len(key) + 64
		m.bound(m.held)
	}
	array[key] = v
}

func (m *machine) key(kids []*node) string {
	parts := make([]string, len(kids))
	for i, k := range kids {
		parts[i] = m.eval(k).string(m)
	}
	return strings.Join(parts, m.text("SUBSEP"))
}

func (m *machine) get(name string) value {
	switch name {
	case "NF":
		m.splitFields()
		return numberValue(float64(len(m.fields)))
	case "NR":
		return numberValue(float64(m.nr))
	case "FNR":
		return numberValue(float64(m.fnr))
	case "FILENAME":
		return stringValue(m.file)
	}
	return m.cell(name).v
}

func (m *machine) set(name string, v value) {
	switch name {
	case "NF":
		m.splitFields()
		n := int(min(max(v.number(), -1), 1e9))
		if m.bound(n); m.err != nil {
			return
		}
		for len(m.fields) < n {
			m.fields = append(m.fields, stringValue(""))
		}
		m.fields = m.fields[:max(n, 0)]
		m.changed = true
	case "NR":
		m.nr = int(v.number())
	case "FNR":
		m.fnr = int(v.number())
	default:
		m.cell(name).v = v
	}
}

func (m *machine) text(name string) string {
	v := m.globals[name].v
	if v.kind == isNumber {
		return formatNumber("%.6g", v.n)
	}
	return v.s
}

func (m *machine) assign(to *node, v value) {
	switch to.what {
	case "name":
		m.set(to.text, v)
	case "index":
		m.put(m.array(to.text), m.key(to.kids), v)
	case "field":
		n := int(m.eval(to.kids[0]).number())
		if n < 0 {
			m.fail("access to field %d", n)
			return
		}
		if n == 0 {
			m.setRecord(v.string(m))
			return
		}
		m.splitFields()
		if m.bound(n); m.err != nil {
			return
		}
		for len(m.fields) < n {
			m.fields = append(m.fields, stringValue(""))
		}
		m.fields[n-1] = v
		m.changed = true
	}
}

func (m *machine) setRecord(text string) {
	m.line, m.split, m.changed, m.fields = text, false, false, nil
}

func (m *machine) record() string {
	if m.changed {
		parts := make([]string, len(m.fields))
		for i, f := range m.fields {
			parts[i] = f.string(m)
		}
		m.line, m.changed = strings.Join(parts, m.text("OFS")), false
	}
	return m.line
}

func (m *machine) field(n int) value {
	if n == 0 {
		return inputValue(m.record())
	}
	m.splitFields()
	if n < 0 {
		m.fail("access to field %d", n)
		return value{}
	}
	if n > len(m.fields) {
		return value{kind: isInput}
	}
	return m.fields[n-1]
}

func (m *machine) splitFields() {
	if m.split {
		return
	}
	m.split = true
	m.fields = m.fields[:0]
	for _, part := range m.cut(m.line, m.text("FS")) {
		m.fields = append(m.fields, inputValue(part))
	}
}

// cut splits a text as FS says.
func (m *machine) cut(text, sep string) []string {
	switch {
	case sep == " ":
		return strings.Fields(text)
	case text == "":
		return nil
	case sep == "":
		return strings.Split(text, "")
	case len(sep) == 1 && sep != "\\":
		return strings.Split(text, sep)
	}
	return m.compile(sep).Split(text, -1)
}

func (m *machine) call(n *node) value {
	f, ok := m.p.functions[n.text]
	if !ok {
		m.fail("function %q not defined", n.text)
		return value{}
	}
	if len(m.locals) >= maxCalls {
		m.fail("functions call each other too deep")
		return value{}
	}
	scope := variables{}
	for i, param := range f.params {
		c := &cell{}
		if i < len(n.kids) {
			if k := n.kids[i]; k.what == "name" && m.isArray(k.text) {
				m.array(k.text)
				c = m.cell(k.text)
			} else {
				c.v = m.eval(k)
			}
		}
		scope[param] = c
	}
	m.locals = append(m.locals, scope)
	m.result = value{}
	m.exec(f.body)
	m.locals = m.locals[:len(m.locals)-1]
	result := m.result
	m.result = value{}
	return result
}

// isArray says whether a name is an array, or nothing yet and so may be one.
func (m *machine) isArray(name string) bool {
	switch name {
	case "NF", "NR", "FNR", "FILENAME":
		return false
	}
	c := m.cell(name)
	return c.array != nil || c.v.kind == isNothing
}

func (m *machine) getline(n *node) value {
	var text string
	ok := false
	if len(n.kids) > 0 {
		name := m.eval(n.kids[0]).string(m)
		r := m.readers[name]
		if r == nil {
			in, err := m.open(name)
			if err != nil {
				return numberValue(-1)
			}
			r = bufio.NewReader(in)
			m.readers[name] = r
		}
		text, ok = m.readRecord(r)
	} else {
		old, oldFields, oldSplit := m.line, m.fields, m.split
		if ok = m.nextRecord(); ok && n.text != "" {
			text = m.line
			m.line, m.fields, m.split = old, oldFields, oldSplit
		} else if ok {
			return numberValue(1)
		}
	}
	switch {
	case !ok:
		return numberValue(0)
	case n.text != "":
		m.set(n.text, inputValue(text))
	default:
		m.setRecord(text)
	}
	return numberValue(1)
}
