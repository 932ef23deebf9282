package spec

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

const offlineModel = "offline-1"

func bound(n float64) *float64 { return &n }

func modelShape() schema.Block {
	zero, one := bound(0), bound(1)
	return schema.Block{
		Attributes: []schema.Attribute{
			{Name: "provider", Kind: kindMeta, Required: true, Doc: "the provider that serves the model, such as provider.openai.main, or a list of them; or the finetune block that makes it, such as finetune.openai.agent."},
			{Name: "name", Type: cty.String},
			{Name: "temperature", Type: cty.Number, Min: zero},
			{Name: "top_p", Type: cty.Number, Min: zero, Max: one},
			{Name: "max_tokens", Type: cty.Number, Min: one},
			{Name: "stop", Type: cty.List(cty.String)},
			{Name: "frequency_penalty", Type: cty.Number, Min: bound(-2), Max: bound(2)},
			{Name: "presence_penalty", Type: cty.Number, Min: bound(-2), Max: bound(2)},
			{Name: "reasoning_effort", Type: cty.String},
			{Name: "structured", Type: cty.String, Default: cty.StringVal(string(StructuredAuto)),
				OneOf: []string{string(StructuredAuto), string(StructuredSchema), string(StructuredObject), string(StructuredText)}},
			{Name: "tool_form", Type: cty.String, Default: cty.StringVal(string(ToolsAuto)),
				OneOf: []string{string(ToolsAuto), string(ToolsNative), string(ToolsJSON)}},
			{Name: "extra_body", Type: cty.DynamicPseudoType},
			{Name: "reply_retries", Type: cty.Number, Default: cty.NumberIntVal(2), Min: zero, Max: bound(20)},
			{Name: "mode", Type: cty.String, Default: cty.StringVal(string(ModeLive)), OneOf: []string{string(ModeLive), string(ModeBatch)}},
		},
		Blocks: []schema.NestedBlock{
			{Type: "price", Max: 1, Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "input", Type: cty.Number, Required: true, Min: zero, Max: bound(1e6), Doc: "US dollars per million tokens."},
				{Name: "output", Type: cty.Number, Required: true, Min: zero, Max: bound(1e6), Doc: "US dollars per million tokens."},
				{Name: "cached_input", Type: cty.Number, Min: zero, Max: bound(1e6), Doc: "US dollars per million tokens."},
				{Name: "batch_share", Type: cty.Number, Min: zero, Max: one, Default: cty.NumberFloatVal(defaultBatchShare)},
			}}},
			{Type: "batch", Max: 1, Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "max_requests", Type: cty.Number, Min: one, Max: bound(100_000)},
				{Name: "max_bytes", Type: cty.Number, Min: bound(1024), Max: bound(1 << 30)},
				{Name: "wait", Type: cty.String},
			}}},
		},
	}
}

// defaultBatchShare is the share of the price that a call in a batch costs, at
// OpenAI and Azure.
const defaultBatchShare = 0.5

// model evaluates a model block, with its provider, at its first use.
func (d *decoder) model(b *block) (*Model, hcl.Diagnostics) {
	if m, ok := d.models[b.addr]; ok {
		return m, nil
	}
	ctx := d.modelContext(d.baseContext())
	m, providers, diags := d.readModel(b, ctx)
	d.models[b.addr] = m
	for _, at := range providers {
		if at.tuned != nil {
			diags = append(diags, m.take(b, at)...)
			continue
		}
		p, moreDiags := d.provider(at.block)
		diags = append(diags, moreDiags...)
		diags = append(diags, m.add(p, at.rng)...)
	}
	if m.Provider == nil {
		return m, diags
	}
	diags = append(diags, checkModelName(b, m)...)
	if m.Price == nil {
		m.Price = listedPrice(m)
	}
	return m, diags
}

func checkModelName(b *block, m *Model) hcl.Diagnostics {
	if m.ID != "" || m.Tuned != nil || b.node.attrs["name"] != nil {
		return nil
	}
	if m.Provider.Type == ProviderOffline {
		m.ID = offlineModel
		return nil
	}
	return hcl.Diagnostics{problemAt(b.node.end, "Missing required argument",
		"The argument \"name\" is required in %s: the endpoint's name for the model, such as \"gpt-4o-mini-2024-07-18\".", b.node.title())}
}

// Providers are all the providers that serve the model, one at least.
func (m *Model) Providers() []*Provider {
	if len(m.Replicas) > 0 {
		return m.Replicas
	}
	return []*Provider{m.Provider}
}

