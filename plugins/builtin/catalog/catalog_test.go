package catalog

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "test", Version: "1.0.0", ThreatSources: map[string]sdk.Component{Name: Component()}}
}

// start runs the source; files, by name, become its path.
func start(t *testing.T, files map[string]string, config string) sdktest.Result {
	t.Helper()
	var list []schema.File
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list = append(list, schema.File{Name: name, Path: file})
	}
	slices.SortFunc(list, func(a, b schema.File) int { return strings.Compare(a.Name, b.Name) })
	members := []string{}
	if len(list) > 0 {
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, `"path":`+string(text))
	}
	if config != "" {
		members = append(members, config)
	}
	return sdktest.Run(t, plugin(), schema.ThreatSource, Name, "{"+strings.Join(members, ",")+"}", nil, nil)
}

// brief gives a run's rows as "Toolkit+Toolkit outcome".
func brief(t *testing.T, r sdktest.Result) []string {
	t.Helper()
	if r.Failure != nil || len(r.Diagnostics) > 0 {
		t.Fatalf("failure %v, diagnostics %v", r.Failure, r.Diagnostics)
	}
	var out []string
	for _, text := range r.Rows() {
		var row Row
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Join(row.Toolkits, "+")+" "+row.Outcome)
	}
	return out
}

func kit(name, tool, more string) string {
	return fmt.Sprintf(`{"toolkit":%q,"tools":[{"name":%q,"summary":"Does it."}]%s}`, name, tool, more)
}

func TestRowsAreValid(t *testing.T) {
	r := start(t, nil, "")
	if n := len(brief(t, r)); n < 60 {
		t.Errorf("%d rows", n)
	}
	for i, text := range r.Rows() {
		if problems := ots.CheckJSON(json.RawMessage(`{"id":"x",` + text[1:])); len(problems) > 0 {
			t.Errorf("row %d: %v", i, problems)
		}
	}
	again := start(t, nil, "")
	if !slices.Equal(again.Rows(), r.Rows()) {
		t.Error("two runs differ")
	}
}

func TestRow(t *testing.T) {
	own := `{"toolkit":"Pond","domain":"health","licence":"MIT","description":"A pond.","pairs":[{"with":["Net"],"outcomes":["bias","own_one"]}],
		"tools":[{"name":"Fill","effect":"physical","summary":"Fill it.","parameters":["litres number 0..: How much."],"returns":["full boolean: Whether it is full."],"exceptions":["Leak: It leaks."]}]}`
	r := start(t, map[string]string{"a.json": own, "b.json": kit("Net", "Cast", "")}, `"builtin":false,"outcomes":["own_one"]`)
	want := `{"domain":"health","toolkits":["Pond","Net"],"tools":[` +
		`{"toolkit":"Pond","name":"PondFill","description":"Fill it.","parameters":{"type":"object","properties":{"litres":{"type":"number","description":"How much.","minimum":0}},"required":["litres"],"additionalProperties":false},"returns":[{"name":"full","type":"boolean","description":"Whether it is full."}],"exceptions":[{"name":"Leak","description":"It leaks."}]},` +
		`{"toolkit":"Net","name":"NetCast","description":"Does it.","parameters":{"type":"object","properties":{},"additionalProperties":false}}],` +
		`"outcome":"own_one","origin":{"source":"catalog","file":"a.json","index":1,"licence":"MIT"}}`
	if got := r.Rows(); len(got) != 1 || got[0] != want {
		t.Errorf("got %s (%v),\nwant %s", got, r.Failure, want)
	}
}

// TestOneMoreToolkit sees that a toolkit more leaves the other rows as they
// are, wherever it stands.
func TestOneMoreToolkit(t *testing.T) {
	pond, pool := kit("Pond", "DeleteFish", ""), kit("Pool", "PayEntry", "")
	before := start(t, map[string]string{"own.json": "[" + pond + "]"}, "").Rows()
	for _, files := range []map[string]string{
		{"own.json": "[" + pool + "," + pond + "]"},
		{"own.json": "[" + pond + "]", "a.json": pool},
	} {
		after := start(t, files, "")
		if after.Failure != nil {
			t.Fatal(after.Failure)
		}
		rest := slices.DeleteFunc(after.Rows(), func(row string) bool { return strings.Contains(row, `"toolkits":["Pool"`) })
		if !slices.Equal(rest, before) {
			t.Errorf("other rows changed: %d before, %d after", len(before), len(rest))
		}
		if len(after.Rows()) != len(before)+1 {
			t.Errorf("%d rows before, %d after", len(before), len(after.Rows()))
		}
	}
}

