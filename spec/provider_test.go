package spec

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// certificate writes a file with a certificate and, as many have, its key.
func certificate(t *testing.T, path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

const endpointsText = `
provider "openai" "east" {
  base_url = "https://east.example/v1"
  identity = "pool/"
  project  = "proj_1"
  query    = { "api-version" = "preview", code = "sk-in-the-query" }
  proxy    = "http://user:sk-of-the-proxy@proxy.example:3128"
  ca_file  = "ca.pem"
  weight   = 3
  outage   = "1h"
  limits {
    input_tokens_per_minute  = 10
    output_tokens_per_minute = 20
  }
}
provider "azure" "west" {
  base_url = "https://name.openai.azure.com/"
  identity = "pool"
  api_key  = env("AZURE_OPENAI_API_KEY")
  proxy    = "direct"
}
model "m" {
  provider   = [provider.openai.east, provider.azure.west]
  name       = "gpt-4o"
  structured = "auto"
  tool_form  = "json"
  mode       = "batch"
  extra_body = {
    top_k    = 40
    metadata = { run = "a", list = [1, 2.50, null], on = true }
  }
  batch {
    max_requests = 100
    max_bytes    = 1000000
    wait         = "30s"
  }
  price {
    input        = 1
    output       = 2
    cached_input = 0.5
  }
}
threat_source "catalog" "a" {}
simulator "instructions" "i" {
  input = threat_source.catalog.a
  model = model.m
}
`

func endpointsRecipe(t *testing.T, environ ...string) (*Recipe, *Source) {
	t.Helper()
	dir := t.TempDir()
	certificate(t, filepath.Join(dir, "ca.pem"))
	writeFile(t, filepath.Join(dir, "main.hcl"), endpointsText)
	s, diags := Parse(dir)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r, diags := s.Decode(Options{Registry: fakeRegistry{}, Environ: environ})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return r, s
}

func TestEndpoints(t *testing.T) {
	r, _ := endpointsRecipe(t, "AZURE_OPENAI_API_KEY=sk-of-azure")
	m := r.Models[0]
	east, west := m.Provider, m.Replicas[1]
	if len(m.Providers()) != 2 || m.Providers()[0] != east || east.Name != "east" {
		t.Fatalf("providers %v", m.Providers())
	}
	type view struct {
		Project, Version, Proxy, Key string
		Query                        map[string]string
		Weight                       int
		Outage                       time.Duration
		Limits                       Limits
	}
	of := func(p *Provider) view {
		return view{p.Project, p.APIVersion, p.Proxy.Reveal(), p.APIKey.Reveal(), p.Query, p.Weight, p.Outage, p.Limits}
	}
	want := []view{
		{Project: "proj_1", Proxy: "http://user:sk-of-the-proxy@proxy.example:3128", Query: map[string]string{"api-version": "preview", "code": "sk-in-the-query"},
			Weight: 3, Outage: time.Hour, Limits: Limits{InputTokensPerMinute: 10, OutputTokensPerMinute: 20}},
		{Version: "2024-10-21", Proxy: "direct", Key: "sk-of-azure", Weight: 1, Outage: 15 * time.Minute},
	}
	if d := cmp.Diff(want, []view{of(east), of(west)}); d != "" {
		t.Error(d)
	}
	if east.Identity() != "openai pool" || west.Identity() != east.Identity() {
		t.Errorf("identities %q, %q", east.Identity(), west.Identity())
	}
	if !x509.NewCertPool().AppendCertsFromPEM(east.CA) || bytes.Contains(east.CA, []byte("PRIVATE")) {
		t.Error("the certificate was not read, or more than that")
	}
	extra := map[string]json.RawMessage{"top_k": json.RawMessage("40"), "metadata": json.RawMessage(`{"list":[1,2.5,null],"on":true,"run":"a"}`)}
	if d := cmp.Diff(extra, m.ExtraBody); d != "" {
		t.Error(d)
	}
	if m.ToolForm != ToolsJSON || m.Structured != StructuredAuto || m.Mode != ModeBatch || m.Batch != (Batch{100, 1000000, 30 * time.Second}) {
		t.Errorf("model %+v", m)
	}
	if p := m.Price; *p.CachedInput != 0.5 || p.BatchShare != 0.5 {
		t.Errorf("price %+v", p)
	}
}

// TestEndpointSecrets: no secret of a provider is shown or kept, and what is
// none is not taken for one.
func TestEndpointSecrets(t *testing.T) {
	r, s := endpointsRecipe(t, "AZURE_OPENAI_API_KEY=sk-of-azure")
	var b bytes.Buffer
	for _, p := range r.Models[0].Providers() {
		fmt.Fprintf(&b, "%v %+v %#v %s", *p, *p, *p, asJSON(p))
	}
	fmt.Fprintf(&b, "%+v %s", r.Models, asJSON(r.Models))
	for _, f := range s.Recorded() {
		b.Write(f.Content)
	}
	for _, secret := range []string{"sk-", "user:"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q in\n%s", secret, b.String())
		}
	}
	for _, plain := range []string{`"preview"`, `proxy    = "direct"`} {
		if !strings.Contains(b.String(), plain) {
			t.Errorf("%s was taken for a secret in\n%s", plain, b.String())
		}
	}
}

