package llm

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// bodyHeader is where a request's body is kept, once it has come.
const bodyHeader = "X-Body"

// host is a server that answers everything and remembers what came.
type host struct {
	mu       sync.Mutex
	requests []*http.Request
	conns    map[net.Conn]bool
}

func (s *host) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	req.Header.Set(bodyHeader, string(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, req)
	fmt.Fprint(w, goodBody)
}

// got is what has come.
func (s *host) got() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *host) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *host) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *host) newConn(c net.Conn, state http.ConnState) {
	if state == http.StateNew {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.conns == nil {
			s.conns = map[net.Conn]bool{}
		}
		s.conns[c] = true
	}
}

// serve starts a server for the host; secure servers speak HTTP/2.
func (s *host) serve(t *testing.T, secure bool) *httptest.Server {
	server := httptest.NewUnstartedServer(s)
	server.Config.ConnState = s.newConn
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that a test wants to fail
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// What each kind of provider sends where.
func TestLinks(t *testing.T) {
	tests := []struct {
		name   string
		set    func(p *spec.Provider, url string)
		uri    string
		header http.Header
		not    []string // headers
	}{
		{"OpenAI", func(p *spec.Provider, url string) {
			p.BaseURL, p.Organization, p.Project = url+"/v1/", "org-1", "proj-1"
		}, "/v1/chat/completions", http.Header{"Authorization": {"Bearer " + testKey}, "Openai-Organization": {"org-1"}, "Openai-Project": {"proj-1"}}, []string{"Api-Key"}},
		{"Azure", func(p *spec.Provider, url string) {
			p.Type, p.BaseURL, p.APIVersion = spec.ProviderAzure, url, "2024-10-21"
		}, "/openai/deployments/gpt-test/chat/completions?api-version=2024-10-21", http.Header{"Api-Key": {testKey}}, []string{"Authorization"}},
		{"Azure, with /openai/", func(p *spec.Provider, url string) {
			p.Type, p.BaseURL, p.APIVersion = spec.ProviderAzure, url+"/openai/", "2024-10-21"
			p.Query = map[string]string{"region": "a b"}
		}, "/openai/deployments/gpt-test/chat/completions?api-version=2024-10-21&region=a+b", nil, nil},
		{"Azure behind a gateway, by token", func(p *spec.Provider, url string) {
			p.Type, p.BaseURL, p.APIVersion, p.APIKey = spec.ProviderAzure, url+"/gate", "2025-01-01-preview", spec.Secret{}
			p.Headers = map[string]string{"Authorization": "Bearer token"}
		}, "/gate/openai/deployments/gpt-test/chat/completions?api-version=2025-01-01-preview", http.Header{"Authorization": {"Bearer token"}}, []string{"Api-Key"}},
		{"Azure's v1", func(p *spec.Provider, url string) {
			p.BaseURL, p.Query = url+"/openai/v1", map[string]string{"api-version": "preview"}
		}, "/openai/v1/chat/completions?api-version=preview", http.Header{"Authorization": {"Bearer " + testKey}}, nil},
		{"a gateway with its own headers", func(p *spec.Provider, url string) {
			p.BaseURL, p.APIKey = url, spec.Secret{}
			p.Headers = map[string]string{"Ocp-Apim-Subscription-Key": "sub", "X-Team": "red"}
			p.Query = map[string]string{"sig": "a&b="}
		}, "/chat/completions?sig=a%26b%3D", http.Header{"Ocp-Apim-Subscription-Key": {"sub"}, "X-Team": {"red"}}, []string{"Authorization", "Api-Key"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &host{}
			server := s.serve(t, false)
			r := newRig(t, llmtest.Options{})
			tt.set(r.model.Provider, server.URL)
			r.must(r.request("x"))
			got := s.got()[0]
			if got.RequestURI != tt.uri {
				t.Errorf("asked %s, want %s", got.RequestURI, tt.uri)
			}
			for name, want := range tt.header {
				if !slices.Equal(got.Header[name], want) {
					t.Errorf("%s: %q, want %q", name, got.Header[name], want)
				}
			}
			for _, name := range tt.not {
				if got.Header.Get(name) != "" {
					t.Errorf("%s is sent", name)
				}
			}
			if body := got.Header.Get(bodyHeader); !strings.HasPrefix(body, `{"model":"gpt-test",`) {
				t.Errorf("body %s", body)
			}
		})
	}
}

// A deployment's name is one element of the path.
func TestDeploymentName(t *testing.T) {
	s := &host{}
	server := s.serve(t, false)
	r := newRig(t, llmtest.Options{})
	p := r.model.Provider
	p.Type, p.BaseURL, p.APIVersion = spec.ProviderAzure, server.URL, "1"
	for id, want := range map[string]string{"my model": "my%20model", "a/../b": "a%2F..%2Fb", "../../x": "..%2F..%2Fx", "ft:gpt?x#y": "ft:gpt%3Fx%23y"} {
		s.reset()
		r.model.ID = id
		r.must(r.request("x"))
		if got, want := s.got()[0].RequestURI, "/openai/deployments/"+want+"/chat/completions?api-version=1"; got != want {
			t.Errorf("%q: asked %s, want %s", id, got, want)
		}
	}
}

// Through a proxy that is named, by HTTP for plain addresses and by a tunnel
// for secure ones; its password is for it alone.
func TestProxies(t *testing.T) {
	end := &host{}
	secure := end.serve(t, true)
	plain := end.serve(t, false)
	var mu sync.Mutex
	var via []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		via = append(via, req.Method+" "+req.Host+" "+req.Header.Get("Proxy-Authorization"))
		mu.Unlock()
		if req.Method != http.MethodConnect {
			req.RequestURI = ""
			req.Header.Del("Proxy-Authorization")
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer resp.Body.Close()
			_, _ = io.Copy(w, resp.Body)
			return
		}
		tunnel(w, req)
	}))
	defer proxy.Close()
	const auth = " Basic dXNlcjpwYXNzd29yZC1vZi1wcm94eQ=="
	named := strings.Replace(proxy.URL, "http://", "http://user:password-of-proxy@", 1)
	for _, tt := range []struct {
		proxy string
		end   *httptest.Server
		want  []string
	}{
		{named, plain, []string{"POST " + strings.TrimPrefix(plain.URL, "http://") + auth}},
		{named, secure, []string{"CONNECT " + strings.TrimPrefix(secure.URL, "https://") + auth}},
		{"direct", plain, nil},
	} {
		r := newRig(t, llmtest.Options{})
		p := r.model.Provider
		p.BaseURL, p.Proxy = tt.end.URL, spec.NewSecret(tt.proxy)
		p.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
		end.reset()
		mu.Lock()
		via = nil
		mu.Unlock()
		r.must(r.request("x"))
		mu.Lock()
		came := slices.Clone(via)
		mu.Unlock()
		if got := end.got(); !slices.Equal(came, tt.want) || len(got) != 1 || got[0].Header.Get("Proxy-Authorization") != "" {
			t.Errorf("%s: via %q, want %q", tt.end.URL, came, tt.want)
		}
	}
}

