package spec

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

const (
	defaultBaseURL = "https://api.openai.com/v1"
	offlineModel   = "offline-1"
)

func bound(n float64) *float64 { return &n }

func modelShape() schema.Block {
	zero := bound(0)
	return schema.Block{
		Attributes: []schema.Attribute{
			{Name: "provider", Kind: kindMeta, Required: true, Doc: "the provider that serves the model, such as provider.openai.main."},
			{Name: "name", Type: cty.String},
			{Name: "temperature", Type: cty.Number, Min: zero},
			{Name: "top_p", Type: cty.Number, Min: zero, Max: bound(1)},
			{Name: "max_tokens", Type: cty.Number, Min: bound(1)},
			{Name: "stop", Type: cty.List(cty.String)},
			{Name: "frequency_penalty", Type: cty.Number, Min: bound(-2), Max: bound(2)},
			{Name: "presence_penalty", Type: cty.Number, Min: bound(-2), Max: bound(2)},
			{Name: "reasoning_effort", Type: cty.String},
			{Name: "structured", Type: cty.String, Default: cty.StringVal(string(StructuredSchema)),
				OneOf: []string{string(StructuredSchema), string(StructuredObject), string(StructuredText)}},
			{Name: "reply_retries", Type: cty.Number, Default: cty.NumberIntVal(2), Min: zero, Max: bound(20)},
		},
		Blocks: []schema.NestedBlock{{Type: "price", Max: 1, Block: schema.Block{Attributes: []schema.Attribute{
			{Name: "input", Type: cty.Number, Required: true, Min: zero, Max: bound(1e6), Doc: "US dollars per million tokens."},
			{Name: "output", Type: cty.Number, Required: true, Min: zero, Max: bound(1e6), Doc: "US dollars per million tokens."},
		}}}},
	}
}

// providerShape gives the shape of a provider block by its type.
func providerShape(hb *hcl.Block) (schema.Block, hcl.Diagnostics) {
	one := bound(1)
	switch ProviderType(hb.Labels[0]) {
	case ProviderOffline:
		return schema.Block{Attributes: []schema.Attribute{
			{Name: "seed", Type: cty.Number, Default: cty.Zero, Min: bound(0)},
		}}, nil
	case ProviderOpenAI:
		return schema.Block{
			Attributes: []schema.Attribute{
				{Name: "base_url", Type: cty.String, Default: cty.StringVal(defaultBaseURL)},
				{Name: "api_key", Type: cty.String, Sensitive: true},
				{Name: "organization", Type: cty.String},
				{Name: "headers", Type: cty.Map(cty.String), Sensitive: true},
				{Name: "timeout", Type: cty.String, Default: cty.StringVal("120s")},
				{Name: "retries", Type: cty.Number, Default: cty.NumberIntVal(5), Min: bound(0), Max: bound(100)},
			},
			Blocks: []schema.NestedBlock{{Type: "limits", Max: 1, Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "concurrency", Type: cty.Number, Min: one},
				{Name: "requests_per_minute", Type: cty.Number, Min: one},
				{Name: "tokens_per_minute", Type: cty.Number, Min: one},
			}}}},
		}, nil
	}
	types := []string{string(ProviderOffline), string(ProviderOpenAI)}
	return schema.Block{}, hcl.Diagnostics{problemAt(hb.LabelRanges[0], "Unknown provider type",
		"There is no provider type %q.%s Use %q for any OpenAI-compatible endpoint, or %q for the built-in stand-in.",
		hb.Labels[0], suggest(hb.Labels[0], types), ProviderOpenAI, ProviderOffline)}
}

// Identity is what stands for the endpoint in call keys: the provider's type
// and the base URL without a trailing slash, or the offline model's version
// and seed. Never a secret.
func (p *Provider) Identity() string {
	if p.Type == ProviderOffline {
		return fmt.Sprintf("offline/1 seed=%d", p.Seed)
	}
	return string(p.Type) + " " + strings.TrimRight(p.BaseURL, "/")
}

// Format prints the provider without its secrets, whatever the verb.
func (p Provider) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "provider.%s.%s", p.Type, p.Name)
}

// MarshalJSON leaves out the values of headers, which are secrets.
func (p Provider) MarshalJSON() ([]byte, error) {
	type plain Provider
	shown := plain(p)
	shown.Headers = map[string]string{}
	for name := range p.Headers {
		shown.Headers[name] = Secret{}.String()
	}
	return json.Marshal(shown)
}

// model evaluates a model block, with its provider, at its first use.
func (d *decoder) model(b *block) (*Model, hcl.Diagnostics) {
	if m, ok := d.models[b.addr]; ok {
		return m, nil
	}
	ctx := d.modelContext(d.baseContext())
	m, provider, diags := d.readModel(b, ctx)
	d.models[b.addr] = m
	if provider == nil {
		return m, diags
	}
	if m.Provider = d.providers[provider.addr]; m.Provider == nil {
		p, moreDiags := d.readProvider(provider, d.baseContext())
		diags = append(diags, moreDiags...)
		d.providers[provider.addr], m.Provider = p, p
	}
	return m, append(diags, checkModelName(b, m)...)
}

func checkModelName(b *block, m *Model) hcl.Diagnostics {
	if m.ID != "" || b.node.attrs["name"] != nil {
		return nil
	}
	if m.Provider.Type == ProviderOffline {
		m.ID = offlineModel
		return nil
	}
	return hcl.Diagnostics{problemAt(b.node.end, "Missing required argument",
		"The argument \"name\" is required in %s: the endpoint's name for the model, such as \"gpt-4o-mini-2024-07-18\".", b.node.title())}
}

