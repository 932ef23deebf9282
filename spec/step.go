package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// instance is one step that a block makes: the only one, or one for each key
// of for_each.
type instance struct {
	key   string
	addr  string
	each  cty.Value // cty.NilVal without for_each
	value *blockValue
	step  *Step // nil if the step is not enabled
	// parts are the steps of an evaluation that come before it, in order.
	parts []*instance
}

// all are the steps that the instance stands for, in order; none if it is not
// enabled.
func (i *instance) all() []*instance {
	if i.step == nil {
		return nil
	}
	return append(slices.Clip(i.parts), i)
}

// metaAttributes are the arguments that every step has.
func metaAttributes(input bool) []schema.Attribute {
	zero := 0.0
	attrs := []schema.Attribute{
		{Name: "for_each", Kind: kindMeta},
		{Name: "enabled", Kind: kindMeta},
		{Name: "on_error", Type: cty.String, Default: cty.StringVal(string(OnErrorFail)), OneOf: []string{string(OnErrorFail), string(OnErrorDrop)}},
		{Name: "max_failures", Type: cty.Number, Min: &zero},
		{Name: "seed", Type: cty.Number, Default: cty.Zero, Min: &zero},
		{Name: "generation", Type: cty.Number, Default: cty.Zero, Min: &zero},
	}
	if input {
		attrs = append(attrs, schema.Attribute{Name: "input", Kind: kindMeta, Required: true, Doc: "the step whose rows this one takes, or a list of steps."})
	}
	return attrs
}

// configure evaluates every enabled step, and the models and providers that
// they use.
func (d *decoder) configure() hcl.Diagnostics {
	var diags hcl.Diagnostics
	base, models := d.baseContext(), d.modelReferences()
	for _, b := range d.order {
		ctx := stepContext(base, models, b)
		moreDiags := b.checkKeys()
		if !moreDiags.HasErrors() {
			moreDiags = d.expand(b, ctx)
		}
		diags = append(diags, moreDiags...)
		b.broken = moreDiags.HasErrors()
		for _, inst := range b.instances {
			if inst.step != nil {
				diags = append(diags, d.configureStep(b, inst, eachContext(ctx, inst))...)
			}
		}
	}
	diags = append(diags, d.checkUnused(base)...)
	diags = append(diags, d.checkOutputPaths()...)
	diags = append(diags, d.checkCardPaths()...)
	diags = append(diags, d.checkReportPaths()...)
	diags = append(diags, d.checkEvaluations()...)
	return append(diags, d.secrets.leaks(d.open)...)
}

func eachContext(ctx *hcl.EvalContext, inst *instance) *hcl.EvalContext {
	if inst.each == cty.NilVal {
		return ctx
	}
	child := ctx.NewChild()
	child.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{
		"key": cty.StringVal(inst.key), "value": inst.each,
	})}
	return child
}

// expand works out which steps a block makes: for_each and enabled.
func (d *decoder) expand(b *block, ctx *hcl.EvalContext) hcl.Diagnostics {
	diags := d.forEach(b, ctx)
	for _, inst := range b.instances {
		enabled := true
		if attr, ok := b.node.attrs["enabled"]; ok {
			var moreDiags hcl.Diagnostics
			enabled, moreDiags = d.boolean("enabled", attr.Expr, eachContext(ctx, inst))
			diags = append(diags, moreDiags...)
		}
		if enabled {
			inst.step = &Step{Address: inst.addr, Name: b.name(), Kind: b.kind(), Range: b.node.head}
		}
	}
	return diags
}

func (b *block) kind() StepKind {
	switch b.typ {
	case "distill":
		return DistillStep
	case "dataset":
		return DatasetStep
	case string(schema.Finetune):
		return FinetuneStep
	case string(schema.Evaluation):
		return EvaluationStep
	}
	return RoleStep
}

// forEach makes the block's instances, in order of key.
func (d *decoder) forEach(b *block, ctx *hcl.EvalContext) hcl.Diagnostics {
	attr, ok := b.node.attrs["for_each"]
	if !ok {
		b.instances = []*instance{{addr: b.addr}}
		return nil
	}
	b.forEach = true
	v, diags := attr.Expr.Value(ctx)
	if diags.HasErrors() {
		return diags
	}
	v, marked := unmark(v)
	ty := v.Type()
	switch {
	case marked:
		return append(diags, problemAt(attr.Expr.Range(), "Sensitive value", "for_each cannot use a sensitive value: its keys become part of addresses."))
	case !v.IsWhollyKnown():
		return diags // an error was reported where the value comes from
	case v.IsNull() || !ty.IsObjectType() && !ty.IsMapType() && !(ty.IsSetType() && ty.ElementType() == cty.String):
		hint := ""
		if ty.IsTupleType() || ty.IsListType() {
			hint = " Write toset([...]) around a list of strings."
		}
		return append(diags, problemAt(attr.Expr.Range(), "Unsuitable value", "%q takes a map, an object or a set of strings; %s was given.%s", "for_each", describe(v), hint))
	}
	for key, value := range v.Elements() {
		if ty.IsSetType() {
			key = value
		}
		if key.IsNull() {
			b.instances = nil
			return append(diags, problemAt(attr.Expr.Range(), "Unsuitable value", "%q takes a set of strings, each the key of a step; null is among them. Take it out.", "for_each"))
		}
		name := key.AsString()
		b.instances = append(b.instances, &instance{key: name, addr: fmt.Sprintf("%s[%q]", b.addr, name), each: value})
	}
	return diags
}

