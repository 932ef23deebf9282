package llm

import (
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/spec"
)

func fullRequest() Request {
	return Request{
		Model: &spec.Model{
			Name: "agent", ID: "gpt-4o-mini", Temperature: ptr(0.0), TopP: ptr(0.9), MaxTokens: 512,
			Stop: []string{"END"}, FrequencyPen: ptr(0.5), PresencePen: ptr(-0.5), ReasoningEffort: "low",
			Structured: spec.StructuredSchema, ReplyRetries: 2, Price: &spec.Price{Input: 1, Output: 2},
			Provider: &spec.Provider{
				Type: spec.ProviderOpenAI, Name: "main", BaseURL: "https://api.example.com/v1/",
				APIKey: spec.NewSecret(testKey), Organization: "org", Headers: map[string]string{"X-A": "b"},
				Limits: spec.Limits{Concurrency: 4}, Timeout: time.Second, Retries: 3,
			},
		},
		Purpose: "judge",
		Messages: []Message{
			{Role: "system", Content: "You are <b>careful</b> & brief."},
			{Role: "user", Content: "Pay\nAnna."},
			{Role: "assistant", ToolCalls: []ToolCall{{ID: "c1", Name: "Pay", Arguments: json.RawMessage(`{"to":"Anna"}`)}}},
			{Role: "tool", ToolCallID: "c1", Content: ""},
		},
		Tools:  []Tool{payTool},
		Schema: verdictSchema, SchemaName: "my verdict", Stop: []string{"STOP", "END"},
		Sample: 3, Generation: 1, Seed: 42, Facts: json.RawMessage(`{"b":1,"a":[2]}`),
	}
}

func keyOf(t *testing.T, req Request) string {
	t.Helper()
	_, parts, err := shape(req)
	if err != nil {
		t.Fatalf("shape: %v", err)
	}
	d := parts.Digest()
	return hex.EncodeToString(d[:])
}