// readModel evaluates a model block and says which provider it has.
func (d *decoder) readModel(b *block, ctx *hcl.EvalContext) (*Model, *block, hcl.Diagnostics) {
	v, diags := d.evaluate(b.node, ctx)
	m := &Model{
		Name: b.name(), Range: b.node.head, ID: v.text("name"), ReasoningEffort: v.text("reasoning_effort"),
		Temperature: v.float("temperature"), TopP: v.float("top_p"),
		FrequencyPen: v.float("frequency_penalty"), PresencePen: v.float("presence_penalty"),
		Structured: Structured(v.text("structured")),
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
		if in, out := nested.float("input"), nested.float("output"); in != nil && out != nil {
			m.Price = &Price{*in, *out}
		}
	}
	for _, name := range []string{"name", "reasoning_effort", "stop"} {
		d.openValue(name, v)
	}
	provider, moreDiags := providerOf(b, ctx)
	return m, provider, append(diags, moreDiags...)
}

func providerOf(b *block, ctx *hcl.EvalContext) (*block, hcl.Diagnostics) {
	attr := b.node.attrs["provider"]
	v, diags := attr.Expr.Value(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	v, _ = unmark(v)
	if diag := checkReference("provider", attr.Expr, v, providerRef); diag != nil {
		return nil, append(diags, diag)
	}
	if r, ok := asReference(v); ok {
		return r.block, diags
	}
	return nil, diags
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

// readProvider evaluates a provider block.
func (d *decoder) readProvider(b *block, ctx *hcl.EvalContext) (*Provider, hcl.Diagnostics) {
	v, diags := d.evaluate(b.node, ctx)
	p := &Provider{Type: ProviderType(b.labels[0]), Name: b.name()}
	p.Missing, diags = d.missingSecrets(v, diags, ctx)
	if p.Type == ProviderOffline {
		seed, _, diag := v.whole("seed")
		if diag != nil {
			diags = append(diags, diag)
		}
		p.Seed = seed
		return p, diags
	}
	p.APIKey = NewSecret(v.text("api_key"))
	p.BaseURL = v.text("base_url")
	p.Organization = v.text("organization")
	if headers, ok := v.known("headers"); ok {
		p.Headers = map[string]string{}
		for name, value := range headers.AsValueMap() {
			if !value.IsNull() {
				p.Headers[name] = value.AsString()
			}
		}
	}
	diags = append(diags, v.intInto("retries", &p.Retries)...)
	for _, nested := range v.nested {
		for name, to := range map[string]*int{
			"concurrency": &p.Limits.Concurrency, "requests_per_minute": &p.Limits.RequestsPerMinute, "tokens_per_minute": &p.Limits.TokensPerMinute,
		} {
			diags = append(diags, nested.intInto(name, to)...)
		}
	}
	d.openValue("organization", v)
	moreDiags := d.checkProvider(p, v)
	if !moreDiags.HasErrors() {
		d.openValue("base_url", v)
	}
	return p, append(diags, moreDiags...)
}

// missingSecrets parts the problems of a provider's block: those that its
// secrets lack variables of the environment, and the rest. Secrets beside a
// missing one are noted.
func (d *decoder) missingSecrets(v *blockValue, diags hcl.Diagnostics, ctx *hcl.EvalContext) (missing, rest hcl.Diagnostics) {
	rest = diags
	for _, a := range v.shape.Attributes {
		attr, ok := v.attrs[a.Name]
		if !a.Sensitive || !ok {
			continue
		}
		var here, others hcl.Diagnostics
		whole := attr.Expr.Range()
		for _, diag := range rest {
			if diag.Subject != nil && diag.Subject.Filename == whole.Filename && whole.ContainsPos(diag.Subject.Start) {
				here = append(here, diag)
			} else {
				others = append(others, diag)
			}
		}
		if len(here) == 0 || slices.ContainsFunc(here, func(diag *hcl.Diagnostic) bool { return !isMissingVariable(diag) }) {
			continue
		}
		missing, rest = append(missing, here...), others
		lenient := ctx.NewChild()
		lenient.Functions = d.lenient
		known, _ := attr.Expr.Value(lenient)
		d.secrets.add(known)
	}
	return tidy(missing), rest
}

// checkProvider checks the texts in a provider that have a form.
func (d *decoder) checkProvider(p *Provider, v *blockValue) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for name := range p.Headers {
		if !isHeaderName(name) {
			diags = append(diags, problemAt(v.expr("headers").Range(), "Invalid header", "%q cannot be the name of an HTTP header.", name))
		}
	}
	if _, ok := v.known("timeout"); ok {
		timeout, err := time.ParseDuration(v.text("timeout"))
		if err != nil || timeout <= 0 || timeout > 24*time.Hour {
			diags = append(diags, problemAt(v.expr("timeout").Range(), "Invalid duration", "\"timeout\" takes a duration above zero and up to 24h, such as \"120s\" or \"5m\"."))
		}
		p.Timeout = timeout
	}
	if _, ok := v.known("base_url"); !ok {
		return diags
	}
	rng := v.expr("base_url").Range()
	u, err := url.Parse(p.BaseURL)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		diags = append(diags, problemAt(rng, "Invalid URL", "\"base_url\" takes the address under which the endpoint's API stands, such as \"http://127.0.0.1:8080/v1\"."))
	case u.User != nil:
		if password, ok := u.User.Password(); ok {
			d.secrets.add(cty.StringVal(password))
		}
		diags = append(diags, problemAt(rng, "Invalid URL", "\"base_url\" must not hold a user name or password: it stands in keys. Use api_key or headers."))
	case u.RawQuery != "" || u.Fragment != "":
		diags = append(diags, problemAt(rng, "Invalid URL", "\"base_url\" must not hold a query or a fragment: paths such as /chat/completions are added to its end."))
	}
	return diags
}

func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
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
