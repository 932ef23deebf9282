package spec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// maxSchemaDepth bounds the nesting of a JSON Schema.
const maxSchemaDepth = 32

func schemaTypes() []string {
	return []string{"array", "boolean", "integer", "null", "number", "object", "string"}
}

// checkJSONSchema checks that an HCL value is plausible as a JSON Schema for a
// reply: an object, with members of the right form.
func checkJSONSchema(name string, expr hcl.Expression, v cty.Value) *hcl.Diagnostic {
	c := schemaChecker{name: name, expr: expr}
	if !isObject(v) {
		return c.fail(nil, "it must be an object; %s was given", describe(v))
	}
	if !hasMember(v, "type") && !hasMember(v, "properties") {
		return c.fail(nil, "it has neither \"type\" nor \"properties\", so it would allow anything")
	}
	return c.check(v, nil)
}

type schemaChecker struct {
	name string
	expr hcl.Expression
}

func (c schemaChecker) fail(path []pathStep, format string, args ...any) *hcl.Diagnostic {
	at := subExpr(c.expr, path)
	d := problemAt(at.Range(), "Invalid JSON Schema", format, args...)
	where := ""
	for _, step := range path {
		where += "." + step.key
	}
	d.Detail = "\"" + c.name + where + "\" is not a JSON Schema: " + d.Detail + "."
	return d
}

func (c schemaChecker) check(v cty.Value, path []pathStep) *hcl.Diagnostic {
	at := func(name string) []pathStep { return append(slices.Clip(path), pathStep{key: name, isKey: true}) }
	switch {
	case !v.IsNull() && v.Type() == cty.Bool: // true and false are schemas
		return nil
	case !isObject(v):
		return c.fail(path, "an object is expected here; %s was given", describe(v))
	case len(path) > 2*maxSchemaDepth:
		return c.fail(path, "it is nested too deeply")
	}
	if t, ok := member(v, "type"); ok {
		if diag := c.checkType(t, at("type")); diag != nil {
			return diag
		}
	}
	if diag := c.checkTexts(v, at); diag != nil {
		return diag
	}
	if diag := c.checkPossible(v, at); diag != nil {
		return diag
	}
	properties, ok := member(v, "properties")
	if ok {
		if !isObject(properties) {
			return c.fail(at("properties"), "an object of schemas is expected here; %s was given", describe(properties))
		}
		for key, p := range properties.Elements() {
			if diag := c.check(p, append(at("properties"), pathStep{key: key.AsString(), isKey: true})); diag != nil {
				return diag
			}
		}
	}
	if required, ok := member(v, "required"); ok {
		if diag := c.checkRequired(required, properties, at("required")); diag != nil {
			return diag
		}
	}
	if items, ok := member(v, "items"); ok {
		return c.check(items, at("items"))
	}
	return nil
}

func (c schemaChecker) checkType(t cty.Value, path []pathStep) *hcl.Diagnostic {
	names := []cty.Value{t}
	if !t.IsNull() && t.CanIterateElements() && !isObject(t) {
		names = t.AsValueSlice()
	}
	for _, n := range names {
		if n.IsNull() || n.Type() != cty.String {
			return c.fail(path, "a type's name is expected here; %s was given", describe(n))
		}
		if !slices.Contains(schemaTypes(), n.AsString()) {
			return c.fail(path, "there is no type %q.%s Use %s", n.AsString(), suggest(n.AsString(), schemaTypes()), oneOf(schemaTypes()))
		}
	}
	return nil
}

// checkTexts checks the members that would make every reply unfit when a
// validator cannot use them.
func (c schemaChecker) checkTexts(v cty.Value, at func(string) []pathStep) *hcl.Diagnostic {
	if p, ok := member(v, "pattern"); ok {
		text, ok := stringOf(p)
		if !ok {
			return c.fail(at("pattern"), "a regular expression is expected here; %s was given", describe(p))
		}
		if _, err := regexp.Compile(text); err != nil {
			return c.fail(at("pattern"), "the pattern is not a regular expression that can be used (%s)", err)
		}
	}
	if r, ok := member(v, "$ref"); ok {
		if text, ok := stringOf(r); !ok || !strings.HasPrefix(text, "#") {
			return c.fail(at("$ref"), "it refers to another document; only references into this one, such as \"#/$defs/x\", can be followed")
		}
	}
	return nil
}

func (c schemaChecker) checkRequired(required, properties cty.Value, path []pathStep) *hcl.Diagnostic {
	if required.IsNull() || !required.CanIterateElements() || isObject(required) {
		return c.fail(path, "a list of names is expected here; %s was given", describe(required))
	}
	for _, n := range required.AsValueSlice() {
		switch {
		case n.IsNull() || n.Type() != cty.String:
			return c.fail(path, "a list of names is expected here")
		case properties != cty.NilVal && !hasMember(properties, n.AsString()):
			return c.fail(path, "it requires %q, which is not among its properties", n.AsString())
		}
	}
	return nil
}

func isObject(v cty.Value) bool {
	return v != cty.NilVal && !v.IsNull() && v.IsKnown() && (v.Type().IsObjectType() || v.Type().IsMapType())
}

// member returns a member of an object or map that is there and not null.
func member(v cty.Value, name string) (cty.Value, bool) {
	if !isObject(v) {
		return cty.NilVal, false
	}
	m, ok := v.AsValueMap()[name]
	return m, ok && !m.IsNull()
}

func hasMember(v cty.Value, name string) bool {
	_, ok := member(v, name)
	return ok
}

// typeOfSchema gives the type of the JSON that a schema allows, as far as
// expressions can use it.
func typeOfSchema(v cty.Value, depth int) cty.Type {
	if !isObject(v) || depth > maxSchemaDepth {
		return cty.DynamicPseudoType
	}
	properties, hasProperties := member(v, "properties")
	name := typeNameOf(v)
	if name == "" && hasProperties {
		name = "object"
	}
	switch name {
	case "string":
		return cty.String
	case "integer", "number":
		return cty.Number
	case "boolean":
		return cty.Bool
	case "array":
		items, ok := member(v, "items")
		if !ok {
			return cty.List(cty.DynamicPseudoType)
		}
		return cty.List(typeOfSchema(items, depth+1))
	case "object":
		if !hasProperties || !isObject(properties) || len(properties.AsValueMap()) == 0 {
			return cty.DynamicPseudoType
		}
		attrs := map[string]cty.Type{}
		for key, p := range properties.Elements() {
			attrs[key.AsString()] = typeOfSchema(p, depth+1)
		}
		return cty.Object(attrs)
	}
	return cty.DynamicPseudoType
}

// typeNameOf is the one type of a schema, null aside; "" if there are several.
func typeNameOf(v cty.Value) string {
	t, ok := member(v, "type")
	if !ok {
		return ""
	}
	if t.Type() == cty.String {
		return t.AsString()
	}
	name := ""
	for _, elem := range t.AsValueSlice() {
		switch {
		case elem.AsString() == "null":
		case name != "":
			return ""
		default:
			name = elem.AsString()
		}
	}
	return name
}
