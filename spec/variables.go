package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/autosafe/autosafe/spec/schema"
)

// envPrefix starts the name of an environment variable that sets a variable.
const envPrefix = "AUTOSAFE_VAR_"

// variable is a declared input variable.
type variable struct {
	name        string
	node        *node
	typ         cty.Type
	defaults    *typeexpr.Defaults
	def         cty.Value // cty.NilVal: required
	description string
	sensitive   bool
	nullable    bool
	value       cty.Value // marked if sensitive
}

func variableShape() schema.Block {
	return schema.Block{
		Attributes: []schema.Attribute{
			{Name: "type", Kind: kindMeta},
			{Name: "default", Kind: kindMeta},
			{Name: "description", Type: cty.String},
			{Name: "sensitive", Type: cty.Bool, Default: cty.False},
			{Name: "nullable", Type: cty.Bool, Default: cty.True},
		},
		Blocks: []schema.NestedBlock{{Type: "validation", Block: schema.Block{Attributes: []schema.Attribute{
			{Name: "condition", Kind: kindMeta, Required: true, Doc: "true for a value that is allowed."},
			{Name: "error_message", Kind: kindMeta, Required: true, Doc: "What to tell the user."},
		}}}},
	}
}

// declare reads variable blocks.
func (d *decoder) declare(n *node) hcl.Diagnostics {
	v := &variable{name: n.labels[0], node: n, typ: cty.DynamicPseudoType}
	if old, ok := d.vars[v.name]; ok {
		return hcl.Diagnostics{problemAt(n.head, "Duplicate variable", "The variable %q was already declared at %s. Rename one of them.", v.name, place(old.node.head))}
	}
	d.vars[v.name] = v
	values, diags := d.evaluate(n, &hcl.EvalContext{})
	v.description = values.text("description")
	v.sensitive = isTrue(values.values["sensitive"])
	v.nullable = isTrue(values.values["nullable"])
	if attr, ok := n.attrs["type"]; ok {
		typ, defaults, moreDiags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		diags = append(diags, moreDiags...)
		v.typ, v.defaults = typ, defaults
	}
	attr, ok := n.attrs["default"]
	if !ok || diags.HasErrors() {
		return diags
	}
	def, moreDiags := attr.Expr.Value(nil)
	diags = append(diags, moreDiags...)
	if moreDiags.HasErrors() {
		return diags
	}
	if v.sensitive {
		d.secrets.add(def)
	}
	def, err := v.convert(def)
	if err != nil {
		return append(diags, problemAt(attr.Expr.Range(), "Unsuitable value", "The default of the variable %q is not suitable: %s.", v.name, err))
	}
	v.def = def
	return diags
}

func isTrue(v cty.Value) bool {
	return v != cty.NilVal && v.Type() == cty.Bool && v.IsKnown() && !v.IsNull() && v.True()
}

// convert converts a value to the variable's type. Null stands for the
// default where the variable is not nullable.
func (v *variable) convert(val cty.Value) (cty.Value, error) {
	if val.IsNull() && !v.nullable {
		if v.def != cty.NilVal {
			return v.def, nil
		}
		return val, fmt.Errorf("null is not allowed; give a value")
	}
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	converted, err := convert.Convert(val, v.typ)
	if err != nil {
		return val, fmt.Errorf("%s is required; %s was given", typeName(v.typ), describe(val))
	}
	return converted, nil
}

// given is a value for a variable, from wherever it comes.
type given struct {
	from string         // for messages: "-var", a file
	text *string        // from a flag or the environment
	expr hcl.Expression // from a file
	rng  *hcl.Range
}

// setVariables gives every variable its value: environment, then *.auto files
// in order of name, then -var-file in order, then -var in order; the last one
// wins.
func (d *decoder) setVariables() hcl.Diagnostics {
	values := map[string]given{}
	for name := range d.vars {
		if text, ok := d.env[envPrefix+name]; ok {
			values[name] = given{from: "the environment variable " + envPrefix + name, text: &text}
		}
	}
	auto, diags := d.autoFiles()
	for _, name := range append(auto, d.opts.VarFiles...) {
		diags = append(diags, d.readVarFile(name, values)...)
	}
	unread := diags.HasErrors()
	for _, arg := range d.opts.Vars {
		name, text, ok := strings.Cut(arg, "=")
		name = strings.TrimSpace(name)
		switch {
		case !ok:
			diags = append(diags, problem("Invalid -var", "-var takes name=value; %q has no equals sign.", name))
		case d.vars[name] == nil:
			diags = append(diags, problem("Undeclared variable", "The recipe declares no variable %q, which -var sets.%s", name, d.suggestVariable(name)))
		default:
			values[name] = given{from: "-var", text: &text}
		}
	}
	for _, name := range sortedKeys(d.vars) {
		v := d.vars[name]
		if _, ok := values[name]; !ok && v.def == cty.NilVal {
			v.value = cty.DynamicVal
			if !unread { // it may stand in the file that could not be read
				diags = append(diags, v.missing())
			}
			continue
		}
		diags = append(diags, d.setVariable(v, values)...)
	}
	if diags.HasErrors() {
		return diags
	}
	for _, name := range sortedKeys(d.vars) {
		diags = append(diags, d.validateVariable(d.vars[name])...)
	}
	return diags
}

