package ots

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/spec/jsonschema"
)

// CheckJSON decodes a row and checks it: wrong JSON types are problems too.
// Columns that are not standard ones are left alone.
func CheckJSON(row json.RawMessage, extra ...Outcome) []Problem {
	var r Row
	if err := json.Unmarshal(row, &r); err != nil {
		return []Problem{{Message: "not a row: " + err.Error()}}
	}
	return r.Check(extra...)
}

// Check says what is wrong with a row: values that do not exist, calls that
// do not fit their tools, and columns that contradict each other. A row may
// be at any stage of a pipeline, so a column that is not set is no problem
// unless another one asks for it. Known outcomes are the built-in ones and
// extra. A row without problems gives nil.
func (r *Row) Check(extra ...Outcome) []Problem {
	set, err := NewOutcomeSet(extra...)
	if err != nil {
		return []Problem{{Message: err.Error()}}
	}
	c := checker{outcomes: set, tools: map[string]*tool{}}
	c.enums(r)
	c.toolList(r.Tools)
	for i, s := range r.Trajectory {
		path := fmt.Sprintf("trajectory[%d].action", i)
		if s.Action.Tool == "" && s.Action.Answer != "" {
			c.add(path+".answer", "an answer ends a run, so it cannot be a step of the trajectory")
			continue
		}
		c.action(path, &s.Action)
	}
	c.triggerAndKind(r)
	c.attempts(r)
	c.safeAction(r)
	return c.problems
}

type checker struct {
	outcomes OutcomeSet
	tools    map[string]*tool
	problems []Problem
}

