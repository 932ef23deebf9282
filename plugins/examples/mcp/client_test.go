package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is far more than a server needs that answers at all.
const patience = 2 * time.Minute

func toolNames(l listing) []string {
	var out []string
	for _, t := range l.Tools {
		out = append(out, t.Name)
	}
	return out
}

func demoNames() []string {
	return []string{"orders.list", "orders.refund", "orders/cancel", "send-mail", "stock_get"}
}

// TestList asks the same server over both ways. Each lists its tools in
// several pages; both come to the same.
func TestList(t *testing.T) {
	t.Parallel()
	byHTTP, err := list(t.Context(), address{url: demoHTTP(t).URL, headers: map[string]string{"authorization": "Bearer " + token}}, patience)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []address{
		{command: serverCommand(t, "good")}, {command: serverCommand(t, "good"), hosted: true}, {command: serverCommand(t, "new")},
	} {
		byPipe, err := list(t.Context(), at, patience)
		if err != nil {
			t.Fatal(err)
		}
		a, errA := byHTTP.text()
		b, errB := byPipe.text()
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("over HTTP:\n%s\nover pipes:\n%s", a, b)
		}
	}
	if got := toolNames(byHTTP); !slices.Equal(got, demoNames()) {
		t.Errorf("tools %q", got)
	}
	if s := byHTTP.Server; s.Name != "acme/shop" || s.Version != "1.2.3" {
		t.Errorf("server %+v", s)
	}
}

// TestHostile asks servers that are broken or bad. Each gives an error that
// says what is wrong, and none is waited for.
func TestHostile(t *testing.T) {
	t.Parallel()
	const short = 3 * time.Second // for those that never answer
	for _, c := range []struct {
		kind    string
		timeout time.Duration
		want    []string
	}{
		{"dies", patience, []string{"while connecting to it", "exit status 7", "no database at (secret)"}},
		{"silent", short, []string{"did not answer within 3s, while connecting to it", "timeout"}},
		{"stubborn", short, []string{"did not answer within 3s"}},
		{"garbage", patience, []string{"while connecting to it"}},
		{"flood", patience, []string{"more than 64 MiB"}},
		{"line", patience, []string{"while connecting to it"}},
		{"version", patience, []string{`unsupported protocol version: "1999-12-31"`, "speaks the versions", "2025-06-18"}},
		{"circle", patience, []string{"goes round in a circle", "again"}},
		{"endless", patience, []string{"does not end", "1000 pages"}},
		{"many", patience, []string{"more than 5000 tools"}},
		{"giant", patience, []string{"larger than 16 MiB"}},
		{"wrong", patience, []string{"while listing its tools"}},
		{"exits", patience, []string{"while listing its tools", "exit status 9"}},
		{"refuses", patience, []string{"while listing its tools", "no such method"}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			at := address{command: serverCommand(t, c.kind), env: map[string]string{"DATABASE": "db.internal:5432"}}
			_, err := list(t.Context(), at, c.timeout)
			if err == nil {
				t.Fatal("there is no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if len(err.Error()) > 5000 || strings.Contains(err.Error(), "db.internal") {
				t.Errorf("error of %d bytes: %.500q", len(err.Error()), err)
			}
		})
	}
}

