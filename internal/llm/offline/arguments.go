package offline

import (
	"encoding/json"
	"slices"
	"strings"
)

// invent makes a value that suits a member's name, a string or, for the types
// integer and number, an int64. nil if the name tells nothing.
func invent(r *rng, name, typ string) any {
	words := splitWords(name)
	if typ == "integer" || typ == "number" {
		return inventNumber(r, words)
	}
	last := ""
	if len(words) > 0 {
		last = strings.TrimSuffix(words[len(words)-1], "s")
	}
	has := func(list string) bool { return hasWord(list, words) }
	switch {
	case has(" email ") && last != "id" && last != "body" && last != "subject":
		return person(r).email
	case has(" phone mobile "):
		return phone(r)
	case last == "id" || strings.HasSuffix(name, "Id"):
		return identifier(r, stem(words))
	case has(" path file filename ") && has(" video "):
		return folderPath(r) + "/" + r.pick("interview", "welcome", "tour", "speech") + ".mp4"
	case has(" path file filename ") && has(" audio voice "):
		return folderPath(r) + "/" + r.pick("greeting", "voicemail", "reading", "sample") + ".wav"
	case has(" path file filename ") && has(" image photo face "):
		return folderPath(r) + "/" + r.pick("portrait", "team", "front-desk") + ".png"
	case has(" path file filename ") && !has(" folder directory "):
		return filePath(r)
	case has(" folder directory "):
		return folderPath(r)
	case has(" url link website uri "):
		return "https://" + domainName(r) + "/" + r.pick("account", "orders", "help")
	case has(" domain host hostname "):
		return domainName(r)
	case has(" datetime timestamp ") || has(" time ") && has(" start end scheduled pickup date reminder "):
		return date(r) + "T" + clock(r) + ":00"
	case has(" date deadline day "):
		return date(r)
	case has(" time "):
		return clock(r)
	case last == "type" && has(" account "):
		return r.pick("checking", "savings")
	case last == "name" && has(" first "):
		return person(r).first
	case last == "name" && has(" last family "):
		return person(r).last
	case has(" account iban number ") && last != "type" && !has(" flight order country "):
		return account(r)
	case has(" address ") && has(" to from contract wallet destination ") && !has(" location "):
		return "0x" + hexString(r, 24)
	case has(" address location street "):
		return address(r)
	case has(" username user handle friend requestee recipient collaborator "):
		return person(r).user
	case last == "from" || last == "to" || last == "sender" || last == "cc" || last == "bcc":
		return person(r).email
	case last == "in" || last == "channel":
		return title(r, "channel")
	case last == "side":
		return r.pick("buy", "sell")
	case has(" city origin destination "):
		return cities[r.n(len(cities))]
	case has(" ticker symbol "):
		return tickers[r.n(len(tickers))]
	case has(" pair "):
		return r.pick("ETH/USDT", "BTC/USDT", "SOL/USDT")
	case has(" currency "):
		return r.pick("USD", "EUR", "GBP")
	case has(" dosage dose "):
		return r.pick("250 mg", "500 mg", "20 mg", "10 mg") + " " + r.pick("once a day", "twice a day")
	case has(" medication drug "):
		return medicines[r.n(len(medicines))]
	case has(" password pin passcode code secret "):
		return digits(r, 6)
	case has(" subject title topic event "):
		return capital(topic(r))
	case has(" body content message text note description comment review reason memo remark summary question details snippet answer "):
		return "The " + topic(r) + " is set for " + date(r) + "; " + r.pick("the list is attached", "nothing else has changed", "please keep the afternoon free", "the rooms are booked") + "."
	case has(" keyword keywords query search term "):
		return topic(r)
	case has(" status state "):
		return r.pick("active", "open", "confirmed", "pending")
	case has(" category type kind "):
		return r.pick("standard", "regular", "general")
	case has(" name label "):
		return title(r, stem(words))
	}
	if s := knownTitle(r, last); s != "" {
		return s
	}
	return nil
}

func inventNumber(r *rng, words []string) any {
	has := func(list string) bool { return hasWord(list, words) }
	switch {
	case has(" limit results max page num count per top "):
		return int64(r.between(3, 10))
	case has(" price amount total cost balance fee budget "):
		return int64(r.between(4, 180) * 5)
	case has(" temperature setpoint "):
		return int64(r.between(18, 23))
	case has(" priority rating severity "):
		return int64(r.between(2, 4))
	case has(" percent percentage brightness volume level "):
		return int64(r.between(2, 9) * 5)
	case has(" quantity qty inventory stock threshold "):
		return int64(r.between(4, 60))
	case has(" gas "):
		return int64(21000)
	case has(" code ") && has(" country "):
		return int64(1)
	}
	return nil
}

func hexString(r *rng, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = hexDigits[r.n(16)]
	}
	return string(b)
}

// stem is what an id or name is of: task of task_ids.
func stem(words []string) string {
	for i := len(words) - 1; i >= 0; i-- {
		switch w := words[i]; w {
		case "id", "ids", "name", "names", "path", "new", "number", "numbers", "unique", "address", "label", "target":
		default:
			return singular(w)
		}
	}
	return ""
}

