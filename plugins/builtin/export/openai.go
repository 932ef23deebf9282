package export

// The forms of OpenAI's fine-tuning files, which its outputs share. The
// arguments of a call are a JSON string in them, and the content of an
// assistant that only calls a tool is null.

type openAIPlain struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type openAIAssistant struct {
	Role      string       `json:"role"`
	Content   *string      `json:"content"`
	ToolCalls []openAICall `json:"tool_calls,omitempty"`
	Weight    *int         `json:"weight,omitempty"`
}

type openAICall struct {
	ID       string         `json:"id"`
	Type     string         `json:"type"`
	Function openAIFunction `json:"function"`
}

type openAIFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type openAIResult struct {
	Role       string `json:"role"`
	ToolCallID string `json:"tool_call_id"`
	Content    string `json:"content"`
}

// OpenAIMessages are turns in OpenAI's form. With weights each of the
// assistant's says whether it is learned.
func OpenAIMessages(turns []Turn, weights bool) []any {
	out := make([]any, len(turns))
	for i, t := range turns {
		switch t.Role {
		case "tool":
			out[i] = openAIResult{Role: t.Role, ToolCallID: t.CallID, Content: t.Text}
		case "assistant":
			out[i] = openAITurn(t, weights)
		default:
			out[i] = openAIPlain{Role: t.Role, Content: t.Text}
		}
	}
	return out
}

func openAITurn(t Turn, weights bool) openAIAssistant {
	m := openAIAssistant{Role: t.Role}
	if t.Text != "" {
		m.Content = &t.Text
	}
	if t.Tool != "" {
		m.ToolCalls = []openAICall{{ID: t.CallID, Type: "function", Function: openAIFunction{Name: t.Tool, Arguments: string(t.Arguments)}}}
	}
	if weights {
		m.Weight = new(int)
		if t.Learn {
			*m.Weight = 1
		}
	}
	return m
}

// OpenAIRequest is what OpenAI's formats say beside the messages.
type OpenAIRequest struct {
	Messages          []any  `json:"messages"`
	Tools             []Tool `json:"tools,omitempty"`
	ParallelToolCalls *bool  `json:"parallel_tool_calls,omitempty"` // only beside tools
}

// OpenAI is a conversation in OpenAI's form, or the reason why it has none.
// What is shown beyond the messages, such as the sides of a pair, is more.
func (cfg ChatConfig) OpenAI(c *Case, turns []Turn, weights bool, more ...Turn) (OpenAIRequest, string) {
	shown := append(append([]Turn{}, turns...), more...)
	r := OpenAIRequest{Messages: OpenAIMessages(turns, weights), Tools: cfg.List(c, shown)}
	if len(r.Tools) > MaxTools {
		return r, TooManyTools
	}
	for _, t := range r.Tools {
		if !validName(t.Function.Name) {
			return r, ToolName
		}
	}
	if cfg.Marked(shown) {
		return r, Marks
	}
	if len(r.Tools) > 0 {
		r.ParallelToolCalls = new(bool)
	}
	return r, ""
}
