package trlsft

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

func output(t testing.TB, config string, rows ...string) exporttest.Result {
	t.Helper()
	return exporttest.Run(t, Component(), config, rows)
}

func TestGolden(t *testing.T) {
	rows := exporttest.Fixture(t, "../export/testdata/rows.jsonl")
	for name, config := range map[string]string{
		"default.jsonl":  `{}`,
		"messages.jsonl": `{"form":"messages","examples":"whole","thoughts":"reasoning_content","tools":"used"}`,
		"text.jsonl":     `{"examples":"whole","calls":"text","thoughts":"tags","system":"","tools":"used"}`,
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
	exporttest.CheckRandom(t, Component(), export.TRLSFT(), []string{
		`{}`,
		`{"system":"","thoughts":"none","tools":"used","examples":"steps","ordinary":1000}`,
		`{"thoughts":"thinking","examples":"whole"}`,
		`{"thoughts":"tags","examples":"reflection","calls":"text"}`,
		`{"form":"messages","examples":"whole","thoughts":"reasoning_content"}`,
		`{"form":"messages","loss":"all","calls":"text","system":""}`,
	}, export.OrdinaryLimit)
}

func TestConfig(t *testing.T) {
	for _, config := range []string{
		`{"form":"messages"}`,
		`{"form":"messages","examples":"steps"}`,
		`{"form":"messages","examples":"whole","loss":"final"}`,
		`{"form":"messages","examples":"reflection","loss":"all"}`,
	} {
		exporttest.CheckConfig(t, Component(), config, "form")
	}
	exporttest.CheckConfig(t, Component(), `{"examples":"steps","loss":"safe_actions"}`, "loss")
}

// roles are those of each list of a line.
func roles(t *testing.T, line string) string {
	t.Helper()
	var row map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, key := range []string{"messages", "prompt", "completion"} {
		var list []struct{ Role string }
		if row[key] == nil {
			continue
		}
		if err := json.Unmarshal(row[key], &list); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Trim(fmt.Sprint(list), "[]"))
	}
	return strings.NewReplacer("{system}", "s", "{user}", "u", "{assistant}", "a", "{tool}", "t", " ", "").Replace(strings.Join(out, "|"))
}

// The completion is what is learned.
func TestTheCompletionIsWhatIsLearned(t *testing.T) {
	reflected := exporttest.With(t, exporttest.Good, "attempts", `[{"action":{"tool":"BankPay","arguments":{"to":"Anna"}},"verdict":{"label":"unsafe","outcome":"bias"},"reflection":"Which Anna?"}]`)
	unknown := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", ""), "trigger", "")
	for _, c := range []struct {
		config, row string
		want        []string
	}{
		{`{}`, exporttest.Good, []string{"suat|a"}},
		{`{"examples":"steps"}`, exporttest.Good, []string{"su|a", "suat|a"}},
		{`{"examples":"whole"}`, exporttest.Good, []string{"su|ata"}},
		{`{"examples":"whole","loss":"final"}`, exporttest.Good, []string{"suat|a"}},
		{`{"examples":"reflection","loss":"all"}`, reflected, []string{"suatat|a"}},
		{`{"examples":"reflection","calls":"text","system":""}`, reflected, []string{"suauau|a"}},
		{`{"examples":"whole"}`, unknown, []string{"suat|a"}},
		{`{"examples":"whole","loss":"all"}`, unknown, []string{"su|ata"}},
		{`{"form":"messages","examples":"whole"}`, exporttest.Good, []string{"suata"}},
	} {
		var got []string
		for _, line := range output(t, c.config, c.row).Lines(t, "train.jsonl") {
			got = append(got, roles(t, line))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.config, got, c.want)
		}
	}
	if got := output(t, `{"form":"messages","examples":"whole"}`, unknown).Reasons(); got != export.NoMask {
		t.Errorf("a history that nobody judged, in the form messages: %s", got)
	}
}

// Where the chat template knows no tools, they are text throughout.
func TestText(t *testing.T) {
	line := output(t, `{"examples":"whole","calls":"text"}`, exporttest.Good).Lines(t, "train.jsonl")[0]
	for _, no := range []string{`"tools"`, `"tool_calls"`, `"role":"tool"`, `"name":"BankList","content"`} {
		if strings.Contains(line, no) {
			t.Errorf("%s stands in %s", no, line)
		}
	}
	for _, want := range []string{`<tools>\n{\"type\":\"function\"`, `Look.\n<tool_call>\n{\"name\":\"BankList\",\"arguments\":{}}\n</tool_call>`, `<tool_response>\n[]\n</tool_response>`} {
		if !strings.Contains(line, want) {
			t.Errorf("there is no %s in %s", want, line)
		}
	}
}
