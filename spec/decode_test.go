package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// render prints diagnostics as the command line does, in plain text.
func render(t testing.TB, files map[string]*hcl.File, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&b, files, 78, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// decodeDir reads a recipe that must be good.
func decodeDir(t testing.TB, dir string, opts Options) *Recipe {
	t.Helper()
	if opts.Registry == nil {
		opts.Registry = fakeRegistry{}
	}
	src, diags := Parse(dir)
	if diags.HasErrors() {
		t.Fatalf("parse:\n%s", render(t, src.Files, diags))
	}
	r, diags := src.Decode(opts)
	if len(diags) > 0 {
		t.Fatalf("decode:\n%s", render(t, src.Files, diags))
	}
	return r
}

// decodeText reads a recipe of one file that must be good.
func decodeText(t testing.TB, text string, opts Options) *Recipe {
	t.Helper()
	return decodeDir(t, writeRecipe(t, text), opts)
}

// failText reads a recipe of one file that must be bad, and gives the report.
func failText(t testing.TB, text string, opts Options) string {
	t.Helper()
	if opts.Registry == nil {
		opts.Registry = fakeRegistry{}
	}
	src, diags := Parse(writeRecipe(t, text))
	if !diags.HasErrors() {
		_, diags = src.Decode(opts)
	}
	if !diags.HasErrors() {
		t.Fatal("the recipe passes")
	}
	return render(t, src.Files, diags)
}

func writeRecipe(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "recipe.hcl"), text)
	return dir
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// summary writes out everything in a recipe but places in the source.
func summary(r *Recipe) string {
	var b strings.Builder
	for _, m := range r.Models {
		p := *m.Provider
		p.Headers = nil
		fmt.Fprintf(&b, "model %s: %s, endpoint %q, %s\n", m.Name, asJSON(m), p.Identity(), asJSON(p))
	}
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "\n%s (%s %s) on_error %s %d, seed %d, generation %d\n", s.Address, s.Kind, s.Name, s.OnError, s.MaxFailures, s.Seed, s.Generation)
		for _, in := range s.Inputs {
			fmt.Fprintf(&b, "  input %s\n", in.Address)
		}
		fmt.Fprintf(&b, "  columns %v open %t\n", s.Columns.Names(), s.Columns.Open)
		if s.Role != nil {
			summariseRole(&b, s.Role)
		}
		for _, op := range s.Distill {
			fmt.Fprintf(&b, "  %s %s keep %s by %s similarity %v max %d n %d seed %s\n", op.Kind, op.Name, exprText(op.Keep), exprText(op.By), op.Similarity, op.Max, op.N, asJSON(op.Seed))
			if op.Split != nil {
				fmt.Fprintf(&b, "  split %s by %s %v seed %d\n", op.Of, exprText(op.Split.By), op.Split.Ratios, op.Split.Seed)
			}
		}
		summariseEvaluation(&b, s)
		if s.Dataset == nil {
			continue
		}
		if split := s.Dataset.Split; split != nil {
			fmt.Fprintf(&b, "  split by %s %v seed %d\n", exprText(split.By), split.Ratios, split.Seed)
		}
		for _, out := range s.Dataset.Outputs {
			fmt.Fprintf(&b, "  %s -> %s\n", out.Address, out.Path)
			summariseRole(&b, &out.Role)
		}
	}
	fmt.Fprintf(&b, "\nvariables %s\n", asJSON(r.Variables))
	return b.String()
}

func summariseRole(b *strings.Builder, role *RoleBody) {
	fmt.Fprintf(b, "  component %s %q of %q\n  config %s\n", role.Component.Role, role.Component.Name, role.Plugin.Source, role.Config)
	for _, part := range role.KeyConfig {
		fmt.Fprintf(b, "  key %s = %q\n", part.Name, part.Value)
	}
	for _, slot := range sortedKeys(role.Models) {
		fmt.Fprintf(b, "  slot %s = %s\n", slot, role.Models[slot].Name)
	}
	for _, m := range role.RowMap {
		fmt.Fprintf(b, "  map %s = %s\n", m.Column, m.Expr.Text())
	}
	fmt.Fprintf(b, "  samples %d, reads %v all %t, block column %q, files %v\n", role.Samples, role.Reads, role.ReadsAll, role.BlockColumn, role.Files)
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func exprText(e *Expr) string {
	if e == nil {
		return "-"
	}
	return fmt.Sprintf("%q", e.Text())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		writeFile(t, name, got)
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", name, got)
	}
}

func designOptions() Options {
	return Options{Environ: []string{"OPENAI_API_KEY=sk-0123456789"}, Version: "0.1.0"}
}

// TestDesignExample decodes the example of the language's description.
func TestDesignExample(t *testing.T) {
	r := decodeDir(t, "testdata/design", designOptions())
	golden(t, "testdata/design/summary.txt", summary(r))
	if strings.Contains(summary(r), "sk-0123456789") {
		t.Error("the key is in the summary")
	}
	if key := r.Models[0].Provider.APIKey.Reveal(); key != "sk-0123456789" {
		t.Errorf("key %q", key)
	}
	if r.Models[0].Provider != r.Models[1].Provider {
		t.Error("a provider was read twice")
	}
	if steps := r.Steps; steps[len(steps)-1].Inputs[0] != steps[len(steps)-2] {
		t.Error("inputs are not the steps themselves")
	}
}

