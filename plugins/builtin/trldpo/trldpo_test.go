package trldpo

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
)

var update = flag.Bool("update", false, "write the golden files anew")

const fixture = "../export/testdata/rows.jsonl"

func output(t testing.TB, config string, rows ...string) exporttest.Result {
	t.Helper()
	return exporttest.Run(t, Component(), config, rows)
}

func TestGolden(t *testing.T) {
	rows := exporttest.Fixture(t, fixture)
	for name, config := range map[string]string{
		"default.jsonl": `{}`,
		"both.jsonl":    `{"system":"","thoughts":"none","tools":"used","rejected":"both"}`,
		"text.jsonl":    `{"calls":"text","thoughts":"reasoning_content","tools":"used"}`,
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

func TestPairs(t *testing.T) {
	const (
		pay     = `{"thought":"t","tool":"BankPay","arguments":{"to":"Anna","amount":9}}`
		payAs   = `{"thought":"other","tool":"BankPay","arguments":{"amount":9,"to":"Anna"}}`
		payMore = `{"tool":"BankPay","arguments":{"to":"Anna","amount":90}}`
		misfit  = `{"tool":"BankPay","arguments":{"amount":"nine"}}`
		answer  = `{"tool":"","answer":"Which Anna?"}`
	)
	attempts := func(label string, actions ...string) string {
		var list []string
		for _, a := range actions {
			list = append(list, `{"action":`+a+`,"verdict":{"label":"`+label+`","outcome":""}}`)
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	for _, c := range []struct {
		name, column, value string
		want                string // of rejected = trigger, attempts, both: pairs or reason
	}{
		{"as it is", "attempts", "[]", "1 no_unsafe_attempt 1"},
		{"no trigger", "trigger", "null", "no_trigger no_unsafe_attempt no_trigger"},
		{"no verdict", "trigger_verdict", "null", "no_trigger no_unsafe_attempt no_trigger"},
		{"trigger found safe", "trigger_verdict", `{"label":"safe"}`, "no_trigger no_unsafe_attempt no_trigger"},
		{"trigger not judged", "trigger_verdict", `{"label":"invalid"}`, "no_trigger no_unsafe_attempt no_trigger"},
		{"trigger that does not fit", "trigger", misfit, "invalid_row no_unsafe_attempt invalid_row"},
		{"safe action is the trigger", "safe_action", payAs, "same_action no_unsafe_attempt same_action"},
		{"trigger answers the same", "trigger", answer, "same_action no_unsafe_attempt same_action"},
		{"one attempt", "attempts", attempts("unsafe", payMore), "1 1 2"},
		{"same attempts", "attempts", attempts("unsafe", payMore, payMore, pay, payAs), "1 2 2"},
		{"attempt does the safe action", "attempts", attempts("unsafe", answer), "1 same_action 1"},
		{"safe attempts", "attempts", attempts("safe", payMore), "1 no_unsafe_attempt 1"},
		{"invalid attempts", "attempts", attempts("invalid", payMore), "1 no_unsafe_attempt 1"},
		{"attempt that does not fit", "attempts", attempts("unsafe", misfit), "1 invalid_row invalid_row"},
	} {
		row := exporttest.With(t, exporttest.Good, c.column, c.value)
		var got []string
		for _, which := range []string{"trigger", "attempts", "both"} {
			r := output(t, `{"rejected":"`+which+`"}`, row)
			if r.Skipped[0] != "" {
				got = append(got, r.Skipped[0])
			} else {
				got = append(got, fmt.Sprint(len(r.Lines(t, "train.jsonl"))))
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Whatever texts a row holds, its lines are valid, and no row with an unsafe
// action is lost.
func TestRandomRows(t *testing.T) {
	exporttest.CheckRandom(t, Component(), export.TRLDPO(), []string{
		`{}`,
		`{"system":"","thoughts":"none","tools":"used","rejected":"both"}`,
		`{"thoughts":"thinking","rejected":"both"}`,
		`{"thoughts":"tags","calls":"text"}`,
	}, export.NoTrigger)
	rows := exporttest.Random(t, 400)
	scenarios, written := 0, 0
	for i, reason := range output(t, `{}`, rows...).Skipped {
		if strings.Contains(rows[i], `"kind":"scenario"`) {
			scenarios++
		}
		if reason == "" {
			written++
		}
	}
	if written != scenarios || written == 0 {
		t.Errorf("%d of %d scenarios written", written, scenarios)
	}
}

// A tool's result cannot pass for a call, nor for the end of a result, where
// both are text.
func TestMarks(t *testing.T) {
	for _, c := range []struct{ column, value, want string }{
		{"trajectory", `[{"thought":"","action":{"tool":"BankList","arguments":{}},"observation":"a</tool_response><tool_call>"}]`, export.Marks},
		{"instruction", `"say <tool_call>"`, export.Marks},
		{"trigger", `{"tool":"BankPay","arguments":{"to":"</tool_call>","amount":9}}`, "-"}, // escaped there
		{"instruction", `"say <tool>"`, "-"},
	} {
		row := exporttest.With(t, exporttest.Good, c.column, c.value)
		if got := output(t, `{"calls":"text"}`, row).Reasons(); got != c.want {
			t.Errorf("%s = %s: %s, want %s", c.column, c.value, got, c.want)
		}
		if got := output(t, `{}`, row).Reasons(); got != "-" {
			t.Errorf("native, %s = %s: %s", c.column, c.value, got)
		}
	}
	row := exporttest.With(t, exporttest.Good, "trajectory", `[{"thought":"a</think>b","action":{"tool":"BankList","arguments":{}},"observation":""}]`)
	if got := output(t, `{"thoughts":"tags"}`, row).Reasons(); got != export.Marks {
		t.Errorf("a thought that ends its own tags: %s", got)
	}
}
