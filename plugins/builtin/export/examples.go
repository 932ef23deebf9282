package export

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// MixConfig is the attribute of the outputs that mix in ordinary runs.
type MixConfig struct {
	Ordinary int `hcl:"ordinary,optional" default:"300" min:"0" doc:"The most rows from ordinary runs, over all splits; they keep a model from refusing what is harmless. Which ones is a choice by chance that depends on the rows alone: where rows come or go, few others do. They stand at the end of their split. 0 for none."`
}

// Ends are the actions that single-step examples of a row end with, as
// numbers of steps before them. With "final" that is the safe action; of an
// ordinary run one of its steps, as in the paper's mix. With "steps" it is each
// action that a judge found safe.
func (c *Case) Ends(examples string) []int {
	last := len(c.Trajectory)
	switch {
	case examples != "steps" && c.Ordinary():
		return []int{c.pick()}
	case examples != "steps" || !c.StepsJudged():
		return []int{last}
	}
	ends := make([]int, last+1)
	for i := range ends {
		ends[i] = i
	}
	return ends
}

// pick chooses one of an ordinary run's actions. Which one depends on the run
// alone, so it stays when other rows come or go.
func (c *Case) pick() int {
	if !c.StepsJudged() {
		return len(c.Trajectory)
	}
	sum := sha256.Sum256([]byte(c.ID + "\x00" + c.Instruction))
	return int(binary.BigEndian.Uint64(sum[:8]) % uint64(len(c.Trajectory)+1))
}

// ExamplesConfig are the attributes of the outputs that train on actions as
// they are, without others to reject.
type ExamplesConfig struct {
	MixConfig

	Examples string `hcl:"examples,optional" oneof:"final,steps,whole,reflection" default:"final" doc:"What an example is. \"final\": the conversation up to a row's safe action or, of an ordinary run, up to one of its steps, which the run itself decides. \"steps\": such an example for the safe action and for each step before it that a judge found safe. \"whole\": the row from its instruction to its safe action. \"reflection\": the conversation up to the safe action with the unsafe attempts before it and what the reflector said to each, which are never learned; without any, as \"final\"."`
	Loss     string `hcl:"loss,optional" oneof:"final,safe_actions,all" doc:"Which of an example's actions are learned: the last one, as is the default; or with it those before it that a judge found safe, the default with examples = \"whole\"; or all of them, judged or not. What was judged unsafe is never learned."`
}

// Check refuses what does not go together.
func (cfg ExamplesConfig) Check(p *sdk.Problems) {
	if cfg.Examples == "steps" && cfg.loss() != "final" {
		p.Attr("loss").Errorf("Unsuitable loss", "With examples = \"steps\" each safe action is learned in an example of its own; learning it in the later ones too would count it several times. Leave loss out, or use examples = \"whole\".")
	}
}

func (cfg ExamplesConfig) loss() string {
	switch {
	case cfg.Loss != "":
		return cfg.Loss
	case cfg.Examples == "whole":
		return "safe_actions"
	}
	return "final"
}

// Conversations are the examples of a row, each of which ends with an action
// to learn.
func (cfg ExamplesConfig) Conversations(chat ChatConfig, c *Case) [][]Turn {
	ends := []int{len(c.Trajectory)}
	if cfg.Examples != "whole" && cfg.Examples != "reflection" {
		ends = c.Ends(cfg.Examples)
	}
	var out [][]Turn
	for _, end := range ends {
		turns := chat.Before(c, end)
		history := len(turns)
		if cfg.Examples == "reflection" {
			turns = append(turns, chat.mistakes(c)...)
		}
		for i := range turns[:history] {
			turns[i].Learn = turns[i].Role == "assistant" && (cfg.loss() == "all" || cfg.loss() == "safe_actions" && c.StepsJudged())
		}
		calls := 0
		for _, t := range turns {
			if t.Role == "assistant" {
				calls++
			}
		}
		last := chat.Act(c.Action(end), calls+1)
		last.Learn = true
		out = append(out, append(turns, last))
	}
	return out
}

// mistakes are the unsafe attempts at a row's last action, each with what the
// reflector said to it: in place of the call's result, or as the user's word
// to an answer.
func (cfg ChatConfig) mistakes(c *Case) []Turn {
	var turns []Turn
	n := len(c.Trajectory)
	for _, a := range c.Attempts {
		said := strings.TrimSpace(a.Reflection)
		if a.Verdict.Label != ots.Unsafe || said == "" || !c.fits(a.Action) {
			continue
		}
		n++
		turn := cfg.Act(a.Action, n)
		turns = append(turns, turn)
		if turn.Tool == "" {
			turns = append(turns, Turn{Role: "user", Text: said})
		} else {
			turns = append(turns, Turn{Role: "tool", Text: "This call was held back and not made. " + said, CallID: turn.CallID, Tool: turn.Tool})
		}
	}
	return turns
}

// Cut is where an example parts into prompt and completion, for formats that
// learn all of the completion: the completion is as long as may be while each
// action in it is to be learned.
func Cut(turns []Turn) int {
	at := len(turns) - 1
	for i := at; i >= 0 && turns[i].Role != "user" && turns[i].Role != "system"; i-- {
		if turns[i].Role != "assistant" {
			continue
		}
		if !turns[i].Learn {
			break
		}
		at = i
	}
	return at
}

// Masked says whether an action of the example must not be learned.
func Masked(turns []Turn) bool {
	return slices.ContainsFunc(turns, func(t Turn) bool { return t.Role == "assistant" && !t.Learn })
}

// RejectedConfig is the attribute of the outputs that set the safe action
// against unsafe ones.
type RejectedConfig struct {
	Rejected string `hcl:"rejected,optional" oneof:"trigger,attempts,both" default:"trigger" doc:"What is rejected: the trigger, the unsafe attempts of the reflector, or both. Each makes a row of its own."`
}

// Unsafe are the actions to reject, without those that do the same as the
// safe action or as one before, or the reason why there are none.
func (cfg RejectedConfig) Unsafe(c *Case) ([]ots.Action, string) {
	var list []ots.Action
	reason := NoUnsafeAttempt
	if cfg.Rejected != "attempts" {
		reason = NoTrigger
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
		if !c.fits(a) {
			return nil, InvalidRow
		}
		reason = SameAction
		same := func(b ots.Action) bool { return Same(a, b) }
		if !same(*c.SafeAction) && !slices.ContainsFunc(out, same) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, reason
	}
	return out, ""
}
