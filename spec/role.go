package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// component looks a component up, with suggestions if there is none.
func (d *decoder) component(role schema.Role, label string, rng hcl.Range) (*schema.Component, PluginRef, *hcl.Diagnostic) {
	c, plugin, ok := d.opts.Registry.Component(role, label)
	if ok {
		if err := usable(c); err != nil {
			return nil, plugin, problemAt(rng, "Unusable component", "The description of %s %q is faulty: %s. This is a fault of its plugin; tell its author.", role, label, err)
		}
		return c, plugin, nil
	}
	for _, other := range schema.Roles() {
		if _, _, ok := d.opts.Registry.Component(other, label); ok {
			return nil, plugin, problemAt(rng, "Unknown component", "There is no %s %q; there is %s %q. Use that block type.", role, label, aBlock(string(other)), label)
		}
	}
	labels := slices.Clone(d.opts.Registry.Labels(role))
	slices.Sort(labels)
	return nil, plugin, problemAt(rng, "Unknown component", "There is no %s %q.%s Known: %s. A component of a plugin has the plugin's name before its own, and the plugin must stand in required_plugins.",
		role, label, suggest(label, labels), listed(labels))
}

// usable checks what the recipe language needs of a description, beyond what
// every description must keep to.
func usable(c *schema.Component) error {
	if err := c.Check(); err != nil {
		return err
	}
	return plainNested(c.Config.Blocks)
}

func plainNested(blocks []schema.NestedBlock) error {
	for _, b := range blocks {
		for _, a := range b.Block.Attributes {
			switch a.Kind {
			case schema.Model, schema.Files, schema.RowMap, schema.JSONSchema, schema.Samples:
				return fmt.Errorf("argument %q of kind %q stands in a nested block", a.Name, a.Kind)
			}
		}
		if err := plainNested(b.Block.Blocks); err != nil {
			return err
		}
	}
	return nil
}

// roleBody makes the part of a step (or output) that its component sees.
func (d *decoder) roleBody(c *schema.Component, plugin PluginRef, v *blockValue) (*RoleBody, hcl.Diagnostics) {
	b := &RoleBody{Plugin: plugin, Component: c, value: v}
	var diags hcl.Diagnostics
	if writesBlockColumn(c) {
		b.BlockColumn = v.labels[len(v.labels)-1]
	}
	for _, a := range c.Config.Attributes {
		switch a.Kind {
		case schema.Model:
			diags = append(diags, d.modelSlot(b, a.Name)...)
		case schema.Files:
			diags = append(diags, d.files(b, a.Name)...)
		case schema.Samples:
			diags = append(diags, b.readSamples(a.Name)...)
		case schema.JSONSchema:
			if s, ok := v.known(a.Name); ok {
				if diag := checkJSONSchema(a.Name, v.expr(a.Name), s); diag != nil {
					diags = append(diags, diag)
				}
			}
		}
		if !a.Sensitive {
			d.openValue(a.Name, v)
		}
	}
	for _, nested := range v.nested {
		d.openBlock(nested)
	}
	granted, diag := d.grantedFiles(plugin)
	if diag != nil {
		diags = append(diags, diag)
	}
	b.Granted = granted
	if !diags.HasErrors() {
		diags = append(diags, b.writeConfig()...)
	}
	return b, diags
}

func writesBlockColumn(c *schema.Component) bool {
	return slices.ContainsFunc(c.Writes, func(w schema.Column) bool { return w.Name == schema.BlockName })
}

// openValue notes the strings of a value, to look for secrets in them.
func (d *decoder) openValue(name string, v *blockValue) {
	if value, ok := v.known(name); ok {
		rng := v.expr(name).Range()
		eachString(value, func(text string) { d.open = append(d.open, openText{name, text, rng}) })
	}
}

func (d *decoder) openBlock(v *blockValue) {
	for i, label := range v.labels {
		d.open = append(d.open, openText{v.typ, label, v.labelRanges[i]})
	}
	for _, a := range v.shape.Attributes {
		if !a.Sensitive {
			d.openValue(a.Name, v)
		}
	}
	for _, nested := range v.nested {
		d.openBlock(nested)
	}
}

