package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The finish reasons that mean something here.
const (
	finishStop   = "stop"
	finishLength = "length"
	finishFilter = "content_filter"
	finishCalls  = "tool_calls"
)

// completion is a chat completion in the forms that endpoints give it. What
// servers disagree about is raw here, and read below.
type completion struct {
	Model       json.RawMessage `json:"model"`
	Fingerprint json.RawMessage `json:"system_fingerprint"`
	Choices     []struct {
		Message      completionMessage `json:"message"`
		FinishReason json.RawMessage   `json:"finish_reason"`
		Error        json.RawMessage   `json:"error"` // of a gateway whose own endpoint failed
	} `json:"choices"`
	Usage json.RawMessage `json:"usage"`
}

type completionMessage struct {
	Content      json.RawMessage  `json:"content"` // text, null, or a list of parts
	Refusal      json.RawMessage  `json:"refusal"`
	ToolCalls    []completionCall `json:"tool_calls"`
	FunctionCall *completionFunc  `json:"function_call"` // before there were tools
	// What the model thought aloud: DeepSeek, vLLM and llama.cpp; Ollama and
	// OpenRouter.
	ReasoningContent json.RawMessage `json:"reasoning_content"`
	Reasoning        json.RawMessage `json:"reasoning"`
}

type completionCall struct {
	ID       json.RawMessage `json:"id"`
	Function completionFunc  `json:"function"`
}

type completionFunc struct {
	Name      json.RawMessage `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // text, or the object itself
}

// read makes an answer of the body of a completion. Whatever is not a whole
// answer is an error here and is asked for again, not stored.
func read(body []byte, sent int) (Answer, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Answer{}, errors.New("it is empty")
	}
	var resp completion
	if err := json.Unmarshal(body, &resp); err != nil {
		return Answer{}, fmt.Errorf("it cannot be read: %w", err)
	}
	if len(resp.Choices) == 0 {
		return Answer{}, errors.New("it has no choices")
	}
	choice := resp.Choices[0]
	finish := words(choice.FinishReason)
	switch finish {
	case "":
		return Answer{}, errors.New("it has no finish_reason, so it may be cut off")
	case "error", "abort", "load", "insufficient_system_resource":
		return Answer{}, fmt.Errorf("it was broken off (finish_reason %q) %s", finish, words(choice.Error))
	case "function_call":
		finish = finishCalls
	}
	m := choice.Message
	a := Answer{
		Refusal: words(m.Refusal), FinishReason: finish, Model: words(resp.Model), Fingerprint: words(resp.Fingerprint),
		Reasoning: words(m.ReasoningContent), Usage: readUsage(resp.Usage),
	}
	if a.Reasoning == "" {
		a.Reasoning = words(m.Reasoning)
	}
	readContent(&a, m.Content)
	if m.FunctionCall != nil && len(m.ToolCalls) == 0 {
		m.ToolCalls = []completionCall{{Function: *m.FunctionCall}}
	}
	for _, c := range m.ToolCalls {
		a.ToolCalls = append(a.ToolCalls, AnswerCall{words(c.ID), words(c.Function.Name), words(c.Function.Arguments)})
	}
	nameCalls(a.ToolCalls)
	splitThinking(&a)
	if a.Usage.InputTokens == 0 && a.Usage.OutputTokens == 0 {
		a.Usage = Usage{InputTokens: estimate(sent), OutputTokens: estimate(a.size()), Estimated: true}
	}
	return a, nil
}

// readContent takes the text of a message, and of one in parts those that are
// thoughts apart.
func readContent(a *Answer, raw json.RawMessage) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '[' {
		a.Content = words(raw)
		return
	}
	var parts []struct {
		Type     string          `json:"type"`
		Text     json.RawMessage `json:"text"`
		Refusal  json.RawMessage `json:"refusal"`
		Thinking json.RawMessage `json:"thinking"` // text, or parts again
	}
	_ = json.Unmarshal(raw, &parts) // parts of another form hold no text
	for _, p := range parts {
		a.Content += words(p.Text)
		a.Refusal += words(p.Refusal)
		if p.Thinking == nil {
			continue
		}
		thought := Answer{}
		readContent(&thought, p.Thinking)
		a.Reasoning = strings.TrimSpace(a.Reasoning + "\n" + thought.Content)
	}
}

// readUsage reads what an endpoint says was used; nothing where it says
// nothing that can be read.
func readUsage(raw json.RawMessage) Usage {
	var u struct {
		Input        float64 `json:"prompt_tokens"`
		Output       float64 `json:"completion_tokens"`
		CacheHit     float64 `json:"prompt_cache_hit_tokens"` // DeepSeek
		InputDetails struct {
			Cached float64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		OutputDetails struct {
			Reasoning float64 `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	}
	_ = json.Unmarshal(raw, &u) // what cannot be read stays 0
	in, out := tokenCount(u.Input), tokenCount(u.Output)
	return Usage{
		InputTokens: in, OutputTokens: out,
		CachedInputTokens: min(in, max(tokenCount(u.InputDetails.Cached), tokenCount(u.CacheHit))),
		ReasoningTokens:   min(out, tokenCount(u.OutputDetails.Reasoning)),
	}
}

// tokenCount holds a number that an endpoint reports to what can be true.
func tokenCount(n float64) int { return int(min(max(n, 0), 1e9)) }

// nameCalls gives an id to calls that have none or share one: tool messages
// refer to them.
func nameCalls(calls []AnswerCall) {
	seen := map[string]bool{"": true}
	next := 1 // numbers before it are taken
	for i := range calls {
		next = max(next, i+1)
		for ; seen[calls[i].ID]; next++ {
			calls[i].ID = fmt.Sprintf("call_%d", next)
		}
		seen[calls[i].ID] = true
	}
}

// splitThinking takes the block in which a model thinks out of the start of
// the text, where servers that do not know the model leave it. Where its first
// mark stands in the model's template, the text has the second alone.
func splitThinking(a *Answer) {
	rest, opened := strings.CutPrefix(strings.TrimSpace(a.Content), "<think>")
	thought, rest, closed := strings.Cut(rest, "</think>")
	if !closed || !opened && strings.Contains(thought, "<think>") {
		return
	}
	a.Reasoning = strings.TrimSpace(a.Reasoning + "\n" + strings.TrimSpace(thought))
	a.Content = strings.TrimSpace(rest)
}

// estimate is a rough count of the tokens in so many bytes.
func estimate(bytes int) int { return (bytes + 3) / 4 }

// words is a JSON string's text, or any other value as it stands.
func words(raw json.RawMessage) string {
	if s, ok := textOf(raw); ok {
		return s
	}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || slices.Equal(raw, []byte("null")) {
		return ""
	}
	return string(raw)
}
