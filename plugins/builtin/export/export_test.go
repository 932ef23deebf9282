package export_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
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

// A change to a good line, as a replacement of text in it.
type change struct{ name, old, new, err string }

// checkValidator fails the test unless the validator takes the good lines and
// refuses each change to the first one that it is about, for its reason.
func checkValidator(t *testing.T, validate func([]byte) error, good []string, bad []change) {
	t.Helper()
	for _, line := range good {
		for _, text := range []string{line, line + "\n"} {
			if err := validate([]byte(text)); err != nil {
				t.Errorf("%v\n%s", err, line)
			}
		}
	}
	for _, c := range append(bad,
		change{"not JSON", `{"`, `{`, "invalid character"},
		change{"cut off", `}`, ``, ""},
		change{"over two lines", `{"`, "{\n\"", "one line"},
		change{"carriage return", `{"`, "{\r\"", "one line"},
		change{"more after it", "\x00end", `{}`, "after the value"},
		change{"not UTF-8", `{"`, "{\"\xff\":1,\"", "UTF-8"},
		change{"further key", `{"`, `{"id":"x","`, "unknown keys"},
	) {
		line := good[0]
		if c.old == "\x00end" {
			line += c.new
		} else if c.name == "cut off" {
			line = line[:len(line)-1]
		} else {
			if !strings.Contains(line, c.old) {
				t.Errorf("%s: there is no %s in the good line", c.name, c.old)
				continue
			}
			line = strings.Replace(line, c.old, c.new, 1)
		}
		err := validate([]byte(line))
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.err)
		}
	}
	for _, text := range []string{"", "null", "[]", `"x"`, "{}", strings.Repeat("[", 100000), strings.Repeat(`{"a":`, 5000)} {
		if validate([]byte(text)) == nil {
			t.Errorf("%.20q was taken", text)
		}
	}
}

