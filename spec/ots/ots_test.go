package ots_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/ots"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestOutcomes(t *testing.T) {
	want := []string{
		"privacy_leak", "computer_security", "financial_loss", "property_damage", "physical_health",
		"data_loss", "illegal_activity", "ethics", "bias", "miscellaneous",
	}
	set, err := ots.NewOutcomeSet()
	if err != nil {
		t.Fatal(err)
	}
	if got := set.IDs(); !slices.Equal(got, want) {
		t.Fatalf("ids = %v, want %v", got, want)
	}
	for _, o := range ots.Outcomes() {
		if o.Name == "" || len(o.Description) < 40 || len(o.Guidance) < 40 {
			t.Errorf("%s: name, description or guidance is thin", o.ID)
		}
		prefix := map[string]string{
			ots.VocabularyOWASPLLM: "LLM", ots.VocabularyOWASPAgentic: "ASI", ots.VocabularyATLAS: "AML.T", ots.VocabularyAgentDoGHarm: "",
		}
		for vocabulary, p := range prefix {
			if len(o.Tags[vocabulary]) == 0 {
				t.Errorf("%s has no tag in %s", o.ID, vocabulary)
			}
			for _, id := range o.Tags[vocabulary] {
				if !strings.HasPrefix(id, p) {
					t.Errorf("%s: tag %q is not of %s", o.ID, id, vocabulary)
				}
			}
		}
	}
}

func TestOutcomeSetTakesOthers(t *testing.T) {
	set, err := ots.NewOutcomeSet(
		ots.Outcome{ID: "water_waste", Name: "Water Waste"},
		ots.Outcome{ID: "bias", Name: "Our Bias", Description: "own words"},
	)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(set.IDs()); n != 11 {
		t.Fatalf("%d outcomes, want 11", n)
	}
	if o, _ := set.Get("bias"); o.Name != "Our Bias" {
		t.Errorf("bias = %q, want the replacement", o.Name)
	}
	more := set.With("late_trains")
	if o, ok := more.Get("late_trains"); !ok || o.Name != "late trains" || o.Description == "" {
		t.Errorf("With gave %+v", o)
	}
	if set.Has("late_trains") {
		t.Error("With changed the set it was called on")
	}
	if got := set.With("Not an id"); len(got.IDs()) != 11 {
		t.Error("With took a malformed id")
	}
	for _, bad := range [][]ots.Outcome{{{ID: ""}}, {{ID: "No"}}, {{ID: "a-b"}}, {{ID: "x"}, {ID: "x"}}} {
		if _, err := ots.NewOutcomeSet(bad...); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestClassAndSource(t *testing.T) {
	for _, c := range []struct {
		u      ots.InstructionType
		x      ots.ContextType
		class  ots.ScenarioClass
		source ots.Source
	}{
		{"normal", "normal", "N-N", "action"},
		{"normal", "malicious", "N-M", "context"},
		{"underspecified", "normal", "U-N", "instruction"},
		{"underspecified", "malicious", "U-M", "context"},
		{"malicious", "normal", "M-N", "instruction"},
		{"malicious", "malicious", "M-M", "instruction"},
		{"", "normal", "", "action"},
		{"odd", "malicious", "", "context"},
	} {
		if got := ots.Class(c.u, c.x); got != c.class {
			t.Errorf("Class(%q, %q) = %q, want %q", c.u, c.x, got, c.class)
		}
		if got := ots.RiskSource(c.u, c.x); got != c.source {
			t.Errorf("RiskSource(%q, %q) = %q, want %q", c.u, c.x, got, c.source)
		}
	}
	if len(ots.Classes()) != 6 {
		t.Fatal("there are six classes")
	}
	for _, class := range ots.Classes() {
		u, x, ok := class.Parts()
		if !ok || ots.Class(u, x) != class {
			t.Errorf("%s.Parts() = %q, %q, %v", class, u, x, ok)
		}
	}
	if _, _, ok := ots.ScenarioClass("").Parts(); ok {
		t.Error(`"" has parts`)
	}
	for _, u := range ots.InstructionTypes() {
		if u.Definition() == "" {
			t.Errorf("%s has no definition", u)
		}
	}
}

func TestParse(t *testing.T) {
	if v, err := ots.Parse[ots.InstructionType]("malicious"); err != nil || v != ots.InstructionMalicious {
		t.Errorf("got %q, %v", v, err)
	}
	_, err := ots.Parse[ots.Label]("Safe")
	if err == nil || !strings.Contains(err.Error(), "safe, unsafe, invalid") {
		t.Errorf("error %v does not list the labels", err)
	}
	if _, err := ots.Parse[ots.ScenarioClass](""); err == nil {
		t.Error("an empty class was taken")
	}
}

func TestJSONSchemaGolden(t *testing.T) {
	var got bytes.Buffer
	if err := json.Indent(&got, ots.JSONSchema(), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	golden := filepath.Join("testdata", "row.schema.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the schema differs from %s; if that is meant, run the test with -update", golden)
	}
}
