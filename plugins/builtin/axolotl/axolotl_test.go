package axolotl

import (
	"encoding/json"
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

const fixture = "../export/testdata/rows.jsonl"

type output struct {
	component sdk.Component
	config    string
	validate  func([]byte) error
}

func outputs() map[string]output {
	return map[string]output{
		"sft":       {SFT(), `{}`, export.ValidateAxolotlSFT},
		"sft_whole": {SFT(), `{"examples":"whole","thoughts":"none","system":"","tools":"used"}`, export.ValidateAxolotlSFT},
		"sft_steps": {SFT(), `{"examples":"reflection","thoughts":"tags"}`, export.ValidateAxolotlSFT},
		"dpo":       {DPO(), `{}`, export.ValidateAxolotlDPO},
		"dpo_both":  {DPO(), `{"rejected":"both","thoughts":"none","system":"","tools":"used"}`, export.ValidateAxolotlDPO},
	}
}

func TestGolden(t *testing.T) {
	rows := exporttest.Fixture(t, fixture)
	for name, o := range outputs() {
		r := exporttest.Run(t, o.component, o.config, rows, "train", "train", "test")
		for _, file := range slices.Sorted(maps.Keys(r.Files)) {
			exporttest.Golden(t, *update, name+"."+file, r.Files[file].Content)
		}
	}
}

func TestOddRows(t *testing.T) {
	exporttest.CheckOdd(t, func(rows []string) exporttest.Result { return exporttest.Run(t, SFT(), `{}`, rows) })
}

// Whatever texts a row holds, its line is valid, and no row is lost but those
// that the format has no place for.
func TestRandomRows(t *testing.T) {
	rows := exporttest.Random(t, 400)
	for name, o := range outputs() {
		config := o.config
		if strings.HasPrefix(name, "sft") {
			config = strings.Replace(strings.TrimSuffix(config, "}")+`,"ordinary":1000}`, "{,", "{", 1)
		}
		r := exporttest.Run(t, o.component, config, rows)
		for i, line := range r.Lines(t, "train.jsonl") {
			if err := o.validate([]byte(line)); err != nil {
				t.Fatalf("%s: line %d: %v\n%s", name, i, err, line)
			}
		}
		for i, reason := range r.Skipped {
			allowed := strings.HasPrefix(name, "dpo") && (reason == export.NoTrigger || reason == export.NoUnsafeAttempt || reason == export.SameAction)
			if reason != "" && !allowed {
				t.Errorf("%s: row %d was left out: %s", name, i, reason)
			}
		}
	}
}

// Which messages are trained on.
func TestTrain(t *testing.T) {
	unknown := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", ""), "trigger", "")
	for config, want := range map[string]string{
		`{}`:                                  "01",
		`{"examples":"whole"}`:                "01",
		`{"examples":"whole","loss":"all"}`:   "11",
		`{"examples":"whole","loss":"final"}`: "01",
	} {
		r := exporttest.Run(t, SFT(), config, []string{unknown})
		var row struct {
			Messages []struct {
				Role  string
				Train bool
			}
		}
		if err := json.Unmarshal([]byte(r.Lines(t, "train.jsonl")[0]), &row); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, m := range row.Messages {
			if m.Role == "assistant" {
				got += map[bool]string{true: "1", false: "0"}[m.Train]
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", config, got, want)
		}
	}
}

// Texts that cannot be told from marks, or that chat templates cut.
func TestMarks(t *testing.T) {
	for _, c := range []struct{ column, value, want string }{
		{"instruction", `"What is <tool_call>?"`, export.Marks},
		{"safe_action", `{"tool":"","answer":"I think</think> not."}`, export.Marks},
		{"safe_action", `{"tool":"","answer":"user"}`, export.InvalidRow},
		{"safe_action", `{"tool":"BankPay","arguments":{"to":"</tool_call>"}}`, "-"},
		{"safe_action", `{"tool":"","answer":"No, I will not."}`, "-"},
	} {
		row := exporttest.With(t, exporttest.Good, c.column, c.value)
		if got := exporttest.Run(t, DPO(), `{}`, []string{row}).Reasons(); got != c.want {
			t.Errorf("%s: %s, want %s", c.value, got, c.want)
		}
	}
}

func TestConfiguration(t *testing.T) {
	for _, c := range []struct {
		component    sdk.Component
		config, want string
	}{
		{SFT(), `{"thoughts":"thinking"}`, "No place for thoughts"},
		{SFT(), `{"examples":"steps","loss":"all"}`, "Unsuitable loss"},
		{SFT(), `{"compression":"snappy"}`, "Unsuitable compression"},
		{DPO(), `{"thoughts":"tags"}`, "No place for thoughts"},
		{DPO(), `{"compression":"snappy"}`, "Unsuitable compression"},
		{DPO(), `{}`, ""},
	} {
		row := []sdktest.Task{{Row: exporttest.Good, Split: "train"}}
		got := sdktest.RunTasks(t, exporttest.Plugin(c.component), schema.Output, "under_test", c.config, row, nil)
		said := ""
		if len(got.Diagnostics) > 0 {
			said = got.Diagnostics[0].Summary
		}
		if said != c.want {
			t.Errorf("%s: %q, want %q", c.config, said, c.want)
		}
	}
}