// add gives the model another provider. All of them must be one endpoint to
// the keys: an answer of any is the model's answer.
func (m *Model) add(p *Provider, rng hcl.Range) hcl.Diagnostics {
	if m.Provider == nil {
		m.Provider = p
		return nil
	}
	switch {
	case p.Type == ProviderOffline || m.Provider.Type == ProviderOffline:
		return hcl.Diagnostics{problemAt(rng, "Unsuitable providers", "The offline stand-in is another model than any endpoint's, so it cannot stand in a list. Name it alone.")}
	case slices.Contains(m.Providers(), p):
		return hcl.Diagnostics{problemAt(rng, "Unsuitable providers", "provider.%s.%s stands in the list already. To have it answer more of the calls, raise its weight.", p.Type, p.Name)}
	case p.Identity() != m.Provider.Identity() && p.BaseURL != "" && m.Provider.BaseURL != "":
		return hcl.Diagnostics{problemAt(rng, "Unsuitable providers",
			"provider.%s.%s is another endpoint than provider.%s.%s: answers are kept under an endpoint's identity, by default its base_url. If they serve the same model, say so in both blocks: identity = %q.",
			p.Type, p.Name, m.Provider.Type, m.Provider.Name, cmp.Or(m.Provider.ID, m.Name))}
	}
	m.Replicas = append(m.Providers(), p)
	return nil
}

// providerAt is a provider, and where a model refers to it.
type providerAt struct {
	block *block
	tuned *reference // to the finetune block in its place
	rng   hcl.Range
}

// readModel evaluates a model block and says which providers it has.
func (d *decoder) readModel(b *block, ctx *hcl.EvalContext) (*Model, []providerAt, hcl.Diagnostics) {
	v, diags := d.evaluate(b.node, ctx)
	m := &Model{
		Name: b.name(), Range: b.node.head, ID: v.text("name"), ReasoningEffort: v.text("reasoning_effort"),
		Temperature: v.float("temperature"), TopP: v.float("top_p"),
		FrequencyPen: v.float("frequency_penalty"), PresencePen: v.float("presence_penalty"),
		Structured: Structured(v.text("structured")), ToolForm: ToolForm(v.text("tool_form")), Mode: Mode(v.text("mode")),
	}
	if attr := b.node.attrs["name"]; attr != nil && m.ID == "" {
		if name, ok := v.known("name"); ok && name.Type() == cty.String {
			diags = append(diags, problemAt(attr.Expr.Range(), "Unsuitable value", "A model's name cannot be empty."))
		}
	}
	for name, to := range map[string]*int{"max_tokens": &m.MaxTokens, "reply_retries": &m.ReplyRetries} {
		diags = append(diags, v.intInto(name, to)...)
	}
	if stop, ok := v.known("stop"); ok {
		for i, s := range stop.AsValueSlice() {
			if s.IsNull() || s.AsString() == "" {
				diags = append(diags, problemAt(subExpr(v.expr("stop"), []pathStep{{index: i}}).Range(), "Unsuitable value", "A stop sequence cannot be empty."))
				continue
			}
			m.Stop = append(m.Stop, s.AsString())
		}
	}
	for _, nested := range v.nested {
		switch nested.typ {
		case "price":
			m.Price = nested.price(m.Mode)
		case "batch":
			diags = append(diags, nested.batch(&m.Batch)...)
		}
	}
	diags = append(diags, v.extraBody(m)...)
	for _, name := range []string{"name", "reasoning_effort", "stop", "extra_body"} {
		d.openValue(name, v)
	}
	providers, moreDiags := providersOf(b, ctx)
	return m, providers, append(diags, moreDiags...)
}

// price reads a price block; nil if a number in it is in error.
func (b *blockValue) price(mode Mode) *Price {
	in, out, share := b.float("input"), b.float("output"), b.float("batch_share")
	if in == nil || out == nil || share == nil {
		return nil
	}
	p := &Price{Input: *in, Output: *out, CachedInput: b.float("cached_input"), BatchShare: 1}
	if mode == ModeBatch {
		p.BatchShare = *share
	}
	return p
}

// batch reads a batch block.
func (b *blockValue) batch(to *Batch) hcl.Diagnostics {
	diags := b.intInto("max_requests", &to.MaxRequests)
	size, ok, diag := b.whole("max_bytes")
	if diag != nil {
		diags = append(diags, diag)
	}
	if ok {
		to.MaxBytes = size
	}
	return append(diags, b.duration("wait", &to.Wait, 24*time.Hour)...)
}

// reservedFields are the fields of a request that extra_body cannot set, each
// with what to do instead.
func reservedFields() map[string]string {
	out := map[string]string{
		"model":                 "Use the argument \"name\".",
		"max_completion_tokens": "Use the argument \"max_tokens\"; it is sent under the name that the endpoint takes.",
		"response_format":       "Use the argument \"structured\".",
		"seed":                  "Use the step's seed.",
		"messages":              "Each call has its own.",
		"tools":                 "Each call has its own.",
		"functions":             "Each call has its own tools.",
		"stream":                "Answers are not streamed.",
		"stream_options":        "Answers are not streamed.",
		"n":                     "Each call has one answer; use the step's samples.",
	}
	for _, name := range []string{"temperature", "top_p", "max_tokens", "stop", "frequency_penalty", "presence_penalty", "reasoning_effort"} {
		out[name] = fmt.Sprintf("Use the argument %q.", name)
	}
	return out
}