// tunnel connects a client of a proxy with where it wants to go.
func tunnel(w http.ResponseWriter, req *http.Request) {
	to, err := net.Dial("tcp", req.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	from, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = to.Close()
		return
	}
	_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	var once sync.Once
	end := func() { _, _ = from.Close(), to.Close() }
	go func() { defer once.Do(end); _, _ = io.Copy(to, from) }()
	go func() { defer once.Do(end); _, _ = io.Copy(from, to) }()
}

// A SOCKS proxy is spoken to as such.
func TestSocksProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first := make(chan byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, _ := bufio.NewReader(c).ReadByte()
		first <- b
	}()
	r := newRig(t, llmtest.Options{})
	r.model.Provider.Proxy, r.model.Provider.Retries = spec.NewSecret("socks5://user:password-of-proxy@"+l.Addr().String()), 0
	if e := r.mustFail(r.request("x")); strings.Contains(e.Error(), "password-of-proxy") {
		t.Error(e)
	}
	if b := <-first; b != 5 {
		t.Errorf("the first byte is %d", b)
	}
}

// Certificates of an own authority, beside the system's.
func TestOwnAuthority(t *testing.T) {
	s := &host{}
	server := s.serve(t, true)
	r := newRig(t, llmtest.Options{})
	p := r.model.Provider
	p.BaseURL = server.URL
	if e := r.mustFail(r.request("x")); !e.Fatal || !strings.Contains(e.Summary, "certificate") || !strings.Contains(e.Summary, "ca_file") {
		t.Errorf("error %+v", e)
	}
	trusting := *p
	trusting.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	r.model.Provider = &trusting
	for i := range 5 {
		req := r.request("x")
		req.Sample = i
		r.must(req)
	}
	if got := s.got(); len(got) != 5 || got[0].ProtoMajor != 2 || got[0].TLS.Version < tls.VersionTLS12 {
		t.Errorf("%d requests, %s", len(got), got[0].Proto)
	}
	// That which was refused, and one for all calls; a machine that is slow to
	// a fault may have taken one more.
	if n := s.connections(); n > 3 {
		t.Errorf("%d connections", n)
	}
}

