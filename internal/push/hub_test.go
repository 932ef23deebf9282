package push

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/publish"
	"github.com/autosafe/autosafe/internal/push/hubtest"
)

const target = "hf://datasets/acme/safety"

// startHub starts a server that takes small parts and short lists, so that
// little data goes the ways of much.
func startHub(t *testing.T, faults ...hubtest.Fault) *hubtest.Server {
	t.Helper()
	s := hubtest.Start(hubtest.Options{Token: testToken, Chunk: 1000, Page: 2, Faults: faults})
	t.Cleanup(s.Close)
	return s
}

// on matches requests by method and the beginning of their path.
func on(method, path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method && strings.HasPrefix(r.URL.Path, path) }
}

// holds compares what somebody downloads with the folder.
func holds(t *testing.T, s *hubtest.Server, branch, dir string, beside ...string) {
	t.Helper()
	got := s.Files("acme/safety", branch)
	for _, name := range append(beside, ".gitattributes") {
		delete(got, name)
	}
	want := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		want[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("there are %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// puts counts requests by method and the beginning of their path.
func puts(s *hubtest.Server, method, path string) int {
	n := 0
	for _, line := range s.Log() {
		if strings.HasPrefix(line, method+" "+path) {
			n++
		}
	}
	return n
}

func TestHub(t *testing.T) {
	s := startHub(t)
	dir := dataset(t, everyday())
	run := func(o Options) *Report {
		t.Helper()
		r, err := Run(t.Context(), dir, target, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}

	dry := options(s.URL())
	dry.DryRun = true
	if r := run(dry); counts(r) != "6 up, 0 same, 0 gone" || !r.Created || s.Commits("acme/safety", "main") != 0 {
		t.Errorf("dry run: %s, %+v", counts(r), r)
	}
	r := run(options(s.URL()))
	if counts(r) != "6 up, 0 same, 0 gone" || !r.Created || r.Commit == "" || r.Retries != 0 {
		t.Errorf("first push: %s, %+v", counts(r), r)
	}
	holds(t, s, "main", dir)
	if n := puts(s, "PUT", "/parts/"); n < 5 {
		t.Errorf("%d parts", n)
	}
	commits, sent := s.Commits("acme/safety", "main"), puts(s, "PUT", "/")

	if r := run(options(s.URL())); counts(r) != "0 up, 6 same, 0 gone" || r.Created {
		t.Errorf("second push: %s", counts(r))
	}
	if s.Commits("acme/safety", "main") != commits || puts(s, "PUT", "/") != sent {
		t.Error("a push with nothing new sent something")
	}

	// One file changes, one goes, and somebody else has put one there.
	s.Put("acme/safety", "main", "notes.txt", "by somebody else")
	files := everyday()
	delete(files, "data/test.parquet")
	for _, name := range []string{"README.md", "data/train.parquet"} { // as large as before
		files[name] = strings.ToLower(files[name])
	}
	dir = dataset(t, files)
	if r := run(options(s.URL())); counts(r) != "3 up, 2 same, 0 gone" {
		t.Errorf("third push: %s", counts(r))
	}
	holds(t, s, "main", dir, "notes.txt", "data/test.parquet")
	prune := options(s.URL())
	prune.Delete = true
	if r := run(prune); counts(r) != "0 up, 5 same, 2 gone" {
		t.Errorf("push with -delete: %s", counts(r))
	}
	holds(t, s, "main", dir)
	if n := s.Commits("acme/safety", "main"); n != commits+3 {
		t.Errorf("%d commits, want %d", n, commits+3)
	}
}

func TestHubBranch(t *testing.T) {
	s := startHub(t)
	dir := dataset(t, everyday())
	for range 2 { // it makes the repository and the branch, then the branch alone
		if _, err := Run(t.Context(), dir, target+"@v2", options(s.URL())); err != nil {
			t.Fatal(err)
		}
		holds(t, s, "v2", dir)
		if n := len(s.Files("acme/safety", "main")); n != 1 {
			t.Errorf("%d files in main", n)
		}
	}
	if _, err := Run(t.Context(), dir, target+"@v3", options(s.URL())); err != nil {
		t.Fatal(err)
	}
	holds(t, s, "v3", dir)
}

// TestHubHidden has the server say of what is not there that one may not see it.
func TestHubHidden(t *testing.T) {
	s := startHub(t, hubtest.Fault{Match: on("GET", "/api/datasets/acme/safety/revision"), Status: http.StatusUnauthorized})
	dir := dataset(t, everyday())
	r, err := Run(t.Context(), dir, target, options(s.URL()))
	if err != nil || !r.Created {
		t.Fatalf("%+v, %v", r, err)
	}
	holds(t, s, "main", dir)
}

// TestHubLeftOut shows that only what is listed is pushed.
func TestHubLeftOut(t *testing.T) {
	s := startHub(t)
	dir := dataset(t, everyday())
	write(t, dir, "notes.txt", "mine")
	r, err := Run(t.Context(), dir, target, options(s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Files("acme/safety", "main")["notes.txt"]; ok || !slices.Equal(r.LeftOut, []string{"notes.txt"}) {
		t.Errorf("left out: %q", r.LeftOut)
	}
}

// TestHubFaults has every kind of request fail in every way that passes.
func TestHubFaults(t *testing.T) {
	requests := []struct{ method, path string }{
		{"POST", "/api/repos/create"},
		{"GET", "/api/datasets/acme/safety/revision"},
		{"GET", "/api/datasets/acme/safety/tree"},
		{"POST", "/api/datasets/acme/safety/preupload"},
		{"POST", "/datasets/acme/safety/info/lfs/objects/batch"},
		{"POST", "/datasets/acme/safety/info/lfs/objects/verify"},
		{"PUT", "/objects/"},
		{"PUT", "/parts/"},
		{"POST", "/api/complete_multipart"},
		{"POST", "/api/datasets/acme/safety/commit"},
	}
	ways := map[string]hubtest.Fault{
		"cut":                  {Times: 2},
		"cut when it was done": {Late: true},
		"busy":                 {Status: http.StatusTooManyRequests, RetryAfter: "0", Times: 2},
		"broken":               {Status: http.StatusInternalServerError, Times: 2},
		"away":                 {Status: http.StatusServiceUnavailable},
		"done but 502":         {Status: http.StatusBadGateway, Late: true},
	}
	for _, at := range requests {
		for way, fault := range ways {
			t.Run(at.method+at.path+" "+way, func(t *testing.T) {
				t.Parallel()
				fault.Match = on(at.method, at.path)
				s := startHub(t, fault)
				dir := dataset(t, everyday())
				r, err := Run(t.Context(), dir, target, options(s.URL()))
				if err != nil {
					t.Fatal(err)
				}
				if r.Retries == 0 && at.method != "GET" { // what was cut the standard library may ask again itself
					t.Error("nothing was made again")
				}
				holds(t, s, "main", dir)
				if n := s.Commits("acme/safety", "main"); n != 2 {
					t.Errorf("%d commits, want the first and ours", n)
				}
			})
		}
	}
}

// TestHubResume cuts a push off and pushes again: what is there is not sent.
func TestHubResume(t *testing.T) {
	s := startHub(t, hubtest.Fault{Match: on("POST", "/api/datasets/acme/safety/commit"), Status: http.StatusForbidden})
	dir := dataset(t, everyday())
	if _, err := Run(t.Context(), dir, target, options(s.URL())); err == nil {
		t.Fatal("it went through")
	}
	if n := len(s.Files("acme/safety", "main")); n != 1 {
		t.Errorf("%d files of half a push are seen", n)
	}
	sent := puts(s, "PUT", "/")
	if _, err := Run(t.Context(), dir, target, options(s.URL())); err != nil {
		t.Fatal(err)
	}
	if n := puts(s, "PUT", "/"); n != sent || sent == 0 {
		t.Errorf("%d files and parts were sent, then %d", sent, n-sent)
	}
	holds(t, s, "main", dir)
}

// TestHubConflict has somebody else commit in between.
func TestHubConflict(t *testing.T) {
	s := startHub(t)
	done := false
	o := options(s.URL())
	o.Notify = func(string) { // files are about to be sent: the list was read
		if !done {
			done = true
			s.Put("acme/safety", "main", "README.md", "by somebody else")
		}
	}
	files := everyday()
	first := dataset(t, map[string]string{"README.md": files["README.md"]})
	if _, err := Run(t.Context(), first, target, options(s.URL())); err != nil {
		t.Fatal(err)
	}
	delete(files, "data/train.parquet") // one large file: Notify is told of those by many at once
	dir := dataset(t, files)
	r, err := Run(t.Context(), dir, target, o)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, "main", dir)
	if r.Retries == 0 {
		t.Error("no conflict")
	}
}

// TestHubSays looks at what users are told of what does not pass.
func TestHubSays(t *testing.T) {
	dir := dataset(t, everyday())
	tests := []struct {
		name   string
		status int
		at     func(*http.Request) bool
		want   string
	}{
		{"no rights", http.StatusForbidden, on("GET", "/api/datasets/acme/safety/revision"), "HF_TOKEN must be a token that may write to acme/safety"},
		{"no room", http.StatusRequestEntityTooLarge, on("POST", "/api/datasets/acme/safety/commit"), "committing to acme/safety: the server says 413"},
		{"always busy", http.StatusTooManyRequests, on("GET", "/"), "looking for acme/safety: the server says 429"},
	}
	for _, tt := range tests {
		s := startHub(t, hubtest.Fault{Match: tt.at, Status: tt.status, Times: 1000})
		_, err := Run(t.Context(), dir, target, options(s.URL()))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	s := startHub(t)
	wrong := options(s.URL())
	wrong.Getenv = func(string) string { return "hf_wrong" }
	if _, err := Run(t.Context(), dir, target, wrong); err == nil || strings.Contains(err.Error(), "hf_wrong") || !strings.Contains(err.Error(), "401") {
		t.Errorf("with a wrong token: %v", err)
	}
	wrong.Getenv = func(string) string { return "" }
	if _, err := Run(t.Context(), dir, target, wrong); err == nil || !strings.Contains(err.Error(), "HF_TOKEN") {
		t.Errorf("without a token: %v", err)
	}
}

// TestHubLies has servers answer what a client must not believe.
func TestHubLies(t *testing.T) {
	dir := dataset(t, everyday())
	tests := map[string]struct {
		revision, tree, link, preupload, batch string
		want                                   string
	}{
		"no JSON":             {revision: "<html>", want: "does not speak the Hub's protocol"},
		"a list elsewhere":    {link: `<https://evil.example/next>; rel="next"`, want: "on another server"},
		"a mode of its own":   {preupload: `{"files":[{"path":"README.md","uploadMode":"carrier pigeon"}]}`, want: `sent as "carrier pigeon"`},
		"forgotten files":     {preupload: `{"files":[]}`, want: "does not say how"},
		"objects forgotten":   {batch: `{"objects":[]}`, want: "does not say where"},
		"an error for one":    {batch: `{"objects":[{"oid":"OID","error":{"code":422,"message":"no, ` + testToken + `"}}]}`, want: "no, (the token)"},
		"a place in clear":    {batch: `{"objects":[{"oid":"OID","actions":{"upload":{"href":"http://evil.example/x"}}}]}`, want: "no URL with TLS"},
		"parts of nothing":    {batch: `{"objects":[{"oid":"OID","actions":{"upload":{"href":"https://x.example/","header":{"chunk_size":"0"}}}}]}`, want: `parts of "0" bytes`},
		"parts without URLs":  {batch: `{"objects":[{"oid":"OID","actions":{"upload":{"href":"https://x.example/","header":{"chunk_size":"10"}}}}]}`, want: "where part 1"},
		"too many parts":      {batch: `{"objects":[{"oid":"OID","actions":{"upload":{"href":"https://x.example/","header":{"chunk_size":"1"}}}}]}`, want: "in 10003 parts"},
		"a commit of nothing": {batch: `{"objects":[{"oid":"OID"}]}`, want: "there is not the one of the folder"},
	}
	big := dataset(t, map[string]string{"a.parquet": strings.Repeat("x", 10_003)})
	sum, err := os.ReadFile(filepath.Join(big, publish.SumsName))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			or := func(s, otherwise string) string {
				if s == "" {
					return otherwise
				}
				return s
			}
			mux := http.NewServeMux()
			mux.HandleFunc("/api/datasets/acme/safety/revision/main", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(or(tt.revision, `{"sha":"abc"}`))) })
			mux.HandleFunc("/api/datasets/acme/safety/tree/abc", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Link", tt.link)
				w.Write([]byte("[]"))
			})
			pre := `{"files":[{"path":"a.parquet","uploadMode":"lfs"},{"path":"SHA256SUMS","uploadMode":"regular"}]}`
			mux.HandleFunc("/api/datasets/acme/safety/preupload/main", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(or(tt.preupload, pre))) })
			mux.HandleFunc("/datasets/acme/safety.git/info/lfs/objects/batch", func(w http.ResponseWriter, _ *http.Request) {
				w.Write([]byte(strings.ReplaceAll(tt.batch, "OID", string(sum[:64]))))
			})
			mux.HandleFunc("/api/datasets/acme/safety/commit/main", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"commitOid":"abc"}`)) })
			s := httptest.NewServer(mux)
			defer s.Close()
			from := big
			if tt.preupload != "" {
				from = dir
			}
			_, err := Run(t.Context(), from, target, options(s.URL))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), testToken) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestInterrupted ends a push that the user does not want any more.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	s := startHub(t, hubtest.Fault{Match: func(r *http.Request) bool {
		if !on("PUT", "/objects/")(r) {
			return false
		}
		cancel(why)
		return true
	}, Status: http.StatusServiceUnavailable, Times: 1000})
	_, err := Run(ctx, dataset(t, everyday()), target, options(s.URL()))
	if !errors.Is(err, why) {
		t.Errorf("%v, want %v", err, why)
	}
}
