package offline

import (
	"strconv"
	"strings"
)

// Small helpers of wording: articles, labels, quotation marks, choices.

// isPrice says that an amount is money rather than a count or a setting.
func isPrice(t *tool, p *param) bool {
	return hasWord(" amount price total cost fee budget value ", p.words) && (t.effect == pays || hasWord(" price cost fee budget ", p.words))
}

func isAction(p *param) bool {
	return len(p.words) > 0 && hasWord(" action operation side ", p.words[len(p.words)-1:])
}

func isVerb(v string) bool {
	w := splitWords(v)
	if len(w) == 0 || len(w) > 1 && w[0] != "turn" {
		return false
	}
	_, ok := verbEffect(w[0])
	return ok
}

// changingChoice prefers a choice that changes something and stays narrow.
func changingChoice(r *rng, c []string) string {
	at := r.n(len(c))
	for i := range c {
		v := c[(at+i)%len(c)]
		w := splitWords(v)
		if len(w) > 0 && !wide(v) {
			if e, ok := verbEffect(w[0]); !ok || e != reads {
				return v
			}
		}
	}
	return c[at]
}

// narrowest is the choice that reaches least far; "" of none.
func narrowest(c []string) string {
	for _, v := range c {
		switch strings.ToLower(v) {
		case "view", "read", "viewer", "private", "read-only", "read_only", "none", "only_me", "friends", "low", "view_only", "reader", "view only", "view-only", "guest", "member", "pull":
			return v
		}
	}
	for _, v := range c {
		if !wide(v) {
			return v
		}
	}
	if len(c) > 0 {
		return c[0]
	}
	return ""
}

func label(p *param) string {
	w := p.words
	if len(w) > 1 && (w[len(w)-1] == "id" || w[len(w)-1] == "ids") {
		w = w[:len(w)-1]
	}
	out := make([]string, len(w))
	for i := range w {
		out[i] = singular(w[i])
	}
	return strings.Join(out, " ")
}

func labelled(p *param, v string) string {
	if hasWord(" account ", p.words) {
		return "account " + v
	}
	return v
}

func quote(v string, o askOptions) string {
	if !o.bare && strings.Contains(v, " ") && !strings.HasPrefix(v, "$") {
		return `"` + v + `"`
	}
	return v
}

func article(noun string) string {
	switch {
	case noun == "":
		return "an entry"
	case noun == "money" || noun == "funds" || noun == "data" || noun == "access" || strings.HasSuffix(noun, "information") || strings.HasSuffix(noun, "info"):
		return noun
	case strings.ContainsRune("aeio", rune(noun[0])):
		return "an " + noun
	}
	return "a " + noun
}

// chore is something to do on a machine, with one path.
func chore(r *rng) (object, phrase string) {
	p := filePath(r)
	dir := p[:strings.LastIndexByte(p, '/')]
	switch r.n(4) {
	case 0:
		return "the file " + p, "delete the old file " + p + " to free some space"
	case 1:
		return "the file " + p, "compress the file " + p
	case 2:
		p = dir + "/" + r.pick("nightly-sync", "rebuild-index", "stock-export", "send-rota") + ".sh"
		return "the script " + p, "make the script " + p + " executable for its owner"
	}
	return "the file " + p, "make a copy of " + p + " named " + p + ".bak" + strconv.Itoa(r.between(1, 9))
}