// Calls one after the other, and many at a time, keep to their connections.
func TestConnectionsAreKept(t *testing.T) {
	s := &host{}
	server := s.serve(t, false)
	r := newRig(t, llmtest.Options{})
	r.model.Provider.BaseURL = server.URL
	for i := range 50 {
		req := r.request("x")
		req.Sample = i
		r.must(req)
	}
	// One, but net/http may drop one on a machine that is slow to a fault.
	if n := s.connections(); n > 25 {
		t.Errorf("%d connections for 50 calls one after the other", n)
	}
	t0, err := r.client.roads.to(r.model.Provider)
	if err != nil {
		t.Fatal(err)
	}
	other := *r.model.Provider
	other.BaseURL = "http://other.example"
	if t1, _ := r.client.roads.to(&other); t1 != t0 {
		t.Error("providers that agree in proxy and certificates have pools of their own")
	}
	other.Proxy = spec.NewSecret("direct")
	if t2, _ := r.client.roads.to(&other); t2 == t0 {
		t.Error("providers with different proxies share a pool")
	}
	if t0.(*http.Transport).Proxy == nil {
		t.Error("the proxies of the environment are not honoured")
	}
}

// Endpoints are told apart by all that makes a difference on the way.
func TestEndpointKeys(t *testing.T) {
	seen := map[[32]byte]string{}
	for name, change := range map[string]func(*spec.Provider){
		"base":        func(*spec.Provider) {},
		"base_url":    func(p *spec.Provider) { p.BaseURL = "https://b.example/v1" },
		"type":        func(p *spec.Provider) { p.Type = spec.ProviderAzure },
		"api_version": func(p *spec.Provider) { p.APIVersion = "2" },
		"api_key":     func(p *spec.Provider) { p.APIKey = spec.NewSecret("k") },
		"project":     func(p *spec.Provider) { p.Project = "p" },
		"headers":     func(p *spec.Provider) { p.Headers = map[string]string{"a": "b"} },
		"query":       func(p *spec.Provider) { p.Query = map[string]string{"a": "b"} },
		"proxy":       func(p *spec.Provider) { p.Proxy = spec.NewSecret("direct") },
		"ca_file":     func(p *spec.Provider) { p.CA = []byte("c") },
		"limits":      func(p *spec.Provider) { p.Limits.Concurrency = 1 },
		"outage":      func(p *spec.Provider) { p.Outage = 1 },
	} {
		p := &spec.Provider{Type: spec.ProviderOpenAI, Name: name, ID: "pool", BaseURL: "https://a.example/v1"}
		change(p)
		k := endpointKey(p)
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s are one endpoint", name, other)
		}
		seen[k] = name
	}
}

