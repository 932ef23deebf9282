package llm

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec/jsontext"
)

// appendMessages appends messages as they are sent: most of a request, written
// without the reflection of encoding/json, but as that would.
func appendMessages(b []byte, messages []Message) []byte {
	b = append(b, '[')
	for i := range messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMessage(b, &messages[i])
	}
	return append(b, ']')
}

func appendMessage(b []byte, m *Message) []byte {
	b = appendText(append(b, `{"role":`...), m.Role)
	b = append(b, `,"content":`...)
	// null is allowed beside tool calls alone; elsewhere endpoints insist on a
	// string, were it empty.
	if m.Content != "" || len(m.ToolCalls) == 0 {
		b = appendText(b, m.Content)
	} else {
		b = append(b, "null"...)
	}
	for i, c := range m.ToolCalls {
		if i == 0 {
			b = append(b, `,"tool_calls":[`...)
		} else {
			b = append(b, ',')
		}
		args := string(c.Arguments)
		if args == "" {
			args = "{}"
		}
		b = appendText(append(b, `{"id":`...), c.ID)
		b = appendText(append(b, `,"type":"function","function":{"name":`...), c.Name)
		b = appendText(append(b, `,"arguments":`...), args) // JSON as text
		b = append(b, "}}"...)
	}
	if len(m.ToolCalls) > 0 {
		b = append(b, ']')
	}
	if m.ToolCallID != "" {
		b = appendText(append(b, `,"tool_call_id":`...), m.ToolCallID)
	}
	if m.Name != "" {
		b = appendText(append(b, `,"name":`...), m.Name)
	}
	return append(b, '}')
}

// appendText appends a string as compact writes it.
func appendText(b []byte, s string) []byte {
	start := len(b)
	b = append(b, '"')
	for len(s) > 0 {
		n, ascii := jsontext.Plain([]byte(s))
		if !ascii && !plainUnicode(s[:n]) {
			text, err := compact(s)
			if err != nil { // strings always have a form
				text = []byte(`""`)
			}
			return append(b[:start], text...)
		}
		b = append(b, s[:n]...)
		if n == len(s) {
			break
		}
		b = jsontext.AppendChar(b, s[n])
		s = s[n+1:]
	}
	return append(b, '"')
}

// plainUnicode says whether encoding/json writes a text as it is that has
// nothing in it to be escaped but, perhaps, what stands outside of ASCII.
func plainUnicode(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsAny(s, "\u2028\u2029")
}

// textOf is the text of a JSON string; false if raw is none.
func textOf(raw json.RawMessage) (string, bool) {
	if n := len(raw) - 1; n > 0 && raw[0] == '"' && raw[n] == '"' {
		if plain, ascii := jsontext.Plain(raw[1:n]); plain == n-1 && ascii {
			return string(raw[1:n]), true
		}
	}
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}
