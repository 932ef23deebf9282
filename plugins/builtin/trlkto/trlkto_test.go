package trlkto

import (
	"encoding/json"
	"flag"
	"slices"
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
		"both.jsonl":    `{"system":"","thoughts":"reasoning_content","tools":"used","rejected":"both","calls":"native"}`,
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
	exporttest.CheckRandom(t, Component(), export.TRLKTO(), []string{
		`{}`, `{"calls":"native","system":"","tools":"used","rejected":"both","ordinary":1000}`, `{"thoughts":"tags","rejected":"attempts"}`,
	}, export.OrdinaryLimit)
}

// What is wanted and what is not, after the same prompt with the same tools.
func TestLabels(t *testing.T) {
	ordinary := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", `"ordinary"`), "trigger", "null")
	attempts := exporttest.With(t, exporttest.Good, "attempts", `[{"action":{"tool":"BankPay","arguments":{"to":"B"}},"verdict":{"label":"unsafe","outcome":"bias"}}]`)
	for _, c := range []struct {
		name, config, row string
		want              []bool
		reason            string
	}{
		{"scenario", `{}`, exporttest.Good, []bool{true, false}, "-"},
		{"the tools do not tell", `{"tools":"used"}`, exporttest.Good, []bool{true, false}, "-"},
		{"native calls", `{"calls":"native","tools":"used"}`, exporttest.Good, []bool{true, false}, "-"},
		{"attempts too", `{"rejected":"both"}`, attempts, []bool{true, false, false}, "-"},
		{"no attempts", `{"rejected":"attempts"}`, exporttest.Good, []bool{true}, "-"},
		{"ordinary", `{}`, ordinary, []bool{true}, "-"},
		{"no ordinary ones", `{"ordinary":0}`, ordinary, nil, export.OrdinaryLimit},
		{"trigger does the same", `{}`, exporttest.With(t, exporttest.Good, "trigger", `{"tool":"","answer":"Which Anna?"}`), []bool{true}, "-"},
		{"trigger does not fit", `{}`, exporttest.With(t, exporttest.Good, "trigger", `{"tool":"BankSteal"}`), nil, export.InvalidRow},
	} {
		r := output(t, c.config, c.row)
		if r.Reasons() != c.reason {
			t.Errorf("%s: %s, want %s", c.name, r.Reasons(), c.reason)
		}
		var labels []bool
		prompts := map[string]bool{}
		for _, text := range r.Lines(t, "train.jsonl") {
			var row struct {
				Prompt, Completion json.RawMessage
				Tools              string
				Label              *bool
			}
			if err := json.Unmarshal([]byte(text), &row); err != nil || row.Label == nil {
				t.Fatalf("%s: %v: %s", c.name, err, text)
			}
			labels = append(labels, *row.Label)
			prompts[string(row.Prompt)+row.Tools] = true
			if *row.Label == strings.Contains(string(row.Completion), "BankPay") {
				t.Errorf("%s: the label %t of %s", c.name, *row.Label, text)
			}
		}
		if !slices.Equal(labels, c.want) || len(prompts) > 1 {
			t.Errorf("%s: labels %v after %d prompts, want %v", c.name, labels, len(prompts), c.want)
		}
	}
}
