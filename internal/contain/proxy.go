package contain

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"strings"
)

// Without a network namespace of its own a program cannot be given the granted
// places under their names. It is then given a proxy, which most HTTP clients
// find in their environment, and which goes to those places alone.

// proxied says whether a place is reached through the proxy: those that have a
// name, which the program cannot look up. Others it connects to itself.
func (t Target) proxied() bool {
	_, err := netip.ParseAddr(t.Host)
	return err != nil && t.Host != "localhost"
}

// proxyEnv is what tells programs of a proxy.
func proxyEnv(address string) []string {
	var list []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		list = append(list, name+"=http://"+address, strings.ToLower(name)+"=http://"+address)
	}
	return list
}

// proxy serves a proxy on the loopback, and gives its address.
func (c *carrier) proxy(targets []Target) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: &proxy{carrier: c, targets: targets}, ReadHeaderTimeout: dialTimeout}
	if !c.hold(server) {
		return "", net.ErrClosed
	}
	c.work.Go(func() { _ = server.Serve(l) }) // until it is closed
	return l.Addr().String(), nil
}

type proxy struct {
	carrier *carrier
	targets []Target
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := Target{r.URL.Hostname(), r.URL.Port()}
	if to.Port == "" {
		to.Port = "80"
	}
	granted := slices.ContainsFunc(p.targets, func(t Target) bool {
		return strings.EqualFold(t.Host, to.Host) && t.Port == to.Port
	})
	switch {
	case !granted || r.URL.Host == "":
		http.Error(w, fmt.Sprintf("the recipe does not grant %q", r.URL.Host), http.StatusForbidden)
	case r.Method == http.MethodConnect:
		p.connect(w, to)
	default:
		forward := httputil.ReverseProxy{
			Rewrite:   func(*httputil.ProxyRequest) {},
			Transport: &http.Transport{DisableKeepAlives: true},
		}
		forward.ServeHTTP(w, r)
	}
}

// connect makes of a request a connection to a place.
func (p *proxy) connect(w http.ResponseWriter, to Target) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if n := buffered.Reader.Buffered(); n > 0 { // it speaks before it was answered
		_ = conn.Close()
		return
	}
	if !p.carrier.hold(conn) {
		return
	}
	p.carrier.work.Go(func() {
		p.carrier.connect(conn, to, func(err error) error {
			answer := "HTTP/1.1 200 OK\r\n\r\n"
			if err != nil {
				answer = "HTTP/1.1 502 Bad Gateway\r\n\r\n"
			}
			_, err = io.WriteString(conn, answer)
			return err
		})
	})
}
