package offline

import (
	"encoding/json"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// fill makes a value that fits the schema. Members whose value is known are
// taken over where they fit.
func (s *schema) fill(r *rng, known fields) any {
	return s.value(r, "", known, 0)
}

// value makes a value for a member of the given name.
func (s *schema) value(r *rng, name string, known fields, depth int) any {
	if list := s.enum(); len(list) > 0 {
		return plain(list[r.n(len(list))])
	}
	if r.tooMany() {
		return nil
	}
	switch s.typ() {
	case "object":
		return s.object(r, known, depth)
	case "array":
		return s.array(r, name, depth)
	case "string":
		return s.text(r, name)
	case "integer", "number":
		return s.num(r, name)
	case "boolean":
		return r.permille(500)
	case "null":
		return nil
	}
	if len(known) > 0 {
		return known
	}
	return readable(r, name)
}

func (s *schema) object(r *rng, known fields, depth int) any {
	var out fields
	props := s.properties()
	find := func(name string) *param {
		for _, p := range props {
			if p.name == name {
				return p
			}
		}
		return nil
	}
	for _, k := range known {
		p := find(k.name)
		switch {
		case p != nil && p.schema.accepts(k.value, 0):
			out = append(out, k)
		case p == nil && depth == 0 && len(props) == 0 && s.additional().accepts(k.value, 0):
			out = append(out, k)
		}
	}
	atLeast, _ := s.integer("minProperties")
	for _, p := range props {
		if _, done := out.get(p.name); done || p.schema.never {
			continue
		}
		_, wanted := known.get(p.name)
		if p.required || wanted || len(out) < atLeast || depth < 3 && r.permille(250) && p.schema.typ() != "object" {
			if depth <= maxNesting {
				out = append(out, field{p.name, p.schema.value(r, p.name, nil, depth+1)})
			}
		}
	}
	extra := s.additional()
	for i := 1; len(out) < atLeast && !extra.never && i < 50; i++ {
		out = out.set("item_"+strconv.Itoa(i), extra.value(r, "item", nil, depth+1))
	}
	if most, ok := s.integer("maxProperties"); ok && len(out) > most {
		out = slices.DeleteFunc(out, func(f field) bool {
			drop := len(out) > most && !slices.Contains(s.required(), f.name)
			return drop
		})
	}
	if out == nil {
		out = fields{}
	}
	return out
}

func (s *schema) array(r *rng, name string, depth int) any {
	out := []any{}
	for _, p := range s.prefix() {
		out = append(out, newSchema(s.root, p).value(r, name, nil, depth+1))
	}
	n, ok := s.integer("minItems")
	if !ok && depth <= 3 && len(out) == 0 {
		n = 1
	}
	if most, ok := s.integer("maxItems"); ok {
		n = min(n, most)
	}
	n = min(n, 1000)
	items := s.items()
	unique, _ := s.node["uniqueItems"].(bool)
	name = strings.TrimSuffix(name, "s")
	for tries := 0; len(out) < n && tries < 20*n && r.made < 4000 && depth <= maxNesting && !items.never; tries++ {
		var v any
		if list := items.enum(); unique && len(list) > 0 {
			v = plain(list[tries%len(list)])
		} else {
			v = items.value(r, name, nil, depth+1)
		}
		if unique && slices.ContainsFunc(out, func(o any) bool { return same(o, v) }) {
			if items.typ() == "string" && len(items.enum()) == 0 && items.str("pattern") == "" {
				v = readable(r, name) + " " + strconv.Itoa(tries)
			} else {
				continue
			}
		}
		out = append(out, v)
	}
	return out
}

func (s *schema) text(r *rng, name string) any {
	if p := s.str("pattern"); p != "" {
		if v, ok := invent(r, name, "").(string); ok && s.accepts(v, 0) {
			return v
		}
		if v, ok := fromPattern(r, p, s); ok {
			return v
		}
	}
	if v := fromFormat(r, s.str("format")); v != "" && s.accepts(v, 0) {
		return v
	}
	if v, ok := invent(r, name, "").(string); ok && s.accepts(v, 0) {
		return v
	}
	return s.fitLength(readable(r, name))
}

// fitLength pads or cuts a text to the lengths that are allowed.
func (s *schema) fitLength(v string) string {
	if least, ok := s.integer("minLength"); ok && least < 1<<20 {
		for utf8.RuneCountInString(v) < least {
			v += "; " + v
		}
	}
	if most, ok := s.integer("maxLength"); ok && utf8.RuneCountInString(v) > most {
		v = string([]rune(v)[:max(most, 0)])
	}
	return v
}

// num makes a number within the bounds, an integer where there is one.
func (s *schema) num(r *rng, name string) any {
	lo, hasLo := s.float("minimum")
	hi, hasHi := s.float("maximum")
	if v, ok := s.float("exclusiveMinimum"); ok && (!hasLo || v >= lo) {
		lo, hasLo = v, true
	}
	if v, ok := s.float("exclusiveMaximum"); ok && (!hasHi || v <= hi) {
		hi, hasHi = v, true
	}
	if v, ok := invent(r, name, s.typ()).(int64); ok && s.accepts(v, 0) {
		return v
	}
	switch {
	case !hasLo && !hasHi:
		lo, hi = 1, 20
	case !hasLo:
		lo = hi - 20
	case !hasHi:
		hi = lo + 20
	}
	step := int64(1)
	if m, ok := s.float("multipleOf"); ok && m >= 1 && m < 1e9 {
		step = int64(m)
	}
	first, last := ceilDiv(int64(clamp(lo)), step), int64(clamp(hi))/step+1
	span := int(min(last-first+1, 1000))
	at := r.n(span)
	for i := range span {
		if v := (first + int64((at+i)%span)) * step; s.accepts(v, 0) {
			return v
		}
	}
	if s.typ() == "integer" {
		return int64(lo)
	}
	half := float64(hi - lo)
	half /= 2
	return json.Number(strconv.FormatFloat(lo+half, 'g', -1, 64))
}

func clamp(f float64) float64 { return max(-1e15, min(1e15, f)) }

func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}