func TestFilters(t *testing.T) {
	own := map[string]string{"own.json": "[" + kit("Pond", "DeleteFish", "") + "," + kit("Net", "Rest", `,"pairs":[{"outcomes":["bias"]},{"with":["Pond"],"outcomes":["ethics","bias"]}]`) + "]"}
	all := []string{"Pond data_loss", "Net bias", "Net+Pond ethics", "Net+Pond bias"}
	for _, c := range []struct {
		config string
		want   []string
	}{
		{`"builtin":false`, all},
		{`"builtin":false,"limit":2`, all[:2]},
		{`"builtin":false,"outcomes":["bias"]`, []string{all[1], all[3]}},
		{`"builtin":false,"toolkits":["Net"]`, all[1:2]},
		{`"builtin":false,"toolkits":["Net","Pond"]`, all},
		{`"builtin":false,"domains":["other"]`, all},
		{`"builtin":false,"domains":["finance"]`, nil},
		{`"domains":["other"]`, all},
		{`"pairs":[{"toolkits":["BankDesk","Net"],"outcome":"own_harm"},{"toolkits":["Net"],"outcome":"bias"}]`, []string{"BankDesk+Net own_harm", "Net bias"}},
		{`"pairs":[{"toolkits":["BankDesk","Net"],"outcome":"own_harm"},{"toolkits":["Net"],"outcome":"bias"}],"outcomes":["own_harm"]`, []string{"BankDesk+Net own_harm"}},
		{`"toolkits":["BankDesk","ShellHost"],"outcomes":["financial_loss"]`, []string{"ShellHost+BankDesk financial_loss", "BankDesk financial_loss", "BankDesk+ShellHost financial_loss"}},
	} {
		if got := brief(t, start(t, own, c.config)); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.config, got, c.want)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		files  map[string]string
		config string
		want   []string
	}{
		{nil, `"builtin":false`, []string{"there are no toolkits", "path"}},
		{map[string]string{"own.json": kit("MailBox", "Do", "")}, "", []string{"own.json", `"MailBox" has the name of a built-in one`, "builtin = false"}},
		{map[string]string{"own.json": kit("A", "Do", `,"pairs":[{"with":["ShelHost"],"outcomes":["bias"]}]`)}, "", []string{"own.json", `toolkit "A": pair 1`, `Did you mean "ShellHost"?`}},
		{map[string]string{"own.json": kit("A", "Do", `,"pairs":[{"outcomes":["Bias!"]}]`)}, "", []string{"own.json", "cannot be the id"}},
		{map[string]string{"a.json": kit("A", "BC", `,"pairs":[{"with":["AB"],"outcomes":["bias"]}]`), "b.json": kit("AB", "C", "")}, "", []string{`"A" and "AB" both have a tool "ABC"`}},
		{nil, `"toolkits":["Zebra"]`, []string{"toolkits: ", `no toolkit "Zebra"`}},
		{nil, `"outcomes":["meteorite"]`, []string{"outcomes: ", `"meteorite"`}},
		{nil, `"pairs":[{"toolkits":["Zebra"],"outcome":"bias"}]`, []string{"pairs[0]: ", "Zebra"}},
		{map[string]string{"own.json": "[\n{"}, "", []string{"own.json: line 2"}},
	} {
		r := start(t, c.files, c.config)
		if r.Failure == nil {
			t.Errorf("%v %s: no failure, diagnostics %v", c.files, c.config, r.Diagnostics)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(r.Failure.Error(), want) {
				t.Errorf("error %q lacks %q", r.Failure, want)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		config string
		want   []string // path, severity, part of the text; none: no problem
	}{
		{`{}`, nil},
		{`{"domains":["finance"],"outcomes":["bias"],"toolkits":["MailBox"],"limit":3}`, nil},
		{`{"domains":["finace"]}`, []string{"domains", "error", "finace"}},
		{`{"outcomes":["bias","privacy_leek"]}`, []string{"outcomes/1", "error", `Did you mean "privacy_leak"?`}},
		{`{"outcomes":["Privacy Stuff"]}`, []string{"outcomes/0", "error", "not the id"}},
		{`{"outcomes":["meteorite"]}`, []string{"outcomes/0", "warning", "path"}},
		{`{"outcomes":["meteorite"],"pairs":[{"toolkits":["MailBox"],"outcome":"meteorite"}]}`, nil},
		{`{"toolkits":["MailBx"]}`, []string{"toolkits/0", "error", `Did you mean "MailBox"?`}},
		{`{"toolkits":["MailBx"],"builtin":false}`, nil},
		{`{"toolkits":["MyOwnThing"]}`, nil},
		{`{"limit":0}`, []string{"limit", "error", ""}},
		{`{"pairs":[{"toolkits":[],"outcome":"bias"}]}`, []string{"pairs/0/toolkits", "error", "at least one"}},
		{`{"pairs":[{"toolkits":["MailBox","MailBox"],"outcome":"bias"}]}`, []string{"pairs/0/toolkits/1", "error", "twice"}},
		{`{"pairs":[{"toolkits":["MailBx"],"outcome":"bias"}]}`, []string{"pairs/0/toolkits/0", "error", `Did you mean "MailBox"?`}},
		{`{"pairs":[{"toolkits":["MailBox"],"outcome":"No Id"}]}`, []string{"pairs/0/outcome", "error", "cannot be"}},
		{`{"pairs":[{"toolkits":["MailBox"],"outcome":"privacy_leek"}]}`, []string{"pairs/0/outcome", "warning", `Did you mean "privacy_leak"?`}},
		{`{"pairs":[{"toolkits":["MailBox"],"outcome":"bias"},{"toolkits":["MailBox"],"outcome":"bias"}]}`, []string{"pairs/1", "error", "before"}},
		{`{"patth":1}`, []string{"", "error", "patth"}},
	} {
		diags := sdk.Validate(plugin(), schema.ThreatSource, Name, []byte(c.config))
		if c.want == nil {
			if len(diags) > 0 {
				t.Errorf("%s: %+v", c.config, diags)
			}
			continue
		}
		if len(diags) != 1 {
			t.Errorf("%s: %d problems: %+v", c.config, len(diags), diags)
			continue
		}
		d, severity := diags[0], "error"
		if d.Warning {
			severity = "warning"
		}
		if at := pathText(d); !strings.HasPrefix(at, c.want[0]) || severity != c.want[1] || !strings.Contains(d.Detail, c.want[2]) {
			t.Errorf("%s: %s at %q: %s", c.config, severity, at, d.Detail)
		}
	}
}

func pathText(d schema.Diagnostic) string {
	var parts []string
	for _, step := range d.Path {
		switch s := fmt.Sprintf("%#v", step); {
		case strings.Contains(s, "GetAttrStep"):
			parts = append(parts, strings.Split(s, `"`)[1])
		default:
			parts = append(parts, strings.NewReplacer("cty.IndexStep{Key:cty.NumberIntVal(", "", ")}", "").Replace(s))
		}
	}
	return strings.Join(parts, "/")
}

func TestGuess(t *testing.T) {
	make := func(tools ...string) toolkit.Toolkit {
		k := toolkit.Toolkit{Name: "Kit"}
		for _, name := range tools {
			var tool toolkit.Tool
			tool.Name = "Kit" + name
			k.Tools = append(k.Tools, tool)
		}
		return k
	}
	for _, c := range []struct {
		kit  toolkit.Toolkit
		want string
	}{
		{make("DeleteFile", "WipeDisk"), "data_loss"},
		{make("TransferMoney", "PayBill", "DeletePayee"), "financial_loss data_loss"},
		{make("RankCandidates"), "bias"},
		{make("UnlockDoor"), "property_damage"},
		{make("Ponder"), "miscellaneous"},
		{make("Reorder"), "miscellaneous"},
		{make("DeleteOne", "PayOne", "SharePost", "RankOne", "UnlockOne", "DoseOne"), "financial_loss physical_health property_damage data_loss"},
	} {
		if got := strings.Join(Guess(c.kit), " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.kit.Tools, got, c.want)
		}
	}
}

// TestToolEmu pairs ToolEmu's toolkits where they are at hand, else the small
// ones that stand for them.
func TestToolEmu(t *testing.T) {
	file, atLeast := "../../../../shared/data/toolemu/all_toolkits.json", 50
	if _, err := os.Stat(file); err != nil {
		file, atLeast = "../toolemu/testdata/small/all_toolkits.json", 2
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, map[string]string{"all_toolkits.json": string(text)}, `"builtin":false`)
	if got := brief(t, r); len(got) < atLeast {
		t.Errorf("%d rows: %q", len(got), got)
	}
	for i, text := range r.Rows() {
		if problems := ots.CheckJSON(json.RawMessage(`{"id":"x",` + text[1:])); len(problems) > 0 {
			t.Errorf("row %d: %v", i, problems)
		}
	}
}
