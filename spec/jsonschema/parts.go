package jsonschema

import (
	"slices"
	"strings"
)

// seen are the parts of one value that schemas were about.
type seen struct {
	allNames, allItems bool
	names              map[string]bool
	first              int // so many elements from the first on
	items              map[int]bool
}

func (s *seen) name(name string) {
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[name] = true
}

func (s *seen) item(i int) {
	if s.items == nil {
		s.items = map[int]bool{}
	}
	s.items[i] = true
}

func (s *seen) add(other *seen) {
	s.allNames = s.allNames || other.allNames
	s.allItems = s.allItems || other.allItems
	s.first = max(s.first, other.first)
	for name := range other.names {
		s.name(name)
	}
	for i := range other.items {
		s.item(i)
	}
}

func (r *run) list(n *node, v []any, seen *seen) bool {
	rules := n.lists
	ok := r.count(rules.counts, len(v), "element")
	if rules.unique && len(v) > 1 && r.goOn(ok) {
		ok = r.unique(v) && ok
	}
	for i, e := range v[:min(len(v), len(rules.first))] {
		if !r.goOn(ok) {
			return false
		}
		ok = r.inside(rules.first[i], e, step{index: i}) && ok
	}
	if rules.rest != nil {
		for i := len(rules.first); i < len(v); i++ {
			if !r.goOn(ok) {
				return false
			}
			ok = r.inside(rules.rest, v[i], step{index: i}) && ok
		}
	}
	if seen != nil {
		seen.first = max(seen.first, min(len(v), len(rules.first)))
		seen.allItems = seen.allItems || rules.rest != nil
	}
	if rules.contains != nil && r.goOn(ok) {
		ok = r.contains(n, v, seen) && ok
	}
	return ok
}

func (r *run) unique(v []any) bool {
	size := 0
	for _, e := range v {
		size += weight(e)
	}
	if !r.spend(size / 8) {
		return false
	}
	if i, j := twice(v); i >= 0 {
		return r.fail("must not have equal elements; [%d] and [%d] are", i, j)
	}
	return true
}

// weight is how much text a value is, roughly.
func weight(v any) int {
	n := 8
	switch v := v.(type) {
	case string:
		n += len(v)
	case []any:
		for _, e := range v {
			n += weight(e)
		}
	case map[string]any:
		for name, e := range v {
			n += len(name) + weight(e)
		}
	}
	return n
}

func (r *run) contains(n *node, v []any, seen *seen) bool {
	rules, found := n.lists, 0
	for i, e := range v {
		if !r.quietly(rules.contains, e, nil) {
			continue
		}
		found++
		if seen != nil && n.res.draft >= draft2020 {
			seen.item(i)
		}
	}
	if r.stopped != "" {
		return false
	}
	switch c := rules.found; {
	case found < c.least && c.least == 1:
		return r.fail("must have an element that fits %s", shown{rules.contains.raw})
	case found < c.least:
		return r.fail("must have at least %d elements that fit %s, not %d", c.least, shown{rules.contains.raw}, found)
	case c.most >= 0 && found > c.most:
		return r.fail("must have at most %d elements that fit %s, not %d", c.most, shown{rules.contains.raw}, found)
	}
	return true
}

func (r *run) object(rules *objectRules, v map[string]any, seen *seen) bool {
	if !r.spend(len(rules.names) + len(rules.required)) {
		return false
	}
	ok := r.count(rules.counts, len(v), "property")
	for _, name := range rules.required {
		if _, there := v[name]; !there {
			ok = r.failAt(name, "is required")
		}
	}
	for _, d := range rules.needs {
		if _, there := v[d.name]; there && r.goOn(ok) {
			ok = r.need(d, v, seen) && ok
		}
	}
	if !r.goOn(ok) {
		return false
	}
	known := 0
	for i, name := range rules.names {
		e, there := v[name]
		if !there {
			continue
		}
		known++
		if seen != nil {
			seen.name(name)
		}
		if ok = r.inside(rules.properties[i], e, step{name, -1}) && ok; !r.goOn(ok) {
			return false
		}
	}
	if known < len(v) || len(rules.patterns) > 0 {
		ok = r.others(rules, v, seen) && ok
	}
	if rules.propNames != nil && r.goOn(ok) {
		ok = r.propNames(rules.propNames, v) && ok
	}
	return ok
}