// TestOdd asks a server that lists what cannot be told apart.
func TestOdd(t *testing.T) {
	t.Parallel()
	l, err := list(t.Context(), address{command: serverCommand(t, "odd")}, patience)
	if err != nil {
		t.Fatal(err)
	}
	if got := toolNames(l); !slices.Equal(got, []string{"alpha", "zeta"}) {
		t.Errorf("tools %q", got)
	}
	want := []string{
		"2 tools: their definitions are invalid", "tool 2: it has no name", "alpha: it is listed twice",
		"zeta: it is listed twice, and differently; the first one counts",
	}
	if !slices.Equal(l.leftOut, want) {
		t.Errorf("left out %q, want %q", l.leftOut, want)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := list(ctx, address{command: serverCommand(t, "silent")}, patience); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestNoProgram names programs that are not there, with and without a PATH.
func TestNoProgram(t *testing.T) {
	for _, hosted := range []bool{false, true} {
		for _, name := range []string{"no-such-program-here", "./no-such-program-here"} {
			_, err := list(t.Context(), address{command: []string{name}, hosted: hosted}, patience)
			if err == nil || !strings.Contains(err.Error(), "cannot be started") || !strings.Contains(err.Error(), name) {
				t.Errorf("%s, hosted %v: error %v", name, hosted, err)
			}
		}
	}
}

// TestEnvironment looks at what a hosted process hands to a server's program:
// nothing of its own but what programs need.
func TestEnvironment(t *testing.T) {
	t.Setenv("AUTOSAFE_MCP_TEST", "mine")
	t.Setenv("PATH", "")
	env := environment(address{hosted: true, env: map[string]string{"B": "2", "A": "1"}})
	var names []string
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		names = append(names, name)
		if value == "" {
			t.Errorf("%s is empty", name)
		}
	}
	if !slices.Equal(names, []string{"PATH", "TMPDIR", "HOME", "A", "B"}) {
		t.Errorf("variables %q", names)
	}
	if !slices.Contains(environment(address{}), "AUTOSAFE_MCP_TEST=mine") {
		t.Error("a person's own environment is not handed on")
	}
}

// TestHostileHTTP asks for a list where there is none to be had.
func TestHostileHTTP(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != "" {
			t.Error("another server was given the key")
		}
	}))
	t.Cleanup(elsewhere.Close)
	for _, c := range []struct {
		name    string
		timeout time.Duration
		handler http.HandlerFunc
		want    string
	}{
		{"wrong token", patience, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "bad key "+r.Header.Get("X-Api-Key"), http.StatusUnauthorized)
		}, "while connecting to it"},
		{"redirect", patience, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "redirects to another server"},
		{"redirects", patience, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/again", http.StatusTemporaryRedirect)
		}, "again and again"},
		{"web page", patience, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>Hello</html>")
		}, "while connecting to it"},
		{"bad JSON", patience, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{")
		}, "while connecting to it"},
		{"flood", patience, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, "more than 64 MiB"},
		{"silent", 2 * time.Second, func(w http.ResponseWriter, r *http.Request) {
			_, _ = http.NewResponseController(w), r.Body.Close()
			<-r.Context().Done()
		}, "did not answer within 2s"},
		{"drip", 2 * time.Second, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for r.Context().Err() == nil {
				fmt.Fprint(w, ":\n")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, "did not answer within 2s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(c.handler)
			defer srv.Close()
			_, err := list(t.Context(), address{url: srv.URL, headers: map[string]string{"X-Api-Key": "key-9d3"}}, c.timeout)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "key-9d3") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestProxy asks a server on this machine through the proxy that a host
// announces: without it there would be no way out.
func TestProxy(t *testing.T) {
	asked := make(chan string, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Host
		http.Error(w, "not granted", http.StatusForbidden)
	}))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	_, err := list(t.Context(), address{url: "http://127.0.0.1:1/mcp", hosted: true}, patience)
	if err == nil || len(asked) == 0 || <-asked != "127.0.0.1:1" {
		t.Errorf("the proxy was not asked; error %v", err)
	}
	if err != nil && !strings.Contains(err.Error(), `network = ["127.0.0.1:1"]`) {
		t.Errorf("error %q does not say what to grant", err)
	}
	_, err = list(t.Context(), address{command: serverCommand(t, "dies"), hosted: true}, patience)
	if err == nil || !strings.Contains(err.Error(), "read = [") {
		t.Errorf("error %v does not say what to grant", err)
	}
}

// TestLeavesNothing looks for processes that are left when a server is done
// with: what it started where a person asked, and the server that will not end.
func TestLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hosted bool
		script string // $1 is a file for a process id
	}{
		{false, `sleep 1000 & echo $! > "$1"; echo not JSON; wait`},
		{true, `trap "" TERM; echo $$ > "$1"; echo not JSON; while :; do sleep 0.1; done`},
	} {
		file := filepath.Join(t.TempDir(), "pid")
		if _, err := list(t.Context(), address{command: []string{"/bin/sh", "-c", c.script, "sh", file}, hosted: c.hosted}, patience); err == nil {
			t.Fatal("there is no error")
		}
		pid, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); running(strings.TrimSpace(string(pid))); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("process %s is still there", pid)
			}
		}
	}
}

// running says whether a process runs; it cannot tell but on Linux.
func running(pid string) bool {
	state, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(state), ") Z ")
}
