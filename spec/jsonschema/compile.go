package jsonschema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// draft is a version of JSON Schema.
type draft int

const (
	draft4    draft = 4
	draft6    draft = 6
	draft7    draft = 7
	draft2019 draft = 2019
	draft2020 draft = 2020
)

// draftOf reads a "$schema".
func draftOf(url string) (draft, bool) {
	url = strings.TrimSuffix(url, "#")
	_, url, _ = strings.Cut(url, "://")
	switch url {
	case "json-schema.org/schema", "json-schema.org/draft/2020-12/schema":
		return draft2020, true
	case "json-schema.org/draft/2019-09/schema":
		return draft2019, true
	case "json-schema.org/draft-07/schema":
		return draft7, true
	case "json-schema.org/draft-06/schema":
		return draft6, true
	case "json-schema.org/draft-04/schema":
		return draft4, true
	}
	return 0, false
}

// knows says whether a draft has a keyword, if any of them does.
func (d draft) knows(keyword string) bool {
	switch keyword {
	case "id":
		return d == draft4
	case "$id", "const", "contains", "propertyNames":
		return d >= draft6
	case "if", "then", "else", "examples", "$comment", "readOnly", "writeOnly", "contentMediaType", "contentEncoding":
		return d >= draft7
	case "$anchor", "$defs", "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
		"minContains", "maxContains", "deprecated", "contentSchema":
		return d >= draft2019
	case "$recursiveRef", "$recursiveAnchor":
		return d == draft2019
	case "$dynamicRef", "$dynamicAnchor", "prefixItems":
		return d >= draft2020
	case "additionalItems":
		return d < draft2020
	}
	return true
}

// compiler makes the nodes of one document.
type compiler struct {
	all       []*node
	refs      bool // there are references
	dynamic   bool
	resources map[string]*resource
	// byMap finds the node of an object of the document.
	byMap map[uintptr]*node
}

func compile(doc any) (*Schema, *Error) {
	var c compiler
	root, err := c.node(node{raw: doc, res: &resource{draft: draft2020}})
	if err == nil && c.refs {
		err = c.link(root)
	}
	if err != nil {
		return nil, err
	}
	return &Schema{root: root, dynamic: c.dynamic}, nil
}

// fail says what is wrong at a keyword of a node.
func fail(n *node, at []string, format string, args ...any) *Error {
	return &Error{Path: n.path(at...), Reason: fmt.Sprintf(format, args...)}
}

// node makes a node of one that says where it stands and what stands there.
func (c *compiler) node(at node) (*node, *Error) {
	n := &at
	switch v := n.raw.(type) {
	case bool:
		n.always = refuses
		if v {
			n.always = accepts
		}
		if n.res.draft == draft4 && !strings.HasPrefix(n.key, "additional") {
			return nil, fail(n, nil, "must be an object, not boolean")
		}
		return n, nil
	case map[string]any:
		if err := c.begin(n, v); err != nil {
			return nil, err
		}
		c.all = append(c.all, n)
		if c.byMap != nil {
			c.note(n)
		}
		return n, c.keywords(n, v)
	}
	return nil, fail(n, nil, "must be an object or a boolean, not %s", TypeName(n.raw))
}

// keywords reads an object's keywords in order, so that of several faults the
// same one is told each time.
func (c *compiler) keywords(n *node, object map[string]any) *Error {
	var room [16]string
	keys := room[:0]
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if !n.res.draft.knows(key) {
			continue
		}
		if err := c.keyword(n, key, object[key]); err != nil {
			return err
		}
	}
	if n.res.draft <= draft7 && n.refText != "" {
		// A reference stands alone in these drafts.
		*n = node{up: n.up, key: n.key, name: n.name, named: n.named, raw: n.raw, res: n.res, refText: n.refText}
	}
	return nil
}

func (c *compiler) keyword(n *node, key string, v any) (err *Error) {
	switch key {
	case "type":
		n.types, err = typesOf(n, v)
	case "enum":
		err = c.enum(n, v)
	case "const":
		r := n.valueRules()
		r.constant, r.hasConst, r.cost = v, true, r.cost+size(v)
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		err = c.number(n, key, v)
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains":
		err = c.count(n, key, v)
	case "pattern":
		n.textRules().pattern, err = pattern(n, v, key)
	case "uniqueItems":
		n.listRules().unique, err = boolean(n, key, v)
	case "items":
		err = c.items(n, v)
	case "prefixItems":
		n.listRules().first, err = c.list(n, key, v)
	case "additionalItems":
		err = c.additionalItems(n, v)
	case "contains":
		n.listRules().contains, err = c.child(n, key, v)
	case "unevaluatedItems":
		n.listRules().unevaluated, err = c.child(n, key, v)
	case "required":
		n.objectRules().required, err = c.names(n, v, key)
	case "properties":
		r := n.objectRules()
		r.names, r.properties, err = c.members(n, key, v)
	case "patternProperties":
		err = c.patternProperties(n, v)
	case "additionalProperties":
		n.objectRules().additional, err = c.child(n, key, v)
	case "propertyNames":
		n.objectRules().propNames, err = c.child(n, key, v)
	case "unevaluatedProperties":
		n.objectRules().unevaluated, err = c.child(n, key, v)
	case "dependencies", "dependentRequired", "dependentSchemas":
		err = c.dependencies(n, key, v)
	case "allOf":
		n.placeRules().all, err = c.list(n, key, v)
	case "anyOf":
		n.placeRules().any, err = c.list(n, key, v)
	case "oneOf":
		n.placeRules().one, err = c.list(n, key, v)
	case "not":
		n.placeRules().not, err = c.child(n, key, v)
	case "if":
		n.placeRules().when, err = c.child(n, key, v)
	case "then":
		n.placeRules().then, err = c.child(n, key, v)
	case "else":
		n.placeRules().otherwise, err = c.child(n, key, v)
	case "$defs", "definitions":
		_, _, err = c.members(n, key, v)
	case "contentSchema":
		_, err = c.child(n, key, v)
	case "$ref", "$dynamicRef", "$recursiveRef":
		err = c.reference(n, key, v)
	case "title", "description", "$comment", "format", "contentMediaType", "contentEncoding":
		_, err = text(n, key, v)
	case "deprecated", "readOnly", "writeOnly":
		_, err = boolean(n, key, v)
	case "examples":
		_, err = array(n, key, v)
	}
	return err
}

// child compiles a schema that is the value of a keyword.
func (c *compiler) child(n *node, key string, v any) (*node, *Error) {
	return c.node(node{up: n, key: key, raw: v, res: n.res})
}

// list compiles a keyword's list of schemas.
func (c *compiler) list(n *node, key string, v any) ([]*node, *Error) {
	list, err := array(n, key, v)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fail(n, []string{key}, "must not be empty")
	}
	nodes := make([]*node, len(list))
	for i, e := range list {
		if nodes[i], err = c.node(node{up: n, key: key, name: strconv.Itoa(i), named: true, raw: e, res: n.res}); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// members compiles a keyword's object of schemas, in the order of their names.
func (c *compiler) members(n *node, key string, v any) ([]string, []*node, *Error) {
	object, names, err := object(n, key, v)
	if err != nil {
		return nil, nil, err
	}
	nodes := make([]*node, len(names))
	for i, name := range names {
		if nodes[i], err = c.node(node{up: n, key: key, name: name, named: true, raw: object[name], res: n.res}); err != nil {
			return nil, nil, err
		}
	}
	return names, nodes, nil
}
