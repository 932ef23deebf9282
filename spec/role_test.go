package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// TestDiagnose follows paths into native and JSON syntax.
func TestDiagnose(t *testing.T) {
	native := `threat_source "acme_tickets" "a" {
  shape = { wide = true, "tall" = 3 }
  rule "x" {
    weights = [1,
      2]
  }
  rule "y" { weights = [1] }
}
`
	inJSON := `{"threat_source": {"acme_tickets": {"a": {
  "shape": {"wide": true, "tall": 3},
  "rule": {"x": {
    "weights": [1,
      2]}, "y": {"weights": [1]}}}}}}
`
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "recipe.hcl.json"), inJSON)
	for _, tt := range []struct {
		path         cty.Path
		native, json string
	}{
		{nil, `threat_source "acme_tickets" "a"`, `"a"`},
		{cty.GetAttrPath("shape"), `{ wide = true, "tall" = 3 }`, `{"wide": true, "tall": 3}`},
		{cty.GetAttrPath("shape").GetAttr("tall"), "3", "3"},
		{cty.GetAttrPath("shape").IndexString("wide"), "true", "true"},
		{cty.GetAttrPath("shape").GetAttr("none").GetAttr("deeper"), `{ wide = true, "tall" = 3 }`, `{"wide": true, "tall": 3}`},
		{cty.GetAttrPath("rule"), `rule "x"`, `"x"`},
		{cty.GetAttrPath("rule").IndexInt(1), `rule "y"`, `"y"`},
		{cty.GetAttrPath("rule").IndexInt(0).GetAttr("weights").IndexInt(1), "2", "2"},
		{cty.GetAttrPath("rule").IndexInt(1).GetAttr("topic"), `"y"`, `"y"`},
		{cty.GetAttrPath("rule").IndexInt(7), `rule "x"`, `"x"`},
		{cty.GetAttrPath("token"), `threat_source "acme_tickets" "a"`, `"a"`},
		{cty.Path{cty.IndexStep{Key: cty.UnknownVal(cty.String)}}, `threat_source "acme_tickets" "a"`, `"a"`},
	} {
		for text, r := range map[string]*Recipe{native: decodeText(t, native, Options{}), inJSON: decodeDir(t, dir, Options{})} {
			want := tt.native
			if text == inJSON {
				want = tt.json
			}
			d := r.Steps[0].Role.Diagnose(schema.Diagnostic{Warning: true, Summary: "S", Detail: "D.", Path: tt.path})
			if got := string(d.Subject.SliceBytes([]byte(text))); got != want || d.Summary != "S" || d.Detail != "D." {
				t.Errorf("%#v: %q, want %q (%s)", tt.path, got, want, d)
			}
		}
	}
	if d := (&RoleBody{}).Diagnose(schema.Diagnostic{Summary: "S", Path: cty.GetAttrPath("x")}); d.Subject != nil || d.Summary != "S" {
		t.Errorf("without a source: %v", d)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"data/b.jsonl", "data/a.jsonl", "data/.hidden.jsonl", "data/deep/c.jsonl", "data/.git/x", "other/a[1].jsonl", "../OUT/o.jsonl"} {
		name = strings.ReplaceAll(name, "OUT", filepath.Base(dir)+"-out")
		writeFile(t, filepath.Join(dir, name), "{}")
	}
	if err := os.Symlink(filepath.Join(dir, "data", "a.jsonl"), filepath.Join(dir, "data", "link.jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "data", "loop")); err != nil {
		t.Fatal(err)
	}
	out := "../" + filepath.Base(dir) + "-out"
	for pattern, want := range map[string]string{
		`"data/a.jsonl"`:                      "data/a.jsonl",
		`"data"`:                              "data/a.jsonl data/b.jsonl data/deep/c.jsonl data/link.jsonl",
		`"data/*.jsonl"`:                      "data/a.jsonl data/b.jsonl data/link.jsonl",
		`"data/.*.jsonl"`:                     "data/.hidden.jsonl",
		`["data/b.jsonl", "data/[ab].jsonl"]`: "data/a.jsonl data/b.jsonl",
		`["data", "data/deep"]`:               "data/a.jsonl data/b.jsonl data/deep/c.jsonl data/link.jsonl",
		`"other/a[1].jsonl"`:                  "other/a[1].jsonl",
		`"./data/../data/a.jsonl"`:            "data/a.jsonl",
		`"` + out + `"`:                       out + "/o.jsonl",
		`"` + dir + `/data/deep"`:             "deep/c.jsonl",
		`"` + dir + `/data/deep/c.jsonl"`:     "c.jsonl",
		`"` + dir + `/data/*/c.jsonl"`:        "data/deep/c.jsonl data/loop/data/deep/c.jsonl",
	} {
		if strings.Contains(pattern, "*/c") {
			want = "data/deep/c.jsonl"
		}
		writeFile(t, filepath.Join(dir, "recipe.hcl"), "threat_source \"jsonl\" \"a\" { path = "+pattern+" }\n")
		var names []string
		role := decodeDir(t, dir, Options{}).Steps[0].Role
		for _, f := range role.Files["path"] {
			names = append(names, f.Name)
			if _, err := os.Stat(f.Path); err != nil || !filepath.IsAbs(f.Path) {
				t.Errorf("%s: path %q: %v", pattern, f.Path, err)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
		if string(role.Config) != `{"map":null}` || len(role.KeyConfig) != 0 {
			t.Errorf("%s: config %s, key %s", pattern, role.Config, role.KeyConfig)
		}
	}
	for i, name := range []string{"x/2024/data.jsonl", "y/2024/data.jsonl", "data.jsonl"} {
		writeFile(t, filepath.Join(dir, name), strings.Repeat("{}\n", i))
	}
	writeFile(t, filepath.Join(dir, "recipe.hcl"), fmt.Sprintf("threat_source \"jsonl\" \"a\" { path = [\"data.jsonl\", %q, %q] }\n", dir+"/x/2024/data.jsonl", dir+"/y/2024"))
	var paths []string
	for _, f := range decodeDir(t, dir, Options{}).Steps[0].Role.Files["path"] {
		paths = append(paths, f.Name+"="+strings.TrimPrefix(f.Path, dir))
	}
	if got, want := strings.Join(paths, " "), "2024/data.jsonl=/x/2024/data.jsonl data.jsonl=/data.jsonl y/2024/data.jsonl=/y/2024/data.jsonl"; got != want {
		t.Errorf("files of one name: %s, want %s", got, want)
	}
	writeFile(t, filepath.Join(dir, "empty", ".keep"), "")
	got := failText(t, "threat_source \"jsonl\" \"a\" { path = \""+dir+"/empty\" }\n", Options{})
	if !strings.Contains(got, "holds no file") {
		t.Error(got)
	}
}

// TestSecretsAreNotPrinted prints a recipe in every way there is.
func TestSecretsAreNotPrinted(t *testing.T) {
	r := decodeText(t, `
variable "key" {
  type      = string
  sensitive = true
}
provider "openai" "main" {
  api_key = var.key
  headers = { "X-Key" = "Bearer ${var.key}" }
}
model "m" {
  provider = provider.openai.main
  name     = "x"
}
threat_source "catalog" "a" {}
simulator "instructions" "i" {
  input = threat_source.catalog.a
  model = model.m
}
`, Options{Vars: []string{"key=sk-secret-key"}})
	p := r.Models[0].Provider
	if p.APIKey.Reveal() != "sk-secret-key" || p.Headers["X-Key"] != "Bearer sk-secret-key" {
		t.Error("the provider lacks its secrets")
	}
	var b bytes.Buffer
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%v %+v %s %#v", *s, s.Role.Models, s.Role.Config, s.Role.Models)
	}
	fmt.Fprintf(&b, "%v %+v %#v %s %v %d", *p, *p, *p, p, p.APIKey, p.APIKey)
	text, err := json.Marshal(r.Models)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(text)
	if strings.Contains(b.String(), "sk-secret") {
		t.Error(b.String())
	}
}

func TestProviderAndModel(t *testing.T) {
	r := decodeText(t, `
provider "openai" "main" {
  base_url     = "http://127.0.0.1:8080/v1/"
  organization = "org"
  timeout      = "90s"
  retries      = 0
  limits { concurrency = 4 }
}
model "m" {
  provider          = provider.openai.main
  name              = "x"
  temperature       = 0
  top_p             = 0.9
  max_tokens        = 512
  stop              = ["END"]
  frequency_penalty = -0.5
  presence_penalty  = 0.5
  reasoning_effort  = "low"
  structured        = "text"
  reply_retries     = 0
  price {
    input  = 1
    output = 2.5
  }
}
threat_source "catalog" "a" {}
simulator "instructions" "i" {
  input = threat_source.catalog.a
  model = model.m
}
`, Options{})
	want := `[{"Name":"m","Provider":{"Type":"openai","Name":"main","BaseURL":"http://127.0.0.1:8080/v1/","ID":"","APIKey":"(sensitive)","Organization":"org","Project":"","APIVersion":"","Headers":{},"Query":{},"Proxy":"(sensitive)","CA":null,"Seed":0,"Weight":1,"Limits":{"Concurrency":4,"RequestsPerMinute":0,"TokensPerMinute":0,"InputTokensPerMinute":0,"OutputTokensPerMinute":0},"Timeout":90000000000,"Retries":0,"Outage":900000000000},"Replicas":null,"ID":"x","Temperature":0,"TopP":0.9,"MaxTokens":512,"Stop":["END"],"FrequencyPen":-0.5,"PresencePen":0.5,"ReasoningEffort":"low","Structured":"text","ToolForm":"auto","ExtraBody":null,"ReplyRetries":0,"Mode":"live","Batch":{"MaxRequests":0,"MaxBytes":0,"Wait":0},"Price":{"Input":1,"Output":2.5,"CachedInput":null,"BatchShare":1,"Listed":""}}]`
	if got := asJSON(r.Models); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := r.Models[0].Provider.Identity(); got != "openai http://127.0.0.1:8080/v1" {
		t.Errorf("identity %q", got)
	}
}

func TestCanonicalJSON(t *testing.T) {
	number := func(text string) cty.Value { return cty.MustParseNumberVal(text) }
	for _, tt := range []struct {
		value cty.Value
		want  string
	}{
		{cty.NullVal(cty.String), "null"},
		{cty.StringVal("<a> & \"b\"\n\u2028\x01"), `"<a> & \"b\"\n` + "\u2028" + `\u0001"`},
		{number("1"), "1"}, {number("1.0"), "1"}, {number("-0"), "0"}, {number("0.10"), "0.1"},
		{number("1e20"), "100000000000000000000"}, {number("1e21"), "1e+21"}, {number("1e-7"), "1e-7"},
		{number("12345678901234567890"), "12345678901234567890"},
		{cty.ObjectVal(map[string]cty.Value{"b": cty.True, "a": cty.EmptyTupleVal, "B": cty.EmptyObjectVal}), `{"B":{},"a":[],"b":true}`},
		{cty.MapVal(map[string]cty.Value{"é": cty.Zero, "z": cty.Zero}), `{"z":0,"é":0}`},
		{cty.SetVal([]cty.Value{cty.StringVal("b"), cty.StringVal("a")}), `["a","b"]`},
		{cty.ListValEmpty(cty.String), `[]`},
	} {
		got, err := canonicalJSON(tt.value)
		if err != nil || string(got) != tt.want {
			t.Errorf("%#v: %s, %v; want %s", tt.value, got, err, tt.want)
		}
	}
	for _, bad := range []cty.Value{cty.UnknownVal(cty.String), number("1e400"), cty.StringVal("x").Mark(sensitiveMark{}), (&reference{addr: "x"}).value()} {
		if got, err := canonicalJSON(bad); err == nil {
			t.Errorf("%#v: %s", bad, got)
		}
	}
}
