package toolkit

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/schema"
)

// one gives a file of one toolkit with one tool that has this member.
func one(member string) string {
	return `{"toolkit":"Kit","tools":[{"name":"Do","summary":"Does it."` + member + `}]}`
}

func TestParameterLines(t *testing.T) {
	for line, want := range map[string]string{
		"id: The id.":                         `"id":{"type":"string","description":"The id."}`,
		"n integer: Count: of things.":        `"n":{"type":"integer","description":"Count: of things."}`,
		"n integer 1..9: N.":                  `"n":{"type":"integer","description":"N.","minimum":1,"maximum":9}`,
		"n number 0.5..: N.":                  `"n":{"type":"number","description":"N.","minimum":0.5}`,
		"n number ..-1: N.":                   `"n":{"type":"number","description":"N.","maximum":-1}`,
		"ok boolean: Ok.":                     `"ok":{"type":"boolean","description":"Ok."}`,
		"o object: O.":                        `"o":{"type":"object","description":"O."}`,
		"at datetime: At.":                    `"at":{"type":"string","description":"At.","format":"date-time"}`,
		"m low|high: M.":                      `"m":{"type":"string","description":"M.","enum":["low","high"]}`,
		"l [email]: L.":                       `"l":{"type":"array","description":"L.","items":{"type":"string","format":"email"}}`,
		"l [[integer 1..2]]: L.":              `"l":{"type":"array","description":"L.","items":{"type":"array","items":{"type":"integer","minimum":1,"maximum":2}}}`,
		"p {x number, y? number 1.., z}: <P>": `"p":{"type":"object","description":"<P>","properties":{"x":{"type":"number"},"y":{"type":"number","minimum":1},"z":{"type":"string"}},"required":["x","z"],"additionalProperties":false}`,
	} {
		data := one(`,"parameters":[` + quote(line) + `]`)
		kits, err := Parse("f.json", []byte(data))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		name, _, _ := strings.Cut(line, " ")
		name = strings.TrimSuffix(name, ":")
		whole := `{"type":"object","properties":{` + want + `},"required":["` + name + `"],"additionalProperties":false}`
		if got := string(kits[0].Tools[0].Parameters); got != whole {
			t.Errorf("%s:\n got %s\nwant %s", line, got, whole)
		}
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func TestNoParameters(t *testing.T) {
	kits, err := Parse("f.json", []byte(one(`,"parameters":["x?: X."],"returns":["a [{b, c number}]: A.","d {e}: D.","f: F."]`)))
	if err != nil {
		t.Fatal(err)
	}
	tool := kits[0].Tools[0]
	if got, want := string(tool.Parameters), `{"type":"object","properties":{"x":{"type":"string","description":"X."}},"additionalProperties":false}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var returns []string
	for _, r := range tool.Returns {
		returns = append(returns, r.Name+" "+r.Type+" "+r.Description)
	}
	want := []string{"a array A. Each has b and c (number).", "d object D. It has e.", "f string F."}
	if !slices.Equal(returns, want) {
		t.Errorf("got %q, want %q", returns, want)
	}
	kits, err = Parse("f.json", []byte(one("")))
	if got, want := string(kits[0].Tools[0].Parameters), `{"type":"object","properties":{},"additionalProperties":false}`; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestForms(t *testing.T) {
	kit := one(`,"effect":"pay"`)
	for _, data := range []string{kit, "[" + kit + "]", `{"toolkits":[` + kit + `]}`, "\ufeff\n" + kit} {
		kits, err := Parse("f.json", []byte(data))
		if err != nil || len(kits) != 1 || kits[0].Tools[0].Name != "KitDo" || kits[0].Domain != Other || kits[0].Tools[0].Effect != "pay" || kits[0].File != "f.json" {
			t.Errorf("%s: %+v, %v", data, kits, err)
		}
	}
	for _, data := range []string{`{"a":1}`, `[{"name":"x"}]`, `[]`, `[1]`, `7`, `null`} {
		if _, err := Parse("f.json", []byte(data)); !errors.Is(err, ErrNoToolkits) {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func TestFaults(t *testing.T) {
	for data, want := range map[string]string{
		"":                                  "line 1: it is not valid JSON",
		"{\n\"toolkit\": }":                 "line 2: it is not valid JSON",
		"[{\"tools\":[],\n\"toolkit\": 1}]": "line 2: toolkit: a number stands where a string is needed",
		`{"tools":[]}`:                      `"toolkit", its name, is missing`,
		`{"toolkit":"Kit","tools":[]}`:      `toolkit 1 ("Kit"): it has no tools`,
		`{"toolkit":"Kit","domain":"helth","tools":[{}]}`:                                 `Did you mean "health"?`,
		`{"toolkit":"Kit","tools":[{"name":"Do"}]}`:                                       `tool 1 ("Do"): "summary" is missing`,
		`{"toolkit":"Kit","tools":[{"summary":"Do"}]}`:                                    `tool 1: "name" is missing`,
		one(`,"effect":"red"`):                                                            `"red" is not an effect; `,
		one(`,"parameters":["x"]`):                                                        `parameter 1: "x": there is no ":"`,
		one(`,"parameters":["x:"]`):                                                       "no description",
		one(`,"parameters":[": y"]`):                                                      "a name is missing",
		one(`,"parameters":["x?y: z"]`):                                                   "is not a name",
		one(`,"parameters":["x strin: y"]`):                                               `"strin" is not a type`,
		one(`,"parameters":["x string 1..2: y"]`):                                         `"1..2" is not expected`,
		one(`,"parameters":["x integer 9..1: y"]`):                                        `"9..1" is not a range`,
		one(`,"parameters":["x integer ..: y"]`):                                          `".." is not a range`,
		one(`,"parameters":["x integer a..b: y"]`):                                        "is not a range",
		one(`,"parameters":["x integer 01..2: y"]`):                                       "is not a range",
		one(`,"parameters":["x a||b: y"]`):                                                "empty word",
		one(`,"parameters":["x [string: y"]`):                                             `"]" is missing`,
		one(`,"parameters":["x {a b: y"]`):                                                `"b" is not a type`,
		one(`,"parameters":["x {a, a}: y"]`):                                              `"a" is given twice`,
		one(`,"parameters":["x {}: y"]`):                                                  "a name is missing",
		one(`,"parameters":["x ` + strings.Repeat("[", 99) + `: y"]`):                     "deep",
		one(`,"parameters":["x: y","x: z"]`):                                              `parameter 2: another parameter is named "x"`,
		one(`,"parameters":[7]`):                                                          "a line such as",
		one(`,"parameters":[{"type":"string"}]`):                                          `"name" is missing`,
		one(`,"returns":["x"]`):                                                           "result 1: ",
		one(`,"exceptions":["x"]`):                                                        "exception 1: ",
		`{"toolkit":"K","pairs":[{"with":["A"]}],"tools":[{}]}`:                           "pair 1: it has no outcomes",
		`{"toolkit":"K","tools":[{"name":"A","summary":"a"},{"name":"A","summary":"b"}]}`: "another tool",
	} {
		if _, err := Parse("f.json", []byte(data)); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "f.json: ") {
			t.Errorf("%s:\n got %v\nwant %s", data, err, want)
		}
	}
}

func TestFullName(t *testing.T) {
	long := strings.Repeat("Long", 20)
	for _, c := range [][2]string{
		{"Bank Desk", "BankDeskDo"},
		{"Bänk.Desk", "B_nk_DeskDo"},
		{"a-b_c", "a-b_cDo"},
	} {
		if got := FullName(c[0], "Do"); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
	a, b := FullName(long, "A"), FullName(long, "B")
	if a == b || !regexp.MustCompile(`^[a-zA-Z0-9_-]{64}$`).MatchString(a) {
		t.Errorf("long names: %s, %s", a, b)
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"MailBox", "BankDesk", "bias"}
	for given, want := range map[string]string{
		"mailbox": ` Did you mean "MailBox"?`,
		"BnkDsk":  ` Did you mean "BankDesk"?`,
		"bais":    "",
		"bia":     ` Did you mean "bias"?`,
		"Zoo":     "",
		"":        "",
	} {
		if got := DidYouMean(given, known); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoad(t *testing.T) {
	kit := func(name string) string { return strings.Replace(one(""), "Kit", name, 1) }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // names, or an error in which it stands
	}{
		{"folder", map[string]string{"b.json": kit("B"), "a.json": kit("A"), "x/c.json": kit("C"), "README.md": "x", ".h.json": "{", "other.json": `{"n":1}`}, "A B C"},
		{"toolemu", map[string]string{"all_toolkits.json": "[" + kit("A") + "]", "all_cases.json": "[]", "more/example.json": kit("A")}, "A"},
		{"twice", map[string]string{"a.json": kit("A"), "b.json": kit("A")}, `in/b.json: the toolkit "A" stands in in/a.json already`},
		{"broken", map[string]string{"a.json": kit("A"), "b.json": "{"}, "in/b.json: line 1"},
		{"none", map[string]string{"a.json": "{}", "b.json": "{}"}, "no toolkits were found"},
		{"single", map[string]string{"a.json": "{}"}, "in/a.json: it holds no toolkits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.files)
			kits, err := Load([]schema.File{{Name: "in", Path: dir}})
			var names []string
			for _, k := range kits {
				names = append(names, k.Name)
			}
			got := strings.Join(names, " ")
			if err != nil {
				if strings.Contains(err.Error(), c.want) {
					return
				}
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	_, err := Load([]schema.File{{Name: "gone.json", Path: filepath.Join(t.TempDir(), "gone.json")}})
	if err == nil || err.Error() != "gone.json: no such file or directory" {
		t.Errorf("missing file: %v", err)
	}
}

// TestToolEmu reads the published file where it is at hand, else the small one
// that stands for it.
func TestToolEmu(t *testing.T) {
	file, kits, tools := "../../../../../shared/data/toolemu/all_toolkits.json", 38, 330
	if _, err := os.Stat(file); err != nil {
		file, kits, tools = "../../toolemu/testdata/small/all_toolkits.json", 2, 2
	}
	list, err := Load([]schema.File{{Name: "all_toolkits.json", Path: file}})
	if err != nil {
		t.Fatal(err)
	}
	n, names := 0, map[string]bool{}
	for _, k := range list {
		for _, tool := range k.Tools {
			n++
			if names[tool.Name] || !regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`).MatchString(tool.Name) {
				t.Errorf("name %q", tool.Name)
			}
			names[tool.Name] = true
		}
	}
	if len(list) != kits || n != tools {
		t.Errorf("%d toolkits and %d tools, want %d and %d", len(list), n, kits, tools)
	}
}

// FuzzLine sees that a line either errs or makes a parameter that marshals.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"a: b", "a? integer 1..2: b", "a [{b, c? [x|y]}]: d", "a {b {c {d}}}: e", "a integer 1..1e999: b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := parseLine(line)
		if err != nil {
			return
		}
		text, err := json.Marshal(got.shape)
		if err != nil || got.name == "" || !json.Valid(text) {
			t.Errorf("%q: %s, %v", line, text, err)
		}
		got.shape.words()
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(one(`,"parameters":["x: y",{"name":"z"}]`)))
	f.Add([]byte("[{}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		kits, err := Parse("f.json", data)
		for _, k := range kits {
			if err == nil && (k.Name == "" || len(k.Tools) == 0) {
				t.Errorf("%q: %+v", data, k)
			}
		}
	})
}
