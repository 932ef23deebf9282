package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
)

type modelName string

func (modelName) SchemaKind() Kind { return Model }

type promptText string

func (promptText) SchemaKind() Kind            { return Template }
func (promptText) SchemaVariables() []Variable { return []Variable{{Name: "row", Type: cty.String}} }

type inner struct {
	A string `json:"a"`
	B *int   `json:"b"`
}

type rule struct {
	Name string `hcl:"name,label"`
	When bool   `hcl:"when"`
}

type config struct {
	Model   modelName          `hcl:"model" doc:"Who."`
	Prompt  promptText         `hcl:"prompt" default:"say {{ .row }}"`
	Count   int                `hcl:"count" default:"10" min:"1" max:"100" flags:"samples"`
	Mix     map[string]float64 `hcl:"mix" default:"{\"x\":0.5}" oneof:"x,y"`
	Names   []string           `hcl:"names,optional" oneof:"a,b"`
	Object  inner              `hcl:"object,optional"`
	Any     json.RawMessage    `hcl:"any,optional" flags:"json_schema"`
	Map     map[string]string  `hcl:"map,optional" flags:"row_map"`
	Timeout *int               `hcl:"timeout,optional" flags:"volatile,sensitive"`
	Rules   []rule             `hcl:"rule,block" doc:"Rules."`
	One     *rule              `hcl:"one,block"`
	Ignored chan int
}

func TestBlockOf(t *testing.T) {
	b, err := BlockOf(reflect.TypeFor[config]())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Attribute{
		"model":   {Type: cty.String, Kind: Model, Required: true},
		"prompt":  {Type: cty.String, Kind: Template, Default: cty.StringVal("say {{ .row }}")},
		"count":   {Type: cty.Number, Kind: Samples, Default: cty.NumberIntVal(10)},
		"mix":     {Type: cty.Map(cty.Number), Default: cty.MapVal(map[string]cty.Value{"x": cty.NumberFloatVal(0.5)})},
		"names":   {Type: cty.List(cty.String)},
		"object":  {Type: cty.ObjectWithOptionalAttrs(map[string]cty.Type{"a": cty.String, "b": cty.Number}, []string{"b"})},
		"any":     {Type: cty.DynamicPseudoType, Kind: JSONSchema},
		"map":     {Type: cty.Map(cty.String), Kind: RowMap},
		"timeout": {Type: cty.Number, Volatile: true, Sensitive: true},
	}
	if len(b.Attributes) != len(want) {
		t.Errorf("%d attributes, want %d", len(b.Attributes), len(want))
	}
	for name, w := range want {
		a, ok := b.Attribute(name)
		if !ok || !a.Type.Equals(w.Type) || a.Kind != w.Kind || a.Required != w.Required || a.Volatile != w.Volatile || a.Sensitive != w.Sensitive {
			t.Errorf("%s: %+v", name, a)
		}
		switch {
		case w.Default == cty.NilVal:
			if a.Default != cty.NilVal {
				t.Errorf("%s has a default", name)
			}
		case a.Default == cty.NilVal || !a.Default.RawEquals(w.Default):
			t.Errorf("%s: default %#v", name, a.Default)
		}
	}
	if a, _ := b.Attribute("count"); *a.Min != 1 || *a.Max != 100 {
		t.Errorf("bounds %v %v", *a.Min, *a.Max)
	}
	if a, _ := b.Attribute("prompt"); len(a.Variables) != 1 {
		t.Errorf("variables %v", a.Variables)
	}
	if len(b.Blocks) != 2 || b.Blocks[0].Max != 0 || b.Blocks[0].Labels[0] != "name" || b.Blocks[1].Max != 1 || b.Blocks[1].Min != 0 {
		t.Errorf("blocks %+v", b.Blocks)
	}
	if err := (Component{Role: Judge, Config: b}).Check(); err != nil {
		t.Error(err)
	}
}

func TestBlockOfProblems(t *testing.T) {
	tests := []struct {
		t    reflect.Type
		want string
	}{
		{reflect.TypeFor[int](), "no struct"},
		{reflect.TypeFor[struct {
			A int `hcl:"a" default:"x"`
		}](), "default"},
		{reflect.TypeFor[struct {
			A int `hcl:"a,mandatory"`
		}](), "unknown option"},
		{reflect.TypeFor[struct {
			A int `hcl:"a" flags:"secret"`
		}](), "unknown flag"},
		{reflect.TypeFor[struct {
			A int `hcl:"a" min:"low"`
		}](), "min"},
		{reflect.TypeFor[struct {
			A []int `hcl:"a,block"`
		}](), "no struct"},
	}
	for _, tt := range tests {
		if _, err := BlockOf(tt.t); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.t, err, tt.want)
		}
	}
}

