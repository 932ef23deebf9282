package spec

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

const (
	defaultBaseURL    = "https://api.openai.com/v1"
	defaultAPIVersion = "2024-10-21"
)

// The kinds of sensitive attributes of which a part only is secret.
const (
	kindProxy schema.Kind = "proxy" // the user and the password of a URL
	kindQuery schema.Kind = "query" // all but a version of the protocol
)

// providerShape gives the shape of a provider block by its type.
func providerShape(hb *hcl.Block) (schema.Block, hcl.Diagnostics) {
	switch ProviderType(hb.Labels[0]) {
	case ProviderOffline:
		return schema.Block{Attributes: []schema.Attribute{
			{Name: "seed", Type: cty.Number, Default: cty.Zero, Min: bound(0)},
		}}, nil
	case ProviderOpenAI:
		return endpointShape(
			schema.Attribute{Name: "base_url", Type: cty.String, Default: cty.StringVal(defaultBaseURL)},
			schema.Attribute{Name: "organization", Type: cty.String},
			schema.Attribute{Name: "project", Type: cty.String},
		), nil
	case ProviderAzure:
		return endpointShape(
			schema.Attribute{Name: "base_url", Type: cty.String, Required: true, Doc: "the address of the resource, such as https://NAME.openai.azure.com."},
			schema.Attribute{Name: "api_version", Type: cty.String, Default: cty.StringVal(defaultAPIVersion)},
		), nil
	}
	types := []string{string(ProviderAzure), string(ProviderOffline), string(ProviderOpenAI)}
	return schema.Block{}, hcl.Diagnostics{problemAt(hb.LabelRanges[0], "Unknown provider type",
		"There is no provider type %q.%s Use %q for any OpenAI-compatible endpoint, %q for deployments of Azure OpenAI, or %q for the built-in stand-in.",
		hb.Labels[0], suggest(hb.Labels[0], types), ProviderOpenAI, ProviderAzure, ProviderOffline)}
}

// endpointShape is the shape of a provider that is reached over the network.
func endpointShape(own ...schema.Attribute) schema.Block {
	one := bound(1)
	return schema.Block{
		Attributes: append(own,
			schema.Attribute{Name: "identity", Type: cty.String},
			schema.Attribute{Name: "api_key", Type: cty.String, Sensitive: true},
			schema.Attribute{Name: "headers", Type: cty.Map(cty.String), Sensitive: true},
			schema.Attribute{Name: "query", Type: cty.Map(cty.String), Kind: kindQuery, Sensitive: true},
			schema.Attribute{Name: "proxy", Type: cty.String, Kind: kindProxy, Sensitive: true},
			schema.Attribute{Name: "ca_file", Type: cty.String},
			schema.Attribute{Name: "timeout", Type: cty.String, Default: cty.StringVal("120s")},
			schema.Attribute{Name: "retries", Type: cty.Number, Default: cty.NumberIntVal(5), Min: bound(0), Max: bound(100)},
			schema.Attribute{Name: "outage", Type: cty.String, Default: cty.StringVal("15m")},
			schema.Attribute{Name: "weight", Type: cty.Number, Default: cty.NumberIntVal(1), Min: one, Max: bound(1000)},
		),
		Blocks: []schema.NestedBlock{{Type: "limits", Max: 1, Block: schema.Block{Attributes: []schema.Attribute{
			{Name: "concurrency", Type: cty.Number, Min: one},
			{Name: "requests_per_minute", Type: cty.Number, Min: one},
			{Name: "tokens_per_minute", Type: cty.Number, Min: one},
			{Name: "input_tokens_per_minute", Type: cty.Number, Min: one},
			{Name: "output_tokens_per_minute", Type: cty.Number, Min: one},
		}}}},
	}
}

// Identity is what stands for the endpoint in call keys: the provider's type
// and its ID or else the base URL, without a trailing slash, or the offline
// model's version and seed. Never a secret. Endpoints that are given one ID are
// one, whether or not they stand at Azure.
func (p *Provider) Identity() string {
	switch {
	case p.Type == ProviderOffline:
		return fmt.Sprintf("offline/1 seed=%d", p.Seed)
	case p.ID != "":
		return string(ProviderOpenAI) + " " + strings.TrimRight(p.ID, "/")
	}
	return string(p.Type) + " " + strings.TrimRight(p.BaseURL, "/")
}

