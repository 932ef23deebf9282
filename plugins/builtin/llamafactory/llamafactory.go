// Package llamafactory is the output that writes data for LLaMA-Factory: a
// file per split, and beside them dataset_info.json with an entry for each
// file, and llamafactory.yml with the lines of a training configuration that
// fit the data.
//
// Three traps of the format shape it. Rows whose turns do not alternate are
// left out by LLaMA-Factory with no more than a warning, so each is checked
// before it is written. A call stands as the JSON text of its name and
// arguments in a turn of its own: beside tool_calls LLaMA-Factory drops the
// text, quotes arguments that are a string once more, and Arrow fills those
// that are objects with nulls. And tools are bare, and a JSON string.
//
// It runs no training.
package llamafactory

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config is the block's configuration.
type Config struct {
	export.ChatConfig
	export.ExamplesConfig
	export.RejectedConfig
	export.FileConfig

	Name       string `hcl:"name,optional" default:"autosafe" doc:"What the entries of dataset_info.json begin with; the stage and the split follow."`
	Formatting string `hcl:"formatting,optional" oneof:"sharegpt,openai,v1" default:"sharegpt" doc:"The form of a row. \"sharegpt\": conversations of from and value. \"openai\": messages of role and content. \"v1\": messages whose content is a list of parts, each with its weight in the loss, as LLaMA-Factory's newer engine reads them."`
	Stage      string `hcl:"stage,optional" oneof:"sft,dpo,kto" default:"sft" doc:"What the rows are for: examples (sft); the safe action against an unsafe one (dpo, and what else ranks); or actions with a label, true for the safe one (kto). examples and loss are for sft, ordinary for sft and kto, rejected for dpo and kto."`
}

// Validate refuses what does not go together.
func (cfg Config) Validate(p *sdk.Problems) {
	cfg.FileConfig.Validate(p)
	cfg.Check(p)
	if cfg.Formatting != "v1" {
		cfg.Inline(p, "LLaMA-Factory")
	}
	if cfg.Name == "" || strings.ContainsFunc(cfg.Name, notInName) {
		p.Attr("name").Errorf("Unsuitable name", "The name of a dataset is made of letters, digits, _, - and dots: LLaMA-Factory takes a list of names with commas.")
	}
	if cfg.Files != "parquet" && cfg.Compression != "" && cfg.Compression != "none" {
		p.Attr("compression").Errorf("Unsuitable compression", "LLaMA-Factory tells the type of a file by the end of its name and does not know .gz and .zst. Leave compression out, or use files = \"parquet\", which is compressed within.")
	}
	if cfg.Formatting == "v1" && cfg.Stage == "kto" {
		p.Attr("stage").Errorf("Unsuitable stage", "The v1 form has no place for labels. Use formatting = \"sharegpt\" or \"openai\".")
	}
}

func notInName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r))
}

// Component is output "llamafactory".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes data for LLaMA-Factory, with dataset_info.json and the lines of a training configuration beside it. Reasoning stands before a call, between <think> and </think>."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
	)
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	format := export.LLaMAFactory(cfg.Formatting, cfg.Stage)
	var err error
	switch cfg.Stage {
	case "dpo":
		err = export.Training(rows, out, cfg.FileConfig, format, cfg.pairs)
	case "kto":
		err = export.Mixed(rows, out, cfg.FileConfig, format, cfg.MixConfig, cfg.labelled)
	default:
		err = export.Mixed(rows, out, cfg.FileConfig, format, cfg.MixConfig, cfg.examples)
	}
	if err != nil {
		return err
	}
	return cfg.describe(out)
}

// chat is how turns are made: with reasoning apart, to be put where the form
// has a place for it.
func (cfg Config) chat() export.ChatConfig {
	chat := cfg.ChatConfig
	if chat.Thoughts != "none" {
		chat.Thoughts = "reasoning_content"
	}
	return chat
}

// examples makes the rows of stage sft.
func (cfg Config) examples(c *export.Case) ([]any, string) {
	var out []any
	for _, turns := range cfg.Conversations(cfg.chat(), c) {
		if cfg.Formatting != "v1" && !cfg.maskHistory() && export.Masked(turns) {
			return nil, export.NoMask
		}
		row, reason := cfg.row(c, turns)
		if reason != "" {
			return nil, reason
		}
		out = append(out, row)
	}
	return out, ""
}

