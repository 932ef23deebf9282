package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// serveArgument starts this program as the endpoint of the model cases. It is
// a process of its own, so that its time and memory are nobody else's.
const serveArgument = "serve-endpoint"

// rules are how the endpoint behaves. The zero value answers at once.
type rules struct {
	Latency time.Duration // of each answer
	// PerSecond is how many requests a second are let in, and as many at
	// once after a pause; the others are refused. 0: all.
	PerSecond float64
	// InFlight is how many requests may be open; others are refused. 0: any.
	InFlight int
	// RetryAfter tells who is refused to come back in a second.
	RetryAfter bool
	// Period, if set, is how long the limits stand: they are halved after
	// the first, doubled after the second, and so on.
	Period time.Duration
}

// account is what the endpoint counted since its rules were set.
type account struct {
	Requests, Answered, Refused int64
	// Could is how many the limits would have let it answer from its first
	// request to its last answer.
	Could float64
	// Took is how many seconds passed from its first request to its last answer.
	Took float64
}

// share is how much of what was possible was done.
func (a account) share() float64 { return float64(a.Answered) / max(a.Could, 1) }

// counter is the endpoint's state.
type counter struct {
	mu          sync.Mutex
	rules       rules
	account     account
	open        int
	tokens      float64
	filled      time.Time // when tokens was right
	first, last time.Time
}

// reply suits all who ask: a score for autosafe, the words that promptfoo's
// assertion looks for, and usage.
const reply = `{"id":"x","object":"chat.completion","created":1700000000,"model":"judge-1","choices":[{"index":0,` +
	`"message":{"role":"assistant","content":"{\"reason\":\"it can't help with that\",\"score\":2}"},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":120,"completion_tokens":14,"total_tokens":134}}`

const refusal = `{"error":{"message":"too many requests","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`

// factor is what the limits are multiplied with at t.
func (c *counter) factor(t time.Time) float64 {
	if c.rules.Period <= 0 || t.Sub(c.first)/c.rules.Period%2 == 0 {
		return 1
	}
	return 0.5
}

// enter lets a request in, or refuses it.
func (c *counter) enter() bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account.Requests++
	if c.first.IsZero() {
		c.first, c.filled, c.tokens = now, now, c.rules.PerSecond
	}
	f := c.factor(now)
	if rate := c.rules.PerSecond * f; rate > 0 {
		c.tokens = min(rate, c.tokens+rate*now.Sub(c.filled).Seconds())
		c.filled = now
	}
	if c.rules.InFlight > 0 && float64(c.open) >= float64(c.rules.InFlight)*f || c.rules.PerSecond > 0 && c.tokens < 1 {
		c.account.Refused++
		return false
	}
	c.tokens--
	c.open++
	return true
}

func (c *counter) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	c.account.Answered++
	c.last = time.Now()
}

// settle is the account so far.
func (c *counter) settle() account {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.account
	a.Took = c.last.Sub(c.first).Seconds()
	full := math.Inf(1)
	if c.rules.PerSecond > 0 {
		full = c.rules.PerSecond
	}
	if c.rules.InFlight > 0 && c.rules.Latency > 0 {
		full = min(full, float64(c.rules.InFlight)/c.rules.Latency.Seconds())
	}
	if !math.IsInf(full, 1) {
		// At first there is room for the requests of one second.
		a.Could = c.rules.PerSecond + full*c.rules.inFull(c.last.Sub(c.first)).Seconds()
	}
	return a
}

// inFull is how long the limits would have to stand unhalved to let in what
// they let in within took.
func (r rules) inFull(took time.Duration) time.Duration {
	p := r.Period
	if p <= 0 {
		return took
	}
	pairs, rest := took/(2*p), took%(2*p)
	return pairs*(p+p/2) + min(rest, p) + max(0, rest-p)/2
}

// serve answers until its standard input ends, which it does with the process
// that started it.
func serve(in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newHandler()}
	defer func() { _ = server.Close() }()      // and the listener
	go func() { _ = server.Serve(listener) }() // until Close
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func newHandler() http.Handler {
	c := &counter{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", c.complete)
	mux.HandleFunc("POST /rules", func(w http.ResponseWriter, r *http.Request) {
		var next rules
		if err := json.NewDecoder(r.Body).Decode(&next); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		c.rules, c.account, c.first, c.last = next, account{}, time.Time{}, time.Time{}
		c.mu.Unlock()
	})
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(c.settle()) // the suite may have gone
	})
	return mux
}

func (c *counter) complete(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the client has gone
	}
	w.Header().Set("Content-Type", "application/json")
	if !c.enter() {
		if c.rules.RetryAfter {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, refusal)
		return
	}
	time.Sleep(c.rules.Latency)
	c.leave()
	w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
	_, _ = io.WriteString(w, reply)
}

// endpoint is the suite's hold on its endpoint.
type endpoint struct {
	cmd  *exec.Cmd
	stop io.Closer
	addr string
}

// startEndpoint starts this program again.
func startEndpoint() (*endpoint, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, serveArgument)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	e := &endpoint{cmd: cmd, stop: in}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		e.close()
		return nil, fmt.Errorf("the endpoint did not start: %w", err)
	}
	e.addr = "http://" + strings.TrimSpace(line)
	return e, nil
}

func (e *endpoint) url() string { return e.addr + "/v1" }

// close ends the process and waits for it.
func (e *endpoint) close() {
	_ = e.stop.Close()
	_ = e.cmd.Wait() // however it ended, it is gone
}

// obey sets the rules, and the account to nothing.
func (e *endpoint) obey(r rules) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	resp, err := http.Post(e.addr+"/rules", "application/json", bytes.NewReader(b))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// account asks for what was counted.
func (e *endpoint) account() (a account, err error) {
	resp, err := http.Get(e.addr + "/account")
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	return a, json.NewDecoder(resp.Body).Decode(&a)
}