// configureStep evaluates one step. Columns, expressions and templates are
// looked at later.
func (d *decoder) configureStep(b *block, inst *instance, ctx *hcl.EvalContext) hcl.Diagnostics {
	if b.evaluation != nil {
		return d.configureEvaluation(b, inst, ctx)
	}
	v, diags := d.evaluate(b.node, ctx)
	inst.value = v
	step := inst.step
	diags = append(diags, d.policies(step, v)...)
	if step.Kind == FinetuneStep {
		return append(diags, d.configureFinetune(b, step, v, ctx)...)
	}
	if attr, ok := b.node.attrs["input"]; ok {
		inputs, moreDiags := d.inputs(attr, ctx)
		step.Inputs = inputs
		diags = append(diags, moreDiags...)
	}
	switch step.Kind {
	case DistillStep:
		return append(diags, d.configureDistill(step, v)...)
	case DatasetStep:
		return append(diags, d.configureDataset(step, v)...)
	}
	role, moreDiags := d.roleBody(b.component, b.plugin, v)
	step.Role = role
	step.After = role.after()
	return append(diags, moreDiags...)
}

// policies reads the meta-arguments of a step that are plain values.
func (d *decoder) policies(step *Step, v *blockValue) hcl.Diagnostics {
	step.OnError = OnErrorFail
	if v.text("on_error") == string(OnErrorDrop) {
		step.OnError = OnErrorDrop
		step.MaxFailures = -1
	}
	var diags hcl.Diagnostics
	for name, set := range map[string]func(int64){
		"max_failures": func(n int64) { step.MaxFailures = int(n) },
		"seed":         func(n int64) { step.Seed = n },
		"generation":   func(n int64) { step.Generation = int(n) },
	} {
		n, ok, diag := v.whole(name)
		if diag != nil {
			diags = append(diags, diag)
		} else if ok {
			set(n)
		}
	}
	return diags
}

// whole reads a whole number; ok is false where there is none.
func (b *blockValue) whole(name string) (n int64, ok bool, diag *hcl.Diagnostic) {
	v, ok := b.known(name)
	if !ok || v.Type() != cty.Number {
		return 0, false, nil
	}
	f := v.AsBigFloat()
	n, _ = f.Int64()
	if !f.IsInt() || n > 1<<53 || n < -(1<<53) {
		return 0, false, problemAt(b.expr(name).Range(), "Unsuitable value", "%q takes a whole number; %s was given.", name, describe(v))
	}
	return n, true, nil
}

// inputs evaluates the input of a step: one reference, or several in the
// order in which their rows are wanted. A step that is not enabled may stand
// among several, where it is left out; as the only input it is an error.
func (d *decoder) inputs(attr *hcl.Attribute, ctx *hcl.EvalContext) ([]*Step, hcl.Diagnostics) {
	v, diags := attr.Expr.Value(ctx)
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return nil, diags
	}
	v, _ = unmark(v)
	rng := attr.Expr.Range()
	if r, ok := asReference(v); ok {
		step, diag := r.step(rng)
		if diag != nil {
			return nil, append(diags, diag)
		}
		if step == nil {
			return nil, append(diags, problemAt(rng, "Reference to a disabled step",
				"The input %s is not enabled, so it has no rows. Enable it, or give this step the same condition: enabled = ...", r.addr))
		}
		return []*Step{step}, diags
	}
	var steps []*Step
	seen := map[*Step]bool{}
	diag := eachReference(v, func(r *reference) *hcl.Diagnostic {
		step, diag := r.step(rng)
		switch {
		case diag != nil:
			return diag
		case step == nil: // not enabled
			return nil
		case seen[step]:
			return problemAt(rng, "Duplicate input", "%s is an input of this step twice. Name it once: its rows would come twice.", r.addr)
		}
		seen[step] = true
		steps = append(steps, step)
		return nil
	}, func(v cty.Value) *hcl.Diagnostic {
		return problemAt(rng, "Unsuitable value", "%q takes a reference to a step, such as simulator.trajectory.scenarios, or a list of them; %s was given.%s", attr.Name, describe(v), quoteHint(v, "simulator.trajectory.scenarios"))
	})
	if diag == nil && len(steps) == 0 {
		diag = problemAt(rng, "No input", "None of the steps in this list exists and is enabled, so there are no rows. Enable one, or disable this step too.")
	}
	if diag != nil {
		diags = append(diags, diag)
	}
	return steps, diags
}

// eachReference visits the references in a list, or in an object in order of
// key, at any depth.
func eachReference(v cty.Value, f func(*reference) *hcl.Diagnostic, other func(cty.Value) *hcl.Diagnostic) *hcl.Diagnostic {
	if r, ok := asReference(v); ok {
		return f(r)
	}
	if v.IsNull() || !v.CanIterateElements() {
		return other(v)
	}
	for _, elem := range v.Elements() {
		if diag := eachReference(elem, f, other); diag != nil {
			return diag
		}
	}
	return nil
}

// step finds what a reference leads to; nil if it is not enabled.
func (r *reference) step(rng hcl.Range) (*Step, *hcl.Diagnostic) {
	if r.kind != stepRef {
		return nil, problemAt(rng, "Unsuitable value", "\"input\" takes a reference to a step; %s was given.", r)
	}
	if r.block.typ == string(schema.Finetune) {
		return nil, problemAt(rng, "Unsuitable value", "%s gives a model, not rows: use it where a model is wanted, such as agent = %s.", r.addr, r.addr)
	}
	return r.instance(), nil
}

// instance is the step of a reference; nil if it is not enabled.
func (r *reference) instance() *Step {
	for _, inst := range r.block.instances {
		if inst.key == r.key {
			return inst.step
		}
	}
	return nil
}
