package spec

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseFolders(t *testing.T) {
	empty := t.TempDir()
	writeFile(t, filepath.Join(empty, ".hidden.hcl"), "!")
	writeFile(t, filepath.Join(empty, "autosafe.lock.hcl"), "!")
	writeFile(t, filepath.Join(empty, "x.auto.hclvars"), "!")
	writeFile(t, filepath.Join(empty, "below", "x.hcl"), "!")
	file := filepath.Join(empty, "below", "x.hcl")
	big := writeRecipe(t, strings.Repeat("#", maxFileSize+1))
	for dir, want := range map[string]string{
		filepath.Join(empty, "none"): "No such folder",
		file:                         "Not a folder",
		empty:                        "No recipe",
		big:                          "Unreadable file",
	} {
		src, diags := Parse(dir)
		if src == nil || len(diags) != 1 || diags[0].Summary != want || diags[0].Detail == "" {
			t.Errorf("%s: %v, want %s", dir, diags, want)
		}
	}
}

func TestParseSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "b.hcl"), `distill "d" { input = threat_source.catalog.a }`)
	writeFile(t, filepath.Join(dir, "a.hcl.json"), `{"threat_source": {"catalog": {"a": {"outcomes": "${local.x}"}}}}`)
	writeFile(t, filepath.Join(dir, "c.hcl"), "locals {\n  x = [\"y\"]\n}\nautosafe {\n  required_plugins {\n    b = { source = \"x/b\" }\n    a = { version = \"~> 1.0\", source = \"x/a\" }\n  }\n}\n")
	r := decodeDir(t, dir, Options{})
	if got := addresses(r.Steps); got != "threat_source.catalog.a distill.d" {
		t.Errorf("steps %s", got)
	}
	src, _ := Parse(dir)
	if got := fmt.Sprintln(len(src.Files), src.RequiredPlugins[0].Name, src.RequiredPlugins[0].Source, src.RequiredPlugins[0].Version, src.RequiredPlugins[1].Name); got != "3 a x/a ~> 1.0 b\n" {
		t.Errorf("plugins %s", got)
	}
}

func TestCheckVersion(t *testing.T) {
	src, diags := Parse(writeRecipe(t, "autosafe {\n  required_version = \">= 0.2.0, < 2.0.0\"\n}\n"))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for version, ok := range map[string]bool{
		"0.1.0": false, "0.2.0": true, "v0.2.1": true, "0.2.0-dev": true, "2.0.0": false, "dev": true, "": true, "what": false,
	} {
		if got := !src.CheckVersion(version).HasErrors(); got != ok {
			t.Errorf("%q passes: %t", version, got)
		}
	}
	// The version comes before every other problem.
	src, _ = Parse(writeRecipe(t, "autosafe {\n  required_version = \">= 9.0.0\"\n}\nwhatever {}\n"))
	if _, diags := src.Decode(Options{Version: "0.1.0"}); len(diags) != 1 || diags[0].Summary != "Unsuitable autosafe version" {
		t.Error(diags)
	}
}

// TestNesting stays below the bounds by a little, where the parser must not
// overflow the stack, and goes above them by one.
func TestNesting(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"a.hcl", "a = " + strings.Repeat("!", maxOperators) + "true", true},
		{"a.hcl", "a = " + strings.Repeat("!", maxOperators+1) + "true", false},
		{"a.hcl", "a = " + strings.Repeat("1 + ", maxOperators) + "1", true},
		{"a.hcl", "a = " + strings.Repeat("a ? b : ", maxOperators) + "1", true},
		{"a.hcl", "a = " + strings.Repeat("[", maxNesting) + strings.Repeat("]", maxNesting), true},
		{"a.hcl", "a = " + strings.Repeat("[", 1<<19), false},
		{"a.hcl", "a = " + strings.Repeat(`"${`, 1<<17), false},
		{"a.hcl", strings.Repeat("a {\n", 1<<17), false},
		{"a.hcl.json", strings.Repeat("[", 1<<19), false},
		{"a.hcl.json", `{"a": "` + strings.Repeat("${[", 1<<17) + `"}`, false},
		{"a.hcl.json", `{"a": "` + strings.Repeat("{", 1<<10) + `"}`, true},
		{"a.hcl.json", `{"a": "\"[[` + strings.Repeat("\\u005b", 500) + `"}`, true},
	} {
		file, diags := parseSource(tt.name, []byte(tt.text))
		if refused := len(diags) > 0 && diags[0].Summary == "Nested too deeply"; refused == tt.ok || file == nil {
			t.Errorf("%.20s...: refused %t", tt.text, refused)
		}
	}
}

func TestFormat(t *testing.T) {
	src := "simulator \"trajectory\"   \"x\" {\n# comment\ninput=threat_source.catalog.a\n    samples   =   3 # three\nprompt = <<EOT\n  as   it is\nEOT\n}"
	want := "simulator \"trajectory\" \"x\" {\n  # comment\n  input   = threat_source.catalog.a\n  samples = 3 # three\n  prompt  = <<EOT\n  as   it is\nEOT\n}\n"
	got, diags := Format("recipe.hcl", []byte(src))
	if diags.HasErrors() || string(got) != want {
		t.Errorf("%v\n%s", diags, got)
	}
	if got, diags := Format("recipe.hcl", []byte("a = [")); got != nil || !diags.HasErrors() {
		t.Errorf("%v %s", diags, got)
	}
	if got, diags := Format("recipe.hcl.json", []byte(`{ }`)); string(got) != "{ }" || diags.HasErrors() {
		t.Errorf("%v %s", diags, got)
	}
	if got, diags := Format("recipe.hcl", nil); len(got) != 0 || diags.HasErrors() {
		t.Errorf("%v %q", diags, got)
	}
}

// TestDesignIsFormatted keeps the example in canonical layout.
func TestDesignIsFormatted(t *testing.T) {
	src, _ := Parse("testdata/design")
	for name, file := range src.Files {
		if got, diags := Format(name, file.Bytes); diags.HasErrors() || string(got) != string(file.Bytes) {
			t.Errorf("%s: %v\n%s", name, diags, got)
		}
	}
}

// TestSigningKey: a key that is none is noticed where it stands, and not when
// somebody needs it.
func TestSigningKey(t *testing.T) {
	const key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
	for text, ok := range map[string]bool{
		key: true, "": false, "RWQf": false, key + "AA": false, "AA" + key[2:]: false, key[:55] + "!": false,
		"untrusted comment: minisign public key": false,
	} {
		dir := writeRecipe(t, "autosafe {\n  required_plugins {\n    a = { source = \"x/a\", signing_key = \""+text+"\" }\n  }\n}\n")
		src, diags := Parse(dir)
		switch {
		case ok && (diags.HasErrors() || src.RequiredPlugins[0].SigningKey != text):
			t.Errorf("%q: %v", text, diags)
		case !ok && !strings.Contains(diags.Error(), "is not a minisign public key"):
			t.Errorf("%q: %v", text, diags)
		}
	}
}
