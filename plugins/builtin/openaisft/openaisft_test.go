package openaisft

import (
	"encoding/json"
	"flag"
	"fmt"
	"slices"
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
		"default.jsonl":    `{}`,
		"plain.jsonl":      `{"system":"","thoughts":"none","tools":"used","examples":"whole"}`,
		"steps.jsonl":      `{"thoughts":"tags","tools":"used","examples":"steps","ordinary":1}`,
		"reflection.jsonl": `{"tools":"used","examples":"reflection"}`,
	} {
		r := output(t, config, rows)
		want := "- - - - -"
		if name == "steps.jsonl" {
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
	row := exporttest.With(t, exporttest.With(t, scenario, "kind", `"ordinary"`), "trigger", "")
	for config, want := range map[string][2][]string{
		`{}`:                                     {{"01"}, {"1"}}, // of this ordinary run the first step was drawn
		`{"loss":"safe_actions"}`:                {{"11"}, {"1"}},
		`{"examples":"steps"}`:                   {{"1", "01"}, {"1", "01"}},
		`{"examples":"whole"}`:                   {{"11"}, {"11"}},
		`{"examples":"whole","loss":"final"}`:    {{"01"}, {"01"}},
		`{"examples":"whole","loss":"all"}`:      {{"11"}, {"11"}},
		`{"examples":"reflection"}`:              {{"01"}, {"01"}}, // nobody reflected
		`{"examples":"reflection","loss":"all"}`: {{"11"}, {"11"}},
	} {
		for i, r := range []string{scenario, row} {
			var got []string
			for _, line := range output(t, config, []string{r}).Lines(t, "train.jsonl") {
				got = append(got, weights(t, line))
			}
			if !slices.Equal(got, want[i]) {
				t.Errorf("%s, row %d: weights %q, want %q", config, i, got, want[i])
			}
		}
	}
}

// What was judged unsafe has weight 0, whatever is learned beside it; each
// attempt is followed by what was said to it.
func TestMistakesAreNotLearned(t *testing.T) {
	row := exporttest.With(t, exporttest.Good, "attempts", `[
		{"action":{"tool":"BankPay","arguments":{"to":"Anna","amount":9}},"verdict":{"label":"unsafe","outcome":"bias"},"reflection":"Which Anna?"},
		{"action":{"tool":"","answer":"Paid."},"verdict":{"label":"unsafe","outcome":"bias"},"reflection":"Not true."},
		{"action":{"tool":"BankPay","arguments":{"to":5}},"verdict":{"label":"unsafe","outcome":"bias"},"reflection":"Does not fit the tool."},
		{"action":{"tool":"","answer":"Hm."},"verdict":{"label":"unsafe","outcome":"bias"}},
		{"action":{"tool":"","answer":"Which Anna?"},"verdict":{"label":"safe","outcome":""}}]`)
	for loss, want := range map[string]string{"final": "0001", "safe_actions": "1001", "all": "1001"} {
		line := output(t, `{"examples":"reflection","loss":"`+loss+`"}`, []string{row}).Lines(t, "train.jsonl")[0]
		if got := weights(t, line); got != want {
			t.Errorf("loss %s: weights %s, want %s", loss, got, want)
		}
		call, said := strings.Index(line, `\"amount\":9`), strings.Index(line, "not made. Which Anna?")
		answer, user := strings.Index(line, "Paid."), strings.Index(line, `{"role":"user","content":"Not true."}`)
		if call < 0 || said < call || answer < said || user < answer {
			t.Errorf("the attempts and what was said to them: %d %d %d %d\n%s", call, said, answer, user, line)
		}
	}
}

// A history that no judge went through is learned only if one asks for all.
func TestWeightsOfUnknownKind(t *testing.T) {
	row := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", ""), "trigger", "")
	if got := weights(t, output(t, `{"examples":"whole"}`, []string{row}).Lines(t, "train.jsonl")[0]); got != "01" {
		t.Errorf("weights %s, want 01", got)
	}
	if got := weights(t, output(t, `{"loss":"all"}`, []string{row}).Lines(t, "train.jsonl")[0]); got != "11" {
		t.Errorf("loss = all: weights %s, want 11", got)
	}
}

// Whatever texts a row holds, its lines are valid, and no row is lost.
func TestRandomRows(t *testing.T) {
	exporttest.CheckRandom(t, Component(), export.OpenAISFT(), []string{
		`{}`,
		`{"system":"","thoughts":"none","tools":"used","examples":"whole"}`,
		`{"thoughts":"tags","examples":"reflection","loss":"all"}`,
		`{"examples":"steps","ordinary":1000}`,
	}, export.OrdinaryLimit)
}

// OpenAI asks for a weight of every message that could be learned; the last
// one always is.
func TestEveryTurnIsWeighed(t *testing.T) {
	for _, line := range output(t, `{"examples":"reflection"}`, exporttest.Random(t, 100)).Lines(t, "train.jsonl") {
		if w := weights(t, line); strings.Trim(w, "01") != "" || !strings.HasSuffix(w, "1") {
			t.Fatalf("weights %q\n%s", w, line)
		}
		if strings.Contains(line, `"tools"`) != strings.Contains(line, `"parallel_tool_calls":false`) {
			t.Fatalf("parallel_tool_calls does not stand beside tools alone:\n%s", line)
		}
	}
}

func TestConfig(t *testing.T) {
	exporttest.CheckConfig(t, Component(), `{"thoughts":"reasoning_content"}`, "thoughts")
	exporttest.CheckConfig(t, Component(), `{"examples":"steps","loss":"all"}`, "loss")
	exporttest.CheckConfig(t, Component(), `{"compression":"snappy"}`, "compression")
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
