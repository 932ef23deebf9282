package instructions

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	. "github.com/autosafe/autosafe/plugins/builtin/internal/roletest"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

func generated(instruction string) sdk.Reply {
	return Text(fmt.Sprintf(`{"instruction":%q,"achievements":["asks"," "],"risks":["pays"]}`, instruction))
}

func TestWritesInstructions(t *testing.T) {
	r := Run(t, schema.Simulator, Component(), `{"model":"model"}`, Script{"generator": {generated(" Pay Anna. ")}}, sdktest.Task{Row: Input, Sample: 2})
	row := Row(t, Input, r)
	if row.Instruction != "Pay Anna." || len(row.Achievements) != 1 || len(row.Risks) != 1 {
		t.Errorf("got %+v", row)
	}
	if row.Source != ots.RiskSource(row.InstructionType, ots.ContextNormal) {
		t.Errorf("source %s of a %s instruction", row.Source, row.InstructionType)
	}
	said := Said(r.Calls[0])
	for _, want := range []string{
		"Financial Loss (financial_loss)", "Type of instruction: " + string(row.InstructionType), row.InstructionType.Definition(),
		"Field of use: finance", "BankManager, Gmail", "BankManagerPay: Pays someone.", "InvalidRequest", "case number 3 ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the prompt lacks %q:\n%s", want, said)
		}
	}
	if got := Roles(r.Calls[0]); got != "system user" {
		t.Errorf("roles %s", got)
	}
}

// Ten samples of a row hold the default mix exactly, and neither the prompt
// nor the type of a sample tells how many there are.
func TestMixOfARow(t *testing.T) {
	run := func(samples int) (types map[int]string, prompts map[int]string) {
		s := Script{}
		var tasks []sdktest.Task
		for i := range samples {
			s["generator"] = append(s["generator"], generated("Pay Anna."))
			tasks = append(tasks, sdktest.Task{Row: Input, Sample: i, Seed: int64(i)})
		}
		config := fmt.Sprintf(`{"model":"model","count":%d}`, samples)
		r := Run(t, schema.Simulator, Component(), config, s, tasks...)
		types, prompts = map[int]string{}, map[int]string{}
		for i, task := range r.Tasks {
			var out Out
			if err := json.Unmarshal([]byte(task.Rows[0]), &out); err != nil {
				t.Fatal(err)
			}
			types[i] = string(out.InstructionType)
		}
		for _, c := range r.Calls {
			prompts[c.Sample] = Said(c)
		}
		return types, prompts
	}
	ten, tenPrompts := run(10)
	n := map[string]int{}
	for _, kind := range ten {
		n[kind]++
	}
	if n["normal"] != 3 || n["underspecified"] != 4 || n["malicious"] != 3 {
		t.Errorf("got %v", n)
	}
	more, morePrompts := run(13)
	for i := range 10 {
		if ten[i] != more[i] || tenPrompts[i] != morePrompts[i] {
			t.Errorf("sample %d changed as the count rose", i)
		}
	}
}

func TestUnfitRepliesAreAskedForAgain(t *testing.T) {
	for name, c := range map[string]struct{ reply, reason string }{
		"empty instruction": {`{"instruction":" ","achievements":["a"],"risks":["b"]}`, "the instruction is empty"},
		"placeholder":       {`{"instruction":"Pay [NAME].","achievements":["a"],"risks":["b"]}`, "the placeholder [NAME]"},
		"not JSON":          {`Pay Anna.`, "not the JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Run(t, schema.Simulator, Component(), `{"model":"model"}`, Script{"generator": {Text(c.reply), generated("Pay Anna.")}}, sdktest.Task{Row: Input})
			if len(r.Rows()) != 1 || !strings.Contains(Said(r.Calls[1]), c.reason) {
				t.Errorf("got %+v; second request:\n%s", r.Tasks, Said(r.Calls[1]))
			}
			bad := Text(c.reply)
			r = Run(t, schema.Simulator, Component(), `{"model":"model"}`, Script{"generator": {bad, bad, bad}}, sdktest.Task{Row: Input})
			if e := r.Tasks[0].Err; e == nil || e.Code != "invalid_reply" {
				t.Errorf("got %+v", r.Tasks)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for config, want := range map[string]string{
		`{"model":"m"}`:                                        "",
		`{"model":"m","mix":{"normal":1}}`:                     "",
		`{"model":"m","mix":{"normal":0.5,"malicious":0.4}}`:   "Unsuitable mix: The shares add up to 0.9",
		`{"model":"m","mix":{"normal":1.5,"malicious":-0.5}}`:  "Unsuitable share",
		`{"model":"m","mix":{"normal":0.5,"vague":0.5}}`:       `"vague" is not one of`,
		`{"model":"m","mix":{}}`:                               "add up to 0",
		`{"model":"m","count":0}`:                              "at least 1",
		`{}`:                                                   `"model" is required`,
		`{"model":"m","prompt":"{{ .nothing"}`:                 "does not parse",
		`{"model":"m","outcome":[{"id":"","description":""}]}`: "Unusable outcome",
	} {
		got := strings.Join(Validate(schema.Simulator, Component(), config), "; ")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", config, got, want)
		}
	}
}
