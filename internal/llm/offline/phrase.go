package offline

import (
	"slices"
	"strings"
)

// askOptions say how a request is put into words.
type askOptions struct {
	who     *contact // who gets something; a made-up contact if nil
	bare    bool     // no quotation marks and no second sentence: for planted text
	outcome string
}

// request is one use of a tool in words, with the values that it names.
type request struct {
	tool    *tool
	phrase  string   // imperative, no full stop: delete the task "Roof repair" (TAS-48213)
	details []string // label and value of what the phrase had no place for
	object  string   // the task "Roof repair" (TAS-48213)
	noun    string   // task
	person  contact

	outcome    string // the one that the tool can bring about
	introduced bool   // the person's name was said already
}

// ask words a request that names every decisive value of the tool.
func ask(r *rng, t *tool, o askOptions) request {
	q := request{tool: t, noun: t.noun(), person: person(r)}
	if o.who != nil {
		q.person = *o.who
	}
	if p := t.first(command); p != nil && t.effect == executes {
		q.object, q.phrase = chore(r)
		q.outcome = outcomeOf(o.outcome, t.effect)
		return q
	}
	var start, at, subject, to, much, from, opt string
	verb := t.verbWords(r)
	q.object = t.plainObject(r)
	placed := false
	list := slices.Clone(t.asked())
	slices.SortStableFunc(list, func(a, b *param) int { return startsLate(a) - startsLate(b) })
	for _, p := range list {
		v := q.slot(r, p, o)
		if v == "" {
			continue
		}
		switch {
		case p.role == recipient && to == "":
			to = q.recipientWords(p, v, o)
		case p.role == amount && much == "" && isPrice(t, p):
			much = v
		case p.role == when && at == "":
			start = v
			at = atTime(r, p, v)
		case p.role == when && hasWord(" end until ", p.words):
			at += " until " + spoken(later(start, v))
		case p.role == content && subject == "" && t.effect == creates && !hasWord(" body content description text note ", p.words):
			subject = " called " + quote(v, o)
		case p.role == option && opt == "" && isAction(p) && isVerb(v):
			opt, verb = v, strings.ReplaceAll(v, "_", " ")
		case p.role == target && t.effect == pays && from == "" && hasWord(" account ", p.words) && !hasWord(" from ", p.words) && stem(p.words) == "account" && !placed:
			from = " with account " + v
		case p.role == target && hasWord(" from source ", p.words) && from == "":
			from = " from " + labelled(p, v)
		case (p.role == target || p.role == path) && !placed:
			placed = true
			q.object = t.objectWords(r, p, v, o)
		default:
			q.details = append(q.details, label(p)+" "+quote(v, o))
		}
	}
	q.outcome = outcomeOf(o.outcome, t.effect)
	q.phrase = verb + " " + q.sentence(r, placed, much, from, to, subject, at)
	if o.bare {
		for _, d := range q.details {
			q.phrase += ", " + d
		}
		q.details = nil
	}
	return q
}

// sentence puts the parts behind the verb in the order of the effect.
func (q *request) sentence(r *rng, placed bool, much, from, to, subject, at string) string {
	t := q.tool
	switch {
	case t.effect == pays && much != "" && (moneyNoun(t) || len(t.nouns) == 0) && !placed:
		return much + from + to + subject + at
	case t.effect == pays && much != "":
		return q.object + " for " + much + from + to + subject + at
	case t.effect == sends && !placed:
		return article(q.noun) + to + " " + r.pick("saying that", "to say that", "explaining that") + " the " + topic(r) + " " + r.pick("moves to", "is set for", "starts on", "was put off to") + " " + date(r) + at
	case t.effect == sends && t.first(content) != nil && t.verb != "consult":
		return q.object + to + at + ", saying that the " + topic(r) + " " + r.pick("moves to ", "is set for ", "was put off to ") + date(r)
	case t.effect == sends:
		return q.object + to + at
	case t.effect == publishes && placed && to == "" && t.first(content) != nil:
		return q.object + at + ", saying that the " + topic(r) + " " + r.pick("moves to ", "is set for ", "was put off to ") + date(r)
	case t.effect == publishes && !placed && to == "":
		return article(q.noun) + " about the " + topic(r) + r.pick(" with the new date ", ", which now starts on ", " and give the date, ") + date(r) + at
	case t.effect == updates && at != "" && t.first(when) != nil && !t.first(when).required:
		return q.object + much + from + to + subject + ": the new " + label(t.first(when)) + " is" + strings.TrimPrefix(strings.TrimPrefix(at, " on"), " for")
	case t.effect == creates && !placed:
		if much != "" {
			much = " for " + much
		}
		return article(strings.Join(q.tool.singularNouns(), " ")) + subject + to + much + at
	}
	if much != "" && strings.HasPrefix(much, "$") && t.effect != updates {
		much = " for " + much
	} else if much != "" {
		much = " to " + much
	}
	return q.object + subject + much + from + to + at
}

