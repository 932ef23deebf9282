package awk

import (
	"io"
	"math"
	"strings"
)

func (m *machine) print(n *node) {
	kids := n.kids
	out := m.Out
	if n.text != "" {
		to := m.eval(kids[len(kids)-1]).string(m)
		kids = kids[:len(kids)-1]
		out = m.target(n.text, to)
	}
	if n.what == "printf" {
		if len(kids) == 0 {
			m.fail("printf: no format")
			return
		}
		m.write(out, m.sprintf(kids))
		return
	}
	if len(kids) == 0 {
		m.write(out, m.record()+m.text("ORS"))
		return
	}
	parts := make([]string, len(kids))
	for i, k := range kids {
		v := m.eval(k)
		if parts[i] = v.string(m); v.kind == isNumber && v.n != math.Trunc(v.n) {
			parts[i] = formatNumber(m.text("OFMT"), v.n)
		}
	}
	m.write(out, strings.Join(parts, m.text("OFS"))+m.text("ORS"))
}

func (m *machine) target(how, to string) io.Writer {
	if how == "|" {
		if m.pipes[to] == nil {
			m.pipes[to] = &strings.Builder{}
		}
		m.bound(m.pipes[to].Len())
		return m.pipes[to]
	}
	if to == "/dev/stdout" {
		return m.Out
	}
	w, ok := m.files[to]
	if !ok {
		var err error
		if w, err = m.Create(to, how == ">>"); err != nil {
			m.fail("cannot open %q for output (%s)", to, err)
			return io.Discard
		}
		m.files[to] = w
	}
	return w
}
