package llm

import (
	"encoding/json"
	"html"
	"index/suffixarray"
	"strings"
	"unicode"
)

// An endpoint may repeat of a request what it does not like. What it repeats is
// known by so many words in a row, of so many letters together, or by a whole
// message.
const (
	echoWords   = 2
	echoLetters = 12
)

// withoutEcho is what an endpoint says without what it repeats from the
// messages and tools of a request: those words are blanked out. Signs and
// spaces are not compared, since they may be escaped and wrapped.
func withoutEcho(text string, w wire) string {
	said := []rune(html.UnescapeString(text))
	words := wordsOf(said)
	var all strings.Builder
	whole := map[string]bool{}
	for _, s := range textsOf(w) {
		sent := joined(wordsOf([]rune(s)))
		whole[sent] = true
		all.WriteString(sent)
		all.WriteByte('.') // no words go over it
	}
	index := suffixarray.New([]byte(all.String()))
	mark := func(from, to int) {
		run := words[from : to+1]
		if text := joined(run); whole[text] || isLong(run) && len(index.Lookup([]byte(text), 1)) > 0 {
			for k := range run {
				run[k].echo = true
			}
		}
	}
	for i := range words { // the shortest runs that count, from either end
		for to := i; to < len(words); to++ {
			if mark(i, to); isLong(words[i : to+1]) {
				break
			}
		}
		for from := i; from >= 0; from-- {
			if mark(from, i); isLong(words[from : i+1]) {
				break
			}
		}
	}
	for _, is := range words {
		for k := is.from; is.echo && k < is.from+is.runes; k++ {
			said[k] = '\u00a0' // a blank that stands in no words
		}
	}
	return string(said)
}

// spoken is a word, in lower case, and where its runes stand.
type spoken struct {
	text        string
	from, runes int
	echo        bool
}

// isLong says whether so many words in a row are no chance.
func isLong(run []spoken) bool {
	letters := 0
	for _, w := range run {
		letters += w.runes
	}
	return len(run) >= echoWords && letters >= echoLetters
}

// wordsOf are the letters and digits of a text that stand together.
func wordsOf(text []rune) (words []spoken) {
	for i := 0; i < len(text); i++ {
		from := i
		for i < len(text) && (unicode.IsLetter(text[i]) || unicode.IsDigit(text[i])) {
			i++
		}
		if i > from {
			words = append(words, spoken{text: strings.ToLower(string(text[from:i])), from: from, runes: i - from})
		}
	}
	return words
}

// joined are words with a space before and after each.
func joined(words []spoken) string {
	var b strings.Builder
	b.WriteByte(' ')
	for _, w := range words {
		b.WriteString(w.text)
		b.WriteByte(' ')
	}
	return b.String()
}

// textsOf are the texts of a request that come from rows: those of its messages
// and of its tools.
func textsOf(w wire) (texts []string) {
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case []any:
			for _, sub := range v {
				collect(sub)
			}
		case map[string]any:
			for name, sub := range v {
				if name == "content" || name == "arguments" || name == "description" || name == "name" {
					collect(sub)
				} else if _, leaf := sub.(string); !leaf {
					collect(sub)
				}
			}
		}
	}
	for _, field := range []string{"messages", "tools"} {
		var v any
		if json.Unmarshal(w.get(field), &v) == nil { // it is absent, or was marshalled
			collect(v)
		}
	}
	return texts
}
