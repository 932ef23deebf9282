// Package builtin is the plugin that comes with autosafe: it lists the
// components, each in a package of its own. They are written against the SDK
// alone, as a third party's would be, and run out of process like theirs: the
// process is autosafe itself, started again.
//
// The package holds no behaviour of its own.
package builtin

import (
	"github.com/autosafe/autosafe/plugins/builtin/actionjudge"
	"github.com/autosafe/autosafe/plugins/builtin/alpaca"
	"github.com/autosafe/autosafe/plugins/builtin/alpacajudge"
	"github.com/autosafe/autosafe/plugins/builtin/asb"
	"github.com/autosafe/autosafe/plugins/builtin/axolotl"
	"github.com/autosafe/autosafe/plugins/builtin/catalog"
	"github.com/autosafe/autosafe/plugins/builtin/injecagent"
	"github.com/autosafe/autosafe/plugins/builtin/instructions"
	"github.com/autosafe/autosafe/plugins/builtin/jsonl"
	"github.com/autosafe/autosafe/plugins/builtin/labelled"
	"github.com/autosafe/autosafe/plugins/builtin/llamafactory"
	"github.com/autosafe/autosafe/plugins/builtin/nextaction"
	"github.com/autosafe/autosafe/plugins/builtin/openaidpo"
	"github.com/autosafe/autosafe/plugins/builtin/openaisft"
	"github.com/autosafe/autosafe/plugins/builtin/openaitune"
	"github.com/autosafe/autosafe/plugins/builtin/parquet"
	"github.com/autosafe/autosafe/plugins/builtin/retry"
	"github.com/autosafe/autosafe/plugins/builtin/rjudge"
	"github.com/autosafe/autosafe/plugins/builtin/rollout"
	"github.com/autosafe/autosafe/plugins/builtin/rows"
	"github.com/autosafe/autosafe/plugins/builtin/rubric"
	"github.com/autosafe/autosafe/plugins/builtin/runjudge"
	"github.com/autosafe/autosafe/plugins/builtin/safety"
	"github.com/autosafe/autosafe/plugins/builtin/tasks"
	"github.com/autosafe/autosafe/plugins/builtin/terminal"
	"github.com/autosafe/autosafe/plugins/builtin/toolemu"
	"github.com/autosafe/autosafe/plugins/builtin/trainer"
	"github.com/autosafe/autosafe/plugins/builtin/trajectory"
	"github.com/autosafe/autosafe/plugins/builtin/trldpo"
	"github.com/autosafe/autosafe/plugins/builtin/trlkto"
	"github.com/autosafe/autosafe/plugins/builtin/trlsft"
	"github.com/autosafe/autosafe/plugins/builtin/trlstepwise"
	"github.com/autosafe/autosafe/plugins/builtin/twins"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Name and Version are those of the built-in plugin. The version stands in no
// key: each component declares the version of its behaviour.
const (
	Name    = "builtin"
	Version = "0.1.0"
)

// Plugin is the built-in plugin.
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    Name,
		Version: Version,
		ThreatSources: map[string]sdk.Component{
			"asb":            asb.Component(),
			"catalog":        catalog.Component(),
			"injecagent":     injecagent.Component(),
			"jsonl":          jsonl.Component(),
			"rjudge":         rjudge.Component(),
			"terminal_tasks": terminal.Source(),
			"toolemu":        toolemu.Component(),
		},
		Simulators: map[string]sdk.Component{
			"instructions": instructions.Component(),
			"trajectory":   trajectory.Component(),
			"twins":        twins.Component(),
		},
		Reflectors: map[string]sdk.Component{
			"retry": retry.Component(),
		},
		Judges: map[string]sdk.Component{
			"action": actionjudge.Component(),
			"rubric": rubric.Component(),
			"run":    runjudge.Component(),
			"safety": safety.Component(),
		},
		Outputs: map[string]sdk.Component{
			"alpaca":       alpaca.Component(),
			"alpaca_judge": alpacajudge.Component(),
			"axolotl_dpo":  axolotl.DPO(),
			"axolotl_sft":  axolotl.SFT(),
			"llamafactory": llamafactory.Component(),
			"openai_dpo":   openaidpo.Component(),
			"openai_sft":   openaisft.Component(),
			"parquet":      parquet.Component(),
			"rows":         rows.Component(),
			"trl_dpo":      trldpo.Component(),
			"trl_kto":      trlkto.Component(),
			"trl_sft":      trlsft.Component(),
			"trl_stepwise": trlstepwise.Component(),
		},
		Finetunes: map[string]sdk.Component{
			"axolotl":      trainer.Axolotl(),
			"llamafactory": trainer.LLaMAFactory(),
			"openai":       openaitune.Component(),
			"trl":          trainer.TRL(),
		},
		Evaluations: map[string]sdk.Component{
			"labelled":    labelled.Component(),
			"next_action": nextaction.Component(),
			"rollout":     rollout.Component(),
			"tasks":       tasks.Component(),
			"terminal":    terminal.Component(),
		},
	}
}
