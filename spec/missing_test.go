package spec

import (
	"strings"
	"testing"
)

const keylessRecipe = `
provider "openai" "main" {
  base_url = "http://127.0.0.1:1/v1"
  api_key  = env("OPENAI_API_KEY")
  headers = {
    Authorization = "Bearer ${env("PROXY_TOKEN")}"
    X-Pass        = "pass-in-a-header"
  }
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
`

// TestMissingSecrets: secrets that are not there are told by the provider,
// each at its place, and change nothing else of the recipe.
func TestMissingSecrets(t *testing.T) {
	p := decodeText(t, keylessRecipe, Options{}).Models[0].Provider
	if len(p.Missing) != 2 {
		t.Fatal(p.Missing)
	}
	for i, want := range []struct {
		line int
		name string
	}{{4, "OPENAI_API_KEY"}, {6, "PROXY_TOKEN"}} {
		d := p.Missing[i]
		if d.Summary != "Missing environment variable" || d.Subject == nil || d.Subject.Start.Line != want.line || !strings.Contains(d.Detail, want.name+" is not set") {
			t.Errorf("%v", d)
		}
		checkStyle(t, d)
	}
	whole := decodeText(t, keylessRecipe, Options{Environ: []string{"OPENAI_API_KEY=sk-1234", "PROXY_TOKEN=pt-1234"}}).Models[0].Provider
	if len(whole.Missing) > 0 || whole.APIKey.Reveal() != "sk-1234" || whole.Headers["Authorization"] != "Bearer pt-1234" {
		t.Error("the provider lacks its secrets")
	}
	if p.Identity() != whole.Identity() {
		t.Errorf("identity %q without secrets, %q with them", p.Identity(), whole.Identity())
	}
}

// TestMissingSecretsHideNoMistake: what is wrong beside them is an error, and
// what is secret beside them stays so.
func TestMissingSecretsHideNoMistake(t *testing.T) {
	text := strings.Replace(keylessRecipe, `"Bearer ${env("PROXY_TOKEN")}"`, `nosuch("x")`, 1)
	if got := failText(t, text, Options{}); !strings.Contains(got, "nosuch") || strings.Contains(got, "is not set") {
		t.Error(got)
	}
	src, diags := Parse(writeRecipe(t, keylessRecipe))
	if !diags.HasErrors() {
		_, diags = src.Decode(Options{Registry: fakeRegistry{}})
	}
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if got := string(src.Recorded()[0].Content); strings.Contains(got, "pass-in-a-header") || !strings.Contains(got, "X-Pass") {
		t.Errorf("what is recorded:\n%s", got)
	}
}
