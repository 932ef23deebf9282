package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// connect follows every reference in the blocks, and orders the steps so that
// inputs come before their users.
func (d *decoder) connect() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, addr := range d.addresses() {
		b := d.blocks[addr]
		b.node.visit(func(attr *hcl.Attribute) {
			for _, t := range attr.Expr.Variables() {
				if diag := d.follow(b, attr, t); diag != nil {
					diags = append(diags, diag)
				}
			}
		})
	}
	if diags.HasErrors() {
		return diags
	}
	for _, b := range d.blocks { // a model may be of a finetune block
		for _, m := range b.models {
			b.deps = append(b.deps, m.deps...)
		}
	}
	return d.sortSteps()
}

// follow checks one reference of a block and notes the dependency.
func (d *decoder) follow(b *block, attr *hcl.Attribute, t hcl.Traversal) *hcl.Diagnostic {
	tg, diag := d.resolve(t)
	if diag != nil {
		return diag
	}
	rng := t.SourceRange()
	if diag := misplaced(b, attr, tg, rng); diag != nil {
		return diag
	}
	if tg.block == nil {
		return nil
	}
	if len(tg.rest) > 0 {
		if looksInside(tg.rest) || !tg.block.isStep() {
			hint := "."
			if tg.block.node.attrs["for_each"] != nil {
				hint = fmt.Sprintf(", or one instance, %s[\"key\"].", tg.block.addr)
			}
			if tg.block.typ == string(schema.Evaluation) {
				hint += " Its rows are figures. The trials of its agents are no input of other steps; autosafe show prints them by their address."
			}
			return problemAt(rng, "Unsupported reference", "A reference cannot look inside %s; use %s as a whole%s", tg.block.addr, tg.block.addr, hint)
		}
	}
	if tg.block.typ == "model" {
		b.models = append(b.models, tg.block)
	}
	if tg.block.isStep() {
		b.deps = append(b.deps, dependency{tg.block, rng, tg.rest})
	}
	return nil
}

// looksInside says whether what follows the address of a step is more than the
// key of an instance.
func looksInside(rest hcl.Traversal) bool {
	_, ok := rest[0].(hcl.TraverseAttr)
	return ok || len(rest) > 1
}

// misplaced reports references to things that a block has no use for.
func misplaced(b *block, attr *hcl.Attribute, tg *target, rng hcl.Range) *hcl.Diagnostic {
	switch {
	case tg.root == "var" || tg.root == "local":
		return nil
	case tg.root == "each" && b.node.attrs["for_each"] == nil:
		return problemAt(rng, "Misplaced reference", "each.key and each.value exist only in a block with for_each. Add for_each to %s, or use another value.", b.addr)
	case tg.root == "each" && attr == b.node.attrs["for_each"]:
		return problemAt(rng, "Misplaced reference", "for_each itself cannot use each.key or each.value.")
	case tg.root == "each":
		return nil
	case tg.root == "dataset" && (b.typ == string(schema.Finetune) || b.typ == string(schema.Evaluation)):
		return nil
	case tg.root == "dataset":
		return problemAt(rng, "Misplaced reference", "A dataset is the end of a pipeline: its rows go to its outputs, and only finetune and evaluation blocks can use them. Refer to the dataset's own input instead.")
	case tg.root == string(schema.Evaluation) && b.typ != "distill" && b.typ != "dataset":
		return problemAt(rng, "Misplaced reference", "An evaluation gives figures, which only a distill or a dataset block can take as rows. Refer to the evaluation's own input, or to a step before it.")
	case b.typ == "provider":
		return problemAt(rng, "Misplaced reference", "A provider may use var, local and functions only.")
	case b.typ == "model" && tg.root != "provider" && tg.root != string(schema.Finetune):
		return problemAt(rng, "Misplaced reference", "A model may use var, local, functions, a provider and a finetune block only.")
	case b.isStep() && tg.root == "provider" && b.typ != string(schema.Finetune):
		return problemAt(rng, "Misplaced reference", "A step uses models, not providers. Refer to a model block that has this provider.")
	}
	return nil
}

// sortSteps orders the steps, and reports cycles with their path.
func (d *decoder) sortSteps() hcl.Diagnostics {
	var diags hcl.Diagnostics
	const inProgress, done = 1, 2
	state := map[*block]int{}
	var path []*block
	var visit func(b *block)
	visit = func(b *block) {
		state[b] = inProgress
		path = append(path, b)
		for _, dep := range b.deps {
			switch state[dep.block] {
			case 0:
				visit(dep.block)
			case inProgress:
				diags = append(diags, cycle(path[slices.Index(path, dep.block):], dep.rng))
			}
		}
		path = path[:len(path)-1]
		state[b] = done
		d.order = append(d.order, b)
	}
	for _, addr := range d.addresses() {
		if b := d.blocks[addr]; b.isStep() && state[b] == 0 {
			visit(b)
		}
	}
	return diags
}

func cycle(path []*block, rng hcl.Range) *hcl.Diagnostic {
	var names []string
	for _, b := range path {
		names = append(names, b.addr)
	}
	names = append(names, path[0].addr)
	return problemAt(rng, "Cycle", "These steps need each other's rows: %s. Break the circle: rows flow one way.", strings.Join(names, " -> "))
}

