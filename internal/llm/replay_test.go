package llm

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// readyStore is a memStore that is always ready.
type readyStore struct{ *memStore }

func (readyStore) Ready() error { return nil }

// recorded makes calls of every kind and gives their records.
func recorded(t *testing.T, r *rig) []Record {
	t.Helper()
	var none, half float64 = 0, 0.5
	tool := Tool{Name: "pay", Description: "<&> pays", Parameters: json.RawMessage(`{ "type": "object" }`)}
	schema := json.RawMessage(`{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}`)
	for _, change := range []func(*Request){
		func(*Request) {},
		func(q *Request) { q.Tools, q.Sample = []Tool{tool}, 3 },
		func(q *Request) { q.Schema, q.SchemaName, q.Generation, q.Seed = schema, "n", 2, 7 },
		func(q *Request) { q.Schema, q.Model.Structured = schema, spec.StructuredText },
		func(q *Request) { q.Schema, q.Model.Structured = schema, spec.StructuredObject },
		func(q *Request) { q.Model.Temperature, q.Model.TopP, q.Model.MaxTokens = &none, &half, 9 },
		func(q *Request) { q.Model.Stop, q.Stop = []string{"\u2028</s>"}, []string{"b"} },
		func(q *Request) { q.Model.Provider.ID = "team" },
		func(q *Request) { q.Model.Provider.BaseURL += "/" },
	} {
		model, provider := *r.model, *r.model.Provider
		model.Provider = &provider
		req := r.request("<b>Häagen & 漢字</b>\x7f")
		req.Model = &model
		change(&req)
		if _, err := r.complete(req); err != nil {
			t.Fatal(err)
		}
	}
	var list []Record
	for _, v := range r.store.values {
		rec, err := DecodeRecord(v)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rec)
	}
	return list
}

// writeLog writes records to a file.
func writeLog(t *testing.T, list ...Record) string {
	t.Helper()
	var b bytes.Buffer
	for _, rec := range list {
		if err := WriteRecord(&b, rec); err != nil {
			t.Fatal(err)
		}
	}
	return writeText(t, b.String())
}