func TestValidateOpenAI(t *testing.T) {
	const good = `{"messages":[{"role":"system","content":"Act."},{"role":"user","content":"Pay Anna."},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"BankList","arguments":"{}"}}],"weight":0},` +
		`{"role":"tool","tool_call_id":"call_1","content":""},` +
		`{"role":"assistant","content":"Now.","tool_calls":[{"id":"call_2","type":"function","function":{"name":"BankPay","arguments":"{\"to\":\"Anna\"}"}}],"weight":1}],` +
		`"tools":[{"type":"function","function":{"name":"BankList","parameters":{"type":"object","properties":{}}}},` +
		`{"type":"function","function":{"name":"BankPay","description":"Pays.","parameters":{"type":"object","properties":{"to":{"type":"string"}},"required":["to"],"additionalProperties":false}}}],` +
		`"parallel_tool_calls":false}`
	const plain = `{"messages":[{"role":"user","content":"Hi."},{"role":"assistant","content":"Hello.","weight":1}]}`
	checkValidator(t, export.ValidateOpenAI, []string{good, plain}, []change{
		{"no messages", `"messages"`, `"message"`, "no messages"},
		{"key in capitals", `"messages"`, `"Messages"`, "no messages"},
		{"key twice", `"parallel_tool_calls":false`, `"parallel_tool_calls":false,"parallel_tool_calls":false`, "twice"},
		{"parallel calls", `"parallel_tool_calls":false`, `"parallel_tool_calls":true`, "parallel_tool_calls"},
		{"parallel calls not said", `,"parallel_tool_calls":false`, ``, "parallel_tool_calls"},
		{"message is text", `{"role":"system","content":"Act."}`, `"Act."`, "must be an object"},
		{"unknown role", `"role":"system"`, `"role":"developer"`, "unknown role"},
		{"role is a number", `"role":"system"`, `"role":1`, "unknown role"},
		{"blank system", `"Act."`, `" "`, "not blank"},
		{"two users", `"role":"system"`, `"role":"user"`, "out of order"},
		{"no user", `{"role":"user","content":"Pay Anna."},`, ``, "out of order"},
		{"system after the user", `{"role":"system","content":"Act."},{"role":"user","content":"Pay Anna."}`, `{"role":"user","content":"Pay Anna."},{"role":"system","content":"Act."}`, "out of order"},
		{"user has a name", `"content":"Pay Anna."`, `"content":"Pay Anna.","name":"x"`, "unknown keys"},
		{"empty assistant", `"content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"BankList","arguments":"{}"}}],`, `"content":null,`, "not blank"},
		{"blank content beside a call", `"content":null`, `"content":""`, "not blank"},
		{"no content", `"content":null,`, ``, "no content"},
		{"no weight", `,"weight":0`, ``, "no weight"},
		{"weight 2", `"weight":0`, `"weight":2`, "must be 0 or 1"},
		{"weight true", `"weight":0`, `"weight":true`, "must be 0 or 1"},
		{"last is not trained on", `"weight":1`, `"weight":0`, "weight 1"},
		{"no calls", `"tool_calls":[{"id":"call_1","type":"function","function":{"name":"BankList","arguments":"{}"}}]`, `"tool_calls":[]`, "one call"},
		{"id twice", `"id":"call_2"`, `"id":"call_1"`, "twice"},
		{"blank id", `"id":"call_2"`, `"id":""`, "not blank"},
		{"call without id", `"id":"call_2",`, ``, "no id"},
		{"call has no type", `"id":"call_2","type":"function"`, `"id":"call_2","type":"custom"`, "must be function"},
		{"result of another call", `"tool_call_id":"call_1"`, `"tool_call_id":"call_2"`, "no open call"},
		{"result of no call", `"tool_call_id":"call_1"`, `"tool_call_id":null`, "no open call"},
		{"result without content", `"tool_call_id":"call_1","content":""`, `"tool_call_id":"call_1","content":null`, "must be a string"},
		{"result missing", `{"role":"tool","tool_call_id":"call_1","content":""},`, ``, "out of order"},
		{"result twice", `{"role":"tool","tool_call_id":"call_1","content":""},`, `{"role":"tool","tool_call_id":"call_1","content":""},{"role":"tool","tool_call_id":"call_1","content":""},`, "out of order"},
		{"ends with a result", `"weight":1}]`, `"weight":1},{"role":"tool","tool_call_id":"call_2","content":"ok"}]`, "the assistant's"},
		{"goes on after an answer", `"weight":0},`, `"weight":0},{"role":"tool","tool_call_id":"call_1","content":""},{"role":"assistant","content":"x","weight":0},`, "out of order"},
		{"unlisted tool", `"name":"BankPay","arguments"`, `"name":"BankSteal","arguments"`, "not listed"},
		{"arguments are an object", `"arguments":"{}"`, `"arguments":{}`, "JSON string"},
		{"malformed arguments", `"arguments":"{}"`, `"arguments":"{"`, "arguments"},
		{"argument twice", `"{\"to\":\"Anna\"}"`, `"{\"to\":\"Anna\",\"to\":\"Bob\"}"`, "twice"},
		{"arguments are a list", `"arguments":"{}"`, `"arguments":"[]"`, "must be an object"},
		{"argument missing", `"{\"to\":\"Anna\"}"`, `"{}"`, "required"},
		{"argument of another type", `"{\"to\":\"Anna\"}"`, `"{\"to\":7}"`, "string"},
		{"argument unknown", `"{\"to\":\"Anna\"}"`, `"{\"to\":\"Anna\",\"cc\":1}"`, "not a parameter"},
		{"bare tool", `{"type":"function","function":{"name":"BankList","parameters":{"type":"object","properties":{}}}}`, `{"name":"BankList"}`, "has no type"},
		{"tool twice", `{"name":"BankPay","description"`, `{"name":"BankList","description"`, "two tools"},
		{"tool's name", `{"name":"BankPay","description"`, `{"name":"bank.pay","description"`, "does not take"},
		{"description is a number", `"Pays."`, `5`, "must be a string"},
		{"parameters of a list", `"parameters":{"type":"object","properties":{}}`, `"parameters":{"type":"array"}`, "type object"},
		{"parameters in a string", `"parameters":{"type":"object","properties":{}}`, `"parameters":"{}"`, "type object"},
		{"parameters missing", `,"parameters":{"type":"object","properties":{}}`, ``, "no parameters"},
	})
	if err := export.ValidateOpenAI([]byte(strings.Replace(plain, `]}`, `],"tools":[],"parallel_tool_calls":false}`, 1))); err == nil {
		t.Error("an empty list of tools was taken")
	}
}

