package jsonschema

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds on the work that one value may make, and on what is said of it.
const (
	maxProblems = 100
	maxSteps    = 5_000_000
	maxDepth    = 50_000
)

// run is the check of one value.
type run struct {
	steps, depth int
	stopped      string // why the check was given up
	// path leads to the value that is looked at.
	path []step
	// out takes what is wrong; nil: only the verdict counts, and the first
	// fault ends the check.
	out *report
	// scope are the resources that the check is in, the outermost first.
	dynamic bool
	scope   []*resource
}

type report struct {
	flaws []flaw
	most  int
}

// flaw is a problem, and what is to be known to join it with those of other
// schemas of which one must fit.
type flaw struct {
	Problem
	depth  int   // of the value in the whole
	types  types // the type is wrong; these are right
	wanted []any // the value, which is got, is wrong; these are right
	got    any
}

// check says whether a value fits. If seen is not nil, it takes note of the
// parts of the value that a schema is about.
func (r *run) check(n *node, v any, seen *seen) bool {
	switch {
	case r.stopped != "":
		return false
	case n.always != depends:
		return n.always == accepts || r.fail("is not allowed")
	case r.depth >= maxDepth:
		return r.stop("is nested too deeply to be checked")
	case !r.spend(1):
		return false
	}
	r.depth++
	scope := len(r.scope)
	if r.dynamic && (scope == 0 || r.scope[scope-1] != n.res) {
		r.scope = append(r.scope, n.res)
	}
	ok := r.rules(n, v, seen)
	r.scope = r.scope[:scope]
	r.depth--
	return ok
}

// spend takes steps from the budget; false: there are no more.
func (r *run) spend(steps int) bool {
	r.steps -= steps
	return r.steps >= 0 || r.stop("takes too long to check")
}

func (r *run) stop(why string) bool {
	if r.stopped == "" {
		r.stopped = why
	}
	return false
}

// goOn says whether to look on after a part of a check: not once it is clear
// that the value does not fit, and nobody asks why.
func (r *run) goOn(ok bool) bool { return (ok || r.out != nil) && r.stopped == "" }

// quietly checks without telling what is wrong.
func (r *run) quietly(n *node, v any, seen *seen) bool {
	out := r.out
	r.out = nil
	ok := r.check(n, v, seen)
	r.out = out
	return ok
}

// inside checks a part of the value.
func (r *run) inside(n *node, v any, at step) bool {
	r.path = append(r.path, at)
	ok := r.check(n, v, nil)
	r.path = r.path[:len(r.path)-1]
	return ok
}

// fail notes what is wrong with the value that is looked at. It gives false.
func (r *run) fail(format string, args ...any) bool {
	if r.out != nil {
		r.note(flaw{}, format, args...)
	}
	return false
}

// failAt is fail for a part of the value.
func (r *run) failAt(name, format string, args ...any) bool {
	if r.out != nil {
		r.path = append(r.path, step{name, -1})
		r.note(flaw{}, format, args...)
		r.path = r.path[:len(r.path)-1]
	}
	return false
}

func (r *run) note(f flaw, format string, args ...any) {
	if r.out == nil || len(r.out.flaws) >= r.out.most || r.stopped != "" {
		return
	}
	f.depth = len(r.path)
	f.Problem = Problem{pathText(r.path), fmt.Sprintf(format, args...)}
	r.out.flaws = append(r.out.flaws, f)
}

// rules applies a schema. What is unevaluated is known when all else is.
func (r *run) rules(n *node, v any, outer *seen) bool {
	if n.values != nil && !r.values(n.values, v) {
		return false
	}
	if n.types != 0 && !n.types.has(v) {
		r.wrongType(n.types, v)
		return false
	}
	inner := outer
	if n.lists != nil && n.lists.unevaluated != nil || n.objects != nil && n.objects.unevaluated != nil {
		inner = &seen{}
	}
	ok := true
	switch v := v.(type) {
	case json.Number:
		ok = n.numbers == nil || r.number(n.numbers, v)
	case string:
		ok = n.texts == nil || r.text(n.texts, v)
	case []any:
		ok = n.lists == nil || r.list(n, v, inner)
	case map[string]any:
		ok = n.objects == nil || r.object(n.objects, v, inner)
	}
	if n.ref != nil && r.goOn(ok) {
		ok = r.check(n.ref, v, inner) && ok
	}
	if n.dyn != nil && r.goOn(ok) {
		ok = r.check(r.lead(n.dyn), v, inner) && ok
	}
	if n.place != nil && r.goOn(ok) {
		ok = r.place(n.place, v, inner) && ok
	}
	if inner != outer && ok {
		// Not if something else is wrong: what the schemas that do not fit were
		// about would be told to be nobody's.
		ok = r.unevaluated(n, v, inner)
		if outer != nil {
			outer.add(inner)
		}
	}
	return ok
}

