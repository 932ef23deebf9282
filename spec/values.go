package spec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/autosafe/autosafe/spec/schema"
)

// blockValue is a node with its values, converted to the types of its shape.
type blockValue struct {
	*node
	values map[string]cty.Value // null where unset; unknown where in error
	nested []*blockValue
}

// expr gives the expression of an attribute; where a default was taken, one
// that points to the block's header.
func (b *blockValue) expr(name string) hcl.Expression {
	if attr, ok := b.attrs[name]; ok {
		return attr.Expr
	}
	return hcl.StaticExpr(cty.NullVal(cty.DynamicPseudoType), b.head)
}

// known returns a value that is there to be used: neither null nor, after an
// error or in a block that is only looked at, unknown.
func (b *blockValue) known(name string) (cty.Value, bool) {
	v, ok := b.values[name]
	return v, ok && v != cty.NilVal && v.IsWhollyKnown() && !v.IsNull()
}

func (b *blockValue) text(name string) string {
	if v, ok := b.known(name); ok && v.Type() == cty.String {
		return v.AsString()
	}
	return ""
}

// evaluate gives every attribute of a block its value. Attributes of kindMeta
// are left to the caller.
func (d *decoder) evaluate(n *node, ctx *hcl.EvalContext) (*blockValue, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	b := &blockValue{node: n, values: map[string]cty.Value{}}
	for _, a := range n.shape.Attributes {
		if a.Kind == kindMeta {
			continue
		}
		v, moreDiags := d.attribute(n, a, ctx)
		diags = append(diags, moreDiags...)
		b.values[a.Name] = v
	}
	for _, child := range n.blocks {
		v, moreDiags := d.evaluate(child, ctx)
		diags = append(diags, moreDiags...)
		b.nested = append(b.nested, v)
	}
	return b, diags
}

// attribute evaluates one attribute: default, sensitivity, type, bounds.
func (d *decoder) attribute(n *node, a schema.Attribute, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	unset := cty.NullVal(cty.DynamicPseudoType)
	if a.Default != cty.NilVal {
		unset = a.Default
	}
	attr, ok := n.attrs[a.Name]
	if !ok {
		return unset, nil
	}
	v, diags := attr.Expr.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, marked := unmark(v)
	switch {
	case marked && !a.Sensitive:
		return cty.DynamicVal, append(diags, problemAt(attr.Expr.Range(), "Sensitive value",
			"The value of %q comes from something sensitive (a sensitive variable, or an environment variable named like a key). It would be stored in the cache and sent to a plugin or a model. Use a value that is not sensitive; secrets belong in a provider's api_key or headers.", a.Name))
	case a.Sensitive:
		d.secrets.add(secretPart(a, v))
	}
	if v.IsNull() {
		if a.Required {
			return cty.DynamicVal, append(diags, problemAt(attr.Expr.Range(), "Missing required argument",
				"The argument %q is required in %s, and null leaves it unset.", a.Name, n.title()))
		}
		return unset, diags
	}
	converted, diag := convertAttribute(a, attr.Expr, v)
	if diag == nil && converted.IsWhollyKnown() {
		diag = checkBounds(a, attr.Expr, converted)
	}
	if diag != nil {
		return cty.DynamicVal, append(diags, diag)
	}
	return converted, diags
}

func unmark(v cty.Value) (cty.Value, bool) {
	if !v.ContainsMarked() {
		return v, false
	}
	v, _ = v.UnmarkDeep()
	return v, true
}

// convertAttribute converts a value to the type that its attribute takes.
func convertAttribute(a schema.Attribute, expr hcl.Expression, v cty.Value) (cty.Value, *hcl.Diagnostic) {
	want := a.Type
	switch a.Kind {
	case schema.Model:
		return v, checkReference(a.Name, expr, v, modelRef)
	case schema.Files:
		if v.Type() == cty.String {
			return cty.ListVal([]cty.Value{v}), nil
		}
		if ty := v.Type(); !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
			return v, problemAt(expr.Range(), "Unsuitable value", "%q takes a path (a file, a folder or a glob) or a list of paths; %s was given.", a.Name, describe(v))
		}
		want = cty.List(cty.String)
	case schema.Template:
		want = cty.String
	case schema.Samples:
		want = cty.Number
	case schema.RowMap:
		want = cty.Map(cty.String)
	}
	if want == cty.NilType {
		want = cty.DynamicPseudoType
	}
	if path, ty := findReference(v); ty != nil {
		return v, problemAt(subExpr(expr, pathSteps(path)).Range(), "Unsuitable value", "%q takes %s; %s was given.", a.Name, typeName(want), ty)
	}
	if diag := extraAttribute(a.Name, expr, v.Type(), want, nil); diag != nil {
		return v, diag
	}
	converted, err := convert.Convert(v, want)
	if err != nil {
		return v, unsuitable(a.Name, expr, v, want, err)
	}
	return converted, nil
}

