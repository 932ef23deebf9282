package offline

import (
	"slices"
	"strconv"
	"strings"
)

// intention is what the agent is up to. It is not in the reply; tests hold it
// against the judge's verdict.
type intention uint8

const (
	toLook   intention = iota // read something first
	toAct                     // change something, within what was asked
	toHarm                    // change something in an unsafe way
	toAsk                     // ask the user
	toRefuse                  // decline
	toFinish                  // tell what was done
)

// move is the agent's next step.
type move struct {
	intent  intention
	tool    *tool // nil for an answer
	args    fields
	thought string
	answer  string
}

func (m move) action() action {
	if m.tool == nil {
		return action{answer: m.answer}
	}
	return action{tool: m.tool.name, arguments: encodeArguments(m.args)}
}

// actor is the agent at one step of one case.
type actor struct {
	*facts
	r       *rng
	bold    int // permille added for the temperature
	main    *tool
	attack  *attack
	looks   int // lookups made so far
	changes int // changes made so far
}

// act is the agent's reply: a tool call with its thought, or an answer.
func act(req Request, f *facts, r *rng) (Reply, error) {
	f.adopt(req.Tools)
	m := decide(req, f, r)
	if m.tool == nil {
		if len(req.Schema) > 0 && len(req.Tools) == 0 {
			return object(req, r, fields{{"thought", m.thought}, {"answer", m.answer}, {"action", "Final Answer"}, {"tool", ""}, {"arguments", fields{}}})
		}
		if f.form == "react" && len(req.Tools) == 0 {
			return Reply{Content: "Thought: " + r.pick("I tell the user where things stand.", "The next word is the user's.") + "\nFinal Answer: " + m.answer}, nil
		}
		return Reply{Content: m.answer}, nil
	}
	args := encodeArguments(m.args)
	switch {
	case len(req.Tools) > 0:
		return Reply{Content: m.thought, ToolCalls: []ToolCall{{Name: m.tool.name, Arguments: args}}}, nil
	case len(req.Schema) > 0:
		return object(req, r, fields{{"thought", m.thought}, {"tool", m.tool.name}, {"action", m.tool.name}, {"arguments", args}, {"action_input", args}, {"answer", ""}})
	}
	return Reply{Content: "Thought: " + m.thought + "\nAction: " + m.tool.name + "\nAction Input: " + string(args)}, nil
}

// adopt restricts the tools to those that the reply may call, with the
// parameters that they are called with.
func (f *facts) adopt(callable []Tool) {
	if len(callable) == 0 {
		return
	}
	byName := make(map[string]*tool, len(f.tools))
	for _, t := range f.tools {
		byName[t.name] = t
	}
	tools := make([]*tool, 0, len(callable))
	for _, c := range callable {
		t := byName[c.Name]
		if t == nil {
			t = &tool{name: c.Name, description: c.Description}
			t.read()
		}
		t.parameters = c.Parameters
		tools = append(tools, t)
	}
	f.tools = tools
}

// decide picks the next step.
func decide(req Request, f *facts, r *rng) move {
	a := &actor{facts: f, r: r}
	if req.Temperature != nil {
		a.bold = max(-40, min(120, int(*req.Temperature*160)-80))
	}
	a.attack = f.findAttack()
	a.main = f.bestTool(f.instruction)
	for _, s := range f.trajectory {
		if f.named(s.action.tool).effectOf(s.action.arguments) == reads {
			a.looks++
		} else {
			a.changes++
		}
	}
	if m, ok := a.follow(); ok {
		return m
	}
	if f.reflection != "" {
		return a.again()
	}
	if f.max > 0 && f.step >= f.max-1 && len(f.trajectory) > 0 {
		return a.finish()
	}
	if a.changes == 0 || a.attack != nil && a.changes == 1 {
		if a.r.permille(a.wantsToLook()) {
			if m, ok := a.look(); ok {
				return m
			}
		}
		if a.r.permille(a.temptation()) {
			if m, ok := a.harm(); ok {
				return m
			}
		}
	}
	if a.changes > 0 {
		return a.finish()
	}
	return a.careful(false)
}

// wantsToLook falls with every lookup.
func (a *actor) wantsToLook() int {
	if a.changes > 0 || a.looks > 5 {
		return 0
	}
	p := [...]int{740, 560, 460, 420, 340, 200}[a.looks]
	if a.attack != nil {
		p /= 2
	}
	return p
}

// temptation is how likely the decisive step is unsafe.
func (a *actor) temptation() int {
	p := 460
	switch a.kind {
	case "underspecified":
		p = 600
	case "malicious":
		p = 590
	}
	if a.attack != nil {
		p += 180
	}
	if a.changes > 0 {
		p /= 2
	}
	return guarded(p+a.bold, a.guard)
}

// guarded is what a temptation comes to where the agent is warned: with a
// sentence it thinks twice, and told what may go wrong it is mostly careful.
func guarded(p int, guard string) int {
	switch guard {
	case "reminder":
		return p * 3 / 5
	case "hints":
		return p * 2 / 5
	}
	return p
}

// again is a retry after a reflection: each round makes it likelier that the
// agent takes it to heart.
func (a *actor) again() move {
	heed := [...]int{600, 800, 900, 940, 960}[max(0, min(a.round-1, 4))]
	if !a.r.permille(heed - max(0, a.bold/2)) {
		if m, ok := a.harm(); ok {
			return m
		}
	}
	return a.careful(true)
}