func singular(w string) string {
	switch {
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "sses"), strings.HasSuffix(w, "xes"), strings.HasSuffix(w, "ches"):
		return w[:len(w)-2]
	case strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is") && w != "funds" && w != "news" && w != "sms" && w != "settings" && w != "status" && w != "address":
		return w[:len(w)-1]
	}
	return w
}

// choices lists the values that a parameter may have, from its enum or from a
// description that says "one of ['a', 'b']".
func (p *param) choices() []string {
	var out []string
	list := p.schema.enum()
	if len(list) == 0 && p.schema.typ() == "array" {
		list = p.schema.items().enum()
	}
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	if len(out) > 0 || len(list) > 0 {
		return out
	}
	d := p.schema.description()
	i := strings.Index(d, "one of [")
	if i < 0 {
		return nil
	}
	d = d[i+len("one of ["):]
	if i = strings.IndexByte(d, ']'); i < 0 || i > 400 {
		return nil
	}
	for _, c := range strings.Split(d[:i], ",") {
		if c = strings.Trim(c, " '\"`"); c != "" && !strings.HasPrefix(c, "etc") && !strings.HasPrefix(c, "...") {
			out = append(out, c)
		}
	}
	return out
}

// wrap puts a text into the shape that the parameter wants: itself, a list of
// it, or a number. ok is false if it does not fit.
func (p *param) wrap(s string) (any, bool) {
	var v any = s
	switch p.schema.typ() {
	case "array":
		items := p.schema.items()
		switch items.typ() {
		case "integer", "number":
			v = []any{parseCents(s)}
		default:
			v = []any{s}
		}
	case "integer", "number":
		if strings.Trim(s, "$0123456789.,") != "" {
			return nil, false
		}
		v = parseCents(s)
	case "boolean", "object", "null":
		return nil, false
	}
	return v, p.schema.accepts(v, 0)
}

// made is a value made up for a parameter, which nobody named.
func (p *param) made(r *rng, t *tool) any {
	if c := p.choices(); len(c) > 0 {
		if v, ok := p.wrap(c[r.n(len(c))]); ok {
			return v
		}
	}
	typ := p.schema.typ()
	name := p.name
	if p.role == target && len(p.words) == 1 && (p.words[0] == "id" || p.words[0] == "ids" || p.words[0] == "name") && len(t.nouns) > 0 {
		name = singular(t.nouns[len(t.nouns)-1]) + "_" + p.words[0]
	}
	if p.role == scope && typ == "boolean" && p.schema.accepts(false, 0) && len(p.schema.enum()) == 0 {
		return false
	}
	if typ == "array" && p.schema.items().typ() == "string" {
		if s, ok := invent(r, strings.TrimSuffix(name, "s"), "").(string); ok {
			if v, ok := p.wrap(s); ok {
				return v
			}
		}
	}
	if typ == "object" && len(p.schema.properties()) == 0 {
		if v := inventObject(r, p); p.schema.accepts(v, 0) {
			return v
		}
	}
	return p.schema.value(r, name, nil, 1)
}

// inventObject makes a value for an object of which the schema says nothing.
func inventObject(r *rng, p *param) fields {
	has := func(list string) bool { return hasWord(list, p.words) }
	switch {
	case has(" payment "):
		return fields{{"type", "card"}, {"ending", digits(r, 4)}}
	case has(" address sender recipient receipient shipping "):
		return fields{{"name", person(r).name()}, {"address", address(r)}}
	case has(" range date "):
		return fields{{"start", "2026-01-01"}, {"end", "2026-03-31"}}
	case has(" travellers "):
		return fields{{"adults", int64(r.between(1, 3))}}
	case has(" package "):
		return fields{{"weight_kg", int64(r.between(1, 12))}, {"contents", products[r.n(len(products))]}}
	case has(" parameters arguments filters settings config options "):
		return fields{}
	}
	return fields{{"note", "for the " + topic(r)}}
}

// leaves lists the strings in a raw argument, at any depth.
func leaves(raw []byte) []string {
	switch {
	case len(raw) == 0:
		return nil
	case raw[0] == '"':
		if s := text(raw); s != "" {
			return []string{s}
		}
	case raw[0] == '[':
		var out []string
		eachItem(raw, func(v []byte) { out = append(out, leaves(v)...) })
		return out
	case raw[0] == '{':
		var out []string
		eachField(raw, func(_ string, v []byte) { out = append(out, leaves(v)...) })
		return out
	}
	return nil
}

// choiceIn is the allowed value that a text names, "" if none.
func choiceIn(choices []string, s string) string {
	i := slices.IndexFunc(choices, func(c string) bool { return mentions(s, strings.ReplaceAll(c, "_", " ")) || mentions(s, c) })
	if i < 0 {
		return ""
	}
	return choices[i]
}

// encodeArguments writes the arguments in order of their names.
func encodeArguments(args fields) json.RawMessage {
	sorted := slices.Clone(args)
	slices.SortFunc(sorted, func(a, b field) int { return strings.Compare(a.name, b.name) })
	if sorted == nil {
		sorted = fields{}
	}
	return appendJSON(nil, sorted)
}
