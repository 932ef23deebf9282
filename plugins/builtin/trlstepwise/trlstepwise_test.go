package trlstepwise

import (
	"encoding/json"
	"flag"
	"fmt"
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
	for name, config := range map[string]string{"default.jsonl": `{}`, "both.jsonl": `{"rejected":"both","ordinary":1}`} {
		r := output(t, config, rows...)
		want := "- - - - -"
		if name == "both.jsonl" {
			want = "- - - ordinary_limit -"
		}
		if r.Reasons() != want {
			t.Errorf("%s: %s, want %s", name, r.Reasons(), want)
		}
		r.Lines(t, "train.jsonl")
		exporttest.Golden(t, *update, name, r.Files["train.jsonl"].Content)
	}
}

func TestOddRows(t *testing.T) {
	exporttest.CheckOdd(t, func(rows []string) exporttest.Result { return output(t, `{}`, rows...) })
}

func TestRandomRows(t *testing.T) {
	exporttest.CheckRandom(t, Component(), export.TRLStepwise(), []string{`{}`, `{"rejected":"both","ordinary":1000}`}, export.OrdinaryLimit)
}

// Each step has its label, and what nobody judged has none.
func TestLabels(t *testing.T) {
	unknown := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", ""), "trigger", "")
	for _, c := range []struct{ name, row, want string }{
		{"scenario", exporttest.Good, "[true true] [true false]"},
		{"no history", exporttest.With(t, exporttest.Good, "trajectory", "[]"), "[true] [false]"},
		{"history of unknown kind", unknown, "[true]"},
	} {
		var got []string
		for _, text := range output(t, `{}`, c.row).Lines(t, "train.jsonl") {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(l.Labels))
			all := l.Prompt + "\n" + strings.Join(l.Completions, "\n")
			if c.name != "no history" && strings.Count(all, "Action 1: BankList") != 1 {
				t.Errorf("%s: the step before is there %d times:\n%s", c.name, strings.Count(all, "Action 1: BankList"), all)
			}
			if c.name == "history of unknown kind" && !strings.Contains(l.Prompt, "Action 1: BankList") {
				t.Errorf("a step that nobody judged is labelled: %q", l.Completions)
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: labels %s, want %s", c.name, got, c.want)
		}
	}
}
