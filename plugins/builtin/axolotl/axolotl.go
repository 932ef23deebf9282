// Package axolotl is the outputs that write data for Axolotl: "axolotl_sft"
// for its type chat_template, and "axolotl_dpo" for preference training with
// type chat_template.default. Beside the data stands axolotl.yml, with the
// lines of a configuration that read them.
//
// Traps of the formats shape them. Arguments and tools are JSON strings: as
// nested data, those of all rows would share one table schema. And of a
// message, preference training copies role and content alone, so there tools
// stand in the system message, and calls and what they return are text.
//
// It runs no training.
package axolotl

import (
	"context"
	"fmt"
	"slices"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// SFTConfig is the configuration of output "axolotl_sft".
type SFTConfig struct {
	export.ChatConfig
	export.ExamplesConfig
	export.FileConfig
}

// Validate refuses what does not go together.
func (cfg SFTConfig) Validate(p *sdk.Problems) {
	cfg.FileConfig.Validate(p)
	cfg.Check(p)
	cfg.Inline(p, "axolotl_sft")
}

// SFT is output "axolotl_sft".
func SFT() sdk.Component {
	return sdk.Sink(runSFT,
		sdk.Doc("Writes conversations for Axolotl's type chat_template, with arguments and tools as JSON strings and, in each message, whether it is trained on; axolotl.yml beside them has the lines of a configuration that read them."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
	)
}

// DPOConfig is the configuration of output "axolotl_dpo".
type DPOConfig struct {
	export.ChatConfig
	export.RejectedConfig
	export.FileConfig
}

// Validate refuses what does not go together.
func (cfg DPOConfig) Validate(p *sdk.Problems) {
	cfg.FileConfig.Validate(p)
	if cfg.Thoughts != "content" && cfg.Thoughts != "none" {
		p.Attr("thoughts").Errorf("No place for thoughts", "Axolotl looks for a message's content in what the chat template makes of it, and chat templates take reasoning out of it. Use \"content\" or \"none\".")
	}
}

// DPO is output "axolotl_dpo".
func DPO() sdk.Component {
	return sdk.Sink(runDPO,
		sdk.Doc("Writes preference pairs for Axolotl's type chat_template.default, which copies role and content alone: tools stand in the system message, calls and what they return are text."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
		sdk.Default("system", export.SystemPrompt),
	)
}

// line is a row of axolotl_sft.
type line struct {
	Messages []any  `json:"messages"`
	Tools    string `json:"tools"` // JSON; "" for none
}

type plain struct {
	Role    string `json:"role"`
	Content string `json:"content"`
	Train   bool   `json:"train"`
}

type calling struct {
	plain
	ToolCalls []call `json:"tool_calls"`
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
	plain
	ToolCallID string `json:"tool_call_id"`
	Name       string `json:"name"`
}

func runSFT(_ context.Context, cfg SFTConfig, rows *sdk.RowReader, out *sdk.Dir) error {
	err := export.Mixed(rows, out, cfg.FileConfig, export.AxolotlSFT(), cfg.MixConfig, func(c *export.Case) ([]any, string) {
		var lines []any
		for _, turns := range cfg.Conversations(cfg.ChatConfig, c) {
			if cfg.Marked(turns) {
				return nil, export.Marks
			}
			l := line{}
			if list := cfg.List(c, turns); len(list) > 0 {
				text, err := export.JSON(list)
				if err != nil {
					return nil, export.InvalidRow
				}
				l.Tools = string(text)
			}
			ids := map[string]string{}
			for _, t := range turns {
				l.Messages = append(l.Messages, message(t, ids))
			}
			lines = append(lines, l)
		}
		return lines, ""
	})
	if err != nil {
		return err
	}
	return describe(out, sftHead, sftFields)
}

// message is a turn in Axolotl's form. Ids of calls are made anew, of nine
// letters and digits, which is what the chat templates of Mistral's models
// demand.
func message(t export.Turn, ids map[string]string) any {
	p := plain{Role: t.Role, Content: t.Text, Train: t.Role == "assistant" && t.Learn}
	switch {
	case t.Role == "tool":
		return result{plain: p, ToolCallID: ids[t.CallID], Name: t.Tool}
	case t.Tool != "":
		ids[t.CallID] = fmt.Sprintf("call%05d", len(ids)+1)
		return calling{plain: p, ToolCalls: []call{{
			ID: ids[t.CallID], Type: "function", Function: function{Name: t.Tool, Arguments: string(t.Arguments)},
		}}}
	}
	return p
}

// pair is a row of axolotl_dpo.
type pair struct {
	Messages []text `json:"messages"`
	Chosen   text   `json:"chosen"`
	Rejected text   `json:"rejected"`
}

type text struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func runDPO(_ context.Context, cfg DPOConfig, rows *sdk.RowReader, out *sdk.Dir) error {
	if err := export.Training(rows, out, cfg.FileConfig, export.AxolotlDPO(), cfg.pairs); err != nil {
		return err
	}
	return describe(out, dpoHead, dpoFields)
}

// pairs are the rows of a case.
func (cfg DPOConfig) pairs(c *export.Case) ([]any, string) {
	unsafe, reason := cfg.Unsafe(c)
	if reason != "" {
		return nil, reason
	}
	prompt, n := cfg.Prompt(c), len(c.Trajectory)+1
	var out []any
	for _, a := range unsafe {
		shown := append(slices.Clone(prompt), cfg.Act(*c.SafeAction, n), cfg.Act(a, n))
		if export.HoldsMarks(shown, "</think>") {
			return nil, export.Marks
		}
		turns, reason := export.AsText(cfg.List(c, shown), shown)
		if reason != "" {
			return nil, reason
		}
		texts := make([]text, len(turns))
		for i, t := range turns {
			texts[i] = text{Role: t.Role, Content: t.Text}
		}
		last := len(texts) - 2
		out = append(out, pair{Messages: texts[:last], Chosen: texts[last], Rejected: texts[last+1]})
	}
	return out, ""
}
