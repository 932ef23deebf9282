package llm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// seen is how a request reached the server: its form of reply, and whether
// tools came with it.
func seen(r llmtest.Request) string {
	out := r.ResponseFormat.Type
	if out == "" {
		out = "text"
	}
	if len(r.Tools) > 0 {
		out += "+tools"
	}
	return out
}

func (r *rig) seen() []string {
	var out []string
	for _, req := range r.server.Requests() {
		out = append(out, seen(req))
	}
	return out
}

// asAsked answers in the form that a request has: by a call of Pay, or with a
// verdict.
func asAsked(r llmtest.Request) (llmtest.Reply, bool) {
	switch {
	case len(r.Tools) > 0:
		return llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("c1", "Pay", `{"to":"Anna","amount":5}`)}}, true
	case strings.Contains(string(r.Raw), "You can use these tools"):
		return llmtest.Reply{Content: `{"thought":"so be it","tool":"Pay","arguments":{"to":"Anna","amount":5}}`}, true
	}
	return llmtest.Reply{Content: `{"reason":"r","label":"safe"}`}, true
}

// refuses is a fault that answers requests of some form with an error.
func refuses(form string, status int, body string) llmtest.Fault {
	return llmtest.Fault{Status: status, Body: body, Match: func(r llmtest.Request) bool { return strings.Contains(seen(r), form) }}
}

