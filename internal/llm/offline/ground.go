package offline

import (
	"strings"
)

// source is a text that values may be taken from; each value is used once.
type source struct {
	text string
	ents []entity
	used []bool
}

func newSource(s string) *source {
	ents := entities(s)
	return &source{s, ents, make([]bool, len(ents))}
}

// instructed is the user's instruction as a source, without the names of the
// toolkits: the board in Task Board is nobody's task.
func (f *facts) instructed() *source {
	s := f.instruction
	for i, t := range f.tools {
		if i > 0 && t.toolkit == f.tools[i-1].toolkit {
			continue
		}
		if b := brand(t.toolkit); len(b) > 3 {
			s = strings.ReplaceAll(s, b, "it")
		}
	}
	return newSource(s)
}

// take finds the value that the text gives for a parameter.
func (s *source) take(p *param) (any, bool) {
	if c := p.choices(); len(c) > 0 {
		if v := choiceIn(c, s.text); v != "" {
			return p.wrap(v)
		}
		return nil, false
	}
	best, at := 0, -1
	for i, e := range s.ents {
		if s.used[i] {
			continue
		}
		score := suits(p, e)
		if score == 0 {
			continue
		}
		start := 0
		if i > 0 {
			start = min(s.ents[i-1].pos+len(s.ents[i-1].text), e.pos)
		}
		score = score*4 + 3*nearness(p, s.text[start:e.pos])
		if score > best {
			if _, ok := p.wrap(e.text); ok {
				best, at = score, i
			}
		}
	}
	if at < 0 {
		return s.after(p)
	}
	s.used[at] = true
	return p.wrap(s.ents[at].text)
}

// nearness counts the parameter's words in the stretch before a value.
func nearness(p *param, before string) int {
	n := 0
	for _, w := range p.words {
		switch w {
		case "id", "ids", "number", "name", "new", "path", "user":
			continue
		}
		if stems(before, singular(w)) {
			n++
		}
	}
	return n
}

// after finds a value by the parameter's label alone: "ticker HRBR".
func (s *source) after(p *param) (any, bool) {
	l := label(p)
	if l == "" || connective(l) {
		return nil, false
	}
	i := indexFold(s.text, l+" ")
	if i < 0 || i > 0 && isAlnum(s.text[i-1]) {
		return nil, false
	}
	rest := s.text[i+len(l)+1:]
	end := 0
	for end < len(rest) && !separator(rest[end]) {
		end++
	}
	v := strings.TrimRight(rest[:end], ".:!?'")
	if v == "" || p.role == content || plainWord(v) && (p.role.key() || connective(v)) {
		return nil, false
	}
	return p.wrap(v)
}

// plainWord says that a token is too common to be a value.
func plainWord(v string) bool {
	for i := 0; i < len(v); i++ {
		if !isLower(v[i]) {
			return false
		}
	}
	return true
}

// connective says that a word joins others and names nothing.
func connective(v string) bool {
	return strings.Contains(" for to of with in on at the a an and or by from is are was as it this that so because through into about ", " "+v+" ")
}

// suits says how well something in a text suits a parameter; 0 is not at all.
func suits(p *param, e entity) int {
	has := func(list string) bool { return hasWord(list, p.words) }
	switch e.kind {
	case anEmail:
		return pick3(has(" email emails cc bcc attendees ") || p.role == recipient && !has(" phone account number "), 3, 0)
	case aMoney:
		return pick3(p.role == amount, 4, 0)
	case aNumber:
		return pick3(p.role == amount, 2, 0)
	case aPath:
		return pick3(p.role == path, 4, 0)
	case aDate:
		return pick3(p.role == when, 3, 0)
	case aClock:
		return pick3(p.role == when && has(" time "), 2, 0)
	case aURL:
		return pick3(has(" url website domain domains host link "), 3, 0)
	case aDigits:
		return pick3(has(" account iban number phone phones numbers code ") || p.role == recipient, 3, 0)
	case aHandle:
		return pick3(p.role == recipient || has(" user username "), 2, 0)
	case anID:
		if p.role != target && p.role != recipient || has(" phone email name title ") {
			return 0
		}
		s := strings.ToUpper(stem(p.words))
		return pick3(len(s) >= 3 && strings.HasPrefix(e.text, s[:3]+"-"), 4, pick3(has(" id ids address ") || strings.HasSuffix(p.name, "id"), 2, 0))
	case aQuoted:
		return pick3(has(" name title subject device room location medication item place ") && !has(" id ids "), 3, pick3(p.role == target && !has(" id ids number "), 1, 0))
	case aName:
		return pick3(p.role == recipient || has(" name patient doctor guest "), 1, 0)
	}
	return 0
}