// The body is pinned byte for byte: a model is sensitive to all of it, and it
// is in the key.
func TestBodyGolden(t *testing.T) {
	w, _, err := shape(fullRequest())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"gpt-4o-mini",` +
		`"messages":[{"role":"system","content":"You are <b>careful</b> & brief."},{"role":"user","content":"Pay\nAnna."},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"Pay","arguments":"{\"to\":\"Anna\"}"}}]},` +
		`{"role":"tool","content":"","tool_call_id":"c1"}],` +
		`"tools":[{"type":"function","function":{"name":"Pay","description":"Pay someone.","parameters":` + string(payTool.Parameters) + `}}],` +
		`"response_format":{"type":"json_schema","json_schema":{"name":"my_verdict","schema":` + string(verdictSchema) + `,"strict":true}},` +
		`"temperature":0,"top_p":0.9,"max_completion_tokens":512,"stop":["END","STOP"],` +
		`"frequency_penalty":0.5,"presence_penalty":-0.5,"reasoning_effort":"low","seed":42}`
	if got := string(w.body()); got != want {
		t.Errorf("body\n%s\nwant\n%s", got, want)
	}
}

// Pinned keys: if one changes, users pay for every such call again.
func TestKeyGolden(t *testing.T) {
	tests := []struct {
		name string
		req  Request
		want string
	}{
		{"full", fullRequest(), "3437cf5230abcca10116936af98f23a3e20cd8bd97bcd3e72c3d94eee6a05b1c"},
		{"least", Request{
			Model:    &spec.Model{ID: "m", Provider: &spec.Provider{Type: spec.ProviderOpenAI, BaseURL: "http://localhost:8000/v1"}},
			Messages: []Message{{Role: "user", Content: "hi"}},
		}, "1d1665311f358b17c90c544e24f7da0be3bd292639c7f60fa0156624212da9b4"},
	}
	for _, tt := range tests {
		if got := keyOf(t, tt.req); got != tt.want {
			t.Errorf("%s: key %s, want %s", tt.name, got, tt.want)
		}
	}
}

// What a recipe leaves open is put in the form that it had before there was a
// choice, and under the same key.
func TestOpenFormsKeepTheirKeys(t *testing.T) {
	want := keyOf(t, fullRequest())
	req := fullRequest()
	req.Model.Structured, req.Model.ToolForm = spec.StructuredAuto, spec.ToolsAuto
	if got := keyOf(t, req); got != want {
		t.Errorf("key %s, want %s", got, want)
	}
	req.Model.Structured, req.Model.ToolForm = "", spec.ToolsNative
	if got := keyOf(t, req); got != want {
		t.Errorf("key %s, want %s", got, want)
	}
}

// Further fields of the body come last, in order of name, and are parts like
// the others. What is about tools goes where there are some.
func TestExtraBody(t *testing.T) {
	req := fullRequest()
	req.Model.ExtraBody = map[string]json.RawMessage{
		"top_k": json.RawMessage("40"), "min_p": json.RawMessage("0.1"), "parallel_tool_calls": json.RawMessage("false"),
	}
	w, parts, err := shape(req)
	if err != nil {
		t.Fatal(err)
	}
	if body := string(w.body()); !strings.HasSuffix(body, `"seed":42,"min_p":0.1,"parallel_tool_calls":false,"top_k":40}`) {
		t.Errorf("body %s", body)
	}
	var names []string
	for _, p := range parts[len(parts)-6:] {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "seed min_p parallel_tool_calls top_k sample generation" {
		t.Errorf("parts %s", got)
	}
	req.Tools = nil
	if w, _, err = shape(req); err != nil || w.has("parallel_tool_calls") || !w.has("top_k") {
		t.Errorf("without tools: %s, %v", w.body(), err)
	}
}

func TestKeyParts(t *testing.T) {
	_, parts, err := shape(fullRequest())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.Name)
	}
	want := "tag endpoint model messages tools response_format temperature top_p max_completion_tokens stop " +
		"frequency_penalty presence_penalty reasoning_effort seed sample generation"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("parts %s\nwant  %s", got, want)
	}
	if all := string(parts.Encode()); strings.Contains(all, testKey) {
		t.Error("the API key is in the key")
	}
}

// change is how a field is changed, and whether the key must change with it.
type change struct {
	inKey bool
	do    func(*Request)
	why   string // for a field that is left out
}

var requestFields = map[string]change{
	"Model":       {inKey: true, do: func(r *Request) { r.Model.ID = "other" }},
	"Purpose":     {do: func(r *Request) { r.Purpose = "other" }, why: "not sent; offline only"},
	"Messages":    {inKey: true, do: func(r *Request) { r.Messages[1].Content = "other" }},
	"Tools":       {inKey: true, do: func(r *Request) { r.Tools[0].Description = "other" }},
	"Schema":      {inKey: true, do: func(r *Request) { r.Schema = json.RawMessage(`{"type":"object"}`) }},
	"SchemaName":  {inKey: true, do: func(r *Request) { r.SchemaName = "other" }},
	"Stop":        {inKey: true, do: func(r *Request) { r.Stop = []string{"other"} }},
	"Sample":      {inKey: true, do: func(r *Request) { r.Sample++ }},
	"Generation":  {inKey: true, do: func(r *Request) { r.Generation++ }},
	"Seed":        {inKey: true, do: func(r *Request) { r.Seed++ }},
	"Step":        {do: func(r *Request) { r.Step = "other" }, why: "who asks does not change the answer"},
	"Depth":       {do: func(r *Request) { r.Depth++ }, why: "who asks does not change the answer"},
	"Refresh":     {do: func(r *Request) { r.Refresh = true }, why: "whether an answer is stored does not change what is asked"},
	"RefreshMark": {do: func(r *Request) { r.RefreshMark = 7 }, why: "as Refresh"},
	"Over":        {do: func(r *Request) { r.Over = func() bool { return true } }, why: "whether a call is sent, not what"},
	"Facts":       {do: func(r *Request) { r.Facts = json.RawMessage(`{}`) }, why: "not sent; offline only"},
}

var messageFields = map[string]change{
	"Role":       {inKey: true, do: func(r *Request) { r.Messages[0].Role = "user" }},
	"Content":    {inKey: true, do: func(r *Request) { r.Messages[0].Content = "" }},
	"ToolCalls":  {inKey: true, do: func(r *Request) { r.Messages[2].ToolCalls[0].Arguments = json.RawMessage(`{}`) }},
	"ToolCallID": {inKey: true, do: func(r *Request) { r.Messages[3].ToolCallID = "c2" }},
	"Name":       {inKey: true, do: func(r *Request) { r.Messages[1].Name = "anna" }},
}

var toolCallFields = map[string]change{
	"ID":        {inKey: true, do: func(r *Request) { r.Messages[2].ToolCalls[0].ID = "c2" }},
	"Name":      {inKey: true, do: func(r *Request) { r.Messages[2].ToolCalls[0].Name = "Other" }},
	"Arguments": {inKey: true, do: func(r *Request) { r.Messages[2].ToolCalls[0].Arguments = nil }},
}

var toolFields = map[string]change{
	"Name":        {inKey: true, do: func(r *Request) { r.Tools[0].Name = "Other" }},
	"Description": {inKey: true, do: func(r *Request) { r.Tools[0].Description = "" }},
	"Parameters":  {inKey: true, do: func(r *Request) { r.Tools[0].Parameters = nil }},
}

var modelFields = map[string]change{
	"Name":            {do: func(r *Request) { r.Model.Name = "other" }, why: "a label of the recipe"},
	"Range":           {do: func(r *Request) { r.Model.Range.Filename = "other" }, why: "a place in the recipe"},
	"Provider":        {inKey: true, do: func(r *Request) { r.Model.Provider.BaseURL = "http://other/v1" }},
	"ID":              {inKey: true, do: func(r *Request) { r.Model.ID = "other" }},
	"Temperature":     {inKey: true, do: func(r *Request) { r.Model.Temperature = nil }},
	"TopP":            {inKey: true, do: func(r *Request) { r.Model.TopP = ptr(0.0) }},
	"MaxTokens":       {inKey: true, do: func(r *Request) { r.Model.MaxTokens++ }},
	"Stop":            {inKey: true, do: func(r *Request) { r.Model.Stop = nil }},
	"FrequencyPen":    {inKey: true, do: func(r *Request) { r.Model.FrequencyPen = nil }},
	"PresencePen":     {inKey: true, do: func(r *Request) { r.Model.PresencePen = ptr(0.0) }},
	"ReasoningEffort": {inKey: true, do: func(r *Request) { r.Model.ReasoningEffort = "high" }},
	"Structured":      {inKey: true, do: func(r *Request) { r.Model.Structured = spec.StructuredText }},
	"ReplyRetries":    {do: func(r *Request) { r.Model.ReplyRetries++ }, why: "a repeated question has a key of its own"},
	"Price":           {do: func(r *Request) { r.Model.Price = nil }, why: "does not change the answer"},
	"Replicas":        {do: func(r *Request) { r.Model.Replicas = []*spec.Provider{r.Model.Provider} }, why: "share the first one's identity"},
	"ToolForm":        {inKey: true, do: func(r *Request) { r.Model.ToolForm = spec.ToolsJSON }},
	"ExtraBody":       {inKey: true, do: func(r *Request) { r.Model.ExtraBody = map[string]json.RawMessage{"top_k": json.RawMessage("1")} }},
	"Revision":        {inKey: true, do: func(r *Request) { r.Model.Revision = "1" }},
	"Tuned":           {do: func(r *Request) { r.Model.Tuned = &spec.Step{} }, why: "by the time that it is asked a model has its name"},
	"Mode":            {do: func(r *Request) { r.Model.Mode = spec.ModeBatch }, why: "how a call travels does not change the answer"},
	"Batch":           {do: func(r *Request) { r.Model.Batch.MaxRequests++ }, why: "how a call travels does not change the answer"},
}

var providerFields = map[string]change{
	"Type":         {inKey: true, do: func(r *Request) { r.Model.Provider.Type = "other" }},
	"Name":         {do: func(r *Request) { r.Model.Provider.Name = "other" }, why: "a label of the recipe"},
	"BaseURL":      {inKey: true, do: func(r *Request) { r.Model.Provider.BaseURL = "https://api.example.com/v2" }},
	"APIKey":       {do: func(r *Request) { r.Model.Provider.APIKey = spec.NewSecret("other") }, why: "a secret"},
	"Organization": {do: func(r *Request) { r.Model.Provider.Organization = "other" }, why: "who pays does not change the answer"},
	"ID":           {inKey: true, do: func(r *Request) { r.Model.Provider.ID = "pool" }},
	"Project":      {do: func(r *Request) { r.Model.Provider.Project = "other" }, why: "who pays does not change the answer"},
	"APIVersion":   {do: func(r *Request) { r.Model.Provider.APIVersion = "other" }, why: "the protocol, not the model"},
	"Query":        {do: func(r *Request) { r.Model.Provider.Query = map[string]string{"a": "b"} }, why: "values are secrets"},
	"Proxy":        {do: func(r *Request) { r.Model.Provider.Proxy = spec.NewSecret("http://p") }, why: "the way there"},
	"CA":           {do: func(r *Request) { r.Model.Provider.CA = []byte("x") }, why: "the way there"},
	"Weight":       {do: func(r *Request) { r.Model.Provider.Weight++ }, why: "which replica does not change the answer"},
	"Outage":       {do: func(r *Request) { r.Model.Provider.Outage++ }, why: "does not change the answer"},
	"Headers":      {do: func(r *Request) { r.Model.Provider.Headers = nil }, why: "values are secrets"},
	"Seed":         {do: func(r *Request) { r.Model.Provider.Seed++ }, why: "of the offline provider alone"},
	"Limits":       {do: func(r *Request) { r.Model.Provider.Limits.Concurrency++ }, why: "does not change the answer"},
	"Timeout":      {do: func(r *Request) { r.Model.Provider.Timeout++ }, why: "does not change the answer"},
	"Retries":      {do: func(r *Request) { r.Model.Provider.Retries++ }, why: "does not change the answer"},
	"Missing": {do: func(r *Request) {
		p := r.Model.Provider
		p.Missing = append(p.Missing, elementOf(p.Missing))
	}, why: "about secrets"},
}

// Every field is in the key or left out for a reason; a new one fails here
// until someone decides.
func TestEveryFieldIsClassified(t *testing.T) {
	tests := []struct {
		of     reflect.Type
		fields map[string]change
	}{
		{reflect.TypeFor[Request](), requestFields},
		{reflect.TypeFor[Message](), messageFields},
		{reflect.TypeFor[ToolCall](), toolCallFields},
		{reflect.TypeFor[Tool](), toolFields},
		{reflect.TypeFor[spec.Model](), modelFields},
		{reflect.TypeFor[spec.Provider](), providerFields},
	}
	base := keyOf(t, fullRequest())
	for _, tt := range tests {
		for i := range tt.of.NumField() {
			name := tt.of.Field(i).Name
			c, ok := tt.fields[name]
			if !ok {
				t.Errorf("%s.%s is neither in the call key nor left out of it: decide, and say so here", tt.of, name)
				continue
			}
			if !c.inKey && c.why == "" {
				t.Errorf("%s.%s is left out without a reason", tt.of, name)
			}
			req := fullRequest()
			c.do(&req)
			if changed := keyOf(t, req) != base; changed != c.inKey {
				t.Errorf("%s.%s: changing it changes the key: %v, want %v", tt.of, name, changed, c.inKey)
			}
		}
		if n := len(tt.fields); n != tt.of.NumField() {
			t.Errorf("%s has %d fields, and %d are listed", tt.of, tt.of.NumField(), n)
		}
	}
}

// The offline model is told purpose and facts, so they are in its keys.
func TestOfflineKey(t *testing.T) {
	with := func(f func(*Request)) string {
		req := fullRequest()
		req.Model.Provider.Type = spec.ProviderOffline
		f(&req)
		return keyOf(t, req)
	}
	base := with(func(*Request) {})
	for name, f := range map[string]func(*Request){
		"purpose": func(r *Request) { r.Purpose = "agent" },
		"facts":   func(r *Request) { r.Facts = json.RawMessage(`{"b":2}`) },
		"seed":    func(r *Request) { r.Model.Provider.Seed++ },
	} {
		if with(f) == base {
			t.Errorf("%s is not in the key", name)
		}
	}
	if with(func(r *Request) { r.Facts = json.RawMessage(` {"a": [2], "b": 1}`) }) != base {
		t.Error("the order of facts is in the key")
	}
	if with(func(r *Request) { r.Model.Structured = spec.StructuredText }) != base {
		t.Error("structured is in the key of the offline model, which does not care")
	}
}

func TestBaseURLSlashIsNotInKey(t *testing.T) {
	a, b := fullRequest(), fullRequest()
	b.Model.Provider.BaseURL = strings.TrimRight(b.Model.Provider.BaseURL, "/")
	if keyOf(t, a) != keyOf(t, b) {
		t.Error("a trailing slash of base_url changes the key")
	}
}

func TestSchemaInPrompt(t *testing.T) {
	for _, mode := range []spec.Structured{spec.StructuredObject, spec.StructuredText} {
		req := fullRequest()
		req.Model.Structured = mode
		w, _, err := shape(req)
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Messages []Message `json:"messages"`
			Format   *struct {
				Type string `json:"type"`
			} `json:"response_format"`
		}
		_ = json.Unmarshal(w.body(), &body) // tool arguments are text there
		if first := body.Messages[0]; first.Role != "system" ||
			!strings.HasPrefix(first.Content, "You are <b>careful") || !strings.Contains(first.Content, `"label"`) {
			t.Errorf("%s: first message %+v", mode, first)
		}
		if got := body.Format != nil && body.Format.Type == "json_object"; got != (mode == spec.StructuredObject) {
			t.Errorf("%s: response_format %+v", mode, body.Format)
		}
		if req.Messages[0].Content != fullRequest().Messages[0].Content {
			t.Errorf("%s: the caller's messages were changed", mode)
		}
		req.Messages = req.Messages[1:2]
		if got := (&shaper{}).withSchemaText(&req, mode); len(got) != 2 || got[0].Role != "system" {
			t.Errorf("%s: without a system message: %+v", mode, got)
		}
	}
}

func TestMaxTokensField(t *testing.T) {
	for id, want := range map[string]string{
		"gpt-4o": "max_tokens", "o1-mini": "max_completion_tokens", "openai/o3": "max_completion_tokens",
		"gpt-5-nano": "max_completion_tokens", "olmo": "max_tokens",
	} {
		if got := maxTokensField(&spec.Model{ID: id}); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
	if got := maxTokensField(&spec.Model{ID: "gpt-4o", ReasoningEffort: "low"}); got != "max_completion_tokens" {
		t.Errorf("with reasoning_effort: %s", got)
	}
}

func TestShapeErrors(t *testing.T) {
	bad := json.RawMessage(`{"type":`)
	for name, f := range map[string]func(*Request){
		"schema":     func(r *Request) { r.Schema = bad },
		"parameters": func(r *Request) { r.Tools = []Tool{{Name: "T", Parameters: bad}} },
	} {
		req := fullRequest()
		f(&req)
		if _, _, err := shape(req); err == nil {
			t.Errorf("%s that is no JSON was shaped", name)
		}
	}
}

func TestStrictable(t *testing.T) {
	tests := []struct {
		schema string
		want   bool
	}{
		{string(verdictSchema), true},
		{`{"type":"object","properties":{},"additionalProperties":false}`, true},
		{`{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}}},"required":["a"],"additionalProperties":false}`, true},
		{`{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}},"required":["a"],"additionalProperties":false}`, true},
		{`{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"required":["a"],"additionalProperties":false,"$defs":{"x":{"type":"integer","minimum":0}}}`, true},
		{`{"type":"object"}`, false},
		{`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`, false},
		{`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`, false},
		{`{"type":"object","properties":{"a":{}},"required":["a"],"additionalProperties":false}`, false},
		{`{"type":"object","properties":{"a":{"type":"object"}},"required":["a"],"additionalProperties":false}`, false},
		{`{"type":"object","properties":{"a":{"type":"array"}},"required":["a"],"additionalProperties":false}`, false},
		{`{"type":"object","properties":{"a":{"type":"string","minLength":1}},"required":["a"],"additionalProperties":false}`, false},
		{`{"type":"object","properties":{"a":{"$ref":"http://x/y"}},"required":["a"],"additionalProperties":false}`, false},
		{`{"type":"object","properties":{"a":{"properties":{"b":{}}}},"required":["a"],"additionalProperties":false}`, false},
		{`{"type":"array","items":{"type":"string"}}`, false},
		{`true`, false},
		{`nonsense`, false},
	}
	for _, tt := range tests {
		if got := strictable(json.RawMessage(tt.schema)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.schema, got, tt.want)
		}
	}
}
