package jsonschema

import (
	"regexp"
	"slices"
)

// node is a schema or one of the schemas in it. Rules that most schemas do not
// have stand apart, so that compiling is cheap.
type node struct {
	// up, key and name say where it stands: properties (and which), items.
	up    *node
	key   string
	name  string
	named bool // name counts

	raw    any
	res    *resource
	always verdict // true or false instead of an object
	types  types   // 0: any

	ref     *node
	refText string // of ref or of dyn, until it is resolved
	dyn     *dynamicRef

	values  *valueRules
	numbers *numberRules
	texts   *textRules
	lists   *listRules
	objects *objectRules
	place   *placeRules
}

type verdict uint8

const (
	depends verdict = iota
	accepts
	refuses
)

// dynamicRef is a reference whose target depends on the resources that the way
// to it led through.
type dynamicRef struct {
	target    *node
	anchor    string
	recursive bool // $recursiveRef
}

type valueRules struct {
	enum     []any
	hasEnum  bool
	constant any
	hasConst bool
	cost     int
}

// bound is a number with its text.
type bound struct {
	decimal
	text string
}

type numberRules struct {
	low, high, above, below, step *bound
	// draft 4: the bound itself is out.
	notLow, notHigh bool
}

// counts bounds how many there are of something; most below 0: no bound.
type counts struct{ least, most int }

type textRules struct {
	length  counts
	pattern *regexp.Regexp
}

type listRules struct {
	counts      counts
	unique      bool
	first       []*node // prefixItems
	rest        *node   // items, additionalItems
	contains    *node
	found       counts // minContains, maxContains
	unevaluated *node
}

type objectRules struct {
	counts      counts
	required    []string
	names       []string // of properties, sorted
	properties  []*node
	patterns    []patternRule
	additional  *node
	propNames   *node // propertyNames
	needs       []dependency
	unevaluated *node
}

type patternRule struct {
	pattern *regexp.Regexp
	node    *node
}

// dependency is what an object with a property needs: other properties, or to
// fit a schema.
type dependency struct {
	name  string
	names []string
	node  *node
}

// placeRules apply other schemas to the same value.
type placeRules struct {
	all, any, one         []*node
	not                   *node
	when, then, otherwise *node
}

func (n *node) valueRules() *valueRules {
	if n.values == nil {
		n.values = &valueRules{}
	}
	return n.values
}

func (n *node) numberRules() *numberRules {
	if n.numbers == nil {
		n.numbers = &numberRules{}
	}
	return n.numbers
}

func (n *node) textRules() *textRules {
	if n.texts == nil {
		n.texts = &textRules{length: counts{most: -1}}
	}
	return n.texts
}

func (n *node) listRules() *listRules {
	if n.lists == nil {
		n.lists = &listRules{counts: counts{most: -1}, found: counts{least: 1, most: -1}}
	}
	return n.lists
}

func (n *node) objectRules() *objectRules {
	if n.objects == nil {
		n.objects = &objectRules{counts: counts{most: -1}}
	}
	return n.objects
}

func (n *node) placeRules() *placeRules {
	if n.place == nil {
		n.place = &placeRules{}
	}
	return n.place
}

// path is where the node stands in the document, and the keywords below it.
func (n *node) path(below ...string) []string {
	var path []string
	for ; n.up != nil; n = n.up {
		if n.named {
			path = append(path, n.name)
		}
		path = append(path, n.key)
	}
	slices.Reverse(path)
	return append(path, below...)
}

// here gives the schemas that a value must fit if it is to fit n, or that are
// tried on it: those that are not about parts of it.
func (n *node) here() []*node {
	nodes := []*node{n.ref}
	if n.dyn != nil {
		nodes = append(nodes, n.dyn.target)
	}
	if p := n.place; p != nil {
		nodes = slices.Concat(nodes, p.all, p.any, p.one, []*node{p.not, p.when})
		if p.when != nil && p.when.always != refuses {
			nodes = append(nodes, p.then)
		}
		if p.when != nil && p.when.always != accepts {
			nodes = append(nodes, p.otherwise)
		}
	}
	if n.objects != nil {
		for _, d := range n.objects.needs {
			nodes = append(nodes, d.node)
		}
	}
	return slices.DeleteFunc(nodes, func(n *node) bool { return n == nil })
}

// below gives the schemas for the parts of a value.
func (n *node) below() []*node {
	var nodes []*node
	if l := n.lists; l != nil {
		nodes = append(slices.Concat(nodes, l.first), l.rest, l.contains, l.unevaluated)
	}
	if o := n.objects; o != nil {
		nodes = append(slices.Concat(nodes, o.properties), o.additional, o.propNames, o.unevaluated)
		for _, p := range o.patterns {
			nodes = append(nodes, p.node)
		}
	}
	return slices.DeleteFunc(nodes, func(n *node) bool { return n == nil })
}
