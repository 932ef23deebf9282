package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// DecodeConfig fills a struct from a block's evaluated configuration, by its
// hcl tags (see BlockOf), and reports everything that does not fit. into is a
// pointer to the struct.
//
// The configuration is a JSON object. A nested block type is a list of
// objects in order, whose labels are members under the labels' names; where
// at most one is allowed, the object alone will do. Null is as good as absent.
func DecodeConfig(config []byte, into any) []Diagnostic {
	b, err := BlockOf(reflect.TypeOf(into))
	if err != nil {
		return []Diagnostic{{Summary: "Unusable configuration type", Detail: err.Error()}}
	}
	return DecodeBlock(b, config, into)
}

// DecodeBlock is DecodeConfig with a description whose defaults may differ
// from those in the struct's tags.
func DecodeBlock(b Block, config []byte, into any) []Diagnostic {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return []Diagnostic{{Summary: "Unusable configuration type", Detail: "The configuration is decoded into a pointer to a struct."}}
	}
	if len(bytes.TrimSpace(config)) == 0 {
		config = []byte("{}")
	}
	d := &decoder{}
	d.object(b, config, v.Elem(), nil, nil)
	return d.diags
}

type decoder struct{ diags []Diagnostic }

func (d *decoder) add(path cty.Path, summary, format string, args ...any) {
	d.diags = append(d.diags, Diagnostic{Summary: summary, Detail: fmt.Sprintf(format, args...), Path: path.Copy()})
}

// object decodes one block. labels are the names of its labels.
func (d *decoder) object(b Block, data []byte, v reflect.Value, path cty.Path, labels []string) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		d.add(path, "Unsuitable configuration", "A block's configuration must be a JSON object.")
		return
	}
	known := map[string]bool{}
	d.members(b, raw, v, path, known)
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if !known[name] && !slices.Contains(labels, name) {
			d.add(path.GetAttr(name), "Unsupported argument", "An argument named %q is not expected here.", name)
		}
	}
}

func (d *decoder) members(b Block, raw map[string]json.RawMessage, v reflect.Value, path cty.Path, known map[string]bool) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		name, mode, ok := hclTag(f)
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				d.members(b, raw, v.Field(i), path, known)
			}
			continue
		}
		known[name] = true
		value := raw[name]
		if bytes.Equal(bytes.TrimSpace(value), []byte("null")) {
			value = nil
		}
		switch mode {
		case "label":
			d.set(v.Field(i), value, path.GetAttr(name), "a string")
		case "block":
			for _, n := range b.Blocks {
				if n.Type == name {
					d.blocks(n, value, v.Field(i), path.GetAttr(name))
				}
			}
		default:
			if a, ok := b.Attribute(name); ok {
				d.argument(a, value, v.Field(i), path.GetAttr(name))
			}
		}
	}
}

func (d *decoder) argument(a Attribute, value []byte, v reflect.Value, path cty.Path) {
	if value == nil && a.Default != cty.NilVal {
		var err error
		if value, err = ValueToJSON(a.Default); err != nil {
			d.add(path, "Unusable default", "%s", err)
			return
		}
	}
	if value == nil {
		// Files are filled in by the host when the component runs.
		if a.Required && a.Kind != Files {
			d.add(path[:len(path)-1], "Missing required argument", "The argument %q is required.", a.Name)
		}
		return
	}
	before := len(d.diags)
	d.constraints(a, value, path)
	if len(d.diags) == before {
		d.set(v, value, path, typeWords(a.Type))
	}
}

// set decodes JSON into a member.
func (d *decoder) set(v reflect.Value, value []byte, path cty.Path, want string) {
	if value == nil {
		return
	}
	err := json.Unmarshal(value, v.Addr().Interface())
	var mismatch *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
	case errors.As(err, &mismatch):
		at := ""
		if mismatch.Field != "" {
			at = " at " + mismatch.Field
		}
		d.add(path, "Unsuitable value", "The value must be %s; there is a %s%s.", want, mismatch.Value, at)
	case errors.As(err, &syntax):
		d.add(path, "Unsuitable value", "The value is no JSON.")
	default: // a type's own UnmarshalJSON
		d.add(path, "Unsuitable value", "%s.", strings.TrimSuffix(err.Error(), "."))
	}
}

func (d *decoder) blocks(n NestedBlock, value []byte, v reflect.Value, path cty.Path) {
	var list []json.RawMessage
	single := len(value) > 0 && bytes.TrimSpace(value)[0] == '{'
	switch {
	case single:
		list = []json.RawMessage{value}
	case value != nil:
		if err := json.Unmarshal(value, &list); err != nil {
			d.add(path, "Unsuitable value", "Blocks of type %q must be a list of objects.", n.Type)
			return
		}
	}
	if len(list) < n.Min {
		d.add(path[:len(path)-1], "Missing block", "A block of type %q is required.", n.Type)
		return
	}
	if n.Max > 0 && len(list) > n.Max {
		d.add(path, "Too many blocks", "At most %d of type %q may be set.", n.Max, n.Type)
		return
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
	}
	for i, data := range list {
		at, target := path, v
		if v.Kind() == reflect.Slice {
			target = v.Index(i)
		}
		if !single {
			at = path.IndexInt(i)
		}
		if target.Kind() == reflect.Pointer {
			target.Set(reflect.New(target.Type().Elem()))
			target = target.Elem()
		}
		d.object(n.Block, data, target, at, n.Labels)
	}
}

// constraints checks OneOf, Min and Max.
func (d *decoder) constraints(a Attribute, value []byte, path cty.Path) {
	if len(a.OneOf) == 0 && a.Min == nil && a.Max == nil {
		return
	}
	var v any
	if json.Unmarshal(value, &v) != nil {
		return // set reports it
	}
	check := func(s string, at cty.Path) {
		if len(a.OneOf) > 0 && !slices.Contains(a.OneOf, s) {
			d.add(at, "Unsuitable value", "The value %q is not one of %s.", s, strings.Join(a.OneOf, ", "))
		}
	}
	switch v := v.(type) {
	case string:
		check(v, path)
	case []any:
		for i, e := range v {
			if s, ok := e.(string); ok {
				check(s, path.IndexInt(i))
			}
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			check(k, path.IndexString(k))
		}
	case float64:
		if a.Min != nil && v < *a.Min {
			d.add(path, "Unsuitable value", "The value must be at least %v.", *a.Min)
		}
		if a.Max != nil && v > *a.Max {
			d.add(path, "Unsuitable value", "The value must be at most %v.", *a.Max)
		}
	}
}

func typeWords(ty cty.Type) string {
	name := ty.FriendlyNameForConstraint()
	if strings.IndexByte("aeiou", name[0]) >= 0 {
		return "an " + name
	}
	return "a " + name
}
