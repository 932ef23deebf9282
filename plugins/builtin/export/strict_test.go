package export

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseValue(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":[1,{"b":tru}]}`:            `a[1].b: not JSON: invalid character 't'`,
		`{"a":[1,2,]}`:                   `a[2]: not JSON: invalid character ']'`,
		`{"a":1,}`:                       `not JSON: invalid character '}'`,
		`{"a" 1}`:                        `not JSON: invalid character '1'`,
		`{"a":[1`:                        `a: not JSON: it ends too early`,
		`{"a":"`:                         `a: not JSON: it ends too early`,
		`{"a":"x` + "\t" + `"}`:          `a: not JSON: invalid character '\t'`,
		`{"a":"\\x"}`:                    `a: not JSON: invalid escape in a string`,
		`{"a":"\\u12"}`:                  `a: not JSON: invalid escape in a string`,
		`{"a":{"b":1,"b":2}}`:            `a: the key "b" is there twice`,
		`{"b":1,"\\u0062":2}`:            `the key "b" is there twice`,
		`{"a":"\\ud83d\\ud83d"}`:         `a: half of a surrogate pair`,
		`{"a":"\\uDE4F"}`:                `a: half of a surrogate pair`,
		`{"\\ud83d":1}`:                  `half of a surrogate pair`,
		`01`:                             `there is something after the value`,
		`-`:                              `not JSON: invalid number`,
		`1.`:                             `not JSON: invalid number`,
		`+1`:                             `not JSON: invalid character '+'`,
		`NaN`:                            `not JSON: invalid character 'N'`,
		`-Infinity`:                      `not JSON: invalid number`,
		`'a'`:                            `not JSON: invalid character '\\''`,
		`{}{}`:                           `there is something after the value`,
		"\ufeff{}":                       `begins with a byte order mark`,
		"\"\xff\"":                       `not UTF-8`,
		strings.Repeat("[", maxDepth+10): `nested too deeply`,
	} {
		text = strings.ReplaceAll(text, `\\`, `\`)
		want = strings.ReplaceAll(want, `\\`, `\`)
		if v, err := parseValue([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%.40q: %v and %v, want %s", text, v, err, want)
		}
	}
	v, err := parseValue([]byte(` { "a" : [ "\ud83d\ude4f \ufffd\n\u00e9é" , -0.5E+3 , true , false , null , { } , [ ] ] } `))
	want := map[string]any{"a": []any{"🙏 \ufffd\néé", json.Number("-0.5E+3"), true, false, nil, map[string]any{}, []any{}}}
	if err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("%v and %v, want %v", v, err, want)
	}
}

// FuzzParseValue holds the parser to encoding/json: it takes nothing that is
// no JSON, reads what it takes alike, and refuses JSON for its reasons alone.
func FuzzParseValue(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x\u00e9\ud83d\ude4f",null,true,-0.5e3]}`, `{"a":1,"a":2}`, `"\ud83d"`, `[[[]]]`, ` {} `, `"\"\\\/\b\f\n\r\t"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := parseValue(text)
		valid := json.Valid(text)
		if err != nil {
			reasons := []string{"there twice", "surrogate", "not UTF-8", "byte order mark", "nested"}
			for _, reason := range reasons {
				if strings.Contains(err.Error(), reason) {
					return
				}
			}
			if valid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !valid || !utf8.Valid(text) {
			t.Fatalf("%q was taken", text)
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil || !reflect.DeepEqual(v, want) {
			t.Fatalf("%q: read as %v, want %v (%v)", text, v, want, err)
		}
	})
}