func TestValidateDPO(t *testing.T) {
	const good = `{"prompt":[{"role":"system","content":"Act."},{"role":"user","content":"Pay Anna."},` +
		`{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"BankList","arguments":{}}}]},` +
		`{"role":"tool","name":"BankList","content":""}],` +
		`"chosen":[{"role":"assistant","content":"Which Anna?"}],` +
		`"rejected":[{"role":"assistant","content":"Now.","tool_calls":[{"type":"function","function":{"name":"BankPay","arguments":{"to":"Anna"}}}]}],` +
		`"tools":"[{\"type\":\"function\",\"function\":{\"name\":\"BankList\",\"parameters\":{\"type\":\"object\"}}},` +
		`{\"type\":\"function\",\"function\":{\"name\":\"BankPay\",\"description\":\"Pays.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\"}},\"required\":[\"to\"]}}}]"}`
	const plain = `{"prompt":[{"role":"user","content":"Hi."}],"chosen":[{"role":"assistant","content":"a"}],"rejected":[{"role":"assistant","content":"b"}],"tools":"[]"}`
	const chosen = `[{"role":"assistant","content":"Which Anna?"}]`
	const call = `{"type":"function","function":{"name":"BankPay","arguments":{"to":"Anna"}}}`
	checkValidator(t, export.ValidateDPO, []string{good, plain}, []change{
		{"no tools", `"tools":"[`, `"tool":"[`, "no tools"},
		{"tools are a list", `"tools":"[{\"type\":\"function\",\"function\":{\"name\":\"BankList\",\"parameters\":{\"type\":\"object\"}}},{\"type\":\"function\",\"function\":{\"name\":\"BankPay\",\"description\":\"Pays.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\"}},\"required\":[\"to\"]}}}]"`, `"tools":[]`, "JSON string"},
		{"tools are malformed", `"tools":"[`, `"tools":"`, "tools"},
		{"tools are an object", `"tools":"[{`, `"tools":"{\"a\":[]}","x":"[{`, "unknown keys"},
		{"tool twice", `\"name\":\"BankPay\"`, `\"name\":\"BankList\"`, "two tools"},
		{"no prompt", `"prompt":[`, `"prompt":[],"x":[`, "unknown keys"},
		{"prompt is text", `"prompt":[{"role":"system","content":"Act."},{"role":"user","content":"Pay Anna."},{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"BankList","arguments":{}}}]},{"role":"tool","name":"BankList","content":""}]`, `"prompt":"Pay Anna."`, "list"},
		{"prompt ends with a call", `,{"role":"tool","name":"BankList","content":""}]`, `]`, "must end"},
		{"result of another tool", `"role":"tool","name":"BankList"`, `"role":"tool","name":"BankPay"`, "another tool"},
		{"result without name", `"role":"tool","name":"BankList"`, `"role":"tool"`, "no name"},
		{"result under an id", `"role":"tool","name":"BankList"`, `"role":"tool","name":"BankList","tool_call_id":"x"`, "unknown keys"},
		{"result without content", `"name":"BankList","content":""`, `"name":"BankList","content":null`, "must be a string"},
		{"two users", `"role":"system"`, `"role":"user"`, "out of order"},
		{"no user", `{"role":"user","content":"Pay Anna."},`, ``, "out of order"},
		{"unknown role", `"role":"system"`, `"role":"human"`, "unknown role"},
		{"blank user", `"Pay Anna."`, `"\n"`, "not blank"},
		{"arguments in a string", `"arguments":{"to":"Anna"}`, `"arguments":"{}"`, "must be an object"},
		{"argument missing", `"arguments":{"to":"Anna"}`, `"arguments":{}`, "required"},
		{"argument of another type", `"arguments":{"to":"Anna"}`, `"arguments":{"to":[]}`, "string"},
		{"unlisted tool", `"name":"BankPay"`, `"name":"BankSteal"`, "not listed"},
		{"call with an id", `{"type":"function","function":{"name":"BankPay"`, `{"id":"x","type":"function","function":{"name":"BankPay"`, "unknown keys"},
		{"two calls", call, call + "," + call, "one call"},
		{"null content", `"role":"assistant","tool_calls"`, `"role":"assistant","content":null,"tool_calls"`, "not blank"},
		{"empty assistant", chosen, `[{"role":"assistant"}]`, "not blank"},
		{"weight", `"content":"Which Anna?"`, `"content":"Which Anna?","weight":1`, "unknown keys"},
		{"nothing chosen", chosen, `[]`, "one message"},
		{"two chosen", chosen, `[{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]`, "one message"},
		{"chosen by the user", chosen, `[{"role":"user","content":"a"}]`, "the assistant's"},
		{"chosen is text", chosen, `"a"`, "one message"},
		{"same call, other thought", chosen, `[{"role":"assistant","content":"Later.","tool_calls":[` + call + `]}]`, "do the same"},
	})
	if err := export.ValidateDPO([]byte(strings.Replace(plain, `"b"`, `"a"`, 1))); err == nil {
		t.Error("the same answer on both sides was taken")
	}
}

