package jsonschema

import (
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// resource is a part of the document that has an address of its own, or the
// whole of it.
type resource struct {
	root    *node
	draft   draft
	address *url.URL // nil: the document has none
	anchors map[string]*node
	// moving are the anchors that a $dynamicRef may lead to.
	moving    map[string]*node
	recursive bool // $recursiveAnchor
}

// join gives the address that a text stands for in a resource.
func (r *resource) join(text string) (*url.URL, error) {
	if r.address == nil {
		return (&url.URL{Scheme: "schema", Path: "/"}).Parse(text)
	}
	return r.address.Parse(text)
}

var anchorName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][-A-Za-z0-9._:]*$`) })

// begin reads what says where a schema belongs: draft, address and anchors.
func (c *compiler) begin(n *node, object map[string]any) *Error {
	if n.up == nil {
		n.res.root = n
	}
	d, id, err := address(n, object)
	if err != nil {
		return err
	}
	id, anchor, _ := strings.Cut(id, "#")
	if err := c.open(n, d, id); err != nil {
		return err
	}
	if d <= draft7 {
		return c.anchor(n, "$id", anchor, false)
	}
	if v, ok := object["$recursiveAnchor"]; ok && d == draft2019 {
		moves, err := boolean(n, "$recursiveAnchor", v)
		if err != nil {
			return err
		}
		n.res.recursive = n.res.recursive || moves && n.res.root == n
	}
	for _, key := range [...]string{"$anchor", "$dynamicAnchor"} {
		v, ok := object[key]
		if !ok || !d.knows(key) {
			continue
		}
		name, err := text(n, key, v)
		if err == nil && !anchorName().MatchString(name) {
			err = fail(n, []string{key}, "%s is not a name of letters and digits", shown{name})
		}
		if err == nil {
			err = c.anchor(n, key, name, key == "$dynamicAnchor")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// address reads a schema's draft and its address, "" if it has none. The draft
// is named by what has an address, or is the whole document.
func address(n *node, object map[string]any) (draft, string, *Error) {
	d := n.res.draft
	v, named := object["$schema"]
	if name, ok := v.(string); ok {
		if of, ok := draftOf(name); ok {
			d = of
		}
	}
	id, err := readID(n, object, d)
	if err != nil || !named || n.up != nil && id == "" {
		return n.res.draft, id, err
	}
	name, err := text(n, "$schema", v)
	if err != nil {
		return 0, "", err
	}
	if _, ok := draftOf(name); !ok {
		return 0, "", fail(n, []string{"$schema"}, "%s is not a known draft; those are 2020-12, 2019-09, 7, 6 and 4", shown{name})
	}
	return d, id, nil
}

// readID gives a schema's address, "" if it has none that counts.
func readID(n *node, object map[string]any, d draft) (string, *Error) {
	key := "$id"
	if d == draft4 {
		key = "id"
	}
	v, ok := object[key]
	if !ok {
		return "", nil
	}
	id, err := text(n, key, v)
	if err != nil {
		return "", err
	}
	if _, ok := object["$ref"]; ok && d <= draft7 {
		return "", nil // a reference stands alone in these drafts
	}
	if _, anchor, _ := strings.Cut(id, "#"); anchor != "" && d > draft7 {
		return "", fail(n, []string{key}, "must not have a fragment (#); there is $anchor")
	}
	return id, nil
}

// open gives the node a resource of its own if it has an address, or another
// draft.
func (c *compiler) open(n *node, d draft, id string) *Error {
	if id == "" {
		if n.up == nil {
			n.res.draft = d
		}
		return nil
	}
	address, err := n.res.join(id)
	if err != nil {
		return fail(n, []string{"$id"}, "%s is not an address", shown{id})
	}
	if c.resources == nil {
		c.resources = map[string]*resource{}
	}
	name := address.String()
	if _, twice := c.resources[name]; twice {
		return fail(n, []string{"$id"}, "%s is there twice", shown{id})
	}
	n.res = &resource{root: n, draft: d, address: address}
	c.resources[name] = n.res
	return nil
}

func (c *compiler) anchor(n *node, key, name string, moves bool) *Error {
	if name == "" {
		return nil
	}
	if other, ok := n.res.anchors[name]; ok && other != n {
		return fail(n, []string{key}, "the anchor %s is there twice", shown{name})
	}
	if n.res.anchors == nil {
		n.res.anchors, n.res.moving = map[string]*node{}, map[string]*node{}
	}
	n.res.anchors[name] = n
	if moves {
		n.res.moving[name] = n
		c.dynamic = true
	}
	return nil
}

// reference notes a reference. It is followed when all of the document is read,
// and only if something leads to it.
func (c *compiler) reference(n *node, key string, v any) *Error {
	ref, err := text(n, key, v)
	if err != nil {
		return err
	}
	c.refs = true
	if key == "$ref" {
		n.refText = ref
		if ref == "" {
			n.refText = "#"
		}
		return nil
	}
	n.dyn = &dynamicRef{anchor: ref, recursive: key == "$recursiveRef"}
	return nil
}

// link follows all references, and refuses those that go round in a circle
// without going into the value: checking would not end.
func (c *compiler) link(root *node) *Error {
	reached := map[*node]bool{root: true}
	list := []*node{root}
	for len(list) > 0 {
		n := list[len(list)-1]
		list = list[:len(list)-1]
		if err := c.follow(n); err != nil {
			return err
		}
		next := append(n.here(), n.below()...)
		if c.dynamic {
			next = append(next, n.res.root) // its anchors may be led to
			for _, name := range slices.Sorted(maps.Keys(n.res.moving)) {
				next = append(next, n.res.moving[name])
			}
		}
		for _, m := range next {
			if !reached[m] {
				reached[m] = true
				list = append(list, m)
			}
		}
	}
	done := map[*node]bool{}
	for _, n := range c.all {
		if reached[n] {
			if err := circle(n, done); err != nil {
				return err
			}
		}
	}
	return nil
}

// circle looks for a way from a node back to itself. In done are nodes from
// which there is none, and with false those on the way.
func circle(n *node, done map[*node]bool) *Error {
	if ended, seen := done[n]; seen {
		if !ended {
			return fail(n, nil, "refers to itself without going into the value, so that checking would not end")
		}
		return nil
	}
	done[n] = false
	for _, m := range n.here() {
		if err := circle(m, done); err != nil {
			return err
		}
	}
	done[n] = true
	return nil
}

// follow finds what a node's references lead to.
func (c *compiler) follow(n *node) (err *Error) {
	if n.refText != "" {
		if n.ref, err = c.find(n, "$ref", n.refText); err != nil {
			return err
		}
	}
	switch d := n.dyn; {
	case d == nil || d.target != nil:
	case d.recursive:
		d.target, err = c.find(n, "$recursiveRef", d.anchor)
		c.dynamic = true
	default:
		d.target, err = c.find(n, "$dynamicRef", d.anchor)
		_, d.anchor, _ = strings.Cut(d.anchor, "#")
	}
	return err
}

func (c *compiler) find(n *node, key, ref string) (*node, *Error) {
	address, fragment, _ := strings.Cut(ref, "#")
	res := n.res
	if address != "" {
		to, err := n.res.join(address)
		if err != nil {
			return nil, fail(n, []string{key}, "%s is not an address", shown{ref})
		}
		if res = c.resources[to.String()]; res == nil {
			return nil, fail(n, []string{key}, "a schema must not refer to another document (%s)", cut(ref, longestValue))
		}
	}
	fragment, err := url.PathUnescape(fragment)
	switch {
	case err != nil:
		return nil, fail(n, []string{key}, "%s is not an address", shown{ref})
	case fragment == "":
		return res.root, nil
	case strings.HasPrefix(fragment, "/"):
		return c.point(n, key, ref, res.root, strings.Split(fragment[1:], "/"))
	case res.anchors[fragment] == nil:
		return nil, fail(n, []string{key}, "there is no anchor %s", shown{fragment})
	}
	return res.anchors[fragment], nil
}

// point follows a JSON pointer down from a node.
func (c *compiler) point(from *node, key, ref string, at *node, pointer []string) (*node, *Error) {
	c.index()
	end := at
	for _, token := range pointer {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		v, ok := member(end.raw, token)
		if !ok {
			return nil, fail(from, []string{key}, "there is nothing at %s", shown{ref})
		}
		end = c.at(&node{up: end, key: token, raw: v, res: end.res})
	}
	if c.known(end) {
		return end, nil
	}
	return c.node(*end) // in what is no schema by its place
}

// member is the part of a value that a token of a pointer names.
func member(v any, token string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		e, ok := v[token]
		return e, ok
	case []any:
		i, err := strconv.Atoi(token)
		if err != nil || i < 0 || i >= len(v) {
			return nil, false
		}
		return v[i], true
	}
	return nil, false
}

// index makes byMap.
func (c *compiler) index() {
	if c.byMap != nil {
		return
	}
	c.byMap = make(map[uintptr]*node, len(c.all))
	for _, n := range c.all {
		c.note(n)
	}
}

// note remembers a node by the object that it was made of: the same object is
// the same place of the document.
func (c *compiler) note(n *node) {
	id := reflect.ValueOf(n.raw).Pointer()
	if c.byMap[id] == nil {
		c.byMap[id] = n
	}
}

// at gives the node of the same place, if there is one.
func (c *compiler) at(n *node) *node {
	if _, ok := n.raw.(map[string]any); ok {
		if have := c.byMap[reflect.ValueOf(n.raw).Pointer()]; have != nil {
			return have
		}
	}
	return n
}

// known says whether a node is that of its place.
func (c *compiler) known(n *node) bool {
	_, ok := n.raw.(map[string]any)
	return ok && c.byMap[reflect.ValueOf(n.raw).Pointer()] == n
}

// moves says whether the way to the reference decides where it leads.
func (d *dynamicRef) moves() bool {
	if d.recursive {
		return d.target.res.recursive
	}
	return d.anchor != "" && d.target.res.moving[d.anchor] == d.target
}