// lead finds where a reference leads that depends on the way to it: the
// outermost resource with such an anchor counts.
func (r *run) lead(d *dynamicRef) *node {
	if !d.moves() {
		return d.target
	}
	for _, res := range r.scope {
		if d.recursive && res.recursive {
			return res.root
		}
		if to := res.moving[d.anchor]; to != nil && !d.recursive {
			return to
		}
	}
	return d.target
}

func (r *run) wrongType(want types, v any) {
	if r.out == nil {
		return
	}
	got := TypeName(v)
	if num, ok := v.(json.Number); ok && want&typeInteger != 0 {
		got = cut(string(num), longestValue)
	}
	r.note(flaw{types: want}, "must be %s, not %s", want, got)
}

func (r *run) values(rules *valueRules, v any) bool {
	if !r.spend(rules.cost / 2) {
		return false
	}
	ok := !rules.hasConst || Equal(rules.constant, v)
	if !ok {
		r.wrongValue([]any{rules.constant}, v)
	}
	if !rules.hasEnum || !r.goOn(ok) {
		return ok
	}
	for _, e := range rules.enum {
		if Equal(e, v) {
			return ok
		}
	}
	r.wrongValue(rules.enum, v)
	return false
}

func (r *run) wrongValue(want []any, v any) {
	if r.out == nil {
		return
	}
	r.note(flaw{wanted: want, got: v}, "%s", wantedText(want, v))
}

func wantedText(want []any, got any) string {
	if len(want) == 1 {
		return fmt.Sprintf("must be %s, not %s", shown{want[0]}, shown{got})
	}
	return fmt.Sprintf("must be one of %s, not %s", shown{want}, shown{got})
}

func (r *run) number(rules *numberRules, v json.Number) bool {
	d, ok := parseNumber(string(v))
	if !ok {
		return r.fail("is not a number")
	}
	if b := rules.low; b != nil {
		if c := d.compare(b.decimal); c < 0 {
			ok = r.fail("must be at least %s", b.text)
		} else if c == 0 && rules.notLow {
			ok = r.fail("must be more than %s", b.text)
		}
	}
	if b := rules.above; b != nil && d.compare(b.decimal) <= 0 {
		ok = r.fail("must be more than %s", b.text)
	}
	if b := rules.high; b != nil {
		if c := d.compare(b.decimal); c > 0 {
			ok = r.fail("must be at most %s", b.text)
		} else if c == 0 && rules.notHigh {
			ok = r.fail("must be less than %s", b.text)
		}
	}
	if b := rules.below; b != nil && d.compare(b.decimal) >= 0 {
		ok = r.fail("must be less than %s", b.text)
	}
	if b := rules.step; b != nil && r.goOn(ok) {
		if !r.spend(len(d.digits) / 8) {
			return false
		}
		if !d.multipleOf(b.decimal) {
			ok = r.fail("must be a multiple of %s", b.text)
		}
	}
	return ok
}

func (r *run) text(rules *textRules, v string) bool {
	if !r.spend(len(v) / 16) {
		return false
	}
	ok := true
	if c := rules.length; c.least > 0 || c.most >= 0 {
		ok = r.count(c, utf8.RuneCountInString(v), "character")
	}
	if rules.pattern != nil && r.goOn(ok) && !rules.pattern.MatchString(v) {
		ok = r.fail("must match the pattern %s", cut(rules.pattern.String(), longestValue))
	}
	return ok
}

// count checks how many there are of something.
func (r *run) count(c counts, n int, what string) bool {
	many := func(n int) string {
		switch {
		case n == 1:
			return what
		case strings.HasSuffix(what, "y"):
			return strings.TrimSuffix(what, "y") + "ies"
		}
		return what + "s"
	}
	switch {
	case n < c.least:
		return r.fail("must have at least %d %s, not %d", c.least, many(c.least), n)
	case c.most >= 0 && n > c.most:
		return r.fail("must have at most %d %s, not %d", c.most, many(c.most), n)
	}
	return true
}
