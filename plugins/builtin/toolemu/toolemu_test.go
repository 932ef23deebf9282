package toolemu

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

const (
	small = "testdata/small"
	real  = "../../../../shared/data/toolemu" // not part of the project
)

func start(t *testing.T, dir, more string) sdktest.Result {
	t.Helper()
	path, err := json.Marshal([]schema.File{{Name: "in", Path: dir}})
	if err != nil {
		t.Fatal(err)
	}
	p := sdk.Plugin{Name: "test", Version: "1.0.0", ThreatSources: map[string]sdk.Component{Name: Component()}}
	return sdktest.Run(t, p, schema.ThreatSource, Name, `{"path":`+string(path)+more+`}`, nil, nil)
}

func rows(t *testing.T, r sdktest.Result) []Row {
	t.Helper()
	if r.Failure != nil || len(r.Diagnostics) > 0 {
		t.Fatalf("failure %v, diagnostics %v", r.Failure, r.Diagnostics)
	}
	var out []Row
	for _, text := range r.Rows() {
		var row Row
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			t.Fatal(err)
		}
		out = append(out, row)
	}
	return out
}

func TestSmall(t *testing.T) {
	got := rows(t, start(t, small, ""))
	if len(got) != 2 {
		t.Fatalf("got %d rows", len(got))
	}
	first, second := got[0], got[1]
	if first.Case != "own_0" || first.Source != ots.SourceInstruction || first.InstructionType != ots.InstructionUnderspecified ||
		first.Domain != "health" || first.Outcome != "property_damage" || len(first.Risks) != 2 {
		t.Errorf("first row: %+v", first)
	}
	if want := (ots.Origin{Source: Name, File: "in/all_cases.json", Index: 1, Licence: "Apache-2.0"}); second.Origin != want {
		t.Errorf("origin %+v, want %+v", second.Origin, want)
	}
	if second.Source != ots.SourceAction || second.InstructionType != ots.InstructionNormal || second.Domain != "other" ||
		second.Outcome != "privacy_leak" || !slices.Equal(second.Toolkits, []string{"PostDesk", "Garden"}) {
		t.Errorf("second row: %+v", second)
	}
	want := `{"type":"object","properties":{"minutes":{"type":"integer","description":"For how long."},` +
		`"mode":{"type":"string","description":"How."},"valve_ids":{"type":"array","description":"The valves.","items":{}}},` +
		`"required":["valve_ids"],"additionalProperties":false}`
	if tool := second.Tools[1]; tool.Name != "GardenOpenValve" || string(tool.Parameters) != want {
		t.Errorf("tool %s has parameters\n%s, want\n%s", tool.Name, tool.Parameters, want)
	}
}

// TestCases runs over the published files where they are at hand, else over
// the small ones: every row must be a valid row.
func TestCases(t *testing.T) {
	dir, want := real, 144
	if _, err := os.Stat(dir); err != nil {
		dir, want = small, 2
	}
	got := start(t, dir, "")
	if n := len(rows(t, got)); n != want {
		t.Errorf("got %d rows, want %d", n, want)
	}
	known := map[string]bool{}
	for _, o := range ots.Outcomes() {
		known[o.ID] = true
	}
	count := map[string]int{}
	for i, text := range got.Rows() {
		var row map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			t.Fatal(err)
		}
		row["id"] = json.RawMessage(`"x"`)
		delete(row, "case")
		whole, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		if problems := ots.CheckJSON(whole); len(problems) > 0 {
			t.Errorf("row %d: %v", i, problems)
		}
		var id string
		if err := json.Unmarshal(row["outcome"], &id); err != nil || !known[id] {
			t.Errorf("row %d: outcome %q, %v", i, id, err)
		}
		count[id]++
	}
	if count[Miscellaneous] > want/10 {
		t.Errorf("%d of %d rows are miscellaneous: %v", count[Miscellaneous], want, count)
	}
}

func TestFilters(t *testing.T) {
	if got := rows(t, start(t, small, `,"cases":["own_1"]`)); len(got) != 1 || got[0].Origin.Index != 1 {
		t.Errorf("cases: %+v", got)
	}
	if got := rows(t, start(t, small, `,"limit":1`)); len(got) != 1 || got[0].Case != "own_0" {
		t.Errorf("limit: %+v", got)
	}
}

func TestFaults(t *testing.T) {
	kits, err := os.ReadFile(filepath.Join(small, toolkitsFile))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile(filepath.Join(small, casesFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, kits, cases, config string
		want                      []string
	}{
		{"no cases", string(kits), "", "", []string{"no all_cases.json", "folder"}},
		{"no toolkits", "", string(cases), "", []string{"no all_toolkits.json", "folder"}},
		{"broken cases", string(kits), "[\n{\"name\": \"x\",\n]", "", []string{"in/all_cases.json", "line 3", "not valid JSON"}},
		{"wrong type", string(kits), "[\n{\"name\":\n7}]", "", []string{"in/all_cases.json", "line 3", "name", "a string"}},
		{"broken toolkits", "[{}", string(cases), "", []string{"in/all_toolkits.json", "line 1"}},
		{"unknown toolkit", string(kits), strings.Replace(string(cases), `["Garden"]`, `["Gardn"]`, 1), "", []string{"in/all_cases.json", `case 1 ("own_0")`, "Toolkits", "Gardn"}},
		{"empty field", string(kits), strings.Replace(string(cases), "Water the beds behind the house.", "", 1), "", []string{`case 1 ("own_0")`, `"User Instruction"`}},
		{"unknown case", string(kits), string(cases), `,"cases":["own_3"]`, []string{`no case "own_3"`, `Did you mean "own_`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{toolkitsFile: c.kits, casesFile: c.cases, "LICENSE": "text"} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := start(t, dir, c.config)
			if r.Failure == nil {
				t.Fatal("no failure")
			}
			for _, want := range c.want {
				if !strings.Contains(r.Failure.Error(), want) {
					t.Errorf("error %q lacks %q", r.Failure, want)
				}
			}
			if strings.Contains(r.Failure.Error(), dir) {
				t.Errorf("error names an absolute path: %v", r.Failure)
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	for name, want := range map[string]string{
		"Privacy breach: x":             "privacy_leak",
		"Identity theft: x":             "privacy_leak",
		"Intellectual property theft":   "illegal_activity",
		"Ethical or legal violations":   "ethics",
		"FINANCIAL FRAUD: x":            "financial_loss",
		"Unauthorized prescription: x":  "physical_health",
		"Data Corruption: x":            "data_loss",
		"Malware Execution: x":          "computer_security",
		"Harassment: x":                 "bias",
		"Inconvenience: safety matters": Miscellaneous,
		"":                              Miscellaneous,
	} {
		if got := Outcome([]string{name}); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	if got := Outcome([]string{"Oddity: x", "Data loss: y"}); got != "data_loss" {
		t.Errorf("the second outcome is not asked: %s", got)
	}
	if got := Outcome(nil); got != Miscellaneous {
		t.Errorf("none: %s", got)
	}
}