// What is wrong with an address, a proxy or certificates that no recipe could
// have is still an error, and shows no secret.
func TestBadLinks(t *testing.T) {
	for name, set := range map[string]func(*spec.Provider){
		"scheme": func(p *spec.Provider) { p.BaseURL = "ftp://user:password-of-x@h/" },
		"azure":  func(p *spec.Provider) { p.Type, p.BaseURL = spec.ProviderAzure, "" },
		"proxy":  func(p *spec.Provider) { p.Proxy = spec.NewSecret("user:password-of-x@%zz") },
		"ca":     func(p *spec.Provider) { p.CA = []byte("password-of-x") },
	} {
		r := newRig(t, llmtest.Options{})
		set(r.model.Provider)
		if e := r.mustFail(r.request("x")); e.Code != CodeRejected || !e.Fatal || strings.Contains(e.Error(), "password-of-x") {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// What a proxy does to calls that it does not let through.
func TestProxyFailures(t *testing.T) {
	end := &host{}
	secure, plain := end.serve(t, true), end.serve(t, false)
	answers := func(status int) string {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(proxy.Close)
		return proxy.URL
	}
	for _, tt := range []struct {
		name, proxy, end string
		code             Code
		says             string
		tries            int
	}{
		{"wants a password", answers(407), plain.URL, CodeUnauthorized, "lets nothing through: check proxy", 1},
		{"wants a password for a tunnel", answers(407), secure.URL, CodeUnauthorized, "lets nothing through: check proxy", 1},
		{"forbids a tunnel", answers(403), secure.URL, CodeUnauthorized, "HTTP 403", 1},
		{"does not reach the end", answers(502), secure.URL, CodeUnavailable, "does not reach it, tried 2 times: check proxy", 2},
		{"is not there", "http://127.0.0.1:1", plain.URL, CodeUnavailable, "the proxy on the way", 2},
		{"is not there for a tunnel", "http://127.0.0.1:1", secure.URL, CodeUnavailable, "check proxy", 2},
	} {
		r := newRig(t, llmtest.Options{})
		p := r.model.Provider
		p.BaseURL, p.Proxy, p.Retries = tt.end, spec.NewSecret(tt.proxy), 1
		if e := r.mustFail(r.request("x")); e.Code != tt.code || !e.Fatal || !strings.Contains(e.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, e)
		}
		r.wantCounts(counts{retried: int64(tt.tries - 1), failed: 1})
	}
	if n := len(end.got()); n > 0 {
		t.Errorf("%d requests got past", n)
	}
}

// What Azure says, as it documents it.
func TestAzureErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		code   Code
		fatal  bool
		says   string
	}{
		{"no such deployment", 404, `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}`,
			CodeNotFound, true, "check that a deployment has the model's name"},
		{"no such version", 404, `{"error":{"code":"404","message":"Resource not found"}}`, CodeNotFound, true, "api_version"},
		{"a wrong key", 401, `{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}`, CodeUnauthorized, true, "AZURE_OPENAI_API_KEY"},
		{"the filter", 400, `{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`,
			CodeRefused, false, "refuses this prompt"},
		{"the rate", 429, `{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current OpenAI S0 pricing tier."}}`,
			CodeRateLimited, false, "limiting the rate"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		}))
		r := newRig(t, llmtest.Options{})
		p := r.model.Provider
		p.Type, p.BaseURL, p.APIVersion, p.Retries = spec.ProviderAzure, server.URL, "2024-10-21", 0
		if e := r.mustFail(r.request("x")); e.Code != tt.code || e.Fatal != tt.fatal || !strings.Contains(e.Summary, tt.says) {
			t.Errorf("%s: %+v", tt.name, e)
		}
		server.Close()
	}
}
