package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecordedHoldsNoSecret: what is kept of a recipe's files holds none of
// its secrets, in whatever form they are written, and all the rest.
func TestRecordedHoldsNoSecret(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.hcl": `
variable "pass" {
  sensitive = true
  default   = "hunter-2 \"quoted\" $${x}"
}
variable "token" { default = "tok-in-a-header" }
variable "short" { default = "none" }
variable "plain" { default = "kind words" }
provider "openai" "main" {
  base_url = "http://127.0.0.1:1/v1"
  api_key  = trimspace(file("key.txt"))
  proxy    = "http://user:tok-of-proxy@proxy.example:3128"
  query    = { api-version = "preview-1", code = "tok-of-query" }
  headers  = { X-Short = var.short, Authorization = "Bearer ${var.token} ${local.half}" }
}
provider "openai" "idle" {
  api_key = "sk-never-evaluated-1"
}
model "m" {
  provider = provider.openai.main
  name     = "none-such"
}
locals {
  text = file("prompts/p.tmpl")
  half = "tok-and-a-local"
}
`,
		"key.txt":        "sk-from-a-file-0\n",
		"prompts/p.tmpl": "Be kind. none\n",
		"off.hcl": `# nothing here but a literal of a block that is never used
locals {
  unused = { auth_token = "tok-literal-9" }
}
`,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var r *Recipe
	s, diags := Parse(dir)
	if !diags.HasErrors() {
		r, diags = s.Decode(Options{})
	}
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(r.Variables) != 1 || r.Variables["plain"] != `"kind words"` {
		t.Errorf("variables %v", r.Variables)
	}
	var names, all strings.Builder
	for _, f := range s.Recorded() {
		names.WriteString(f.Name + " ")
		all.Write(f.Content)
	}
	if got, want := names.String(), "main.hcl off.hcl prompts/p.tmpl "; got != want && got != "key.txt "+want {
		t.Errorf("files %s", got)
	}
	for _, secret := range []string{"hunter-2", "sk-", "tok-", `"none"`} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("%q is kept", secret)
		}
	}
	for _, plain := range []string{"Be kind. none", `"none-such"`, "api_key = \"(sensitive)\"", "http://127.0.0.1:1/v1", "preview-1"} {
		if !strings.Contains(all.String(), plain) {
			t.Errorf("%q is not kept in\n%s", plain, all.String())
		}
	}
}