type tree struct {
	Name  string          `json:"name" doc:"A name."`
	Left  *tree           `json:"left,omitempty"`
	Kind  string          `json:"kind" oneof:"x,y"`
	Kinds []string        `json:"kinds" oneof:"x,y"`
	Raw   json.RawMessage `json:"raw"`
	When  time.Time       `json:"when"`
	Skip  string          `json:"-"`
	Bytes []byte          `json:"bytes"`
	M     map[string]int  `json:"m"`
	F     float64         `json:"f,omitzero" min:"0" max:"1"`
	embedded
}

type embedded struct {
	Extra bool `json:"extra"`
}

func TestJSONSchemaOf(t *testing.T) {
	got := string(JSONSchemaOf(reflect.TypeFor[tree]()))
	want := `{"type":"object","properties":{` +
		`"name":{"type":"string","description":"A name."},"left":{},"kind":{"type":"string","enum":["x","y"]},` +
		`"kinds":{"type":"array","items":{"type":"string","enum":["x","y"]}},"raw":{},"when":{},"bytes":{"type":"string"},` +
		`"m":{"type":"object","additionalProperties":{"type":"integer"}},"f":{"type":"number","minimum":0,"maximum":1},"extra":{"type":"boolean"}},` +
		`"required":["name","kind","kinds","raw","when","bytes","m","extra"],"additionalProperties":false}`
	if got != want {
		t.Errorf("schema\n%s\nwant\n%s", got, want)
	}
}

func TestColumnsOf(t *testing.T) {
	var names []string
	for _, c := range ColumnsOf(reflect.TypeFor[tree]()) {
		mark := ""
		if c.Optional {
			mark = "?"
		}
		names = append(names, c.Name+mark+" "+c.Type.FriendlyNameForConstraint())
	}
	want := "name string, left? object, kind string, kinds list of string, raw any type, when any type, bytes string, m map of number, f? number, extra bool"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("columns\n%s\nwant\n%s", got, want)
	}
	if ColumnsOf(reflect.TypeFor[map[string]any]()) != nil {
		t.Error("a map has columns")
	}
}

func TestDecodeConfig(t *testing.T) {
	var c config
	diags := DecodeConfig([]byte(`{"model":"model","names":["a"],"object":{"a":"x"},"any":{"type":"object"},"rule":[{"name":"r","when":true},{"name":"s","when":false}],"one":{"name":"o","when":true},"timeout":null}`), &c)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if c.Model != "model" || c.Prompt != "say {{ .row }}" || c.Count != 10 || c.Mix["x"] != 0.5 || c.Names[0] != "a" || c.Object.A != "x" ||
		string(c.Any) != `{"type":"object"}` || len(c.Rules) != 2 || c.Rules[0] != (rule{"r", true}) || c.One == nil || c.One.Name != "o" || c.Timeout != nil {
		t.Errorf("%+v", c)
	}
	tests := []struct{ config, path string }{
		{`{"model":"m","count":0}`, "count"},
		{`{"model":"m","count":101}`, "count"},
		{`{"model":"m","count":"x"}`, "count"},
		{`{"model":"m","names":["a","z"]}`, "names[1]"},
		{`{"model":"m","mix":{"z":1}}`, `mix["z"]`},
		{`{"model":"m","rule":[{"name":"r","when":true},{"name":"r","when":"yes"}]}`, "rule[1].when"},
		{`{"model":"m","rule":[{"name":"r"}]}`, "rule[0]"},
		{`{"model":"m","rule":[{"name":"r","when":true,"x":1}]}`, "rule[0].x"},
		{`{"model":"m","rule":7}`, "rule"},
		{`{"model":"m","one":[{"when":true},{"when":true}]}`, "one"},
		{`{"model":"m","Ignored":1}`, "Ignored"},
		{`{}`, ""},
	}
	for _, tt := range tests {
		diags := DecodeConfig([]byte(tt.config), new(config))
		if len(diags) != 1 || pathString(diags[0].Path) != tt.path {
			t.Errorf("%s: %+v, want one at %s", tt.config, diags, tt.path)
		}
	}
	if diags := DecodeConfig(nil, config{}); len(diags) == 0 {
		t.Error("decoding into no pointer gave no problem")
	}
}

// Common and common are embedded by configurations below.
type Common struct {
	A string `hcl:"a,optional" default:"x"`
}

type common struct {
	B int `hcl:"b,optional" default:"3"`
}

// TestEmbedded sees that the arguments of an embedded struct are decoded as
// they are described, whether others may see its name or not.
func TestEmbedded(t *testing.T) {
	type both struct {
		Common
		common
	}
	b, err := BlockOf(reflect.TypeFor[both]())
	if err != nil || len(b.Attributes) != 2 {
		t.Fatalf("%+v, %v", b, err)
	}
	var got both
	if diags := DecodeBlock(b, []byte(`{"b":7}`), &got); len(diags) > 0 || got.A != "x" || got.B != 7 {
		t.Errorf("%+v, %+v", got, diags)
	}
}

