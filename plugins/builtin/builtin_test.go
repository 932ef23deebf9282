package builtin_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

func describe(t *testing.T) []schema.Component {
	t.Helper()
	list, err := sdk.Describe(builtin.Plugin())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestComponents(t *testing.T) {
	var got []string
	for _, c := range describe(t) {
		got = append(got, string(c.Role)+" "+c.Name)
	}
	for _, want := range []string{
		"threat_source catalog", "threat_source toolemu", "threat_source jsonl",
		"simulator instructions", "simulator trajectory", "reflector retry", "judge safety", "judge rubric",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// pin is what a component's cache keys rest on without the recipe's help.
type pin struct {
	Behavior string `json:"behavior"`
	Defaults string `json:"defaults"` // digest of the attributes, defaults and prompts included
}

// A component's defaults and prompts are its behaviour as much as its code.
// The test fails when they change, so that nobody changes what users' recipes
// mean without noticing. A changed default is in every key by itself; raise
// the behaviour version if the code's output changes as well.
func TestDefaultsArePinned(t *testing.T) {
	got := map[string]pin{}
	for _, c := range describe(t) {
		name := string(c.Role) + "." + c.Name
		if c.BehaviorVersion == "" {
			t.Errorf("%s declares no behaviour version, so each build of autosafe would re-run it", name)
		}
		sum := sha256.Sum256([]byte(defaults(t, "", c.Config)))
		got[name] = pin{c.BehaviorVersion, hex.EncodeToString(sum[:8])}
	}
	golden := filepath.Join("testdata", "defaults.json")
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]pin
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for name, p := range got {
		if want[name] != p {
			t.Errorf("%s: %+v, pinned is %+v; if the change is meant, run this test with -update", name, p, want[name])
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is pinned and gone", name)
		}
	}
}

// defaults writes a block's attributes in a form that changes when their
// names, types, kinds or defaults do.
func defaults(t *testing.T, prefix string, b schema.Block) string {
	t.Helper()
	var out strings.Builder
	for _, a := range b.Attributes {
		value := []byte("none")
		if hasDefault(a) {
			var err error
			if value, err = schema.ValueToJSON(a.Default); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintf(&out, "%s%s %s %q %t %s\n", prefix, a.Name, a.Type.FriendlyName(), a.Kind, a.Required, value)
	}
	for _, n := range b.Blocks {
		out.WriteString(defaults(t, prefix+n.Type+".", n.Block))
	}
	return out.String()
}

func hasDefault(a schema.Attribute) bool { return a.Default != schema.Attribute{}.Default }

// Every text that a recipe's author may meet is there.
func TestEverythingIsDocumented(t *testing.T) {
	for _, c := range describe(t) {
		name := string(c.Role) + "." + c.Name
		if c.Doc == "" {
			t.Errorf("%s has no doc", name)
		}
		for _, a := range c.Config.Attributes {
			if a.Doc == "" {
				t.Errorf("%s: attribute %s has no doc", name, a.Name)
			}
			if a.Kind == schema.Template && len(a.Variables) == 0 {
				t.Errorf("%s: template %s declares no variables", name, a.Name)
			}
			for _, v := range a.Variables {
				if v.Doc == "" {
					t.Errorf("%s: variable %s of %s has no doc", name, v.Name, a.Name)
				}
			}
		}
		for _, list := range [][]schema.Column{c.Reads, c.Writes} {
			for _, col := range list {
				if col.Doc == "" {
					t.Errorf("%s: column %s has no doc", name, col.Name)
				}
			}
		}
	}
}

// Default prompts parse and use declared variables alone; what they do with
// them is tested beside each component.
func TestDefaultPromptsParse(t *testing.T) {
	for _, c := range describe(t) {
		for _, a := range c.Config.Attributes {
			if a.Kind != schema.Template || !hasDefault(a) {
				continue
			}
			if _, err := schema.ParseTemplate(a.Name, a.Default.AsString()); err != nil {
				t.Errorf("%s.%s: %v", c.Role, c.Name, err)
			}
			if strings.Contains(a.Default.AsString(), "\t") {
				t.Errorf("%s %s: the default prompt holds a tab", c.Name, a.Name)
			}
		}
	}
}
