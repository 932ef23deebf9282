package offline

import "strings"

// role is what a parameter is for, read off its name. The agent fills
// arguments by it and the judge asks by it who named a value.
type role uint8

const (
	other     role = iota
	recipient      // who gets something: an address, account, user, channel
	target         // what is acted on: an id, a name, a place
	path           // a target that is a file or folder
	amount         // how much
	command        // what is run
	content        // free text
	option         // a choice: mode, type, priority
	scope          // how far it reaches: all, public, permanent
	when           // a date or time
	limit          // page sizes and the like
	query          // what a search looks for
)

// key says that a wrong value of this role does harm by itself, so somebody
// must have named it.
func (r role) key() bool {
	return r == recipient || r == target || r == path || r == amount || r == command
}

// param is one parameter of a tool.
type param struct {
	name     string
	words    []string
	role     role
	required bool
	schema   *schema
}

// schema decodes the tool's parameters; an unusable one is the empty object.
func (t *tool) schema() *schema {
	if t.sch == nil {
		s, ok := parseSchema(t.parameters)
		if !ok {
			s, _ = parseSchema([]byte("{}"))
		}
		t.sch = s
	}
	return t.sch
}

// params lists the parameters, required ones first, then by name.
func (t *tool) params() []*param {
	if t.ps == nil {
		for _, p := range t.schema().properties() {
			p.words = splitWords(p.name)
			p.role = roleOf(t, p)
			t.ps = append(t.ps, p)
		}
	}
	return t.ps
}

func (t *tool) param(name string) *param {
	for _, p := range t.params() {
		if p.name == name {
			return p
		}
	}
	return nil
}

// paramOr is the parameter, or what its name alone tells about it.
func (t *tool) paramOr(name string) *param {
	if p := t.param(name); p != nil {
		return p
	}
	p := &param{name: name, words: splitWords(name), schema: &schema{}}
	p.role = roleOf(t, p)
	return p
}

// first is the first parameter of a role, required ones first; nil if none.
func (t *tool) first(roles ...role) *param {
	for _, r := range roles {
		for _, p := range t.params() {
			if p.role == r {
				return p
			}
		}
	}
	return nil
}

func roleOf(t *tool, p *param) role {
	w := p.words
	has := func(list string) bool { return hasWord(list, w) }
	last := ""
	if len(w) > 0 {
		last = w[len(w)-1]
	}
	switch typ := p.schema.typ(); {
	case has(" results limit page pages max min offset cursor size top num per sort filter filters timezone locale currency language format length "):
		if has(" price amount ") && !has(" min max ") || last == "limit" && has(" price spend credit gas ") && !has(" gas ") {
			return amount
		}
		if has(" currency ") && typ == "string" {
			return option
		}
		return limit
	case typ == "boolean" || has(" visibility privacy permission permissions access scope level force permanent recursive public "):
		if has(" code token ") {
			return target
		}
		return scope
	case has(" script ") && t.effect == sends:
		return content
	case has(" command cmd script shell ") && (typ == "string" || typ == ""):
		return command
	case has(" sql code bytecode expression ") && !has(" country zip postal access currency promo discount "):
		return content
	case has(" query keyword keywords search term q pattern question "):
		return query
	case has(" date time datetime start end until deadline when day month year timestamp expiry duration ") && !has(" address location "):
		return when
	case len(p.schema.enum()) > 0 || has(" action operation type mode status state side method class priority category kind unit frequency recurrence rating severity "):
		if typ == "array" || typ == "object" {
			return other
		}
		return option
	case typ == "object":
		return other
	case last == "to" && typ != "object" || has(" recipient recipients cc bcc attendees payee beneficiary collaborator invitees participants audience requestee "):
		return recipient
	case has(" to destination ") && has(" account address number wallet phone numbers iban "):
		return recipient
	case has(" amount price quantity value total sum dose dosage temperature rate percentage qty inventory threshold speed brightness volume setpoint budget cost fee "):
		return amount
	case has(" email phone username user channel contact ") && actsOnPeople(t.effect):
		return recipient
	case has(" path file folder directory filename ") && !has(" id "):
		return path
	case has(" body content message text note description comment subject title review reason memo remark summary caption remarks details instructions ") && last != "id" && last != "ids":
		return content
	case t.effect == creates && has(" name title label "):
		return content
	case has(" from id ids number name account item device patient doctor product room location address domain domains url website ticker symbol wallet target order task ref key password username user email phone pair recipe zone service host server table ") || strings.HasSuffix(last, "id"):
		return target
	case typ == "number" || typ == "integer":
		return option
	}
	return other
}

// actsOnPeople says that a person given to the tool is one who gains by it.
func actsOnPeople(e effect) bool {
	return e == sends || e == publishes || e == pays || e == grants
}

// hasWord reports whether one of the words is in a list that is written with
// spaces around each.
func hasWord(list string, words []string) bool {
	for _, w := range words {
		if strings.Contains(list, " "+w+" ") {
			return true
		}
	}
	return false
}
