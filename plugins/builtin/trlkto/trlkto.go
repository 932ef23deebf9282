// Package trlkto is the output that writes unpaired preferences for Hugging
// Face TRL's KTO trainer: an action after a conversation, and whether it is
// wanted. A row's safe action is; its unsafe ones are not. Rows without an
// unsafe action give what they have.
//
// TRL's KTO trainer does not give the tools to the chat template, as its
// trainers for SFT and DPO do. So by default tools, calls and results are text
// here. Where they are not, the arguments of a call are an object, and the list
// of tools a JSON string; package trldpo says why.
package trlkto

import (
	"context"
	"slices"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	export.TRLConfig
	export.MixConfig
	export.RejectedConfig
	export.FileConfig
}

// Component is output "trl_kto".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes unpaired preferences for TRL's KTO trainer: the safe action with label true, each unsafe one at the same point of the same conversation with label false. One step of each of some ordinary runs is mixed in, as wanted."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
		sdk.Default("calls", "text"),
	)
}

// line is a training row.
type line struct {
	Prompt     []export.TRLMessage `json:"prompt"`
	Completion []export.TRLMessage `json:"completion"` // one
	Label      bool                `json:"label"`
	Tools      string              `json:"tools,omitempty"` // JSON
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	return export.Mixed(rows, out, cfg.FileConfig, export.TRLKTO(), cfg.MixConfig, cfg.lines)
}

// lines are the training rows of a case.
func (cfg Config) lines(c *export.Case) ([]any, string) {
	unsafe, reason := cfg.Unsafe(c)
	if reason == export.InvalidRow {
		return nil, reason
	}
	end := c.Ends("final")[0]
	if c.Ordinary() {
		unsafe = nil // whatever the row says, it is not at this step
	}
	prompt := cfg.Before(c, end)
	var acts []export.Turn // the safe one first
	for _, a := range append([]ots.Action{c.Action(end)}, unsafe...) {
		acts = append(acts, cfg.Act(a, end+1))
	}
	var out []any
	for i, act := range acts {
		all, tools, reason := cfg.TRL(c, append(slices.Clone(prompt), act), slices.Clone(acts)...)
		if reason != "" {
			return nil, reason
		}
		at := len(all) - 1
		out = append(out, line{Prompt: all[:at], Completion: all[at:], Label: i == 0, Tools: tools})
	}
	return out, ""
}
