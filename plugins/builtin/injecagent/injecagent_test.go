package injecagent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/internal/checks"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

const (
	small = "testdata/small"
	real  = "../../../../shared/data/injecagent" // not part of the project
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
	dh, ds := got[0], got[1]
	if dh.Attack != "dh" || dh.Outcome != "financial_loss" || dh.Domain != "entertainment" || dh.ScenarioClass != "N-M" || len(dh.Tools) != 2 || dh.RawArguments ||
		string(dh.Trajectory[0].Action.Arguments) != `{"letter_id":"l7"}` || dh.Trajectory[0].Thought != "I read the letter." ||
		dh.Trajectory[0].Observation != "{'text': 'Please open the box.'}" {
		t.Errorf("direct harm: %+v", dh)
	}
	if want := (ots.Origin{Source: Name, File: "in/test_cases_ds_base.json", Licence: "MIT"}); ds.Origin != want {
		t.Errorf("origin %+v, want %+v", ds.Origin, want)
	}
	if !ds.RawArguments || string(ds.Trajectory[0].Action.Arguments) != `{"_raw":"{'letter_id': }"}` || ds.Outcome != "privacy_leak" || ds.Responses[1].Observation != `["box 2"]` {
		t.Errorf("data stealing: %+v", ds)
	}
	if r := rows(t, start(t, small, `,"attacks":["ds"],"limit":1`)); len(r) != 1 || r[0].Attack != "ds" {
		t.Errorf("attacks: %+v", r)
	}
}

// decide asks a row's checks about calls of these tools.
func decide(t *testing.T, row Row, tools ...string) checks.Result {
	t.Helper()
	text, err := json.Marshal(row.Checks)
	if err != nil {
		t.Fatal(err)
	}
	set, err := checks.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	run := checks.Transcript{Prefix: row.Trajectory}
	for _, tool := range tools {
		run.Steps = append(run.Steps, ots.Step{Action: ots.Action{Tool: tool}})
	}
	return set.Decide(run)
}

func TestChecks(t *testing.T) {
	got := rows(t, start(t, small, ""))
	if r := decide(t, got[0]); !*r.Safe {
		t.Error("nothing called is unsafe")
	}
	if r := decide(t, got[0], "VaultOpenBox"); *r.Safe {
		t.Error("the attacker's tool is safe")
	}
	if r := decide(t, got[1], "VaultListBoxes"); !*r.Safe || !*r.Reached {
		t.Error("reading alone: it is safe and has reached the risk")
	}
	if r := decide(t, got[1], "PostDeskSendLetter", "VaultListBoxes"); !*r.Safe {
		t.Error("sending before reading is unsafe")
	}
	if r := decide(t, got[1], "VaultListBoxes", "PostDeskSendLetter"); *r.Safe {
		t.Error("reading and sending is safe")
	}
}

// TestPublished runs over the published files where they are at hand.
func TestPublished(t *testing.T) {
	dir, want := real, 1054
	if _, err := os.Stat(dir); err != nil {
		dir, want = small, 2
	}
	r := start(t, dir, "")
	got := rows(t, r)
	if len(got) != want {
		t.Errorf("got %d rows, want %d", len(got), want)
	}
	raw, unfit := 0, 0
	for i, text := range r.Rows() {
		row := got[i]
		if row.RawArguments {
			raw++
		} else if len(ots.CheckAction(row.Trajectory[0].Action, row.Tools)) > 0 {
			unfit++
		}
		if _, err := checks.ParseResponses(column(t, text, "responses")); err != nil {
			t.Errorf("row %d: %v", i, err)
		}
		if _, err := checks.Parse(column(t, text, "checks")); err != nil {
			t.Errorf("row %d: %v", i, err)
		}
		if row.Domain == "" || row.Outcome == "" || len(row.Trajectory) != 1 {
			t.Errorf("row %d: %+v", i, row)
		}
	}
	t.Logf("the arguments of %d of %d calls could not be read, those of %d do not fit", raw, want, unfit)
	if r := start(t, dir, `,"settings":["enhanced"],"limit":3`); want > 2 && len(rows(t, r)) != 3 {
		t.Error("there are no enhanced cases")
	}
	if want > 2 && raw > 0 {
		t.Errorf("the arguments of %d calls could not be read", raw)
	}
}

func column(t *testing.T, row, name string) json.RawMessage {
	t.Helper()
	var columns map[string]json.RawMessage
	if err := json.Unmarshal([]byte(row), &columns); err != nil {
		t.Fatal(err)
	}
	return columns[name]
}

func TestFaults(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(small, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	tools, cases := read(toolsFile), read("test_cases_dh_base.json")
	for _, c := range []struct {
		name, tools, cases string
		want               []string
	}{
		{"no tools", "", cases, []string{"no tools.json", "folder"}},
		{"no cases", tools, "", []string{"no cases"}},
		{"broken cases", tools, "[\n{", []string{"in/test_cases_dh_base.json", "line 2"}},
		{"unknown tool", tools, strings.Replace(cases, "VaultOpenBox", "VaultOpenBx", 1), []string{"case 1", `"VaultOpenBx"`, `Did you mean "VaultOpenBox"?`}},
		{"no instruction", tools, strings.Replace(cases, "What is in letter 7?", "", 1), []string{"case 1", "User Instruction"}},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{toolsFile: c.tools, "test_cases_dh_base.json": c.cases} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := start(t, dir, "")
		if r.Failure == nil {
			t.Errorf("%s: no failure", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(r.Failure.Error(), want) {
				t.Errorf("%s: error %q lacks %q", c.name, r.Failure, want)
			}
		}
	}
}

func TestConformance(t *testing.T) {
	p := sdk.Plugin{Name: "test", Version: "1.0.0", ThreatSources: map[string]sdk.Component{Name: Component()}}
	sdktest.Conformance(t, p, sdktest.Case{Role: schema.ThreatSource, Component: Name, Config: `{"path":[{"name":"in","path":"testdata/small"}]}`})
}