// TestJSONTwin decodes the same recipe from JSON syntax.
func TestJSONTwin(t *testing.T) {
	native := summary(decodeDir(t, "testdata/design", designOptions()))
	if got := summary(decodeDir(t, "testdata/twin", designOptions())); got != native {
		t.Errorf("got:\n%s\nwant:\n%s", got, native)
	}
}

// keyed is a recipe with one role block of each kind, with room for other
// names, comments and order.
func keyed(s string, reversed bool) string {
	sub := func(text string) string {
		return strings.NewReplacer("NAME", s, "COMMENT", "# about "+s).Replace(text)
	}
	blocks := []string{
		"COMMENT\nprovider \"openai\" \"pNAME\" {\n  base_url = \"http://localhost:1/v1/\" COMMENT\n}\n",
		"model \"mNAME\" {\n  COMMENT\n  name     = \"x\"\n  provider = provider.openai.pNAME\n}\n",
		"locals {\n  lNAME = [\"finance\"] COMMENT\n}\n",
		"threat_source \"catalog\" \"sNAME\" {\n  domains = local.lNAME\n}\n",
		"simulator \"instructions\" \"iNAME\" {\n  COMMENT\n  input = threat_source.catalog.sNAME\n  model = model.mNAME\n  mix   = { normal = 1 }\n}\n",
		"judge \"rubric\" \"quality\" {\n  input  = simulator.instructions.iNAME\n  model  = model.mNAME\n  schema = { type = \"object\", properties = { a = { type = \"string\" } } }\n}\n",
	}
	if reversed {
		for i, j := 0, len(blocks)-1; i < j; i, j = i+1, j-1 {
			blocks[i], blocks[j] = blocks[j], blocks[i]
		}
	}
	return sub(strings.Join(blocks, "\n"))
}

// TestNamesStandInNoKey renames blocks, changes comments and turns the order
// around: what keys are made of stays.
func TestNamesStandInNoKey(t *testing.T) {
	parts := func(text string) map[string]string {
		got := map[string]string{}
		for _, s := range decodeText(t, text, Options{}).Steps {
			var b strings.Builder
			summariseKey(&b, s)
			got[s.Role.Component.Name] = b.String()
		}
		return got
	}
	a, b := parts(keyed("1", false)), parts(keyed("other", true))
	if len(a) != 3 || len(b) != 3 {
		t.Fatalf("%d and %d steps", len(a), len(b))
	}
	for name := range a {
		if a[name] != b[name] {
			t.Errorf("%s:\n%s\n%s", name, a[name], b[name])
		}
	}
	changed := parts(strings.Replace(keyed("1", false), `["finance"]`, `["health"]`, 1))
	if changed["catalog"] == a["catalog"] || changed["instructions"] != a["instructions"] {
		t.Error("a change of one block's configuration does not show in that block alone")
	}
}

func summariseKey(b *strings.Builder, s *Step) {
	for _, part := range s.Role.KeyConfig {
		fmt.Fprintf(b, "%s=%q ", part.Name, part.Value)
	}
	for _, slot := range sortedKeys(s.Role.Models) {
		m := *s.Role.Models[slot]
		m.Name = ""
		fmt.Fprintf(b, "%s=%s %s ", slot, m.ID, m.Provider.Identity())
	}
	fmt.Fprintf(b, "reads %v seed %d generation %d", s.Role.Reads, s.Seed, s.Generation)
}

// TestKeyConfig checks what stands in keys and what does not.
func TestKeyConfig(t *testing.T) {
	r := decodeText(t, `
variable "token" {
  default   = "secret-token"
  sensitive = true
}
threat_source "acme_tickets" "a" {
  token     = var.token
  page_size = 50
  rule "b" { weights = [2, 0.50, 1e3] }
  rule "a" {
    weights = []
    text    = "{{ .topic }}"
  }
}
`, Options{})
	role := r.Steps[0].Role
	want := `{"page_size":50,"rule":[{"text":"","topic":"b","weights":[2,0.5,1000]},{"text":"{{ .topic }}","topic":"a","weights":[]}],"shape":null,"token":"secret-token"}`
	if string(role.Config) != want {
		t.Errorf("config %s", role.Config)
	}
	if len(role.KeyConfig) != 1 || role.KeyConfig[0].Name != "rule" ||
		string(role.KeyConfig[0].Value) != `[{"text":"","topic":"b","weights":[2,0.5,1000]},{"text":"{{ .topic }}","topic":"a","weights":[]}]` {
		t.Errorf("key %s", role.KeyConfig)
	}
	if role.Plugin.Name != "acme" || role.Component.Name != "tickets" {
		t.Errorf("plugin %+v, component %s", role.Plugin, role.Component.Name)
	}
	if len(r.Variables) != 0 {
		t.Errorf("variables %v", r.Variables)
	}
}
