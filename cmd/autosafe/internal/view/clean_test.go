package view

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile is text with everything in it that a terminal would act on, or a
// reader would not see.
const hostile = "a\x1b[31mred\x1b]8;;http://x\x07link\x1b]8;;\x07\u009b2J\u0085\x08\r\x00\x7f" +
	"\u202eevil\u2066x\u2069\u200b\u200e\ufeff\u00ad\u2028\u2029\U000e0041\xff\xc3("

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"plain, ünïcode, 日本語, 👩\u200d🚀", "plain, ünïcode, 日本語, 👩\u200d🚀"},
		{"\x1b[31mred", `\x1b[31mred`},
		{"\x1b]8;;http://x\x07", `\x1b]8;;http://x\a`},
		{"\u009b2J", `\u009b2J`},
		{"a\nb\tc\r", `a\nb\tc\r`},
		{"\u202etxt.exe", `\u202etxt.exe`},
		{"zero\u200bwidth", `zero\u200bwidth`},
		{"\U000e0041tag", `\U000e0041tag`},
		{"bad\xffutf8", `bad\xffutf8`},
		{"\ufffd is itself", "\ufffd is itself"},
		{"\u2028", `\u2028`},
	}
	for _, tt := range tests {
		if got := Clean(tt.in); got != tt.want {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	if got := CleanLines("a\n\tb\x1b\r\n"); got != "a\n\tb\\x1b\\r\n" {
		t.Errorf("CleanLines gives %q", got)
	}
}

// wild finds what must not reach a terminal. Colours are ours if allowed.
func wild(s string, allowed ...string) string {
	for _, a := range allowed {
		s = strings.ReplaceAll(s, a, "")
	}
	if !utf8.ValidString(s) {
		return "invalid UTF-8"
	}
	for _, r := range s {
		if r != '\n' && !harmless(r) {
			return strings.TrimSpace(Clean(string(r)))
		}
	}
	return ""
}

func FuzzClean(f *testing.F) {
	f.Add(hostile)
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if w := wild(Clean(s)); w != "" {
			t.Errorf("Clean(%q) lets %s through", s, w)
		}
		if strings.Contains(Clean(s), "\n") {
			t.Errorf("Clean(%q) has several lines", s)
		}
		if once := Clean(s); Clean(once) != once {
			t.Errorf("Clean(%q) is not clean", s)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back, plain string
		if err := json.Unmarshal(cleanJSON(b), &back); err != nil {
			t.Fatalf("%s: %v", cleanJSON(b), err)
		}
		if err := json.Unmarshal(b, &plain); err != nil {
			t.Fatal(err)
		}
		if back != plain {
			t.Errorf("cleanJSON changed %q to %q", plain, back)
		}
		if w := wild(string(cleanJSON(b))); w != "" {
			t.Errorf("cleanJSON lets %s through", w)
		}
	})
}
