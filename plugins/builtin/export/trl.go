package export

import (
	"encoding/json"
	"strings"
)

// TRLConfig are the attributes of the outputs for Hugging Face TRL that write
// conversations.
type TRLConfig struct {
	ChatConfig

	Calls string `hcl:"calls,optional" oneof:"native,text" default:"native" doc:"How tool calls stand in the conversation. \"native\": as tool calls, which the model's chat template renders. \"text\": for chat templates that know no tools: the tools in the system message, calls in tool_call tags in what the assistant says, and results in tool_response tags as the user's messages."`
}

// TRLMessage is a message in TRL's form. It leaves out the content of an
// assistant that only calls a tool; that of a tool that returned nothing is "".
type TRLMessage struct {
	Role             string    `json:"role"`
	Name             string    `json:"name,omitempty"` // of a tool
	Content          *string   `json:"content,omitempty"`
	ReasoningContent string    `json:"reasoning_content,omitempty"`
	Thinking         string    `json:"thinking,omitempty"`
	ToolCalls        []trlCall `json:"tool_calls,omitempty"`
}

type trlCall struct {
	Type     string      `json:"type"`
	Function trlFunction `json:"function"`
}

type trlFunction struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // an object
}

// TRL is a conversation in TRL's form and its tools as a JSON string, or the
// reason why it has none. The string is "" where no tools are to be listed, and
// then left out: some chat templates announce tools even for an empty list. Tools that others call count as used: rows that are
// weighed against each other must not be told apart by their tools.
func (cfg TRLConfig) TRL(c *Case, turns []Turn, others ...Turn) ([]TRLMessage, string, string) {
	list := cfg.List(c, append(others, turns...))
	if cfg.Marked(turns) {
		return nil, "", Marks
	}
	if cfg.Calls == "text" {
		if marked(turns) {
			return nil, "", Marks
		}
		var err error
		if turns, err = asText(list, turns); err != nil {
			return nil, "", InvalidRow
		}
		list = nil
	}
	tools := ""
	if len(list) > 0 {
		text, err := JSON(list)
		if err != nil {
			return nil, "", InvalidRow
		}
		tools = string(text)
	}
	out := make([]TRLMessage, len(turns))
	for i, t := range turns {
		out[i] = cfg.trlMessage(t)
	}
	return out, tools, ""
}

func (cfg TRLConfig) trlMessage(t Turn) TRLMessage {
	m := TRLMessage{Role: t.Role}
	if t.Text != "" || t.Role == "tool" {
		m.Content = &t.Text
	}
	if cfg.Thoughts == "thinking" {
		m.Thinking = t.Reasoning
	} else {
		m.ReasoningContent = t.Reasoning
	}
	switch {
	case t.Role == "tool":
		m.Name = t.Tool
	case t.Tool != "":
		m.ToolCalls = []trlCall{{Type: "function", Function: trlFunction{Name: t.Tool, Arguments: t.Arguments}}}
	}
	return m
}

// The marks around what stands as text.
const (
	callOpen    = "<tool_call>"
	callClose   = "</tool_call>"
	resultOpen  = "<tool_response>"
	resultClose = "</tool_response>"
)

// marked says whether a text holds marks that stand for calls and results: a
// tool's result could then pass for more than one, or for a call.
func marked(turns []Turn) bool {
	for _, t := range turns {
		for _, mark := range []string{callOpen, callClose, resultOpen, resultClose} {
			if strings.Contains(t.Text, mark) || strings.Contains(t.Reasoning, mark) {
				return true
			}
		}
	}
	return false
}

// asText puts tools, calls and results into texts. What is JSON there escapes
// < and >, so that the marks cannot stand in it.
func asText(tools []Tool, turns []Turn) ([]Turn, error) {
	var out []Turn
	if len(tools) > 0 {
		var b strings.Builder
		b.WriteString("You can call these tools, each given as a JSON object on a line:\n<tools>\n")
		for _, t := range tools {
			text, err := json.Marshal(t)
			if err != nil {
				return nil, err
			}
			b.Write(text)
			b.WriteByte('\n')
		}
		b.WriteString("</tools>\nTo call one, write " + callOpen + ", then on a line of its own a JSON object with the tool's name and its arguments, then " + callClose + ":\n" +
			callOpen + "\n{\"name\":\"NAME\",\"arguments\":{}}\n" + callClose + "\nWhat it returns comes between " + resultOpen + " and " + resultClose + ".")
		system := Turn{Role: "system", Text: b.String()}
		if turns[0].Role == "system" {
			system.Text, turns = turns[0].Text+"\n\n"+system.Text, turns[1:]
		}
		out = append(out, system)
	}
	for _, t := range turns {
		switch {
		case t.Role == "tool":
			t = Turn{Role: "user", Text: resultOpen + "\n" + t.Text + "\n" + resultClose}
		case t.Tool != "":
			call, err := json.Marshal(trlFunction{Name: t.Tool, Arguments: t.Arguments})
			if err != nil {
				return nil, err
			}
			t.Text = strings.TrimSpace(t.Text + "\n" + callOpen + "\n" + string(call) + "\n" + callClose)
			t.Tool, t.Arguments, t.CallID = "", nil, ""
		}
		out = append(out, t)
	}
	return out, nil
}
