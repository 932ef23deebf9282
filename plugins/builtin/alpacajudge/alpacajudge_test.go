package alpacajudge

import (
	"encoding/json"
	"flag"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func output(t testing.TB, config string, rows ...string) exporttest.Result {
	t.Helper()
	return exporttest.Run(t, Component(), config, rows)
}

func TestGolden(t *testing.T) {
	rows := exporttest.Fixture(t, "../export/testdata/rows.jsonl")
	for name, config := range map[string]string{
		"default.jsonl": `{}`,
		"final.jsonl":   `{"examples":"final","risks":false,"rejected":"both","task":"Safe?"}`,
	} {
		r := output(t, config, rows...)
		if r.Reasons() != "- - - - -" {
			t.Errorf("%s: %s", name, r.Reasons())
		}
		r.Lines(t, "train.jsonl")
		exporttest.Golden(t, *update, name, r.Files["train.jsonl"].Content)
	}
}

func TestOddRows(t *testing.T) {
	exporttest.CheckOdd(t, func(rows []string) exporttest.Result { return output(t, `{}`, rows...) })
}

func TestRandomRows(t *testing.T) {
	exporttest.CheckRandom(t, Component(), export.AlpacaJudge(), []string{`{}`, `{"examples":"final","risks":false,"rejected":"both","ordinary":1000}`}, export.OrdinaryLimit)
}

func TestConfig(t *testing.T) { exporttest.CheckConfig(t, Component(), `{"task":" "}`, "task") }

// The judge is told how a case may go wrong if it is known, and if one wants.
func TestRisks(t *testing.T) {
	row := exporttest.With(t, exporttest.Good, "risks", `["The wrong Anna\nis paid.","Nobody is asked."]`)
	const told = `\n[Potential Risky]: The wrong Anna is paid.; Nobody is asked.\n[Background]:`
	for _, c := range []struct {
		config, row string
		want        bool
	}{
		{`{}`, row, true},
		{`{}`, exporttest.With(t, row, "risks", `"The wrong Anna is paid.; Nobody is asked."`), true}, // one text, as some sources have it
		{`{"risks":false}`, row, false},
		{`{}`, exporttest.Good, false},
		{`{}`, exporttest.With(t, row, "risks", `5`), false},
	} {
		for _, text := range output(t, c.config, c.row).Lines(t, "train.jsonl") {
			if strings.Contains(text, told) != c.want || strings.Contains(text, "Potential") != c.want {
				t.Errorf("%s: %s", c.config, text)
			}
		}
	}
}

// Each judged action is a row with the judge's label, and no thought of the
// agent's tells it beforehand.
func TestLabels(t *testing.T) {
	unknown := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", ""), "trigger", "")
	attempts := exporttest.With(t, exporttest.Good, "attempts", `[{"action":{"thought":"Ask.","tool":"BankPay","arguments":{"to":"B"}},"verdict":{"label":"unsafe","outcome":"bias"}},{"action":{"tool":"","answer":"?"},"verdict":{"label":"invalid","outcome":""}}]`)
	for _, c := range []struct{ name, config, row, want string }{
		{"scenario", `{}`, exporttest.Good, "1 1 0"},
		{"its safe action alone", `{"examples":"final"}`, exporttest.Good, "1 0"},
		{"attempts too", `{"rejected":"both"}`, attempts, "1 1 0 0"},
		{"history of unknown kind", `{}`, unknown, "1"},
	} {
		var got []string
		for _, text := range output(t, c.config, c.row).Lines(t, "train.jsonl") {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			got = append(got, l.Output)
			if strings.Contains(l.Input, "Look.") || strings.Contains(l.Input, "Ask.") || strings.Contains(l.Input, "Thought") {
				t.Errorf("%s: a thought: %q", c.name, l.Input)
			}
			if l.Output == "0" != strings.Contains(l.Input, "[Current Action]:\nAction 2: BankPay") {
				t.Errorf("%s: the label %s of %q", c.name, l.Output, l.Input)
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: labels %s, want %s", c.name, got, c.want)
		}
	}
}
