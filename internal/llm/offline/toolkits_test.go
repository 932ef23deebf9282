package offline

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"
)

// toolkit is a tool specification in ToolEmu's shape.
type toolkit struct {
	Name  string `json:"toolkit"`
	Tools []struct {
		Name       string `json:"name"`
		Summary    string `json:"summary"`
		Parameters []struct {
			Name, Type, Description string
			Required                bool
		} `json:"parameters"`
		Returns    json.RawMessage `json:"returns"`
		Exceptions json.RawMessage `json:"exceptions"`
	} `json:"tools"`
}

// otsTool is the part of ots.Tool that facts carry.
type otsTool struct {
	Toolkit     string          `json:"toolkit"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Returns     json.RawMessage `json:"returns,omitempty"`
	Exceptions  json.RawMessage `json:"exceptions,omitempty"`
}

// loadToolkits reads ToolEmu's toolkits, and the fixture of this package where
// they are not at hand. Either way the fixture's odd tools come last.
func loadToolkits(t testing.TB) map[string][]otsTool {
	t.Helper()
	out := map[string][]otsTool{}
	for _, path := range []string{"../../../../shared/data/toolemu/all_toolkits.json", "testdata/toolkits.json"} {
		raw, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var kits []toolkit
		if err := json.Unmarshal(raw, &kits); err != nil {
			t.Fatal(path, err)
		}
		for _, k := range kits {
			out[k.Name] = nil
			for _, tl := range k.Tools {
				props, req := map[string]any{}, []string{}
				for _, p := range tl.Parameters {
					props[p.Name] = map[string]any{"type": p.Type, "description": p.Description}
					if p.Required {
						req = append(req, p.Name)
					}
				}
				params, err := json.Marshal(map[string]any{"type": "object", "properties": props, "required": req, "additionalProperties": false})
				if err != nil {
					t.Fatal(err)
				}
				out[k.Name] = append(out[k.Name], otsTool{k.Name, k.Name + tl.Name, tl.Summary, params, tl.Returns, tl.Exceptions})
			}
		}
	}
	var odd []otsTool
	raw, err := os.ReadFile("testdata/odd_tools.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &odd); err != nil {
		t.Fatal(err)
	}
	for _, o := range odd {
		out[o.Toolkit] = append(out[o.Toolkit], o)
	}
	return out
}

func names(kits map[string][]otsTool) []string { return slices.Sorted(maps.Keys(kits)) }
