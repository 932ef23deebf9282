package cli

import (
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

// A call that no plan foresaw and that has no key is told of where the key is
// missing, once for all models of a provider.
func TestKeylessCall(t *testing.T) {
	place := hcl.Range{Filename: "recipe.hcl", Start: hcl.Pos{Line: 15}}
	p := &spec.Provider{Missing: hcl.Diagnostics{{Summary: "Missing environment variable", Detail: "THE_KEY is not set.", Subject: &place}}}
	recipe := &spec.Recipe{Steps: []*spec.Step{
		{Address: "judge.rubric.a", Role: &spec.RoleBody{Models: map[string]*spec.Model{"x": {Provider: p}, "y": {Provider: p}}}},
		{Address: "judge.rubric.b", Role: &spec.RoleBody{Models: map[string]*spec.Model{"x": {Provider: &spec.Provider{}}}}},
	}}
	e := &engine.RunError{Address: "judge.rubric.a", Code: string(llm.CodeMissingKey), Summary: "no key"}
	diags := buildDiagnostics(recipe, e)
	if len(diags) != 1 || *diags[0] != *p.Missing[0] || diags[0] == p.Missing[0] {
		t.Error(diags)
	}
	e.Address = "judge.rubric.b"
	if diags := buildDiagnostics(recipe, e); len(diags) != 1 || diags[0].Summary != "No key" {
		t.Error(diags)
	}
}