func pathString(p cty.Path) string {
	var b strings.Builder
	for i, s := range p {
		switch s := s.(type) {
		case cty.GetAttrStep:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Name)
		case cty.IndexStep:
			if s.Key.Type() == cty.String {
				fmt.Fprintf(&b, "[%q]", s.Key.AsString())
			} else {
				fmt.Fprintf(&b, "[%s]", s.Key.AsBigFloat().String())
			}
		}
	}
	return b.String()
}

func FuzzDecodeConfig(f *testing.F) {
	f.Add([]byte(`{"model":"m","rule":[{"name":"r","when":true}],"mix":{"x":1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = DecodeConfig(b, new(config))
	})
}

func TestTemplates(t *testing.T) {
	data, err := TemplateData(struct {
		Text string                     `json:"text"`
		Row  map[string]json.RawMessage `json:"row"`
		List []inner                    `json:"list"`
		Nil  *inner                     `json:"nil"`
		N    int                        `json:"n"`
	}{"a<b", map[string]json.RawMessage{"n": []byte("3"), "f": []byte("0.5"), "o": []byte(`{"k":["x","y"]}`), "big": []byte("123456789012345678901")}, []inner{{A: "q"}}, nil, 4})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ text, want string }{
		{`{{ .text }}`, "a<b"},
		{`{{ json .row.o }}`, `{"k":["x","y"]}`},
		{`{{ json .text }}`, `"a<b"`},
		{`{{ join ", " .row.o.k }}`, "x, y"},
		{`{{ join ", " .nil }}`, ""},
		{`{{ if .nil }}yes{{ else }}no{{ end }}`, "no"},
		{`{{ range .list }}{{ .a }}{{ .b }}{{ end }}`, "q<no value>"},
		{`{{ if gt .row.n 2 }}{{ add .row.n 1 }} {{ add .row.f .n }}{{ end }}`, "4 4.5"},
		{`{{ .row.big }}`, "123456789012345678901"},
		{"{{ indent 2 \"a\\n\\nb\" }}", "  a\n\n  b"},
		{`{{ upper .text | lower | trim }}`, "a<b"},
		{`{{ default "none" .nil }}{{ default "none" .text }}`, "nonea<b"},
		{`{{ .absent }}`, "!"},
		{`{{ .row.absent }}`, "!"},
		{`{{ add .text 1 }}`, "!"},
		{`{{ indent -1 "x" }}`, "!"},
		{`{{ join "," 3 }}`, "!"},
	}
	for _, tt := range tests {
		tmpl, err := ParseTemplate("x", tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		var b strings.Builder
		switch err := tmpl.Execute(&b, data); {
		case tt.want == "!":
			if err == nil {
				t.Errorf("%s gave %q and no error", tt.text, b.String())
			}
		case err != nil || b.String() != tt.want:
			t.Errorf("%s: %q, %v, want %q", tt.text, b.String(), err, tt.want)
		}
	}
}

// formatsOf are what a component of a role must have.
func formatsOf(role Role) []Format {
	if role == Finetune {
		return []Format{{Output: "rows"}}
	}
	return nil
}

func TestTraining(t *testing.T) {
	method := Block{Attributes: []Attribute{{Name: "method", Type: cty.String}}}
	for want, c := range map[string]Component{
		"":                    {Role: Finetune, Trainer: TrainerAPI, Config: method, Formats: []Format{{Output: "a"}, {Output: "b", Argument: "method", Value: "x"}}},
		"trains nothing":      {Role: Judge, Formats: []Format{{Output: "a"}}},
		"unknown trainer":     {Role: Finetune, Trainer: "magic", Formats: []Format{{Output: "a"}}},
		"does not say":        {Role: Finetune},
		"no name of an outpu": {Role: Finetune, Formats: []Format{{Output: "a b"}}},
		"hangs on":            {Role: Finetune, Formats: []Format{{Output: "a", Argument: "method", Value: "x"}}},
		"is reserved: every":  {Role: Evaluation, Config: Block{Blocks: []NestedBlock{{Type: "judge"}}}},
		"name of its block":   {Role: Evaluation, Writes: []Column{{Name: BlockName, Type: cty.String}}},
		"evaluation has no":   {Role: Evaluation, Grain: DatasetGrain},
		"takes no models":     {Role: Finetune, Formats: []Format{{Output: "a"}}, Config: Block{Attributes: []Attribute{{Name: "agent", Kind: Model, Type: cty.String}}}},
	} {
		err := c.Check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestReserved(t *testing.T) {
	for _, role := range Roles() {
		for _, name := range ReservedArguments() {
			c := Component{Role: role, Formats: formatsOf(role), Config: Block{Attributes: []Attribute{{Name: name, Type: cty.String}}}}
			free := name == "path" && role != Output && role != Finetune || name == "input" && (role == ThreatSource || role == Output) ||
				role == Output && slices.Contains([]string{"on_error", "max_failures", "seed", "generation"}, name)
			if err := c.Check(); (err == nil) != free {
				t.Errorf("%s %s: %v", role, name, err)
			}
		}
	}
}