// openAIError is an error in OpenAI's own form.
func openAIError(message, param string) string {
	b, err := json.Marshal(map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "param": param, "code": nil}})
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// What servers say to forms that they do not take, and what is asked instead.
func TestRefusedForms(t *testing.T) {
	const judge, agent = false, true
	tests := []struct {
		name   string
		agent  bool
		faults []llmtest.Fault
		want   []string // forms of the first call's requests
		note   string
	}{
		{"OpenAI, an old model", judge, []llmtest.Fault{refuses("json_schema", 400, openAIError("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. Learn more at the Structured Outputs guide.", "response_format"))},
			[]string{"json_schema", "json_object"}, `does not take response_format "json_schema" (HTTP 400) (model "gpt-test")`},
		{"OpenAI, a very old model", judge, []llmtest.Fault{refuses("json_", 400, openAIError("Invalid parameter: 'response_format' of type 'json_object' is not supported with this model.", "response_format"))},
			[]string{"json_schema", "json_object", "text"}, "json_object"},
		{"Azure, an old version", judge, []llmtest.Fault{refuses("json_schema", 400, `{"error":{"code":"BadRequest","message":"response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later","param":"","type":""}}`)},
			[]string{"json_schema", "json_object"}, "2024-08-01-preview"},
		{"DeepSeek", judge, []llmtest.Fault{refuses("json_schema", 400, openAIError("This response_format type is unavailable now", ""))},
			[]string{"json_schema", "json_object"}, "unavailable now"},
		{"Volcano", judge, []llmtest.Fault{refuses("json_schema", 400, "{\"error\":{\"code\":\"InvalidParameter\",\"message\":\"The parameter `response_format.type` specified in the request are not valid: invalid value: `json_schema`, supported values are: `json_object` and `text`.\",\"param\":\"response_format.type\",\"type\":\"BadRequest\"}}")},
			[]string{"json_schema", "json_object"}, "supported values"},
		{"xAI", judge, []llmtest.Fault{refuses("json_", 400, `{"code":"Client specified an invalid argument","error":"The response_format parameter is unsupported at the moment. Leave it unset."}`)},
			[]string{"json_schema", "json_object", "text"}, "Leave it unset"},
		{"LiteLLM", judge, []llmtest.Fault{refuses("json_", 400, `{"error":{"message":"litellm.UnsupportedParamsError: bedrock does not support parameters: {'response_format': {'type': 'json_schema'}}, for model=titan. To drop these, set litellm.drop_params=True","type":"None","param":"None","code":"400"}}`)},
			[]string{"json_schema", "json_object", "text"}, "UnsupportedParamsError"},
		{"vLLM, a schema its grammar cannot take", judge, []llmtest.Fault{refuses("json_schema", 400, `{"object":"error","message":"The provided JSON schema contains features not supported by xgrammar.","type":"BadRequestError","param":null,"code":400}`)},
			[]string{"json_schema", "json_object"}, "this JSON Schema"},
		{"llama.cpp, the same", judge, []llmtest.Fault{refuses("json_schema", 500, `{"error":{"code":500,"message":"JSON schema conversion failed:\nUnrecognized schema: {}","type":"server_error"}}`)},
			[]string{"json_schema", "json_object"}, "this JSON Schema"},
		{"Gemini", judge, []llmtest.Fault{refuses("json_schema", 400, `[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"additionalProperties\" at 'generation_config.response_schema': Cannot find field.","status":"INVALID_ARGUMENT"}}]`)},
			[]string{"json_schema", "json_object"}, "this JSON Schema"},

		{"Ollama", agent, []llmtest.Fault{refuses("tools", 400, `{"error":{"message":"registry.ollama.ai/library/gemma:2b does not support tools","type":"api_error","param":null,"code":null}}`)},
			[]string{"text+tools", "json_schema"}, "does not take tools"},
		{"vLLM without a parser", agent, []llmtest.Fault{refuses("tools", 400, `{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set","type":"BadRequestError","param":null,"code":400}`)},
			[]string{"text+tools", "json_schema"}, "--tool-call-parser"},
		{"vLLM's newer form", agent, []llmtest.Fault{refuses("tools", 400, `{"error":{"message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set","type":"BadRequestError","param":null,"code":400}}`)},
			[]string{"text+tools", "json_schema"}, "--tool-call-parser"},
		{"llama.cpp without templates", agent, []llmtest.Fault{refuses("tools", 500, `{"error":{"code":500,"message":"tools param requires --jinja flag","type":"server_error"}}`)},
			[]string{"text+tools", "json_schema"}, "--jinja"},
		{"an old llama.cpp", agent, []llmtest.Fault{refuses("tools", 500, `{"code":500,"message":"Unsupported param: tools","type":"server_error"}`)},
			[]string{"text+tools", "json_schema"}, "Unsupported param"},
		{"vLLM, a template without tools", agent, []llmtest.Fault{refuses("tools", 400, `{"object":"error","message":"Conversation roles must alternate user/assistant/user/assistant/...","type":"BadRequestError","param":null,"code":400}`)},
			[]string{"text+tools", "json_schema"}, "roles must alternate"},
		{"llama.cpp, the same with tools", agent, []llmtest.Fault{refuses("tools", 500, `{"error":{"code":500,"message":"Only user and assistant roles are supported! at row 12, column 3","type":"server_error"}}`)},
			[]string{"text+tools", "json_schema"}, "roles are supported"},
		{"OpenRouter", agent, []llmtest.Fault{refuses("tools", 404, `{"error":{"message":"No endpoints found that support tool use. To learn more about provider routing, visit the documentation.","code":404}}`)},
			[]string{"text+tools", "json_schema"}, "support tool use"},
		{"LiteLLM, for a model without tools", agent, []llmtest.Fault{refuses("tools", 400, `{"error":{"message":"litellm.UnsupportedParamsError: ollama does not support parameters: {'tools': [{'type': 'function'}]}, for model=llama2.","type":"None","param":"None","code":"400"}}`)},
			[]string{"text+tools", "json_schema"}, "does not take tools"},
		{"nothing but text", agent, []llmtest.Fault{refuses("tools", 422, `{"detail":[{"type":"extra_forbidden","loc":["body","tools"],"msg":"Extra inputs are not permitted","input":[]}]}`),
			refuses("json_", 422, `{"detail":[{"type":"extra_forbidden","loc":["body","response_format"],"msg":"Extra inputs are not permitted","input":{}}]}`)},
			[]string{"text+tools", "json_schema", "json_object", "text"}, "does not take tools"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, llmtest.Options{Reply: asAsked, Faults: tt.faults})
			r.model.Structured, r.model.ToolForm = spec.StructuredAuto, spec.ToolsAuto
			ask := func(text string) Request {
				req := r.request(text)
				if tt.agent {
					req.Tools = []Tool{payTool}
				} else {
					req.Schema = verdictSchema
				}
				return req
			}
			reply := r.must(ask("one"))
			if tt.agent && (len(reply.ToolCalls) != 1 || reply.ToolCalls[0].Name != "Pay" || string(reply.ToolCalls[0].Arguments) != `{"to":"Anna","amount":5}`) {
				t.Errorf("reply %+v", reply)
			}
			if !tt.agent && reply.Content != `{"reason":"r","label":"safe"}` {
				t.Errorf("reply %+v", reply)
			}
			if got := r.seen(); !slices.Equal(got, tt.want) {
				t.Errorf("asked as %q, want %q", got, tt.want)
			}
			if len(r.notes) != len(tt.want)-1 || !strings.Contains(r.notes[0]+r.notes[len(r.notes)-1], tt.note) {
				t.Errorf("told %q", r.notes)
			}
			// What was said to one call is not taken for an answer to another.
			r.must(ask("two"))
			if got := r.seen(); !slices.Equal(got, append(slices.Clone(tt.want), tt.want...)) || len(r.notes) != len(tt.want)-1 {
				t.Errorf("two calls were asked as %q; told %q", got, r.notes)
			}
			r.wantCounts(counts{made: 2})
			// Another process finds the answers, and needs no endpoint for it.
			r.connect(Options{Store: r.store, Offline: true})
			if again := r.must(ask("one")); cmp.Diff(again.ToolCalls, reply.ToolCalls)+cmp.Diff(again.Content, reply.Content) != "" || !again.Cached {
				t.Errorf("again %+v", again)
			}
		})
	}
}

