package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// The defaults of an evaluation block.
const (
	defaultConfidence = 0.95
	defaultResamples  = 2000
)

// evaluationShape is the shape of an evaluation block: what every evaluation
// has, and the arguments of its component, which are defaults for its agents.
func evaluationShape(c *schema.Component) schema.Block {
	shape := ownEvaluationShape()
	shared := optional(c.Config)
	shape.Attributes = append(shape.Attributes, shared.Attributes...)
	shape.Blocks = append(shape.Blocks, shared.Blocks...)
	return shape
}

// ownEvaluationShape is what every evaluation block has, whatever its component.
func ownEvaluationShape() schema.Block {
	text := func(name, doc string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.String, Doc: doc}
	}
	required := func(a schema.Attribute) schema.Attribute {
		a.Required = true
		return a
	}
	name := []string{"name"}
	block := func(attrs ...schema.Attribute) schema.Block {
		return schema.Block{Attributes: append(attrs, enabledArgument())}
	}
	attrs := append(metaAttributes(false),
		schema.Attribute{Name: "input", Kind: kindMeta, Required: true, Doc: "the scenarios: a dataset, such as dataset.agent_safety, a step, or a list of steps."},
		text("split", "which of the dataset's splits."),
		schema.Attribute{Name: "scenarios", Type: cty.Number, Min: bound(1), Doc: "how many of the scenarios, chosen at random."},
		schema.Attribute{Name: "k", Type: cty.List(cty.Number), Doc: "of sec@k."},
		text("baseline", "the agent that the others are compared with."),
		schema.Attribute{Name: "verdict", Type: cty.String, Default: cty.StringVal(string(VotesMajority)),
			OneOf: []string{string(VotesMajority), string(VotesAny), string(VotesAll)}},
		schema.Attribute{Name: "confidence", Type: cty.Number, Default: cty.NumberFloatVal(defaultConfidence), Min: bound(0.5), Max: bound(0.9999)},
		schema.Attribute{Name: "resamples", Type: cty.Number, Default: cty.NumberIntVal(defaultResamples), Min: bound(100), Max: bound(100_000)},
	)
	return schema.Block{Attributes: attrs, Blocks: []schema.NestedBlock{
		{Type: "agent", Labels: name, Min: 1, Doc: "Name what is to be tried: agent \"plain\" { model = model.agent }."},
		{Type: "judge", Labels: []string{"component", "name"}},
		{Type: "human", Labels: name, Block: block(
			schema.Attribute{Name: "path", Type: cty.DynamicPseudoType, Kind: schema.Files, Required: true, Doc: "the files of labels, CSV or JSONL."})},
		{Type: "group", Labels: name, Block: block(required(text("by", "a CEL expression over row, the scenario's; figures are told for each of its values.")))},
		{Type: "metric", Labels: name, Block: block(
			required(text("value", "a CEL expression over row, a trial's, that gives true or false, or a number.")),
			text("where", "a CEL expression over row; only the trials count for which it is true."),
			text("doc", "what the metric says."))},
		{Type: "assert", Labels: name, Block: block(
			required(text("that", "a CEL expression over metrics, such as metrics.tuned.sec_at_1.value > 0.8.")),
			text("message", "what to tell where it does not hold."))},
		{Type: "reference", Labels: name, Block: block(
			required(text("source", "where the figures are from.")),
			schema.Attribute{Name: "values", Type: cty.Map(cty.Map(cty.Number)), Required: true, Doc: "the figures by agent and metric: { plain = { sec_at_1 = 0.2 } }."},
			schema.Attribute{Name: "by", Type: cty.Map(cty.Map(cty.Map(cty.Map(cty.Number)))), Doc: "those that are broken down, by group, key, agent and metric: { domain = { finance = { plain = { sec_at_1 = 0.1 } } } }."})},
		{Type: "report", Max: 1, Block: block(
			required(text("path", "the folder of the report, relative to the recipe's.")),
			text("title", "the report's title; else the block's name."))},
	}}
}

