package llm

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/spec"
)

func newTestFit(t testing.TB, mode spec.Structured, schema string, tools ...Tool) *fit {
	t.Helper()
	req := Request{Model: &spec.Model{Structured: mode, Provider: &spec.Provider{Type: spec.ProviderOpenAI}}, Tools: tools}
	if schema != "" {
		req.Schema = json.RawMessage(schema)
	}
	f, err := new(schemas).newFit(req)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestContent(t *testing.T) {
	const good = `{"reason":"r","label":"safe"}`
	const bad = `{"reason":"r","label":"unsafe"}`
	tests := []struct {
		name, text string
		schema     string // what json_schema and json_object make of it, "" is unfit
		free       string // what text makes of it
	}{
		{"plain", good, good, good},
		{"white space", " \n" + `{ "reason" : "r", "label" : "safe" }` + "\n", good, good},
		{"fence", "```json\n" + good + "\n```", good, good},
		{"bare fence", "```" + good + "```", good, good},
		{"prose around", "Well: " + good + " That is all.", "", good},
		{"fence in prose", "Well:\n```json\n" + good + "\n```\n", "", good},
		{"said twice", good + "\n" + good, "", good},
		{"said both", good + " or rather " + bad, "", ""},
		{"schema first", string(verdictSchema) + "\n" + good, "", good},
		{"brace in prose", "Use {braces}: " + good, "", good},
		{"wrapped", `{"answer":` + good + `}`, "", ""},
		{"unfinished before", `{"reason":"r" ` + good, "", good},
		{"cut off", `Well: {"reason":"r","label":`, "", ""},
		{"wrong enum", `{"reason":"r","label":"SAFE"}`, "", ""},
		{"missing", `{"label":"safe"}`, "", ""},
		{"too much", `{"reason":"r","label":"safe","x":1}`, "", ""},
		{"key twice", `{"reason":"r","label":"unsafe","label":"safe"}`, "", ""},
		{"key twice, escaped", `{"reason":"r","label":"unsafe","l\u0061bel":"safe"}`, "", ""},
		{"two values", good + good, "", good},
		{"array", "[" + good + "]", "", good},
		{"text", "It is safe.", "", ""},
		{"empty", "", "", ""},
		{"null", "null", "", ""},
		{"huge number", `{"reason":1e999999999,"label":"safe"}`, "", ""},
	}
	for _, tt := range tests {
		for _, mode := range []spec.Structured{spec.StructuredSchema, spec.StructuredObject, spec.StructuredText} {
			want := tt.schema
			if mode == spec.StructuredText {
				want = tt.free
			}
			f := newTestFit(t, mode, string(verdictSchema))
			reply, bad := f.check(Answer{Content: tt.text, FinishReason: "stop"})
			switch {
			case want == "" && bad == nil:
				t.Errorf("%s, %s: fits as %s", tt.name, mode, reply.Content)
			case want == "" && (bad.reason == "" || bad.code != CodeInvalidReply || bad.final):
				t.Errorf("%s, %s: misfit %+v", tt.name, mode, bad)
			case want != "" && bad != nil:
				t.Errorf("%s, %s: unfit: %s", tt.name, mode, bad.reason)
			case want != "" && reply.Content != want:
				t.Errorf("%s, %s: content %s, want %s", tt.name, mode, reply.Content, want)
			}
		}
	}
}

func TestCalls(t *testing.T) {
	f := newTestFit(t, spec.StructuredSchema, "", payTool, Tool{Name: "Ping"})
	tests := []struct{ name, tool, args, want string }{
		{"good", "Pay", ` {"to": "A", "amount": 1.50}`, `{"to":"A","amount":1.50}`},
		{"no arguments", "Ping", "", "{}"},
		{"blank arguments", "Ping", " \n", "{}"},
		{"no arguments where some are needed", "Pay", "", ""},
		{"no JSON", "Pay", "to=A", ""},
		{"no object", "Ping", `"{}"`, ""},
		{"null", "Ping", "null", ""},
		{"out of range", "Pay", `{"to":"A","amount":-1}`, ""},
		{"unknown argument", "Pay", `{"to":"A","amount":1,"x":2}`, ""},
		{"key twice", "Pay", `{"to":"A","to":"B","amount":1}`, ""},
		{"unknown tool", "pay", `{"to":"A","amount":1}`, ""},
		{"no name", "", `{}`, ""},
		{"huge number", "Ping", `{"x":-1E+99999999999999999999}`, ""},
		{"long number", "Ping", `{"x":` + strings.Repeat("9", 5000) + `}`, ""},
	}
	for _, tt := range tests {
		reply, bad := f.check(Answer{ToolCalls: []AnswerCall{{"c", tt.tool, tt.args}}, FinishReason: "tool_calls"})
		switch {
		case tt.want == "" && bad == nil:
			t.Errorf("%s: fits as %s", tt.name, reply.ToolCalls[0].Arguments)
		case tt.want != "" && bad != nil:
			t.Errorf("%s: unfit: %s", tt.name, bad.reason)
		case tt.want != "" && string(reply.ToolCalls[0].Arguments) != tt.want:
			t.Errorf("%s: arguments %s", tt.name, reply.ToolCalls[0].Arguments)
		}
	}
}

// A reply to tools and a schema is a call, or a value of the schema.
func TestToolsAndSchema(t *testing.T) {
	f := newTestFit(t, spec.StructuredSchema, string(verdictSchema), payTool)
	if _, bad := f.check(Answer{Content: "thinking", ToolCalls: []AnswerCall{{"c", "Pay", `{"to":"A","amount":1}`}}, FinishReason: "stop"}); bad != nil {
		t.Errorf("call: %+v", bad)
	}
	if _, bad := f.check(Answer{Content: "thinking", FinishReason: "stop"}); bad == nil {
		t.Error("text fits")
	}
}

func TestSchemaThatRefersToItself(t *testing.T) {
	f := newTestFit(t, spec.StructuredSchema, `{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}}}}}`)
	deep := strings.Repeat(`{"next":`, 500) + "{}" + strings.Repeat("}", 500)
	if _, bad := f.check(Answer{Content: deep, FinishReason: "stop"}); bad != nil {
		t.Errorf("deep: %s", bad.reason)
	}
	if _, bad := f.check(Answer{Content: strings.Repeat("[", 1_000_000), FinishReason: "stop"}); bad == nil {
		t.Error("a million brackets fit")
	}
}

func TestReasonsAreUseful(t *testing.T) {
	f := newTestFit(t, spec.StructuredSchema, string(verdictSchema), payTool)
	_, bad := f.check(Answer{Content: `{"reason":"r","label":"x"}`, FinishReason: "stop"})
	if bad.reason != `label: must be one of ["safe","unsafe"], not "x"` {
		t.Errorf("reason %q", bad.reason)
	}
	free := newTestFit(t, spec.StructuredText, `{"type":"object"}`)
	_, bad = free.check(Answer{Content: `{"a":1} or {"a":2}`, FinishReason: "stop"})
	if !strings.Contains(bad.reason, "more than one") {
		t.Errorf("reason %q", bad.reason)
	}
	_, bad = f.check(Answer{ToolCalls: []AnswerCall{{"c", "Pey", "{}"}}, FinishReason: "stop"})
	if !strings.Contains(bad.reason, "Pay") {
		t.Errorf("reason %q", bad.reason)
	}
}

func TestSchemasAreCompiledOnce(t *testing.T) {
	var s schemas
	a, _ := s.compile(verdictSchema)
	b, _ := s.compile(verdictSchema)
	if a == nil || a != b {
		t.Error("compiled twice")
	}
}

// FuzzContent: whatever a model says is fit or unfit, soon and without a
// panic; and what is fit is JSON that fits when it is read again.
func FuzzContent(f *testing.F) {
	for _, s := range []string{
		`{"reason":"r","label":"safe"}`, "```json\n{}\n```", "a { b {\"label\":1} }", `{"reason":1e5,"label":"safe"}`,
		"<think>{}</think>", `{"a":{"a":{"a":[1,2,{"b":null}]}}}`, "{\"reason\":\"\xff\",\"label\":\"safe\"}", "```", "``````",
	} {
		f.Add(s, s)
	}
	free := newTestFit(f, spec.StructuredText, string(verdictSchema), payTool)
	tools := newTestFit(f, spec.StructuredSchema, "", payTool, Tool{Name: "Ping"})
	f.Fuzz(func(t *testing.T, content, args string) {
		start := time.Now()
		a := Answer{Content: content, FinishReason: "stop"}
		splitThinking(&a)
		if reply, bad := free.check(a); bad == nil {
			again, bad := free.check(Answer{Content: reply.Content, FinishReason: "stop"})
			if bad != nil || again.Content != reply.Content {
				t.Errorf("%q fits as %q, which does not fit: %+v", content, reply.Content, bad)
			}
		} else if len(bad.again(a, 0)) != 2 {
			t.Errorf("asked again with %+v", bad.again(a, 0))
		}
		for _, name := range []string{"Pay", "Ping"} {
			a := Answer{Content: content, ToolCalls: []AnswerCall{{"c", name, args}}, FinishReason: "tool_calls"}
			if reply, bad := tools.check(a); bad == nil {
				var m map[string]any
				if err := json.Unmarshal(reply.ToolCalls[0].Arguments, &m); err != nil {
					t.Errorf("%q fits as %q: %v", args, reply.ToolCalls[0].Arguments, err)
				}
			} else if _, err := compact(slowMessages(bad.again(a, 0))); err != nil {
				t.Errorf("cannot be asked again: %v", err)
			}
		}
		if d := time.Since(start); d > patience { // it hangs, in effect
			t.Errorf("took %v", d)
		}
	})
}

// FuzzErrorWords: any body of an error gives short text on one line.
func FuzzErrorWords(f *testing.F) {
	for _, s := range []string{`{"error":{"message":"m","code":"c","type":"t"}}`, `{"error":"e"}`, `{"detail":[1]}`, "<html>", "", `{"error":{"message":["a"],"code":500}}`, "null", "[]"} {
		f.Add([]byte(s))
	}
	r := newRedactor(&spec.Provider{APIKey: spec.NewSecret(testKey)})
	f.Fuzz(func(t *testing.T, body []byte) {
		text, _, status := errorWords(body)
		if status != 0 && (status < 400 || status > 599) {
			t.Errorf("status %d", status)
		}
		out := r.text(text)
		if len([]rune(out)) > maxDetail || strings.ContainsAny(out, "\n\r\x1b\x00\u202e") || strings.Contains(out, testKey) {
			t.Errorf("%q became %q", body, out)
		}
	})
}

// FuzzRecord: any stored value is a record or a miss.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"format":"autosafe.answer/1","key":"00","answer":{"finish_reason":"stop"}}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRecord(b); err == nil && (r.Format != recordFormat || r.Answer.FinishReason == "") {
			t.Errorf("%q is %+v", b, r)
		}
	})
}

// What a model is told of a misfit is the same in every run.
func TestReasonsAreInOrder(t *testing.T) {
	f := newTestFit(t, spec.StructuredSchema, `{"type":"object","properties":{"a":{"type":"object","properties":{"x":{"type":"string"},"y":{"type":"string"}},
		"additionalProperties":false},"b":{"enum":["u"]},"c":{"minimum":3}},"required":["d"],"patternProperties":{"^a":{"maxProperties":1}}}`)
	const text = `{"a":{"y":1,"x":2,"z":3,"w":4,"v":5},"b":"n","c":1}`
	var want string
	for range 50 {
		_, bad := f.check(Answer{Content: text, FinishReason: "stop"})
		if want == "" {
			want = bad.reason
		}
		if bad.reason != want {
			t.Fatalf("two runs say\n%s\nand\n%s", want, bad.reason)
		}
	}
	for _, place := range []string{"a.x: ", "a.y: ", "a.v: ", "a.w: ", "a.z: ", "b: ", "c: ", "d: "} {
		if !strings.Contains(want, place) {
			t.Errorf("%s is missing in\n%s", place, want)
		}
	}
}
