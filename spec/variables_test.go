package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrecedence sets one variable in more and more places.
func TestPrecedence(t *testing.T) {
	dir := writeRecipe(t, `variable "v" { default = "default" }`)
	file := filepath.Join(t.TempDir(), "some.hclvars")
	writeFile(t, file, `v = "file"`)
	jsonFile := filepath.Join(t.TempDir(), "some.json")
	writeFile(t, jsonFile, `{"v": "json ${not} file"}`)
	var opts Options
	check := func(want string) {
		t.Helper()
		if got := decodeDir(t, dir, opts).Variables["v"]; got != `"`+want+`"` {
			t.Errorf("v = %s, want %s", got, want)
		}
	}
	check("default")
	opts.Environ = []string{"AUTOSAFE_VAR_v=environment", "AUTOSAFE_VAR_other=ignored"}
	check("environment")
	writeFile(t, filepath.Join(dir, "b.auto.hclvars"), `v = "b"`)
	check("b")
	writeFile(t, filepath.Join(dir, "a.auto.hclvars"), `v = "a"`)
	check("b")
	writeFile(t, filepath.Join(dir, "c.auto.hclvars.json"), `{"v": "c"}`)
	check("c")
	opts.VarFiles = []string{file}
	check("file")
	opts.VarFiles = []string{file, jsonFile}
	check("json ${not} file")
	opts.Vars = []string{"v=one", "v=two=2"}
	check("two=2")
}

func TestVariableTypes(t *testing.T) {
	for _, tt := range []struct{ decl, text, want string }{
		{`type = number`, "5", "5"},
		{`type = number`, `"5"`, "5"},
		{`type = bool`, "true", "true"},
		{`type = string`, "a \"b\" ${c}", `"a \"b\" ${c}"`},
		{``, "[1]", `"[1]"`},
		{`type = any`, "5", `"5"`},
		{`type = list(string)`, `["a", 2]`, `["a","2"]`},
		{`type = set(string)`, `["b", "a", "b"]`, `["a","b"]`},
		{`type = map(number)`, `{ b = 1, a = 2 }`, `{"a":2,"b":1}`},
		{`type = object({ a = string, b = optional(number, 3) })`, `{ a = "x" }`, `{"a":"x","b":3}`},
		{"type = number\n  default = 3\n  nullable = false", "null", "3"},
		{"type = number\n  default = 3", "null", "null"},
		{`type = number`, "1e21", "1e+21"},
		{`type = number`, "0.1", "0.1"},
		{`type = number`, "123456789012345678", "123456789012345678"},
	} {
		r := decodeText(t, "variable \"v\" {\n  "+tt.decl+"\n}\n", Options{Vars: []string{"v=" + tt.text}})
		if got := r.Variables["v"]; got != tt.want {
			t.Errorf("%s given %s is %s, want %s", tt.decl, tt.text, got, tt.want)
		}
	}
}

func TestFunctions(t *testing.T) {
	dir := writeRecipe(t, "")
	writeFile(t, filepath.Join(dir, "sub", "text.txt"), "hello\n")
	for expr, want := range map[string]string{
		`env("A")`:              `"1"`,
		`env("EMPTY", "unset")`: `"unset"`,
		`env("NOT_SET", null)`:  `null`,
		`file("sub/text.txt")`:  `"hello\n"`,
		`file("sub/../../${split("/", "` + dir + `")[length(split("/", "` + dir + `")) - 1]}/sub/text.txt")`: `"hello\n"`,
		`file("` + dir + `/sub/text.txt")`:                                    `"hello\n"`,
		`[fileexists("sub/text.txt"), fileexists("sub"), fileexists("no")]`:   `[true,false,false]`,
		`jsondecode("{\"a\": [1, null]}").a`:                                  `[1,null]`,
		`jsonencode({ b = 1, a = "x" })`:                                      `"{\"a\":\"x\",\"b\":1}"`,
		`join("-", ["a", "b"])`:                                               `"a-b"`,
		`split(",", "a,b")`:                                                   `["a","b"]`,
		`concat(["a"], ["b"])`:                                                `["a","b"]`,
		`merge({ a = 1 }, { b = 2 })`:                                         `{"a":1,"b":2}`,
		`keys({ b = 1, a = 2 })`:                                              `["a","b"]`,
		`values({ b = 1, a = 2 })`:                                            `[2,1]`,
		`[length("häh"), length([1]), length({}), length(toset(["a", "a"]))]`: `[3,1,0,1]`,
		`range(3)`: `[0,1,2]`,
		`[lower("Ä"), upper("é"), trimspace(" a ")]`:                 `["ä","É","a"]`,
		`replace("a.b", ".", "-")`:                                   `"a-b"`,
		`format("%03d %s", 7, "x")`:                                  `"007 x"`,
		`contains(["a"], "a")`:                                       `true`,
		`[tolist(toset(["b", "a"])), tonumber("5"), tostring(true)]`: `[["a","b"],5,"true"]`,
		`coalesce(null, "a")`:                                        `"a"`,
		`lookup({ a = 1 }, "b", 2)`:                                  `2`,
		`lookup({ a = null }, "a", 2)`:                               `null`,
		`lookup(true ? {} : { a = { b = 1 } }, "c", {})`:             `{}`,
		`lookup(false ? {} : { a = { b = 1 } }, "a", {})`:            `{"b":1}`,
		`flatten([[1], [[2]]])`:                                      `[1,2]`,
		`distinct([1, 1, 2])`:                                        `[1,2]`,
		`sort(["b", "a"])`:                                           `["a","b"]`,
		`[min(1, 2), max(1, 2)]`:                                     `[1,2]`,
		`sha256("")`:                                                 `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`,
	} {
		text := "locals {\n  x = " + expr + "\n}\nthreat_source \"catalog\" \"a\" {\n  outcomes = [jsonencode(local.x)]\n}\n"
		writeFile(t, filepath.Join(dir, "recipe.hcl"), text)
		r := decodeDir(t, dir, Options{Environ: []string{"A=1", "EMPTY="}})
		got := string(r.Steps[0].Role.Config)
		want := `{"domains":null,"outcomes":[` + string(appendJSONString(nil, want)) + `]}`
		if got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// TestFunctionErrors checks texts that differ by the system.
func TestFunctionErrors(t *testing.T) {
	dir := writeRecipe(t, "locals {\n  x = file(\"binary\")\n}\n")
	if err := os.WriteFile(filepath.Join(dir, "binary"), []byte{0xff, 0}, 0o644); err != nil {
		t.Fatal(err)
	}
	src, _ := Parse(dir)
	_, diags := src.Decode(Options{})
	if len(diags) != 1 || diags[0].Summary != "Unreadable file" || !strings.Contains(diags[0].Detail, "UTF-8") {
		t.Error(diags)
	}
	for expr, want := range map[string]string{
		`file("/dev/zero")`: "not a regular file",
		`jsondecode(join("", [for i in range(1001) : "["]))`: "1000 deep",
		`jsonencode(1e400)`: "",
		`length(null)`:      "",
		`merge([1], 2)`:     "",
	} {
		if got := failText(t, "locals {\n  x = "+expr+"\n}\nthreat_source \"catalog\" \"a\" {\n  outcomes = [jsonencode(local.x), 1e999999]\n  for_each = 5\n}\n", Options{}); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s", expr, got)
		}
	}
}
