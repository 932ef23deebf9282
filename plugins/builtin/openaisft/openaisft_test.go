package openaisft

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

const fixture = "../export/testdata/rows.jsonl"

func output(t testing.TB, config string, rows []string) exporttest.Result {
	t.Helper()
	return exporttest.Run(t, Component(), config, rows)
}

func TestGolden(t *testing.T) {
	rows := exporttest.Fixture(t, fixture)
	for name, config := range map[string]string{
		"default.jsonl": `{}`,
		"plain.jsonl":   `{"system":"","thoughts":false,"tools":"used","train_on":"all"}`,
	} {
		r := output(t, config, rows)
		if r.Reasons() != "- - - - -" {
			t.Errorf("%s: %s", name, r.Reasons())
		}
		r.Lines(t, "train.jsonl")
		exporttest.Golden(t, *update, name, r.Files["train.jsonl"].Content)
	}
}

func TestOddRows(t *testing.T) {
	exporttest.CheckOdd(t, func(rows []string) exporttest.Result { return output(t, `{}`, rows) })
}

// Names and numbers of tools that the API refuses.
func TestTools(t *testing.T) {
	tool := func(name string) string { return `{"name":"` + name + `","description":"d"}` }
	many := "[" + tool("BankList")
	for i := range export.MaxTools {
		many += "," + tool(fmt.Sprint("T", i))
	}
	many += "]"
	dotted := "[" + tool("BankList") + "," + tool("bank.pay") + "]"
	for _, c := range []struct{ name, tools, config, want string }{
		{"dot in a name", dotted, `{}`, export.ToolName},
		{"dot in a name not used", dotted, `{"tools":"used"}`, "-"},
		{"long name", "[" + tool("BankList") + "," + tool(strings.Repeat("x", 65)) + "]", `{}`, export.ToolName},
		{"many", many, `{}`, export.TooManyTools},
		{"many, one used", many, `{"tools":"used"}`, "-"},
	} {
		row := exporttest.With(t, exporttest.Good, "tools", c.tools)
		if got := output(t, c.config, []string{row}).Reasons(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// weights are those of a line's assistant messages.
func weights(t *testing.T, line string) string {
	t.Helper()
	var row struct {
		Messages []struct {
			Role   string
			Weight *int
		}
	}
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		t.Fatal(err)
	}
	var out string
	for _, m := range row.Messages {
		if m.Role == "assistant" {
			out += fmt.Sprint(*m.Weight)
		}
	}
	return out
}

func TestWeights(t *testing.T) {
	scenario := exporttest.Good
	ordinary := exporttest.With(t, exporttest.With(t, scenario, "kind", `"ordinary"`), "trigger", "")
	for config, want := range map[string][2]string{
		`{}`:                 {"01", "01"},
		`{"train_on":"all"}`: {"01", "11"},
	} {
		lines := output(t, config, []string{scenario, ordinary}).Lines(t, "train.jsonl")
		if got := [2]string{weights(t, lines[0]), weights(t, lines[1])}; got != want {
			t.Errorf("%s: weights %v, want %v", config, got, want)
		}
	}
}

// A history that no judge went through is never trained on.
func TestWeightsOfUnknownKind(t *testing.T) {
	row := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", ""), "trigger", "")
	if got := weights(t, output(t, `{"train_on":"all"}`, []string{row}).Lines(t, "train.jsonl")[0]); got != "01" {
		t.Errorf("weights %s, want 01", got)
	}
}

// Whatever texts a row holds, its line is valid, and no row is lost.
func TestRandomRows(t *testing.T) {
	rows := exporttest.Random(t, 400)
	for _, config := range []string{`{}`, `{"system":"","thoughts":false,"tools":"used","train_on":"all"}`} {
		lines := output(t, config, rows).Lines(t, "train.jsonl")
		if len(lines) != len(rows) {
			t.Fatalf("%s: %d lines of %d rows", config, len(lines), len(rows))
		}
		for i, line := range lines {
			if err := export.ValidateOpenAI([]byte(line)); err != nil {
				t.Fatalf("%s: line %d: %v\n%s", config, i, err, line)
			}
		}
	}
}

func TestSplits(t *testing.T) {
	r := exporttest.Run(t, Component(), `{}`, exporttest.Fixture(t, fixture), "train", "test")
	if train, test := len(r.Lines(t, "train.jsonl")), len(r.Lines(t, "test.jsonl")); train != 3 || test != 2 || len(r.Files) != 2 {
		t.Errorf("%d and %d lines in %d files", train, test, len(r.Files))
	}
}

func BenchmarkRow(b *testing.B) {
	rows := exporttest.Random(b, 1000)
	for b.Loop() {
		output(b, `{}`, rows)
	}
}
