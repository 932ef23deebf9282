package llm

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

func TestWithoutEcho(t *testing.T) {
	long := "Say that the value \"temperature\" is unsupported by\nthis model."
	const blank = "\u00a0"
	for _, tt := range []struct{ content, says, want string }{
		{long, "bad input: " + long, "bad input:  ."},
		{long, `bad input: say that the value \"temperature\" is unsup...`, `bad input: \"\" unsup...`},
		{long, "bad input: Say&nbsp;that the value &quot;temperature&quot; is  unsupported by this model.", "bad input:  ."},
		{long, "Unsupported value: 'temperature' does not support 0.2.", "Unsupported : '' does not support 0.2."},
		{"The temperature here is 20.", "Unsupported value: 'temperature' does not support 0.2.", "Unsupported value: 'temperature' does not support 0.2."},
		{"stop", "unexpected 'stop' here", "unexpected '' here"},
		{"stop it", "unexpected 'stop' here", "unexpected 'stop' here"},
		{"", "unexpected", "unexpected"},
		{"Über die Straße gehen", "unknown: über die straße gehen!", "unknown: !"},
	} {
		body, err := json.Marshal([]map[string]string{{"role": "user", "content": tt.content}})
		if err != nil {
			t.Fatal(err)
		}
		plain := func(s string) string {
			return strings.Join(strings.Fields(strings.NewReplacer(blank, "", `"`, "", `\`, "").Replace(s)), " ")
		}
		if got := withoutEcho(tt.says, wire{{"messages", body}}); plain(got) != plain(tt.want) {
			t.Errorf("of %q is left %q, want %q", tt.says, got, tt.want)
		}
	}
}

// What a row says cannot turn down a form, or stop a model, however the endpoint
// repeats it.
func TestRowsTurnNothingDown(t *testing.T) {
	attacks := []string{
		"Unsupported value: 'temperature' does not support 0.5 with this model.",
		"Unrecognized request argument supplied: stop",
		"response_format json_schema is not supported by this model",
		"this model does not support tools",
		"tool use is not supported; tools are not allowed; unknown parameter: tools",
		"xgrammar: failed to parse grammar",
		"Unsupported parameter: 'max_tokens' is not supported with this model.",
		"Unrecognized request argument supplied: seed",
		"temperature",
	}
	echoes := map[string]func(said string) (int, string){
		"whole":  func(s string) (int, string) { return 400, openAIError("invalid input: "+s, "") },
		"quoted": func(s string) (int, string) { return 400, openAIError(fmt.Sprintf("invalid input: %q", s), "") },
		"twice": func(s string) (int, string) {
			return 422, openAIError(fmt.Sprintf("cannot use %q", fmt.Sprintf("%q", s)), "messages[0].content")
		},
		"cut":     func(s string) (int, string) { return 400, openAIError("invalid input: "+s[:len(s)*9/10]+"...", "") },
		"bare":    func(s string) (int, string) { return 400, s },
		"unknown": func(s string) (int, string) { return 400, openAIError("unexpected: '"+s+"'", "") },
		"server":  func(s string) (int, string) { return 500, openAIError("template error near "+s, "") },
	}
	for how, echo := range echoes {
		for _, attack := range attacks {
			t.Run(how+" "+attack, func(t *testing.T) {
				status, body := echo(attack)
				hostile := func(r llmtest.Request) bool { return strings.Contains(*r.Messages[len(r.Messages)-1].Content, attack) }
				r := newRig(t, llmtest.Options{Reply: asAsked, Faults: []llmtest.Fault{{Status: status, Body: body, Match: hostile}}})
				m := r.model
				m.Structured, m.ToolForm, m.MaxTokens, m.Temperature, m.Stop = spec.StructuredAuto, spec.ToolsAuto, 900, ptr(0.5), []string{"END"}
				m.Provider.Retries = 0
				for i := range 3 {
					req := r.request(attack)
					req.Sample, req.Seed = i, 7
					if i == 1 {
						req.Tools = []Tool{payTool}
					} else {
						req.Schema = verdictSchema
					}
					if e := r.mustFail(req); e.Fatal {
						t.Errorf("%+v", e)
					}
				}
				if n := r.server.Calls(); n != 3 {
					t.Errorf("%d requests, want 3", n)
				}
				for _, sent := range r.server.Requests() {
					if s := seen(sent); s != "json_schema" && s != "text+tools" || sent.Seed == nil {
						t.Errorf("sent as %s, seed %v", s, sent.Seed)
					}
				}
				good := r.request("a good one")
				good.Schema = verdictSchema
				r.must(good)
			})
		}
	}
}

// What an endpoint says of an argument in words alone is not believed of a model
// that has answered, or that it said it of to one request.
func TestHearsay(t *testing.T) {
	says := llmtest.Fault{Status: 400, Body: openAIError("Unsupported value: 'temperature' does not support 0.5.", ""), Match: func(r llmtest.Request) bool {
		return strings.HasPrefix(*r.Messages[0].Content, "bad")
	}}
	for _, tt := range []struct {
		calls string
		ends  int // the call that ends the model; -1: none
	}{
		{"bad1", -1}, {"bad1 bad1 bad1", -1}, {"bad1 bad2", 1}, {"bad1 good bad2 bad3", -1}, {"good bad1 bad2 bad3", -1}, {"bad1 bad1 bad2 good", 2},
	} {
		r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{says}})
		r.model.Temperature = ptr(0.5)
		for i, text := range strings.Fields(tt.calls) {
			req := r.request(text)
			req.Sample = i
			if strings.HasPrefix(text, "good") && tt.ends < 0 {
				r.must(req)
				continue
			}
			e := r.mustFail(req)
			if want := tt.ends >= 0 && i >= tt.ends; e.Fatal != want || !want && !e.Transient {
				t.Errorf("%s: call %d is fatal: %v, want %v", tt.calls, i, e.Fatal, want)
			}
		}
	}
}
