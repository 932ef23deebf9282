package push

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Bounds on servers.
const (
	maxTries      = 7
	maxWait       = 30 * time.Second
	maxRetryAfter = 2 * time.Minute
	maxReply      = 64 << 20
	maxRedirects  = 5
	// stallAfter ends a request in which nothing moves.
	stallAfter = 5 * time.Minute
	// atOnce is how many files, or parts of one, are sent at a time.
	atOnce = 4
)

// web asks HTTP servers again until they answer, within bounds.
type web struct {
	client    *http.Client
	userAgent string
	secret    string // never to be shown
	wait      time.Duration
	retried   func()
}

func newTransport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 2 * atOnce
	return &stallGuard{t, stallAfter}
}

func newWeb(o *Options, secret string, retried func()) *web {
	return &web{
		client:    &http.Client{Transport: newTransport(), CheckRedirect: checkRedirect},
		userAgent: o.UserAgent, secret: secret, wait: o.Wait, retried: retried,
	}
}

// errRedirect marks a redirect that is not followed.
var errRedirect = errors.New("it redirects")

// checkRedirect follows no redirect away from TLS, and takes no credentials to
// another server. The standard library drops some of them where the host is
// another, and lets them go to its other ports and to hosts below it.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("%w more than %d times", errRedirect, maxRedirects)
	}
	if err := protected(req.URL); err != nil {
		return fmt.Errorf("%w: %w", errRedirect, err)
	}
	if first := via[0].URL; req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		for _, name := range []string{"Authorization", "X-Amz-Security-Token", "Cookie"} {
			req.Header.Del(name)
		}
	}
	return nil
}

// protected says what is wrong with a URL to which data or a token is sent.
func protected(u *url.URL) error {
	ip := net.ParseIP(u.Hostname())
	here := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !here) {
		return fmt.Errorf("%s://%s is not protected by TLS; http:// is for servers on this machine alone", u.Scheme, u.Host)
	}
	return nil
}

// request is an HTTP request that can be made several times.
type request struct {
	method, url string
	what        string // for errors, in place of the URL
	header      map[string]string
	body        func() io.Reader // nil: none
	size        int64            // of the body
	token       bool             // it goes to the endpoint, with the token
}

// jsonBody has a request carry a value as JSON.
func (r request) jsonBody(mediaType string, value any) (request, error) {
	b, err := json.Marshal(value)
	r.body, r.size = func() io.Reader { return bytes.NewReader(b) }, int64(len(b))
	r.header = map[string]string{"Content-Type": mediaType, "Accept": mediaType}
	return r, err
}

// reply is an answer that was read to its end.
type reply struct {
	header http.Header
	body   []byte
}

// statusError is an answer that says no.
type statusError struct {
	what   string
	code   int
	status string
	name   string // the Hub's own code of the error
	says   string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s: the server says %s", e.what, e.status)
	if e.says != "" {
		text += ": " + e.says
	}
	return text
}

// isStatus says whether an error is an answer with one of these codes.
func isStatus(err error, codes ...int) bool {
	var s *statusError
	if !errors.As(err, &s) {
		return false
	}
	for _, c := range codes {
		if s.code == c {
			return true
		}
	}
	return false
}

// do makes a request until it is answered, or fails for good.
func (w *web) do(ctx context.Context, r request) (*reply, error) {
	steps := backoff.NewExponentialBackOff()
	steps.InitialInterval, steps.MaxInterval = w.wait, maxWait
	got, err := backoff.Retry(ctx, func() (*reply, error) { return w.once(ctx, r) },
		backoff.WithBackOff(steps), backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(error, time.Duration) { w.retried() }))
	var later *busyError
	if errors.As(err, &later) {
		err = later.error
	}
	var final *backoff.PermanentError
	if errors.As(err, &final) {
		err = final.Err
	}
	return got, err
}

// busyError is an error after which the server wants to be left alone for a
// while.
type busyError struct {
	error
	wait backoff.RetryAfterError
}

