package awk

import (
	"math"
	"strings"
	"unicode/utf8"
)

func (m *machine) builtin(n *node) value {
	arg := func(i int) value {
		if i < len(n.kids) {
			return m.eval(n.kids[i])
		}
		return value{}
	}
	text := func(i int) string { return arg(i).string(m) }
	if least := map[string]int{"substr": 2, "index": 2, "split": 2, "sub": 2, "gsub": 2, "match": 2, "sprintf": 1}[n.text]; len(n.kids) < least {
		m.fail("%s: not enough arguments", n.text)
		return value{}
	}
	switch n.text {
	case "length":
		if len(n.kids) == 0 {
			return numberValue(float64(utf8.RuneCountInString(m.record())))
		}
		if k := n.kids[0]; k.what == "name" && m.cell(k.text).array != nil {
			return numberValue(float64(len(m.array(k.text))))
		}
		return numberValue(float64(utf8.RuneCountInString(text(0))))
	case "substr":
		return stringValue(substr(text(0), arg(1).number(), arg(2).number(), len(n.kids) > 2))
	case "index":
		s, t := text(0), text(1)
		at := strings.Index(s, t)
		if at < 0 {
			return numberValue(0)
		}
		return numberValue(float64(utf8.RuneCountInString(s[:at]) + 1))
	case "split":
		return m.splitInto(n, text(0))
	case "sub", "gsub":
		return m.substitute(n)
	case "match":
		s := text(0)
		start, length := 0.0, -1.0
		if loc := m.compile(m.pattern(n.kids[1])).FindStringIndex(s); loc != nil {
			start, length = float64(utf8.RuneCountInString(s[:loc[0]])+1), float64(utf8.RuneCountInString(s[loc[0]:loc[1]]))
		}
		m.set("RSTART", numberValue(start))
		m.set("RLENGTH", numberValue(length))
		return numberValue(start)
	case "sprintf":
		return stringValue(m.sprintf(n.kids))
	case "tolower":
		return stringValue(strings.ToLower(text(0)))
	case "toupper":
		return stringValue(strings.ToUpper(text(0)))
	case "system":
		return numberValue(float64(m.Command(text(0), "")))
	case "close":
		return numberValue(m.close(text(0)))
	case "fflush":
		return numberValue(0)
	case "systime":
		return numberValue(float64(m.Time()))
	case "strftime":
		at := m.Time()
		if len(n.kids) > 1 {
			at = int64(arg(1).number())
		}
		return stringValue(m.Format(text(0), at))
	case "gensub":
		m.fail("gensub is not supported here; use gsub")
	}
	return numberValue(m.mathematics(n.text, arg(0).number(), arg(1).number()))
}

func (m *machine) mathematics(name string, x, y float64) float64 {
	switch name {
	case "sin":
		return math.Sin(x)
	case "cos":
		return math.Cos(x)
	case "atan2":
		return math.Atan2(x, y)
	case "exp":
		return math.Exp(x)
	case "log":
		return math.Log(x)
	case "sqrt":
		return math.Sqrt(x)
	case "int":
		return math.Trunc(x)
	case "rand":
		m.seed = m.seed*6364136223846793005 + 1442695040888963407
		return float64(m.seed>>11) / (1 << 53)
	case "srand":
		old := m.seed
		m.seed = uint64(int64(x))
		return float64(old)
	}
	return 0
}

func substr(s string, from, length float64, bounded bool) string {
	runes := []rune(s)
	start := math.Round(from)
	end := float64(len(runes)) + 1
	if bounded {
		end = min(end, start+math.Round(length))
	}
	start = max(start, 1)
	if !(start < end) {
		return ""
	}
	return string(runes[int(start)-1 : int(end)-1])
}

func (m *machine) splitInto(n *node, text string) value {
	if n.kids[1].what != "name" {
		m.fail("split: the second argument is no array")
		return value{}
	}
	sep := m.text("FS")
	if len(n.kids) > 2 {
		sep = m.pattern(n.kids[2])
		if n.kids[2].what == "regex" && len(sep) == 1 {
			sep = "[" + sep + "]"
		}
	}
	parts := m.cut(text, sep)
	array := m.array(n.kids[1].text)
	clear(array)
	for i, part := range parts {
		m.put(array, formatNumber("%.6g", float64(i+1)), inputValue(part))
	}
	return numberValue(float64(len(parts)))
}

// substitute is sub and gsub: what matches the pattern is replaced in a variable.
func (m *machine) substitute(n *node) value {
	re := m.compile(m.pattern(n.kids[0]))
	with := m.eval(n.kids[1]).string(m)
	to := &node{what: "field", kids: []*node{{what: "number"}}}
	if len(n.kids) > 2 {
		to = n.kids[2]
	}
	text := m.eval(to).string(m)
	most := 1
	if n.text == "gsub" {
		most = -1
	}
	var b strings.Builder
	at, count := 0, 0
	for _, loc := range re.FindAllStringIndex(text, most) {
		b.WriteString(text[at:loc[0]])
		for i := 0; i < len(with); i++ {
			switch {
			case with[i] == '\\' && i+1 < len(with) && (with[i+1] == '&' || with[i+1] == '\\'):
				i++
				b.WriteByte(with[i])
			case with[i] == '&':
				b.WriteString(text[loc[0]:loc[1]])
			default:
				b.WriteByte(with[i])
			}
		}
		at = loc[1]
		count++
		if m.bound(b.Len()); m.err != nil {
			return value{}
		}
	}
	if count > 0 {
		b.WriteString(text[at:])
		m.assign(to, stringValue(b.String()))
	}
	return numberValue(float64(count))
}
