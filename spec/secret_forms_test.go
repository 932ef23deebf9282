package spec

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// TestNoRestOfASecretStays: of a secret that begins with another, the end too
// is cut out, in whatever order a map gives them.
func TestNoRestOfASecretStays(t *testing.T) {
	s := secrets{"abcd": true, "abcdef": true, "abcdefgh-xyz": true}
	for range 20 {
		diags := s.redact(hcl.Diagnostics{{Summary: "no abcdefgh-xyz", Detail: "nor abcdef"}}, nil)
		if diags[0].Summary != "no (sensitive)" || diags[0].Detail != "nor (sensitive)" {
			t.Fatalf("%q %q", diags[0].Summary, diags[0].Detail)
		}
	}
}

// TestSecretsAreCutInEveryForm: a message may quote a secret, and then what
// stands there is another text.
func TestSecretsAreCutInEveryForm(t *testing.T) {
	const secret = "sk-<\"q\"\\é>-0123"
	s := secrets{}
	s.add(cty.StringVal(secret))
	for _, form := range written(secret) {
		diags := s.redact(hcl.Diagnostics{{Summary: "no " + form, Detail: `cannot use "` + form + `"`}}, nil)
		for _, text := range []string{diags[0].Summary, diags[0].Detail} {
			if strings.Contains(text, "0123") {
				t.Errorf("left in %s", text)
			}
		}
	}
}
