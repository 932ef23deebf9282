package jsonschema

import (
	"reflect"
	"strings"
	"testing"
)

func decodeSeeds() []string {
	return []string{
		`null`, ` true `, `false`, `-0`, `0`, `01`, `1.`, `1.50`, `-1.5E+30`, `1e`, `-`, `.5`, `"a"`, `"a`, `"\u00e9\ud83d\ude00\ud800x\n\/"`, `"\x"`,
		"\"\xff\xc3\"", "\"a\tb\"", `""`, `[]`, `[ ]`, `[1 , 2]`, `[1,]`, `[,1]`, `[1`, `{}`, `{ }`, `{"a":1,"a":2}`, `{"a" : [ {"b":null} ] }`, `{"a":1,}`,
		`{"a"}`, `{a:1}`, `{"a":1 "b":2}`, `[1 2]`, `1 2`, `{} x`, ``, ` `, `nul`, `nulll`, `tru`, `"type" "x"`, "\ufeff1", "[1]\x00", "\x00",
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), strings.Repeat(`{"a":`, 20_000),
	}
}

// TestDecode holds the reader to encoding/json.
func TestDecode(t *testing.T) {
	for _, text := range decodeSeeds() {
		sameAsSlow(t, []byte(text))
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range decodeSeeds() {
		f.Add([]byte(text))
	}
	f.Fuzz(sameAsSlow)
}

func sameAsSlow(t *testing.T, text []byte) {
	got, err := Decode(text)
	want, wantErr := decodeSlowly(text)
	if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%.200q: %v, %v; want %v, %v", text, got, err, want, wantErr)
	}
}