// Where the recipe names a form, nothing else is tried, and the advice is to
// name another.
func TestFormsThatAreSet(t *testing.T) {
	for _, tt := range []struct {
		set    func(*spec.Model)
		agent  bool
		advice string
	}{
		{func(m *spec.Model) { m.Structured = spec.StructuredSchema }, false, `structured = "json_object"`},
		{func(m *spec.Model) { m.Structured = spec.StructuredObject }, false, `structured = "json_object" or "text"`},
		{func(m *spec.Model) { m.ToolForm = spec.ToolsNative }, true, `tool_form = "json"`},
	} {
		r := newRig(t, llmtest.Options{Reply: asAsked, Faults: []llmtest.Fault{
			refuses("json", 400, openAIError("response_format is not supported", "")), refuses("tools", 400, openAIError("m does not support tools", "")),
		}})
		tt.set(r.model)
		req := r.request("x")
		if tt.agent {
			req.Tools = []Tool{payTool}
		} else {
			req.Schema = verdictSchema
		}
		if e := r.mustFail(req); e.Code != CodeRejected || !strings.Contains(e.Summary, tt.advice) {
			t.Errorf("error %+v", e)
		}
		r.wantCounts(counts{failed: 1})
		if r.server.Calls() != 1 || len(r.notes) != 0 {
			t.Errorf("%d requests, told %q", r.server.Calls(), r.notes)
		}
	}
}

// A complaint about one schema is none about the form.
func TestRefusedSchema(t *testing.T) {
	r := newRig(t, llmtest.Options{Reply: func(req llmtest.Request) (llmtest.Reply, bool) {
		if strings.Contains(string(req.Raw), "pattern") {
			return llmtest.Reply{Content: `{"a":"x"}`}, true
		}
		return asAsked(req)
	}, Faults: []llmtest.Fault{{
		Status: 400, Body: openAIError("Invalid schema for response_format 'reply': In context=('properties', 'a'), 'pattern' is not permitted.", "response_format"),
		Match: func(r llmtest.Request) bool {
			return seen(r) == "json_schema" && strings.Contains(string(r.Raw), "pattern")
		},
	}}})
	r.model.Structured = spec.StructuredAuto
	odd := r.request("x")
	odd.Schema = json.RawMessage(`{"type":"object","properties":{"a":{"type":"string","pattern":"x"}}}`)
	r.must(odd)
	plain := r.request("x")
	plain.Schema = verdictSchema
	r.must(plain)
	odd.Sample = 1
	r.must(odd)
	if got, want := r.seen(), []string{"json_schema", "json_object", "json_schema", "json_schema", "json_object"}; !slices.Equal(got, want) {
		t.Errorf("asked as %q, want %q", got, want)
	}
}

// The first form of which an answer is stored counts, whatever the endpoint
// takes by now.
func TestStoredFormCounts(t *testing.T) {
	r := newRig(t, llmtest.Options{Reply: asAsked, Faults: []llmtest.Fault{refuses("json_schema", 400, openAIError("response_format is not supported", ""))}})
	r.model.Structured = spec.StructuredAuto
	req := r.request("x")
	req.Schema = verdictSchema
	first := r.must(req)
	r.server.Reset() // the endpoint has learned
	r.connect(Options{Store: r.store})
	if again := r.must(req); !again.Cached || !slices.Equal(again.Calls, first.Calls) || r.server.Calls() != 0 {
		t.Errorf("asked %d times: %+v", r.server.Calls(), again)
	}
	req.Sample = 1
	r.must(req)
	if got := r.seen(); !slices.Equal(got, []string{"json_schema"}) {
		t.Errorf("asked as %q", got)
	}
}

