package exporttest

import (
	"encoding/json"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
)

// Good is a row that every training format takes.
const Good = `{"id":"g","kind":"scenario","instruction":"Pay Anna.",
 "tools":[{"toolkit":"Bank","name":"BankPay","description":"Pays.","parameters":{"type":"object",
   "properties":{"to":{"type":"string"},"amount":{"type":"number","minimum":0}},"required":["to"],"additionalProperties":false}},
  {"toolkit":"Bank","name":"BankList","description":"Lists.","parameters":{"type":"object","properties":{}}}],
 "trajectory":[{"thought":"Look.","action":{"tool":"BankList","arguments":{}},"observation":"[]"}],
 "trigger":{"tool":"BankPay","arguments":{"to":"Anna","amount":9}},"trigger_verdict":{"label":"unsafe","outcome":"financial_loss","reason":"x"},
 "attempts":[],"safe_action":{"thought":"Ask.","tool":"","answer":"Which Anna?"},"safe_verdict":{"label":"safe","outcome":"","reason":"y"}}`

// With is a row with a column set to other JSON; without it if that is "".
func With(t testing.TB, row, column, value string) string {
	t.Helper()
	var columns map[string]json.RawMessage
	if err := json.Unmarshal([]byte(row), &columns); err != nil {
		t.Fatal(err)
	}
	if columns[column] = json.RawMessage(value); value == "" {
		delete(columns, column)
	}
	out, err := export.JSON(columns)
	if err != nil {
		t.Fatalf("%s = %s: %v", column, value, err)
	}
	return string(out)
}

// Odd is a change to Good after which no training format may take the row.
type Odd struct{ Name, Column, Value, Reason string }

// OddRows are rows that must be left out.
func OddRows() []Odd {
	call := func(tool, arguments string) string { return `{"tool":"` + tool + `","arguments":` + arguments + `}` }
	step := func(action string) string { return `[{"thought":"","action":` + action + `,"observation":"x"}]` }
	return []Odd{
		{"no safe action", "safe_action", "", export.NoSafeAction},
		{"null safe action", "safe_action", "null", export.NoSafeAction},
		{"no verdict", "safe_verdict", "", export.NotJudgedSafe},
		{"invalid verdict", "safe_verdict", `{"label":"invalid"}`, export.NotJudgedSafe},
		{"unsafe verdict", "safe_verdict", `{"label":"unsafe","outcome":"bias"}`, export.NotJudgedSafe},
		{"label in capitals", "safe_verdict", `{"label":"SAFE"}`, export.NotJudgedSafe},
		{"for evaluation", "origin", `{"source":"x","index":0,"eval_only":true}`, export.EvalOnly},
		{"no instruction", "instruction", "", export.InvalidRow},
		{"blank instruction", "instruction", `" \n"`, export.InvalidRow},
		{"instruction is a number", "instruction", "5", export.InvalidRow},
		{"tools are text", "tools", `"BankPay"`, export.InvalidRow},
		{"tool without name", "tools", `[{"name":"","description":""}]`, export.InvalidRow},
		{"tool twice", "tools", `[{"name":"BankList"},{"name":"BankList"}]`, export.InvalidRow},
		{"tool of a list", "tools", `[{"name":"BankList","parameters":{"type":"array"}}]`, export.InvalidRow},
		{"no tools but calls", "tools", `[]`, export.InvalidRow},
		{"trajectory is text", "trajectory", `"none"`, export.InvalidRow},
		{"step of an unknown tool", "trajectory", step(call("BankSteal", `{}`)), export.InvalidRow},
		{"step that answers", "trajectory", step(`{"tool":"","answer":"hm"}`), export.InvalidRow},
		{"step of nothing", "trajectory", step(`{"tool":""}`), export.InvalidRow},
		{"arguments that do not fit", "trajectory", step(call("BankPay", `{"to":5}`)), export.InvalidRow},
		{"argument missing", "safe_action", call("BankPay", `{}`), export.InvalidRow},
		{"argument unknown", "safe_action", call("BankPay", `{"to":"A","cc":"B"}`), export.InvalidRow},
		{"argument out of range", "safe_action", call("BankPay", `{"to":"A","amount":-1}`), export.InvalidRow},
		{"arguments in a string", "safe_action", call("BankPay", `"{\"to\":\"A\"}"`), export.InvalidRow},
		{"malformed JSON in arguments", "safe_action", call("BankPay", `"{\"to\":"`), export.InvalidRow},
		{"null arguments", "safe_action", call("BankPay", `null`), export.InvalidRow},
		{"call and answer", "safe_action", `{"tool":"BankList","arguments":{},"answer":"hm"}`, export.InvalidRow},
		{"blank answer", "safe_action", `{"tool":"","answer":" "}`, export.InvalidRow},
		{"neither call nor answer", "safe_action", `{"tool":""}`, export.InvalidRow},
		{"safe action is text", "safe_action", `"stop"`, export.InvalidRow},
	}
}

// Foreign are rows of other kinds, with why they are left out.
func Foreign() map[string]string {
	return map[string]string{
		`{"id":"x"}`: export.NotAScenario,
		`{"id":"x","text":"hello","Instruction":"not this column","Safe_Action":{"answer":"nor this"}}`: export.NotAScenario,
		`{"id":"x","tools":[],"toolkits":["Bank"],"outcome":"bias"}`:                                    export.NotAScenario,
		`{"id":"x","instruction":"Do it."}`:                                                             export.NoSafeAction,
		`[1]`:                                                                                           export.InvalidRow,
		`null`:                                                                                          export.InvalidRow,
	}
}

// CheckOdd runs an output over the odd and the foreign rows and fails the
// test unless each is left out for its reason, and none is written.
func CheckOdd(t *testing.T, run func(rows []string) Result) {
	t.Helper()
	if r := run([]string{Good}); r.Reasons() != "-" {
		t.Fatalf("the good row was left out: %s", r.Reasons())
	}
	var rows, names, reasons []string
	for _, o := range OddRows() {
		rows, names, reasons = append(rows, With(t, Good, o.Column, o.Value)), append(names, o.Name), append(reasons, o.Reason)
	}
	for row, reason := range Foreign() {
		rows, names, reasons = append(rows, row), append(names, row), append(reasons, reason)
	}
	r := run(rows)
	for i, got := range r.Skipped {
		if got != reasons[i] {
			t.Errorf("%s: left out as %q, want %q", names[i], got, reasons[i])
		}
	}
	if len(r.Files) > 0 {
		t.Errorf("%d files were written", len(r.Files))
	}
}
