package install

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Limits bound what servers may do. The zero value is for everyday use.
type Limits struct {
	Small   time.Duration // for a list or a signature, in all; 2 min
	File    time.Duration // for a package, in all; 30 min
	Stall   time.Duration // without a byte; 1 min
	Retry   time.Duration // before the second attempt, and twice that before the third; 1 s
	Package int64         // bytes of a package, 512 MiB
	Binary  int64         // bytes of what is in it, 1 GiB
}

func (l Limits) filled() Limits {
	l.Small = cmp.Or(l.Small, 2*time.Minute)
	l.File = cmp.Or(l.File, 30*time.Minute)
	l.Stall = cmp.Or(l.Stall, time.Minute)
	l.Retry = cmp.Or(l.Retry, time.Second)
	l.Package = cmp.Or(l.Package, 512<<20)
	l.Binary = cmp.Or(l.Binary, 1<<30)
	return l
}

const (
	attempts     = 3
	maxRedirects = 5
	// maxRetryAfter bounds how long a server may have us wait.
	maxRetryAfter = 30 * time.Second
)

// transient marks an error that may pass.
type transient struct {
	error
	after time.Duration // as the server wishes; 0 if it says nothing
}

func (t transient) Unwrap() error { return t.error }

// permanent marks an error of a request that is the same each time.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// again tries something a few times, as long as its errors may pass.
func again(ctx context.Context, limits Limits, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		var t transient
		if err == nil || n == attempts || ctx.Err() != nil || !errors.As(err, &t) {
			return err
		}
		wait := time.NewTimer(cmp.Or(t.after, limits.Retry<<(n-1)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

// web asks HTTP servers.
type web struct {
	client    *http.Client
	userAgent string
}

func newWeb(transport http.RoundTripper, userAgent string) *web {
	return &web{userAgent: userAgent, client: &http.Client{Transport: transport, CheckRedirect: checkRedirect}}
}

// checkRedirect follows no redirect away from TLS, and takes no token
// elsewhere.
func checkRedirect(req *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	switch {
	case len(via) > maxRedirects:
		return permanent{fmt.Errorf("it redirects more than %d times", maxRedirects)}
	case req.URL.Scheme != "https" && (from.Scheme == "https" || !isLoopback(req.URL.Hostname())):
		return permanent{fmt.Errorf("it redirects to %s://%s, which is not protected by TLS", req.URL.Scheme, req.URL.Host)}
	}
	// What was deleted on one hop is there again on the next, so that the whole
	// way is looked at; who has left the server has left it for good.
	left := func(r *http.Request) bool { return r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme }
	if left(req) || slices.ContainsFunc(via, left) {
		req.Header.Del("Authorization")
	}
	return nil
}

// get asks for a URL. What is not there is fs.ErrNotExist.
func (w *web) get(ctx context.Context, u *url.URL, token, accept string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", w.userAgent)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, webError(ctx, u, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	_ = resp.Body.Close()
	return nil, statusError(u, resp)
}

// webError names the URL that was asked for, and not the one that it led to,
// which may hold a signature.
func webError(ctx context.Context, u *url.URL, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	} else {
		var wrapped *url.Error
		for errors.As(err, &wrapped) {
			err = wrapped.Err
		}
	}
	err = fmt.Errorf("%s: %w", u.Redacted(), err)
	if errors.As(err, new(permanent)) || errors.As(err, new(*tls.CertificateVerificationError)) {
		return err
	}
	return transient{error: err}
}

// statusError says what an answer that is none means.
func statusError(u *url.URL, resp *http.Response) error {
	says := fmt.Errorf("%s: the server says %s", u.Redacted(), resp.Status)
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return fmt.Errorf("%s: %w", u.Redacted(), fs.ErrNotExist)
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && resp.Header.Get("X-Ratelimit-Remaining") == "0":
		err := fmt.Errorf("%w: too many requests. With a token (GITHUB_TOKEN, or the place's token_env) more are allowed", says)
		return transient{error: err, after: retryAfter(resp)}
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w. If it wants a token, put one in the environment variable that the place's token_env names", says)
	case code >= 500:
		return transient{error: says, after: retryAfter(resp)}
	}
	return says
}

func retryAfter(resp *http.Response) time.Duration {
	n, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxRetryAfter)
}

// errTooLarge is the error of files larger than their bound.
var errTooLarge = errors.New("it is larger than allowed")

// copyFile writes a file of a release to w, at most limit bytes of it, within a
// time, and not slower than a byte in a while.
func copyFile(ctx context.Context, limits Limits, within time.Duration, limit int64, w io.Writer, open func(context.Context) (io.ReadCloser, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	whole := time.AfterFunc(within, func() { cancel(fmt.Errorf("it took longer than %s", within)) })
	defer whole.Stop()
	stall := time.AfterFunc(limits.Stall, func() { cancel(fmt.Errorf("nothing came for %s", limits.Stall)) })
	defer stall.Stop()
	body, err := open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	buf := make([]byte, 64<<10)
	var total int64
	for {
		n, err := body.Read(buf)
		if total += int64(n); total > limit {
			return fmt.Errorf("%w: %d bytes", errTooLarge, limit)
		}
		if n > 0 {
			stall.Reset(limits.Stall)
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && context.Cause(ctx) != nil:
			return transient{error: context.Cause(ctx)}
		case err != nil:
			return transient{error: err}
		}
	}
}
