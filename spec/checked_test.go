package spec

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/schema"
)

// asked is a registry that notes whose configuration was looked at.
type asked struct {
	fakeRegistry
	names []string
}

func (a *asked) Validate(ref PluginRef, role schema.Role, component string, config []byte) ([]schema.Diagnostic, error) {
	a.names = append(a.names, component)
	return a.fakeRegistry.Validate(ref, role, component, config)
}

// again decodes a recipe with the notes of an earlier time, and says whom it
// asked.
func again(t *testing.T, dir string, checked []byte) (*Recipe, string) {
	t.Helper()
	registry := &asked{}
	opts := designOptions()
	opts.Registry, opts.Checked = registry, checked
	r := decodeDir(t, dir, opts)
	slices.Sort(registry.names)
	return r, strings.Join(registry.names, " ")
}

// copyRecipe copies a recipe, so that it can be edited.
func copyRecipe(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func editFile(t *testing.T, name, old, new string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not hold %q", name, old)
	}
	writeFile(t, name, strings.Replace(string(text), old, new, 1))
}

// TestCheckedOnce decodes a recipe twice: the second time nothing is checked,
// and the recipe is the same, expressions and all.
func TestCheckedOnce(t *testing.T) {
	dir := copyRecipe(t, "testdata/design")
	first, names := again(t, dir, nil)
	if want := "catalog instructions openai_sft retry trajectory trl_dpo"; names != want {
		t.Fatalf("asked %s, want %s", names, want)
	}
	second, names := again(t, dir, first.Checked)
	if names != "" || !bytes.Equal(second.Checked, first.Checked) {
		t.Errorf("asked %q again; the notes are the same: %t", names, bytes.Equal(second.Checked, first.Checked))
	}
	if summary(second) != summary(first) {
		t.Errorf("got:\n%s\nwant:\n%s", summary(second), summary(first))
	}
	row := testRow{"safe_verdict": `{"label":"safe"}`, "attempts": `[{}]`}
	for i, step := range second.Steps {
		for j, op := range step.Distill {
			if op.Kind != OpFilter || op.Name != "verified" {
				continue
			}
			keep, err := op.Keep.EvalBool(row)
			if err != nil || !keep {
				t.Errorf("%t, %v", keep, err)
			}
			got, _ := op.Keep.Columns()
			want, _ := first.Steps[i].Distill[j].Keep.Columns()
			if !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("columns %v, want %v", got, want)
			}
		}
	}
}

// TestCheckedAgain edits a recipe: what is edited is checked, and so is what
// its rows go through; the rest is not.
func TestCheckedAgain(t *testing.T) {
	tests := []struct{ name, old, new, asked string }{
		{"a comment", "simulator \"instructions\"", "# more\nsimulator \"instructions\"", ""},
		{"a filter", "row.attempts.size() <= 8", "row.attempts.size() <= 7", "openai_sft trl_dpo"},
		{"an argument", "rounds    = 10", "rounds    = 9", "openai_sft retry trl_dpo"},
		{"the source", `"privacy_leak", `, "", "catalog instructions openai_sft retry trajectory trl_dpo"},
		{"an output", `output "trl_dpo" { path = "dist/dpo" }`, "output \"trl_dpo\" {\n path = \"dist/dpo\"\n compress = true\n }", "openai_sft trl_dpo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := copyRecipe(t, "testdata/design")
			before, _ := again(t, dir, nil)
			editFile(t, filepath.Join(dir, "recipe.hcl"), tt.old, tt.new)
			after, names := again(t, dir, before.Checked)
			if names != tt.asked {
				t.Errorf("asked %q, want %q", names, tt.asked)
			}
			fresh, _ := again(t, dir, nil)
			if summary(after) != summary(fresh) || !bytes.Equal(after.Checked, fresh.Checked) {
				t.Error("the recipe differs from that of a decode without notes")
			}
		})
	}
}

// TestCheckedFaults: a mistake is found whatever the notes say, and damaged
// notes are none.
func TestCheckedFaults(t *testing.T) {
	text := `
threat_source "catalog" "a" {}
distill "b" {
  input = threat_source.catalog.a
  filter "x" { keep = "row.outcome == 'ethics'" }
}
`
	dir := writeRecipe(t, text)
	r, _ := again(t, dir, nil)
	for _, notes := range [][]byte{{}, []byte("{"), []byte("null"), r.Checked[:len(r.Checked)/2], []byte(`{"x":5}`)} {
		if _, names := again(t, dir, notes); names != "catalog" {
			t.Errorf("notes %q: asked %q", notes, names)
		}
	}
	editFile(t, filepath.Join(dir, "recipe.hcl"), "row.outcome ==", "row.outcom ==")
	src, _ := Parse(dir)
	opts := designOptions()
	opts.Registry, opts.Checked = fakeRegistry{}, r.Checked
	if _, diags := src.Decode(opts); !diags.HasErrors() {
		t.Error("an unknown column passes")
	}
}

// TestCheckedSecrets: a step that holds a secret is checked every time, and the
// notes do not depend on it.
func TestCheckedSecrets(t *testing.T) {
	text := `
threat_source "acme_tickets" "a" { token = "TOKEN" }
distill "b" {
  input = threat_source.acme_tickets.a
  filter "x" { keep = "row.instruction != ''" }
}
`
	dir := writeRecipe(t, strings.Replace(text, "TOKEN", "one-secret-token", 1))
	first, _ := again(t, dir, nil)
	_, names := again(t, dir, first.Checked)
	if names != "tickets" {
		t.Errorf("asked %q, want tickets", names)
	}
	other, _ := again(t, writeRecipe(t, strings.Replace(text, "TOKEN", "another-secret-token", 1)), nil)
	if !bytes.Equal(first.Checked, other.Checked) || len(first.Checked) < 64 {
		t.Errorf("the notes are %s, and with another secret %s", first.Checked, other.Checked)
	}
}

// BenchmarkDecode reads and checks the recipe of the language's description,
// as it is and with the notes of an earlier time.
func BenchmarkDecode(b *testing.B) {
	opts := designOptions()
	opts.Registry = fakeRegistry{}
	first := decodeDir(b, "testdata/design", opts)
	for name, notes := range map[string][]byte{"unknown": nil, "checked": first.Checked} {
		b.Run(name, func(b *testing.B) {
			opts.Checked = notes
			b.ReportAllocs()
			for b.Loop() {
				decodeDir(b, "testdata/design", opts)
			}
		})
	}
}