// maskHistory says whether a training must be told to learn the last turn of
// each row alone: the forms but v1 cannot say it of a turn.
func (cfg Config) maskHistory() bool {
	return cfg.Loss == "final" || cfg.Loss == "" && cfg.Examples != "whole"
}

// pairs makes the rows of stage dpo.
func (cfg Config) pairs(c *export.Case) ([]any, string) {
	unsafe, reason := cfg.Unsafe(c)
	if reason != "" {
		return nil, reason
	}
	chat, n := cfg.chat(), len(c.Trajectory)+1
	prompt := chat.Prompt(c)
	var out []any
	for _, a := range unsafe {
		row, reason := cfg.pair(c, prompt, chat.Act(*c.SafeAction, n), chat.Act(a, n))
		if reason != "" {
			return nil, reason
		}
		out = append(out, row)
	}
	return out, ""
}

// labelled makes the rows of stage kto.
func (cfg Config) labelled(c *export.Case) ([]any, string) {
	unsafe, reason := cfg.Unsafe(c)
	if reason == export.InvalidRow {
		return nil, reason
	}
	chat, n := cfg.chat(), len(c.Trajectory)+1
	prompt := chat.Prompt(c)
	var out []any
	for i := -1; i < len(unsafe); i++ {
		action := *c.SafeAction
		if i >= 0 {
			action = unsafe[i]
		}
		row, reason := cfg.row(c, append(prompt[:len(prompt):len(prompt)], chat.Act(action, n)))
		if reason != "" {
			return nil, reason
		}
		row["label"] = i < 0
		out = append(out, row)
	}
	return out, ""
}

// row is a conversation in the form.
func (cfg Config) row(c *export.Case, turns []export.Turn) (map[string]any, string) {
	tools, reason := cfg.tools(c, turns)
	if reason != "" {
		return nil, reason
	}
	if cfg.Formatting == "v1" {
		return map[string]any{"messages": v1Messages(turns), "tools": tools}, ""
	}
	return cfg.named(tools, turns), ""
}

// pair is two ends of a conversation in the form.
func (cfg Config) pair(c *export.Case, prompt []export.Turn, chosen, rejected export.Turn) (map[string]any, string) {
	chosen.Learn, rejected.Learn = true, true
	first := append(prompt[:len(prompt):len(prompt)], chosen)
	tools, reason := cfg.tools(c, append(first[:len(first):len(first)], rejected))
	if reason != "" {
		return nil, reason
	}
	if cfg.Formatting == "v1" {
		second := append(prompt[:len(prompt):len(prompt)], rejected)
		return map[string]any{"chosen_messages": v1Messages(first), "rejected_messages": v1Messages(second), "tools": tools}, ""
	}
	row := cfg.named(tools, prompt)
	row["chosen"], row["rejected"] = cfg.message(chosen), cfg.message(rejected)
	return row, ""
}

// tools are the tools of all that a row shows, as a JSON string.
func (cfg Config) tools(c *export.Case, shown []export.Turn) (string, string) {
	if export.HoldsMarks(shown, "<think>", "</think>", "<tool_call>", "</tool_call>") {
		return "", export.Marks
	}
	list := cfg.List(c, shown)
	if len(list) == 0 {
		return "", ""
	}
	bare := make([]export.Function, len(list))
	for i, t := range list {
		bare[i] = t.Function
		bare[i].Parameters = withProperties(t.Function.Parameters)
	}
	text, err := export.JSON(bare)
	if err != nil {
		return "", export.InvalidRow
	}
	if export.CheckLLaMATools(string(text)) != nil {
		return "", export.ToolSchema
	}
	return string(text), ""
}

// withProperties are a tool's parameters with properties, which may be none:
// LLaMA-Factory fails where they are absent.
func withProperties(parameters json.RawMessage) json.RawMessage {
	var o map[string]json.RawMessage
	if json.Unmarshal(parameters, &o) != nil || o == nil || o["properties"] != nil {
		return parameters
	}
	o["properties"] = json.RawMessage("{}")
	text, err := export.JSON(o)
	if err != nil {
		return parameters
	}
	return text
}
