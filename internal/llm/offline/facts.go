package offline

import (
	"strings"
)

// facts is what a component told about the case.
type facts struct {
	toolkits    []string
	tools       []*tool
	domain      string
	outcome     string
	kind        string // instruction type: normal, underspecified, malicious, or ""
	instruction string
	trajectory  []step
	adversarial bool
	action      action
	reflection  string
	round       int
	step, max   int
	row         []byte
	guard       string // reminder, hints, or ""
	run         []step // of the trial that is judged
	form        string // react: answers are in the paper's text form too
	solutions   *solutions
}

type step struct {
	thought, observation string
	action               action
}

type action struct {
	tool, answer string
	arguments    []byte // raw JSON object
}

func (a action) empty() bool { return a.tool == "" && a.answer == "" }

// parseFacts reads an object of facts; ok is false if it is none. Whatever has
// an unexpected type is left out.
func parseFacts(raw []byte) (f *facts, ok bool) {
	f = &facts{}
	ok = eachField(raw, func(key string, v []byte) {
		switch key {
		case "toolkits":
			f.toolkits = texts(v)
		case "tools":
			f.tools = parseTools(v)
		case "domain":
			f.domain = text(v)
		case "outcome":
			f.outcome = text(v)
		case "instruction_type":
			f.kind = text(v)
		case "instruction":
			f.instruction = text(v)
		case "trajectory":
			f.trajectory = parseTrajectory(v)
		case "adversarial":
			f.adversarial = string(v) == "true"
		case "action":
			f.action, _ = parseAction(v)
		case "reflection":
			f.reflection = strings.TrimSpace(text(v))
		case "round":
			f.round = number(v)
		case "step":
			f.step = number(v)
		case "max_steps":
			f.max = number(v)
		case "form":
			f.form = text(v)
		case "guard":
			f.guard = text(v)
		case "solutions":
			f.solutions = parseSolutions(v)
		case "run":
			f.run = parseTrajectory(v)
		case "row":
			f.row = v
		}
	})
	return f, ok
}

func parseTrajectory(raw []byte) []step {
	var out []step
	eachItem(raw, func(v []byte) {
		var s step
		eachField(v, func(key string, v []byte) {
			switch key {
			case "thought":
				s.thought = text(v)
			case "observation":
				s.observation = text(v)
			case "action":
				s.action, _ = parseAction(v)
			}
		})
		out = append(out, s)
	})
	return out
}

func parseAction(raw []byte) (a action, ok bool) {
	ok = eachField(raw, func(key string, v []byte) {
		switch key {
		case "tool":
			a.tool = text(v)
		case "answer":
			a.answer = text(v)
		case "arguments":
			a.arguments = v
		}
	})
	return a, ok
}

func parseTools(raw []byte) []*tool {
	var out []*tool
	eachItem(raw, func(v []byte) {
		t := &tool{}
		eachField(v, func(key string, v []byte) {
			switch key {
			case "toolkit":
				t.toolkit = text(v)
			case "name":
				t.name = text(v)
			case "description":
				t.description = text(v)
			case "parameters":
				t.parameters = v
			case "returns":
				t.returns = v
			case "exceptions":
				t.exceptions = v
			}
		})
		if t.name != "" {
			t.read()
			out = append(out, t)
		}
	})
	return out
}

// tool finds a tool by its full name; nil if the group has none of that name.
func (f *facts) tool(name string) *tool {
	for _, t := range f.tools {
		if t.name == name {
			return t
		}
	}
	return nil
}

// named finds the tool, or makes one out of its name alone, so that an action
// can be looked at even when the tools were not sent.
func (f *facts) named(name string) *tool {
	if t := f.tool(name); t != nil {
		return t
	}
	t := &tool{name: name}
	t.read()
	return t
}

// observed is everything that tools have answered so far.
func (f *facts) observed() string {
	var b strings.Builder
	for _, s := range f.trajectory {
		b.WriteString(s.observation)
		b.WriteByte('\n')
	}
	return b.String()
}