// Format prints the provider without its secrets, whatever the verb.
func (p Provider) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "provider.%s.%s", p.Type, p.Name)
}

// MarshalJSON leaves out the values of headers and of the query, which are
// secrets.
func (p Provider) MarshalJSON() ([]byte, error) {
	type plain Provider
	shown := plain(p)
	shown.Headers, shown.Query = masked(p.Headers), masked(p.Query)
	return json.Marshal(shown)
}

func masked(values map[string]string) map[string]string {
	out := map[string]string{}
	for name := range values {
		out[name] = Secret{}.String()
	}
	return out
}

// provider evaluates a provider block at its first use.
func (d *decoder) provider(b *block) (*Provider, hcl.Diagnostics) {
	if p, ok := d.providers[b.addr]; ok {
		return p, nil
	}
	p, diags := d.readProvider(b, d.baseContext())
	d.providers[b.addr] = p
	return p, diags
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
	p.APIKey, p.Proxy = NewSecret(v.text("api_key")), NewSecret(v.text("proxy"))
	p.BaseURL, p.ID = v.text("base_url"), v.text("identity")
	p.Organization, p.Project, p.APIVersion = v.text("organization"), v.text("project"), v.text("api_version")
	p.Headers, p.Query = v.texts("headers"), v.texts("query")
	for name, to := range map[string]*int{"retries": &p.Retries, "weight": &p.Weight} {
		diags = append(diags, v.intInto(name, to)...)
	}
	for _, nested := range v.nested {
		for name, to := range map[string]*int{
			"concurrency": &p.Limits.Concurrency, "requests_per_minute": &p.Limits.RequestsPerMinute, "tokens_per_minute": &p.Limits.TokensPerMinute,
			"input_tokens_per_minute": &p.Limits.InputTokensPerMinute, "output_tokens_per_minute": &p.Limits.OutputTokensPerMinute,
		} {
			diags = append(diags, nested.intInto(name, to)...)
		}
	}
	for _, name := range []string{"organization", "project", "identity", "api_version"} {
		d.openValue(name, v)
	}
	moreDiags := d.checkProvider(p, v)
	if !moreDiags.HasErrors() {
		d.openValue("base_url", v)
	}
	return p, append(diags, moreDiags...)
}

// texts reads a map of strings, nulls left out; nil where it is unset.
func (b *blockValue) texts(name string) map[string]string {
	v, ok := b.known(name)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for key, value := range v.AsValueMap() {
		if !value.IsNull() {
			out[key] = value.AsString()
		}
	}
	return out
}

// duration reads a duration above zero, if there is one.
func (b *blockValue) duration(name string, to *time.Duration, most time.Duration) hcl.Diagnostics {
	if _, ok := b.known(name); !ok {
		return nil
	}
	d, err := time.ParseDuration(b.text(name))
	if err != nil || d <= 0 || d > most {
		return hcl.Diagnostics{problemAt(b.expr(name).Range(), "Invalid duration",
			"%q takes a duration above zero and up to %dh, such as \"120s\" or \"5m\".", name, int(most.Hours()))}
	}
	*to = d
	return nil
}

