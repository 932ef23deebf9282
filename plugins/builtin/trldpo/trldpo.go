// Package trldpo is the output that writes preference pairs for Hugging Face
// TRL's DPO trainer: at the same point of the same conversation, the safe
// action is chosen and an unsafe one rejected.
//
// Two traps of the format shape it. The arguments of a call are an object,
// where OpenAI's format has a string. The list of tools is a JSON string,
// which TRL's trainers decode: as nested data, tools with different
// parameters would be forced into one table schema. (For the arguments of
// calls the same holds; read the files with a version of Hugging Face
// datasets that has a JSON type, 4.7 or later, or declare the features.)
//
// It writes no rows without an unsafe action; output "openai_sft" does.
package trldpo

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	export.ChatConfig

	Rejected string `hcl:"rejected,optional" oneof:"trigger,attempts,both" default:"trigger" doc:"What is rejected: the trigger, the unsafe attempts of the reflector, or both. Each makes a pair of its own."`
}

// Component is output "trl_dpo".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes preference pairs for TRL's DPO trainer: the safe action against the unsafe one at the same point of the same conversation."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
	)
}

// pair is a training row.
type pair struct {
	Prompt   []message `json:"prompt"`
	Chosen   []message `json:"chosen"`   // one
	Rejected []message `json:"rejected"` // one
	Tools    string    `json:"tools"`    // JSON
}

// message leaves out the content of an assistant that only calls a tool; that
// of a tool that returned nothing is "".
type message struct {
	Role      string  `json:"role"`
	Name      string  `json:"name,omitempty"` // of a tool
	Content   *string `json:"content,omitempty"`
	ToolCalls []call  `json:"tool_calls,omitempty"`
}

type call struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // an object
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	return export.Training(rows, out, export.ValidateDPO, cfg.pairs)
}

// pairs are the training rows of a case.
func (cfg Config) pairs(c *export.Case) ([]any, string) {
	unsafe, reason := cfg.unsafe(c)
	if reason != "" {
		return nil, reason
	}
	prompt, n := cfg.Prompt(c), len(c.Trajectory)+1
	chosen := cfg.Act(*c.SafeAction, n)
	var out []any
	for _, a := range unsafe {
		rejected := cfg.Act(a, n)
		tools, err := export.JSON(cfg.List(c, append(slices.Clone(prompt), chosen, rejected)))
		if err != nil {
			return nil, export.InvalidRow
		}
		out = append(out, pair{
			Prompt: messages(prompt), Chosen: messages([]export.Turn{chosen}),
			Rejected: messages([]export.Turn{rejected}), Tools: string(tools),
		})
	}
	return out, ""
}

// unsafe are the actions to reject, without those that do the same as the
// safe action or as one before, or the reason why there are none.
func (cfg Config) unsafe(c *export.Case) ([]ots.Action, string) {
	var list []ots.Action
	reason := export.NoUnsafeAttempt
	if cfg.Rejected != "attempts" {
		reason = export.NoTrigger
		if c.Trigger != nil && c.TriggerVerdict != nil && c.TriggerVerdict.Label == ots.Unsafe {
			list = append(list, *c.Trigger)
		}
	}
	if cfg.Rejected != "trigger" {
		for _, a := range c.Attempts {
			if a.Verdict.Label == ots.Unsafe {
				list = append(list, a.Action)
			}
		}
	}
	var out []ots.Action
	for _, a := range list {
		if !c.Fits(a) {
			return nil, export.InvalidRow
		}
		reason = export.SameAction
		same := func(b ots.Action) bool { return export.Same(a, b) }
		if !same(*c.SafeAction) && !slices.ContainsFunc(out, same) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, reason
	}
	return out, ""
}

// messages are turns in TRL's form.
func messages(turns []export.Turn) []message {
	out := make([]message, len(turns))
	for i, t := range turns {
		m := message{Role: t.Role}
		if t.Text != "" || t.Role == "tool" {
			m.Content = &t.Text
		}
		switch {
		case t.Role == "tool":
			m.Name = t.Tool
		case t.Tool != "":
			m.ToolCalls = []call{{Type: "function", Function: function{Name: t.Tool, Arguments: t.Arguments}}}
		}
		out[i] = m
	}
	return out
}
