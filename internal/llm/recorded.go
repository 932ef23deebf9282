package llm

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// IsOffline says whether the offline model answered.
func (r Record) IsOffline() bool { return r.Endpoint == string(spec.ProviderOffline) }

// errForeignKey says that a record's key is that of another call.
var errForeignKey = errors.New("its key is not that of its request: the record was changed, or is of another version of autosafe")

// CheckKey makes the key of a record's request anew, and says whether it is
// the record's own. For a call of the offline model it cannot tell: its key
// holds facts of the case, which are not recorded.
func (r Record) CheckKey() error {
	fields, err := readFields(r.Request)
	if err != nil {
		return fmt.Errorf("its request cannot be read: %w", err)
	}
	identities := []string{r.Identity}
	if r.Identity == "" { // of an earlier release
		address := strings.TrimPrefix(r.Endpoint, "the endpoint ")
		identities = []string{string(spec.ProviderOpenAI) + " " + strings.TrimRight(address, "/"), string(spec.ProviderOpenAI) + " "}
	}
	for _, identity := range identities {
		parts := key.New(callTag)
		parts.AddString("endpoint", identity)
		for _, f := range fields {
			parts.Add(f.name, f.value)
		}
		parts.AddInt("sample", int64(r.Sample))
		parts.AddInt("generation", int64(r.Generation))
		if k := parts.Digest(); hex.EncodeToString(k[:]) == r.Key {
			return nil
		}
	}
	return errForeignKey
}

// readFields takes a request's body apart: its fields in order, as they were
// written.
func readFields(body json.RawMessage) (wire, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	var w wire
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		w = append(w, field{fmt.Sprint(name), value})
	}
	return w, nil
}

// Model is the endpoint's name for the model that was asked.
func (r Record) Model() string {
	var sent struct {
		Model string `json:"model"`
	}
	_ = json.Unmarshal(r.Request, &sent) // without one it is ""
	return sent.Model
}

// Misfits finds stored answers that were of no use to who asked.
type Misfits struct{ schemas schemas }

// Why says why an answer was of no use, as far as its request tells what it
// had to be: it was cut off, refused, or does not fit. It is empty for an
// answer that was used.
func (m *Misfits) Why(r Record) string {
	req, ok := asked(r)
	if !ok {
		return ""
	}
	f, err := m.schemas.newFit(req)
	if err != nil {
		return ""
	}
	if _, bad := f.check(r.Answer); bad != nil {
		return string(bad.code) + ": " + plain(bad.reason)
	}
	return ""
}

// asked makes the request of a record anew, as far as its reply is concerned.
func asked(r Record) (Request, bool) {
	var sent struct {
		Messages []struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
		Tools  []wireTool  `json:"tools"`
		Format *wireFormat `json:"response_format"`
	}
	if json.Unmarshal(r.Request, &sent) != nil {
		return Request{}, false
	}
	model := &spec.Model{Structured: spec.StructuredText, Provider: &spec.Provider{Type: spec.ProviderOpenAI}}
	req := Request{Model: model}
	for _, t := range sent.Tools {
		req.Tools = append(req.Tools, Tool{Name: t.Function.Name, Parameters: t.Function.Parameters})
	}
	if f := sent.Format; f != nil {
		model.Structured = spec.StructuredObject
		if f.JSONSchema != nil {
			model.Structured, req.Schema = spec.StructuredSchema, f.JSONSchema.Schema
		}
	}
	for _, msg := range sent.Messages {
		var text string
		if msg.Role != "system" || req.Schema != nil || json.Unmarshal(msg.Content, &text) != nil {
			continue
		}
		if _, schema, ok := strings.Cut(text, schemaLead); ok && json.Valid([]byte(schema)) {
			req.Schema = json.RawMessage(schema)
		}
	}
	return req, true
}