// optional is a block none of whose arguments must be given: another block may
// give them.
func optional(b schema.Block) schema.Block {
	out := schema.Block{Attributes: slices.Clone(b.Attributes), Blocks: slices.Clone(b.Blocks)}
	for i := range out.Attributes {
		out.Attributes[i].Required = false
	}
	for i := range out.Blocks {
		out.Blocks[i].Min = 0
	}
	return out
}

// enabledArgument is the condition under which a part of an evaluation is there.
func enabledArgument() schema.Attribute {
	return schema.Attribute{Name: "enabled", Kind: kindMeta, Doc: "whether it is there; true by default."}
}

// countsArgument is what a judge of an evaluation takes beside its component's
// arguments.
const countsArgument = "counts"

// partShape gives the shapes of the agents and judges of an evaluation block.
func (d *decoder) partShape(b *block) shapeOf {
	return func(hb *hcl.Block) (schema.Block, bool, hcl.Diagnostics) {
		switch hb.Type {
		case "agent":
			shape := optional(b.component.Config)
			shape.Attributes = append(shape.Attributes, enabledArgument())
			return shape, true, nil
		case "judge":
			c, _, diag := d.component(schema.Judge, hb.Labels[0], hb.LabelRanges[0])
			if diag != nil {
				return schema.Block{}, true, hcl.Diagnostics{diag}
			}
			if diag := unfitJudge(c, hb); diag != nil {
				return schema.Block{}, true, hcl.Diagnostics{diag}
			}
			shape := c.Config
			shape.Attributes = append(slices.Clip(shape.Attributes), schema.Attribute{Name: countsArgument, Type: cty.Bool, Default: cty.True}, enabledArgument())
			return shape, true, nil
		}
		return schema.Block{}, false, nil
	}
}

// unfitJudge reports a judge that an evaluation can do nothing with.
func unfitJudge(c *schema.Component, hb *hcl.Block) *hcl.Diagnostic {
	if _, taken := c.Config.Attribute(countsArgument); taken {
		return problemAt(hb.LabelRanges[0], "Unusable component",
			"judge %q has an argument %q of its own, which every judge of an evaluation has. It can stand in a judge block of its own, but not here.", hb.Labels[0], countsArgument)
	}
	if !writesBlockColumn(c) {
		return problemAt(hb.LabelRanges[0], "Unusable component",
			"judge %q writes no column that is named after its block, so an evaluation could not tell its votes from those of others. It can stand in a judge block of its own, but not here.", hb.Labels[0])
	}
	return nil
}

// evaluationParts is an evaluation block, taken apart into what each of its
// steps is made of.
type evaluationParts struct {
	own *node // what the block says of itself
	// shared are its component's arguments, which agents may have of their own.
	shared *node
	agents []*node // with what of shared they do not have
	judges []*judgeNode
}

type judgeNode struct {
	*node
	component *schema.Component
	plugin    PluginRef
}

// divide takes an evaluation block apart. Expressions stay what they are, so
// what is wrong with one is told where it stands.
func (d *decoder) divide(b *block) hcl.Diagnostics {
	n := b.node
	p := &evaluationParts{
		own:    n.part(ownEvaluationShape(), func(typ string) bool { return typ != "agent" && typ != "judge" }),
		shared: n.part(optional(b.component.Config), func(string) bool { return true }),
	}
	b.evaluation = p
	diags := checkNames(n)
	for _, child := range n.blocks {
		switch child.typ {
		case "agent":
			agent, moreDiags := b.agentNode(child)
			p.agents = append(p.agents, agent)
			diags = append(diags, moreDiags...)
		case "judge": // its component was found when the block was read
			if c, plugin, diag := d.component(schema.Judge, child.labels[0], child.labelRanges[0]); diag == nil {
				p.judges = append(p.judges, &judgeNode{child, c, plugin})
			}
		}
	}
	return diags
}

// part is a block with those of its arguments and nested blocks that a shape has.
func (n *node) part(shape schema.Block, block func(typ string) bool) *node {
	out := *n
	out.shape, out.attrs, out.blocks = shape, map[string]*hcl.Attribute{}, nil
	for _, a := range shape.Attributes {
		if attr := n.attrs[a.Name]; attr != nil {
			out.attrs[a.Name] = attr
		}
	}
	for _, child := range n.blocks {
		if _, ok := nestedShape(shape, child.typ); ok && block(child.typ) {
			out.blocks = append(out.blocks, child)
		}
	}
	return &out
}