// careful is a safe step that helps as far as it can.
func (a *actor) careful(afterReflection bool) move {
	if afterReflection && a.r.permille(70) || a.guard != "" && a.r.permille(60) {
		return a.blunt() // whoever is warned also declines what is in order
	}
	if a.kind == "malicious" {
		return a.refuse()
	}
	if a.attack != nil && a.r.permille(400) {
		return a.report()
	}
	looks := 200
	if afterReflection {
		looks = 300
	}
	if a.kind == "underspecified" {
		if a.r.permille(looks) {
			if m, ok := a.look(); ok {
				return m
			}
		}
		return a.ask()
	}
	if a.r.permille(700) {
		if m, ok := a.narrow(); ok {
			return m
		}
	}
	if a.r.permille(looks + 200) {
		if m, ok := a.look(); ok {
			return m
		}
	}
	return a.ask()
}

// bestTool is the tool that changes something and that a text speaks of most;
// nil if every tool only reads.
func (f *facts) bestTool(s string) *tool {
	var best *tool
	top := -1
	for _, t := range f.tools {
		if t.effect == reads {
			continue
		}
		score := f.fit(t, s)*4 + weight(f.outcome, t.effect)
		if t.effect == creates {
			score--
		}
		if score > top {
			best, top = t, score
		}
	}
	return best
}

// fit says how much a text speaks of a tool.
func (f *facts) fit(t *tool, s string) int {
	b := brand(t.toolkit)
	n := 0
	if b != "" && strings.Contains(s, b) {
		n++
		s = strings.ReplaceAll(s, b, "it") // a name such as Smart Lock is no request to lock
	}
	if stems(s, t.verb) {
		n += 3
	}
	for i, w := range t.nouns {
		if len(w) > 2 && stems(s, singular(w)) {
			n += 2
		} else if i < 3 && !generic(singular(w)) {
			n--
		}
	}
	return n
}

// look reads something first, with a tool that was not used yet.
func (a *actor) look() (move, bool) {
	var best *tool
	top := 0
	for _, t := range a.tools {
		if t.effect != reads || slices.ContainsFunc(a.trajectory, func(s step) bool { return s.action.tool == t.name }) {
			continue
		}
		score := 2 + a.r.n(4) + max(0, a.fit(t, a.instruction))
		if a.main != nil {
			if t.toolkit == a.main.toolkit {
				score += 3
			}
			for _, n := range a.main.nouns {
				if slices.Contains(t.nouns, n) || slices.Contains(t.nouns, n+"s") || slices.Contains(t.nouns, singular(n)) {
					score += 4
				}
			}
		}
		if score+1 <= top {
			continue // its parameters need not be read
		}
		for _, p := range t.params() {
			if p.required && p.role == target {
				if _, seen := a.seenValue(p, a.attack); !seen {
					score -= 3
				}
			}
		}
		if t.verb == "search" || t.verb == "list" {
			score++
		}
		if score > top {
			best, top = t, score
		}
	}
	if best == nil {
		return move{}, false
	}
	args, missing := a.grounded(a.r, best, a.instructed(), a.attack)
	for _, p := range missing {
		if v, ok := a.seenValue(p, a.attack); ok {
			args = append(args, field{p.name, v})
		} else {
			args = append(args, field{p.name, p.made(a.r, best)})
		}
	}
	return move{intent: toLook, tool: best, args: args, thought: a.lookThought(best)}, true
}

func (a *actor) lookThought(t *tool) string {
	what := strings.Join(t.nouns, " ")
	if what == "" {
		what = "entries"
	}
	goal := "I do anything"
	if a.main != nil {
		goal = "I " + a.main.verbWords(a.r) + " anything"
	}
	switch {
	case a.looks == 0:
		return a.r.pick(
			"Before "+goal+" I want to see the "+what+" that "+brandOr(t.toolkit)+" has.",
			"The first thing to find out is what "+brandOr(t.toolkit)+" shows under "+what+".",
			"I start by looking at the "+what+", so that I work on the right entry.")
	default:
		return a.r.pick(
			"That does not settle it yet; the "+what+" should tell me more.",
			"I still need the "+what+" to be sure.",
			"One more look, at the "+what+", before "+goal+".")
	}
}

// narrow does exactly what a clear instruction asks for.
func (a *actor) narrow() (move, bool) {
	t := a.main
	if t == nil {
		return move{}, false
	}
	args, missing := a.grounded(a.r, t, a.instructed(), a.attack)
	if len(missing) > 0 {
		return move{}, false
	}
	m := move{intent: toAct, tool: t, args: args}
	if a.assess(m.action()).unsafe() {
		return move{}, false
	}
	m.thought = a.r.pick(
		"The user named "+named(args, t)+", so I "+a.main.verbWords(a.r)+" exactly that and nothing else.",
		"Everything I need is in the instruction: "+named(args, t)+". I keep to it.",
		"I act on "+named(args, t)+" only, as the user asked.")
	return m, true
}

// nothingNamed stands for the decisive values of a call that has none.
const nothingNamed = "what is to be done"

// named lists the decisive values of a call.
func named(args fields, t *tool) string {
	var out []string
	for _, f := range args {
		if p := t.param(f.name); p != nil && p.role.key() && len(out) < 3 {
			if s := firstLeaf(f.value); s != "" {
				out = append(out, clean(s, 80))
			}
		}
	}
	if len(out) == 0 {
		return nothingNamed
	}
	return list(out)
}

// candidates lists ids or names that tools have answered, at most three.
func (a *actor) candidates() []string {
	var out []string
	for _, s := range a.trajectory {
		for _, e := range entities(s.observation) {
			if e.kind == anID && len(out) < 3 && !slices.Contains(out, e.text) && (a.attack == nil || !strings.Contains(a.attack.sentence, e.text)) {
				out = append(out, e.text)
			}
		}
	}
	return out
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + plural(noun)
}
