package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec/schema"
)

// check works out the columns of every step, in order, and checks what is
// written about them: needs of components, templates and expressions. Then
// each component looks at its own configuration.
func (d *decoder) check() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range d.order {
		for _, inst := range b.instances {
			told := map[*blockValue]bool{} // each agent of an evaluation has the same judges
			for _, part := range inst.all() {
				moreDiags := d.checkPart(part)
				if !told[part.value] {
					diags = append(diags, moreDiags...)
				}
				told[part.value] = true
			}
		}
	}
	return diags
}

func (d *decoder) checkPart(part *instance) hcl.Diagnostics {
	known := d.checks.recall(part.step, part.value)
	diags := d.checkStep(part.step, part.value, known)
	if len(diags) == 0 && !known {
		d.checks.note(part.step)
	}
	if diags.HasErrors() {
		// What follows is not to be blamed for columns that are missing
		// because of this.
		part.step.Columns.Open = true
	}
	return diags
}

// checkStep checks one step. Of one that is known to be good only what its
// rows look like is worked out.
func (d *decoder) checkStep(step *Step, v *blockValue, known bool) hcl.Diagnostics {
	compile := compiler(d.envs.compile)
	if known {
		compile = compileLater
	}
	if step.Kind == FinetuneStep { // it takes files, not rows
		step.Columns = Columns{List: slices.Concat(step.Role.Component.Reads, step.Role.Component.Writes)}
		return d.checkRole(step.Role, Columns{}, known)
	}
	if step.Kind == EvaluationStep {
		return compileEvaluation(step, v, compile)
	}
	in := unionColumns(step.Inputs)
	if len(step.Inputs) == 0 {
		in = Columns{List: []schema.Column{}}
	}
	switch step.Kind {
	case DistillStep:
		step.Columns = in
		if step.choosesScenarios() {
			return step.addScenario(v)
		}
		return compileDistill(step, v, compile)
	case DatasetStep:
		step.Columns = in
		diags := compileDataset(step, v, compile)
		for _, out := range step.Dataset.Outputs {
			diags = append(diags, out.checkColumns(step)...)
			diags = append(diags, d.checkRole(&out.Role, in, known)...)
		}
		return diags
	}
	diags := checkReads(step, v)
	if diag := checkBlockColumn(step, in, v); diag != nil {
		diags = append(diags, diag)
	}
	diags = append(diags, d.checkRole(step.Role, in, known)...)
	step.Columns = outColumns(in, step.Role)
	return diags
}

// checkColumns checks that the rows have what an output needs.
func (o *OutputBody) checkColumns(step *Step) hcl.Diagnostics {
	as := &Step{Role: &o.Role, Inputs: step.Inputs}
	return checkReads(as, o.Role.value)
}

// checkRole checks templates and mappings, works out which columns the
// component reads, and has it look at its configuration.
func (d *decoder) checkRole(b *RoleBody, in Columns, known bool) hcl.Diagnostics {
	if known {
		return b.compileRowMap(compileLater)
	}
	reads := map[string]bool{}
	b.ReadsAll = b.Component.ReadsAll
	for _, col := range b.Component.Reads {
		reads[col.Name] = true
	}
	diags := b.checkTemplates(b.value, in, reads)
	diags = append(diags, b.compileRowMap(d.envs.compile)...)
	if !b.ReadsAll {
		b.Reads = sortedKeys(reads)
	}
	if diags.HasErrors() {
		return diags
	}
	found, err := d.opts.Registry.Validate(b.Plugin, b.Component.Role, b.Component.Name, b.Config)
	if err != nil {
		return append(diags, problemAt(b.value.head, "Unchecked configuration", "The component %s could not check its configuration: %s.", b.value.title(), err))
	}
	for _, problem := range found {
		diags = append(diags, b.Diagnose(problem))
	}
	return diags
}

// checkTemplates checks the templates of a block and of those nested in it.
func (b *RoleBody) checkTemplates(v *blockValue, in Columns, reads map[string]bool) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range v.shape.Attributes {
		if a.Kind != schema.Template {
			continue
		}
		if _, ok := v.known(a.Name); !ok {
			continue
		}
		columns, all, moreDiags := checkTemplate(a, v.text(a.Name), v.expr(a.Name), in)
		diags = append(diags, moreDiags...)
		b.ReadsAll = b.ReadsAll || all
		for _, name := range columns {
			reads[name] = true
		}
	}
	for _, nested := range v.nested {
		diags = append(diags, b.checkTemplates(nested, in, reads)...)
	}
	return diags
}

// compileRowMap compiles the mapping of a source, whose expressions see the
// raw record.
func (b *RoleBody) compileRowMap(compile compiler) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range b.Component.Config.Attributes {
		if a.Kind != schema.RowMap {
			continue
		}
		v, ok := b.value.known(a.Name)
		if !ok {
			continue
		}
		for key, text := range v.Elements() {
			at := subExpr(b.value.expr(a.Name), []pathStep{{key: key.AsString(), isKey: true}})
			if text.IsNull() {
				diags = append(diags, problemAt(at.Range(), "Unsuitable value", "The column %q has no expression.", key.AsString()))
				continue
			}
			expr, moreDiags := compile(exprSource{Text: text.AsString(), Node: at, Columns: Columns{Open: true}, Var: "record", Want: wantAny})
			diags = append(diags, moreDiags...)
			b.RowMap = append(b.RowMap, RowMapping{Column: key.AsString(), Expr: expr})
		}
	}
	return diags
}

// Diagnose turns what a component says about its configuration into a
// diagnostic at the source line, as deep as the path leads into the recipe.
func (b *RoleBody) Diagnose(p schema.Diagnostic) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: p.Summary, Detail: p.Detail}
	if p.Warning {
		d.Severity = hcl.DiagWarning
	}
	if b.value != nil {
		rng := b.value.locate(pathSteps(p.Path))
		d.Subject = &rng
	}
	if b.value != nil && len(p.Path) > 0 && d.Detail == "" {
		d.Detail = fmt.Sprintf("At %s.", pathText(b.value.typ, p.Path))
	}
	return d
}

// locate finds the source range of a path in a block: an attribute and what
// is in it, or a nested block by its type and index.
func (b *blockValue) locate(path []pathStep) hcl.Range {
	if len(path) == 0 || !path[0].isKey {
		return b.head
	}
	if attr, ok := b.attrs[path[0].key]; ok {
		return subExpr(attr.Expr, path[1:]).Range()
	}
	if i := slices.Index(b.labelNames, path[0].key); i >= 0 && i < len(b.labelRanges) {
		return b.labelRanges[i]
	}
	var same []*blockValue
	for _, nested := range b.nested {
		if nested.typ == path[0].key {
			same = append(same, nested)
		}
	}
	rest := path[1:]
	switch {
	case len(same) == 0:
		return b.head
	case len(rest) == 0:
		return same[0].head
	case !rest[0].isKey && rest[0].index >= 0 && rest[0].index < len(same):
		return same[rest[0].index].locate(rest[1:])
	case rest[0].isKey && len(same) == 1:
		return same[0].locate(rest)
	}
	return same[0].head
}