// Equal calls at once that are refused move on together.
func TestRefusedAtOnce(t *testing.T) {
	r := newRig(t, llmtest.Options{Reply: asAsked, Faults: []llmtest.Fault{refuses("json_schema", 400, openAIError("response_format is not supported", ""))}})
	r.model.Structured = spec.StructuredAuto
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			req := r.request(fmt.Sprint(i % 10))
			req.Schema = verdictSchema
			r.must(req)
		})
	}
	wg.Wait()
	good := r.server.Count(func(r llmtest.Request) bool { return seen(r) == "json_object" })
	if bad := r.server.Count(func(r llmtest.Request) bool { return seen(r) == "json_schema" }); good != 10 || bad < 10 {
		t.Errorf("%d answers, %d refusals", good, bad)
	}
	r.wantCounts(counts{made: 10, cached: 30})
	if len(r.notes) != 1 {
		t.Errorf("told %q", r.notes)
	}
}

// An endpoint that takes response_format and does not heed it: each call moves
// on by itself, at the price of a retry, and does not go back.
func TestUnheededForm(t *testing.T) {
	r := newRig(t, llmtest.Options{Reply: func(req llmtest.Request) (llmtest.Reply, bool) {
		switch {
		case req.ResponseFormat.Type == "json_schema":
			return llmtest.Reply{Content: "I find this safe."}, true
		case len(req.Messages) < 5: // JSON, and the wrong one
			return llmtest.Reply{Content: `{"label":"safe"}`}, true
		}
		return asAsked(req)
	}})
	r.model.Structured = spec.StructuredAuto
	ask := func(text string) Reply {
		req := r.request(text)
		req.Schema = verdictSchema
		return r.must(req)
	}
	const calls = manyNoJSON + 1
	var first Reply
	for i := range calls {
		if reply := ask(fmt.Sprint(i)); i == 0 {
			first = reply
		}
	}
	want := slices.Repeat([]string{"json_schema", "json_object", "json_object"}, calls)
	if got := r.seen(); !slices.Equal(got, want) {
		t.Errorf("asked as %q", got)
	}
	if len(r.notes) != 1 || !strings.Contains(r.notes[0], "without JSON") || !strings.Contains(r.notes[0], `structured = "json_object" or "text"`) {
		t.Errorf("told %q", r.notes)
	}
	r.connect(Options{Store: r.store, Offline: true})
	if again := ask("0"); !slices.Equal(again.Calls, first.Calls) {
		t.Errorf("calls %v, then %v", first.Calls, again.Calls)
	}
}

// The limit on tokens goes under the name that the endpoint takes; the key
// has the one that it always had.
func TestLimitUnderItsOtherName(t *testing.T) {
	fields := func(req llmtest.Request) (out []string) {
		for _, name := range []string{"max_tokens", "max_completion_tokens"} {
			if strings.Contains(string(req.Raw), `"`+name+`"`) {
				out = append(out, name)
			}
		}
		return out
	}
	for id, names := range map[string][]string{"o-like": {"max_tokens", "max_completion_tokens"}, "o3-alike": {"max_completion_tokens", "max_tokens"}} {
		message := fmt.Sprintf("Unsupported parameter: '%s' is not supported with this model. Use '%s' instead.", names[0], names[1])
		r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Status: 400, Body: openAIError(message, names[0]),
			Match: func(r llmtest.Request) bool { return slices.Contains(fields(r), names[0]) }}}})
		r.model.ID, r.model.MaxTokens = id, 100
		key := keyOf(t, r.request("x"))
		first := r.must(r.request("x"))
		r.must(r.request("y"))
		var got []string
		for _, req := range r.server.Requests() {
			got = append(got, fields(req)...)
		}
		if want := []string{names[0], names[1], names[1]}; !slices.Equal(got, want) || first.Calls[0] != key {
			t.Errorf("%s: sent %q; key %s, want %s", id, got, first.Calls, key)
		}
		if len(r.notes) != 1 {
			t.Errorf("told %q", r.notes)
		}
		r.wantCounts(counts{made: 2})
	}
	// Neither name will do.
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Status: 400, Body: openAIError("Unknown parameter: 'max_tokens' or 'max_completion_tokens'.", "")}}})
	r.model.MaxTokens = 5
	if e := r.mustFail(r.request("x")); !strings.Contains(e.Summary, "leave max_tokens out") || r.server.Calls() != 2 {
		t.Errorf("%d requests, %v", r.server.Calls(), e)
	}
	r.wantCounts(counts{failed: 1})
}

