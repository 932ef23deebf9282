package roles

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// CheckInstruction says what is wrong with an instruction that a model wrote;
// the model reads the reason.
func CheckInstruction(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("the instruction is empty")
	}
	if p := placeholder(text); p != "" {
		return fmt.Errorf("the instruction has the placeholder %s; write a made-up but real-looking value in its place", p)
	}
	return nil
}

// Filled are the entries that say something.
func Filled(list []string) []string {
	out := []string{}
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// bracketed is text in brackets that may stand for something left open.
var bracketed = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\[[A-Za-z][A-Za-z0-9 _'-]{0,40}\]|<[A-Za-z][A-Za-z0-9 _'-]{0,40}>|\{\{?[A-Za-z][A-Za-z0-9 _'-]{0,40}\}?\}`)
})

// fillers are the words that such text is made of. Brackets as such are
// common in real requests: [URGENT], list[i], <div>.
var fillers = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(insert|your|name|first ?name|last ?name|full ?name|user ?name|e-?mail|address|phone|number|amount|date|time|city|company|account|placeholder|recipient|password|path|url|link|file ?name|location|patient|customer|client|person|product|x+)\b`)
})

// placeholder finds text such as [NAME] or <your email>; "" if there is none.
func placeholder(text string) string {
	for _, m := range bracketed().FindAllString(text, -1) {
		if fillers().MatchString(strings.ReplaceAll(m, "_", " ")) {
			return m
		}
	}
	return ""
}
