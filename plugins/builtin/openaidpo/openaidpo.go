// Package openaidpo is the output that writes OpenAI's preference format: at
// the same point of the same conversation, the safe action is preferred to an
// unsafe one. Each side is one message, so the conversation before it ends
// right before the unsafe action.
//
// It writes no rows without an unsafe action; output "openai_sft" does.
package openaidpo

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config is the block's configuration.
type Config struct {
	export.ChatConfig
	export.RejectedConfig
	export.FileConfig
}

// Validate checks what the types do not say.
func (cfg *Config) Validate(p *sdk.Problems) {
	cfg.FileConfig.Validate(p)
	cfg.Inline(p, "OpenAI's format")
}

// Component is output "openai_dpo".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes OpenAI's preference format: the safe action as preferred_output, the unsafe one at the same point of the same conversation as non_preferred_output."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
	)
}

// pair is a training row.
type pair struct {
	Input        export.OpenAIRequest `json:"input"`
	Preferred    []any                `json:"preferred_output"`     // one message
	NonPreferred []any                `json:"non_preferred_output"` // one message
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	return export.Training(rows, out, cfg.FileConfig, export.OpenAIDPO(), cfg.pairs)
}

// pairs are the training rows of a case.
func (cfg Config) pairs(c *export.Case) ([]any, string) {
	unsafe, reason := cfg.Unsafe(c)
	if reason != "" {
		return nil, reason
	}
	prompt, n := cfg.Prompt(c), len(c.Trajectory)+1
	safe := cfg.Act(*c.SafeAction, n)
	var out []any
	for _, a := range unsafe {
		rejected := cfg.Act(a, n)
		input, reason := cfg.OpenAI(c, prompt, false, safe, rejected)
		if reason != "" {
			return nil, reason
		}
		sides := export.OpenAIMessages([]export.Turn{safe, rejected}, false)
		out = append(out, pair{Input: input, Preferred: sides[:1], NonPreferred: sides[1:]})
	}
	return out, ""
}
