package jsonschema

import (
	"fmt"
	"slices"
	"strings"
)

// place applies the schemas that are about the same value.
func (r *run) place(rules *placeRules, v any, seen *seen) bool {
	ok := true
	for _, n := range rules.all {
		if !r.goOn(ok) {
			return false
		}
		ok = r.check(n, v, seen) && ok
	}
	if len(rules.any) > 0 && r.goOn(ok) {
		ok = r.forms(rules.any, v, seen, false) && ok
	}
	if len(rules.one) > 0 && r.goOn(ok) {
		ok = r.forms(rules.one, v, seen, true) && ok
	}
	if rules.not != nil && r.goOn(ok) && r.quietly(rules.not, v, nil) && r.stopped == "" {
		ok = r.fail("must not fit %s", shown{rules.not.raw})
	}
	if rules.when != nil && r.goOn(ok) {
		then := rules.otherwise
		if r.apart(rules.when, v, seen) {
			then = rules.then
		}
		if then != nil && r.goOn(ok) {
			ok = r.check(then, v, seen) && ok
		}
	}
	return ok && r.stopped == ""
}

// apart tries a schema that need not fit: what it is about counts as seen only
// if it does.
func (r *run) apart(n *node, v any, outer *seen) bool {
	if outer == nil {
		return r.quietly(n, v, nil)
	}
	inner := &seen{}
	ok := r.quietly(n, v, inner)
	if ok {
		outer.add(inner)
	}
	return ok
}

// forms checks that a value fits one of several schemas; exactly: no more than
// one.
func (r *run) forms(nodes []*node, v any, seen *seen, exactly bool) bool {
	fits, second := -1, -1
	for i, n := range nodes {
		if !r.apart(n, v, seen) {
			continue
		}
		if fits >= 0 {
			second = i
			break
		}
		fits = i
		if !exactly && seen == nil {
			break
		}
		if !exactly {
			// What the others are about counts too.
			for _, n := range nodes[i+1:] {
				r.apart(n, v, seen)
			}
			break
		}
	}
	switch {
	case r.stopped != "":
		return false
	case second >= 0:
		return r.fail("must fit only one of the allowed forms, and fits both form %d and form %d", fits+1, second+1)
	case fits < 0 && r.out != nil:
		r.noForm(nodes, v)
	}
	return fits >= 0
}

// form is what a value lacks to fit one of several schemas.
type form struct {
	number int
	report
}

// flawsOf finds out what a value lacks to fit a schema.
func (r *run) flawsOf(n *node, v any) report {
	const most = 8
	out := r.out
	r.out = &report{most: most}
	r.check(n, v, nil)
	found := *r.out
	r.out = out
	return found
}

// noForm tells why a value fits none of several schemas: as if there were only
// one, if the value is clearly meant to be of that form.
func (r *run) noForm(nodes []*node, v any) {
	forms := make([]form, len(nodes))
	for i, n := range nodes {
		forms[i] = form{i + 1, r.flawsOf(n, v)}
	}
	if r.stopped != "" {
		return
	}
	depth := len(r.path)
	close := slices.DeleteFunc(slices.Clone(forms), func(f form) bool { return f.ofOtherType(depth) })
	if len(close) == 0 {
		var all types
		for _, f := range forms {
			all |= f.flaws[0].types
		}
		r.wrongType(all, v)
		return
	}
	if f, ok := sameValue(close); ok {
		r.out.take(f)
		return
	}
	if rest := slices.DeleteFunc(slices.Clone(close), func(f form) bool { return f.ofOtherKind(depth) }); len(rest) > 0 {
		close = rest
	}
	if len(close) == 1 {
		for _, f := range close[0].flaws {
			r.out.take(f)
		}
		return
	}
	base := len(pathText(r.path))
	var text strings.Builder
	for i, f := range close[:min(len(close), 4)] {
		lines := f.texts(base)
		fmt.Fprintf(&text, "; to fit form %d: %s", f.number, strings.Join(lines[:min(len(lines), 3)], ", "))
		if i == 3 && len(close) > 4 {
			text.WriteString("; …")
		}
	}
	r.fail("fits none of the %d allowed forms%s", len(nodes), text.String())
}

func (p *report) take(f flaw) {
	if len(p.flaws) < p.most {
		p.flaws = append(p.flaws, f)
	}
}

// texts are the flaws in words, with their paths from base on.
func (p *report) texts(base int) []string {
	lines := make([]string, len(p.flaws))
	for i, f := range p.flaws {
		path := strings.TrimPrefix(f.Path[min(base, len(f.Path)):], ".")
		lines[i] = Problem{path, f.Message}.String()
	}
	return lines
}

// ofOtherType says whether the value has the wrong type for the form.
func (f form) ofOtherType(depth int) bool {
	return len(f.flaws) > 0 && f.flaws[0].types != 0 && f.flaws[0].depth == depth
}

// ofOtherKind says whether a property that tells forms apart, or the value
// itself, has another form's value.
func (f form) ofOtherKind(depth int) bool {
	return slices.ContainsFunc(f.flaws, func(f flaw) bool { return f.wanted != nil && f.depth <= depth+1 })
}

// sameValue joins forms that all ask for other values at the same place.
func sameValue(forms []form) (flaw, bool) {
	var wanted []any
	var at flaw
	for i, f := range forms {
		j := slices.IndexFunc(f.flaws, func(f flaw) bool { return f.wanted != nil && (i == 0 || f.Path == at.Path) })
		if j < 0 {
			return flaw{}, false
		}
		at = f.flaws[j]
		wanted = append(wanted, at.wanted...)
	}
	at.wanted, at.Message = wanted, wantedText(wanted, at.got)
	return at, true
}
