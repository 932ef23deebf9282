package llm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// guessed is usage that no endpoint reported.
func guessed(in, out int) Usage { return Usage{InputTokens: in, OutputTokens: out, Estimated: true} }

// completionBody is a completion with this message, and what stands beside it.
func completionBody(message, rest string) string {
	return `{"model":"served","system_fingerprint":"fp","choices":[{"index":0,"message":` + message + `,"finish_reason":"stop"}]` + rest + `}`
}

// The shapes of replies that endpoints give.
func TestReplyShapes(t *testing.T) {
	usage := func(text string) string { return `,"usage":` + text }
	tests := []struct {
		name, message, rest string
		want                Answer
	}{
		{"plain", `{"role":"assistant","content":"hi"}`, usage(`{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}`),
			Answer{Content: "hi", Usage: Usage{InputTokens: 3, OutputTokens: 2}}},
		{"details of usage", `{"content":"hi"}`, usage(`{"prompt_tokens":30,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":10,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":15}}`),
			Answer{Content: "hi", Usage: Usage{InputTokens: 30, OutputTokens: 20, CachedInputTokens: 10, ReasoningTokens: 15}}},
		{"no details of usage", `{"content":"hi"}`, usage(`{"prompt_tokens":30,"completion_tokens":20,"prompt_tokens_details":null,"completion_tokens_details":null}`),
			Answer{Content: "hi", Usage: Usage{InputTokens: 30, OutputTokens: 20}}},
		{"DeepSeek's usage", `{"content":"hi"}`, usage(`{"prompt_tokens":30,"completion_tokens":20,"prompt_cache_hit_tokens":16,"prompt_cache_miss_tokens":14}`),
			Answer{Content: "hi", Usage: Usage{InputTokens: 30, OutputTokens: 20, CachedInputTokens: 16}}},
		{"impossible usage", `{"content":"hi"}`, usage(`{"prompt_tokens":3.0,"completion_tokens":-2,"prompt_tokens_details":{"cached_tokens":9},"completion_tokens_details":{"reasoning_tokens":1e300}}`),
			Answer{Content: "hi", Usage: Usage{InputTokens: 3, CachedInputTokens: 3}}},
		{"no usage", `{"content":"12345678"}`, "", Answer{Content: "12345678", Usage: guessed(10, 2)}},
		{"usage that cannot be read", `{"content":"12345678"}`, usage(`"none"`), Answer{Content: "12345678", Usage: guessed(10, 2)}},
		{"null content", `{"content":null}`, "", Answer{Usage: guessed(10, 0)}},
		{"parts", `{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`, "", Answer{Content: "ab", Usage: guessed(10, 1)}},
		{"parts, one of them thought", `{"content":[{"type":"thinking","thinking":[{"type":"text","text":"well"}]},{"type":"text","text":"hi"}]}`, "",
			Answer{Content: "hi", Reasoning: "well", Usage: guessed(10, 2)}},
		{"a refusal among parts", `{"content":[{"type":"refusal","refusal":"No."}]}`, "", Answer{Refusal: "No.", Usage: guessed(10, 1)}},
		{"parts of no known form", `{"content":[1,"x"]}`, "", Answer{Usage: guessed(10, 0)}},
		{"refusal", `{"content":null,"refusal":"No."}`, "", Answer{Refusal: "No.", Usage: guessed(10, 1)}},
		{"think", `{"content":"<think>\nwell {}</think>\n\nhi"}`, "", Answer{Content: "hi", Reasoning: "well {}", Usage: guessed(10, 3)}},
		{"think, begun in the prompt", `{"content":"well {}\n</think>\n\nhi"}`, "", Answer{Content: "hi", Reasoning: "well {}", Usage: guessed(10, 3)}},
		{"think, not at the start", `{"content":"I <think>hm</think> hi"}`, "", Answer{Content: "I <think>hm</think> hi", Usage: guessed(10, 6)}},
		{"think without an end", `{"content":"<think>well"}`, "", Answer{Content: "<think>well", Usage: guessed(10, 3)}},
		{"reasoning_content", `{"content":"hi","reasoning_content":"well"}`, "", Answer{Content: "hi", Reasoning: "well", Usage: guessed(10, 2)}},
		{"reasoning", `{"content":"hi","reasoning":"well","reasoning_details":[{"type":"reasoning.text","text":"well"}]}`, "", Answer{Content: "hi", Reasoning: "well", Usage: guessed(10, 2)}},
		{"both", `{"content":"hi","reasoning":"well","reasoning_content":"well"}`, "", Answer{Content: "hi", Reasoning: "well", Usage: guessed(10, 2)}},
		{"calls", `{"content":null,"tool_calls":[{"type":"function","function":{"name":"A","arguments":"x"}},{"id":"call_1","type":"function","function":{"name":"B"}},{"id":"z","function":{"name":"C","arguments":"{}"}}]}`, "",
			Answer{ToolCalls: []AnswerCall{{"call_1", "A", "x"}, {"call_2", "B", ""}, {"z", "C", "{}"}}, Usage: guessed(10, 2)}},
		{"calls with objects", `{"content":"","tool_calls":[{"id":7,"index":0,"function":{"name":"A","arguments":{"a": 1.50}}},{"id":"","function":{"name":"B","arguments":null}}]}`, "",
			Answer{ToolCalls: []AnswerCall{{"7", "A", `{"a": 1.50}`}, {"call_2", "B", ""}}, Usage: guessed(10, 4)}},
		{"the legacy form", `{"content":null,"function_call":{"name":"A","arguments":"{}"}}`, "", Answer{ToolCalls: []AnswerCall{{"call_1", "A", "{}"}}, Usage: guessed(10, 1)}},
		{"a null among calls", `{"content":"hi","tool_calls":null,"function_call":null}`, "", Answer{Content: "hi", Usage: guessed(10, 1)}},
	}
	for _, tt := range tests {
		got, err := read([]byte(completionBody(tt.message, tt.rest)), 40)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		tt.want.FinishReason, tt.want.Model, tt.want.Fingerprint = "stop", "served", "fp"
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

// What is not a whole answer is none.
func TestNoReply(t *testing.T) {
	finish := func(reason string) string {
		return strings.Replace(completionBody(`{"content":"hi"}`, ""), `"finish_reason":"stop"`, reason, 1)
	}
	for _, tt := range []struct{ name, body, reason string }{
		{"nothing", " \n", "empty"},
		{"half of it", completionBody(`{"content":"hi"}`, "")[:60], "cannot be read"},
		{"a page", "<html>busy</html>", "cannot be read"},
		{"no object", `"busy"`, "cannot be read"},
		{"a stream", "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\ndata: [DONE]\n", "cannot be read"},
		{"no choices", `{"choices":[]}`, "no choices"},
		{"no finish reason", finish(`"x":1`), "finish_reason"},
		{"a null finish reason", finish(`"finish_reason":null`), "finish_reason"},
		{"an empty finish reason", finish(`"finish_reason":""`), "finish_reason"},
		{"a gateway's error", finish(`"error":{"code":502,"message":"upstream is gone"},"finish_reason":"error"`), "upstream is gone"},
		{"a model that was loaded only", finish(`"finish_reason":"load"`), "broken off"},
		{"an answer that was called off", finish(`"finish_reason":"abort"`), "broken off"},
		{"calls of no known form", completionBody(`{"tool_calls":"Pay"}`, ""), "cannot be read"},
	} {
		if a, err := read([]byte(tt.body), 40); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %+v, %v", tt.name, a, err)
		}
	}
	a, err := read([]byte(finish(`"finish_reason":"function_call"`)), 40)
	if err != nil || a.FinishReason != finishCalls {
		t.Errorf("%+v, %v", a, err)
	}
}

// FuzzRead: whatever an endpoint sends, it is an answer or an error.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		completionBody(`{"content":"hi"}`, `,"usage":{}`), completionBody(`{"content":[[[{}]]]}`, ""), completionBody(`null`, ""),
		completionBody(`{"content":[{"thinking":[{"thinking":[{"text":"x"}]}]}]}`, ""), `{"choices":[null]}`, `{"choices":[{"finish_reason":5}]}`, `[]`,
		completionBody(`{"content":{"a":1},"tool_calls":[null,{}]}`, ""),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		a, err := read([]byte(body), len(body))
		if err != nil {
			return
		}
		ids := map[string]bool{}
		for _, c := range a.ToolCalls {
			if c.ID == "" || ids[c.ID] {
				t.Errorf("the calls' ids are %+v", a.ToolCalls)
			}
			ids[c.ID] = true
		}
		if u := a.Usage; u.InputTokens < 0 || u.OutputTokens < 0 || u.CachedInputTokens > u.InputTokens || u.ReasoningTokens > u.OutputTokens {
			t.Errorf("usage %+v", u)
		}
	})
}

// Calls whose ids are taken, or missing, get the next free one each.
func TestNameCalls(t *testing.T) {
	calls := []AnswerCall{{ID: "call_4"}, {}, {ID: "call_4"}, {ID: "call_7"}, {}, {}, {ID: "a"}, {ID: "a"}}
	nameCalls(calls)
	var got []string
	for _, c := range calls {
		got = append(got, c.ID)
	}
	if d := cmp.Diff([]string{"call_4", "call_2", "call_3", "call_7", "call_5", "call_6", "a", "call_8"}, got); d != "" {
		t.Error(d)
	}
}
