package files

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// seeds are objects and what is none, with space and without.
func seeds() []string {
	return []string{
		`{}`, `{"a":1}`, `{"a":-0.5e+10,"b":[],"c":{},"d":[1,[2,{"e":null}],true,false]}`, ` { "a" : [ 1 , "x y" ] } `,
		`{"a":"\u0041\ud83d\ude4f\ud800\\\"\/\b\f\n\r\t é 🙏"}`, `{"\u0061":1,"a":2}`, "{\"a\":\"\xff\"}", `{"a":"}","b":"]"}`, `{"a":"\\"}`, `{"a":"\\\""}`,
		`[1]`, `null`, `"x"`, ``, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":01}`, `{"a":1.}`, `{"a":1e}`, `{"a":-}`, `{"a":+1}`, `{"a":tru}`,
		`{"a":"\x"}`, `{"a":"\u12"}`, "{\"a\":\"\n\"}", `{"a":1}}`, `{"a":1}{}`, `{a:1}`, `{"a":'x'}`, `{"a":1 2}`, `{"a":[1 2]}`, `{"a":[1,]}`, `{"a":nul}`,
		`{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`,
	}
}

// compact takes what encoding/json takes, and gives it without space; what
// goes over the result finds what encoding/json finds.
func checkCompact(t *testing.T, text []byte) {
	got := compact(text)
	valid := bytes.ToValidUTF8(text, []byte("\ufffd"))
	var b bytes.Buffer
	var object map[string]json.RawMessage
	if json.Compact(&b, valid) != nil || json.Unmarshal(valid, &object) != nil || object == nil {
		if got != nil {
			t.Fatalf("%q was taken as %q", text, got)
		}
		return
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Fatalf("%q became %q, want %q", text, got, b.Bytes())
	}
	found := map[string]string{}
	members(got, func(name, value []byte) { found[string(jsontext.Unquote(name))] = string(value) })
	if len(found) != len(object) {
		t.Fatalf("%q has members %q", got, found)
	}
	for name, value := range object {
		var one bytes.Buffer
		_ = json.Compact(&one, value) // it is JSON
		if found[name] != one.String() {
			t.Fatalf("%q of %q is %q, want %q", name, got, found[name], one.String())
		}
		checkValue(t, one.Bytes())
	}
}

func checkValue(t *testing.T, value []byte) {
	var text string
	var list []json.RawMessage
	switch value[0] {
	case '"':
		_ = json.Unmarshal(value, &text)
		if got := string(jsontext.Unquote(value)); got != text {
			t.Fatalf("%q stands for %q, want %q", value, got, text)
		}
		var again string
		if err := json.Unmarshal(appendText(nil, []byte(text)), &again); err != nil || again != text {
			t.Fatalf("%q is written as what reads %q: %v", text, again, err)
		}
	case '[':
		_ = json.Unmarshal(value, &list)
		n := 0
		elements(value, func(element []byte) {
			if n >= len(list) || !bytes.Equal(element, list[n]) {
				t.Fatalf("element %d of %q is %q", n, value, element)
			}
			n++
		})
		if n != len(list) {
			t.Fatalf("%q has %d elements", value, n)
		}
	}
}

func TestCompact(t *testing.T) {
	for _, text := range seeds() {
		checkCompact(t, []byte(text))
	}
}

func FuzzCompact(f *testing.F) {
	for _, text := range seeds() {
		f.Add([]byte(text))
	}
	f.Fuzz(checkCompact)
}
