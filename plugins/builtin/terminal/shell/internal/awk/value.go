package awk

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

type valueKind int

const (
	isNothing valueKind = iota
	isNumber
	isString
	isInput // a text that came from outside: a number if it looks like one
)

type value struct {
	kind    valueKind
	s       string
	n       float64
	numeric bool // an input that is a number
}

func numberValue(n float64) value { return value{kind: isNumber, n: n} }
func stringValue(s string) value  { return value{kind: isString, s: s} }

func boolValue(yes bool) value {
	if yes {
		return numberValue(1)
	}
	return numberValue(0)
}

func inputValue(s string) value {
	n, whole := leading(s)
	return value{kind: isInput, s: s, n: n, numeric: whole}
}

// leading is the number that a text begins with, and whether it is all of it.
func leading(s string) (float64, bool) {
	t := strings.TrimSpace(s)
	sign := 1.0
	if t != "" && (t[0] == '-' || t[0] == '+') {
		if t[0] == '-' {
			sign = -1
		}
		t = t[1:]
	}
	digits := numberPrefix(t)
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil && digits == "" {
		return 0, false
	}
	return sign * n, len(digits) == len(t) && digits != ""
}

func (v value) number() float64 {
	if v.kind == isString {
		n, _ := leading(v.s)
		return n
	}
	return v.n
}

func (v value) truth() bool {
	switch v.kind {
	case isNumber:
		return v.n != 0
	case isInput:
		if v.numeric {
			return v.n != 0
		}
	}
	return v.s != ""
}

func (v value) string(m *machine) string {
	if v.kind == isNumber {
		return formatNumber(m.text("CONVFMT"), v.n)
	}
	return v.s
}

func formatNumber(format string, n float64) string {
	switch {
	case math.IsNaN(n):
		return "nan"
	case math.IsInf(n, 1):
		return "inf"
	case math.IsInf(n, -1):
		return "-inf"
	case n == math.Trunc(n) && math.Abs(n) < 1e16:
		return strconv.FormatInt(int64(n), 10)
	case format == "%.6g":
		return strconv.FormatFloat(n, 'g', 6, 64)
	}
	return verb(format, n)
}

// verb formats a number by one verb of printf.
func verb(format string, n float64) string {
	if strings.Count(format, "%") != 1 || len(format) > 20 || strings.IndexByte("eEfgG", format[len(format)-1]) < 0 {
		return strconv.FormatFloat(n, 'g', 6, 64)
	}
	return fmt.Sprintf(format, n)
}

func compare(m *machine, a, b value) int {
	numbers := func(v value) bool {
		return v.kind == isNumber || v.kind == isNothing || v.kind == isInput && v.numeric
	}
	if numbers(a) && numbers(b) {
		switch {
		case a.n < b.n:
			return -1
		case a.n > b.n:
			return 1
		}
		return 0
	}
	return strings.Compare(a.string(m), b.string(m))
}

// maxWidth is how wide a printed field may be.
const maxWidth = 100_000

func (m *machine) sprintf(kids []*node) string {
	format := m.eval(kids[0]).string(m)
	args := make([]value, 0, len(kids))
	for _, k := range kids[1:] {
		args = append(args, m.eval(k))
	}
	next := func() value {
		if len(args) == 0 {
			return value{}
		}
		v := args[0]
		args = args[1:]
		return v
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		start := i
		for i++; i < len(format) && strings.IndexByte("-+ #0123456789.*", format[i]) >= 0; i++ {
		}
		if i == len(format) {
			b.WriteString(format[start:])
			break
		}
		spec := format[start:i]
		for strings.Contains(spec, "*") {
			spec = strings.Replace(spec, "*", strconv.Itoa(int(next().number())), 1)
		}
		for digits := range strings.FieldsFuncSeq(spec, func(r rune) bool { return r < '0' || r > '9' }) {
			if n, err := strconv.Atoi(digits); err != nil || n > maxWidth {
				m.fail("printf: a width of more than %d is not supported here", maxWidth)
				return ""
			}
		}
		switch ch := format[i]; ch {
		case '%':
			b.WriteByte('%')
		case 'd', 'i':
			fmt.Fprintf(&b, spec+"d", int64(next().number()))
		case 'o', 'x', 'X':
			fmt.Fprintf(&b, spec+string(ch), int64(next().number()))
		case 'u':
			fmt.Fprintf(&b, spec+"d", uint64(next().number()))
		case 'e', 'E', 'f', 'F', 'g', 'G':
			fmt.Fprintf(&b, spec+string(ch), next().number())
		case 's':
			fmt.Fprintf(&b, spec+"s", next().string(m))
		case 'c':
			v := next()
			text := v.string(m)
			if v.kind == isNumber {
				text = string(rune(v.n))
			} else if r := []rune(text); len(r) > 0 {
				text = string(r[0])
			}
			fmt.Fprintf(&b, spec+"s", text)
		default:
			b.WriteString(format[start : i+1])
		}
		if m.bound(b.Len()); m.err != nil {
			return ""
		}
	}
	return b.String()
}
