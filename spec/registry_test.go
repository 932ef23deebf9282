package spec

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

// fakeRegistry has components with the outer form of the real ones.
type fakeRegistry struct{}

func (fakeRegistry) Component(role schema.Role, label string) (*schema.Component, PluginRef, bool) {
	c, ok := fakeComponents()[string(role)+"."+label]
	ref := PluginRef{Source: "builtin"}
	if name, found := strings.CutPrefix(label, "acme_"); found {
		c.Name = name
		ref = PluginRef{Name: "acme", Source: "github.com/acme/autosafe-plugin-acme", Version: "1.2.3", Digest: "00"}
	}
	return &c, ref, ok
}

func (fakeRegistry) Labels(role schema.Role) []string {
	var labels []string
	for key := range fakeComponents() {
		if label, ok := strings.CutPrefix(key, string(role)+"."); ok {
			labels = append(labels, label)
		}
	}
	return labels
}

// Validate refuses some values, to see where the problems are shown.
func (fakeRegistry) Validate(_ PluginRef, _ schema.Role, component string, config []byte) ([]schema.Diagnostic, error) {
	var c struct {
		Mix  map[string]float64 `json:"mix"`
		Rule []struct {
			Weights []float64 `json:"weights"`
		} `json:"rule"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, err
	}
	var diags []schema.Diagnostic
	for _, name := range slices.Sorted(mapKeys(c.Mix)) {
		if c.Mix[name] > 1 {
			diags = append(diags, schema.Diagnostic{Summary: "Share too large", Detail: "A share is at most 1.", Path: cty.GetAttrPath("mix").IndexString(name)})
		}
	}
	for i, rule := range c.Rule {
		for j, w := range rule.Weights {
			if w < 0 {
				diags = append(diags, schema.Diagnostic{Summary: "Negative weight", Detail: "A weight is at least 0.", Path: cty.GetAttrPath("rule").IndexInt(i).GetAttr("weights").IndexInt(j)})
			}
		}
	}
	return diags, nil
}

func mapKeys(m map[string]float64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// otsColumns are standard columns by name; those after a "?" are optional.
func otsColumns(names ...string) []schema.Column {
	var out []schema.Column
	all := schema.ColumnsOf(reflect.TypeFor[ots.Row]())
	for _, name := range names {
		name, optional := strings.CutPrefix(name, "?")
		i := slices.IndexFunc(all, func(c schema.Column) bool { return c.Name == name })
		col := all[i]
		col.Optional = optional
		out = append(out, col)
	}
	return out
}

func modelAttr(name string) schema.Attribute {
	return schema.Attribute{Name: name, Type: cty.String, Kind: schema.Model, Required: true, Doc: "a model."}
}

func number(name string, def int64, low, high float64) schema.Attribute {
	return schema.Attribute{Name: name, Type: cty.Number, Default: cty.NumberIntVal(def), Min: &low, Max: &high}
}

func template(name, def string, variables ...string) schema.Attribute {
	a := schema.Attribute{Name: name, Type: cty.String, Kind: schema.Template, Default: cty.StringVal(def)}
	for _, v := range variables {
		a.Variables = append(a.Variables, schema.Variable{Name: v, Type: cty.DynamicPseudoType, Doc: v})
	}
	return a
}

// anyColumns are columns of any type.
func anyColumns(names ...string) (list []schema.Column) {
	for _, name := range names {
		list = append(list, schema.Column{Name: name, Type: cty.DynamicPseudoType})
	}
	return list
}

func fakeComponents() map[string]schema.Component {
	samples := number("samples", 1, 0, 1e6)
	samples.Kind = schema.Samples
	list := []schema.Component{
		{Role: schema.ThreatSource, Name: "catalog", Config: schema.Block{Attributes: []schema.Attribute{
			{Name: "domains", Type: cty.List(cty.String), OneOf: []string{"daily", "finance", "health", "web"}},
			{Name: "outcomes", Type: cty.List(cty.String)},
			{Name: "path", Type: cty.DynamicPseudoType, Kind: schema.Files},
		}}, Writes: otsColumns("toolkits", "tools", "outcome", "domain"), BehaviorVersion: "1"},
		{Role: schema.ThreatSource, Name: "jsonl", Config: schema.Block{Attributes: []schema.Attribute{
			{Name: "path", Type: cty.DynamicPseudoType, Kind: schema.Files, Required: true, Doc: "files of records."},
			{Name: "map", Type: cty.Map(cty.String), Kind: schema.RowMap},
		}}, WritesOpen: true, BehaviorVersion: "1"},
		{Role: schema.ThreatSource, Name: "acme_tickets", Config: schema.Block{
			Attributes: []schema.Attribute{
				{Name: "token", Type: cty.String, Sensitive: true},
				{Name: "page_size", Type: cty.Number, Volatile: true},
				{Name: "shape", Type: cty.ObjectWithOptionalAttrs(map[string]cty.Type{"wide": cty.Bool, "tall": cty.Number}, []string{"tall"})},
			},
			Blocks: []schema.NestedBlock{{Type: "rule", Labels: []string{"topic"}, Max: 3, Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "weights", Type: cty.List(cty.Number), Required: true},
				template("text", "", "topic"),
			}}}},
		}, Writes: otsColumns("instruction"), WritesOpen: true},
		{Role: schema.Simulator, Name: "instructions", Config: schema.Block{Attributes: []schema.Attribute{
			modelAttr("model"),
			{Name: "count", Type: cty.Number, Kind: schema.Samples, Default: cty.NumberIntVal(10)},
			{Name: "mix", Type: cty.Map(cty.Number), OneOf: []string{"malicious", "normal", "underspecified"}},
			template("prompt", "Write {{ .instruction_type }} for {{ .outcome }}.", "instruction_type", "outcome", "row"),
		}}, Reads: otsColumns("toolkits", "tools", "outcome", "?domain"), Writes: otsColumns("instruction", "instruction_type", "achievements", "risks"), BehaviorVersion: "1"},
		{Role: schema.Simulator, Name: "trajectory", Config: schema.Block{Attributes: []schema.Attribute{
			modelAttr("agent"), modelAttr("environment"), modelAttr("judge"),
			number("adversarial", 0, 0, 1), number("max_steps", 15, 1, 100), samples,
		}}, Reads: otsColumns("instruction", "tools", "outcome", "?risks"),
			Writes: otsColumns("kind", "source", "context_type", "scenario_class", "trajectory", "trigger", "trigger_verdict"), BehaviorVersion: "1"},
		{Role: schema.Reflector, Name: "retry", Config: schema.Block{Attributes: []schema.Attribute{
			modelAttr("agent"), modelAttr("judge"), modelAttr("reflector"), number("rounds", 10, 1, 100),
			{Name: "require", Type: cty.String, OneOf: []string{"safe", "useful"}, Default: cty.StringVal("safe")},
			template("prompt", "Reflect on {{ json .action }}.", "instruction", "action", "row"),
		}}, Reads: otsColumns("instruction", "tools", "trajectory", "?trigger"), Writes: otsColumns("attempts", "safe_action", "safe_verdict"), BehaviorVersion: "1"},
		{Role: schema.Judge, Name: "rubric", Config: schema.Block{Attributes: []schema.Attribute{
			modelAttr("model"),
			template("prompt", "Score {{ json .row }}", "row"),
			{Name: "schema", Type: cty.DynamicPseudoType, Kind: schema.JSONSchema, Default: cty.ObjectVal(map[string]cty.Value{
				"type": cty.StringVal("object"),
				"properties": cty.ObjectVal(map[string]cty.Value{
					"score":  cty.ObjectVal(map[string]cty.Value{"type": cty.StringVal("integer")}),
					"reason": cty.ObjectVal(map[string]cty.Value{"type": cty.StringVal("string")}),
				}),
			})},
		}}, Writes: []schema.Column{{Name: schema.BlockName, Type: cty.DynamicPseudoType, Doc: "The reply."}}, BehaviorVersion: "1"},
	}
	list = append(list,
		schema.Component{Role: schema.Finetune, Name: "openai", BehaviorVersion: "1", Trainer: schema.TrainerAPI, Config: schema.Block{Attributes: []schema.Attribute{
			{Name: "base_model", Type: cty.String, Required: true},
			{Name: "method", Type: cty.String, Default: cty.StringVal("supervised"), OneOf: []string{"supervised", "dpo"}},
		}}, Formats: []schema.Format{{Output: "openai_sft", Argument: "method", Value: "supervised"}, {Output: "openai_dpo", Argument: "method", Value: "dpo"}},
			Reads: anyColumns("format", "train"), Writes: anyColumns("model")},
		schema.Component{Role: schema.Finetune, Name: "trl", BehaviorVersion: "1", Trainer: schema.TrainerCommand, Config: schema.Block{Attributes: []schema.Attribute{
			{Name: "base_model", Type: cty.String, Required: true},
		}}, Formats: []schema.Format{{Output: "rows"}}, Reads: anyColumns("format", "train"), Writes: anyColumns("model")})
	for _, name := range []string{"rows", "openai_sft", "trl_dpo"} {
		c := schema.Component{Role: schema.Output, Name: name, ReadsAll: true, BehaviorVersion: "1", Config: schema.Block{Attributes: []schema.Attribute{
			{Name: "compress", Type: cty.Bool, Default: cty.False},
		}}}
		if name == "trl_dpo" {
			c.Reads = otsColumns("trigger", "safe_action")
		}
		list = append(list, c)
	}
	list = append(list, fakeEvaluation()...)
	all := map[string]schema.Component{}
	for _, c := range list {
		all[string(c.Role)+"."+c.Name] = c
	}
	return all
}

// fakeEvaluation are components that try agents, and a judge of what they did.
func fakeEvaluation() []schema.Component {
	samples := number("samples", 1, 1, 100)
	samples.Kind = schema.Samples
	trial := []schema.Column{
		{Name: "trial", Type: schema.TypeOf(reflect.TypeFor[ots.Trial]())},
		{Name: "action", Type: schema.TypeOf(reflect.TypeFor[*ots.Action]())},
		{Name: "run", Type: schema.TypeOf(reflect.TypeFor[[]ots.Step]())},
	}
	repeats := number("repeats", 1, 1, 9)
	return []schema.Component{
		{Role: schema.Evaluation, Name: "next_action", Config: schema.Block{
			Attributes: []schema.Attribute{
				modelAttr("model"), samples,
				{Name: "guard", Type: cty.String, OneOf: []string{"none", "reminder"}, Default: cty.StringVal("none")},
				template("prompt", "Act on {{ .instruction }}.", "instruction", "row"),
			},
			Blocks: []schema.NestedBlock{{Type: "tool", Labels: []string{"tool"}, Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "reply", Type: cty.String, Required: true},
			}}}},
		}, Reads: otsColumns("instruction", "tools", "?trajectory"), Writes: trial, BehaviorVersion: "1"},
		{Role: schema.Evaluation, Name: "tasks", Config: schema.Block{Attributes: []schema.Attribute{modelAttr("model")}},
			Reads: otsColumns("instruction"), Writes: trial, BehaviorVersion: "1"},
		{Role: schema.Judge, Name: "action", Config: schema.Block{Attributes: []schema.Attribute{modelAttr("model"), repeats}},
			Reads:  append(otsColumns("instruction", "?risks"), trial...),
			Writes: []schema.Column{{Name: schema.BlockName, Type: schema.TypeOf(reflect.TypeFor[ots.Vote]())}}, BehaviorVersion: "1"},
	}
}