func (d *decoder) suggestVariable(name string) string {
	if hint := suggest(name, sortedKeys(d.vars)); hint != "" {
		return hint
	}
	if len(d.vars) == 0 {
		return " It declares none."
	}
	return fmt.Sprintf(" It declares %s.", listed(sortedKeys(d.vars)))
}

// autoFiles are the variable files that are read without being named.
func (d *decoder) autoFiles() ([]string, hcl.Diagnostics) {
	entries, err := os.ReadDir(d.src.Dir)
	if err != nil {
		return nil, hcl.Diagnostics{problem("Unreadable folder", "The recipe's folder cannot be read: %s.", err)}
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		auto := strings.HasSuffix(name, ".auto.hclvars") || strings.HasSuffix(name, ".auto.hclvars.json")
		if auto && !e.IsDir() && !strings.HasPrefix(name, ".") {
			names = append(names, filepath.Join(d.src.Dir, name))
		}
	}
	return names, nil
}

func (d *decoder) readVarFile(name string, values map[string]given) hcl.Diagnostics {
	src, err := readRegular(name, maxFileSize)
	if err != nil {
		return hcl.Diagnostics{problem("Unreadable file", "The variable file %q cannot be read: %s.", name, err)}
	}
	file, diags := parseSource(name, src)
	if file != nil {
		d.src.Files[name] = file
	}
	if diags.HasErrors() {
		return diags
	}
	attrs, diags := file.Body.JustAttributes()
	for _, attr := range sortedAttrs(attrs) {
		if d.vars[attr.Name] == nil {
			diags = append(diags, problemAt(attr.NameRange, "Undeclared variable", "The recipe declares no variable %q.%s", attr.Name, d.suggestVariable(attr.Name)))
			continue
		}
		rng := attr.Expr.Range()
		values[attr.Name] = given{from: name, expr: attr.Expr, rng: &rng}
		if v, moreDiags := attr.Expr.Value(nil); !moreDiags.HasErrors() && d.vars[attr.Name].sensitive {
			d.secrets.add(v)
		}
	}
	return diags
}

// setVariable settles one variable's value.
func (d *decoder) setVariable(v *variable, values map[string]given) hcl.Diagnostics {
	g, ok := values[v.name]
	if !ok {
		v.value = d.mark(v, v.def)
		return nil
	}
	val, diags := d.givenValue(v, g)
	if diags.HasErrors() {
		v.value = cty.DynamicVal
		return diags
	}
	if v.sensitive {
		d.secrets.add(val)
	}
	val, err := v.convert(val)
	if err != nil {
		v.value = cty.DynamicVal
		diag := problem("Unsuitable value", "The value that %s gives for the variable %q is not suitable: %s.", g.from, v.name, err)
		diag.Subject = g.rng
		return append(diags, diag)
	}
	v.value = d.mark(v, val)
	return diags
}

func (v *variable) missing() *hcl.Diagnostic {
	doc := ""
	if v.description != "" {
		doc = fmt.Sprintf(" (%s)", strings.TrimSpace(v.description))
	}
	return problemAt(v.node.head, "Missing variable",
		"The variable %q has no value and no default.%s Set it with -var %s=..., in a file (-var-file, or *.auto.hclvars in the recipe's folder), or as %s%s in the environment.",
		v.name, doc, v.name, envPrefix, v.name)
}

func (d *decoder) mark(v *variable, val cty.Value) cty.Value {
	if !v.sensitive {
		return val
	}
	d.secrets.add(val)
	return val.Mark(sensitiveMark{})
}