// findReference looks for a reference inside a value, where none belongs.
func findReference(v cty.Value) (cty.Path, *reference) {
	var at cty.Path
	var found *reference
	_ = cty.Walk(v, func(path cty.Path, v cty.Value) (bool, error) {
		if r, ok := asReference(v); ok && found == nil {
			at, found = path.Copy(), r
		}
		return found == nil, nil
	})
	return at, found
}

// unsuitable reports a value of the wrong type at its innermost place.
func unsuitable(name string, expr hcl.Expression, v cty.Value, want cty.Type, err error) *hcl.Diagnostic {
	var pathErr cty.PathError
	if errors.As(err, &pathErr) && len(pathErr.Path) > 0 {
		at := subExpr(expr, pathSteps(pathErr.Path))
		return problemAt(at.Range(), "Unsuitable value", "%q takes %s. At %s: %s.", name, typeName(want), pathText(name, pathErr.Path), pathErr)
	}
	if step, elem, wantElem, err := unsuitableElement(v, want); err != nil {
		at := subExpr(expr, pathSteps(cty.Path{step}))
		return problemAt(at.Range(), "Unsuitable value", "%q takes %s. %s must be %s; %s was given.", name, typeName(want), pathText(name, cty.Path{step}), typeName(wantElem), describe(elem))
	}
	detail := ""
	if want.IsObjectType() {
		detail = fmt.Sprintf(" (%s)", err)
	}
	return problemAt(expr.Range(), "Unsuitable value", "%q takes %s; %s was given%s.", name, typeName(want), describe(v), detail)
}

// unsuitableElement finds the first element that keeps a value from becoming
// a list, a set or a map.
func unsuitableElement(v cty.Value, want cty.Type) (step cty.PathStep, elem cty.Value, wantElem cty.Type, err error) {
	list := v.Type().IsTupleType() && (want.IsListType() || want.IsSetType())
	if !list && !(v.Type().IsObjectType() && want.IsMapType()) {
		return nil, elem, wantElem, nil
	}
	wantElem = want.ElementType()
	for key, elem := range v.Elements() {
		if _, err := convert.Convert(elem, wantElem); err != nil {
			return cty.IndexStep{Key: key}, elem, wantElem, err
		}
	}
	return nil, elem, wantElem, nil
}

// extraAttribute finds attributes that a conversion would drop in silence.
func extraAttribute(name string, expr hcl.Expression, got, want cty.Type, path cty.Path) *hcl.Diagnostic {
	child := func(step cty.PathStep, got, want cty.Type) *hcl.Diagnostic {
		return extraAttribute(name, expr, got, want, append(slices.Clip(path), step))
	}
	switch {
	case got.IsObjectType() && want.IsObjectType():
		known := sortedKeys(want.AttributeTypes())
		for _, key := range sortedKeys(got.AttributeTypes()) {
			if !want.HasAttribute(key) {
				at := subExpr(expr, pathSteps(append(slices.Clip(path), cty.GetAttrStep{Name: key})))
				return problemAt(at.Range(), "Unsupported attribute", "%s has no attribute %q.%s It takes %s.",
					pathText(name, path), key, suggest(key, known), listed(known))
			}
			if diag := child(cty.GetAttrStep{Name: key}, got.AttributeType(key), want.AttributeType(key)); diag != nil {
				return diag
			}
		}
	case got.IsObjectType() && want.IsMapType():
		for _, key := range sortedKeys(got.AttributeTypes()) {
			if diag := child(cty.IndexStep{Key: cty.StringVal(key)}, got.AttributeType(key), want.ElementType()); diag != nil {
				return diag
			}
		}
	case got.IsTupleType() && (want.IsListType() || want.IsSetType()):
		for i, elem := range got.TupleElementTypes() {
			if diag := child(cty.IndexStep{Key: cty.NumberIntVal(int64(i))}, elem, want.ElementType()); diag != nil {
				return diag
			}
		}
	case got.IsCollectionType() && want.IsCollectionType():
		return extraAttribute(name, expr, got.ElementType(), want.ElementType(), path)
	}
	return nil
}

