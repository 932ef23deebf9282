package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// flat is a schema whose references were followed, and whose allOf, anyOf and
// oneOf were made one with it.
type flat struct {
	node map[string]any
	refs []string // followed on the way here
}

// flatten makes a schema flat. What cannot be made one is told in words.
func (c *converter) flatten(node map[string]any, path string, refs []string) (flat, []string) {
	f := flat{node: maps.Clone(node), refs: refs}
	var said []string
	var parts []any
	if ref, ok := node["$ref"].(string); ok {
		if c.refAlone {
			f.node = annotationsOf(node)
		}
		delete(f.node, "$ref")
		target, found := c.lookup(ref)
		switch {
		case slices.Contains(refs, ref):
			said = append(said, c.say(path, "$ref", "It has the same form as what it stands in."))
			parts = append(parts, onlyType(target))
		case !found:
			said = append(said, c.say(path, "$ref", "Any value; its form is described elsewhere ("+shown(ref)+")."))
		default:
			f.refs = append(slices.Clone(refs), ref)
			parts = append(parts, target)
		}
	}
	if all, ok := f.node["allOf"].([]any); ok {
		delete(f.node, "allOf")
		parts = append(parts, all...)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		list, ok := f.node[keyword].([]any)
		if !ok || len(list) == 0 {
			continue
		}
		delete(f.node, keyword)
		part, words := c.union(keyword, list, path, &f)
		parts = append(parts, part)
		said = append(said, words...)
	}
	for _, part := range parts {
		m, ok := part.(map[string]any)
		if !ok {
			continue
		}
		if c.left--; c.left < 0 {
			said = append(said, c.say(path, "depth", "It has to fit more than can be told."))
			break
		}
		sub, words := c.flatten(m, path, f.refs)
		said = append(said, words...)
		said = append(said, c.merge(f.node, sub.node, path)...)
		f.refs = union(f.refs, sub.refs)
	}
	return f, said
}

// annotationsOf is what stands beside a reference where nothing else counts,
// as in drafts of JSON Schema up to the seventh.
func annotationsOf(node map[string]any) map[string]any {
	out := map[string]any{}
	for _, keyword := range []string{"description", "title", "default", "examples"} {
		if v, ok := node[keyword]; ok {
			out[keyword] = v
		}
	}
	return out
}

