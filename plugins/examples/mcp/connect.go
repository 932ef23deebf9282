package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxTraffic bounds what a server may send in all, notifications and other
// chatter with it.
const maxTraffic = 4 * maxListing

// grace is how long a server may take to end by itself, and then to end when
// it is asked to.
const grace = 2 * time.Second

// connection is a way to a server.
type connection struct {
	transport mcp.Transport
	// close ends it and says how a program came to its end.
	close func() ending
}

// ending is how a server's program ended.
type ending struct {
	state string // of a program that failed by itself: exit status 1
	words string // what it wrote last to its standard error
}

func open(at address) (connection, error) {
	if at.url != "" {
		return openHTTP(at), nil
	}
	return start(at)
}

// openHTTP prepares for a server at a URL.
func openHTTP(at address) connection {
	base := http.DefaultTransport.(*http.Transport).Clone()
	if at.hosted {
		base.Proxy = hostsProxy
	}
	limited := &limitedTransport{base: base, headers: at.headers}
	limited.left.Store(maxTraffic)
	client := &http.Client{
		Transport: limited,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0].URL
			if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
				return fmt.Errorf("it redirects to another server, %s://%s, which would be given the headers too; name that one in url", req.URL.Scheme, req.URL.Host)
			}
			if len(via) >= 5 {
				return errors.New("it redirects again and again")
			}
			return nil
		},
	}
	return connection{
		// Nothing is wanted of the server but answers.
		transport: &mcp.StreamableClientTransport{Endpoint: at.url, HTTPClient: client, DisableStandaloneSSE: true, MaxEventSize: maxListing},
		close: func() ending {
			limited.left.Store(0)
			base.CloseIdleConnections()
			return ending{}
		},
	}
}

// hostsProxy is the proxy that autosafe lets a plugin reach the network
// through, by HTTPS_PROXY and HTTP_PROXY. Unlike the standard library's, it
// holds for this machine's own addresses too: they are as far away.
func hostsProxy(req *http.Request) (*url.URL, error) {
	proxy := cmp.Or(os.Getenv("HTTP_PROXY"), os.Getenv("http_proxy"))
	if req.URL.Scheme == "https" {
		proxy = cmp.Or(os.Getenv("HTTPS_PROXY"), os.Getenv("https_proxy"))
	}
	if proxy == "" {
		return nil, nil
	}
	return url.Parse(proxy)
}

// limitedTransport adds headers to requests and bounds what answers may weigh.
type limitedTransport struct {
	base    http.RoundTripper
	headers map[string]string
	left    atomic.Int64
}

func (t *limitedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for name, value := range t.headers {
		req.Header.Set(name, value)
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = limitedBody{resp.Body, &t.left}
	return resp, nil
}

// limitedBody is a body that counts against a common allowance.
type limitedBody struct {
	io.ReadCloser
	left *atomic.Int64
}

func (b limitedBody) Read(p []byte) (int, error) {
	if b.left.Load() <= 0 {
		return 0, fmt.Errorf("the server sends more than %d MiB", maxTraffic>>20)
	}
	n, err := b.ReadCloser.Read(p)
	b.left.Add(int64(-n))
	return n, err
}

// start starts a server's program.
func start(at address) (connection, error) {
	cmd := exec.Command(at.command[0], at.command[1:]...)
	if at.hosted {
		cmd.Path, cmd.Err = program(at.command[0])
	}
	cmd.Env = environment(at)
	if !at.hosted {
		ownGroup(cmd)
	}
	said := &tail{}
	cmd.Stderr = said
	cmd.WaitDelay = grace // for what the program left behind, and its pipes
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return connection{}, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return connection{}, err
	}
	if err := cmd.Start(); err != nil {
		return connection{}, err
	}
	left := &atomic.Int64{}
	left.Store(maxTraffic)
	return connection{
		transport: &mcp.IOTransport{Reader: limitedBody{stdout, left}, Writer: stdin, MaxLineLength: maxListing},
		close:     sync.OnceValue(func() ending { return end(cmd, stdin, said, at.hosted) }),
	}, nil
}

// program finds a program. A hosted process may have no PATH.
func program(name string) (string, error) {
	if strings.ContainsRune(name, os.PathSeparator) {
		return name, nil
	}
	for _, dir := range strings.Split(searchPath(), string(os.PathListSeparator)) {
		if path, err := exec.LookPath(dir + string(os.PathSeparator) + name); dir != "" && err == nil {
			return path, nil
		}
	}
	return name, &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// searchPath is the PATH of this process, or else the usual one.
func searchPath() string {
	return cmp.Or(os.Getenv("PATH"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

// environment is a program's environment: all of a person's; of a hosted
// process's only what programs cannot do without.
func environment(at address) []string {
	env := os.Environ()
	if at.hosted {
		env = []string{"PATH=" + searchPath(), "TMPDIR=" + os.TempDir(), "HOME=" + cmp.Or(os.Getenv("HOME"), os.TempDir())}
	}
	for _, name := range sorted(at.env) {
		env = append(env, name+"="+at.env[name])
	}
	return env
}

// end ends a server's program as the protocol has it: its input is closed; if
// it does not end by that, it is asked to, then made to.
func end(cmd *exec.Cmd, stdin io.Closer, said *tail, hosted bool) ending {
	_ = stdin.Close() // it may be closed already
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(done)
	}()
	ended := within(done)
	if !ended {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by now
		ended = within(done)
	}
	if !ended {
		_ = cmd.Process.Kill()
	}
	if !hosted {
		killGroup(cmd.Process.Pid) // what the program left behind
	}
	how := ending{words: said.text()}
	if !ended && !within(done) && !within(done) {
		how.state = "it cannot be ended"
	} else if state := cmd.ProcessState; state.Exited() && !state.Success() {
		how.state = state.String()
	}
	return how
}

func within(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-time.After(grace):
		return false
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const maxTail = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p[max(0, len(p)-maxTail):]...)
	t.kept = t.kept[max(0, len(t.kept)-maxTail):]
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}