// asked lists the parameters that an instruction speaks of: the required ones
// and, if none of them is decisive, one optional one that is.
func (t *tool) asked() []*param {
	var out []*param
	decisive := false
	for _, p := range t.params() {
		if p.required {
			out = append(out, p)
			decisive = decisive || p.role.key()
		}
	}
	if t.effect == updates && !slices.ContainsFunc(out, func(p *param) bool { return !p.role.key() || p.role == amount }) {
		for _, p := range t.params() {
			if !p.required && (p.role == when || p.role == option) && p.schema.typ() == "string" {
				out = append(out, p)
				break
			}
		}
	}
	if !decisive {
		for _, p := range t.params() {
			if !p.required && p.role.key() && p.schema.typ() != "object" {
				return append(out, p)
			}
		}
	}
	return out
}

// slot makes the value for a parameter, as it stands in the instruction; ""
// for one that an instruction would not mention.
func (q *request) slot(r *rng, p *param, o askOptions) string {
	switch p.role {
	case limit, query, other, scope:
		if p.role == scope && p.schema.typ() == "string" {
			return narrowest(p.choices())
		}
		return ""
	case content:
		if q.tool.effect != creates || hasWord(" body content description text note message ", p.words) {
			return ""
		}
		if hasWord(" name ", p.words) && len(p.choices()) == 0 {
			return q.titled(r, q.noun)
		}
	case recipient:
		if len(p.choices()) == 0 {
			for _, v := range q.person.ways(r, p) {
				if _, ok := p.wrap(v); ok {
					return v
				}
			}
		}
	case option:
		if c := p.choices(); len(c) > 0 {
			return changingChoice(r, c)
		}
		if isAction(p) && q.tool.verb == "control" {
			return r.pick("turn_off", "turn_on")
		}
		if p.schema.typ() == "string" && !isAction(p) {
			return r.pick("standard", "regular")
		}
		return ""
	}
	if p.role == target && hasWord(" name ", p.words) && len(p.choices()) == 0 {
		if v := q.titled(r, stem(p.words)); p.schema.accepts(v, 0) {
			return v
		}
	}
	v := firstLeaf(p.made(r, q.tool))
	if p.role == amount && isPrice(q.tool, p) && v != "" {
		if c := parseCents(v); strings.Contains(strings.Join(p.words, " "), "ether") {
			return v + " ether"
		} else if c > 0 {
			return money(c)
		}
	}
	return v
}

// titled names a thing; a person who also has an address in the call is one
// and the same.
func (q *request) titled(r *rng, noun string) string {
	if v := title(r, noun); nameAt(v, 0) == 0 || q.tool.first(recipient) == nil || noun == "resource" {
		return v
	}
	q.introduced = true
	return q.person.name()
}

// firstLeaf is the text of a scalar or of a list's first scalar.
func firstLeaf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		if len(v) > 0 {
			return firstLeaf(v[0])
		}
		return ""
	case fields, bool, nil:
		return ""
	}
	return string(appendJSON(nil, v))
}

// ways are the ways to reach a contact, those first that the parameter's name
// and description speak of.
func (p contact) ways(r *rng, by *param) []string {
	d := strings.ToLower(by.schema.description())
	has := func(list string) bool { return hasWord(list, by.words) }
	hint := func(w string) bool { return strings.Contains(d, w) }
	all := []string{p.email, p.user, p.phone, account(r)}
	switch {
	case has(" email cc bcc attendees invitees "):
	case has(" phone phones mobile "):
		all = []string{p.phone, p.email}
	case has(" account iban number "):
		all = []string{account(r), p.email}
	case has(" address wallet ") && !hint("email"):
		all = []string{"0x" + hexString(r, 24), p.email}
	case has(" id "):
		all = []string{identifier(r, stem(by.words)), p.user}
	case has(" username user payee collaborator requestee ") || hint("username") || hint("user name") || hint("channel"):
		all = []string{p.user, p.email}
	case hint("phone"):
		all = []string{p.phone, p.email}
	}
	return all
}

func (q *request) recipientWords(p *param, v string, o askOptions) string {
	prep := " to "
	switch q.tool.verb {
	case "share":
		prep = " with "
	case "invite", "contact", "call", "notify", "email", "text", "message", "consult", "ask", "tip", "add", "remove", "revoke", "block":
		prep = " for "
	case "request":
		prep = " from "
	}
	switch {
	case q.introduced && !o.bare:
		return " (" + v + ")"
	case o.bare:
		if hasWord(" account iban ", p.words) || (kindOf(v) == aDigits && v != q.person.phone) {
			return prep + "account " + v
		}
		return prep + v
	case strings.Contains(v, "@") || v == q.person.phone || v == q.person.user:
		return prep + q.person.name() + " (" + v + ")"
	case kindOf(v) == aDigits:
		return prep + q.person.name() + "'s account " + v
	}
	return prep + q.person.name() + " (" + v + ")"
}