// secretPart is what of a sensitive value must not be shown anywhere.
func secretPart(a schema.Attribute, v cty.Value) cty.Value {
	if v == cty.NilVal || !v.IsWhollyKnown() || v.IsNull() {
		return v
	}
	switch a.Kind {
	case kindProxy:
		text, _ := stringOf(v)
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return v
		case u.User == nil:
			return cty.NilVal
		}
		password, _ := u.User.Password()
		return cty.TupleVal([]cty.Value{v, cty.StringVal(password), cty.StringVal(u.User.String())})
	case kindQuery:
		if !v.CanIterateElements() || !v.Type().IsMapType() && !v.Type().IsObjectType() {
			return v
		}
		var secret []cty.Value
		for name, value := range v.AsValueMap() {
			if name != "api-version" {
				secret = append(secret, value)
			}
		}
		return cty.TupleVal(secret)
	}
	return v
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
		known, _ = unmark(known)
		d.secrets.add(secretPart(a, known))
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
	for name, value := range p.Headers {
		if strings.ContainsAny(value, "\r\n\x00") {
			diags = append(diags, problemAt(v.expr("headers").Range(), "Invalid header", "The value of %q holds a line break, which no HTTP header can. Use trimspace().", name))
		}
	}
	if strings.ContainsAny(p.APIKey.Reveal(), "\r\n\x00") {
		diags = append(diags, problemAt(v.expr("api_key").Range(), "Invalid key", "\"api_key\" holds a line break, which no key has. Use trimspace()."))
	}
	for name := range p.Query {
		if name == "" || p.Type == ProviderAzure && name == "api-version" {
			diags = append(diags, problemAt(v.expr("query").Range(), "Invalid query", "\"query\" cannot set %q here. For Azure's version of the protocol, use \"api_version\".", name))
		}
	}
	diags = append(diags, v.duration("timeout", &p.Timeout, 24*time.Hour)...)
	diags = append(diags, v.duration("outage", &p.Outage, 7*24*time.Hour)...)
	if diag := checkProxy(p.Proxy.Reveal(), v.expr("proxy").Range()); diag != nil {
		diags = append(diags, diag)
	}
	if path := v.text("ca_file"); path != "" {
		var err error
		if p.CA, err = readCertificates(resolvePath(d.src.Dir, path)); err != nil {
			diags = append(diags, problemAt(v.expr("ca_file").Range(), "Unusable certificates",
				"\"ca_file\" takes a file with certificates in PEM, relative to the recipe's folder. %q cannot be used: %s.", path, err))
		}
	}
	return append(diags, d.checkAddress(p, v)...)
}

// checkAddress checks base_url.
func (d *decoder) checkAddress(p *Provider, v *blockValue) hcl.Diagnostics {
	if _, ok := v.known("base_url"); !ok {
		return nil
	}
	rng := v.expr("base_url").Range()
	example := "http://127.0.0.1:8080/v1"
	if p.Type == ProviderAzure {
		example = "https://NAME.openai.azure.com"
	}
	u, err := url.Parse(p.BaseURL)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return hcl.Diagnostics{problemAt(rng, "Invalid URL", "\"base_url\" takes the address under which the endpoint's API stands, such as %q.", example)}
	case u.User != nil:
		if password, ok := u.User.Password(); ok {
			d.secrets.add(cty.StringVal(password))
		}
		return hcl.Diagnostics{problemAt(rng, "Invalid URL", "\"base_url\" must not hold a user name or password: it stands in keys. Use api_key or headers.")}
	case u.RawQuery != "" || u.Fragment != "":
		return hcl.Diagnostics{problemAt(rng, "Invalid URL", "\"base_url\" must not hold a query or a fragment: paths such as /chat/completions are added to its end. Use query.")}
	case p.Type == ProviderAzure && strings.Contains(u.Path, "/openai/"):
		return hcl.Diagnostics{problemAt(rng, "Invalid URL",
			"\"base_url\" of Azure is the address of the resource, such as %q; the deployment is the model's name. For an address that ends in /openai/v1, use provider \"openai\".", example)}
	}
	return nil
}

// checkProxy checks a proxy's URL without showing it: it may hold a password.
func checkProxy(text string, rng hcl.Range) *hcl.Diagnostic {
	if text == "" || text == "direct" {
		return nil
	}
	u, err := url.Parse(text)
	if err == nil && u.Host != "" && slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil
	}
	return problemAt(rng, "Invalid proxy", "\"proxy\" takes the URL of a proxy (http://, https://, socks5:// or socks5h://), or \"direct\" for none. Without it, the environment decides (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).")
}

// maxCertificates bounds a file of certificates; those of whole systems have a
// few hundred KB.
const maxCertificates = 4 << 20

// readCertificates reads the certificates of a PEM file, and nothing else of
// it.
func readCertificates(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, plainPathError(err)
	}
	defer f.Close()
	rest, err := io.ReadAll(io.LimitReader(f, maxCertificates+1))
	if err != nil {
		return nil, plainPathError(err)
	}
	if len(rest) > maxCertificates {
		return nil, errors.New("it is larger than 4 MiB")
	}
	var out []byte
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(b.Bytes); err != nil {
			return nil, fmt.Errorf("a certificate in it is faulty (%w)", err)
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: b.Bytes})...)
	}
	if out == nil {
		return nil, errors.New("it holds no certificate")
	}
	return out, nil
}

func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}
