// Package openaisft is the output that writes OpenAI's chat fine-tuning
// format: a conversation with native tool calls that ends with the safe
// action. Trainers other than OpenAI's take it too.
//
// It writes no preferences; output "trl_dpo" does.
package openaisft

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config is the block's configuration.
type Config struct {
	export.ChatConfig

	TrainOn string `hcl:"train_on,optional" oneof:"last,all" default:"last" doc:"Which of the assistant's messages have weight 1: the last one; or, with \"all\", every one of an ordinary run. What led up to an unsafe action is never trained on."`
}

// Component is output "openai_sft".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes OpenAI's chat fine-tuning format: the history as native tool calls, and the safe action as the last message. Rows that would break the format are left out and counted."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
	)
}

// line is a training row.
type line struct {
	Messages          []message     `json:"messages"`
	Tools             []export.Tool `json:"tools,omitempty"`
	ParallelToolCalls *bool         `json:"parallel_tool_calls,omitempty"` // only beside tools
}

// message is a user's or system message, an *assistant or a *result.
type message any

type plain struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type assistant struct {
	Role      string  `json:"role"`
	Content   *string `json:"content"` // null beside a call without a thought
	ToolCalls []call  `json:"tool_calls,omitempty"`
	Weight    int     `json:"weight"`
}

type call struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // JSON
}

type result struct {
	Role       string `json:"role"`
	ToolCallID string `json:"tool_call_id"`
	Content    string `json:"content"`
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	return export.Training(rows, out, export.ValidateOpenAI, func(c *export.Case) ([]any, string) {
		turns := append(cfg.Prompt(c), cfg.Act(*c.SafeAction, len(c.Trajectory)+1))
		l := line{Tools: cfg.List(c, turns)}
		if len(l.Tools) > export.MaxTools {
			return nil, export.TooManyTools
		}
		for _, t := range l.Tools {
			if !export.ValidName(t.Function.Name) {
				return nil, export.ToolName
			}
		}
		if len(l.Tools) > 0 {
			l.ParallelToolCalls = new(bool)
		}
		all := cfg.TrainOn == "all" && c.StepsJudged()
		for i, t := range turns {
			l.Messages = append(l.Messages, messageOf(t, all || i == len(turns)-1))
		}
		return []any{l}, ""
	})
}

// messageOf is a turn in OpenAI's form.
func messageOf(t export.Turn, train bool) message {
	switch t.Role {
	case "tool":
		return result{Role: t.Role, ToolCallID: t.CallID, Content: t.Text}
	case "assistant":
		m := assistant{Role: t.Role}
		if t.Text != "" {
			m.Content = &t.Text
		}
		if t.Tool != "" {
			m.ToolCalls = []call{{ID: t.CallID, Type: "function", Function: function{Name: t.Tool, Arguments: string(t.Arguments)}}}
		}
		if train {
			m.Weight = 1
		}
		return m
	}
	return plain{Role: t.Role, Content: t.Text}
}