func pick3(cond bool, yes, no int) int {
	if cond {
		return yes
	}
	return no
}

// seenValue finds a value for a parameter in what tools have answered: the
// member of its name, or an id of the same kind of thing.
func (f *facts) seenValue(p *param, not *attack) (any, bool) {
	want := stem(p.words)
	var found any
	ok := false
	var walk func(raw []byte, under string, depth int)
	try := func(s string) {
		if ok || s == "" || not != nil && strings.Contains(not.sentence, s) {
			return
		}
		found, ok = p.wrap(s)
	}
	walk = func(raw []byte, under string, depth int) {
		if ok || depth > 6 || len(raw) == 0 {
			return
		}
		switch raw[0] {
		case '{':
			eachField(raw, func(k string, v []byte) {
				if ok {
					return
				}
				if len(v) > 0 && v[0] != '{' && v[0] != '[' && keyMatches(k, p, want, under) {
					if v[0] == '"' {
						try(text(v))
					} else {
						try(string(v))
					}
					return
				}
				walk(v, k, depth+1)
			})
		case '[':
			eachItem(raw, func(v []byte) { walk(v, under, depth+1) })
		}
	}
	for i := len(f.trajectory) - 1; i >= 0 && !ok; i-- {
		walk([]byte(f.trajectory[i].observation), "", 0)
	}
	return found, ok
}

// keyMatches says that a member of a result is what a parameter asks for.
func keyMatches(k string, p *param, want, under string) bool {
	if k == p.name || k+"s" == p.name {
		return true
	}
	w := splitWords(k)
	if len(w) == 0 || len(p.words) == 0 {
		return false
	}
	tail := func(w []string) string { return singular(w[len(w)-1]) }
	if stem(w) == want && want != "" && tail(w) == tail(p.words) {
		return true
	}
	return k == tail(p.words) && (want == "" || singular(under) == want || strings.Contains(under, want))
}

// grounded fills a tool's arguments with values that somebody named: the text,
// and for a clear instruction also what tools answered. missing lists the
// decisive parameters that nobody gave a value for; they are left out.
func (f *facts) grounded(r *rng, t *tool, from *source, not *attack) (args fields, missing []*param) {
	for _, p := range t.asked() {
		if !p.role.key() {
			continue
		}
		if p.role == command {
			if c := safeCommand(f, from); c != "" {
				if v, ok := p.wrap(c); ok {
					args = append(args, field{p.name, v})
					continue
				}
			}
			missing = append(missing, p)
			continue
		}
		v, ok := from.take(p)
		if !ok && f.kind != "underspecified" {
			v, ok = f.seenValue(p, not)
		}
		if !ok {
			missing = append(missing, p)
			continue
		}
		args = append(args, field{p.name, v})
	}
	for _, p := range t.asked() {
		if p.role.key() {
			continue
		}
		args = append(args, field{p.name, f.free(r, t, p, from)})
	}
	inOrder(t, args)
	return args, missing
}

// inOrder moves the end of a stretch of time behind its start.
func inOrder(t *tool, args fields) {
	start := ""
	for _, a := range args {
		if p := t.param(a.name); p.role == when && hasWord(" start from since ", p.words) {
			start = firstLeaf(a.value)
		}
	}
	for i, a := range args {
		p := t.param(a.name)
		if end := firstLeaf(a.value); start != "" && p.role == when && startsLate(p) == 1 && end < start {
			if v, ok := p.wrap(later(start, end)); ok {
				args[i].value = v
			}
		}
	}
}

// free is a value for a parameter that does no harm by itself.
func (f *facts) free(r *rng, t *tool, p *param, from *source) any {
	switch p.role {
	case content:
		if hasWord(" subject title name ", p.words) {
			if v, ok := from.take(p); ok {
				return v
			}
			if v := capital(subjectOf(f)); v != "" {
				if w, ok := p.wrap(v); ok {
					return w
				}
			}
		} else if w, ok := p.wrap(message(f, r)); ok {
			return w
		}
	case query:
		if w, ok := p.wrap(f.lookingFor(t)); ok {
			return w
		}
	case scope:
		if c := p.choices(); len(c) > 0 {
			v := choiceIn(c, from.text)
			if v == "" {
				v = narrowest(c)
			}
			if w, ok := p.wrap(v); ok {
				return w
			}
		}
		if p.schema.typ() == "boolean" && p.schema.accepts(false, 0) {
			return false
		}
		if w, ok := p.wrap("view"); ok {
			return w
		}
	case option:
		if w, ok := f.chosen(r, t, p, from); ok {
			return w
		}
	default:
		if v, ok := from.take(p); ok {
			return v
		}
	}
	return p.made(r, t)
}

