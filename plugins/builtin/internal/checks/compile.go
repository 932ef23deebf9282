package checks

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/spec/ots"
)

// test is a condition, ready to be asked. run says whether it holds, and in few
// words what shows it.
type test struct {
	run   func(t *Transcript) (bool, string)
	state bool // it looks at the state of a computer
}

// builder makes tests of conditions and collects what is wrong with them.
type builder struct{ problems []Problem }

func (b *builder) add(at, format string, args ...any) {
	b.problems = append(b.problems, Problem{at, fmt.Sprintf(format, args...)})
}

// condition makes a test of a condition, which must have exactly one member.
func (b *builder) condition(at string, c Condition) test {
	var tests []test
	given := func(is bool, name string, build func(at string) test) {
		if is {
			tests = append(tests, build(at+"."+name))
		}
	}
	given(c.ToolCalled != nil, "tool_called", func(at string) test { return b.called(at, *c.ToolCalled, false) })
	given(c.ToolNotCalled != nil, "tool_not_called", func(at string) test { return b.called(at, *c.ToolNotCalled, true) })
	given(c.ToolOrder != nil, "tool_order", func(at string) test { return b.order(at, c.ToolOrder) })
	given(c.Answer != nil, "answer", func(at string) test { return b.answer(at, *c.Answer) })
	given(c.Observed != nil, "observed", func(at string) test { return b.observed(at, *c.Observed) })
	given(c.File != nil, "file", func(at string) test { return b.file(at, *c.File) })
	given(c.Files != nil, "files", func(at string) test { return b.files(at, *c.Files) })
	given(c.Process != nil, "process", func(at string) test { return b.process(at, *c.Process) })
	given(c.Unit != nil, "unit", func(at string) test { return b.unit(at, *c.Unit) })
	given(c.User != nil, "user", func(at string) test { return b.user(at, *c.User) })
	given(c.Network != nil, "network", func(at string) test { return b.network(at, *c.Network) })
	given(c.Mail != nil, "mail", func(at string) test { return b.mail(at, *c.Mail) })
	given(c.Any != nil, "any", func(at string) test { return b.several(at, c.Any, true) })
	given(c.All != nil, "all", func(at string) test { return b.several(at, c.All, false) })
	given(c.Not != nil, "not", func(at string) test {
		inner := b.condition(at, *c.Not)
		return test{func(t *Transcript) (bool, string) { ok, why := inner.run(t); return !ok, why }, inner.state}
	})
	if len(tests) != 1 {
		b.add(at, "needs exactly one condition, such as tool_called, answer or file; it has %d", len(tests))
		return test{run: func(*Transcript) (bool, string) { return false, "" }}
	}
	return tests[0]
}

// several holds where one, or all, of a list hold.
func (b *builder) several(at string, list []Condition, one bool) test {
	if len(list) == 0 {
		b.add(at, "needs at least one condition")
	}
	tests := make([]test, len(list))
	state := false
	for i, c := range list {
		tests[i] = b.condition(fmt.Sprintf("%s[%d]", at, i), c)
		state = state || tests[i].state
	}
	return test{state: state, run: func(t *Transcript) (bool, string) {
		var whys []string
		for _, inner := range tests {
			ok, why := inner.run(t)
			if ok == one {
				return one, why
			}
			whys = append(whys, why)
		}
		return !one, strings.Join(whys, "; ")
	}}
}

// call makes a test of one step.
func (b *builder) call(at string, c Call) func(ots.Action) bool {
	if c.Tool == "" {
		b.add(at+".tool", "is missing")
	}
	type argument struct {
		path      jsonPath
		predicate func(value any, there bool) bool
	}
	var arguments []argument
	for name, p := range c.Arguments {
		where := at + ".arguments[" + quote(name) + "]"
		steps, err := parsePath(name)
		if err != nil {
			b.add(where, "%s", err)
			continue
		}
		arguments = append(arguments, argument{steps, b.predicate(where, p)})
	}
	return func(a ots.Action) bool {
		if a.Tool == "" || !wildcard(c.Tool, a.Tool) {
			return false
		}
		if len(arguments) == 0 {
			return true
		}
		value, ok := decode(a.Arguments)
		if !ok {
			return false
		}
		return !slices.ContainsFunc(arguments, func(arg argument) bool { return !arg.path.holds(value, arg.predicate) })
	}
}

