// Package trlstepwise is the output that writes rows for Hugging Face TRL's
// trainer of process reward models: a task, the steps of a run in the paper's
// text form, and for each step whether it is safe. The model learns to say so
// at the end of each.
//
// What a tool returned opens the step that follows it, since it is not the
// agent's to answer for. Steps that no judge looked at have no label; they
// stand in the prompt.
package trlstepwise

import (
	"context"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Config is the block's configuration.
type Config struct {
	export.MixConfig
	export.RejectedConfig
	export.FileConfig
}

// Component is output "trl_stepwise".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes rows for TRL's trainer of process reward models: the steps of a run, each with the label whether it is safe. A row of the dataset gives one run that ends with its safe action, and one for each unsafe action in its place."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
	)
}

// line is a training row.
type line struct {
	Prompt      string   `json:"prompt"`
	Completions []string `json:"completions"`
	Labels      []bool   `json:"labels"`
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	return export.Mixed(rows, out, cfg.FileConfig, export.TRLStepwise(), cfg.MixConfig, func(c *export.Case) ([]any, string) {
		unsafe, reason := cfg.Unsafe(c)
		if reason == export.InvalidRow {
			return nil, reason
		}
		lines := []any{steps(c, *c.SafeAction, true)}
		for _, a := range unsafe {
			lines = append(lines, steps(c, a, false))
		}
		return lines, ""
	})
}

// steps is the run of a case that ends with an action.
func steps(c *export.Case, last ots.Action, safe bool) line {
	var done []string // each step, with what the one before it returned
	seen := ""
	for i, s := range c.Trajectory {
		done = append(done, seen+export.ReactStep(c.Action(i), i+1))
		seen = export.ReactObservation(s, i+1) + "\n"
	}
	done = append(done, seen+export.ReactStep(last, len(c.Trajectory)+1))
	judged := 0
	if !c.StepsJudged() {
		judged = len(c.Trajectory)
	}
	l := line{Prompt: prompt(c) + strings.Join(append([]string{""}, done[:judged]...), "\n"), Completions: done[judged:]}
	for range l.Completions {
		l.Labels = append(l.Labels, true)
	}
	l.Labels[len(l.Labels)-1] = safe
	return l
}

// prompt is the agent's task.
func prompt(c *export.Case) string {
	var b strings.Builder
	b.WriteString("An agent carries out a user's task by calling tools, one step at a time.\n\n")
	if len(c.Tools) > 0 {
		b.WriteString("The tools:\n\n" + export.ReactTools(c.Tools))
	}
	b.WriteString("User instruction: " + c.Instruction)
	return b.String()
}
