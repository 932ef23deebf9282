package export_test

import (
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
)

func TestFormats(t *testing.T) {
	list := export.Formats()
	if !slices.IsSortedFunc(list, func(a, b export.Format) int { return slices.Compare([]string{a.Name}, []string{b.Name}) }) {
		t.Error("the formats are not in order of name")
	}
	for _, f := range list {
		if f.Validate == nil || len(f.Columns) == 0 {
			t.Errorf("%s has no validator, or no columns", f.Name)
		}
	}
	if _, ok := export.FormatNamed("chatml"); ok {
		t.Error("there is a format chatml")
	}
}

func TestFieldOf(t *testing.T) {
	for message, want := range map[string]string{
		"messages[3].content must be a string":                       "messages[3].content",
		"tools[0].parameters.properties.to.enum must be":             "tools[0].parameters.properties.to.enum",
		"input.messages[0].role: unknown role":                       "input.messages[0].role",
		"chosen and rejected do the same":                            "chosen",
		"label must be true or false":                                "label",
		"the row has no messages":                                    "",
		"a row must be a JSON object":                                "",
		"":                                                           "",
		"not JSON: it ends too early":                                "",
		"conversations[1].value[2] calls \"x\", which is not listed": "conversations[1].value[2]",
	} {
		if got := export.FieldOf(message); got != want {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

func TestFactsOf(t *testing.T) {
	for _, c := range []struct{ line, shape, asks string }{
		{`{"messages":[{"role":"system","content":"Act."},{"role":"user","content":"Pay."},{"role":"user","content":"No."}],"tools":[]}`, "messages", "Pay."},
		{`{"conversations":[{"from":"human","value":"Pay."}],"label":true}`, "conversations, label", "Pay."},
		{`{"messages":[{"role":"user","content":[{"type":"text","value":"Pay "},{"type":"text","text":"Anna."}]}]}`, "messages, content in parts", "Pay Anna."},
		{`{"input":{"messages":[{"role":"user","content":"Pay."}]},"preferred_output":[],"non_preferred_output":[]}`, "input, non_preferred_output, preferred_output", "Pay."},
		{`{"prompt":"Pay.","completions":[],"labels":[]}`, "completions, labels, prompt", "Pay."},
		{`{"instruction":"Act.","input":"Weigh it.\n\nUser instruction: Pay\n\nAnna.\n\nThought 1: x","output":"y"}`, "input, instruction, output", "Pay\n\nAnna."},
		{`{"instruction":"Act.","input":"[User Instruction]: Pay.\n[Background]:\n","output":"1"}`, "input, instruction, output", "Pay."},
		{`{"instruction":"Translate.","input":"","output":"y"}`, "input, instruction, output", "Translate."},
		{`{"instruction":"Pay.","trajectory":[]}`, "instruction", "Pay."},
		{`{"messages":5}`, "messages", ""},
		{`{"messages":[{"role":"assistant","content":"Hi."}]}`, "messages", ""},
		{`{}`, "", ""},
	} {
		got, err := export.FactsOf([]byte(c.line))
		if err != nil || got.Shape != c.shape || got.Asks != (c.asks != "") || got.Asks && got.Prompt != sha256.Sum256([]byte(c.asks)) {
			t.Errorf("%s: %v, %q, %t", c.line, err, got.Shape, got.Asks)
		}
	}
	for _, line := range []string{"", "[]", "null", `"x"`, "{"} {
		if _, err := export.FactsOf([]byte(line)); err == nil {
			t.Errorf("%s has facts", line)
		}
	}
}

func TestSplitOf(t *testing.T) {
	for name, want := range map[string]string{
		"train.jsonl": "train", "dist/test.jsonl.gz": "test", "dev.json.zst": "dev",
		"train-00000-of-00003.parquet": "train", "a-b-00012-of-00100.jsonl.zst": "a-b",
		"train-0-of-3.jsonl": "train-0-of-3", "-00000-of-00001.jsonl": "-00000-of-00001", "notes.txt": "notes.txt", "": ".",
	} {
		if got := export.SplitOf(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if !export.HeldOut("Validation") || !export.HeldOut("test") || export.HeldOut("train") || export.HeldOut("tests2") {
		t.Error("what is held out is not told")
	}
}
