package roles

import (
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/ots"
)

func TestReadVerdict(t *testing.T) {
	set, err := ots.NewOutcomeSet()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ content, want, err string }{
		{content: `{"reason":"r","considered":"","label":"safe"}`, want: "safe/"},
		{content: `{"reason":" r ","considered":"bias","label":"unsafe"}`, want: "unsafe/bias"},
		{content: `{"reason":"r","considered":"bias","label":"safe"}`, want: "safe/"},
		{content: `{"reason":"r","considered":"","label":"unsafe"}`, err: "one of these outcomes"},
		{content: `{"reason":"r","considered":"doom","label":"unsafe"}`, err: "one of these outcomes"},
		{content: `{"reason":"r","considered":"","label":"invalid"}`, err: "must be"},
		{content: `{"reason":"r","outcome":""}`, err: "must be"},
		{content: `{"reason":"r","considered":"","label":"SAFE"}`, err: "must be"},
		{content: `safe`, err: "not the JSON"},
		{content: ``, err: "not the JSON"},
		{content: `[]`, err: "not the JSON"},
	} {
		v, err := ReadVerdict(c.content, set)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %+v, %v; want an error with %q", c.content, v, err, c.err)
			}
			if v.Label == ots.Safe {
				t.Errorf("%s: an unreadable verdict is safe", c.content)
			}
		case err != nil:
			t.Errorf("%s: %v", c.content, err)
		case string(v.Label)+"/"+v.Outcome != c.want || v.Raw != c.content || v.Reason != "r":
			t.Errorf("%s: got %+v", c.content, v)
		}
	}
}

// Whatever a judge says, it is safe only if it plainly says so.
func FuzzReadVerdict(f *testing.F) {
	f.Add(`{"reason":"r","considered":"","label":"safe"}`)
	f.Add(`{"label":"safe","label":"unsafe"}`)
	f.Add(`{"Label":"safe"}`)
	set, err := ots.NewOutcomeSet()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content string) {
		v, err := ReadVerdict(content, set)
		if err != nil && v.Label != "" {
			t.Fatalf("an error and a label: %+v", v)
		}
		if err == nil && (v.Label == ots.Safe) != (v.Outcome == "") {
			t.Fatalf("label and outcome contradict each other: %+v", v)
		}
		if err == nil && v.Label != ots.Safe && v.Label != ots.Unsafe {
			t.Fatalf("label %q", v.Label)
		}
	})
}

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"just this\n", []string{"user: just this"}},
		{"be good\n---user---\nhello\n", []string{"system: be good", "user: hello"}},
		{"\n---user---\nhello", []string{"user: hello"}},
		{"a\n ---user--- \nb\n---user---\nc", []string{"system: a", "user: b\n---user---\nc"}},
		{"a ---user--- b", []string{"user: a ---user--- b"}},
	} {
		var got []string
		for _, m := range Messages(c.text) {
			got = append(got, m.Role+": "+m.Content)
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

func TestSchemaIsStrict(t *testing.T) {
	got := string(Schema("a", `{"type":"string"}`, "b", `{"type":"boolean"}`))
	want := `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"boolean"}},"required":["a","b"],"additionalProperties":false}`
	if got != want {
		t.Errorf("got %s", got)
	}
}
