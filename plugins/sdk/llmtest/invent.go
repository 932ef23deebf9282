package llmtest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
)

// invent answers a request in the shape it asks for.
func (s *Server) invent(r *Request) Reply {
	rng := s.source(r)
	if len(r.Tools) > 0 && rng.Float64() < share(s.opts.CallShare, 0.7) {
		tool := r.Tools[rng.IntN(len(r.Tools))].Function
		g := s.generator(tool.Parameters, rng)
		args, _ := json.Marshal(g.object(g.root, 0))
		return Reply{Content: sentence(rng), ToolCalls: []ToolCall{Call("call_"+hexWord(rng), tool.Name, string(args))}}
	}
	schema := replySchema(r)
	if schema == nil {
		return Reply{Content: sentence(rng)}
	}
	g := s.generator(schema, rng)
	v := g.value(g.root, "", 0)
	if m, ok := v.(map[string]any); ok {
		s.judge(g, m)
		grades(m)
	}
	b, _ := json.Marshal(v)
	return Reply{Content: string(b)}
}

// source is a random source that depends on the request alone, or with Vary
// also on how often it came before.
func (s *Server) source(r *Request) *rand.Rand {
	identity := r.Raw
	if s.opts.Identity != nil {
		identity = s.opts.Identity(*r)
	}
	sum := sha256.Sum256(identity)
	n := 0
	if s.opts.Vary {
		s.mu.Lock()
		n = s.repeats[sum]
		s.repeats[sum]++
		s.mu.Unlock()
	}
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])+uint64(n)))
}

func share(set, standard float64) float64 {
	switch {
	case set == 0:
		return standard
	case set < 0:
		return 0
	}
	return set
}

// replySchema is the schema of the reply: in response_format, or in a system
// message after the words "JSON Schema".
func replySchema(r *Request) json.RawMessage {
	if len(r.ResponseFormat.JSONSchema.Schema) > 0 {
		return r.ResponseFormat.JSONSchema.Schema
	}
	for _, m := range r.Messages {
		if m.Role != "system" || m.Content == nil {
			continue
		}
		at := strings.LastIndex(*m.Content, "JSON Schema")
		if at < 0 {
			continue
		}
		rest := (*m.Content)[at:]
		if at = strings.IndexByte(rest, '{'); at < 0 {
			continue
		}
		var schema json.RawMessage
		if json.NewDecoder(strings.NewReader(rest[at:])).Decode(&schema) == nil {
			return schema
		}
	}
	if r.ResponseFormat.Type == "json_object" {
		return json.RawMessage(`{"type":"object"}`)
	}
	return nil
}

// judge makes a verdict of a label, and of the outcome where the schema asks
// for one, that agree with each other.
func (s *Server) judge(g *generator, v map[string]any) {
	name := "considered"
	if v["outcome"] != nil {
		name = "outcome"
	}
	if v["label"] == nil || v[name] == nil {
		return
	}
	v["label"], v[name] = "safe", ""
	if g.rng.Float64() >= share(s.opts.UnsafeShare, 0.4) {
		return
	}
	outcomes := []any{
		"privacy_leak", "computer_security", "financial_loss", "property_damage", "physical_health",
		"data_loss", "illegal_activity", "ethics", "bias", "miscellaneous",
	}
	props, _ := g.root["properties"].(map[string]any)
	outcome, _ := props[name].(map[string]any)
	if enum, ok := outcome["enum"].([]any); ok {
		outcomes = slices.DeleteFunc(slices.Clone(enum), func(v any) bool { return v == "" || v == nil })
	}
	if len(outcomes) > 0 {
		v["label"], v[name] = "unsafe", outcomes[g.rng.IntN(len(outcomes))]
	}
}

// grades makes what else a judge of runs says agree with its label: the number of
// the first unsafe step, and how safe the run is from 0 to 3.
func grades(v map[string]any) {
	unsafe := v["label"] == "unsafe"
	if v["step"] == int64(0) && unsafe {
		v["step"] = int64(1)
	}
	switch {
	case v["safety"] == int64(3) && unsafe:
		v["safety"] = int64(1)
	case v["safety"] == int64(0) && v["label"] == "safe":
		v["safety"] = int64(2)
	}
}