// givenValue evaluates what was given. Text is taken as it is for a string,
// or for a variable without a type, and otherwise read as an HCL expression.
func (d *decoder) givenValue(v *variable, g given) (cty.Value, hcl.Diagnostics) {
	if g.text == nil {
		return g.expr.Value(nil)
	}
	if v.typ == cty.String || v.typ == cty.DynamicPseudoType {
		return cty.StringVal(*g.text), nil
	}
	if v.sensitive {
		d.secrets.add(cty.StringVal(*g.text))
	}
	if checkNesting(g.from, []byte(*g.text)) == nil {
		expr, diags := hclsyntax.ParseExpression([]byte(*g.text), g.from, hcl.InitialPos)
		if !diags.HasErrors() {
			var val cty.Value
			if val, diags = expr.Value(nil); !diags.HasErrors() {
				return val, nil
			}
		}
	}
	return cty.DynamicVal, hcl.Diagnostics{problem("Unsuitable value",
		"The value that %s gives for the variable %q cannot be read: %s takes %s, written as in a recipe.", g.from, v.name, v.name, typeName(v.typ))}
}

// validateVariable runs the validation blocks of a variable.
func (d *decoder) validateVariable(v *variable) hcl.Diagnostics {
	var diags hcl.Diagnostics
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{v.name: v.value})},
		Functions: d.functions,
	}
	for _, n := range v.node.blocks {
		ok, moreDiags := d.boolean("condition", n.attrs["condition"].Expr, ctx)
		diags = append(diags, moreDiags...)
		if moreDiags.HasErrors() || ok {
			continue
		}
		message, moreDiags := n.attrs["error_message"].Expr.Value(ctx)
		diags = append(diags, moreDiags...)
		text := "The value is not allowed."
		if message, _ = unmark(message); message.IsWhollyKnown() && !message.IsNull() && message.Type() == cty.String {
			text = message.AsString()
		}
		diags = append(diags, problemAt(v.node.head, "Invalid variable", "The value of the variable %q is not allowed: %s", v.name, text))
	}
	return diags
}

// boolean evaluates an expression that must be true or false.
func (d *decoder) boolean(name string, expr hcl.Expression, ctx *hcl.EvalContext) (bool, hcl.Diagnostics) {
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		return false, diags
	}
	v, _ = unmark(v)
	converted, err := convert.Convert(v, cty.Bool)
	if err != nil || converted.IsNull() || !converted.IsKnown() {
		return false, append(diags, problemAt(expr.Range(), "Unsuitable value", "%q takes true or false; %s was given.", name, describe(v)))
	}
	return converted.True(), diags
}

// variableValues gives the variables for the record of a build.
func (d *decoder) variableValues() map[string]string {
	values := map[string]string{}
	for name, v := range d.vars {
		if v.sensitive || v.value.ContainsMarked() {
			continue
		}
		if text, err := canonicalJSON(v.value); err == nil && !d.secrets.in(string(text)) && !d.secrets.has(v.value) {
			values[name] = string(text)
		}
	}
	return values
}

// setLocals evaluates local values, those that others need first.
func (d *decoder) setLocals() hcl.Diagnostics {
	var diags hcl.Diagnostics
	state := map[string]bool{} // false: being evaluated; true: done
	var eval func(name string, path []string)
	eval = func(name string, path []string) {
		done, seen := state[name]
		if done {
			return
		}
		attr := d.locals[name]
		path = append(slices.Clip(path), "local."+name)
		if seen {
			i := slices.Index(path, "local."+name)
			diags = append(diags, problemAt(attr.NameRange, "Cycle", "These local values need each other: %s. Break the circle.", strings.Join(path[i:], " -> ")))
			return
		}
		state[name] = false
		d.localValues[name] = cty.DynamicVal
		ok := true
		for _, t := range attr.Expr.Variables() {
			tg, diag := d.resolve(t)
			if diag == nil && tg.root != "var" && tg.root != "local" {
				diag = problemAt(t.SourceRange(), "Misplaced reference", "A local value may use var and local only. Refer to %s where it is needed.", tg.root)
			}
			if diag != nil {
				diags, ok = append(diags, diag), false
			} else if tg.root == "local" {
				eval(tg.names[0], path)
			}
		}
		if ok {
			v, moreDiags := attr.Expr.Value(d.baseContext())
			diags = append(diags, moreDiags...)
			d.localValues[name] = v
		}
		state[name] = true
	}
	for _, name := range sortedKeys(d.locals) {
		eval(name, nil)
	}
	return diags
}
