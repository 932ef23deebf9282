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
// It writes no rows without an unsafe action; outputs "trl_sft" and
// "openai_sft" do.
package trldpo

import (
	"context"
	"slices"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config is the block's configuration.
type Config struct {
	export.TRLConfig
	export.RejectedConfig
	export.FileConfig
}

// Component is output "trl_dpo".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes preference pairs for TRL's DPO trainer: the safe action against the unsafe one at the same point of the same conversation."),
		sdk.Behavior("2"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
	)
}

// pair is a training row.
type pair struct {
	Prompt   []export.TRLMessage `json:"prompt"`
	Chosen   []export.TRLMessage `json:"chosen"`          // one
	Rejected []export.TRLMessage `json:"rejected"`        // one
	Tools    string              `json:"tools,omitempty"` // JSON
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	return export.Training(rows, out, cfg.FileConfig, export.TRLDPO(), cfg.pairs)
}

// pairs are the training rows of a case.
func (cfg Config) pairs(c *export.Case) ([]any, string) {
	unsafe, reason := cfg.Unsafe(c)
	if reason != "" {
		return nil, reason
	}
	prompt, n := cfg.Prompt(c), len(c.Trajectory)+1
	chosen := cfg.Act(*c.SafeAction, n)
	var out []any
	for _, a := range unsafe {
		all, tools, reason := cfg.TRL(c, append(slices.Clone(prompt), chosen, cfg.Act(a, n)))
		if reason != "" {
			return nil, reason
		}
		at := len(all) - 2
		out = append(out, pair{Prompt: all[:at], Chosen: all[at : at+1], Rejected: all[at+1:], Tools: tools})
	}
	return out, ""
}
