package llm

import (
	"encoding/json"
	"strings"
	"testing"
)

// The messages as encoding/json writes them, which is how they are keyed.
type (
	slowMessage struct {
		Role       string     `json:"role"`
		Content    *string    `json:"content"`
		ToolCalls  []slowCall `json:"tool_calls,omitempty"`
		ToolCallID string     `json:"tool_call_id,omitempty"`
		Name       string     `json:"name,omitempty"`
	}
	slowCall struct {
		ID       string   `json:"id"`
		Type     string   `json:"type"`
		Function slowFunc `json:"function"`
	}
	slowFunc struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
)

func slowMessages(messages []Message) []slowMessage {
	out := make([]slowMessage, len(messages))
	for i, m := range messages {
		w := slowMessage{Role: m.Role, ToolCallID: m.ToolCallID, Name: m.Name}
		if m.Content != "" || len(m.ToolCalls) == 0 {
			w.Content = &messages[i].Content
		}
		for _, c := range m.ToolCalls {
			args := string(c.Arguments)
			if args == "" {
				args = "{}"
			}
			w.ToolCalls = append(w.ToolCalls, slowCall{c.ID, "function", slowFunc{c.Name, args}})
		}
		out[i] = w
	}
	return out
}

// sameAsJSON holds what is written by hand to what encoding/json writes: a byte
// less in it would be another key, and the call bought again.
func sameAsJSON(t *testing.T, messages []Message) {
	t.Helper()
	want, err := compact(slowMessages(messages))
	if err != nil {
		t.Fatal(err)
	}
	if got := appendMessages(nil, messages); string(got) != string(want) {
		t.Errorf("%q:\ngot  %s\nwant %s", messages, got, want)
	}
}

func oddTexts() []string {
	list := []string{"", "plain", "a\nb\tc\r\b\f\v", `"quoted" \ back`, "<b>&</b>", "é and 世界 and 🎉", "\x00\x01\x1f\x7f", "a\u2028b\u2029c", "bad \xff\xfe utf-8", "\xe2\x80", "\xed\xa0\x80", "\ufffd", "\u0080\u009f"}
	for c := range 256 {
		list = append(list, "a"+string([]byte{byte(c)})+"eight or more bytes", strings.Repeat("x", c%17)+string(rune(c)))
	}
	return list
}

func TestMessagesAreWrittenAsJSON(t *testing.T) {
	for _, text := range oddTexts() {
		sameAsJSON(t, []Message{{Role: "user", Content: text}})
	}
	sameAsJSON(t, nil)
	sameAsJSON(t, []Message{
		{Role: "system", Content: ""},
		{Role: "assistant", ToolCalls: []ToolCall{{ID: "1", Name: "f", Arguments: json.RawMessage(`{"a":"\n"}`)}, {ID: "\"", Name: "é"}}},
		{Role: "assistant", Content: "both", ToolCalls: []ToolCall{{}}},
		{Role: "tool", ToolCallID: "1\x02", Content: "done", Name: "who\n"},
	})
}

func FuzzMessagesAreWrittenAsJSON(f *testing.F) {
	for _, text := range oddTexts() {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		sameAsJSON(t, []Message{{Role: a, Content: b, Name: b, ToolCalls: []ToolCall{{ID: a, Name: b, Arguments: json.RawMessage(a)}}}, {Content: a, ToolCallID: b}})
	})
}

func TestTextOf(t *testing.T) {
	for _, text := range oddTexts() {
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if got, ok := textOf(raw); !ok || got != want {
			t.Errorf("%s: %q, %v", raw, got, ok)
		}
	}
	for _, raw := range []string{"", "null ", "1", "{}", `"`, `"a`, `a"`, "\"a\nb\"", `"a"b"`, `["a"]`, "true"} {
		var want string
		wantOK := raw != "" && json.Unmarshal([]byte(raw), &want) == nil
		if got, ok := textOf(json.RawMessage(raw)); got != want || ok != wantOK {
			t.Errorf("%q: %q, %v; want %q, %v", raw, got, ok, want, wantOK)
		}
	}
}
