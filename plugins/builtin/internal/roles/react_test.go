package roles

import (
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/ots"
)

func TestParseReact(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       ots.Action
		err        string
	}{
		{name: "call", text: "Thought: look\nAction: GmailSearch\nAction Input: {\"q\": \"x\"}",
			want: ots.Action{Thought: "look", Tool: "GmailSearch", Arguments: []byte(`{"q":"x"}`)}},
		{name: "numbered", text: "Thought 3: look\nAction 3: GmailSearch\nAction Input 3: {}",
			want: ots.Action{Thought: "look", Tool: "GmailSearch", Arguments: []byte(`{}`)}},
		{name: "several lines of JSON", text: "Thought: a\nAction: T\nAction Input: {\n  \"script\": \"a\\nb\",\n  \"n\": [1,\n2]\n}",
			want: ots.Action{Thought: "a", Tool: "T", Arguments: []byte(`{"script":"a\nb","n":[1,2]}`)}},
		{name: "labels inside a string", text: "Action: T\nAction Input: {\"body\": \"Action: x\\nFinal Answer: y\"}",
			want: ots.Action{Tool: "T", Arguments: []byte(`{"body":"Action: x\nFinal Answer: y"}`)}},
		{name: "fence", text: "Action: T\nAction Input: ```json\n{\"a\":1}\n```",
			want: ots.Action{Tool: "T", Arguments: []byte(`{"a":1}`)}},
		{name: "made-up observation", text: "Action: T\nAction Input: {}\nObservation: {\"ok\":true}",
			want: ots.Action{Tool: "T", Arguments: []byte(`{}`)}},
		{name: "thought of many lines", text: "Thought: a\n\nb: c\nAction: T\nAction Input: {}",
			want: ots.Action{Thought: "a\n\nb: c", Tool: "T", Arguments: []byte(`{}`)}},
		{name: "carriage returns", text: "Thought: a\r\nAction: T\r\nAction Input: {}\r\n",
			want: ots.Action{Thought: "a", Tool: "T", Arguments: []byte(`{}`)}},
		{name: "answer", text: "Thought: done\nFinal Answer: All\nis well.\nAction: none needed",
			want: ots.Action{Thought: "done", Answer: "All\nis well.\nAction: none needed"}},
		{name: "answer alone", text: "Final Answer: no",
			want: ots.Action{Answer: "no"}},
		{name: "empty", text: "", err: "begin the reply"},
		{name: "chatter", text: "Sure!\nThought: a\nFinal Answer: b", err: "begin the reply"},
		{name: "thought alone", text: "Thought: a", err: "after the thought"},
		{name: "two thoughts", text: "Thought: a\nThought: b\nFinal Answer: c", err: "is not expected here"},
		{name: "empty answer", text: "Thought: a\nFinal Answer:  ", err: "the final answer is empty"},
		{name: "no input", text: "Thought: a\nAction: T", err: "give Action Input"},
		{name: "action then answer", text: "Action: T\nFinal Answer: b", err: "give Action Input"},
		{name: "input first", text: "Action Input: {}\nAction: T", err: "is not expected here"},
		{name: "no tool", text: "Action:\nAction Input: {}", err: "name of one tool"},
		{name: "call syntax", text: "Action: T (now)\nAction Input: {}", err: "name of one tool"},
		{name: "not JSON", text: "Action: T\nAction Input: a=1", err: "is not JSON"},
		{name: "raw newline in a string", text: "Action: T\nAction Input: {\"a\":\"x\ny\"}", err: "is not JSON"},
		{name: "cut off", text: "Action: T\nAction Input: {\"a\":", err: "is not JSON"},
		{name: "a list", text: "Action: T\nAction Input: [1]", err: "must be a JSON object"},
		{name: "two actions", text: "Action: T\nAction Input: {}\nThought: b\nAction: U\nAction Input: {}", err: "one action only"},
		{name: "open fence", text: "Action: T\nAction Input: ```json\n{}", err: "not closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseReact(c.text)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %+v, %v; want an error with %q", got, err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Thought != c.want.Thought || got.Tool != c.want.Tool || got.Answer != c.want.Answer || string(got.Arguments) != string(c.want.Arguments) {
				t.Errorf("got %+v (%s), want %+v (%s)", got, got.Arguments, c.want, c.want.Arguments)
			}
		})
	}
}

// What is read is one action: written in the text form again, it reads the
// same.
func FuzzParseReact(f *testing.F) {
	for _, s := range []string{
		"Thought: a\nAction: T\nAction Input: {\"x\":1}",
		"Thought 1: a\nFinal Answer: b",
		"Action: T\nAction Input: ```json\n{}\n```\nObservation: x",
		"Thought:\nThought", "Action Input: {", "\x00Final Answer: \xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseReact(text)
		if err != nil {
			return
		}
		if (a.Tool == "") == (a.Answer == "") {
			t.Fatalf("not one of tool and answer: %+v", a)
		}
		again := "Thought: " + a.Thought + "\nFinal Answer: " + a.Answer
		if a.Tool != "" {
			again = "Thought: " + a.Thought + "\nAction: " + a.Tool + "\nAction Input: " + string(a.Arguments)
		}
		b, err := ParseReact(again)
		if err != nil || a.Thought != b.Thought || a.Tool != b.Tool || a.Answer != b.Answer || string(a.Arguments) != string(b.Arguments) {
			t.Fatalf("%q reads as %+v, and again as %+v, %v", text, a, b, err)
		}
	})
}