// baseContext is what every expression may use.
func (d *decoder) baseContext() *hcl.EvalContext {
	vars := map[string]cty.Value{}
	for name, v := range d.vars {
		vars[name] = v.value
	}
	locals := map[string]cty.Value{}
	for name, v := range d.localValues {
		locals[name] = v
	}
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(vars), "local": cty.ObjectVal(locals)},
		Functions: d.functions,
	}
}

// modelContext is what a model block may use.
func (d *decoder) modelContext(base *hcl.EvalContext) *hcl.EvalContext {
	providers := map[string]map[string]cty.Value{}
	for _, b := range d.blocks {
		if b.typ != "provider" {
			continue
		}
		if providers[b.labels[0]] == nil {
			providers[b.labels[0]] = map[string]cty.Value{}
		}
		providers[b.labels[0]][b.labels[1]] = (&reference{kind: providerRef, block: b, addr: b.addr}).value()
	}
	types := map[string]cty.Value{}
	for typ, names := range providers {
		types[typ] = cty.ObjectVal(names)
	}
	ctx := base.NewChild()
	ctx.Variables = map[string]cty.Value{"provider": cty.ObjectVal(types)}
	if tuned := d.finetuneReferences(); len(tuned) > 0 {
		ctx.Variables[string(schema.Finetune)] = cty.ObjectVal(tuned)
	}
	return ctx
}

// finetuneReferences are the finetune blocks by component and name.
func (d *decoder) finetuneReferences() map[string]cty.Value {
	tree := map[string]map[string]cty.Value{}
	for _, b := range d.blocks {
		if b.typ != string(schema.Finetune) {
			continue
		}
		if tree[b.labels[0]] == nil {
			tree[b.labels[0]] = map[string]cty.Value{}
		}
		tree[b.labels[0]][b.name()] = b.value()
	}
	out := map[string]cty.Value{}
	for component, names := range tree {
		out[component] = cty.ObjectVal(names)
	}
	return out
}

// modelReferences is the value of "model" in steps.
func (d *decoder) modelReferences() cty.Value {
	models := map[string]cty.Value{}
	for _, b := range d.blocks {
		if b.typ == "model" {
			models[b.name()] = (&reference{kind: modelRef, block: b, addr: b.addr}).value()
		}
	}
	return cty.ObjectVal(models)
}

// stepContext is what a step may use: models, and the steps it refers to.
func stepContext(base *hcl.EvalContext, models cty.Value, b *block) *hcl.EvalContext {
	tree := map[string]map[string]map[string]cty.Value{} // type, component or "", name
	for _, dep := range b.deps {
		u := dep.block
		component := ""
		if len(u.labels) == 2 {
			component = u.labels[0]
		}
		if tree[u.typ] == nil {
			tree[u.typ] = map[string]map[string]cty.Value{}
		}
		if tree[u.typ][component] == nil {
			tree[u.typ][component] = map[string]cty.Value{}
		}
		tree[u.typ][component][u.name()] = u.value()
	}
	ctx := base.NewChild()
	ctx.Variables = map[string]cty.Value{"model": models}
	for typ, components := range tree {
		if names, ok := components[""]; ok {
			ctx.Variables[typ] = cty.ObjectVal(names)
			continue
		}
		values := map[string]cty.Value{}
		for component, names := range components {
			values[component] = cty.ObjectVal(names)
		}
		ctx.Variables[typ] = cty.ObjectVal(values)
	}
	return ctx
}

// value is what a reference to the block yields: one step, or an object of
// them by key.
func (b *block) value() cty.Value {
	if b.broken {
		return cty.DynamicVal
	}
	all := map[string]cty.Value{}
	for _, inst := range b.instances {
		r := &reference{kind: stepRef, block: b, key: inst.key, addr: inst.addr}
		if !b.forEach {
			return r.value()
		}
		all[inst.key] = r.value()
	}
	return cty.ObjectVal(all)
}

// checkKeys checks the for_each keys that a block's references name.
func (b *block) checkKeys() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, dep := range b.deps {
		if dep.block.broken || len(dep.rest) == 0 {
			continue
		}
		index, ok := dep.rest[0].(hcl.TraverseIndex)
		if !ok {
			continue
		}
		addr := dep.block.addr
		if !dep.block.forEach {
			diags = append(diags, problemAt(dep.rng, "Unsupported reference", "%s has no for_each: it is one step. Refer to it without a key.", addr))
			continue
		}
		var keys []string
		for _, inst := range dep.block.instances {
			keys = append(keys, inst.key)
		}
		key := index.Key
		if key.Type() != cty.String || !slices.Contains(keys, key.AsString()) {
			given, hint := describe(key), ""
			if key.Type() == cty.String {
				given, hint = fmt.Sprintf("%q", key.AsString()), suggest(key.AsString(), keys)
			}
			diags = append(diags, problemAt(dep.rng, "Undeclared reference", "%s has no instance with the key %s.%s Its keys: %s.", addr, given, hint, listed(keys)))
		}
	}
	return diags
}
