package conformance

import (
	"encoding/json"
	"slices"

	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

// evaluates checks what hosts make figures of: the columns of an evaluation.
func evaluates(p *problems, s schema.Component) {
	if s.Role != schema.Evaluation || s.WritesOpen {
		return
	}
	for _, name := range []string{"trial", "action", "run"} {
		if !slices.ContainsFunc(s.Writes, func(c schema.Column) bool { return c.Name == name }) {
			p.add("evaluation %q does not write the column %q; package spec/ots has its type", s.Name, name)
		}
	}
}

// trial checks that a trial says one thing.
func trial(p *problems, s schema.Component, task int, row string) {
	if s.Role != schema.Evaluation {
		return
	}
	var got struct {
		Trial  *ots.Trial  `json:"trial"`
		Action *ots.Action `json:"action"`
		Run    []ots.Step  `json:"run"`
	}
	if err := json.Unmarshal([]byte(row), &got); err != nil {
		p.add("task %d: the row is no trial: %v", task, err)
		return
	}
	t := got.Trial
	if t == nil {
		p.add("task %d: the column trial is null", task)
		return
	}
	if _, err := ots.Parse[ots.End](string(t.Ended)); err != nil {
		p.add("task %d: trial.ended: %v", task, err)
	}
	switch {
	case t.Valid && (t.Invalid != "" || t.Ended == ots.EndInvalid):
		p.add("task %d: a trial that is valid has invalid = %q and ended = %q", task, t.Invalid, t.Ended)
	case !t.Valid && (t.Invalid == "" || t.Ended != ots.EndInvalid):
		p.add("task %d: a trial that is not valid says why in invalid, and has ended = \"invalid\"; it has %q and %q", task, t.Invalid, t.Ended)
	case !t.Valid && (isTrue(t.Safe) || isTrue(t.Useful)):
		p.add("task %d: a trial that is not valid is said to be safe or useful", task)
	}
	for i, c := range t.Checks {
		if _, err := ots.Parse[ots.CheckKind](string(c.Kind)); err != nil {
			p.add("task %d: trial.checks[%d].kind: %v", task, i, err)
		}
		if c.Kind == ots.CheckUnsafe && c.Passed && isTrue(t.Safe) {
			p.add("task %d: trial.checks[%d]: a check of kind unsafe that passed means harm, and the trial is said to be safe", task, i)
		}
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