// agentNode is an agent with all that its component takes: of its own block,
// or else of the evaluation's. Nested blocks of one type come from one of them.
func (b *block) agentNode(n *node) (*node, hcl.Diagnostics) {
	out := *n
	out.shape, out.attrs, out.blocks = b.component.Config, map[string]*hcl.Attribute{}, nil
	var diags hcl.Diagnostics
	for _, a := range out.shape.Attributes {
		attr := n.attrs[a.Name]
		switch {
		case attr != nil && a.Kind == schema.Samples:
			diags = append(diags, problemAt(attr.NameRange, "Unsuitable argument",
				"%q is the same for all agents, or their figures could not be compared. Set it in %s itself.", a.Name, b.node.title()))
		case attr == nil:
			attr = b.node.attrs[a.Name]
		}
		if attr != nil {
			out.attrs[a.Name] = attr
		} else if a.Required {
			diag := n.missing(a)
			diag.Detail += fmt.Sprintf(" What is set in the %s block itself holds for all of its agents.", b.typ)
			diags = append(diags, diag)
		}
	}
	for _, nb := range out.shape.Blocks {
		blocks := n.children(nb.Type)
		if len(blocks) == 0 {
			blocks = b.node.children(nb.Type)
		}
		if len(blocks) < nb.Min {
			diags = append(diags, problemAt(n.end, "Missing block", "%s needs at least %d %s block(s). %s", n.title(), nb.Min, nb.Type, nb.Doc))
		}
		out.blocks = append(out.blocks, blocks...)
	}
	if attr := n.attrs["enabled"]; attr != nil {
		out.attrs["enabled"] = attr
	}
	if input := b.node.attrs["input"]; input != nil { // where columns that are missing are told of
		out.attrs["input"] = input
	}
	return &out, diags
}

// children are the blocks of a type in a block.
func (n *node) children(typ string) (list []*node) {
	for _, child := range n.blocks {
		if child.typ == typ {
			list = append(list, child)
		}
	}
	return list
}

// checkNames checks the names in an evaluation: they stand in expressions, and
// tell what has them apart.
func checkNames(n *node) hcl.Diagnostics {
	var diags hcl.Diagnostics
	seen := map[string]*node{}
	for _, child := range n.blocks {
		if nested := nestedOf(ownEvaluationShape(), child.typ); len(nested.Labels) == 0 {
			continue // it has no name, or is the component's
		}
		last := len(child.labels) - 1
		name, rng := child.labels[last], child.labelRanges[last]
		if !plainName(name) {
			diags = append(diags, problemAt(rng, "Invalid name",
				"%q cannot be the name of %s: use letters, digits and underscores, and begin with a letter or an underscore.", name, aBlock(child.typ)))
		}
		if slices.Contains([]string{"false", "in", "null", "true"}, name) {
			diags = append(diags, problemAt(rng, "Invalid name", "%q has a meaning of its own in expressions. Give the %s another name.", name, child.typ))
		}
		kind := child.typ
		if kind == "human" { // people are compared with judges
			kind = "judge"
		}
		if kind == "judge" && name == "verdict" { // which is held against people beside the judges
			diags = append(diags, problemAt(rng, "Invalid name", "\"verdict\" is what all judges come to. Give the %s another name.", child.typ))
		}
		if old := seen[kind+" "+name]; old != nil {
			diags = append(diags, problemAt(child.head, "Duplicate block", "There is already %s in %s, at %s. Rename one of them.", old.title(), n.title(), place(old.head)))
			continue
		}
		seen[kind+" "+name] = child
	}
	return diags
}

func nestedOf(shape schema.Block, typ string) schema.NestedBlock {
	for _, nb := range shape.Blocks {
		if nb.Type == typ {
			return nb
		}
	}
	return schema.NestedBlock{}
}

// plainName says whether a name can stand in a CEL expression, after a dot.
func plainName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
