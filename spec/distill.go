package spec

import (
	"fmt"
	"math"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// distillShape is the shape of a distill block. In JSON, the operations run
// in the order of the object's members; a member may repeat.
func distillShape() schema.Block {
	one := bound(1)
	by := schema.Attribute{Name: "by", Type: cty.String, Doc: "a CEL expression over row; rows with equal values belong together."}
	seed := schema.Attribute{Name: "seed", Type: cty.Number, Min: bound(0)}
	size := func(name, doc string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.Number, Required: true, Min: one, Doc: doc}
	}
	requiredBy := by
	requiredBy.Required = true
	op := func(kind OpKind, attrs ...schema.Attribute) schema.NestedBlock {
		return schema.NestedBlock{Type: string(kind), Labels: []string{"name"}, Block: schema.Block{Attributes: attrs}}
	}
	return schema.Block{
		Attributes: metaAttributes(true),
		Blocks: []schema.NestedBlock{
			op(OpFilter, schema.Attribute{Name: "keep", Type: cty.String, Required: true, Doc: "a CEL expression over row; rows where it is false are dropped."}),
			op(OpDedupe, by, schema.Attribute{Name: "similarity", Type: cty.Number, Default: cty.NumberIntVal(1), Min: bound(0), Max: one}),
			op(OpBalance, requiredBy, size("max", "rows in a group."), seed),
			op(OpSample, size("n", "rows in all."), seed),
			op(OpLimit, size("max", "rows in all."), seed),
			op(OpMix, requiredBy,
				schema.Attribute{Name: "weights", Type: cty.Map(cty.Number), Required: true, Doc: "the shares of the values of by, such as { ours = 3, theirs = 1 }."},
				schema.Attribute{Name: "n", Type: cty.Number, Min: one, Doc: "rows in all; by default as many as the shares permit."}, seed),
		},
	}
}

// configureDistill reads the operations of a distill block. Their expressions
// are compiled when the columns are known.
func (d *decoder) configureDistill(step *Step, v *blockValue) hcl.Diagnostics {
	var diags hcl.Diagnostics
	names := map[string]*node{}
	step.Distill = []*Op{}
	for _, nested := range v.nested {
		op := &Op{Kind: OpKind(nested.typ), Name: nested.labels[0], Range: nested.head}
		id := fmt.Sprintf("%s %q", op.Kind, op.Name)
		if old, ok := names[id]; ok {
			diags = append(diags, problemAt(nested.head, "Duplicate block", "There is already %s in %s, at %s. Rename one of them.", id, step.Address, place(old.head)))
		}
		names[id] = nested.node
		diags = append(diags, op.read(nested)...)
		for _, name := range []string{"keep", "by"} {
			d.openValue(name, nested)
		}
		step.Distill = append(step.Distill, op)
	}
	return diags
}

// read takes an operation's numbers.
func (op *Op) read(v *blockValue) hcl.Diagnostics {
	diags := append(v.intInto("max", &op.Max), v.intInto("n", &op.N)...)
	seed, ok, diag := v.whole("seed")
	if diag != nil {
		diags = append(diags, diag)
	}
	if ok {
		op.Seed = &seed
	}
	if s := v.float("similarity"); s != nil {
		op.Similarity = *s
		if *s == 0 {
			diags = append(diags, problemAt(v.expr("similarity").Range(), "Value out of bounds",
				"\"similarity\" takes a number above 0, up to 1; at 0 every row would be a duplicate of the first."))
		}
	}
	if op.Kind == OpMix {
		diags = append(diags, op.readWeights(v)...)
	}
	return diags
}

// readWeights takes the shares of a mix.
func (op *Op) readWeights(v *blockValue) hcl.Diagnostics {
	weights, ok := v.known("weights")
	if !ok {
		return nil
	}
	var diags hcl.Diagnostics
	expr := v.expr("weights")
	op.Weights = map[string]float64{}
	for key, weight := range weights.Elements() {
		name := key.AsString()
		f := 0.0
		if !weight.IsNull() {
			f, _ = weight.AsBigFloat().Float64()
		}
		if f <= 0 || math.IsInf(f, 0) {
			at := subExpr(expr, []pathStep{{key: name, isKey: true}}).Range()
			diags = append(diags, problemAt(at, "Invalid weight", "The weight of %q must be a number above 0; to leave its rows out, leave out its name.", name))
		}
		op.Weights[name] = f
	}
	if len(op.Weights) == 0 {
		diags = append(diags, problemAt(expr.Range(), "Invalid weight", "\"weights\" names no group, so no row would be kept."))
	}
	return diags
}

// compileDistill compiles the expressions of a distill step.
func compileDistill(step *Step, v *blockValue, compile compiler) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, op := range step.Distill {
		nested := v.nested[i]
		var moreDiags hcl.Diagnostics
		if op.Kind == OpFilter {
			op.Keep, moreDiags = compileAttribute(nested, "keep", step.Columns, wantBool, compile)
		} else {
			op.By, moreDiags = compileAttribute(nested, "by", step.Columns, wantString, compile)
		}
		diags = append(diags, moreDiags...)
	}
	return diags
}

// compileAttribute compiles the CEL expression in an attribute; nil if unset.
func compileAttribute(v *blockValue, name string, columns Columns, want exprType, compile compiler) (*Expr, hcl.Diagnostics) {
	if _, ok := v.known(name); !ok {
		return nil, nil
	}
	return compile(exprSource{Text: v.text(name), Node: v.expr(name), Columns: columns, Var: rowVariable, Want: want})
}
