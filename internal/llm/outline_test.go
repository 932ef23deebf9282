package llm

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func outlineRecord() Record {
	return Record{
		Format: recordFormat, Key: "k", Endpoint: "the endpoint http://x/v1 \"é\"", Purpose: "judge", Sample: 2,
		Request: json.RawMessage(`{"messages":[{"role":"user","content":"\"model\":\"no\", {[ \\"}],"model":"m-1","stop":["}"]}`),
		Answer: Answer{
			Content: `{"usage":{"input_tokens":9}} \`, FinishReason: "stop", Reasoning: "tab\tline\n\u2028",
			Usage: Usage{InputTokens: 120, OutputTokens: 7},
		},
		Millis: 1234,
	}
}

func TestOutline(t *testing.T) {
	r := outlineRecord()
	text, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, text, " ", "\t"); err != nil {
		t.Fatal(err)
	}
	want := Outline{Endpoint: r.Endpoint, Model: "m-1", Usage: r.Answer.Usage, Millis: 1234}
	for _, value := range [][]byte{text, spaced.Bytes()} {
		if got, err := DecodeOutline(value); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v\n%s", got, err, want, value)
		}
	}
	for n := range text { // what is cut short is none
		if _, err := DecodeOutline(text[:n]); err == nil {
			t.Errorf("taken: %s", text[:n])
		}
	}
	for _, old := range []string{recordFormat, `"finish_reason":"stop",`} {
		if _, err := DecodeOutline([]byte(strings.Replace(string(text), old, "", 1))); err == nil {
			t.Errorf("taken without %s", old)
		}
	}
}

// What DecodeRecord takes, DecodeOutline sees alike, as long as no name stands
// twice or in other case, which no record has.
func FuzzOutline(f *testing.F) {
	text, err := outlineRecord().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":"autosafe.answer/1","answer":{"finish_reason":"x"}}`))
	f.Add([]byte(`{"format":"autosafe.answer/1","answer":{"finish_reason":"\u0061"},"request":[],"millis":3}`))
	f.Add([]byte(`{"a":"\`))
	f.Fuzz(func(t *testing.T, value []byte) {
		o, err := DecodeOutline(value)
		r, rerr := DecodeRecord(value)
		if err != nil || rerr != nil || strings.Count(strings.ToLower(string(value)), `"answer"`) != 1 {
			return
		}
		again, err := r.encode()
		if err != nil {
			return
		}
		if got, err := DecodeOutline(again); err != nil || got.Usage != r.Answer.Usage || got.Endpoint != r.Endpoint || got.Millis != r.Millis {
			t.Errorf("%s: %+v, %v; at first %+v", again, got, err, o)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	r := outlineRecord()
	r.Request = json.RawMessage(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat(`lorem \"ipsum\" dolor sit amet\n`, 400) + `"}]}`)
	text, err := r.encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.Run("outline", func(b *testing.B) {
		for b.Loop() {
			if _, err := DecodeOutline(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("record", func(b *testing.B) {
		for b.Loop() {
			if _, err := DecodeRecord(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
