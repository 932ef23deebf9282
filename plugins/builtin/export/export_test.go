package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// A row need not hold together beyond what a training row shows.
func TestReadTakes(t *testing.T) {
	for _, c := range []struct{ name, column, value string }{
		{"no kind", "kind", ""},
		{"an outcome of the recipe's own", "outcome", `"water_waste"`},
		{"trigger that does not fit", "trigger", `{"tool":"BankSteal"}`},
		{"no trigger", "trigger", "null"},
		{"no trajectory", "trajectory", ""},
		{"null trajectory", "trajectory", "null"},
		{"empty tools", "tools", `[{"name":"BankList"}]`},
		{"other columns", "scenario_class", "5"},
		{"risks as a text", "risks", `"she is robbed"`},
		{"risks as a number", "risks", "5"},
		{"may be trained on", "origin", `{"source":"x","index":0}`},
		{"null arguments of an answer", "safe_action", `{"tool":"","answer":"no","arguments":null}`},
	} {
		if _, reason := export.Read(json.RawMessage(exporttest.With(t, exporttest.Good, c.column, c.value))); reason != "" {
			t.Errorf("%s: %s", c.name, reason)
		}
	}
}

func TestOrdinary(t *testing.T) {
	trigger := &ots.Action{Answer: "x"}
	for _, c := range []struct {
		row  ots.Row
		want bool
	}{
		{ots.Row{Kind: ots.KindOrdinary}, true},
		{ots.Row{Kind: ots.KindScenario}, false},
		{ots.Row{}, true},
		{ots.Row{Trigger: trigger}, false},
	} {
		if got := (&export.Case{Row: c.row}).Ordinary(); got != c.want {
			t.Errorf("%+v: %t", c.row, got)
		}
	}
}

func TestSame(t *testing.T) {
	call := func(arguments string) ots.Action { return ots.Action{Tool: "T", Arguments: json.RawMessage(arguments)} }
	for _, c := range []struct {
		name string
		a, b ots.Action
		want bool
	}{
		{"order and space", call(`{"a":1,"b":[2]}`), call(`{ "b": [2], "a": 1 }`), true},
		{"thoughts", ots.Action{Answer: "x", Thought: "a"}, ots.Action{Answer: "x", Thought: "b"}, true},
		{"no arguments", call(``), call(`{}`), true},
		{"null arguments", call(`null`), call(`{}`), true},
		{"values", call(`{"a":1}`), call(`{"a":2}`), false},
		{"types", call(`{"a":1}`), call(`{"a":"1"}`), false},
		{"long numbers", call(`{"a":12345678901234567890}`), call(`{"a":12345678901234567891}`), false},
		{"tools", call(`{}`), ots.Action{Tool: "U"}, false},
		{"answers", ots.Action{Answer: "x"}, ots.Action{Answer: "y"}, false},
		{"space around answers", ots.Action{Answer: "x"}, ots.Action{Answer: " x\n"}, true},
	} {
		if got := export.Same(c.a, c.b); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// What a validator is given never makes it panic, and what one takes is one
// line of JSON.
func FuzzValidators(f *testing.F) {
	for _, format := range formats() {
		for _, s := range samples(f, format.Name) {
			f.Add(s.line(f))
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, format := range formats() {
			if format.Validate(line) == nil && (!json.Valid(line) || bytes.Contains(bytes.TrimSuffix(line, []byte("\n")), []byte("\n"))) {
				t.Fatalf("%s takes %q", format.Name, line)
			}
		}
	})
}

// FuzzRead: no row makes it panic, and what it takes can be shown.
func FuzzRead(f *testing.F) {
	f.Add([]byte(exporttest.Good))
	f.Add([]byte(`{"safe_action":{}}`))
	f.Fuzz(func(t *testing.T, row []byte) {
		c, reason := export.Read(row)
		if (c == nil) == (reason == "") {
			t.Fatalf("case %v, reason %q", c, reason)
		}
	})
}

// Of ordinary runs those are taken whose content decides so: neither their
// order counts nor what changes where others come or go.
func TestMixed(t *testing.T) {
	component := func() sdk.Component {
		return sdk.Sink(func(_ context.Context, cfg export.MixConfig, rows *sdk.RowReader, out *sdk.Dir) error {
			format := export.Format{Validate: func([]byte) error { return nil }}
			return export.Mixed(rows, out, export.FileConfig{}, format, cfg, func(c *export.Case) ([]any, string) {
				return []any{c.Instruction}, ""
			})
		}, sdk.Behavior("1"))
	}
	rows := []string{exporttest.Good}
	for i := range 40 {
		row := exporttest.With(t, exporttest.Good, "kind", `"ordinary"`)
		rows = append(rows, exporttest.With(t, row, "instruction", fmt.Sprintf(`"Task %d."`, i)))
	}
	taken := func(rows []string) []string {
		lines := exporttest.Run(t, component(), `{"ordinary":5}`, rows).Lines(t, "train.jsonl")
		if len(lines) != 6 || lines[0] != `"Pay Anna."` {
			t.Fatalf("%q", lines)
		}
		slices.Sort(lines)
		return lines
	}
	want := taken(rows)
	if slices.Equal(want, []string{`"Pay Anna."`, `"Task 0."`, `"Task 1."`, `"Task 2."`, `"Task 3."`, `"Task 4."`}) {
		t.Error("the first ones are taken")
	}
	moved := make([]string, len(rows))
	for i, row := range rows {
		row = exporttest.With(t, row, "id", fmt.Sprintf(`"n%d"`, i))
		moved[len(rows)-1-i] = exporttest.With(t, row, "origin", fmt.Sprintf(`{"source":"x","index":%d}`, i))
	}
	if got := taken(moved); !slices.Equal(got, want) {
		t.Errorf("in another order %q, want %q", got, want)
	}
}
