package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/autosafe/autosafe/spec"
)

// recordFormat names the stored form. A record of another form is a miss, so
// change it only if old answers cannot be read any more: they cost money.
const recordFormat = "autosafe.answer/1"

// Record is an answer as the store keeps it, with what was asked. Everything
// an endpoint answered is kept, replies that do not fit, refusals and ones
// that are cut off too: they were paid for, and a rebuild must come to the
// same result. It holds no key, no header and no password.
type Record struct {
	Format   string `json:"format"`
	Key      string `json:"key"`      // of the call, hex
	Endpoint string `json:"endpoint"` // openai or offline, and the address
	// Identity is what stands for the endpoint in the key. Records of earlier
	// releases have none.
	Identity   string `json:"identity,omitempty"`
	Purpose    string `json:"purpose,omitempty"`
	Sample     int    `json:"sample,omitempty"`
	Generation int    `json:"generation,omitempty"`
	// Request is the body as the key has it. What was sent differs from it
	// where the endpoint knows a field by another name, or not at all.
	Request json.RawMessage `json:"request"`
	Answer  Answer          `json:"answer"`
	// Refresh is the RefreshMark of the request that asked for the answer.
	Refresh uint64 `json:"refresh,omitempty"`
	// Millis is how long the endpoint took to answer, the waits before the
	// request was sent left out; 0 if that is not known.
	Millis int64 `json:"millis,omitempty"`
	// Batch is the endpoint's name of the batch that the call stood in, if it
	// was not made live.
	Batch string `json:"batch,omitempty"`
}

// recordedIdentity is what a record says of an endpoint's identity: nothing if
// a password stands in it, which no recipe allows.
func recordedIdentity(p *spec.Provider) string {
	if u, err := url.Parse(p.BaseURL); p.ID == "" && (err != nil || u.User != nil) {
		return ""
	}
	return p.Identity()
}

// Answer is what a model said, before anything is checked.
type Answer struct {
	Content      string       `json:"content"`
	ToolCalls    []AnswerCall `json:"tool_calls,omitempty"`
	FinishReason string       `json:"finish_reason"`
	Refusal      string       `json:"refusal,omitempty"`
	Reasoning    string       `json:"reasoning,omitempty"`
	Model        string       `json:"model,omitempty"` // as the endpoint named it
	Fingerprint  string       `json:"system_fingerprint,omitempty"`
	Usage        Usage        `json:"usage"`
}

// AnswerCall is a tool call as the model wrote it: Arguments may be anything.
type AnswerCall struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

func (a Answer) size() int {
	n := len(a.Content) + len(a.Refusal) + len(a.Reasoning)
	for _, c := range a.ToolCalls {
		n += len(c.Name) + len(c.Arguments)
	}
	return n
}

// DecodeRecord reads a stored value, for commands that show calls.
func DecodeRecord(value []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(value, &r); err != nil {
		return Record{}, fmt.Errorf("not the record of a call: %w", err)
	}
	if r.Format != recordFormat || r.Answer.FinishReason == "" {
		return Record{}, errors.New("not the record of a call")
	}
	return r, nil
}

func (r Record) encode() ([]byte, error) {
	return compact(r)
}