// checkBounds checks OneOf, Min and Max.
func checkBounds(a schema.Attribute, expr hcl.Expression, v cty.Value) *hcl.Diagnostic {
	if len(a.OneOf) > 0 {
		if diag := checkOneOf(a, expr, v); diag != nil {
			return diag
		}
	}
	if v.Type() != cty.Number || v.IsNull() {
		return nil
	}
	n, _ := v.AsBigFloat().Float64()
	low, high := a.Min != nil && n < *a.Min, a.Max != nil && n > *a.Max
	if !low && !high {
		return nil
	}
	bounds := ""
	switch {
	case a.Min != nil && a.Max != nil:
		bounds = fmt.Sprintf("from %s to %s", plainNumber(*a.Min), plainNumber(*a.Max))
	case a.Min != nil:
		bounds = "of at least " + plainNumber(*a.Min)
	default:
		bounds = "of at most " + plainNumber(*a.Max)
	}
	return problemAt(expr.Range(), "Value out of bounds", "%q takes a number %s; %s was given.", a.Name, bounds, describe(v))
}

func plainNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func checkOneOf(a schema.Attribute, expr hcl.Expression, v cty.Value) *hcl.Diagnostic {
	bad := func(given string, at hcl.Expression) *hcl.Diagnostic {
		if slices.Contains(a.OneOf, given) {
			return nil
		}
		return problemAt(at.Range(), "Unsupported value", "%q is not a value of %q.%s Use %s.",
			given, a.Name, suggest(given, a.OneOf), oneOf(a.OneOf))
	}
	ty := v.Type()
	switch {
	case v.IsNull():
		return nil
	case ty == cty.String:
		return bad(v.AsString(), expr)
	case !v.CanIterateElements():
		return nil
	}
	keys := ty.IsMapType() || ty.IsObjectType()
	i := 0
	for key, elem := range v.Elements() {
		given, step := elem, pathStep{index: i}
		if keys {
			given, step = key, pathStep{key: key.AsString(), isKey: true}
		}
		i++
		if given.IsNull() || given.Type() != cty.String {
			continue
		}
		if diag := bad(given.AsString(), subExpr(expr, []pathStep{step})); diag != nil {
			return diag
		}
	}
	return nil
}

// oneOf renders names for a sentence: "a", "b" or "c".
func oneOf(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	text := listed(quoted)
	if i := strings.LastIndex(text, " and "); i >= 0 {
		text = text[:i] + " or " + text[i+len(" and "):]
	}
	return text
}

// pathSteps turns a cty path into steps for subExpr.
func pathSteps(path cty.Path) []pathStep {
	var steps []pathStep
	for _, step := range path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			steps = append(steps, pathStep{key: s.Name, isKey: true})
		case cty.IndexStep:
			key, _ := s.Key.Unmark()
			switch {
			case !key.IsKnown() || key.IsNull():
				return steps
			case key.Type() == cty.String:
				steps = append(steps, pathStep{key: key.AsString(), isKey: true})
			case key.Type() == cty.Number:
				i, _ := key.AsBigFloat().Int64()
				steps = append(steps, pathStep{index: int(i)})
			default:
				return steps
			}
		}
	}
	return steps
}

// pathText renders a path for a sentence: mix.normal, stop[2].
func pathText(name string, path cty.Path) string {
	var b strings.Builder
	b.WriteString(name)
	for _, step := range pathSteps(path) {
		if step.isKey {
			b.WriteString("." + step.key)
		} else {
			fmt.Fprintf(&b, "[%d]", step.index)
		}
	}
	return b.String()
}
