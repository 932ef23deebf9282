package llm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/autosafe/autosafe/spec"
)

// maxReply is the largest answer that is read, in bytes. An endpoint that
// sends more is broken or means harm.
const maxReply = 32 << 20

var (
	errTooLarge = errors.New("the answer is larger than 32 MiB")
	errBroken   = errors.New("reading the answer")
)

// exchange is one attempt: what to send, and what came back.
type exchange struct {
	body []byte

	status int // 0: no answer
	header http.Header
	reply  []byte
}

type exchangeKey struct{}

// transport puts the exact request on the wire and keeps the exact answer.
// The OpenAI client above it would leave out zeros (a temperature of 0), round
// numbers and drop the headers of errors, so bodies and headers are ours; what
// is left to it is the protocol's error and reply types.
type transport struct {
	base     http.RoundTripper
	url      *url.URL // of chat completions
	provider *spec.Provider
	agent    string
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, errors.New("a request outside an exchange")
	}
	x.status, x.header, x.reply = 0, nil, nil // of a redirect before
	req = req.Clone(req.Context())
	if req.Response == nil { // not a redirect
		req.URL = t.url
		req.Host = ""
	}
	if !sameOrigin(req.URL, t.url) {
		return nil, fmt.Errorf("a redirect to another host: %s", req.URL.Host)
	}
	t.setHeaders(req.Header)
	req.Body = io.NopCloser(bytes.NewReader(x.body))
	req.ContentLength = int64(len(x.body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.body)), nil }

	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err == nil && len(reply) > maxReply {
		err = errTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	x.status, x.header, x.reply = resp.StatusCode, resp.Header, reply
	resp.Body = io.NopCloser(bytes.NewReader(x.reply))
	return resp, nil
}

func (t *transport) setHeaders(h http.Header) {
	h.Del("Authorization")
	if t.agent != "" {
		h.Set("User-Agent", t.agent)
	}
	if t.provider.Organization != "" {
		h.Set("OpenAI-Organization", t.provider.Organization)
	}
	if k := t.provider.APIKey.Reveal(); k != "" {
		h.Set("Authorization", "Bearer "+k)
	}
	for name, value := range t.provider.Headers {
		h.Set(name, value)
	}
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// followRedirect follows redirects that keep method, body and origin. Any
// other is handed on as the answer it is, so the key never travels.
func followRedirect(req *http.Request, via []*http.Request) error {
	keeps := req.Response != nil &&
		(req.Response.StatusCode == http.StatusTemporaryRedirect || req.Response.StatusCode == http.StatusPermanentRedirect)
	if !keeps || len(via) > 3 || !sameOrigin(req.URL, via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

// newBaseTransport honours the proxy variables of the environment, as Go
// programs do, and keeps enough connections for all calls in flight.
func newBaseTransport() *http.Transport {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		t = &http.Transport{Proxy: http.ProxyFromEnvironment}
	}
	t = t.Clone()
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = 1024
	return t
}

// endpointURL is the URL of chat completions below base.
func endpointURL(base string) (*url.URL, error) {
	if base == "" {
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
	return u.JoinPath("chat/completions"), nil
}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}
