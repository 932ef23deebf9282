package pluginpb

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"google.golang.org/protobuf/proto"

	"github.com/autosafe/autosafe/spec/schema"
)

// sameCty compares values and types of package cty.
func sameCty() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b cty.Type) bool {
			if a == cty.NilType || b == cty.NilType {
				return a == cty.NilType && b == cty.NilType
			}
			return a.Equals(b)
		}),
		cmp.Comparer(func(a, b cty.Value) bool {
			if a == cty.NilVal || b == cty.NilVal {
				return a == cty.NilVal && b == cty.NilVal
			}
			return a.RawEquals(b)
		}),
	}
}

func full() schema.Component {
	low, high := 0.5, 3.0
	object := cty.ObjectWithOptionalAttrs(map[string]cty.Type{"a": cty.String, "b": cty.List(cty.Number)}, []string{"b"})
	return schema.Component{
		Role: schema.Judge, Name: "rubric", Doc: "Grades.",
		Config: schema.Block{
			Attributes: []schema.Attribute{
				{Name: "model", Type: cty.String, Kind: schema.Model, Required: true},
				{Name: "prompt", Type: cty.String, Kind: schema.Template, Default: cty.StringVal("{{ .row }}"), Variables: []schema.Variable{{Name: "row", Type: cty.Map(cty.DynamicPseudoType), Doc: "The row."}}},
				{Name: "schema", Type: cty.DynamicPseudoType, Kind: schema.JSONSchema, Default: cty.ObjectVal(map[string]cty.Value{"type": cty.StringVal("object"), "n": cty.TupleVal([]cty.Value{cty.NumberIntVal(1), cty.True})})},
				{Name: "count", Type: cty.Number, Default: cty.NumberIntVal(10), Min: &low, Max: &high},
				{Name: "share", Type: cty.Map(cty.Number), Default: cty.MapVal(map[string]cty.Value{"x": cty.NumberFloatVal(0.3)}), OneOf: []string{"x", "y"}},
				{Name: "list", Type: cty.List(cty.String), Default: cty.ListValEmpty(cty.String), Volatile: true},
				{Name: "key", Type: object, Sensitive: true, Doc: "A key."},
			},
			Blocks: []schema.NestedBlock{{
				Type: "rule", Labels: []string{"name"}, Min: 1, Max: 4, Doc: "A rule.",
				Block: schema.Block{Attributes: []schema.Attribute{{Name: "when", Type: cty.Bool}}},
			}},
		},
		Reads:           []schema.Column{{Name: "text", Type: cty.String, Doc: "Text.", Optional: true}},
		ReadsAll:        true,
		Writes:          []schema.Column{{Name: schema.BlockName, Type: cty.DynamicPseudoType}},
		WritesOpen:      true,
		Grain:           schema.DatasetGrain,
		BehaviorVersion: "3",
		Deterministic:   true,
		Calls: &schema.Calls{Min: 1, Max: 3, Times: "count", More: []schema.MoreCalls{
			{Argument: "prompt", Value: "long", Max: 2, Times: []string{"count"}},
		}},
	}
}

// trains is a finetune component, which has what others have not.
func trains() schema.Component {
	return schema.Component{
		Role: schema.Finetune, Name: "api", Doc: "Trains.", Trainer: schema.TrainerAPI,
		Config:  schema.Block{Attributes: []schema.Attribute{{Name: "method", Type: cty.String}}},
		Formats: []schema.Format{{Output: "openai_sft", Argument: "method", Value: "supervised"}},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []schema.Component{full(), trains()} {
		roundTrip(t, want)
	}
}

func roundTrip(t *testing.T, want schema.Component) {
	t.Helper()
	m, err := FromComponent(want)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back Component
	if err := proto.Unmarshal(wire, &back); err != nil {
		t.Fatal(err)
	}
	got, err := ToComponent(&back)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameCty()); diff != "" {
		t.Errorf("the component changed on the way (-sent +got):\n%s", diff)
	}
}

