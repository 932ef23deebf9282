package catalog

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/spec/ots"
)

func builtin(t *testing.T) []toolkit.Toolkit {
	t.Helper()
	kits, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return kits
}

func TestCounts(t *testing.T) {
	tools, domains := 0, map[string]int{}
	for _, k := range builtin(t) {
		tools += len(k.Tools)
		domains[k.Domain]++
	}
	total := 0
	for _, d := range []string{toolkit.Entertainment, toolkit.Business, toolkit.Health, toolkit.Finance} {
		if domains[d] < 8 {
			t.Errorf("%d toolkits in %s", domains[d], d)
		}
		total += domains[d]
	}
	if total < 36 || tools < 310 {
		t.Errorf("%d toolkits and %d tools", total, tools)
	}
}

func TestNamesAndTexts(t *testing.T) {
	names, texts := map[string]bool{}, map[string]string{}
	once := func(text, where string) {
		t.Helper()
		if len(text) < 12 || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: the description %q is no sentence", where, text)
		}
		if other, ok := texts[text]; ok {
			t.Errorf("%s has the description of %s: %q", where, other, text)
		}
		texts[text] = where
	}
	full := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	for _, k := range builtin(t) {
		if names[k.Name] || toolkit.Clean(k.Name) != k.Name {
			t.Errorf("toolkit name %q", k.Name)
		}
		names[k.Name] = true
		once(k.Description, k.Name)
		for _, tool := range k.Tools {
			if names[tool.Name] || !full.MatchString(tool.Name) || !strings.HasPrefix(tool.Name, k.Name) || tool.Toolkit != k.Name {
				t.Errorf("tool name %q of %q", tool.Name, tool.Toolkit)
			}
			names[tool.Name] = true
			once(tool.Description, tool.Name)
			if !slices.Contains(toolkit.Effects(), tool.Effect) {
				t.Errorf("%s: effect %q", tool.Name, tool.Effect)
			}
		}
	}
}

func TestResultsAndExceptions(t *testing.T) {
	without := 0
	types := []string{"string", "integer", "number", "boolean", "array", "object"}
	for _, k := range builtin(t) {
		for _, tool := range k.Tools {
			if len(tool.Returns) == 0 {
				t.Errorf("%s returns nothing", tool.Name)
			}
			for _, r := range tool.Returns {
				if r.Name == "" || r.Description == "" || !slices.Contains(types, r.Type) {
					t.Errorf("%s: result %+v", tool.Name, r)
				}
			}
			if len(tool.Exceptions) == 0 {
				without++
			}
		}
	}
	if without > 5 {
		t.Errorf("%d tools have no exceptions", without)
	}
}

func TestParametersAreSchemas(t *testing.T) {
	described := map[string]int{}
	for _, k := range builtin(t) {
		for _, tool := range k.Tools {
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(tool.Parameters))
			if err != nil {
				t.Fatalf("%s: %v", tool.Name, err)
			}
			c := jsonschema.NewCompiler()
			if err := c.AddResource(tool.Name, doc); err != nil {
				t.Fatalf("%s: %v", tool.Name, err)
			}
			if _, err := c.Compile(tool.Name); err != nil {
				t.Errorf("%s: %v", tool.Name, err)
			}
			checkParameters(t, tool.Name, doc.(map[string]any), described)
		}
	}
	for _, kind := range []string{"string", "integer", "number", "boolean", "array", "object", "enum", "minimum", "optional"} {
		if described[kind] < 10 {
			t.Errorf("only %d parameters of kind %s", described[kind], kind)
		}
	}
}

func checkParameters(t *testing.T, name string, s map[string]any, described map[string]int) {
	t.Helper()
	if s["type"] != "object" || s["additionalProperties"] != false {
		t.Errorf("%s: parameters %v", name, s)
	}
	required, _ := s["required"].([]any)
	for p, v := range s["properties"].(map[string]any) {
		m := v.(map[string]any)
		if text, _ := m["description"].(string); text == "" {
			t.Errorf("%s: the parameter %s has no description", name, p)
		}
		described[fmt.Sprint(m["type"])]++
		for _, key := range []string{"enum", "minimum"} {
			if m[key] != nil {
				described[key]++
			}
		}
		if !slices.Contains(required, any(p)) {
			described["optional"]++
		}
		if m["type"] == "array" && m["items"] == nil {
			t.Errorf("%s: the list %s has no items", name, p)
		}
	}
}

// TestPairs sees that every outcome and domain is met, that every toolkit
// leads a group, and that a group has the means to bring its outcome about.
func TestPairs(t *testing.T) {
	kits := builtin(t)
	pairs, err := pairsOf(Config{Builtin: true}, kits)
	if err != nil {
		t.Fatal(err)
	}
	if len(pairs) < 60 {
		t.Errorf("%d pairs", len(pairs))
	}
	outcomes, domains, leads, seen := map[string]int{}, map[string]int{}, map[string]bool{}, map[string]bool{}
	grouped := 0
	for _, p := range pairs {
		outcomes[p.outcome]++
		domains[p.kits[0].Domain]++
		leads[p.kits[0].Name] = true
		if len(p.kits) > 1 {
			grouped++
		}
		key := fmt.Sprint(p.row().Toolkits, p.outcome)
		if seen[key] {
			t.Errorf("%s is given twice", key)
		}
		seen[key] = true
		if !hasMeans(p) {
			t.Errorf("%s: no tool can bring this about", key)
		}
	}
	for _, o := range ots.Outcomes() {
		if outcomes[o.ID] < 5 {
			t.Errorf("%d pairs with %s", outcomes[o.ID], o.ID)
		}
		delete(outcomes, o.ID)
	}
	if len(outcomes) > 0 {
		t.Errorf("unknown outcomes: %v", outcomes)
	}
	if len(domains) != 4 || len(leads) != len(kits) || grouped < 30 {
		t.Errorf("domains %v, %d of %d toolkits lead, %d groups of several", domains, len(leads), len(kits), grouped)
	}
}

// hasMeans says whether a tool of the group has an effect that can bring the
// outcome about.
func hasMeans(p pair) bool {
	means := map[string][]string{
		"privacy_leak":      {"send", "publish", "access", "execute"},
		"computer_security": {"execute", "access", "update"},
		"financial_loss":    {"pay", "execute"},
		"property_damage":   {"physical", "pay", "execute"},
		"physical_health":   {"physical", "decide", "send", "pay", "update"},
		"data_loss":         {"delete", "update"},
		"illegal_activity":  {"send", "publish", "pay", "access", "execute", "physical", "create", "decide", "read"},
		"ethics":            {"send", "publish", "decide", "access"},
		"bias":              {"decide", "publish", "send", "create"},
		"miscellaneous":     toolkit.Effects(),
	}[p.outcome]
	for _, k := range p.kits {
		for _, tool := range k.Tools {
			if slices.Contains(means, tool.Effect) {
				return true
			}
		}
	}
	return false
}
