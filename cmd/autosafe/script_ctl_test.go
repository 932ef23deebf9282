package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdArrived is arrived N: it waits until so many calls came in since the last
// assertion on calls.
func cmdArrived(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if neg || s.server == nil || len(args) != 1 {
		ts.Fatalf("usage: arrived N, after endpoint")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	waitFor(ts, "the calls", func() bool { return s.server.Calls()-s.calls >= n })
}

// cmdRelease is release: an endpoint that holds its answers back gives them.
func cmdRelease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 || of(ts).answer == nil {
		ts.Fatalf("usage: release, after endpoint -hold")
	}
	of(ts).answer()
}

// cmdUntil is until PATTERN COMMAND [ARGUMENT ...]: it runs a command until
// its standard output matches.
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND [ARGUMENT ...]")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	waitFor(ts, args[0], func() bool {
		err := ts.Exec(args[1], args[2:]...)
		return err == nil && pattern.MatchString(ts.ReadFile("stdout"))
	})
}

// cmdKey is key: it puts the key of the last call that calls -json listed into
// $KEY, shortened.
func cmdKey(ts *testscript.TestScript, neg bool, args []string) {
	key := ""
	for _, l := range parseLines(ts) {
		if l["type"] == "call" {
			key = fmt.Sprint(l["key"])
		}
	}
	if neg || len(args) != 0 || len(key) < 16 {
		ts.Fatalf("usage: key, after calls -json; there is no call in standard output")
	}
	ts.Setenv("KEY", key[:16])
}

// scriptCommand is a command in the script's folder and environment.
func scriptCommand(ts *testscript.TestScript, args []string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(ts.Getenv("WORK"), ".bin", args[0]), args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "AUTOSAFE_CACHE", "OPENAI_BASE_URL", "OPENAI_API_KEY", "TMPDIR", "XDG_RUNTIME_DIR"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// text is what was written so far.
func (w *watched) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// cmdScrape is scrape CALLS COMMAND [ARGUMENT ...]: it runs a build with
// -metrics, waits until the endpoint has seen so many calls, reads the figures,
// which become standard output, has the endpoint answer, and waits for the end.
func cmdScrape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: scrape CALLS COMMAND [ARGUMENT ...]")
	}
	cmd := scriptCommand(ts, args[1:])
	output := &watched{}
	cmd.Stdout, cmd.Stderr = output, output
	ts.Check(cmd.Start())
	defer func() {
		_ = cmd.Process.Kill() // if it has not ended
	}()
	cmdArrived(ts, false, args[:1])
	where := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/metrics`)
	waitFor(ts, "the address", func() bool { return where.MatchString(output.text()) })
	resp, err := http.Get(where.FindString(output.text()))
	ts.Check(err)
	defer resp.Body.Close()
	_, err = io.Copy(ts.Stdout(), resp.Body)
	ts.Check(err)
	of(ts).answer()
	ts.Check(cmd.Wait())
}

// cmdCollector is collector: it starts a collector of OpenTelemetry spans and
// has builds send theirs there.
func cmdCollector(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: collector")
	}
	file := ts.MkAbs("spans")
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err == nil {
			var z *gzip.Reader
			if z, err = gzip.NewReader(r.Body); err == nil {
				_, err = io.Copy(f, z)
			}
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
}