// onlyType is what of a schema that holds itself can be told at the place
// where it does.
func onlyType(target any) any {
	m, ok := target.(map[string]any)
	if !ok || m["type"] == nil {
		return nil
	}
	return map[string]any{"type": m["type"]}
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// lookup follows a reference within the schema: #, #/$defs/name, #name.
func (c *converter) lookup(ref string) (any, bool) {
	pointer, ok := strings.CutPrefix(ref, "#")
	switch {
	case !ok:
		return nil, false
	case pointer == "":
		return c.root, true
	case pointer[0] != '/':
		return c.anchor(pointer)
	}
	var v any = c.root
	for _, step := range strings.Split(pointer[1:], "/") {
		if plain, err := url.PathUnescape(step); err == nil {
			step = plain
		}
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch at := v.(type) {
		case map[string]any:
			if v, ok = at[step]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// anchor finds a definition by its $anchor.
func (c *converter) anchor(name string) (any, bool) {
	for _, keyword := range []string{"$defs", "definitions"} {
		defs, _ := c.root[keyword].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(defs)) {
			if m, ok := defs[key].(map[string]any); ok && m["$anchor"] == name {
				return m, true
			}
		}
	}
	return nil, false
}

// union makes one schema of alternatives, which takes what any of them takes,
// and tells in words what is lost by that.
func (c *converter) union(keyword string, list []any, path string, f *flat) (any, []string) {
	inWords := func() []string {
		return []string{c.say(path, keyword, "It fits one of these JSON Schemas: "+brief(list)+".")}
	}
	var branches []map[string]any
	null, refs := false, f.refs
	for _, b := range list {
		m, ok := b.(map[string]any)
		if c.left--; !ok || c.left < 0 {
			return nil, inWords()
		}
		// What a branch would say is told of all of them at once.
		before := c.inWords
		sub, said := c.flatten(m, path, f.refs)
		c.inWords = before
		switch {
		case sub.node["type"] == "null":
			null = true
		case len(said) > 0:
			return nil, inWords()
		default:
			branches = append(branches, sub.node)
			refs = union(refs, sub.refs)
		}
	}
	out, exact := alternatives(branches)
	if out == nil {
		return nil, inWords()
	}
	f.refs = refs
	if null {
		withNull(out)
	}
	if exact {
		return out, nil
	}
	return out, inWords()
}

// withNull lets a schema take null too.
func withNull(s map[string]any) {
	if types := typesOf(s["type"]); len(types) > 0 && !slices.Contains(types, any("null")) {
		s["type"] = append(types, "null")
	}
	if values, ok := enumOf(s); ok {
		delete(s, "const")
		s["enum"] = append(slices.Clone(values), nil)
	}
}

// alternatives makes one schema of several; nil where nothing sensible comes
// of it. exact says that it takes nothing that none of them takes.
func alternatives(branches []map[string]any) (out map[string]any, exact bool) {
	switch {
	case len(branches) == 0:
		return map[string]any{"type": "null"}, true
	case len(branches) == 1:
		return maps.Clone(branches[0]), true
	}
	if values, ok := allValues(branches); ok {
		return map[string]any{"enum": values}, true
	}
	var types []any
	plain := true
	for _, b := range branches {
		t := typesOf(b["type"])
		if len(t) == 0 {
			return nil, false
		}
		for _, name := range t {
			if !slices.Contains(types, name) {
				types = append(types, name)
			}
		}
		for keyword := range b {
			plain = plain && (keyword == "type" || keyword == "title" || keyword == "description")
		}
	}
	if plain {
		return map[string]any{"type": types}, true
	}
	if len(types) == 1 && types[0] == "object" {
		return objects(branches), false
	}
	return map[string]any{"type": types}, false
}

// allValues gives the values of alternatives that are all lists of values.
func allValues(branches []map[string]any) ([]any, bool) {
	var out []any
	for _, b := range branches {
		values, ok := enumOf(b)
		if !ok {
			return nil, false
		}
		for _, v := range values {
			if !slices.ContainsFunc(out, func(have any) bool { return sameJSON(have, v) }) {
				out = append(out, v)
			}
		}
	}
	return out, true
}

func enumOf(s map[string]any) ([]any, bool) {
	if v, ok := s["const"]; ok {
		return []any{v}, true
	}
	values, ok := s["enum"].([]any)
	return values, ok
}

// objects makes one object of several: all members that one of them has, and
// required what each of them requires.
func objects(branches []map[string]any) map[string]any {
	properties := map[string][]any{}
	required := map[string]int{}
	for _, b := range branches {
		for name, s := range membersOf(b) {
			properties[name] = append(properties[name], s)
		}
		list, _ := b["required"].([]any)
		for _, name := range list {
			if s, ok := name.(string); ok {
				required[s]++
			}
		}
	}
	merged := map[string]any{}
	for name, list := range properties {
		anything := slices.ContainsFunc(branches, func(b map[string]any) bool {
			_, has := membersOf(b)[name]
			return !has && !closed(b) // the member may be there too, and be anything
		})
		if merged[name] = anyOf(list); anything {
			merged[name] = map[string]any{}
		}
	}
	out := map[string]any{"type": "object", "properties": merged}
	var names []any
	for _, name := range slices.Sorted(maps.Keys(required)) {
		if required[name] == len(branches) {
			names = append(names, name)
		}
	}
	if names != nil {
		out["required"] = names
	}
	return out
}

func membersOf(s map[string]any) map[string]any {
	properties, _ := s["properties"].(map[string]any)
	return properties
}

// closed says that a schema takes no members but those that it names.
func closed(s map[string]any) bool {
	_, patterns := s["patternProperties"]
	return s["additionalProperties"] == false && !patterns
}

// anyOf is a schema for what one of several takes.
func anyOf(list []any) any {
	var different []any
	for _, s := range list {
		if !slices.ContainsFunc(different, func(have any) bool { return sameJSON(have, s) }) {
			different = append(different, s)
		}
	}
	if len(different) == 1 {
		return different[0]
	}
	return map[string]any{"anyOf": different}
}

func sameJSON(a, b any) bool {
	x, errX := canonical(a, "")
	y, errY := canonical(b, "")
	return errX == nil && errY == nil && string(x) == string(y)
}

// merge makes dst take only what src takes too. What cannot be merged is told
// in words.
func (c *converter) merge(dst, src map[string]any, path string) (said []string) {
	for _, pair := range [][2]map[string]any{{dst, src}, {src, dst}} {
		extra, ok := pair[0]["additionalProperties"]
		if ok && extra != true && len(membersOf(pair[1])) > 0 && !sameJSON(membersOf(pair[0]), membersOf(pair[1])) {
			said = append(said, c.say(path, "additionalProperties", "Other members than "+brief(slices.Sorted(maps.Keys(membersOf(pair[0]))))+" fit this JSON Schema: "+brief(extra)+"."))
		}
	}
	for _, keyword := range slices.Sorted(maps.Keys(src)) {
		new := src[keyword]
		old, both := dst[keyword]
		switch {
		case !both:
			dst[keyword] = new
		case keyword == "description", keyword == "title", keyword == "default", keyword == "examples", strings.HasPrefix(keyword, "$"), sameJSON(old, new):
		case keyword == "properties":
			dst[keyword] = bothProperties(old, new)
		case keyword == "required":
			a, _ := old.([]any)
			b, _ := new.([]any)
			dst[keyword] = append(slices.Clone(a), b...)
		case keyword == "type":
			dst[keyword] = bothTypes(typesOf(old), typesOf(new))
		case keyword == "minimum" || keyword == "maximum":
			dst[keyword] = tighter(keyword, old, new)
		default:
			said = append(said, c.say(path, keyword, fmt.Sprintf("It also fits this JSON Schema: %s.", brief(map[string]any{keyword: new}))))
			if keyword == "additionalProperties" {
				delete(dst, keyword)
				said = append(said, fmt.Sprintf("And this: %s.", brief(map[string]any{keyword: old})))
			}
		}
	}
	return said
}

func bothProperties(old, new any) any {
	a, _ := old.(map[string]any)
	b, _ := new.(map[string]any)
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	for name, s := range b {
		if have, ok := out[name]; ok && !sameJSON(have, s) {
			s = map[string]any{"allOf": []any{have, s}}
		}
		out[name] = s
	}
	return out
}

// bothTypes are the types that are in both lists. An integer is a number.
func bothTypes(a, b []any) any {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	in := func(list []any, t any) bool {
		return slices.Contains(list, t) || t == "integer" && slices.Contains(list, any("number"))
	}
	var out []any
	for _, t := range slices.Concat(a, b) {
		if in(a, t) && in(b, t) && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func tighter(keyword string, old, new any) any {
	a, okA := number(old)
	b, okB := number(new)
	switch {
	case !okA:
		return new
	case okB && (keyword == "minimum") == (b > a):
		return new
	}
	return old
}
