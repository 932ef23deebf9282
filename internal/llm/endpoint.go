package llm

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// link is the way to an endpoint.
type link struct {
	name      string // for messages: the address, without secrets
	transport *transport
	api       *openai.Client
	redact    redactor
}

// connect prepares the way to a provider's endpoint. Nothing is sent yet.
func (c *client) connect(p *spec.Provider) (link, error) {
	wrong := func(attr string, err error) error {
		return &Error{Code: CodeRejected, Fatal: true, Summary: fmt.Sprintf("%s of provider %q is wrong: %v", attr, p.Name, err)}
	}
	u, err := baseURL(p)
	if err != nil {
		return link{}, wrong("base_url", err)
	}
	base, err := c.network(p)
	if err != nil {
		return link{}, wrong("proxy or ca_file", err)
	}
	redact := newRedactor(p)
	shown := *u
	shown.User, shown.RawQuery = nil, ""
	name := strings.TrimSuffix(shown.String(), "/")

	config := openai.DefaultConfig("") // the transport sets the key
	config.BaseURL = name
	of := completionsURL(p, u)
	t := &transport{base: base, url: of("model"), of: of, provider: p, agent: c.opts.UserAgent}
	config.HTTPClient = &http.Client{Transport: t, CheckRedirect: followRedirect}
	return link{redact.text("the endpoint " + name), t, openai.NewClientWithConfig(config), redact}, nil
}

// endpointKey tells providers apart. Blocks that agree in address, credentials
// and limits are one endpoint, whatever their labels.
func endpointKey(p *spec.Provider) [sha256.Size]byte {
	id := key.New("endpoint")
	id.AddString("identity", p.Identity())
	id.AddString("type", string(p.Type))
	id.AddString("url", strings.TrimRight(p.BaseURL, "/"))
	id.AddString("version", p.APIVersion)
	id.AddString("key", p.APIKey.Reveal())
	id.AddString("organization", p.Organization)
	id.AddString("project", p.Project)
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		id.AddString("header."+name, p.Headers[name])
	}
	for _, name := range slices.Sorted(maps.Keys(p.Query)) {
		id.AddString("query."+name, p.Query[name])
	}
	id.AddString("proxy", p.Proxy.Reveal())
	id.Add("ca", p.CA)
	id.AddString("limits", fmt.Sprint(p.Limits, p.Timeout, p.Retries, p.Outage))
	return id.Digest()
}

// baseURL is the address of a provider, as the recipe says it.
func baseURL(p *spec.Provider) (*url.URL, error) {
	base := p.BaseURL
	if base == "" && p.Type != spec.ProviderAzure {
		base = "https://api.openai.com/v1"
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, errors.New("it is not a URL") // the error repeats the text, which may hold a password
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("it must start with http:// or https:// and name a host")
	}
	u.Fragment = ""
	if u.Path == "" {
		u.Path = "/" // or JoinPath makes a relative path
	}
	return u, nil
}

// completionsURL gives the URL of chat completions with a model.
func completionsURL(p *spec.Provider, base *url.URL) func(model string) *url.URL {
	query := base.Query()
	for name, value := range p.Query {
		query.Set(name, value)
	}
	if p.Type != spec.ProviderAzure {
		all := base.JoinPath("chat/completions")
		all.RawQuery = query.Encode()
		return func(string) *url.URL { return all }
	}
	query.Set("api-version", p.APIVersion)
	resource := *base
	resource.Path = strings.TrimSuffix(strings.TrimRight(resource.Path, "/"), "/openai") + "/"
	return func(model string) *url.URL {
		u := resource.JoinPath("openai/deployments", url.PathEscape(model), "chat/completions")
		u.RawQuery = query.Encode()
		return u
	}
}

// road is what tells network connections apart beside their address. Providers
// that agree in it share a pool of connections.
type road struct{ proxy, ca string }

// roads are the pools of connections. The zero value is ready.
type roads struct {
	mu    sync.Mutex
	built map[road]*http.Transport
}

// to is where the requests of a provider go.
func (r *roads) to(p *spec.Provider) (http.RoundTripper, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := road{p.Proxy.Reveal(), string(p.CA)}
	if t, ok := r.built[at]; ok {
		return t, nil
	}
	t, err := at.transport()
	if err != nil {
		return nil, err
	}
	if r.built == nil {
		r.built = map[road]*http.Transport{}
	}
	r.built[at] = t
	return t, nil
}

// closeIdle lets go of connections that no call is using.
func (r *roads) closeIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.built {
		t.CloseIdleConnections()
	}
}

// network is where the requests of a provider go.
func (c *client) network(p *spec.Provider) (http.RoundTripper, error) {
	if c.opts.Transport != nil {
		return c.opts.Transport, nil
	}
	return c.roads.to(p)
}

// An HTTP/2 connection on which nothing came for as long is asked for a sign
// of life, and closed if none comes: the calls on it would all run into their
// deadline.
const (
	pingAfter   = 20 * time.Second
	pingTimeout = 15 * time.Second
)

// transport honours the proxy variables of the environment, as Go programs do,
// unless the provider names a proxy, and keeps connections for all calls in
// flight.
func (r road) transport() (*http.Transport, error) {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		t = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	}
	t = t.Clone()
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = math.MaxInt // as many as there were calls at a time
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode < 300 {
			return nil
		}
		return &proxyError{resp.StatusCode}
	}
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	switch r.proxy {
	case "":
	case "direct":
		t.Proxy = nil
	default:
		u, err := url.Parse(r.proxy)
		if err != nil || u.Host == "" {
			return nil, errors.New("the proxy is not a URL")
		}
		t.Proxy = http.ProxyURL(u)
	}
	if r.ca == "" {
		return t, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without any
	}
	if !pool.AppendCertsFromPEM([]byte(r.ca)) {
		return nil, errors.New("the file of certificates holds none")
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// proxyError is the answer of a proxy that does not let a call through.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy answers HTTP %d %s", e.status, http.StatusText(e.status))
}

// proxyFailure is what to make of a call that did not get past the proxy; nil
// if that is not what happened.
func (e *endpoint) proxyFailure(err error) *failure {
	advice := fmt.Sprintf("check proxy of provider %q, or the environment's HTTPS_PROXY and HTTP_PROXY; NO_PROXY, or proxy = \"direct\", does without", e.provider.Name)
	f := &failure{advice: advice, err: Error{Detail: e.redact.text(shortNetError(err))}}
	var answer *proxyError
	var op *net.OpError
	switch {
	case errors.As(err, &answer) && answer.status < 500:
		f.shuts = shutsEndpoint
		f.err.Code, f.err.Fatal = CodeUnauthorized, true
		f.err.Summary = "the proxy on the way to " + e.name + " lets nothing through: " + advice
	case errors.As(err, &answer):
		f.retry, f.fault, f.noContact = true, faultLink, true
		f.err.Code, f.err.Transient = CodeUnavailable, true
		f.err.Summary = "the proxy on the way to " + e.name + " does not reach it"
	case errors.As(err, &op) && op.Op == "proxyconnect":
		f.retry, f.fault, f.noContact = true, faultLink, true
		f.err.Code, f.err.Transient = CodeUnavailable, true
		f.err.Summary = "the proxy on the way to " + e.name + " does not answer"
	default:
		return nil
	}
	return f
}