func fromFormat(r *rng, format string) string {
	switch format {
	case "date":
		return date(r)
	case "time":
		return clock(r) + ":00Z"
	case "date-time":
		return date(r) + "T" + clock(r) + ":00Z"
	case "email", "idn-email":
		return person(r).email
	case "uri", "url", "iri", "uri-reference":
		return "https://" + domainName(r) + "/" + r.pick("docs", "orders", "status", "help")
	case "hostname":
		return domainName(r)
	case "ipv4":
		return "192.0.2." + strconv.Itoa(r.between(1, 254))
	case "ipv6":
		return "2001:db8::" + strconv.Itoa(r.between(1, 99))
	case "duration":
		return "PT" + strconv.Itoa(r.between(1, 12)) + "H"
	case "uuid":
		b := make([]byte, 0, 36)
		for i := range 32 {
			if i == 8 || i == 12 || i == 16 || i == 20 {
				b = append(b, '-')
			}
			switch i {
			case 12:
				b = append(b, '4')
			case 16:
				b = append(b, 'a')
			default:
				b = append(b, hexDigits[r.n(16)])
			}
		}
		return string(b)
	}
	return ""
}

// fromPattern makes a string that a regular expression matches.
func fromPattern(r *rng, pattern string, s *schema) (string, bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	check, err := regexp.Compile(pattern)
	if err != nil {
		return "", false
	}
	for range 8 {
		v := string(appendMatch(nil, r, re.Simplify(), 0))
		least, _ := s.integer("minLength")
		for n := 0; utf8.RuneCountInString(v) < least && n < 64; n++ {
			v = string(appendMatch(nil, r, re, min(n+1, 60)))
		}
		if check.MatchString(v) && s.lengthFits(v) {
			return v, true
		}
	}
	return "", false
}

// appendMatch appends a match of re; more asks for that many extra turns of
// an open-ended repetition.
func appendMatch(b []byte, r *rng, re *syntax.Regexp, more int) []byte {
	repeat := func(lo, hi int) {
		n := lo + more
		if hi >= 0 {
			n = min(n, hi)
		}
		for range n {
			b = appendMatch(b, r, re.Sub[0], more)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		return append(b, string(re.Rune)...)
	case syntax.OpCharClass:
		return utf8.AppendRune(b, fromClass(r, re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return append(b, byte('a'+r.n(26)))
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			b = appendMatch(b, r, sub, more)
		}
	case syntax.OpAlternate:
		return appendMatch(b, r, re.Sub[r.n(len(re.Sub))], more)
	case syntax.OpStar:
		repeat(r.n(3), -1)
	case syntax.OpPlus:
		repeat(1+r.n(4), -1)
	case syntax.OpQuest:
		repeat(r.n(2), 1)
	case syntax.OpRepeat:
		lo := re.Min
		if re.Max < 0 || re.Max > lo {
			lo += r.n(2)
		}
		repeat(lo, re.Max)
	}
	return b
}

// fromClass prefers letters and digits of a character class.
func fromClass(r *rng, class []rune) rune {
	const nice = "etaoinshrdlu0123456789ABCDEFGHxyz"
	at := r.n(len(nice))
	for i := range len(nice) {
		c := rune(nice[(at+i)%len(nice)])
		for j := 0; j+1 < len(class); j += 2 {
			if class[j] <= c && c <= class[j+1] {
				return c
			}
		}
	}
	if len(class) == 0 {
		return 'x'
	}
	return class[0]
}

// readable is a short text for a member of which only the name is known.
func readable(r *rng, name string) string {
	words := strings.Join(splitWords(name), " ")
	if words == "" {
		words = "value"
	}
	return words + " " + r.pick("as agreed", "from the list", "of this week", "for the harbour office", "without changes")
}

// plain turns a decoded value into one that appendJSON writes.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := fields{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, field{k, plain(v[k])})
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	}
	return v
}

func same(a, b any) bool { return string(appendJSON(nil, a)) == string(appendJSON(nil, b)) }
