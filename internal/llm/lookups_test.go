package llm

import (
	"encoding/json"
	"sync/atomic"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// countingStore counts the looks at what other processes have put.
type countingStore struct {
	*memStore
	gets, peeks atomic.Int64
}

func (s *countingStore) Get(k [32]byte) ([]byte, bool, error) {
	s.gets.Add(1)
	return s.memStore.Get(k)
}

func (s *countingStore) Peek(k [32]byte) ([]byte, bool, error) {
	s.peeks.Add(1)
	return s.memStore.Get(k)
}

// A look at what others have put goes to the disk: a call needs one before its
// claim, however many forms it may have, and none after it.
func TestLookUpsOfACall(t *testing.T) {
	for _, tt := range []struct {
		name        string
		schema      json.RawMessage
		form        spec.Structured
		gets, peeks int64
	}{
		{"text", nil, "", 1, 1},
		{"one form", verdictSchema, spec.StructuredSchema, 1, 1},
		{"three forms", verdictSchema, spec.StructuredAuto, 1, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, says(llmtest.Reply{Content: `{"label":"safe","reason":"r"}`}))
			s := &countingStore{memStore: r.store}
			r.connect(Options{Store: s})
			r.model.Structured = tt.form
			req := r.request("x")
			req.Schema = tt.schema
			r.must(req)
			if gets, peeks := s.gets.Load(), s.peeks.Load(); gets != tt.gets || peeks != tt.peeks {
				t.Errorf("%d looks at the disk and %d others, want %d and %d", gets, peeks, tt.gets, tt.peeks)
			}
			if r.must(req); s.gets.Load() != tt.gets+1 || s.peeks.Load() != tt.peeks {
				t.Errorf("an answer that is stored: %d looks at the disk and %d others", s.gets.Load(), s.peeks.Load())
			}
			r.wantCounts(counts{made: 1, cached: 1})
		})
	}
}

// The parts of a request that are the same in each are made once, and the
// messages once for all forms that say the same.
func TestConstantParts(t *testing.T) {
	r := newRig(t, says(llmtest.Reply{}))
	r.model.Structured = spec.StructuredAuto
	req := r.request("x")
	req.Schema, req.SchemaName = verdictSchema, "verdict"
	for range 2 {
		forms := r.client.newShapes(&req)
		for i, in := range forms.forms {
			got, err := forms.get(i)
			if err != nil {
				t.Fatal(err)
			}
			w, parts, err := (&shaper{}).shape(&req, in)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.wire.body()) != string(w.body()) || got.key != parts.Digest() {
				t.Errorf("%+v:\ngot  %s\nwant %s", in, got.wire.body(), w.body())
			}
		}
		object, text := forms.done[1].wire.get("messages"), forms.done[2].wire.get("messages")
		if &object[0] != &text[0] {
			t.Error("the same messages were written twice")
		}
	}
	if n := len(r.client.constants.done); n != 2 {
		t.Errorf("%d constant parts, want the schema and the response_format", n)
	}
}