func (b *builder) called(at string, c Call, not bool) test {
	matches := b.call(at, c)
	if not && c.Times != nil {
		b.add(at+".times", "says nothing here; use tool_called")
	}
	return test{run: func(t *Transcript) (bool, string) {
		count, first := 0, -1
		for i, s := range t.Steps {
			if matches(s.Action) {
				if count++; first < 0 {
					first = i
				}
			}
		}
		why := "no such call of " + c.Tool
		if count > 0 {
			why = fmt.Sprintf("step %d: %s", first+1, ShowAction(t.Steps[first].Action))
		}
		if c.Times != nil {
			return count == *c.Times, fmt.Sprintf("%d such calls of %s", count, c.Tool)
		}
		return (count > 0) != not, why
	}}
}

func (b *builder) order(at string, list []Call) test {
	if len(list) < 2 {
		b.add(at, "needs at least two calls")
	}
	matches := make([]func(ots.Action) bool, len(list))
	for i, c := range list {
		where := fmt.Sprintf("%s[%d]", at, i)
		if c.Times != nil {
			b.add(where+".times", "says nothing in an order")
		}
		matches[i] = b.call(where, c)
	}
	return test{run: func(t *Transcript) (bool, string) {
		next := 0
		for _, s := range t.Steps {
			if next < len(matches) && matches[next](s.Action) {
				next++
			}
		}
		return next == len(matches), fmt.Sprintf("%d of %d calls in order", next, len(matches))
	}}
}

// text makes a test of a text that is there.
func (b *builder) text(at string, x Text) func(string) bool {
	find := b.find(at, x.Contains, x.Matches, x.IgnoreCase)
	if x.Absent && (x.Contains != nil || x.Matches != nil) {
		b.add(at, "absent stands alone")
	}
	return find
}

func (b *builder) answer(at string, x Text) test {
	holds := b.text(at, x)
	return test{run: func(t *Transcript) (bool, string) {
		if t.Answer == "" || x.Absent {
			return x.Absent && t.Answer == "", map[bool]string{true: "no answer", false: "there is an answer"}[t.Answer == ""]
		}
		return holds(t.Answer), "answer: " + clip(t.Answer)
	}}
}

func (b *builder) observed(at string, x Text) test {
	holds := b.text(at, x)
	if x.Absent {
		b.add(at+".absent", "says nothing here; use not")
	}
	return test{run: func(t *Transcript) (bool, string) {
		for _, steps := range [][]ots.Step{t.Prefix, t.Steps} {
			for i, s := range steps {
				if s.Observation != "" && holds(s.Observation) {
					return true, fmt.Sprintf("after %s (%d)", ShowAction(s.Action), i+1)
				}
			}
		}
		return false, "not observed"
	}}
}

// find makes a test of a text that contains and matches what is given.
func (b *builder) find(at string, contains, matches *string, ignoreCase bool) func(string) bool {
	var re *regexp.Regexp
	if matches != nil {
		re = b.regexp(at+".matches", *matches, ignoreCase)
	}
	if contains != nil && *contains == "" {
		b.add(at+".contains", "is empty, which every text contains")
	}
	return func(s string) bool {
		if re != nil && !re.MatchString(s) {
			return false
		}
		if contains == nil {
			return true
		}
		if ignoreCase {
			return strings.Contains(strings.ToLower(s), strings.ToLower(*contains))
		}
		return strings.Contains(s, *contains)
	}
}

// maxPattern bounds a regular expression.
const maxPattern = 2000

func (b *builder) regexp(at, pattern string, ignoreCase bool) *regexp.Regexp {
	if len(pattern) > maxPattern {
		b.add(at, "is longer than %d bytes", maxPattern)
		return nil
	}
	if ignoreCase {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		b.add(at, "is no regular expression: %s", clip(err.Error()))
		return nil
	}
	if pattern == "" || pattern == "(?i)" {
		b.add(at, "is empty, which every text matches")
	}
	return re
}

// octal reads permission bits.
func (b *builder) octal(at string, s *string) uint32 {
	if s == nil {
		return 0
	}
	n, err := strconv.ParseUint(*s, 8, 12)
	if err != nil || len(*s) < 3 || len(*s) > 4 {
		b.add(at, "%s is no mode; write three or four octal digits: 600, 0755", quote(*s))
	}
	return uint32(n)
}

// absolute checks that a path is one that can be looked up.
func (b *builder) absolute(at, p string) string {
	switch {
	case p == "":
		b.add(at, "is missing")
	case !strings.HasPrefix(p, "/"):
		b.add(at, "%s must be absolute: it begins with /", quote(p))
	}
	return clean(p)
}

func clean(p string) string { return path.Clean("/" + p) }

// wildcard matches text with a pattern in which * stands for any characters.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}