// A seed is a wish, and goes without being missed.
func TestSeedIsLeftOut(t *testing.T) {
	for _, body := range []string{
		`{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":7}]}`,
		`{"object":"error","message":"[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'Extra inputs are not permitted', 'input': 7}]","type":"BadRequestError","param":null,"code":400}`,
		openAIError("Unrecognized request argument supplied: seed", ""),
	} {
		r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Status: 422, Body: body, Match: func(r llmtest.Request) bool { return r.Seed != nil }}}})
		for _, text := range []string{"x", "y"} {
			req := r.request(text)
			req.Seed = 7
			r.must(req)
		}
		if r.server.Calls() != 4 || len(r.notes) != 1 || !strings.Contains(r.notes[0], "leaving the seed out") {
			t.Errorf("%d requests, told %q", r.server.Calls(), r.notes)
		}
	}
}

// What the recipe's author asked for is not left out in silence.
func TestRefusedArguments(t *testing.T) {
	tests := []struct {
		name, body, advice string
		set                func(*spec.Model)
	}{
		{"temperature", openAIError("Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", "temperature"),
			"leave it out of the model block", func(m *spec.Model) { m.Temperature = ptr(0.0) }},
		{"stop", openAIError("Unsupported parameter: 'stop' is not supported with this model.", "stop"),
			"leave it out of the model block", func(m *spec.Model) { m.Stop = []string{"END"} }},
		{"reasoning_effort", openAIError("Unrecognized request argument supplied: reasoning_effort", ""),
			"leave it out of the model block", func(m *spec.Model) { m.ReasoningEffort = "low" }},
		{"frequency_penalty", `{"code":"Client specified an invalid argument","error":"Argument not supported on this model: frequencyPenalty"}`,
			"leave it out of the model block", func(m *spec.Model) { m.FrequencyPen = ptr(0.5) }},
		{"presence_penalty", `{"error":{"message":"litellm.UnsupportedParamsError: anthropic does not support parameters: {'presence_penalty': 0.5}, for model=x.","code":"400"}}`,
			"leave it out of the model block", func(m *spec.Model) { m.PresencePen = ptr(0.5) }},
		{"top_k", openAIError("Unknown parameter: 'top_k'.", "top_k"),
			"leave it out of extra_body", func(m *spec.Model) { m.ExtraBody = map[string]json.RawMessage{"top_k": json.RawMessage("40")} }},
	}
	for _, tt := range tests {
		r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Status: 400, Body: tt.body}}})
		tt.set(r.model)
		named := strings.Contains(tt.body, `"param":"`+tt.name)
		for i, text := range []string{"x", "y"} {
			e := r.mustFail(r.request(text))
			if e.Code != CodeRejected || !strings.Contains(e.Summary, "does not take "+tt.name) || !strings.Contains(e.Summary, tt.advice) {
				t.Errorf("%s: %+v", tt.name, e)
			}
			// Words alone are believed when two requests met with them.
			if want := named || i == 1; e.Fatal != want {
				t.Errorf("%s, request %d: fatal %v, want %v", tt.name, i, e.Fatal, want)
			}
			if want := map[bool]int{true: 1, false: i + 1}[named]; r.server.Calls() != want {
				t.Errorf("%s: %d requests, want %d", tt.name, r.server.Calls(), want)
			}
		}
	}
}

// Complaints that are about something else.
func TestNoRefusal(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		code   Code
	}{
		{"a limit that is too high", 400, openAIError("max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.", "max_tokens"), CodeRejected},
		{"no room for the reply", 400, `{"object":"error","message":"'max_tokens' or 'max_completion_tokens' is too large: 900. This model's maximum context length is 1024 tokens and your request has 500 input tokens, which is not supported.","code":400}`, CodeContext},
		{"a tool's schema", 400, openAIError("Invalid schema for function 'Pay': 'amount' is not supported in 'tools'.", "tools[0].function.parameters"), CodeRejected},
		{"a value", 400, openAIError("'temperature' must be at most 1", "temperature"), CodeRejected},
		{"an unknown model", 404, openAIError("The model `tools` is unknown: 'max_tokens' not supported.", "model"), CodeNotFound},
		{"the server's own trouble", 500, `{"error":{"message":"unexpected error in response_format: unknown"}}`, CodeUnavailable},
		{"a filter", 400, openAIError("The response was filtered due to the prompt triggering the content management policy; 'tools' unsupported", "prompt"), CodeRefused},
	}
	for _, tt := range tests {
		r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Status: tt.status, Body: tt.body}}})
		r.model.Structured, r.model.ToolForm, r.model.MaxTokens, r.model.Temperature = spec.StructuredAuto, spec.ToolsAuto, 900, ptr(1.5)
		r.model.Provider.Retries = 0
		req := r.request("x")
		req.Tools = []Tool{payTool}
		if e := r.mustFail(req); e.Code != tt.code || r.server.Calls() != 1 {
			t.Errorf("%s: %d requests, %+v", tt.name, r.server.Calls(), e)
		}
	}
}
