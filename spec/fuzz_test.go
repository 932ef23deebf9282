package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/autosafe/autosafe/spec/schema"
)

// fuzzRegistry has no attributes of kind Files: a fuzzed path could be any
// folder of the machine.
type fuzzRegistry struct{ fakeRegistry }

func (r fuzzRegistry) Component(role schema.Role, label string) (*schema.Component, PluginRef, bool) {
	c, ref, ok := r.fakeRegistry.Component(role, label)
	var attrs []schema.Attribute
	for _, a := range c.Config.Attributes {
		if a.Kind != schema.Files {
			attrs = append(attrs, a)
		}
	}
	c.Config.Attributes = attrs
	return c, ref, ok
}

// seeds are all recipes in testdata with the given ending.
func seeds(f *testing.F, ending string) {
	err := filepath.WalkDir("testdata", func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ending) {
			return err
		}
		src, err := os.ReadFile(path)
		if err == nil {
			f.Add(src)
		}
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

const fuzzSize = 8 << 10

// patience is how long something that ends may take on the slowest machine. It
// bounds a hang and measures nothing.
const patience = 5 * time.Minute

// fuzzDecode reads a recipe: no panic, no hang, no secret in what is printed.
func fuzzDecode(t *testing.T, name string, src []byte) {
	if len(src) > fuzzSize || strings.Contains(string(src), "human") { // its files, too, could be anywhere
		return
	}
	const key = "sk-fuzz-0123456789"
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, name), string(src))
	begin := time.Now()
	parsed, diags := Parse(dir)
	if !diags.HasErrors() {
		var r *Recipe
		r, diags = parsed.Decode(Options{
			Registry: fuzzRegistry{}, Version: "0.1.0",
			Environ: []string{"OPENAI_API_KEY=" + key, "SERVICE_TOKEN=" + key}, Vars: []string{"samples=3", "secret=" + key},
		})
		if (r == nil) != diags.HasErrors() {
			t.Errorf("recipe %v, problems %v", r, diags)
		}
		if r != nil {
			checkRecipe(t, r, key)
		}
	}
	if strings.Contains(render(t, parsed.Files, diags), key) {
		t.Error("a secret is printed")
	}
	if took := time.Since(begin); took > patience {
		t.Errorf("it took %s", took)
	}
}

// checkRecipe checks what holds for every recipe that passes.
func checkRecipe(t *testing.T, r *Recipe, key string) {
	seen := map[*Step]bool{}
	for _, s := range r.Steps {
		for _, in := range s.Inputs {
			if !seen[in] {
				t.Errorf("%s comes before its input %s", s.Address, in.Address)
			}
		}
		seen[s] = true
		if s.Role != nil {
			for _, part := range s.Role.KeyConfig {
				if strings.Contains(string(part.Value), key) {
					t.Errorf("a secret is in the key of %s", s.Address)
				}
			}
		}
	}
}

func FuzzRecipe(f *testing.F) {
	seeds(f, ".hcl")
	f.Fuzz(func(t *testing.T, src []byte) { fuzzDecode(t, "recipe.hcl", src) })
}

func FuzzRecipeJSON(f *testing.F) {
	seeds(f, ".hcl.json")
	f.Fuzz(func(t *testing.T, src []byte) { fuzzDecode(t, "recipe.hcl.json", src) })
}

// tokensOf are the tokens of a file but for its layout.
func tokensOf(src []byte) string {
	tokens, _ := hclsyntax.LexConfig(src, "recipe.hcl", hcl.InitialPos)
	var b strings.Builder
	for _, token := range tokens {
		if text := strings.TrimSpace(string(token.Bytes)); text != "" {
			b.WriteString(text + " ")
		}
	}
	return b.String()
}

// FuzzFormat: what is formatted is formatted, and means the same.
func FuzzFormat(f *testing.F) {
	seeds(f, ".hcl")
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > fuzzSize {
			return
		}
		once, diags := Format("recipe.hcl", src)
		if diags.HasErrors() {
			return
		}
		twice, diags := Format("recipe.hcl", once)
		if diags.HasErrors() || string(twice) != string(once) {
			t.Errorf("%q\nbecomes %q\nand then %q %v", src, once, twice, diags)
		}
		if before, after := tokensOf(src), tokensOf(once); before != after {
			t.Errorf("%q\nbecomes %q", before, after)
		}
	})
}
