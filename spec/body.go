package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/autosafe/autosafe/spec/schema"
)

// kindMeta is the kind of the attributes that the host itself gives to blocks
// (input, for_each and so on). They are evaluated by rules of their own.
const kindMeta schema.Kind = "meta"

// node is a block whose names have all been checked against its shape. Its
// values are not evaluated yet.
type node struct {
	shape       schema.Block
	typ         string
	labels      []string
	labelNames  []string // of a nested block
	labelRanges []hcl.Range
	attrs       map[string]*hcl.Attribute
	blocks      []*node   // nested, in the order of the source
	head        hcl.Range // type and labels
	end         hcl.Range // where something missing would stand
}

// shapeOf gives the shape of a nested block whose labels decide about it.
type shapeOf func(b *hcl.Block) (shape schema.Block, decides bool, diags hcl.Diagnostics)

// readBlock checks the names in a block against its shape.
func readBlock(b *hcl.Block, shape schema.Block, nested shapeOf) (*node, hcl.Diagnostics) {
	content, diags := b.Body.Content(bodySchema(shape))
	for _, d := range diags {
		nameExpected(d, shape)
	}
	n := &node{
		shape: shape, typ: b.Type, labels: b.Labels, labelRanges: b.LabelRanges,
		attrs: content.Attributes, head: headRange(b), end: content.MissingItemRange,
	}
	for _, a := range shape.Attributes {
		if attr := n.attrs[a.Name]; attr == nil && a.Required {
			diags = append(diags, n.missing(a))
		}
	}
	for _, child := range content.Blocks {
		childShape, ok := nestedShape(shape, child.Type)
		if !ok {
			continue
		}
		if nested != nil {
			special, decides, moreDiags := nested(child)
			diags = append(diags, moreDiags...)
			if moreDiags.HasErrors() {
				continue
			}
			if decides {
				childShape = special
			}
		}
		childNode, moreDiags := readBlock(child, childShape, nil)
		childNode.labelNames = labelNames(shape, child.Type)
		diags = append(diags, moreDiags...)
		n.blocks = append(n.blocks, childNode)
	}
	return n, append(diags, n.countBlocks(content.Blocks)...)
}

// missing reports a required argument that is absent.
func (n *node) missing(a schema.Attribute) *hcl.Diagnostic {
	doc := ""
	if a.Doc != "" {
		doc = fmt.Sprintf(" %s: %s", a.Name, a.Doc)
	}
	return problemAt(n.end, "Missing required argument", "The argument %q is required in %s.%s", a.Name, n.title(), doc)
}

// title names the block in a sentence.
func (n *node) title() string {
	parts := []string{n.typ}
	for _, label := range n.labels {
		parts = append(parts, fmt.Sprintf("%q", label))
	}
	return strings.Join(parts, " ")
}

// countBlocks checks how often each type of nested block stands there.
func (n *node) countBlocks(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, nb := range n.shape.Blocks {
		var found hcl.Blocks
		for _, child := range blocks {
			if child.Type == nb.Type {
				found = append(found, child)
			}
		}
		switch {
		case nb.Max > 0 && len(found) > nb.Max:
			diags = append(diags, problemAt(headRange(found[nb.Max]), "Too many blocks",
				"%s takes at most %d %s block(s); the first stands at %s. Keep one, or merge them.", n.title(), nb.Max, nb.Type, place(headRange(found[0]))))
		case len(found) < nb.Min:
			diags = append(diags, problemAt(n.end, "Missing block",
				"%s needs at least %d %s block(s). %s", n.title(), nb.Min, nb.Type, nb.Doc))
		}
	}
	return diags
}

// visit calls f for each expression in the block and in nested ones, in the
// order of the source.
func (n *node) visit(f func(*hcl.Attribute)) {
	for _, attr := range sortedAttrs(n.attrs) {
		f(attr)
	}
	for _, child := range n.blocks {
		child.visit(f)
	}
}

func bodySchema(shape schema.Block) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, a := range shape.Attributes {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: a.Name})
	}
	for _, b := range shape.Blocks {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: b.Type, LabelNames: b.Labels})
	}
	return s
}

func nestedShape(shape schema.Block, typ string) (schema.Block, bool) {
	for _, b := range shape.Blocks {
		if b.Type == typ {
			return b.Block, true
		}
	}
	return schema.Block{}, false
}

func labelNames(shape schema.Block, typ string) []string {
	for _, b := range shape.Blocks {
		if b.Type == typ {
			return b.Labels
		}
	}
	return nil
}

// nameExpected adds to a problem with a name which names are expected.
func nameExpected(d *hcl.Diagnostic, shape schema.Block) {
	var attrs, blocks []string
	for _, a := range shape.Attributes {
		attrs = append(attrs, a.Name)
	}
	for _, b := range shape.Blocks {
		blocks = append(blocks, b.Type)
	}
	slices.Sort(attrs)
	if !strings.HasSuffix(d.Detail, ".") && !strings.HasSuffix(d.Detail, "?") {
		d.Detail += "."
	}
	switch d.Summary {
	case "Unsupported argument":
		d.Detail += fmt.Sprintf(" Arguments here: %s.", listed(attrs))
	case "Unsupported block type":
		d.Detail += fmt.Sprintf(" Blocks here: %s.", listed(blocks))
	case "Extraneous JSON object property":
		d.Detail += fmt.Sprintf(" Names here: %s.", listed(append(attrs, blocks...)))
	}
}

// headRange is the range of a block's type and labels. In JSON the last label
// says most.
func headRange(b *hcl.Block) hcl.Range {
	if _, native := b.Body.(*hclsyntax.Body); native {
		return b.DefRange
	}
	if len(b.LabelRanges) > 0 {
		return b.LabelRanges[len(b.LabelRanges)-1]
	}
	return b.TypeRange
}

// subExpr follows a path of keys and indices into constructor expressions, as
// far as they go, and returns the innermost expression.
func subExpr(expr hcl.Expression, steps []pathStep) hcl.Expression {
	for _, step := range steps {
		next := step.in(expr)
		if next == nil {
			return expr
		}
		expr = next
	}
	return expr
}

// pathStep is a key of an object or map, or an index of a list.
type pathStep struct {
	key   string
	index int
	isKey bool
}

func (s pathStep) in(expr hcl.Expression) hcl.Expression {
	if !s.isKey {
		items, diags := hcl.ExprList(expr)
		if diags.HasErrors() || s.index < 0 || s.index >= len(items) {
			return nil
		}
		return items[s.index]
	}
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		return nil
	}
	for _, pair := range pairs {
		if key, diags := literalString("key", pair.Key); !diags.HasErrors() && key == s.key {
			return pair.Value
		}
	}
	return nil
}
