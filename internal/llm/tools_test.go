package llm

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

func inWordsRequest() Request {
	req := fullRequest()
	req.Schema, req.SchemaName = nil, ""
	req.Model.ToolForm, req.Model.Structured = spec.ToolsJSON, spec.StructuredAuto
	req.Messages = []Message{
		{Role: "system", Content: "You are careful."},
		{Role: "user", Content: "Pay Anna and Ben."},
		{Role: "assistant", Content: "first Anna", ToolCalls: []ToolCall{
			{ID: "c1", Name: "Pay", Arguments: json.RawMessage(`{"to":"Anna","amount":1}`)}, {ID: "c2", Name: "Pay", Arguments: json.RawMessage(`{"to":"Ben <b>","amount":2}`)},
		}},
		{Role: "tool", ToolCallID: "c1", Content: "done"},
		{Role: "tool", ToolCallID: "c2", Content: ""},
		{Role: "user", Content: "And now?"},
	}
	return req
}

// The body with tools in words is pinned byte for byte: it is in the key.
func TestToolsInWordsGolden(t *testing.T) {
	req := inWordsRequest()
	w, _, err := shape(req)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You are careful.\n\n` +
		`You can use these tools, each with the JSON Schema of its arguments:\n` +
		`{\"name\":\"Pay\",\"description\":\"Pay someone.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\"},\"amount\":{\"type\":\"number\",\"minimum\":0}},\"required\":[\"to\",\"amount\"],\"additionalProperties\":false}}\n\n` +
		`Reply with one JSON object and with nothing else. To use a tool, whose result you are then given:\n` +
		`{\"thought\": \"why\", \"tool\": \"NAME\", \"arguments\": {}}\nTo end instead:\n{\"thought\": \"why\", \"final\": \"your answer\"}"},` +
		`{"role":"user","content":"Pay Anna and Ben."},` +
		`{"role":"assistant","content":"{\"thought\":\"first Anna\",\"tool\":\"Pay\",\"arguments\":{\"to\":\"Anna\",\"amount\":1}}\n{\"tool\":\"Pay\",\"arguments\":{\"to\":\"Ben <b>\",\"amount\":2}}"},` +
		`{"role":"user","content":"The result of the tool Pay:\ndone\n\nThe result of the tool Pay:\n\n\nAnd now?"}],` +
		`"response_format":{"type":"json_schema","json_schema":{"name":"action","schema":{"type":"object","anyOf":[` +
		`{"type":"object","properties":{"thought":{"type":"string"},"tool":{"enum":["Pay"]},"arguments":` + string(payTool.Parameters) + `},"required":["tool","arguments"],"additionalProperties":false},` +
		`{"type":"object","properties":{"thought":{"type":"string"},"final":{"type":"string"}},"required":["final"],"additionalProperties":false}]},"strict":false}},` +
		`"temperature":0,"top_p":0.9,"max_completion_tokens":512,"stop":["END","STOP"],` +
		`"frequency_penalty":0.5,"presence_penalty":-0.5,"reasoning_effort":"low","seed":42}`
	if got := string(w.body()); got != want {
		t.Errorf("body\n%s\nwant\n%s", got, want)
	}
	if got, want := keyOf(t, req), "f39be5105c9825525704e44004dc717f8fa2b2401366509093afa8a08b995007"; got != want {
		t.Errorf("key %s, want %s", got, want)
	}
	if d := cmp.Diff(inWordsRequest().Messages, req.Messages); d != "" {
		t.Errorf("the caller's messages were changed:\n%s", d)
	}
}

// With a schema for the end, and with tools that cannot stand in a schema.
func TestToolsInWordsSchema(t *testing.T) {
	req := inWordsRequest()
	req.Schema = verdictSchema
	req.Tools = []Tool{{Name: "Ref", Parameters: json.RawMessage(`{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{}}}`)}, {Name: "None"}}
	w, _, err := shape(req)
	if err != nil {
		t.Fatal(err)
	}
	body := string(w.body())
	for _, want := range []string{
		`"tool":{"enum":["Ref"]},"arguments":{"type":"object"}}`, `"tool":{"enum":["None"]},"arguments":{"type":"object"}}`,
		`"final":` + string(verdictSchema) + `}`, `VALUE fits this JSON Schema:\n{\"type\":\"object\",\"properties\":{\"reason\"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in\n%s", want, body)
		}
	}
	if strings.Contains(body, `"tools"`) {
		t.Errorf("the tools are sent too:\n%s", body)
	}
}

func TestRepliesInWords(t *testing.T) {
	pay := []ToolCall{{ID: "call_1", Name: "Pay", Arguments: json.RawMessage(`{"to":"Anna","amount":5}`)}}
	tests := []struct {
		name, text string
		content    string
		calls      []ToolCall
		bad        string // part of the reason
	}{
		{name: "call", text: `{"tool":"Pay","arguments":{"to":"Anna","amount":5}}`, calls: pay},
		{name: "call with a thought", text: `{"thought":"hm","tool":"Pay","arguments":{"to":"Anna","amount":5}}`, content: "hm", calls: pay},
		{name: "fenced", text: "```json\n{\"tool\":\"Pay\",\"arguments\":{\"to\":\"Anna\",\"amount\":5}}\n```", calls: pay},
		{name: "in prose", text: `I pay. {"tool":"Pay","arguments":{"to":"Anna","amount":5}} There.`, calls: pay},
		{name: "other names", text: `{"name":"Pay","parameters":{"to":"Anna","amount":5}}`, calls: pay},
		{name: "arguments as text", text: `{"tool":"Pay","arguments":"{\"to\":\"Anna\",\"amount\":5}"}`, calls: pay},
		{name: "end", text: `{"final":"All done."}`, content: "All done."},
		{name: "end with a null tool", text: `{"tool":null,"final":"All done."}`, content: "All done."},
		{name: "plain text", text: "All done.", bad: "not one JSON value"},
		{name: "two objects", text: `{"tool":"Pay","arguments":{}} {"final":"x"}`, bad: "not one JSON value"},
		{name: "both", text: `{"tool":"Pay","arguments":{},"final":"x"}`, bad: "both"},
		{name: "neither", text: `{"answer":"x"}`, bad: "neither"},
		{name: "a list", text: `["x"]`, bad: "not a JSON object"},
		{name: "unknown tool", text: `{"tool":"Fly","arguments":{}}`, bad: `no tool "Fly"`},
		{name: "wrong arguments", text: `{"tool":"Pay","arguments":{"to":"Anna"}}`, bad: "amount"},
		{name: "a key twice", text: `{"final":"x","final":"y"}`, bad: "twice"},
		{name: "empty", text: "", bad: "not one JSON value"},
	}
	req := inWordsRequest()
	f, err := new(schemas).newFit(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		reply, said, bad := f.checkAs(form{spec.StructuredText, spec.ToolsJSON}, Answer{Content: tt.text, FinishReason: "stop"})
		if (bad == nil) != (tt.bad == "") || bad != nil && !strings.Contains(bad.reason, tt.bad) {
			t.Errorf("%s: misfit %+v, want %q", tt.name, bad, tt.bad)
			continue
		}
		if bad != nil {
			if len(bad.again(said, 0)) < 2 {
				t.Errorf("%s: cannot be asked again", tt.name)
			}
			continue
		}
		if d := cmp.Diff(tt.calls, reply.ToolCalls); d != "" || reply.Content != tt.content {
			t.Errorf("%s: %q %s", tt.name, reply.Content, d)
		}
	}
	cut := Answer{Content: `{"tool":"Pay","argum`, FinishReason: "length"}
	if _, _, bad := f.checkAs(form{spec.StructuredText, spec.ToolsJSON}, cut); bad == nil || bad.code != CodeTruncated {
		t.Errorf("cut off: %+v", bad)
	}
}

// An unfit reply in words is asked for again in words, as is the rest of a
// conversation.
func TestAskedAgainInWords(t *testing.T) {
	r := newRig(t, says(
		llmtest.Reply{Content: `{"tool":"Pay","arguments":{"to":"Anna"}}`},
		llmtest.Reply{Content: `{"tool":"Pay","arguments":{"to":"Anna","amount":5}}`},
	))
	r.model.ToolForm, r.model.Structured = spec.ToolsJSON, spec.StructuredObject
	req := r.request("Pay Anna.")
	req.Tools = []Tool{payTool}
	if reply := r.must(req); len(reply.ToolCalls) != 1 || len(reply.Calls) != 2 {
		t.Errorf("reply %+v", reply)
	}
	last := r.server.Requests()[1]
	if len(last.Messages) != 4 || last.Messages[2].Role != "assistant" || *last.Messages[2].Content != `{"tool":"Pay","arguments":{"to":"Anna"}}` ||
		last.Messages[3].Role != "user" || !strings.Contains(*last.Messages[3].Content, "amount") {
		t.Errorf("asked again with %s", last.Raw)
	}
	r.wantCounts(counts{made: 2, unfit: 1})
}

// Calls that a server left in the text are calls.
func TestCallsInText(t *testing.T) {
	const call = `{"name":"Pay","arguments":{"to":"Anna","amount":5}}`
	tests := []struct {
		name, text string
		calls      int
		content    string
		bad        bool
	}{
		{"Hermes, Qwen", "I will.\n<tool_call>\n" + call + "\n</tool_call>", 1, "I will.", false},
		{"two of them", "<tool_call>" + call + "</tool_call>\n<tool_call>" + call + "</tool_call>", 2, "", false},
		{"Mistral", "[TOOL_CALLS] [" + call + "]", 1, "", false},
		{"Mistral, after words", "I will.[TOOL_CALLS] [" + call + "]", 1, "I will.", false},
		{"Mistral, garbled", "[TOOL_CALLS] [{", 0, "", true},
		{"Llama 3", strings.Replace(call, "arguments", "parameters", 1), 1, "", false},
		{"Llama 3, marked", "<|python_tag|>" + call, 1, "", false},
		{"Llama 3, as a function", `<function=Pay>{"to":"Anna","amount":5}</function>`, 1, "", false},
		{"fenced", "```json\n" + call + "\n```", 1, "", false},
		{"a list", "[" + call + "," + call + "]", 2, "", false},
		{"marked and garbled", `<tool_call>{"name":"Pay",</tool_call>`, 0, "", true},
		{"marked and unknown", `<tool_call>{"name":"Fly","arguments":{}}</tool_call>`, 0, "", true},
		{"an answer", "All done.", 0, "All done.", false},
		{"an answer in JSON", `{"name":"Anna","arguments":"none"}`, 0, `{"name":"Anna","arguments":"none"}`, false},
		{"an answer that quotes one", "I could send " + call + " but will not.", 0, "I could send " + call + " but will not.", false},
		{"an answer that quotes one with its marks", "It says <tool_call>" + call + "</tool_call>.", 0, "It says <tool_call>" + call + "</tool_call>.", false},
		{"the same on a line", "It says:\n<tool_call>" + call + "</tool_call>\nI will not.", 0, "It says:\n<tool_call>" + call + "</tool_call>\nI will not.", false},
		{"a mark of the model's behind it", "<tool_call>" + call + "</tool_call><|im_end|>", 1, "", false},
		{"an answer that quotes Mistral's", "It says [TOOL_CALLS] and so on.", 0, "It says [TOOL_CALLS] and so on.", false},
		{"data", `{"name":"Pay"}`, 0, `{"name":"Pay"}`, false},
	}
	req := Request{Model: &spec.Model{Provider: &spec.Provider{}}, Tools: []Tool{payTool}}
	f, err := new(schemas).newFit(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		reply, _, bad := f.checkAs(form{tools: spec.ToolsNative}, Answer{Content: tt.text, FinishReason: "stop"})
		if (bad != nil) != tt.bad || len(reply.ToolCalls) != tt.calls || !tt.bad && reply.Content != tt.content {
			t.Errorf("%s: %+v, misfit %+v", tt.name, reply, bad)
		}
	}
	// Where an answer is JSON, only marks make a call.
	req.Schema = json.RawMessage(`{"type":"object"}`)
	if f, err = new(schemas).newFit(req); err != nil {
		t.Fatal(err)
	}
	quoted := `{"said":"<tool_call>{\"name\":\"Pay\"}</tool_call>"}`
	for text, calls := range map[string]int{call: 0, quoted: 0, "<|python_tag|>" + call: 1, "<tool_call>" + call + "</tool_call>": 1} {
		if reply, _, bad := f.checkAs(form{spec.StructuredSchema, spec.ToolsNative}, Answer{Content: text, FinishReason: "stop"}); bad != nil || len(reply.ToolCalls) != calls {
			t.Errorf("%s: %+v, misfit %+v", text, reply, bad)
		}
	}
	// Without tools such a text is a text.
	f, err = new(schemas).newFit(Request{Model: req.Model})
	if err != nil {
		t.Fatal(err)
	}
	if reply, _, bad := f.checkAs(form{}, Answer{Content: "<tool_call>" + call + "</tool_call>", FinishReason: "stop"}); bad != nil || len(reply.ToolCalls) > 0 {
		t.Errorf("%+v, misfit %+v", reply, bad)
	}
}

// FuzzToolText: whatever a model writes, reading it ends in a reply or a
// reason.
func FuzzToolText(f *testing.F) {
	for _, s := range []string{
		`<tool_call>{"name":"Pay","arguments":{}}</tool_call>`, `[TOOL_CALLS] [{"name":null}]`, `<function=>`, `<function=Pay`, `<|python_tag|>[]`, `[[]]`,
		`{"tool":{"name":"Pay"},"arguments":[]}`, `{"final":{}}`, `{"tool":"Pay","arguments":"{"}`, `<tool_call><tool_call>`, "```\n[1]\n```", `[null]`,
	} {
		f.Add(s)
	}
	fit, err := new(schemas).newFit(Request{Model: &spec.Model{Provider: &spec.Provider{}}, Tools: []Tool{payTool}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, in := range []form{{tools: spec.ToolsNative}, {spec.StructuredText, spec.ToolsJSON}} {
			reply, said, bad := fit.checkAs(in, Answer{Content: text, FinishReason: "stop"})
			if bad == nil && len(reply.ToolCalls) == 0 && strings.TrimSpace(reply.Content) == "" {
				t.Errorf("%q is an empty reply", text)
			}
			if bad != nil && len(bad.again(said, 0)) < 2 {
				t.Errorf("%q cannot be asked for again", text)
			}
		}
	})
}
