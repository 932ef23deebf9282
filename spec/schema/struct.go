package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// BlockOf makes the description of a block from a struct. The tags are
//
//	hcl:"name"            an argument that must be set (unless it has a default)
//	hcl:"name,optional"   an argument that may be left out
//	hcl:"name,block"      nested blocks: a slice for any number, a pointer for
//	                      at most one, a struct for exactly one
//	hcl:"name,label"      a label, in the struct of a nested block
//	doc:"text"            one sentence
//	default:"value"       JSON, or the bare text of a string
//	oneof:"a,b"           the strings allowed, also as elements or keys
//	min:"0" max:"1"       inclusive bounds of a number
//	flags:"samples,volatile,sensitive,row_map,json_schema"
//
// Members without an hcl tag are not part of the block. An argument that is a
// struct is an object and uses json tags inside.
func BlockOf(t reflect.Type) (Block, error) {
	t = deref(t)
	var b Block
	if t.Kind() != reflect.Struct {
		return b, fmt.Errorf("configuration type %s is no struct", t)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, mode, ok := hclTag(f)
		switch {
		case f.Anonymous && !ok && deref(f.Type).Kind() == reflect.Struct:
			e, err := BlockOf(f.Type)
			if err != nil {
				return b, err
			}
			b.Attributes = append(b.Attributes, e.Attributes...)
			b.Blocks = append(b.Blocks, e.Blocks...)
		case !ok || mode == "label":
		case mode == "block":
			n, err := nestedBlock(f, name)
			if err != nil {
				return b, fmt.Errorf("%s.%s: %w", t, f.Name, err)
			}
			b.Blocks = append(b.Blocks, n)
		default:
			a, err := attribute(f, name, mode)
			if err != nil {
				return b, fmt.Errorf("%s.%s: %w", t, f.Name, err)
			}
			b.Attributes = append(b.Attributes, a)
		}
	}
	return b, nil
}

// hclTag reads a member's hcl tag.
func hclTag(f reflect.StructField) (name, mode string, ok bool) {
	tag, ok := f.Tag.Lookup("hcl")
	if !ok || !f.IsExported() {
		return "", "", false
	}
	name, mode, _ = strings.Cut(tag, ",")
	return name, mode, true
}

func nestedBlock(f reflect.StructField, name string) (NestedBlock, error) {
	n := NestedBlock{Type: name, Doc: f.Tag.Get("doc")}
	t := f.Type
	switch t.Kind() {
	case reflect.Slice:
		t = t.Elem()
	case reflect.Pointer:
		n.Max = 1
	default:
		n.Min, n.Max = 1, 1
	}
	t = deref(t)
	var err error
	if n.Block, err = BlockOf(t); err != nil {
		return n, err
	}
	for i := range t.NumField() {
		if label, mode, ok := hclTag(t.Field(i)); ok && mode == "label" {
			n.Labels = append(n.Labels, label)
		}
	}
	return n, nil
}

func attribute(f reflect.StructField, name, mode string) (Attribute, error) {
	a := Attribute{Name: name, Type: TypeOf(f.Type), Kind: kindOf(f.Type), Doc: f.Tag.Get("doc")}
	if mode != "" && mode != "optional" {
		return a, fmt.Errorf("unknown option %q in hcl tag", mode)
	}
	if v, ok := instance(deref(f.Type)).(Templated); ok {
		a.Variables = v.SchemaVariables()
	}
	if err := setFlags(&a, f.Tag.Get("flags")); err != nil {
		return a, err
	}
	if kt := kindType(a.Kind); kt != cty.NilType {
		a.Type = kt
	}
	if list := f.Tag.Get("oneof"); list != "" {
		a.OneOf = strings.Split(list, ",")
	}
	var err error
	if a.Min, err = bound(f.Tag, "min"); err != nil {
		return a, err
	}
	if a.Max, err = bound(f.Tag, "max"); err != nil {
		return a, err
	}
	if text, ok := f.Tag.Lookup("default"); ok {
		if a.Default, err = ParseDefault(text, a.Type); err != nil {
			return a, err
		}
	}
	a.Required = mode == "" && a.Default == cty.NilVal
	return a, nil
}

func setFlags(a *Attribute, flags string) error {
	if flags == "" {
		return nil
	}
	for flag := range strings.SplitSeq(flags, ",") {
		switch flag {
		case "volatile":
			a.Volatile = true
		case "sensitive":
			a.Sensitive = true
		case "samples", "row_map", "json_schema":
			a.Kind = Kind(flag)
		default:
			return fmt.Errorf("unknown flag %q", flag)
		}
	}
	return nil
}

func bound(tag reflect.StructTag, key string) (*float64, error) {
	text, ok := tag.Lookup(key)
	if !ok {
		return nil, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &n, nil
}

// ParseDefault reads a default value: JSON, or for a string its bare text.
func ParseDefault(text string, ty cty.Type) (cty.Value, error) {
	if ty == cty.String && !strings.HasPrefix(text, `"`) {
		return cty.StringVal(text), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); ty == cty.Number && err == nil && strconv.FormatInt(n, 10) == text {
		return cty.NumberIntVal(n), nil
	}
	if ty == cty.Bool && (text == "true" || text == "false") {
		return cty.BoolVal(text == "true"), nil
	}
	v, err := ValueFromJSON([]byte(text), ty)
	if err != nil {
		return cty.NilVal, fmt.Errorf("default %s: %w", text, err)
	}
	return v, nil
}

// ValueFromJSON reads JSON as a value of the given type.
func ValueFromJSON(data []byte, ty cty.Type) (cty.Value, error) {
	implied, err := ctyjson.ImpliedType(data)
	if err != nil {
		return cty.NilVal, err
	}
	v, err := ctyjson.Unmarshal(data, implied)
	if err != nil {
		return cty.NilVal, err
	}
	return convert.Convert(v, ty)
}

// ValueToJSON writes a known value as JSON.
func ValueToJSON(v cty.Value) ([]byte, error) {
	if !v.IsWhollyKnown() {
		return nil, fmt.Errorf("the value is not known yet")
	}
	return ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
}

// ReservedArguments are the arguments that the recipe language gives to every
// block of a role; a component cannot have one of these names.
func ReservedArguments() []string {
	return []string{"for_each", "enabled", "input", "on_error", "max_failures", "seed", "generation", "path"}
}

// reserved says whether a component of the role may not use an argument name.
// Only outputs get their path from the host, and only sources have no input.
func reserved(role Role, name string) bool {
	switch name {
	case "path":
		return role == Output || role == Finetune
	case "split":
		return role == Finetune || role == Evaluation
	case "scenarios", "k", "baseline", "verdict", "confidence", "resamples",
		"agent", "judge", "human", "group", "metric", "assert", "reference", "report":
		return role == Evaluation
	case "output", "validation", "provider", "name", "command", "environment", "price":
		return role == Finetune
	case "input":
		return role != ThreatSource && role != Output
	case "on_error", "max_failures", "seed", "generation":
		return role != Output
	}
	return slices.Contains(ReservedArguments(), name)
}
