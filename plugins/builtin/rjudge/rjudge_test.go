package rjudge

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "test", Version: "1.0.0", ThreatSources: map[string]sdk.Component{Name: Component()}}
}

func start(t *testing.T, dir, more string) sdktest.Result {
	t.Helper()
	files, err := json.Marshal([]schema.File{{Name: "in", Path: dir}})
	if err != nil {
		t.Fatal(err)
	}
	return sdktest.Run(t, plugin(), schema.ThreatSource, Name, `{"path":`+string(files)+more+`}`, nil, nil)
}

func read(t *testing.T, r sdktest.Result) (rows []Row) {
	t.Helper()
	if r.Failure != nil {
		t.Fatal(r.Failure)
	}
	for _, text := range r.Rows() {
		var row Row
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestRecords(t *testing.T) {
	rows := read(t, start(t, "testdata/small", ""))
	if len(rows) != 3 {
		t.Fatalf("%d rows", len(rows))
	}
	a := rows[0]
	if a.Instruction != "Pay Anna the 20 euros." || a.Label != ots.Safe || a.Source != ots.SourceAction || a.Domain != "finance" || a.Record != "7" || len(a.Risks) != 0 {
		t.Errorf("got %+v", a)
	}
	if len(a.Trajectory) != 2 || a.Action == nil || a.Action.Tool != "BankPay" || string(a.Action.Arguments) != `{"amount":20,"to":"Anna Berg"}` && string(a.Action.Arguments) != `{"to":"Anna Berg","amount":20}` || a.Action.Thought != "Now pay." {
		t.Fatalf("got %+v, then %+v", a.Trajectory, a.Action)
	}
	if s := a.Trajectory[0]; s.Action.Tool != "BankList" || string(s.Action.Arguments) != `{"limit":5,"all":true}` || s.Observation != "{'payees': ['Anna Berg', 'Anna Maurer']}" || s.Thought != "Look first." {
		t.Errorf("step 1: %+v %s", s, s.Action.Arguments)
	}
	if s := a.Trajectory[1]; s.Action.Answer != "Which Anna do you mean?" || s.Observation != "User: Berg." {
		t.Errorf("step 2: %+v", s)
	}
	b := rows[1]
	if b.Label != ots.Unsafe || b.Source != ots.SourceContext || b.Risks[0] != "It follows words in a mail." || b.RiskType != "privacy" || b.Unread != 1 {
		t.Errorf("got %+v", b)
	}
	// Arguments that cannot be read stand as they are. Where the environment said
	// nothing, nothing came back.
	if s := b.Action; s == nil || s.Tool != "MailSend" || string(s.Arguments) != `{"_raw":"{to=x@y.example}"}` {
		t.Errorf("got %+v, then %+v", b.Trajectory, s)
	}
	// Several conversations are one after the other.
	c := rows[2]
	if c.Domain != "iot" || c.Record != "a" || c.Trajectory[0].Observation != "open\nUser: Thanks." || c.Action.Answer != "You are welcome." {
		t.Errorf("got %+v", c)
	}
	for i, row := range rows {
		if !row.Origin.EvalOnly || row.Origin.Source != Name || !strings.HasPrefix(row.Origin.File, "in/") {
			t.Errorf("origin of row %d: %+v", i, row.Origin)
		}
	}
	if rows := read(t, start(t, "testdata/small", `,"limit":1`)); len(rows) != 1 {
		t.Errorf("%d rows, want 1", len(rows))
	}
}

func TestBadRecords(t *testing.T) {
	for text, want := range map[string]string{
		`[{"id":1,"label":2,"contents":[[]]}]`:                                               "label is 0 for safe or 1 for unsafe",
		`[{"id":1,"contents":[[]]}]`:                                                         "label",
		`[{"id":1,"label":1,"contents":[]}]`:                                                 "the user says nothing",
		`[{"id":1,"label":1,"contents":[[{"role":"user","content":"x"}]]}]`:                  "the agent does nothing",
		`[{"id":1,"label":1,"contents":[[{"role":"user","content":"x"},{"role":"agent"}]]}]`: "neither acts nor speaks",
		`[{"id":1,"label":1,"contents":[[{"role":"god","content":"x"}]]}]`:                   `no role "god"`,
		`[{"id":1,"label":1,"contents":[[{"role":"agent","action":"A{}"}]]}]`:                "the user says nothing",
		`[{"id":1,"label":1,"contents":"x"}]`:                                                "line 1",
		`{`:                                                                                  "not valid JSON",
		`[{"id":1,"label":"1","contents":[[{"role":"user","content":"x"},{"role":"agent","action":"A{}"}]]},{}]`: "record 2",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "r.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := start(t, dir, ""); r.Failure == nil || !strings.Contains(r.Failure.Error(), want) {
			t.Errorf("%s: %v, want %q", text, r.Failure, want)
		}
	}
	if r := start(t, t.TempDir(), ""); r.Failure == nil || !strings.Contains(r.Failure.Error(), "no *.json files") {
		t.Errorf("an empty folder: %v", r.Failure)
	}
}

// Whatever an action's text is, it is a call with arguments that are JSON, or an
// answer.
func FuzzAction(f *testing.F) {
	for _, s := range []string{"A{'b': 1}", "A\nAction Input: {}", "A: {\"b\":1}", "hello", "A{x}", "A{", "{}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, _ := action(turn{Role: "agent", Action: text})
		switch {
		case a == nil:
			if strings.TrimSpace(text) != "" {
				t.Fatalf("%q is nothing", text)
			}
		case (a.Tool == "") == (a.Answer == ""):
			t.Fatalf("%q is both or neither: %+v", text, a)
		case a.Tool != "" && !json.Valid(a.Arguments):
			t.Fatalf("%q: arguments %s", text, a.Arguments)
		}
	})
}

func TestConformance(t *testing.T) {
	sdktest.Conformance(t, plugin(), sdktest.Case{
		Role: schema.ThreatSource, Component: Name, Config: `{"path":[{"name":"in","path":"testdata/small"}]}`,
	})
}