func writeText(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever was sent, the key of its record can be made anew, before and after
// it went through a log; and so from records that do not name their endpoint's
// identity, unless that is not its address.
func TestKeysOfRecords(t *testing.T) {
	r := newRig(t, llmtest.Options{CallShare: -1})
	list := recorded(t, r)
	log, err := OpenReplay(writeLog(t, list...))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if log.Calls() != len(list) {
		t.Fatalf("%d calls in the log, want %d", log.Calls(), len(list))
	}
	for _, rec := range list {
		if err := rec.CheckKey(); err != nil {
			t.Errorf("%s: %v", rec.Request, err)
		}
		k, _ := hex.DecodeString(rec.Key)
		again, ok, err := log.find([32]byte(k))
		if err != nil || !ok || !bytes.Equal(again.Request, rec.Request) || !sameAnswer(again.Answer, rec.Answer) {
			t.Errorf("read again: %+v, %v, %v; want %+v", again, ok, err, rec)
		}
		named := rec.Identity != "openai team"
		rec.Identity = ""
		if err := rec.CheckKey(); (err == nil) != named {
			t.Errorf("without an identity: %v", err)
		}
		for _, change := range []func(*Record){
			func(x *Record) { x.Sample++ },
			func(x *Record) { x.Generation++ },
			func(x *Record) { x.Identity = "openai http://elsewhere" },
			func(x *Record) {
				x.Request = json.RawMessage(strings.Replace(string(x.Request), "gpt-test", "gpt-tess", 1))
			},
			func(x *Record) { x.Request = json.RawMessage(`[]`) },
			func(x *Record) { x.Request = json.RawMessage(`{"model":`) },
			func(x *Record) { x.Key = strings.Repeat("0", 64) },
		} {
			forged := list[0]
			change(&forged)
			if forged.CheckKey() == nil {
				t.Errorf("taken for genuine: %+v", forged)
			}
		}
	}
}

// Calls in the log are answered from it and kept, all others are made.
func TestReplay(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	for _, text := range []string{"a", "b"} {
		if _, err := r.complete(r.request(text)); err != nil {
			t.Fatal(err)
		}
	}
	var list []Record
	for _, v := range r.store.values {
		rec, _ := DecodeRecord(v)
		rec.Answer.Content = "from the log"
		list = append(list, rec)
	}
	log, err := OpenReplay(writeLog(t, list...))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for name, store := range map[string]*memStore{"an empty store": newMemStore(), "a store with other answers": r.store} {
		made := r.server.Calls()
		r.connect(Options{Store: log.Over(readyStore{store})})
		for _, text := range []string{"a", "b", "a"} {
			reply, err := r.complete(r.request(text))
			if err != nil || reply.Content != "from the log" || !reply.Cached {
				t.Errorf("%s: %+v, %v", name, reply, err)
			}
		}
		if got := r.server.Calls() - made; got != 0 || store.len() != 2 {
			t.Errorf("%s: %d calls made, %d kept", name, got, store.len())
		}
		r.connect(Options{Store: readyStore{store}}) // without the log
		if reply, err := r.complete(r.request("a")); err != nil || reply.Content != "from the log" {
			t.Errorf("%s: afterwards %+v, %v", name, reply, err)
		}
	}
	r.connect(Options{Store: log.Over(readyStore{newMemStore()})})
	if reply, err := r.complete(r.request("c")); err != nil || reply.Cached {
		t.Errorf("a call that is not in the log: %+v, %v", reply, err)
	}
	r.connect(Options{Store: log.Over(readyStore{newMemStore()}), Offline: true})
	if e := r.mustFail(r.request("d")); e.Code != CodeOffline {
		t.Errorf("offline: %v", e)
	}
}

// A log with a line that cannot be right is refused, with its number.
func TestBadLogs(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	if _, err := r.complete(r.request("a")); err != nil {
		t.Fatal(err)
	}
	var good string
	for _, v := range r.store.values {
		good = string(v) + "\n"
	}
	other := strings.Replace(good, `"answer":{"content":"`, `"answer":{"content":"not `, 1)
	if other == good {
		t.Fatalf("no answer in %s", good)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"blank lines", "\n" + good + "\r\n\n", ""},
		{"no line feed at the end", good + "\n" + strings.TrimSpace(good), ""},
		{"the same twice", good + good, ""},
		{"torn", good + good[:100], "line 2: the file ends in the middle of it"},
		{"no record", good + "{}\n", "line 2: it is not a record"},
		{"no JSON", "hello\n" + good, "line 1: it is not a record"},
		{"two in a line", strings.TrimSpace(good) + good, "line 1: it is not a record"},
		{"changed", strings.Replace(good, `"content":"a"`, `"content":"b"`, 1), "line 1: its key is not that of its request"},
		{"binary", "\x00\xff\n", "line 1: it is not a record"},
		{"two answers", good + "\n" + other, "line 3: line 1 has another answer to the same call"},
		{"many", strings.Repeat("x\n", 12), "line 5: it is not a record that autosafe calls export wrote; and 7 more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, err := OpenReplay(writeText(t, tt.text))
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				log.Close()
				return
			}
			var bad *LogError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := OpenReplay(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	long := strings.Repeat("x", maxLogLine+2) + "\n" + good
	if _, err := OpenReplay(writeText(t, long)); err == nil || !strings.Contains(err.Error(), "line 1: it is too long") {
		t.Errorf("a long line: %.200v", err)
	}
}

// What changes in the file while a build runs is an error, never an answer.
func TestLogChanges(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	if _, err := r.complete(r.request("a")); err != nil {
		t.Fatal(err)
	}
	var rec Record
	for _, v := range r.store.values {
		rec, _ = DecodeRecord(v)
	}
	path := writeLog(t, rec)
	log, err := OpenReplay(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(`"content":"a"`), []byte(`"content":"b"`), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	k, _ := hex.DecodeString(rec.Key)
	if _, ok, err := log.Over(readyStore{newMemStore()}).Get([32]byte(k)); ok || err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v, %v", ok, err)
	}
}

// Answers that were of no use are told by their records alone.
func TestMisfits(t *testing.T) {
	var reply llmtest.Reply
	r := newRig(t, llmtest.Options{Reply: func(llmtest.Request) (llmtest.Reply, bool) { return reply, true }})
	r.model.ReplyRetries = 0
	schema := json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}`)
	tools := []Tool{{Name: "pay", Parameters: json.RawMessage(`{"type":"object","required":["to"]}`)}}
	for i, tt := range []struct {
		reply  llmtest.Reply
		schema bool
		mode   spec.Structured
		tools  bool
		want   string
	}{
		{llmtest.Reply{Content: "hi"}, false, "", false, ""},
		{llmtest.Reply{Content: " "}, false, "", false, "invalid_reply"},
		{llmtest.Reply{Content: `{"n":1}`}, true, spec.StructuredSchema, false, ""},
		{llmtest.Reply{Content: `{"n":"1"}`}, true, spec.StructuredSchema, false, "invalid_reply"},
		{llmtest.Reply{Content: `It is {"n":1}.`}, true, spec.StructuredText, false, ""},
		{llmtest.Reply{Content: `{"m":1}`}, true, spec.StructuredText, false, "invalid_reply"},
		{llmtest.Reply{Content: `{"m":1}`}, true, spec.StructuredObject, false, "invalid_reply"},
		{llmtest.Reply{Content: "cut", FinishReason: "length"}, false, "", false, "truncated"},
		{llmtest.Reply{Content: "x", FinishReason: "content_filter"}, false, "", false, "refused"},
		{llmtest.Reply{Refusal: "no"}, false, "", false, "refused"},
		{llmtest.Reply{Refusal: "no"}, false, "", true, ""},
		{llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("1", "pay", `{"to":"x"}`)}}, false, "", true, ""},
		{llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("1", "pay", `{}`)}}, false, "", true, "invalid_reply"},
		{llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("1", "steal", `{}`)}}, false, "", true, "invalid_reply"},
	} {
		reply = tt.reply
		r.store.values = map[[32]byte][]byte{}
		req := r.request("x")
		r.model.Structured = tt.mode
		if tt.schema {
			req.Schema = schema
		}
		if tt.tools {
			req.Tools = tools
		}
		_, err := r.complete(req)
		var own *Error
		if errors.As(err, &own) != (tt.want != "") || own != nil && string(own.Code) != tt.want {
			t.Fatalf("%d: the client says %v, want %q", i, err, tt.want)
		}
		var m Misfits
		for _, v := range r.store.values {
			rec, err := DecodeRecord(v)
			if err != nil {
				t.Fatal(err)
			}
			if code, _, _ := strings.Cut(m.Why(rec), ":"); code != tt.want {
				t.Errorf("%d: %q, want %q", i, m.Why(rec), tt.want)
			}
		}
		if len(r.store.values) != 1 {
			t.Errorf("%d: %d records", i, len(r.store.values))
		}
	}
}

// FuzzReplay reads what may be anything: no record that it takes has another
// key than its request's.
func FuzzReplay(f *testing.F) {
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"format":"autosafe.answer/1","key":"00","endpoint":"x","request":{"model":"m","messages":[]},"answer":{"content":"","finish_reason":"stop","usage":{}}}` + "\n"))
	f.Add([]byte(`{"format":"autosafe.answer/1","key":"zz","endpoint":"offline","request":null,"answer":{"finish_reason":"stop"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "log.jsonl")
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
		log, err := OpenReplay(path)
		if err != nil {
			return
		}
		defer log.Close()
		for _, p := range log.places {
			if rec, ok, err := log.find(p.key); err != nil || !ok || rec.CheckKey() != nil {
				t.Errorf("took %+v, %v", rec, err)
			}
		}
	})
}
