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
	body  []byte
	model string // the endpoint's name for it

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
	url      *url.URL                    // of chat completions; at Azure, of some deployment's
	of       func(model string) *url.URL // the same with that model
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
	target := t.of(x.model)
	if req.Response == nil { // not a redirect
		req.URL = target
		req.Host = ""
	}
	if !sameOrigin(req.URL, target) {
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
	reply, err := readReply(resp)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	x.status, x.header, x.reply = resp.StatusCode, resp.Header, reply
	if resp.StatusCode < 300 {
		reply = []byte("{}") // read reads the whole answer; see there
	}
	resp.Body = io.NopCloser(bytes.NewReader(reply))
	return resp, nil
}

// readReply reads an answer's body, into memory of the size that the endpoint
// announced, if that is not much: it may say anything.
func readReply(resp *http.Response) ([]byte, error) {
	const likely = 64 << 10
	var b bytes.Buffer
	b.Grow(bytes.MinRead + int(min(max(resp.ContentLength, 0), likely)))
	if _, err := b.ReadFrom(io.LimitReader(resp.Body, maxReply+1)); err != nil {
		return nil, err
	}
	if b.Len() > maxReply {
		return nil, errTooLarge
	}
	return b.Bytes(), nil
}

func (t *transport) setHeaders(h http.Header) {
	h.Del("Authorization")
	if t.agent != "" {
		h.Set("User-Agent", t.agent)
	}
	if t.provider.Organization != "" {
		h.Set("OpenAI-Organization", t.provider.Organization)
	}
	if t.provider.Project != "" {
		h.Set("OpenAI-Project", t.provider.Project)
	}
	k := t.provider.APIKey.Reveal()
	switch {
	case k == "":
	case t.provider.Type == spec.ProviderAzure:
		h.Set("Api-Key", k)
	default:
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

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}