// extraBody reads further fields of the request's body.
func (b *blockValue) extraBody(m *Model) hcl.Diagnostics {
	v, ok := b.known("extra_body")
	if !ok {
		return nil
	}
	if ty := v.Type(); !ty.IsObjectType() && !ty.IsMapType() {
		return hcl.Diagnostics{problemAt(b.expr("extra_body").Range(), "Unsuitable value",
			"\"extra_body\" takes an object, such as { top_k = 40 }; %s was given.", describe(v))}
	}
	var diags hcl.Diagnostics
	reserved := reservedFields()
	for name, value := range v.AsValueMap() {
		at := subExpr(b.expr("extra_body"), []pathStep{{key: name, isKey: true}}).Range()
		if advice, ok := reserved[name]; ok {
			diags = append(diags, problemAt(at, "Reserved field", "\"extra_body\" cannot set %q, which autosafe sets itself. %s", name, advice))
			continue
		}
		text, err := canonicalJSON(value)
		if err != nil || name == "" {
			diags = append(diags, problemAt(at, "Unsuitable value", "The field %q of \"extra_body\" has no form in JSON.", name))
			continue
		}
		if m.ExtraBody == nil {
			m.ExtraBody = map[string]json.RawMessage{}
		}
		m.ExtraBody[name] = text
	}
	return diags
}

// providersOf are the providers that a model refers to, one or a list.
func providersOf(b *block, ctx *hcl.EvalContext) ([]providerAt, hcl.Diagnostics) {
	expr := b.node.attrs["provider"].Expr
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	v, _ = unmark(v)
	ty := v.Type()
	if !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
		at, diag := providerOf(v, expr)
		if diag != nil {
			return nil, append(diags, diag)
		}
		return at, diags
	}
	if !v.IsKnown() {
		return nil, diags
	}
	if v.IsNull() || v.LengthInt() == 0 {
		return nil, append(diags, problemAt(expr.Range(), "Unsuitable value", "\"provider\" takes a reference to a provider block, such as provider.openai.main, or a list of them; the list is empty."))
	}
	var list []providerAt
	for i, elem := range v.AsValueSlice() {
		at, diag := providerOf(elem, subExpr(expr, []pathStep{{index: i}}))
		if diag != nil {
			diags = append(diags, diag)
		}
		list = append(list, at...)
	}
	return list, diags
}

func providerOf(v cty.Value, expr hcl.Expression) ([]providerAt, *hcl.Diagnostic) {
	if r, ok := asReference(v); ok && r.isFinetune() {
		return []providerAt{{tuned: r, rng: expr.Range()}}, nil
	}
	if diag := checkReference("provider", expr, v, providerRef); diag != nil {
		return nil, diag
	}
	if r, ok := asReference(v); ok {
		return []providerAt{{block: r.block, rng: expr.Range()}}, nil
	}
	return nil, nil
}

// float reads a number; nil where it is unset.
func (b *blockValue) float(name string) *float64 {
	v, ok := b.known(name)
	if !ok || v.Type() != cty.Number {
		return nil
	}
	f, _ := v.AsBigFloat().Float64()
	return &f
}

// intInto reads a whole number, if there is one.
func (b *blockValue) intInto(name string, to *int) hcl.Diagnostics {
	n, ok, diag := b.whole(name)
	if diag != nil {
		return hcl.Diagnostics{diag}
	}
	if ok {
		*to = int(n)
	}
	return nil
}

// checkUnused looks at the models and providers that no enabled step uses.
// Nothing is asked of the environment for them.
func (d *decoder) checkUnused(base *hcl.EvalContext) hcl.Diagnostics {
	var diags hcl.Diagnostics
	ctx := d.modelContext(base).NewChild()
	ctx.Functions = d.lenient
	for _, addr := range d.addresses() {
		b := d.blocks[addr]
		switch {
		case b.typ == "model" && d.models[addr] == nil:
			_, _, moreDiags := d.readModel(b, ctx)
			diags = append(diags, moreDiags...)
		case b.typ == "provider" && d.providers[addr] == nil:
			_, moreDiags := d.readProvider(b, ctx)
			diags = append(diags, moreDiags...)
		}
	}
	return diags
}

// sortedModels are the used models in order of name.
func (d *decoder) sortedModels() []*Model {
	var list []*Model
	for _, m := range d.models {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *Model) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