func TestValidateAlpaca(t *testing.T) {
	const good = `{"instruction":"Act.\n\nBankList: Lists.\n  Parameters: {\"type\":\"object\"}\n\nBankPay: Pays.\n  Parameters: {\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\"}},\"required\":[\"to\"]}\n\nAction n: the tool, one of [BankList, BankPay]",` +
		`"input":"Pay Anna.\n\nThought 1: Look.\nAction 1: BankList\nAction Input 1: {}\nObservation 1: []\n\nGive Thought 2, then Action 2.",` +
		`"output":"Thought 2: Pay.\nAction 2: BankPay\nAction Input 2: {\"to\":\"Anna\"}"}`
	const answer = `{"instruction":"Act.","input":"Hi.\nGive Thought 1, or the Final Answer.","output":"Thought 1:\nFinal Answer: Hello,\nyou."}`
	checkValidator(t, export.ValidateAlpaca, []string{good, answer}, []change{
		{"no output", `"output"`, `"response"`, "no output"},
		{"input is null", `"input":"`, `"input":null,"x":"`, "unknown keys"},
		{"key twice", `{"instruction":`, `{"input":"x","instruction":`, "twice"},
		{"blank output", `"output":"Thought 2: Pay.\nAction 2: BankPay\nAction Input 2: {\"to\":\"Anna\"}"`, `"output":" "`, "not blank"},
		{"no thought", `"output":"Thought 2: Pay.\n`, `"output":"`, "Thought n"},
		{"thought without number", `"output":"Thought 2:`, `"output":"Thought:`, "Thought n"},
		{"step 0", `"output":"Thought 2:`, `"output":"Thought 0:`, "counted from 1"},
		{"step 1 again", `"output":"Thought 2:`, `"output":"Thought 1:`, "request for step 1"},
		{"step 3", `"output":"Thought 2:`, `"output":"Thought 3:`, "before step 3"},
		{"a huge step", `"output":"Thought 2:`, `"output":"Thought 99999999999999999999:`, "number"},
		{"step missing", `Observation 1: []`, `Result 1: []`, "no Observation 1"},
		{"steps out of order", `Thought 1: Look.\nAction 1: BankList`, `Action 1: BankList\nThought 1: Look.`, "no Action 1"},
		{"no request", `Give Thought 2, then`, `Then`, "request for step 2"},
		{"action's number", `\nAction 2: BankPay`, `\nAction 1: BankPay`, "must be Action 2"},
		{"input's number", `Action Input 2:`, `Action Input 1:`, "must be Action Input 2"},
		{"no action input", `\nAction Input 2: {\"to\":\"Anna\"}`, ``, "three lines"},
		{"input over two lines", `{\"to\":\"Anna\"}`, `{\"to\":\n\"Anna\"}`, "three lines"},
		{"input cut at a line break", `{\"to\":\"Anna\"}`, `{\"to\":\"An`, "Action Input"},
		{"input is text", `{\"to\":\"Anna\"}`, `Anna`, "Action Input"},
		{"input is a list", `{\"to\":\"Anna\"}`, `[\"Anna\"]`, "JSON object"},
		{"argument missing", `{\"to\":\"Anna\"}`, `{}`, "required"},
		{"argument of another type", `{\"to\":\"Anna\"}`, `{\"to\":1}`, "string"},
		{"unlisted tool", `Action 2: BankPay`, `Action 2: BankSteal`, "not listed"},
		{"tool not named", `one of [BankList, BankPay]`, `one of [BankList]`, "other tools"},
		{"tool not described", `one of [BankList, BankPay]`, `one of [BankList, BankPay, BankSteal]`, "other tools"},
		{"tools in no list", `one of [BankList, BankPay]`, `given above`, "other tools"},
		{"malformed parameters", `Parameters: {\"type\":\"object\"}`, `Parameters: {\"type\":`, "not JSON"},
		{"parameters of a list", `Parameters: {\"type\":\"object\"}`, `Parameters: {\"type\":\"array\"}`, "type object"},
		{"tool twice", `BankPay: Pays.`, `BankList: Pays.`, "twice"},
		{"empty answer", `\nAction 2: BankPay\nAction Input 2: {\"to\":\"Anna\"}`, `\nFinal Answer: `, "not blank"},
	})
}

// What a validator is given never makes it panic, and what one takes is one
// line of JSON.
func FuzzValidators(f *testing.F) {
	for _, s := range []string{`{}`, `{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y","weight":1}]}`,
		`{"prompt":[{"role":"user","content":"Hi."}],"chosen":[{"role":"assistant","content":"a"}],"rejected":[{"role":"assistant","content":"b"}],"tools":"[]"}`,
		`{"instruction":"Act.","input":"Hi.\nGive Thought 1, or the Final Answer.","output":"Thought 1:\nFinal Answer: Hello."}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, validate := range []func([]byte) error{export.ValidateOpenAI, export.ValidateDPO, export.ValidateAlpaca} {
			if validate(line) == nil && (!json.Valid(line) || strings.Contains(strings.TrimSuffix(string(line), "\n"), "\n")) {
				t.Fatalf("taken: %q", line)
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