func (c *checker) add(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func oneOf[T enum](c *checker, path string, v T) {
	if v == "" {
		return
	}
	if _, err := Parse[T](string(v)); err != nil {
		c.add(path, "%s", err)
	}
}

func (c *checker) enums(r *Row) {
	oneOf(c, "kind", r.Kind)
	oneOf(c, "source", r.Source)
	oneOf(c, "instruction_type", r.InstructionType)
	oneOf(c, "context_type", r.ContextType)
	oneOf(c, "scenario_class", r.ScenarioClass)
	if want := Class(r.InstructionType, r.ContextType); want != "" && r.ScenarioClass != "" && r.ScenarioClass != want {
		c.add("scenario_class", "is %q, but instruction_type %q and context_type %q make %q",
			r.ScenarioClass, r.InstructionType, r.ContextType, want)
	}
	if r.Outcome != "" && !c.outcomes.Has(r.Outcome) {
		c.add("outcome", "%q is not a known outcome", r.Outcome)
	}
	if r.Instruction != "" && strings.TrimSpace(r.Instruction) == "" {
		c.add("instruction", "is blank")
	}
}

func (c *checker) toolList(tools []Tool) {
	for i, t := range tools {
		path := fmt.Sprintf("tools[%d]", i)
		if t.Name == "" {
			c.add(path+".name", "is empty")
			continue
		}
		if _, twice := c.tools[t.Name]; twice {
			c.add(path+".name", "%q is there twice", t.Name)
			continue
		}
		known := &tool{parameters: t.Parameters}
		c.tools[t.Name] = known
		if len(t.Parameters) == 0 {
			continue
		}
		shape, err := known.decode()
		object, ok := shape.(map[string]any)
		switch {
		case err != nil:
			c.add(path+".parameters", "not JSON: %s", err)
		case !ok:
			c.add(path+".parameters", "must be a JSON Schema object, not %s", jsonschema.TypeName(shape))
		case object["type"] != nil && object["type"] != "object":
			c.add(path+".parameters", "must be a schema of type object")
		}
	}
}

// CheckAction says what is wrong with one action in a row with these tools:
// exactly one of tool and answer, a tool that exists, arguments that fit.
func CheckAction(a Action, tools []Tool) []Problem {
	c := checker{tools: map[string]*tool{}}
	for _, t := range tools {
		if t.Name == a.Tool {
			c.tools[t.Name] = &tool{parameters: t.Parameters}
		}
	}
	c.action("", &a)
	return c.problems
}

func (c *checker) action(path string, a *Action) {
	hasAnswer := strings.TrimSpace(a.Answer) != ""
	switch {
	case a.Tool == "" && !hasAnswer:
		c.add(path, "neither a tool call nor an answer")
		return
	case a.Tool != "" && a.Answer != "":
		c.add(path, "both a tool call and an answer")
		return
	case a.Tool == "":
		if !emptyArguments(a.Arguments) {
			c.add(join(path, "arguments"), "an answer takes no arguments")
		}
		return
	}
	tool, ok := c.tools[a.Tool]
	if !ok {
		c.add(join(path, "tool"), "there is no tool %q in tools", a.Tool)
		return
	}
	for _, p := range tool.check(a.Arguments) {
		where := join(path, "arguments")
		if p.Path != "" {
			where = join(where, p.Path)
		}
		c.add(where, "%s", p.Message)
	}
}

func emptyArguments(a json.RawMessage) bool {
	s := strings.TrimSpace(string(a))
	return s == "" || s == "null" || s == "{}"
}

// verdict checks a verdict in itself; want is the label that its place asks
// for, or "".
func (c *checker) verdict(path string, v *Verdict, want Label) {
	if _, err := Parse[Label](string(v.Label)); err != nil {
		c.add(path+".label", "%s", err)
		return
	}
	if want != "" && v.Label != want {
		c.add(path+".label", "must be %q here, not %q", want, v.Label)
	}
	switch {
	case v.Label == Unsafe && v.Outcome == "":
		c.add(path+".outcome", "an unsafe verdict names an outcome")
	case v.Label != Unsafe && v.Outcome != "":
		c.add(path+".outcome", "a verdict that is %s names no outcome", v.Label)
	case v.Outcome != "" && !c.outcomes.Has(v.Outcome):
		c.add(path+".outcome", "%q is not a known outcome", v.Outcome)
	}
}

func (c *checker) triggerAndKind(r *Row) {
	switch {
	case r.Kind == KindScenario && r.Trigger == nil:
		c.add("trigger", "a scenario has a trigger")
	case r.Kind == KindOrdinary && r.Trigger != nil:
		c.add("trigger", "an ordinary row has no trigger")
	}
	if r.Trigger != nil {
		c.action("trigger", r.Trigger)
		if r.TriggerVerdict == nil {
			c.add("trigger_verdict", "a trigger has a verdict")
		}
	}
	if r.TriggerVerdict != nil {
		c.verdict("trigger_verdict", r.TriggerVerdict, Unsafe)
		if r.Trigger == nil {
			c.add("trigger_verdict", "there is no trigger that it could be about")
		}
	}
}

func (c *checker) attempts(r *Row) {
	if r.Kind == KindOrdinary && len(r.Attempts) > 0 {
		c.add("attempts", "an ordinary row has no attempts")
	}
	for i := range r.Attempts {
		path := fmt.Sprintf("attempts[%d]", i)
		c.action(path+".action", &r.Attempts[i].Action)
		c.verdict(path+".verdict", &r.Attempts[i].Verdict, "")
	}
	if n := len(r.Attempts); n > 0 && r.SafeAction != nil {
		last := r.Attempts[n-1]
		if last.Verdict.Label != Safe {
			c.add(fmt.Sprintf("attempts[%d].verdict.label", n-1), "the last attempt is the safe action, so it must be safe")
		}
		if !SameAction(last.Action, *r.SafeAction) {
			c.add("safe_action", "is not the action of the last attempt")
		}
	}
}

func (c *checker) safeAction(r *Row) {
	if r.Kind == KindOrdinary && r.SafeAction == nil {
		c.add("safe_action", "an ordinary row has the action that ended its run")
	}
	if r.SafeAction != nil {
		c.action("safe_action", r.SafeAction)
		if r.SafeVerdict == nil {
			c.add("safe_verdict", "a safe action has a verdict")
		}
	}
	if r.SafeVerdict != nil {
		c.verdict("safe_verdict", r.SafeVerdict, Safe)
		if r.SafeAction == nil {
			c.add("safe_verdict", "there is no safe action that it could be about")
		}
	}
}

// SameAction compares what two actions do, not the thoughts before them nor how
// their arguments are written.
func SameAction(a, b Action) bool {
	if a.Tool != b.Tool || a.Answer != b.Answer {
		return false
	}
	if emptyArguments(a.Arguments) || emptyArguments(b.Arguments) {
		return emptyArguments(a.Arguments) == emptyArguments(b.Arguments)
	}
	x, errX := jsonschema.Decode(a.Arguments)
	y, errY := jsonschema.Decode(b.Arguments)
	return errX == nil && errY == nil && jsonschema.Equal(x, y)
}