// TestRoundTripForgetsNothing makes sure that the component above sets every
// field, so that a field added to package schema must be carried too.
func TestRoundTripForgetsNothing(t *testing.T) {
	c := full()
	set := map[string]bool{}
	note := func(v any) {
		r := reflect.ValueOf(v)
		for i := range r.NumField() {
			name := r.Type().Name() + "." + r.Type().Field(i).Name
			set[name] = set[name] || !r.Field(i).IsZero()
		}
	}
	note(c)
	note(trains())
	note(trains().Formats[0])
	note(*c.Calls)
	note(c.Calls.More[0])
	note(c.Config)
	for _, a := range c.Config.Attributes {
		note(a)
		for _, v := range a.Variables {
			note(v)
		}
	}
	for _, n := range c.Config.Blocks {
		note(n)
	}
	note(c.Reads[0])
	note(schema.Diagnostic{Warning: true, Summary: "s", Detail: "d", Path: cty.GetAttrPath("a")})
	for name, ok := range set {
		if !ok {
			t.Errorf("the round trip does not try %s", name)
		}
	}
}

func TestDiagnosticRoundTrip(t *testing.T) {
	paths := []cty.Path{
		nil,
		cty.GetAttrPath("a"),
		cty.GetAttrPath("a").IndexInt(3).GetAttr("b").IndexString("k"),
	}
	for _, p := range paths {
		want := schema.Diagnostic{Warning: true, Summary: "s", Detail: "d", Path: p}
		got := ToDiagnostic(FromDiagnostic(want))
		if !got.Path.Equals(p) || got.Summary != "s" || got.Detail != "d" || !got.Warning {
			t.Errorf("%v became %v", want, got)
		}
	}
}

func TestToComponentRefuses(t *testing.T) {
	str := []byte(`"string"`)
	attr := func(a *Attribute) *Component {
		return &Component{Role: "judge", Name: "x", Config: &Block{Attributes: []*Attribute{a}}}
	}
	deep := &Block{}
	for range 40 {
		deep = &Block{Blocks: []*NestedBlock{{Type: "b", Block: deep}}}
	}
	tests := []struct {
		name string
		m    *Component
		want string
	}{
		{"nil", nil, "unknown role"},
		{"role", &Component{Role: "wizard"}, "unknown role"},
		{"name", &Component{Role: "judge", Name: "a b"}, "no identifier"},
		{"no type", attr(&Attribute{Name: "a"}), "type"},
		{"bad type", attr(&Attribute{Name: "a", TypeJson: []byte(`"strange"`)}), "type"},
		{"bad kind", attr(&Attribute{Name: "a", TypeJson: str, Kind: "secret"}), "unknown kind"},
		{"bad default", attr(&Attribute{Name: "a", TypeJson: []byte(`"number"`), DefaultJson: []byte(`"x"`)}), "default"},
		{"default and required", attr(&Attribute{Name: "a", TypeJson: str, Required: true, DefaultJson: []byte(`"x"`)}), "required"},
		{"reserved", attr(&Attribute{Name: "on_error", TypeJson: str}), "reserved"},
		{"deep", &Component{Role: "judge", Config: deep}, "deep"},
		{"column twice", &Component{Role: "judge", Writes: []*Column{{Name: "a", TypeJson: str}, {Name: "a", TypeJson: str}}}, "twice"},
		{"source reads", &Component{Role: "threat_source", Reads: []*Column{{Name: "a", TypeJson: str}}}, "reads no columns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ToComponent(tt.m); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzToComponent(f *testing.F) {
	m, err := FromComponent(full())
	if err != nil {
		f.Fatal(err)
	}
	wire, err := proto.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Component
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		c, err := ToComponent(&m)
		if err != nil {
			return
		}
		if _, err := FromComponent(c); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
