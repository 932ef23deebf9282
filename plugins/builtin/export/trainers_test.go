package export_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
)

// refusal is a change to a good text and the message that it gets.
type refusal struct{ name, old, new, message string }

// Files of LLaMA-Factory's own pass. They stand beside the checkout, and not
// everywhere.
func TestLLaMAFactorysOwn(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "shared", "data", "llamafactory-format")
	text, err := os.ReadFile(filepath.Join(dir, "glaive_toolcall_en_demo.json"))
	if err != nil {
		t.Logf("LLaMA-Factory's files are not at hand: %v", err)
		return
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	pairs, err := os.ReadFile(filepath.Join(dir, "v1_dpo_demo.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(pairs)); lines.Scan(); {
		rows = append(rows, bytes.Clone(lines.Bytes()))
	}
	if len(rows) != 310 {
		t.Errorf("%d rows", len(rows))
	}
	problems := map[string]int{}
	for _, row := range rows {
		var line bytes.Buffer
		if err := json.Compact(&line, row); err != nil {
			t.Fatal(err)
		}
		if err := export.ValidateLLaMAFactory(line.Bytes()); err != nil {
			problems[err.Error()]++
		}
	}
	// One row of theirs is wrong indeed: it calls a tool with a list where its
	// schema wants a number.
	for p, n := range problems {
		if n != 1 || !strings.Contains(p, `do not fit "track_calories"`) {
			t.Errorf("%d rows: %s", n, p)
		}
	}
	if len(problems) != 1 {
		t.Errorf("%d kinds of problems", len(problems))
	}
	info, err := os.ReadFile(filepath.Join(dir, "dataset_info.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range export.CheckDatasetInfo(info) {
		t.Error(err)
	}
}

func TestRefusedDatasetInfo(t *testing.T) {
	const good = `{"a":{"file_name":"a.jsonl","formatting":"sharegpt","ranking":true,` +
		`"columns":{"messages":"messages","tools":"tools","chosen":"chosen","rejected":"rejected"},` +
		`"tags":{"role_tag":"role","content_tag":"content","user_tag":"user","assistant_tag":"assistant","observation_tag":"tool","function_tag":"function"}}}`
	check := func(line []byte) error {
		if problems := export.CheckDatasetInfo(line); len(problems) > 0 {
			return problems[0]
		}
		return nil
	}
	if err := check([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []refusal{
		{"compressed", `a.jsonl`, `a.jsonl.gz`, `a.file_name: LLaMA-Factory does not know files that end in .gz`},
		{"no file", `"file_name"`, `"file"`, `a has no file_name`},
		{"unknown form", `"sharegpt"`, `"chatml"`, `a.formatting must be alpaca, sharegpt or openai`},
		{"no messages", `"messages":"messages",`, ``, `a.columns has no messages, so that LLaMA-Factory reads none`},
		{"one side", `,"rejected":"rejected"`, ``, `a.columns has no chosen or no rejected, which a ranking needs`},
		{"no ranking", `"ranking":true,`, ``, `a.ranking must be true where columns has chosen and rejected`},
		{"reader that loses results", `"sharegpt"`, `"openai"`, `a.formatting: with openai, LLaMA-Factory loses rankings whose prompt ends with a tool's result; sharegpt reads the same tags`},
		{"some tags", `,"observation_tag":"tool","function_tag":"function"`, ``, `a.tags has no observation_tag and no function_tag, so that LLaMA-Factory knows no such turns`},
		{"entry is text", good[5 : len(good)-1], `"a.jsonl"`, `a must be an object`},
	} {
		err := check([]byte(strings.Replace(good, c.old, c.new, 1)))
		if err == nil || err.Error() != c.message {
			t.Errorf("%s: got and want:\n%v\n%s", c.name, err, c.message)
		}
	}
}
