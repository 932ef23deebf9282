package llamafactory

import (
	"encoding/json"
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

const fixture = "../export/testdata/rows.jsonl"

func output(t testing.TB, config string, rows []string, splits ...string) exporttest.Result {
	t.Helper()
	return exporttest.Run(t, Component(), config, rows, splits...)
}

// configs are the forms and stages, with a name for each.
func configs() map[string]string {
	return map[string]string{
		"sharegpt_sft": `{"name":"agent_safety"}`,
		"sharegpt_dpo": `{"stage":"dpo","name":"agent_safety"}`,
		"sharegpt_kto": `{"stage":"kto"}`,
		"openai_sft":   `{"formatting":"openai","examples":"whole"}`,
		"openai_dpo":   `{"formatting":"openai","stage":"dpo","rejected":"both"}`,
		"openai_kto":   `{"formatting":"openai","stage":"kto","thoughts":"none"}`,
		"v1_sft":       `{"formatting":"v1","examples":"whole"}`,
		"v1_dpo":       `{"formatting":"v1","stage":"dpo"}`,
	}
}

func TestGolden(t *testing.T) {
	rows := exporttest.Fixture(t, fixture)
	for name, config := range configs() {
		r := output(t, config, rows, "train", "train", "test")
		for _, file := range slices.Sorted(maps.Keys(r.Files)) {
			exporttest.Golden(t, *update, name+"."+file, r.Files[file].Content)
		}
	}
}

func TestOddRows(t *testing.T) {
	exporttest.CheckOdd(t, func(rows []string) exporttest.Result { return output(t, `{}`, rows) })
}

// Whatever texts a row holds, its line is valid, and no row is lost but those
// that the form has no place for.
func TestRandomRows(t *testing.T) {
	rows := exporttest.Random(t, 400)
	for name, config := range configs() {
		config = strings.TrimSuffix(config, "}") + `,"ordinary":1000}`
		r := output(t, strings.Replace(config, "{,", "{", 1), rows)
		for i, line := range r.Lines(t, "train.jsonl") {
			if err := export.ValidateLLaMAFactory([]byte(line)); err != nil {
				t.Fatalf("%s: line %d: %v\n%s", name, i, err, line)
			}
		}
		for i, reason := range r.Skipped {
			allowed := strings.HasSuffix(name, "dpo") && (reason == export.NoTrigger || reason == export.NoUnsafeAttempt || reason == export.SameAction)
			if reason != "" && !allowed {
				t.Errorf("%s: row %d was left out: %s", name, i, reason)
			}
		}
	}
}

// A text with the marks around a thought would be read as another one.
func TestMarks(t *testing.T) {
	for _, c := range []struct{ column, value, want string }{
		{"instruction", `"What is <think>?"`, export.Marks},
		{"safe_action", `{"tool":"BankPay","thought":"Hm.","arguments":{"to":"</think>"}}`, "-"},
		{"safe_action", `{"tool":"BankPay","thought":"Hm.</think>","arguments":{"to":"x"}}`, export.Marks},
	} {
		row := exporttest.With(t, exporttest.Good, c.column, c.value)
		if got := output(t, `{}`, []string{row}).Reasons(); got != c.want {
			t.Errorf("%s: %s, want %s", c.value, got, c.want)
		}
	}
}

// Parameters that stop LLaMA-Factory, and those that can be shown all the same.
func TestTools(t *testing.T) {
	for _, c := range []struct{ parameters, want string }{
		{`{"type":"object"}`, "-"},
		{`{"type":"object","properties":{"to":{"type":"string","enum":["a"]}}}`, "-"},
		{`{"type":"object","properties":{"n":{"type":"integer","enum":[1,2]}}}`, export.ToolSchema},
		{`{"type":"object","properties":{"n":true}}`, export.ToolSchema},
	} {
		tools := `[{"name":"BankList"},{"name":"BankPay","parameters":{"type":"object","properties":{"to":{"type":"string"}}}},{"name":"X","parameters":` + c.parameters + `}]`
		row := exporttest.With(t, exporttest.Good, "tools", tools)
		if got := output(t, `{}`, []string{row}).Reasons(); got != c.want {
			t.Errorf("%s: %s, want %s", c.parameters, got, c.want)
		}
	}
}

// Steps that no judge saw are not learned: they are masked as history, or the
// row is left out.
func TestHistoryNotJudged(t *testing.T) {
	row := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", ""), "trigger", "")
	for config, want := range map[string]string{
		`{}`:                                     "-",
		`{"examples":"whole"}`:                   export.NoMask,
		`{"examples":"whole","loss":"final"}`:    "-",
		`{"formatting":"v1","examples":"whole"}`: "-",
		`{"formatting":"openai","loss":"final"}`: "-",
		`{"formatting":"openai","stage":"kto"}`:  "-",
		`{"examples":"final","loss":"all"}`:      "-",
	} {
		if got := output(t, config, []string{row}).Reasons(); got != want {
			t.Errorf("%s: %s, want %s", config, got, want)
		}
	}
}

// dataset_info.json names each split's file, with columns that its rows have.
func TestDatasetInfo(t *testing.T) {
	rows := exporttest.Fixture(t, fixture)
	for name, config := range configs() {
		r := output(t, config, rows, "train", "test")
		if strings.HasPrefix(name, "v1") {
			continue
		}
		var info map[string]map[string]any
		if err := json.Unmarshal(r.Files[infoFile].Content, &info); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if problems := export.CheckDatasetInfo(r.Files[infoFile].Content); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		for entry, e := range info {
			file, _ := e["file_name"].(string)
			var row map[string]any
			if err := json.Unmarshal([]byte(r.Lines(t, file)[0]), &row); err != nil {
				t.Fatalf("%s: %s: %v", name, entry, err)
			}
			columns, _ := e["columns"].(map[string]any)
			for _, column := range columns {
				if _, ok := row[column.(string)]; !ok {
					t.Errorf("%s: %s names column %v, which %s does not have", name, entry, column, file)
				}
			}
			if len(columns) != len(row) {
				t.Errorf("%s: %s names %d of %d columns", name, entry, len(columns), len(row))
			}
		}
		if len(info) != 2 {
			t.Errorf("%s: %d entries", name, len(info))
		}
	}
}

func TestConfiguration(t *testing.T) {
	for config, want := range map[string]string{
		`{"name":"a,b"}`:                            "Unsuitable name",
		`{"name":""}`:                               "Unsuitable name",
		`{"compression":"gzip"}`:                    "Unsuitable compression",
		`{"formatting":"v1","stage":"kto"}`:         "Unsuitable stage",
		`{"thoughts":"thinking"}`:                   "No place for thoughts",
		`{"examples":"steps","loss":"all"}`:         "Unsuitable loss",
		`{"formatting":"v1","thoughts":"thinking"}`: "",
	} {
		row := []sdktest.Task{{Row: exporttest.Good, Split: "train"}}
		got := sdktest.RunTasks(t, exporttest.Plugin(Component()), schema.Output, "under_test", config, row, nil)
		said := ""
		if len(got.Diagnostics) > 0 {
			said = got.Diagnostics[0].Summary
		}
		if said != want {
			t.Errorf("%s: %q, want %q", config, said, want)
		}
	}
}

// The files of a split with several have an entry each.
func TestEntries(t *testing.T) {
	cfg := Config{Name: "a", Stage: "sft"}
	entries, of := cfg.files([]string{"test.jsonl", "train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"})
	if got := strings.Join(entries, " "); got != "a_sft_test a_sft_train_00000 a_sft_train_00001" {
		t.Error(got)
	}
	if of["a_sft_train_00001"] != "train-00001-of-00002.jsonl" {
		t.Error(of)
	}
}

// An entry names a file that was written, also where a split has several.
func TestShards(t *testing.T) {
	for config, want := range map[string]string{
		`{"shard_rows":2}`:                   "autosafe_sft_test autosafe_sft_train_00000 autosafe_sft_train_00001",
		`{"shard_rows":2,"files":"parquet"}`: "autosafe_sft_test autosafe_sft_train_00000 autosafe_sft_train_00001",
		`{"files":"parquet"}`:                "autosafe_sft_test autosafe_sft_train",
	} {
		r := output(t, config, exporttest.Fixture(t, fixture), "train", "train", "train", "test")
		var info map[string]struct {
			File string `json:"file_name"`
		}
		if err := json.Unmarshal(r.Files[infoFile].Content, &info); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(info)), " "); got != want {
			t.Errorf("%s: %s, want %s", config, got, want)
		}
		for name, e := range info {
			if _, ok := r.Files[e.File]; !ok {
				t.Errorf("%s: %s is %s, which was not written", config, name, e.File)
			}
		}
	}
}

func BenchmarkRow(b *testing.B) {
	rows := exporttest.Random(b, 1000)
	for b.Loop() {
		output(b, `{}`, rows)
	}
}
