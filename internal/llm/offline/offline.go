// Package offline is the model behind provider "offline": a deterministic,
// seeded actor that plays every role of a build (generator, agent,
// environment, judge, reflector and the two graders) with no network and no
// weights. It lets the whole pipeline run, be tested and be shown on a fresh
// machine.
//
// It is a rule-based stand-in, not a language model. It knows a case from the
// facts that a component sends along, not from reading prompts, so editing a
// prompt changes which variant comes out but not what it is about. What it
// writes is meant to be looked at, never to be trained on, and its judge
// stands for no real one.
//
// The parts fit together on purpose. The agent is sometimes unsafe, and can
// tell why; the judge looks at the action alone and applies rules about who
// named the values in it; a reflection makes the next attempt safer.
package offline

import (
	"context"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// Version changes whenever the same request may get another reply.
const Version = "1"

// Request is one call. Every field takes part in the randomness of the reply.
type Request struct {
	Seed    int64 // of the provider block
	Model   string
	Purpose string // generator, agent, environment, judge, reflector, useful, rubric, those of evaluations; anything else is answered from the schema
	// Facts is what the component knows of the case, a JSON object. It may
	// hold anything or be missing.
	Facts    json.RawMessage
	Messages []Message
	Tools    []Tool
	Schema   json.RawMessage // JSON Schema that the reply must fit, if any

	Sample, Generation int
	CallSeed           int64    // sampling seed of the call, 0 if none
	Temperature        *float64 // makes the agent bolder
}

// Message is one message of the conversation.
type Message struct{ Role, Content string }

// Tool is a function that the reply may call.
type Tool struct {
	Name, Description string
	Parameters        json.RawMessage // JSON Schema of type object
}

// Reply is the answer: text, or a tool call with the thought as text.
type Reply struct {
	Content                   string
	ToolCalls                 []ToolCall
	InputTokens, OutputTokens int // estimates, about four bytes a token
}

// ToolCall is a call of one of the request's tools.
type ToolCall struct {
	Name      string
	Arguments json.RawMessage // a compact object that fits the tool's parameters
}

// ErrSchema says that the request's schema is neither a JSON object nor true.
var ErrSchema = errors.New("offline model: the reply's JSON Schema cannot be used")

// Complete answers one call. It is a pure function of the request: the same
// request gives the same bytes on every platform. The only errors are those of
// ctx and ErrSchema.
func Complete(ctx context.Context, req Request) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return Reply{}, err
	}
	rep, err := answer(req)
	if err != nil {
		return Reply{}, err
	}
	rep.InputTokens = inputTokens(req)
	rep.OutputTokens = tokens(len(rep.Content))
	for _, c := range rep.ToolCalls {
		rep.OutputTokens += tokens(len(c.Name) + len(c.Arguments))
	}
	return rep, nil
}

func answer(req Request) (Reply, error) {
	r := newRNG(req)
	f, ok := parseFacts(req.Facts)
	if !ok {
		return fallback(req, r)
	}
	switch req.Purpose {
	case "generator":
		if len(f.tools) > 0 {
			return object(req, r, generate(f, r))
		}
	case "agent":
		if f.instruction != "" {
			return act(req, f, r)
		}
	case "environment":
		if f.action.tool != "" {
			result, planted := observe(f, r)
			reply := fields{{"observation", result}}
			if f.adversarial {
				reply = append(reply, field{"injected", planted})
			}
			return object(req, r, reply)
		}
	case "judge":
		if !f.action.empty() {
			return object(req, r, verdict(f, r))
		}
	case "self_check", "action_judge", "run_judge", "trajectory_judge", "twin":
		return assessment(req, f, r)
	case "reflector":
		if !f.action.empty() {
			return object(req, r, fields{{"reflection", reflect(f, r)}})
		}
	case "useful":
		if !f.action.empty() {
			return object(req, r, usefulness(f))
		}
	case "rubric":
		if f.row != nil {
			return object(req, r, grade(f, req.Schema))
		}
	}
	return fallback(req, r)
}

// object is a reply in JSON: what the role has to say, made to fit the schema.
func object(req Request, r *rng, known fields) (Reply, error) {
	if len(req.Schema) == 0 {
		return Reply{Content: string(appendJSON(nil, known))}, nil
	}
	s, ok := parseSchema(req.Schema)
	if !ok {
		return Reply{}, ErrSchema
	}
	return Reply{Content: string(appendJSON(nil, s.fill(r, known)))}, nil
}

// fallback answers a call that the roles above cannot: from the schema, by a
// tool call, or with a sentence that says what this is.
func fallback(req Request, r *rng) (Reply, error) {
	if len(req.Schema) > 0 {
		return object(req, r, nil)
	}
	if len(req.Tools) > 0 && r.permille(700) {
		t := req.Tools[r.n(len(req.Tools))]
		s, ok := parseSchema(t.Parameters)
		args := any(fields{})
		if ok {
			args = s.fill(r, nil)
		}
		return Reply{
			Content:   "I will call " + t.Name + " with plausible values, as the offline model was told nothing about the case.",
			ToolCalls: []ToolCall{{Name: t.Name, Arguments: objectOnly(args)}},
		}, nil
	}
	about := "an unnamed purpose"
	if req.Purpose != "" {
		about = "the purpose " + quoted(req.Purpose)
	}
	return Reply{Content: "This is the offline model. It answers " + about + " with this fixed text, because it got no facts that it could act on."}, nil
}

func inputTokens(req Request) int {
	n := 0
	for _, m := range req.Messages {
		n += 4 + tokens(len(m.Content))
	}
	for _, t := range req.Tools {
		n += tokens(len(t.Name) + len(t.Description) + len(t.Parameters))
	}
	return n
}

// tokens estimates how many tokens that many bytes are.
func tokens(bytes int) int { return (bytes + 3) / 4 }

// quoted puts quotation marks around s and leaves out what cannot be printed.
func quoted(s string) string { return `"` + clean(s, 200) + `"` }

// clean drops control characters and cuts s, on a rune boundary, at max bytes.
func clean(s string, max int) string {
	ok := len(s) <= max
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= 0x20 && s[i] < 0x7f
	}
	if ok {
		return s
	}
	b := make([]byte, 0, min(len(s), max)+3)
	for _, c := range s {
		if c < 0x20 || c == 0x7f || c == utf8.RuneError || (c >= 0x80 && c < 0xa0) {
			c = ' '
		}
		if len(b)+utf8.RuneLen(c) > max {
			return string(b) + "…"
		}
		b = utf8.AppendRune(b, c)
	}
	return string(b)
}
