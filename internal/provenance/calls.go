package provenance

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

// prices are those of models, by endpoint and the endpoint's name for them.
type prices map[[2]string]Price

// pricesOf takes the prices of builds; of several the first counts.
func pricesOf(builds ...*Build) prices {
	p := prices{}
	for _, b := range builds {
		for _, m := range b.Models {
			id := [2]string{address(m.Endpoint), m.ID}
			if _, ok := p[id]; !ok && m.Price != nil {
				p[id] = *m.Price
			}
		}
	}
	return p
}

// address is what two ways to name an endpoint have in common: its address, or
// the identity that the recipe gives it; the last word.
func address(endpoint string) string {
	return strings.TrimRight(endpoint[strings.LastIndexByte(endpoint, ' ')+1:], "/")
}

func (p prices) cost(endpoint, model string, usage llm.Usage) (usd float64, priced bool) {
	price, ok := p[[2]string{address(endpoint), model}]
	return price.cost(usage), ok
}

// cost is what so many tokens cost, in US dollars.
func (p Price) cost(u llm.Usage) float64 {
	price := spec.Price{Input: p.Input, Output: p.Output, CachedInput: p.CachedInput, BatchShare: p.Share}
	return llm.CostUSD(&spec.Model{Provider: &spec.Provider{}, Price: &price}, u)
}

// loadCall reads a call that a task made.
func loadCall(store *cache.Store, hexKey string, p prices) (Call, error) {
	call := Call{Key: hexKey}
	k, err := cache.ParseDigest(hexKey)
	if err != nil { // a plugin named something else: as good as gone
		return call, nil
	}
	value, err := store.Get(cache.Calls, k)
	if errors.Is(err, cache.ErrNotFound) {
		return call, nil
	}
	if err != nil {
		return call, err
	}
	rec, err := llm.DecodeRecord(value)
	if err != nil {
		return call, nil
	}
	call = callOf(rec, p)
	call.Key = hexKey
	return call, nil
}

// callOf is a call as its record tells of it.
func callOf(rec llm.Record, p prices) Call {
	call := Call{
		Key: rec.Key, Stored: true, Purpose: rec.Purpose, Sample: rec.Sample, Generation: rec.Generation,
		Endpoint: strings.TrimPrefix(rec.Endpoint, "the endpoint "), Millis: rec.Millis, Reply: replyOf(rec.Answer),
		InputTokens: rec.Answer.Usage.InputTokens, OutputTokens: rec.Answer.Usage.OutputTokens, Estimated: rec.Answer.Usage.Estimated,
	}
	call.readRequest(rec.Request)
	if usd, ok := p.cost(cmp.Or(rec.Identity, rec.Endpoint), call.Model, rec.Answer.Usage); ok {
		call.CostUSD = &usd
	}
	return call
}

func replyOf(a llm.Answer) *Reply {
	r := &Reply{Content: a.Content, FinishReason: a.FinishReason, Refusal: a.Refusal, Reasoning: a.Reasoning}
	for _, c := range a.ToolCalls {
		r.ToolCalls = append(r.ToolCalls, ToolCall{c.Name, c.Arguments})
	}
	return r
}

// readRequest takes a request's body apart.
func (c *Call) readRequest(body json.RawMessage) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return
	}
	c.Model = text(fields["model"])
	var messages []struct {
		Role       string          `json:"role"`
		Content    json.RawMessage `json:"content"`
		ToolCallID string          `json:"tool_call_id"`
		ToolCalls  []struct {
			Function ToolCall `json:"function"`
		} `json:"tool_calls"`
	}
	if json.Unmarshal(fields["messages"], &messages) == nil {
		delete(fields, "messages")
	}
	for _, m := range messages {
		out := Message{Role: m.Role, Content: text(m.Content), ToolID: m.ToolCallID}
		for _, t := range m.ToolCalls {
			out.ToolCalls = append(out.ToolCalls, t.Function)
		}
		c.Messages = append(c.Messages, out)
	}
	delete(fields, "model")
	if len(fields) > 0 {
		c.Params, _ = json.Marshal(fields)
	}
}