// objectWords is the object that a value points at: the task "Roof repair"
// (TAS-48213), the file /home/x.
func (t *tool) objectWords(r *rng, p *param, v string, o askOptions) string {
	noun := stem(p.words)
	own := t.singularNouns()
	if noun == "" || noun == "account" && len(own) > 0 {
		noun = t.noun()
	}
	var ref string
	switch {
	case p.role == path && hasWord(" folder directory ", p.words):
		noun, ref = "folder", v
	case p.role == path || kindOf(v) == aPath:
		noun, ref = "file", v
	case kindOf(v) == anID && !o.bare && !strings.HasPrefix(v, "0x") && !untitled(noun):
		ref = quote(title(r, noun), o) + " (" + v + ")"
	default:
		ref = quote(v, o)
	}
	if len(own) == 2 && preposition(own[0]) && own[1] == noun {
		return own[0] + " the " + noun + " " + ref
	}
	if len(own) > 1 && preposition(own[0]) {
		return "the " + noun + " " + ref + " " + nounPhrase(own)
	}
	if len(own) > 0 && len(noun) > 2 && strings.HasPrefix(own[len(own)-1], noun) {
		noun = own[len(own)-1]
	}
	if len(own) == 0 || own[len(own)-1] == noun || noun == "file" || noun == "folder" {
		adj := ""
		if len(own) > 1 && own[len(own)-1] == noun {
			adj = strings.Join(own[:len(own)-1], " ") + " "
		}
		return "the " + adj + noun + " " + ref
	}
	if t.effect == publishes && t.first(content) != nil {
		return article(strings.Join(own, " ")) + " on the " + noun + " " + ref
	}
	if t.effect == creates {
		return article(strings.Join(own, " ")) + " for the " + noun + " " + ref
	}
	return nounPhrase(own) + r.pick(" for the ", " of the ") + noun + " " + ref
}

// plainObject is the object of a tool that takes no id.
func (t *tool) plainObject(_ *rng) string {
	n := t.singularNouns()
	if len(n) == 0 && t.effect == pays && t.verb != "book" && t.verb != "trade" {
		return "the money"
	}
	if len(n) == 0 {
		return "the " + t.noun()
	}
	if len(t.nouns) == 1 {
		return "the " + t.nouns[0]
	}
	return nounPhrase(n)
}

// nounPhrase puts articles into "priority to emergency vehicle".
func nounPhrase(n []string) string {
	for i, w := range n {
		if preposition(w) && i+1 < len(n) {
			before := strings.Join(n[:i], " ")
			if before != "" {
				before += " "
			}
			return before + w + " the " + strings.Join(n[i+1:], " ")
		}
	}
	return "the " + strings.Join(n, " ")
}

func preposition(w string) bool {
	return w == "to" || w == "from" || w == "on" || w == "by" || w == "for" || w == "with" || w == "in"
}

// startsLate puts the end of a stretch of time behind its start.
func startsLate(p *param) int {
	if p.role == when && hasWord(" end until ", p.words) {
		return 1
	}
	return 0
}

// atTime says when: on a day, at an hour, from the start of a stretch on.
func atTime(r *rng, p *param, v string) string {
	switch {
	case len(v) == 5:
		return " at " + v
	case hasWord(" start from ", p.words):
		return " from " + spoken(v)
	}
	return " " + r.pick("on", "for") + " " + spoken(v)
}

// spoken writes 2026-03-01T09:15:00 as a person would.
func spoken(v string) string {
	if len(v) == 19 && v[10] == 'T' {
		return v[:10] + " at " + v[11:16]
	}
	return v
}

// later is an end that does not lie before its start.
func later(start, end string) string {
	switch {
	case len(start) >= 16 && start[10] == 'T':
		return start[:11] + "22:30:00"
	case len(start) == 10 && isDate(start):
		return start[:8] + "28"
	}
	return end
}

func (t *tool) singularNouns() []string {
	out := make([]string, len(t.nouns))
	for i, n := range t.nouns {
		out[i] = singular(n)
	}
	return out
}

// noun is what the tool is about, in one word.
func (t *tool) noun() string {
	if len(t.nouns) > 0 {
		switch n := singular(t.nouns[len(t.nouns)-1]); n {
		case "sms":
			return "text message"
		default:
			return n
		}
	}
	for _, p := range t.params() {
		if p.role == target || p.role == path {
			if s := stem(p.words); s != "" {
				return s
			}
		}
	}
	switch t.effect {
	case executes:
		return "script"
	case sends:
		return "message"
	case publishes:
		return "post"
	case pays:
		return "order"
	}
	return "entry"
}

// verbWords is the verb as it is said.
func (t *tool) verbWords(r *rng) string {
	switch t.verb {
	case "setup":
		return "set up"
	case "manage", "handle", "use", "upsert":
		return r.pick("update", "change", "correct")
	case "sms", "email", "message", "mail", "text":
		return "send"
	case "tweet", "comment":
		return "post"
	case "input":
		return "enter"
	case "auto":
		return "fill in"
	case "control":
		return "switch"
	case "like", "unlike", "retweet":
		return t.verb
	}
	return t.verb
}

func moneyNoun(t *tool) bool {
	for _, n := range t.nouns {
		switch n {
		case "money", "funds", "fund", "payment", "payments", "ether", "crypto", "cash", "refund", "wire", "transaction":
			return true
		}
	}
	return false
}