// modelSlot fills the slot that an attribute of kind Model is.
func (d *decoder) modelSlot(b *RoleBody, name string) hcl.Diagnostics {
	v, ok := b.value.known(name)
	if !ok {
		return nil
	}
	r, ok := asReference(v)
	if !ok {
		return nil
	}
	var model *Model
	var diags hcl.Diagnostics
	if r.isFinetune() {
		model, diags = tunedModel(r, b.value.expr(name).Range())
	} else {
		model, diags = d.model(r.block)
	}
	if model != nil {
		if b.Models == nil {
			b.Models = map[string]*Model{}
		}
		b.Models[name] = model
	}
	return diags
}

func (b *RoleBody) readSamples(name string) hcl.Diagnostics {
	n, ok, diag := b.value.whole(name)
	switch {
	case diag != nil:
		return hcl.Diagnostics{diag}
	case !ok:
		b.Samples = 1
	case n < 1 || n > 1_000_000:
		return hcl.Diagnostics{problemAt(b.value.expr(name).Range(), "Value out of bounds", "%q takes a whole number from 1 to 1000000; %d was given.", name, n)}
	default:
		b.Samples = int(n)
	}
	return nil
}

// writeConfig renders the configuration for the plugin and for keys.
func (b *RoleBody) writeConfig() hcl.Diagnostics {
	config, ok := configOf(b.value, b.Component.Config, false)
	if !ok {
		return nil // an error was reported where the value is
	}
	var err error
	if b.Config, err = canonicalJSON(config); err != nil {
		return hcl.Diagnostics{problemAt(b.value.head, "Unsuitable value", "A value in this block has no form in JSON: %s.", err)}
	}
	keyed, _ := configOf(b.value, b.Component.Config, true)
	for name, v := range keyed.AsValueMap() {
		part := ConfigPart{Name: name}
		if a, ok := b.Component.Config.Attribute(name); ok && a.Kind == schema.Template {
			part.Value = []byte(v.AsString())
		} else if part.Value, err = canonicalJSON(v); err != nil {
			return hcl.Diagnostics{problemAt(b.value.head, "Unsuitable value", "A value in this block has no form in JSON: %s.", err)}
		}
		b.KeyConfig = append(b.KeyConfig, part)
	}
	slices.SortFunc(b.KeyConfig, func(x, y ConfigPart) int { return strings.Compare(x.Name, y.Name) })
	return nil
}

// configOf makes an object of a block's values. For keys it leaves out what
// cannot change a row (or, as files and models, stands in keys in another
// way), and what is unset, so that a new release of a plugin may add
// arguments without a change of keys. ok is false if a value is not known.
func configOf(v *blockValue, shape schema.Block, forKey bool) (config cty.Value, ok bool) {
	members := map[string]cty.Value{}
	for _, a := range shape.Attributes {
		value := v.values[a.Name]
		if value == cty.NilVal || !value.IsWhollyKnown() {
			return cty.NilVal, false
		}
		switch {
		case a.Kind == schema.Files:
			continue
		case forKey && (value.IsNull() || a.Sensitive || a.Volatile || a.Kind == schema.Model || a.Kind == schema.Samples):
			continue
		case a.Kind == schema.Model && !value.IsNull():
			value = cty.StringVal(a.Name)
		}
		members[a.Name] = value
	}
	for _, nb := range shape.Blocks {
		var list []cty.Value
		for _, child := range v.nested {
			if child.typ != nb.Type {
				continue
			}
			value, ok := configOf(child, nb.Block, forKey)
			if !ok {
				return cty.NilVal, false
			}
			object := value.AsValueMap()
			if object == nil {
				object = map[string]cty.Value{}
			}
			for i, label := range nb.Labels {
				object[label] = cty.StringVal(child.labels[i])
			}
			list = append(list, cty.ObjectVal(object))
		}
		if len(list) > 0 || !forKey {
			members[nb.Type] = cty.TupleVal(list)
		}
	}
	return cty.ObjectVal(members), true
}
