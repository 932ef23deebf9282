// Package openaisft is the output that writes OpenAI's chat fine-tuning
// format: a conversation with native tool calls that ends with the safe
// action. Trainers other than OpenAI's take it too. Each message of the
// assistant's has a weight, 1 where it is learned and 0 where not.
//
// It writes no preferences; output "openai_dpo" does.
package openaisft

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config is the block's configuration.
type Config struct {
	export.ChatConfig
	export.ExamplesConfig
	export.FileConfig
}

// Validate checks what the types do not say.
func (cfg *Config) Validate(p *sdk.Problems) {
	cfg.FileConfig.Validate(p)
	cfg.Check(p)
	cfg.Inline(p, "OpenAI's format")
}

// Component is output "openai_sft".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes OpenAI's chat fine-tuning format: the history as native tool calls, and the safe action as the last message. Weights say which messages are learned. Rows that would break the format are left out and counted."),
		sdk.Behavior("2"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
	)
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	return export.Mixed(rows, out, cfg.FileConfig, export.OpenAISFT(), cfg.MixConfig, func(c *export.Case) ([]any, string) {
		var lines []any
		for _, turns := range cfg.Conversations(cfg.ChatConfig, c) {
			line, reason := cfg.OpenAI(c, turns, true)
			if reason != "" {
				return nil, reason
			}
			lines = append(lines, line)
		}
		return lines, ""
	})
}