// TestEndpointsKeyless: a recipe whose secrets the environment lacks is good;
// the provider says what is missing.
func TestEndpointsKeyless(t *testing.T) {
	r, _ := endpointsRecipe(t)
	east, west := r.Models[0].Replicas[0], r.Models[0].Replicas[1]
	if len(east.Missing) != 0 || len(west.Missing) != 1 || !strings.Contains(west.Missing[0].Detail, "AZURE_OPENAI_API_KEY") {
		t.Errorf("missing %v, %v", east.Missing, west.Missing)
	}
	for _, attr := range []string{
		`proxy = "http://user:${env("NO_SUCH_PASSWORD")}@proxy.example"`, `query = { code = env("NO_SUCH_CODE") }`, `headers = { X-Key = env("NO_SUCH_KEY") }`,
	} {
		text := strings.Replace(endpointsText, `api_key  = env("AZURE_OPENAI_API_KEY")`, attr, 1)
		text = strings.NewReplacer(`  proxy    = "direct"`, "", `  ca_file  = "ca.pem"`, "").Replace(text)
		r := decodeText(t, text, Options{})
		if missing := r.Models[0].Replicas[1].Missing; len(missing) != 1 || !strings.Contains(missing[0].Detail, "NO_SUCH") {
			t.Errorf("%s: missing %v", attr, missing)
		}
	}
}

// TestFormsByDefault: what a recipe says nothing about.
func TestFormsByDefault(t *testing.T) {
	text := endpointsText[strings.Index(endpointsText, "threat_source"):] + `
provider "openai" "main" {}
model "m" {
  provider = [provider.openai.main]
  name     = "x"
}
`
	m := decodeText(t, text, Options{}).Models[0]
	if m.Structured != StructuredAuto || m.ToolForm != ToolsAuto || m.Mode != ModeLive || m.ExtraBody != nil || m.Replicas != nil || m.Batch != (Batch{}) {
		t.Errorf("%+v", m)
	}
	if p := m.Provider; p.Weight != 1 || p.Outage != 15*time.Minute || p.Proxy.Reveal() != "" || p.Identity() != "openai https://api.openai.com/v1" {
		t.Errorf("%+v", *p)
	}
}

// TestEndpointsAreDocumented: each argument of providers and models stands in
// the guide.
func TestEndpointsAreDocumented(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "docs", "models-and-endpoints.md"))
	if err != nil {
		t.Fatal(err)
	}
	shape := modelShape()
	names := append(shape.Attributes, endpointShape().Attributes...)
	for _, b := range shape.Blocks {
		names = append(names, b.Block.Attributes...)
	}
	for _, b := range endpointShape().Blocks {
		names = append(names, b.Block.Attributes...)
	}
	for _, a := range names {
		if !bytes.Contains(guide, []byte("`"+a.Name+"`")) {
			t.Errorf("%q is not in the guide", a.Name)
		}
	}
}