func (e *busyError) Unwrap() []error { return []error{e.error, &e.wait} }

// once makes a request. Errors that come again are marked as permanent.
func (w *web) once(ctx context.Context, r request) (*reply, error) {
	var body io.Reader
	if r.body != nil {
		body = r.body()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, backoff.Permanent(fmt.Errorf("%s: the URL cannot be used", r.what))
	}
	if r.body != nil {
		req.ContentLength = r.size
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(r.body()), nil }
		if r.size == 0 {
			req.Body = http.NoBody
		}
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	req.Header.Set("User-Agent", w.userAgent)
	if r.token && w.secret != "" {
		req.Header.Set("Authorization", "Bearer "+w.secret)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, w.netError(ctx, r, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case resp.StatusCode/100 != 2:
		return nil, w.says(r, resp, b)
	case err != nil:
		return nil, w.netError(ctx, r, err)
	case len(b) > maxReply:
		return nil, backoff.Permanent(fmt.Errorf("%s: the answer is larger than %d bytes", r.what, maxReply))
	}
	return &reply{resp.Header, b}, nil
}

// netError is an error of the network, without the URL, which may be signed.
func (w *web) netError(ctx context.Context, r request, err error) error {
	if ctx.Err() != nil {
		return backoff.Permanent(context.Cause(ctx))
	}
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	err = fmt.Errorf("%s: %w", r.what, err)
	if errors.Is(err, errRedirect) || errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(*localError)) {
		return backoff.Permanent(err)
	}
	return err
}

// says makes an error of an answer.
func (w *web) says(r request, resp *http.Response, body []byte) error {
	e := &statusError{
		what: r.what, code: resp.StatusCode, status: resp.Status,
		name: resp.Header.Get("X-Error-Code"), says: resp.Header.Get("X-Error-Message"),
	}
	var text struct{ Error, Message string }
	if e.says == "" && json.Unmarshal(body, &text) == nil {
		e.says = text.Error
		if e.says == "" {
			e.says = text.Message
		}
	}
	if w.secret != "" {
		e.says = strings.ReplaceAll(e.says, w.secret, "(the token)")
	}
	if len(e.says) > 300 {
		e.says = strings.ToValidUTF8(e.says[:300], "") + "…"
	}
	switch {
	case e.code == http.StatusTooManyRequests, e.code == http.StatusServiceUnavailable:
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n >= 0 {
			wait := min(time.Duration(n)*time.Second, maxRetryAfter)
			return &busyError{e, backoff.RetryAfterError{Duration: wait}}
		}
		return e
	case e.code >= 500 || e.code == http.StatusRequestTimeout:
		return e
	}
	return backoff.Permanent(e)
}

// localError is an error of the file that is sent.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }

// stallGuard ends requests in which nothing moves for a while.
type stallGuard struct {
	next  http.RoundTripper
	after time.Duration
}

// errStalled is why.
var errStalled = errors.New("nothing moved for a while")

// RoundTrip implements http.RoundTripper.
func (g *stallGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(g.after, func() { cancel(errStalled) })
	end := sync.OnceFunc(func() { timer.Stop(); cancel(nil) })
	moved := func() { timer.Reset(g.after) }
	guarded := req.Clone(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		guarded.Body = &moving{req.Body, moved, func() {}}
	}
	resp, err := g.next.RoundTrip(guarded)
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		end()
		return nil, err
	}
	moved()
	resp.Body = &moving{resp.Body, moved, end}
	return resp, nil
}

// moving tells of every byte that moves.
type moving struct {
	io.ReadCloser
	moved func()
	end   func()
}

func (m *moving) Read(b []byte) (int, error) {
	n, err := m.ReadCloser.Read(b)
	if n > 0 {
		m.moved()
	}
	return n, err
}

func (m *moving) Close() error {
	m.end()
	return m.ReadCloser.Close()
}
