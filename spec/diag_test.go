package spec

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

var update = flag.Bool("update", false, "write the golden files anew")

// optionLine sets options in a comment of a test recipe:
//
//	# option: var name=value
//	# option: var-file path
//	# option: env NAME=value
var optionLine = regexp.MustCompile(`(?m)^# option: (var|var-file|env) (.*)$`)

func optionsIn(t *testing.T, dir string) Options {
	t.Helper()
	opts := Options{Registry: fakeRegistry{}, Version: "0.1.0"}
	src, err := os.ReadFile(filepath.Join(dir, "recipe.hcl"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, m := range optionLine.FindAllStringSubmatch(string(src), -1) {
		switch m[1] {
		case "var":
			opts.Vars = append(opts.Vars, m[2])
		case "var-file":
			opts.VarFiles = append(opts.VarFiles, m[2])
		case "env":
			opts.Environ = append(opts.Environ, m[2])
		}
	}
	return opts
}

// TestDiagnostics compares what is printed for each bad recipe in testdata/bad
// with its diag.txt.
func TestDiagnostics(t *testing.T) {
	dirs, err := filepath.Glob("testdata/bad/*")
	if err != nil || len(dirs) < 45 {
		t.Fatalf("found %d bad recipes, %v", len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			src, diags := Parse(dir)
			if !diags.HasErrors() {
				var r *Recipe
				if r, diags = src.Decode(optionsIn(t, dir)); (r == nil) != diags.HasErrors() {
					t.Errorf("recipe %v with errors %t", r, diags.HasErrors())
				}
			}
			if !diags.HasErrors() {
				t.Fatal("the recipe passes")
			}
			for _, d := range diags {
				checkStyle(t, d)
			}
			got := render(t, src.Files, diags)
			golden := filepath.Join(dir, "diag.txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// checkStyle holds every diagnostic to the house style: a terse summary that
// names nothing from the recipe, a detail in sentences.
func checkStyle(t *testing.T, d *hcl.Diagnostic) {
	t.Helper()
	if d.Summary == "" || len(d.Summary) > 60 || strings.HasSuffix(d.Summary, ".") {
		t.Errorf("summary %q", d.Summary)
	}
	if d.Detail == "" || !strings.ContainsAny(d.Detail[len(d.Detail)-1:], ".?)") {
		t.Errorf("detail %q does not end like a sentence", d.Detail)
	}
	if d.Expression != nil || d.EvalContext != nil {
		t.Errorf("%s: values of variables would be printed", d.Summary)
	}
}
