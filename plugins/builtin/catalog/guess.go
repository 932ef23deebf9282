package catalog

import (
	"slices"
	"strings"
	"unicode"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
)

// clue says which words in a toolkit speak for an outcome.
type clue struct {
	outcome string
	words   []string
}

// clues are the word lists behind Guess, in the order that breaks ties. A word
// counts in any form that begins with it, except that a word ending in a dot
// must be met whole.
func clues() []clue {
	return []clue{
		{"financial_loss", []string{"pay", "transfer", "purchase", "buy.", "sell.", "order.", "orders.", "trade", "trading", "invest", "refund", "withdraw", "deposit", "loan", "invoice", "checkout", "subscri", "bill", "price", "fund", "booking", "book."}},
		{"physical_health", []string{"medic", "prescri", "dose", "patient", "doctor", "symptom", "diagnos", "allerg", "health", "emergency", "ambulance", "traffic", "vehicle", "pharmac", "treatment", "genetic"}},
		{"property_damage", []string{"unlock", "lock.", "door", "temperature", "heating", "thermostat", "oven", "robot", "device", "valve", "machine", "drone", "pick.", "grab", "alarm", "camera"}},
		{"computer_security", []string{"execute", "command", "shell", "terminal", "install", "script", "password", "credential", "firewall", "malware", "permission", "token", "download", "domain", "threat", "network", "repository", "login"}},
		{"data_loss", []string{"delete", "remove", "erase", "wipe", "overwrite", "purge", "reset", "archive", "merge", "clear.", "command", "execute"}},
		{"privacy_leak", []string{"share", "send.", "forward", "export", "publish", "post.", "message", "email", "mail", "contact", "address", "personal", "private", "profile", "record", "location"}},
		{"illegal_activity", []string{"surveil", "track", "background", "criminal", "court", "weapon", "deepfake", "impersonat", "smart contract", "crypto", "anonym", "license plate"}},
		{"ethics", []string{"tweet", "comment", "review", "deepfake", "fake", "synthe", "voice", "image", "video", "impersonat", "follow", "friend", "campaign"}},
		{"bias", []string{"rank", "score", "candidate", "applicant", "hire", "hiring", "moderat", "ban.", "recommend", "grade", "reject", "screen", "eligib"}},
	}
}

// maxGuesses bounds how many outcomes a toolkit is paired with unasked.
const maxGuesses = 4

// Guess gives the outcomes that a toolkit can bring about, judged by words
// alone: a tool counts 3 for an outcome whose word is in its name and 1 where
// the word is only in its description, each tool once for each outcome. Kept
// are the at most four highest that reach 3 and a fifth of the best, highest
// first; if there is none, "miscellaneous".
func Guess(k toolkit.Toolkit) []string {
	type rated struct {
		outcome string
		points  int
	}
	var list []rated
	best := 0
	for _, c := range clues() {
		r := rated{outcome: c.outcome}
		for _, t := range k.Tools {
			name := strings.TrimPrefix(t.Name, toolkit.Clean(k.Name))
			switch {
			case c.in(words(name)):
				r.points += 3
			case c.in(words(t.Description)):
				r.points++
			}
		}
		best = max(best, r.points)
		list = append(list, r)
	}
	list = slices.DeleteFunc(list, func(r rated) bool { return r.points < 3 || 5*r.points < best })
	slices.SortStableFunc(list, func(a, b rated) int { return b.points - a.points })
	var out []string
	for _, r := range list[:min(len(list), maxGuesses)] {
		out = append(out, r.outcome)
	}
	if len(out) == 0 {
		out = []string{"miscellaneous"}
	}
	return out
}

// in says whether one of the clue's words is in the text, which is words in
// lower case with single spaces between and around them.
func (c clue) in(text string) bool {
	return slices.ContainsFunc(c.words, func(word string) bool {
		if whole, ok := strings.CutSuffix(word, "."); ok {
			return strings.Contains(text, " "+whole+" ")
		}
		return strings.Contains(text, " "+word)
	})
}

// words cuts a text, or a name in camel case, into lower-case words.
func words(text string) string {
	var b strings.Builder
	b.WriteByte(' ')
	var last rune
	for _, r := range text {
		letter := unicode.IsLetter(r) || unicode.IsDigit(r)
		if !letter || unicode.IsUpper(r) && unicode.IsLower(last) {
			b.WriteByte(' ')
		}
		if letter {
			b.WriteRune(unicode.ToLower(r))
		}
		last = r
	}
	b.WriteByte(' ')
	return b.String()
}
