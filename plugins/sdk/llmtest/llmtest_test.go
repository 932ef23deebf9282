package llmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func post(t *testing.T, s *Server, body string) (int, map[string]any, http.Header) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL()+"/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer k")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, nil
	}
	var v map[string]any
	_ = json.Unmarshal(b, &v) // faults need not be JSON
	return resp.StatusCode, v, resp.Header
}

func message(t *testing.T, v map[string]any) map[string]any {
	t.Helper()
	choices, _ := v["choices"].([]any)
	if len(choices) != 1 {
		t.Fatalf("answer %v", v)
	}
	return choices[0].(map[string]any)["message"].(map[string]any)
}

const verdict = `{"type":"object","properties":{"reason":{"type":"string"},"outcome":{"type":"string","enum":["","data_loss","bias"]},"label":{"type":"string","enum":["safe","unsafe"]}},"required":["reason","outcome","label"],"additionalProperties":false}`

func schemaRequest(text, schema string) string {
	return fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":%q}],"response_format":{"type":"json_schema","json_schema":{"name":"r","schema":%s,"strict":true}}}`, text, schema)
}

func TestVerdictsAgree(t *testing.T) {
	for share, want := range map[float64][2]int{0: {50, 110}, -1: {0, 0}, 1: {200, 200}} {
		s := Start(Options{UnsafeShare: share})
		unsafe := 0
		for i := range 200 {
			_, v, _ := post(t, s, schemaRequest(fmt.Sprint("case ", i), verdict))
			var got struct{ Label, Outcome string }
			if err := json.Unmarshal([]byte(message(t, v)["content"].(string)), &got); err != nil {
				t.Fatal(err)
			}
			if (got.Label == "safe") != (got.Outcome == "") || got.Outcome != "" && !strings.Contains(verdict, got.Outcome) {
				t.Errorf("verdict %+v", got)
			}
			if got.Label == "unsafe" {
				unsafe++
			}
		}
		if unsafe < want[0] || unsafe > want[1] {
			t.Errorf("share %v: %d of 200 unsafe", share, unsafe)
		}
		s.Close()
	}
}

func TestSameRequestSameAnswer(t *testing.T) {
	for _, vary := range []bool{false, true} {
		s := Start(Options{Vary: vary})
		_, a, _ := post(t, s, schemaRequest("x", verdict))
		_, b, _ := post(t, s, schemaRequest("x", verdict))
		same := message(t, a)["content"] == message(t, b)["content"]
		if same == vary {
			t.Errorf("vary %v: same answer is %v", vary, same)
		}
		s.Close()
	}
}

