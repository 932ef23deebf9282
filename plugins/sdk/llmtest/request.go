package llmtest

import (
	"encoding/json"
	"net/http"
)

// Request is one request for a completion, as it came in.
type Request struct {
	N      int    // 1 for the first
	Path   string // with the query
	Header http.Header
	Raw    []byte // the body

	Model          string         `json:"model"`
	Messages       []Message      `json:"messages"`
	Tools          []Tool         `json:"tools"`
	ResponseFormat ResponseFormat `json:"response_format"`
	Temperature    *float64       `json:"temperature"`
	Seed           *int64         `json:"seed"`
}

// Message is a message of a request.
type Message struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content"`
	ToolCalls  []ToolCall `json:"tool_calls"`
	ToolCallID string     `json:"tool_call_id"`
}

// ToolCall is a call of a tool, in a request or a reply.
type ToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// Call makes a tool call for a Reply.
func Call(id, name, arguments string) ToolCall {
	c := ToolCall{ID: id, Type: "function"}
	c.Function.Name, c.Function.Arguments = name, arguments
	return c
}

// Tool is a function that the reply may call.
type Tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

// ResponseFormat is how the reply must look.
type ResponseFormat struct {
	Type       string `json:"type"`
	JSONSchema struct {
		Name   string          `json:"name"`
		Schema json.RawMessage `json:"schema"`
		Strict bool            `json:"strict"`
	} `json:"json_schema"`
}

// Reply is an answer. An empty FinishReason is filled in as it should be.
type Reply struct {
	Content      string
	Refusal      string
	Reasoning    string
	ToolCalls    []ToolCall
	FinishReason string
	Usage        *Usage // nil: made up from the lengths
	NoUsage      bool   // leave the usage out
}

// Usage is what an answer says that it cost, in tokens.
type Usage struct {
	Input, CachedInput, Output, Reasoning int
}
