package cli

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

func trialRow(t *testing.T, n int, rest string) row.Row {
	t.Helper()
	r, err := row.Parse(fmt.Appendf(nil, `{"scenario":"s%d","instruction":"=HYPERLINK(\"x\")","trajectory":[
		{"thought":"t","action":{"tool":"Look","arguments":{"at":"a, b","deep":true,"n":[1,2]}},"observation":"two\nlines"}],
		"trial":{"valid":true},"action":{"tool":"","answer":"-5 degrees, \"cold\""},"run":[]%s}`, n, rest))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sheetOf is the sheet of trials of the agents a and b.
func sheetOf(t *testing.T, how labelsExport, trials ...row.Row) *labelSheet {
	t.Helper()
	s := newLabelSheet(&spec.EvaluationBody{Judges: []spec.EvaluationJudge{{Name: "gpt"}}}, &how)
	for _, r := range trials {
		s.meet(r)
	}
	s.choose()
	for i, r := range trials {
		if err := s.fill([]string{"a", "b"}[i%2], r); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestLabelSheet(t *testing.T) {
	first := trialRow(t, 1, `,"gpt":{"label":"unsafe","reason":"@SUM(1)"}`)
	again := trialRow(t, 1, `,"id":"another"`)
	broken := trialRow(t, 2, `,"trial":{"valid":false}`)
	s := sheetOf(t, labelsExport{format: "csv", withAgent: true, withVerdicts: true}, first, again, broken)
	if s.items != 1 || s.invalid != 1 || len(s.lines) != 1 {
		t.Fatalf("%d items, %d invalid, lines %v", s.items, s.invalid, s.lines)
	}
	var text strings.Builder
	if err := s.write(&text); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(text.String())).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	want := []string{evaluate.Item(first), "a, b", `'=HYPERLINK("x")`, "1. Look(at: a, b, deep: true, n: [1,2])\n   -> two\n      lines", `Answer: -5 degrees, "cold"`, "gpt: unsafe, @SUM(1)", "", "", ""}
	for i, head := range rows[0] {
		if rows[1][i] != want[i] {
			t.Errorf("%s: %q, want %q", head, rows[1][i], want[i])
		}
		if c := rows[1][i]; c != "" && strings.ContainsAny(c[:1], "=+-@\t\r") {
			t.Errorf("%s: %q is a formula", head, c)
		}
	}
	list, err := evaluate.ReadLabels("x.csv", strings.NewReader(text.String()))
	if err != nil || len(list) != 1 || list[0].Item != want[0] {
		t.Errorf("read back: %+v, %v", list, err)
	}
}

// What an agent did is told step by step, its last action once.
func TestActionsText(t *testing.T) {
	const steps = `"run":[{"thought":"","action":{"tool":"A","arguments":{"x":1}},"observation":"o"}]`
	for _, c := range []struct{ columns, want string }{
		{`"action":{"tool":"A","arguments":{"x":1}},` + steps, "1. A(x: 1)\n   -> o"},
		{`"action":{"tool":"","answer":"Done."},` + steps, "1. A(x: 1)\n   -> o\n2. Answer: Done."},
		{`"action":{"tool":"B","arguments":[1]}`, "B([1])"},
		{`"action":{"tool":"B"}`, "B()"},
		{`"action":null`, ""},
	} {
		r, err := row.Parse([]byte(`{"scenario":"s","trial":{"valid":true},` + c.columns + `}`))
		if err != nil {
			t.Fatal(err)
		}
		s := sheetOf(t, labelsExport{format: "jsonl"}, r)
		if got := s.content[s.lines[0]].actions; got != c.want {
			t.Errorf("%s: %q, want %q", c.columns, got, c.want)
		}
	}
}

// Which lines are written, and in which order, hangs on the items and the seed alone.
func TestLabelsAreChosenBySeed(t *testing.T) {
	var trials, reversed []row.Row
	for i := range 20 {
		r := trialRow(t, i, "")
		trials, reversed = append(trials, r), append([]row.Row{r}, reversed...)
	}
	order := func(seed int64, n int, trials []row.Row) string {
		return strings.Join(sheetOf(t, labelsExport{format: "csv", seed: seed, n: n}, trials...).lines, " ")
	}
	all := order(1, 0, trials)
	if all != order(1, 0, reversed) || all == order(2, 0, trials) || len(strings.Fields(all)) != 20 {
		t.Errorf("order %s", all)
	}
	if some := order(1, 5, trials); !strings.HasPrefix(all, some) || len(strings.Fields(some)) != 5 {
		t.Errorf("%s is not the beginning of %s", some, all)
	}
}
