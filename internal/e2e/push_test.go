package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/push/hubtest"
)

// published is a folder as a card leaves it, with a file that is sent in parts.
func published(t *testing.T) (dir string, files map[string][]byte) {
	t.Helper()
	dir = t.TempDir()
	large := make([]byte, 17<<20+321)
	rand.Read(large)
	files = map[string][]byte{
		"README.md":                            []byte("# Safety\n"),
		"rows/autosafe.json":                   []byte(`{"not_for_training":false}`),
		"rows/train.jsonl":                     bytes.Repeat([]byte("{}\n"), 1000),
		"data/train-00000-of-00001.parquet":    large,
		"data/test-00000-of-00001.parquet":     large[:3000],
		"data/the same-00000-of-00001.parquet": large[:3000],
	}
	sums := ""
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(files[name]), name)
	}
	files["SHA256SUMS"] = []byte(sums)
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, content, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, files
}

// pushed is what a push says of itself.
type pushed struct{ Sent, Same, Retries int }

// pushTo pushes with the binary.
func pushTo(t *testing.T, env []string, args ...string) (pushed, error) {
	t.Helper()
	cmd := exec.Command(filepath.Join(os.Getenv(binaryVar), plainBinary), append([]string{"push", "-json"}, args...)...)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return pushed{}, fmt.Errorf("%w\n%s%s", err, out, stderr.String())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var p pushed
	return p, json.Unmarshal(lines[len(lines)-1], &p)
}

// TestHubClient has the Hub's own client in JavaScript use the stand-in that the
// tests of push take for the Hub: what either uploads the other finds, and finds
// unchanged.
func TestHubClient(t *testing.T) {
	t.Parallel()
	modules, err := npmInstall("hub", "testdata/hub", "@huggingface/hub/dist/index.mjs")
	if err != nil {
		notHere(t, "the Hub's own client", err)
	}
	dir, files := published(t)
	client := func(s *hubtest.Server, folder string) map[string]struct {
		Size   int
		SHA256 string
	} {
		t.Helper()
		cmd := exec.Command("node", "testdata/hub/client.mjs", modules, s.URL(), "hf_token", "acme/safety", folder)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("the client: %v\n%s", err, tail(stderr.String()))
		}
		var seen map[string]struct {
			Size   int
			SHA256 string
		}
		if err := json.Unmarshal(out, &seen); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		delete(seen, ".gitattributes")
		return seen
	}
	for _, first := range []string{"the client", "autosafe"} {
		s := hubtest.Start(hubtest.Options{Token: "hf_token", Chunk: 5 << 20, Page: 3})
		defer s.Close()
		env := []string{"HF_TOKEN=hf_token", "HF_ENDPOINT=" + s.URL()}
		if first == "the client" {
			client(s, dir)
		}
		p, err := pushTo(t, env, dir, "hf://datasets/acme/safety")
		if err != nil {
			t.Fatal(err)
		}
		want := pushed{Sent: len(files)}
		if first == "the client" {
			want = pushed{Same: len(files)}
		}
		if p != want {
			t.Errorf("after %s: %+v, want %+v", first, p, want)
		}
		seen := client(s, t.TempDir())
		for name, content := range files {
			got := seen[name]
			if got.Size != len(content) || got.SHA256 != "" && got.SHA256 != fmt.Sprintf("%x", sha256.Sum256(content)) {
				t.Errorf("%s first: the client sees %s as %+v", first, name, got)
			}
			if got.SHA256 == "" && strings.HasSuffix(name, ".parquet") {
				t.Errorf("%s first: %s is not in the large file storage", first, name)
			}
		}
		if len(seen) != len(files) {
			t.Errorf("%s first: the client sees %d files, want %d", first, len(seen), len(files))
		}
	}
}

// s3Program is a store that checks signatures and every checksum, which
// `go install github.com/versity/versitygw/cmd/versitygw@v1.8.0` builds in a
// minute.
var s3Program = flag.String("e2e.versitygw", "", "push to the Versity S3 gateway too: the `PATH` of its program, v1.8.0")

// startVersity starts the store behind a door that can be told to fail and tells
// what came through, and gives the door's address.
func startVersity(t *testing.T, fail func(*http.Request) bool, done func(*http.Request)) string {
	t.Helper()
	root := t.TempDir()
	socket := filepath.Join(root, "s3")
	for _, dir := range []string{"data/bucket", "meta"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(*s3Program, "--port", socket, "--quiet", "posix", "--sidecar", filepath.Join(root, "meta"), filepath.Join(root, "data"))
	cmd.Env = []string{"ROOT_ACCESS_KEY_ID=key", "ROOT_SECRET_ACCESS_KEY=secret", "HOME=" + root, "TMPDIR=" + root}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }
	eventually(t, "the store does not start", func() bool {
		c, err := dial(t.Context(), "", "")
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			return false
		}
		return c.Close() == nil
	})
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "s3"}); r.Out.Host = r.In.Host },
		Transport:    &http.Transport{DialContext: dial},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }, // whoever asked is gone
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fail(r) {
			w.WriteHeader(http.StatusForbidden) // after which nobody asks again
			return
		}
		proxy.ServeHTTP(w, r)
		done(r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestVersity pushes to a real store, cut off in the middle and again.
func TestVersity(t *testing.T) {
	if *s3Program == "" {
		t.Log("not run against the Versity S3 gateway: -e2e.versitygw PATH does that")
		return
	}
	var cut atomic.Bool
	cut.Store(true)
	var parts atomic.Int64
	one := make(chan struct{}) // closed when the first part is there
	there := sync.OnceFunc(func() { close(one) })
	number := func(r *http.Request) string { return r.URL.Query().Get("partNumber") }
	endpoint := startVersity(t, func(r *http.Request) bool {
		if number(r) != "" {
			parts.Add(1)
		}
		if number(r) != "2" || !cut.Load() {
			return false
		}
		<-one
		return true
	}, func(r *http.Request) {
		if number(r) == "1" {
			there()
		}
	})
	env := []string{"AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret", "AWS_ENDPOINT_URL=" + endpoint}
	dir, files := published(t)
	if _, err := pushTo(t, env, dir, "s3://bucket/sets/safety"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Fatalf("a push whose second part never comes: %v", err)
	}
	cut.Store(false)
	parts.Store(0)
	p, err := pushTo(t, env, dir, "s3://bucket/sets/safety")
	if err != nil {
		t.Fatal(err)
	}
	if p.Sent+p.Same != len(files) || p.Sent == 0 || parts.Load() != 1 {
		t.Errorf("second push: %+v, %d parts; want the one part that was cut", p, parts.Load())
	}
	if p, err = pushTo(t, env, dir, "s3://bucket/sets/safety"); err != nil || p != (pushed{Same: len(files)}) {
		t.Errorf("third push: %+v, %v", p, err)
	}
	wrong := append(slices.Clone(env), "AWS_SECRET_ACCESS_KEY=another-secret")
	if _, err := pushTo(t, wrong, dir, "s3://bucket/sets/other"); err == nil || strings.Contains(err.Error(), "another-secret") {
		t.Errorf("with a wrong key: %v", err)
	}
	if _, err := pushTo(t, env, dir, "s3://nobucket/sets/safety"); err == nil || !strings.Contains(err.Error(), "make nobucket first") {
		t.Errorf("to no bucket: %v", err)
	}
}
