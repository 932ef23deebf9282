package literal

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{}`, `{}`},
		{`{'a': 1, 'b': [True, False, None], "c": -2.5e3}`, `{"a":1,"b":[true,false,null],"c":-2.5e3}`},
		{`{'a': ('x',), 'b': ()}`, `{"a":["x"],"b":[]}`},
		{`'it\'s "ok"\n\t\\ \x41\u00e9\U0001F600'`, `"it's \"ok\"\n\t\\ Aé😀"`},
		{`"it's"`, `"it's"`},
		{`'\d'`, `"\\d"`},
		{` [ 1 , 2 , ] `, `[1,2]`},
		{`{'a': }`, ``}, {`{'a'}`, ``}, {`{1: 2}`, ``}, {`[1 2]`, ``}, {`'open`, ``}, {`'\x4'`, ``}, {`'\ud800'`, ``},
		{`nan`, ``}, {`01`, ``}, {`1 2`, ``}, {``, ``}, {`{`, ``}, {strings.Repeat("[", 200), ``},
	} {
		got, err := JSON(c.text)
		if (err != nil) != (c.want == "") || err == nil && string(got) != c.want {
			t.Errorf("%.40s: %s, %v; want %s", c.text, got, err, c.want)
		}
	}
}

// Whatever the text, it is JSON or an error.
func FuzzJSON(f *testing.F) {
	f.Add(`{'a': ['b', "c"], 'd': (1, -2.5, None, True)}`)
	f.Add(`'\x41\'`)
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := JSON(text); err == nil && !json.Valid(got) {
			t.Fatalf("%q gives %q", text, got)
		}
	})
}
