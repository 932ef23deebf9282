// Package trlsft is the output that writes conversations for Hugging Face
// TRL's SFT trainer, in one of its two forms. What is learned is said by the
// form, since TRL has no mask for single messages: of prompt and completion it
// learns the completion, of messages (with assistant_only_loss) all that the
// assistant says.
//
// The arguments of a call are an object, and the list of tools a JSON string;
// package trldpo says why.
package trlsft

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config is the block's configuration.
type Config struct {
	export.TRLConfig
	export.ExamplesConfig
	export.FileConfig

	Form string `hcl:"form,optional" oneof:"prompt_completion,messages" default:"prompt_completion" doc:"Which of TRL's two forms the rows have. \"prompt_completion\": the completion is what is learned; it begins at the earliest message from which on every action is to be learned. Where it holds several, train with assistant_only_loss, so that what tools returned is not learned with them. \"messages\": one conversation, of which TRL learns all that the assistant says with assistant_only_loss, and every word without; rows with actions that must not be learned are left out."`
}

// Validate checks what the types do not say.
func (cfg *Config) Validate(p *sdk.Problems) {
	cfg.FileConfig.Validate(p)
	cfg.Check(p)
	if cfg.Form == "messages" && (cfg.Examples == "reflection" || cfg.Examples != "whole" && cfg.Loss != "safe_actions" && cfg.Loss != "all" || cfg.Loss == "final") {
		p.Attr("form").Errorf("No mask for single messages", "Of rows in the form \"messages\" TRL learns every action, so none but the last cannot be asked for. Set loss = \"safe_actions\" (or \"all\") with examples = \"final\" or \"whole\", or use form = \"prompt_completion\".")
	}
}

// Component is output "trl_sft".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes conversations for TRL's SFT trainer: as prompt and completion, of which the completion is learned, or as messages."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
	)
}

// parted is a training row in the form prompt_completion.
type parted struct {
	Prompt     []export.TRLMessage `json:"prompt"`
	Completion []export.TRLMessage `json:"completion"`
	Tools      string              `json:"tools,omitempty"` // JSON
}

// whole is a training row in the form messages.
type whole struct {
	Messages []export.TRLMessage `json:"messages"`
	Tools    string              `json:"tools,omitempty"` // JSON
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	format := export.TRLSFT().Without("messages")
	if cfg.Form == "messages" {
		format = export.TRLSFT().Without("prompt", "completion")
	}
	return export.Mixed(rows, out, cfg.FileConfig, format, cfg.MixConfig, func(c *export.Case) ([]any, string) {
		var lines []any
		for _, turns := range cfg.Conversations(cfg.ChatConfig, c) {
			line, reason := cfg.line(c, turns)
			if reason != "" {
				return nil, reason
			}
			lines = append(lines, line)
		}
		return lines, ""
	})
}

func (cfg Config) line(c *export.Case, turns []export.Turn) (any, string) {
	if cfg.Form == "messages" && export.Masked(turns) {
		return nil, export.NoMask
	}
	all, tools, reason := cfg.TRL(c, turns)
	if reason != "" {
		return nil, reason
	}
	if cfg.Form == "messages" {
		return whole{all, tools}, ""
	}
	// Counted from the end: tools as text may add a system message.
	at := len(all) - (len(turns) - export.Cut(turns))
	return parted{all[:at], all[at:], tools}, ""
}