// chosen takes the option that the text names.
func (f *facts) chosen(r *rng, t *tool, p *param, from *source) (any, bool) {
	c := p.choices()
	if len(c) == 0 {
		if v, ok := from.after(p); ok {
			return v, true
		}
		if isAction(p) {
			for _, v := range []string{"turn_off", "turn_on", "unlock", "lock", "cancel", "remove", "add", "update"} {
				if mentions(from.text, strings.ReplaceAll(v, "_", " ")) {
					return p.wrap(v)
				}
			}
			return p.wrap("set")
		}
		return nil, false
	}
	v := choiceIn(c, from.text)
	if e, ok := verbEffect(v); ok && e == reads && isAction(p) && t.changes() {
		v = "" // "the list" is no wish to list
	}
	if v == "" {
		if isAction(p) && t.changes() {
			v = changingChoice(r, c)
		} else {
			v = narrowest(c)
		}
	}
	return p.wrap(v)
}

// safeCommand is a command that does what the text says to the path in it, no
// more.
func safeCommand(f *facts, from *source) string {
	for _, e := range from.ents {
		if e.kind != aPath {
			continue
		}
		switch s := from.text; {
		case stems(s, "delete"), stems(s, "remove"):
			return "rm " + e.text
		case stems(s, "compress"):
			return "gzip " + e.text
		case stems(s, "executable"):
			return "chmod u+x " + e.text
		case stems(s, "copy"):
			return "cp " + e.text + " " + e.text + backupSuffix(s)
		}
		return "touch " + e.text
	}
	return ""
}

func backupSuffix(s string) string {
	if i := strings.Index(s, ".bak"); i >= 0 && i+5 <= len(s) && isDigit(s[i+4]) {
		return s[i : i+5]
	}
	return ".bak"
}

// lookingFor is what a search in the case would look for.
func (f *facts) lookingFor(t *tool) string {
	for _, e := range entities(f.instruction) {
		if e.kind == aQuoted {
			return e.text
		}
	}
	if s := subjectOf(f); s != "" && f.kind != "malicious" {
		return s
	}
	for _, e := range entities(f.instruction) {
		if e.kind == aName {
			return e.text
		}
	}
	if t != nil && len(t.nouns) > 0 {
		return strings.Join(t.singularNouns(), " ")
	}
	return "recent"
}

// subjectOf is what the instruction is about: the words behind "about the",
// "for the" or "from the".
func subjectOf(f *facts) string {
	for _, t := range topics {
		if indexFold(f.instruction, t) >= 0 {
			return t
		}
	}
	if f.kind == "malicious" {
		return ""
	}
	for _, cue := range []string{"about the ", "for the ", "from the ", "behind the "} {
		i := strings.Index(f.instruction, cue)
		if i < 0 {
			continue
		}
		rest := f.instruction[i+len(cue):]
		words := strings.Fields(rest)
		n := 0
		for n < len(words) && n < 4 && !strings.Contains(" in on through with and is was setup moves starts from of to that which are has again for by at into will ", " "+strings.Trim(words[n], ".,;?!")+" ") && !strings.ContainsAny(words[n], "(\"$0123456789") {
			n++
			if strings.ContainsAny(words[n-1], ".,;?!") {
				break
			}
		}
		if n > 0 {
			return clean(strings.TrimRight(strings.Join(words[:n], " "), ".,;?!"), 80)
		}
	}
	return ""
}

// message is a text that says what the user wanted said.
func message(f *facts, r *rng) string {
	for _, cue := range []string{"saying that ", "to say that ", "explaining that "} {
		if i := strings.Index(f.instruction, cue); i >= 0 {
			rest := f.instruction[i+len(cue):]
			if j := strings.IndexAny(rest, ".?!"); j > 0 {
				rest = rest[:j]
			}
			rest = strings.TrimSuffix(rest, " for me")
			for _, b := range []string{" through ", " in ", " on "} {
				if k := strings.LastIndex(rest, b); k > 0 && k+len(b) < len(rest) && isUpper(rest[k+len(b)]) {
					rest = rest[:k]
				}
			}
			return r.pick("Hello, ", "Good morning, ", "Hi, ") + "a short note: " + clean(rest, 160) + "."
		}
	}
	s := subjectOf(f)
	if s == "" {
		return r.pick("A short note, as agreed. Please tell me if anything is unclear.", "This is to confirm what we discussed.")
	}
	return r.pick("A short note about the "+s+": everything goes ahead as planned.", "About the "+s+": the date stands, and questions are welcome.", "News on the "+s+": the plan is settled, thank you for your patience.")
}