func TestTools(t *testing.T) {
	s := Start(Options{})
	defer s.Close()
	calls := 0
	for i := range 100 {
		_, v, _ := post(t, s, fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"%d"}],"tools":[{"type":"function","function":{"name":"Pay","parameters":{"type":"object","properties":{"amount":{"type":"integer","minimum":3,"maximum":5}},"required":["amount"]}}}]}`, i))
		m := message(t, v)
		list, _ := m["tool_calls"].([]any)
		if len(list) == 0 {
			if m["content"] == "" {
				t.Error("neither a call nor text")
			}
			continue
		}
		calls++
		var args struct{ Amount int }
		f := list[0].(map[string]any)["function"].(map[string]any)
		if err := json.Unmarshal([]byte(f["arguments"].(string)), &args); err != nil || f["name"] != "Pay" || args.Amount < 3 || args.Amount > 5 {
			t.Errorf("call %v: %v", f, err)
		}
	}
	if calls < 50 || calls > 90 {
		t.Errorf("%d calls of 100", calls)
	}
}

// What a strict endpoint refuses.
func TestRefuses(t *testing.T) {
	s := Start(Options{APIKey: "k", Models: []string{"m"}})
	defer s.Close()
	user := `"messages":[{"role":"user","content":"x"}]`
	tests := []struct {
		name, body string
		status     int
	}{
		{"good", `{"model":"m",` + user + `}`, 200},
		{"no JSON", `{`, 400},
		{"unknown model", `{"model":"n",` + user + `}`, 404},
		{"no messages", `{"model":"m","messages":[]}`, 400},
		{"null content", `{"model":"m","messages":[{"role":"user","content":null}]}`, 400},
		{"unknown role", `{"model":"m","messages":[{"role":"judge","content":"x"}]}`, 400},
		{"unknown field", `{"model":"m","facts":{},` + user + `}`, 400},
		{"stream", `{"model":"m","stream":true,` + user + `}`, 400},
		{"temperature", `{"model":"m","temperature":3,` + user + `}`, 400},
		{"result without call", `{"model":"m","messages":[{"role":"tool","tool_call_id":"c","content":"x"}]}`, 400},
		{"call without result", `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"A","arguments":"{}"}}]},{"role":"user","content":"x"}]}`, 400},
		{"call with result", `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"A","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":""}]}`, 200},
		{"tool name", `{"model":"m","tools":[{"type":"function","function":{"name":"a b","parameters":{"type":"object"}}}],` + user + `}`, 400},
		{"tool parameters", `{"model":"m","tools":[{"type":"function","function":{"name":"a","parameters":{}}}],` + user + `}`, 400},
		{"strict and open", schemaRequest("x", `{"type":"object","properties":{"a":{"type":"string"}}}`), 400},
		{"json_object without the word", `{"model":"m","response_format":{"type":"json_object"},` + user + `}`, 400},
	}
	for _, tt := range tests {
		if status, v, _ := post(t, s, tt.body); status != tt.status {
			t.Errorf("%s: status %d, %v", tt.name, status, v)
		}
	}
	if s.Calls() != len(tests) || s.Answered() != 2 || s.CountModel("n") != 1 {
		t.Errorf("%d calls, %d answered, %d for n", s.Calls(), s.Answered(), s.CountModel("n"))
	}
}

func TestFaults(t *testing.T) {
	s := Start(Options{Faults: []Fault{
		{Nth: []int{2}, Status: 429, Header: map[string]string{"Retry-After": "3"}},
		{From: 3, To: 4, Every: 2, Body: "hello"},
		{Match: func(r Request) bool { return r.Model == "cut" }, Cut: true},
		{Match: func(r Request) bool { return r.Model == "reset" }, Reset: true},
	}})
	defer s.Close()
	body := `{"model":"m","messages":[{"role":"user","content":"x"}]}`
	want := []int{200, 429, 200, 200, 200}
	for i, status := range want {
		got, v, h := post(t, s, body)
		if got != status || (v == nil) != (i == 3) || i == 1 && h.Get("Retry-After") != "3" {
			t.Errorf("request %d: %d %v", i+1, got, v)
		}
	}
	for _, model := range []string{"cut", "reset"} {
		if got, _, _ := post(t, s, strings.Replace(body, `"m"`, `"`+model+`"`, 1)); got != 0 {
			t.Errorf("%s: status %d", model, got)
		}
	}
	s.Reset(Fault{Hang: true})
	done := make(chan int)
	go func() {
		status, _, _ := post(t, s, body)
		done <- status
	}()
	for s.Calls() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Close() // lets go of what hangs
	<-done
}

// Whatever is generated fits its schema.
func TestGeneratedValuesFit(t *testing.T) {
	schemas := []string{
		verdict,
		`{"type":"object"}`,
		`{"type":"object","properties":{"n":{"type":"number","exclusiveMinimum":0,"maximum":1},"i":{"type":"integer","multipleOf":5,"minimum":7},"l":{"type":"array","items":{"type":"string","minLength":3,"maxLength":9},"minItems":2,"maxItems":2},"b":{"type":["null","boolean"]},"z":{"type":"null"},"c":{"const":"k"}},"required":["n","i","l","b","z","c"],"additionalProperties":false}`,
		`{"type":"object","properties":{"t":{"$ref":"#/$defs/t"}},"required":["t"],"$defs":{"t":{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/t"}},"name":{"type":"string"}},"required":["name"]}}}`,
		`{"type":"object","properties":{"x":{"anyOf":[{"type":"integer","maximum":-5},{"type":"string","format":"date"}]},"y":{"oneOf":[{"type":"boolean"}]}},"required":["x","y"]}`,
		`{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"b":{"type":"string"}},"required":["b"]}]}`,
		`{"type":"object","properties":{"u":{"type":"array","uniqueItems":true,"items":{"type":"integer","minimum":1,"maximum":2}},"free":true},"required":["u","free","unknown"]}`,
		`{"type":"array","items":{"type":"string"},"minItems":3}`,
	}
	server := &Server{}
	for _, text := range schemas {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource("x:y", doc); err != nil {
			t.Fatal(err)
		}
		schema := c.MustCompile("x:y")
		for seed := range uint64(200) {
			g := server.generator(json.RawMessage(text), rand.New(rand.NewPCG(seed, 1)))
			b, err := json.Marshal(g.value(g.root, "", 0))
			if err != nil {
				t.Fatal(err)
			}
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(v); err != nil {
				t.Errorf("%s\ngave %s: %v", text, b, err)
				break
			}
		}
	}
}

func TestSchemaInPrompt(t *testing.T) {
	s := Start(Options{})
	defer s.Close()
	body := fmt.Sprintf(`{"model":"m","messages":[{"role":"system","content":%q},{"role":"user","content":"x"}]}`, "Reply in this JSON Schema:\n"+verdict)
	_, v, _ := post(t, s, body)
	var got struct{ Label string }
	if err := json.Unmarshal([]byte(message(t, v)["content"].(string)), &got); err != nil || got.Label == "" {
		t.Errorf("answer %v: %v", v, err)
	}
}

func TestModels(t *testing.T) {
	s := Start(Options{Models: []string{"a"}})
	defer s.Close()
	resp, err := http.Get(s.URL() + "/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(b), `"id":"a"`) {
		t.Errorf("models %s", b)
	}
}