// text is a JSON string's text, nothing for null, and else the JSON itself.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// String is a message as it is compared.
func (m Message) String() string {
	var s strings.Builder
	s.WriteString(m.Content)
	for _, t := range m.ToolCalls {
		if s.Len() > 0 {
			s.WriteString("\n")
		}
		s.WriteString("-> " + t.Name + " " + t.Arguments)
	}
	return s.String()
}

// brief is a call without what was said: show has that.
func (c Call) brief() *Call {
	c.Messages, c.Params, c.Reply = nil, nil, nil
	return &c
}

// diffCalls lays the calls of two tasks side by side.
func diffCalls(store *cache.Store, before, after []string, p prices) ([]CallDiff, error) {
	read := func(keys []string) ([]Call, error) {
		calls := make([]Call, len(keys))
		for i, k := range keys {
			var err error
			if calls[i], err = loadCall(store, k, p); err != nil {
				return nil, err
			}
		}
		return calls, nil
	}
	a, err := read(before)
	if err != nil {
		return nil, err
	}
	b, err := read(after)
	if err != nil {
		return nil, err
	}
	var diffs []CallDiff
	at := 0
	same := func(to int) {
		for ; at < to; at++ {
			diffs = append(diffs, CallDiff{Change: changeSame, Before: a[at].brief(), After: a[at].brief()})
		}
	}
	for _, x := range compare(before, after) {
		same(x.a0)
		diffs = append(diffs, pairCalls(a[x.a0:x.a1], b[x.b0:x.b1])...)
		at = x.a1
	}
	same(len(a))
	return diffs, nil
}

// pairCalls lays calls that all differ side by side: in order, with the same
// purpose.
func pairCalls(a, b []Call) []CallDiff {
	var diffs []CallDiff
	gone := func(to int) {
		for _, c := range a[:to] {
			diffs = append(diffs, CallDiff{Change: changeGone, Before: c.brief()})
		}
		a = a[to:]
	}
	for i := range b {
		to := 0
		for to < len(a) && a[to].Purpose != b[i].Purpose {
			to++
		}
		if to == len(a) {
			diffs = append(diffs, CallDiff{Change: changeAdded, After: b[i].brief()})
			continue
		}
		gone(to)
		diffs = append(diffs, diffCall(&a[0], &b[i]))
		a = a[1:]
	}
	gone(len(a))
	return diffs
}

// diffCall tells how two requests differ.
func diffCall(a, b *Call) CallDiff {
	d := CallDiff{Change: changeChanged, Before: a.brief(), After: b.brief()}
	if !a.Stored || !b.Stored {
		return d
	}
	for _, v := range []struct{ name, a, b string }{{"endpoint", a.Endpoint, b.Endpoint}, {"model", a.Model, b.Model}} {
		if v.a != v.b {
			d.Params = append(d.Params, ValueDiff{Path: v.name, Before: quote(v.a), After: quote(v.b)})
		}
	}
	d.Params = append(d.Params, diffJSON(nonNull(a.Params), nonNull(b.Params))...)
	for _, v := range []struct {
		name string
		a, b int
	}{{"sample", a.Sample, b.Sample}, {"generation", a.Generation, b.Generation}} {
		if v.a != v.b {
			d.Params = append(d.Params, ValueDiff{Path: v.name, Before: string(encodeJSON(v.a)), After: string(encodeJSON(v.b))})
		}
	}
	for i := range max(len(a.Messages), len(b.Messages)) {
		var x, y Message
		if i < len(a.Messages) {
			x = a.Messages[i]
		}
		if i < len(b.Messages) {
			y = b.Messages[i]
		}
		if x.Role == y.Role && x.String() == y.String() {
			continue
		}
		if d.First != nil {
			d.More++
			continue
		}
		d.First = &MessageDiff{Index: i, Role: y.Role}
		if y.Role == "" {
			d.First.Role = x.Role
		}
		if t := diffText(x.String(), y.String()); t != nil {
			d.First.Text = *t
		}
	}
	return d
}

func quote(s string) string { return string(encodeJSON(s)) }

func nonNull(b json.RawMessage) []byte {
	if len(bytes.TrimSpace(b)) == 0 {
		return []byte("{}")
	}
	return b
}
