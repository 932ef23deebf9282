package llmtest

import "strconv"

// The body of an answer, as OpenAI's endpoint sends it.
type (
	completionBody struct {
		ID          string             `json:"id"`
		Object      string             `json:"object"`
		Created     int64              `json:"created"`
		Model       string             `json:"model"`
		Choices     []completionChoice `json:"choices"`
		Usage       *completionUsage   `json:"usage,omitempty"`
		Fingerprint string             `json:"system_fingerprint"`
	}
	completionChoice struct {
		Index        int               `json:"index"`
		Message      completionMessage `json:"message"`
		FinishReason string            `json:"finish_reason"`
	}
	completionMessage struct {
		Role      string     `json:"role"`
		Content   *string    `json:"content"` // null without text
		Refusal   string     `json:"refusal,omitempty"`
		Reasoning string     `json:"reasoning_content,omitempty"`
		ToolCalls []ToolCall `json:"tool_calls,omitempty"`
	}
	completionUsage struct {
		Prompt        int            `json:"prompt_tokens"`
		Completion    int            `json:"completion_tokens"`
		Total         int            `json:"total_tokens"`
		PromptParts   map[string]int `json:"prompt_tokens_details,omitempty"`
		CompleteParts map[string]int `json:"completion_tokens_details,omitempty"`
	}
)

// completion is the body of an answer.
func completion(req *Request, reply Reply) *completionBody {
	m := completionMessage{Role: "assistant", Refusal: reply.Refusal, Reasoning: reply.Reasoning, ToolCalls: reply.ToolCalls}
	if reply.Content != "" {
		m.Content = &reply.Content
	}
	finish := reply.FinishReason
	switch {
	case finish != "":
	case len(reply.ToolCalls) > 0:
		finish = "tool_calls"
	default:
		finish = "stop"
	}
	return &completionBody{
		ID: "chatcmpl-" + strconv.Itoa(req.N), Object: "chat.completion", Created: 1700000000, Model: req.Model,
		Choices: []completionChoice{{Message: m, FinishReason: finish}}, Usage: usage(req, &reply), Fingerprint: "fp_llmtest",
	}
}

func usage(req *Request, reply *Reply) *completionUsage {
	switch u := reply.Usage; {
	case reply.NoUsage:
		return nil
	case u == nil:
		in, out := len(req.Raw)/4, len(reply.Content)/4+20*len(reply.ToolCalls)+1
		return &completionUsage{Prompt: in, Completion: out, Total: in + out}
	default:
		told := &completionUsage{Prompt: u.Input, Completion: u.Output, Total: u.Input + u.Output}
		if u.CachedInput > 0 {
			told.PromptParts = map[string]int{"cached_tokens": u.CachedInput}
		}
		if u.Reasoning > 0 {
			told.CompleteParts = map[string]int{"reasoning_tokens": u.Reasoning}
		}
		return told
	}
}
