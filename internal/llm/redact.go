package llm

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec"
)

const redacted = "(sensitive)"

// Secrets shorter than this are placeholders, as local servers want them
// ("x", "test", "ollama"). Blotting them out would spoil ordinary words: in
// messages a little, in replies for good.
const (
	minSecretInErrors  = 4
	minSecretInReplies = 12
)

// redactor takes a provider's secrets out of text that comes from outside.
type redactor struct {
	errors  *strings.Replacer // for messages that people read
	replies *strings.Replacer // for answers, before they are stored
}

func newRedactor(p *spec.Provider) redactor {
	keys := []string{p.APIKey.Reveal()}
	for _, address := range []string{p.BaseURL, p.Proxy.Reveal()} {
		if u, err := url.Parse(address); err == nil && u.User != nil {
			// A token may stand in place of the user's name. Basic
			// credentials are both, in base64 as they are decoded.
			password, _ := u.User.Password()
			keys = append(keys, password, u.User.String(), u.User.Username()+":"+password)
		}
	}
	all := slices.Clone(keys)
	for name, value := range p.Headers {
		all = append(all, value)
		// Only headers that carry credentials: a referer or a title may well
		// stand in an honest reply.
		if credential(name) {
			keys = append(keys, value, value[strings.LastIndexByte(value, ' ')+1:])
		}
	}
	for name, value := range p.Query {
		if name == "api-version" { // what errors speak about
			continue
		}
		if all = append(all, value); credential(name) || name == "code" || name == "sig" {
			keys = append(keys, value)
		}
	}
	return redactor{replacer(all, minSecretInErrors), replacer(keys, minSecretInReplies)}
}

func credential(header string) bool {
	header = strings.ToLower(header)
	for _, word := range []string{"auth", "key", "token", "secret", "cookie", "password", "credential"} {
		if strings.Contains(header, word) {
			return true
		}
	}
	return false
}

// replacer replaces each secret, in the spellings that an echo gives it.
func replacer(secrets []string, shortest int) *strings.Replacer {
	var forms []string
	for _, s := range secrets {
		if len(s) < shortest {
			continue
		}
		html, _ := json.Marshal(s)
		quoted, _ := compact(s)
		forms = append(forms, s, string(html[1:len(html)-1]), string(quoted[1:len(quoted)-1]),
			url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s)))
	}
	// Longest first: a secret that begins another must not save its tail.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, redacted)
	}
	return strings.NewReplacer(pairs...)
}

// text makes words from outside fit for an error: one line, no control
// characters, no secrets, at most maxDetail runes.
func (r redactor) text(s string) string { return clip(r.errors.Replace(plain(s)), maxDetail) }

// answer cleans an answer before it is stored. It keeps all other characters.
func (r redactor) answer(a *Answer) {
	texts := []*string{&a.Content, &a.FinishReason, &a.Refusal, &a.Reasoning, &a.Model, &a.Fingerprint}
	for i := range a.ToolCalls {
		c := &a.ToolCalls[i]
		texts = append(texts, &c.ID, &c.Name, &c.Arguments)
	}
	for _, t := range texts {
		*t = r.replies.Replace(*t)
	}
}

// maxDetail is the longest text in an Error, in runes.
const maxDetail = 500

// plain puts text on one line, and takes out control characters and what
// could reorder or hide text on a terminal.
func plain(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
}

// clip cuts s to n runes, the last of which then shows the cut.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