// need checks what the presence of a property asks for.
func (r *run) need(d dependency, v map[string]any, seen *seen) bool {
	ok := true
	for _, name := range d.names {
		if _, there := v[name]; !there {
			ok = r.failAt(name, "is required beside %s", nameText(d.name))
		}
	}
	if d.node != nil {
		ok = r.check(d.node, v, seen) && ok
	}
	return ok
}

// others checks the properties by patterns, and those that nothing else is
// about.
func (r *run) others(rules *objectRules, v map[string]any, seen *seen) bool {
	rest := rules.additional
	if seen != nil && rest != nil {
		seen.allNames = true
	}
	if len(rules.patterns) == 0 {
		if rest == nil || rest.always == accepts {
			return true
		}
		if rest.always == refuses && r.out == nil {
			return false
		}
	}
	if !r.spend(len(v) * (1 + len(rules.patterns))) {
		return false
	}
	ok, told := true, false
	for _, name := range sortedNames(v) {
		if !r.goOn(ok) {
			return false
		}
		_, known := slices.BinarySearch(rules.names, name)
		for _, p := range rules.patterns {
			if !p.pattern.MatchString(name) {
				continue
			}
			known = true
			if seen != nil {
				seen.name(name)
			}
			ok = r.inside(p.node, v[name], step{name, -1}) && ok
		}
		switch {
		case known || rest == nil:
		case rest.always == refuses && !told && len(rules.names) > 0:
			told = true
			ok = r.failAt(name, "is not a known property; those are %s", namesText(rules.names))
		case rest.always == refuses:
			ok = r.failAt(name, "is not a known property")
		default:
			ok = r.inside(rest, v[name], step{name, -1}) && ok
		}
	}
	return ok
}

// namesText lists names, of many only the first.
func namesText(names []string) string {
	const most = 20
	shown := make([]string, 0, most+1)
	for _, name := range names[:min(len(names), most)] {
		shown = append(shown, nameText(name))
	}
	if len(names) > most {
		shown = append(shown, "…")
	}
	return strings.Join(shown, ", ")
}

func (r *run) propNames(n *node, v map[string]any) bool {
	ok := true
	for _, name := range sortedNames(v) {
		if !r.goOn(ok) {
			return false
		}
		if r.quietly(n, name, nil) {
			continue
		}
		ok = false
		if r.out != nil {
			why := r.flawsOf(n, name)
			r.failAt(name, "is not a name that is allowed: it %s", strings.Join(why.texts(0), "; it "))
		}
	}
	return ok
}

// unevaluated checks the parts of a value that no other schema was about.
func (r *run) unevaluated(n *node, v any, seen *seen) bool {
	ok := true
	switch v := v.(type) {
	case []any:
		if n.lists == nil || n.lists.unevaluated == nil || seen.allItems {
			break
		}
		for i := seen.first; i < len(v); i++ {
			if !seen.items[i] && r.goOn(ok) {
				ok = r.inside(n.lists.unevaluated, v[i], step{index: i}) && ok
			}
		}
		seen.allItems = true
	case map[string]any:
		if n.objects == nil || n.objects.unevaluated == nil || seen.allNames {
			break
		}
		for _, name := range sortedNames(v) {
			if !seen.names[name] && r.goOn(ok) {
				ok = r.leftOver(n.objects.unevaluated, v[name], name) && ok
			}
		}
		seen.allNames = true
	}
	return ok
}

func (r *run) leftOver(n *node, v any, name string) bool {
	if n.always == refuses {
		return r.failAt(name, "is not a known property")
	}
	return r.inside(n, v, step{name, -1})
}

// sortedNames are the names of an object in order.
func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
