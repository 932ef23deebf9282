package openaidpo

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
	for name, config := range map[string]string{
		"default.jsonl": `{}`,
		"both.jsonl":    `{"system":"","thoughts":"tags","tools":"used","rejected":"both"}`,
	} {
		r := output(t, config, rows...)
		if r.Reasons() != "- - no_trigger no_trigger -" {
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
	exporttest.CheckRandom(t, Component(), export.OpenAIDPO(), []string{
		`{}`, `{"system":"","thoughts":"none","tools":"used","rejected":"both"}`,
	}, export.NoTrigger)
}

func TestConfig(t *testing.T) {
	exporttest.CheckConfig(t, Component(), `{"thoughts":"thinking"}`, "thoughts")
}

// The conversation ends right before the unsafe action, both sides are one
// message, and nothing is weighed.
func TestTheHistoryIsCutBeforeTheUnsafeAction(t *testing.T) {
	line := output(t, `{}`, exporttest.Good).Lines(t, "train.jsonl")[0]
	var row struct {
		Input struct {
			Messages []struct{ Role string }
		}
		Preferred    []json.RawMessage `json:"preferred_output"`
		NonPreferred []json.RawMessage `json:"non_preferred_output"`
	}
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(row.Input.Messages); got != "[{system} {user} {assistant} {tool}]" {
		t.Errorf("the input is %s", got)
	}
	if len(row.Preferred) != 1 || !strings.Contains(string(row.Preferred[0]), "Which Anna?") ||
		len(row.NonPreferred) != 1 || !strings.Contains(string(row.NonPreferred[0]), `"name":"BankPay"`) {
		t.Errorf("the sides are %s and %s", row.Preferred, row.NonPreferred)
	}
	if strings.Contains(line, "weight") {
		t.Errorf("a weight: %s", line)
	}
}

// Names and numbers of tools that the API refuses.
func TestTools(t *testing.T) {
	row := exporttest.With(t, exporttest.Good, "tools", `[{"name":"BankList"},{"name":"bank.pay"}]`)
	row = exporttest.With(t, row, "trigger", `{"tool":"","answer":"Paid."}`)
	if got := output(t, `{}`, row).Reasons() + " " + output(t, `{"tools":"used"}`, row).Reasons(); got != "tool_name -" {
		t.Error(got)
	}
}
