package push

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/autosafe/autosafe/internal/publish"
)

const place = "s3://bucket/sets/safety"

// fakeS3 is a store that others wrote, behind a door that counts and fails. It
// keeps no checksums of its own; one that does is tried in internal/e2e.
type fakeS3 struct {
	*httptest.Server
	store *gofakes3.GoFakeS3
	back  gofakes3.Backend

	mu    sync.Mutex
	log   []string
	fault func(*http.Request) (status int, late bool) // 0: none; 1: cut

	before, after func(*http.Request) // may wait; set before the first request
}

func startS3(t *testing.T) *fakeS3 {
	t.Helper()
	back := s3mem.New()
	if err := back.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	nothing := func(*http.Request) {}
	s := &fakeS3{store: gofakes3.New(back), back: back, before: nothing, after: nothing}
	next := s.store.Server()
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.before(r)
		defer s.after(r)
		s.mu.Lock()
		s.log = append(s.log, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
		status, late := 0, false
		if s.fault != nil {
			status, late = s.fault(r)
		}
		s.mu.Unlock()
		if late {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		switch status {
		case 0:
			next.ServeHTTP(w, r)
		case 1:
			io.CopyN(io.Discard, r.Body, 1000)
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// holds compares what is in the bucket with the folder.
func (s *fakeS3) holds(t *testing.T, dir string) {
	t.Helper()
	list, err := s.back.ListBucket("bucket", nil, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, o := range list.Contents {
		name, _ := strings.CutPrefix(o.Key, "sets/safety/")
		there[name] = true
		got, err := s.back.GetObject("bucket", o.Key, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(got.Contents)
		want, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || string(b) != string(want) {
			t.Errorf("%s is not as in the folder (%v)", o.Key, err)
		}
	}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
		name, _ := filepath.Rel(dir, path)
		if !d.IsDir() && !there[filepath.ToSlash(name)] {
			t.Errorf("%s is not there", name)
		}
		return nil
	})
}

// requests counts requests that hold a text.
func (s *fakeS3) requests(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, line := range s.log {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// fail sets what fails from now on, the first times requests match.
func (s *fakeS3) fail(status, skip, times int, late bool, match func(*http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	s.fault = func(r *http.Request) (int, bool) {
		if !match(r) {
			return 0, false
		}
		if n++; n <= skip || n > skip+times {
			return 0, false
		}
		return status, late
	}
}

// large is a dataset with a file of several parts, smaller than S3 itself takes them.
func large(t *testing.T) (dir string, o func(*fakeS3) Options) {
	t.Helper()
	content := make([]byte, 3<<18+123)
	rand.Read(content)
	files := everyday()
	files["data/large.parquet"] = string(content)
	return dataset(t, files), func(s *fakeS3) Options {
		o := options(s.URL)
		o.PartSize = 3 << 16
		return o
	}
}

func TestS3(t *testing.T) {
	s := startS3(t)
	dir, o := large(t)
	push := func(o Options) *Report {
		t.Helper()
		r, err := Run(t.Context(), dir, place, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	dry := o(s)
	dry.DryRun = true
	if r := push(dry); counts(r) != "7 up, 0 same, 0 gone" || s.requests("PUT ") != 0 {
		t.Errorf("dry run: %s", counts(r))
	}
	if r := push(o(s)); counts(r) != "7 up, 0 same, 0 gone" || r.Retries != 0 {
		t.Errorf("first push: %s, %d retries", counts(r), r.Retries)
	}
	s.holds(t, dir)
	if n := s.requests("partNumber="); n != 5 {
		t.Errorf("%d parts, want 5", n)
	}
	s.mu.Lock()
	last := ""
	for _, line := range s.log {
		if strings.HasPrefix(line, "PUT ") {
			last = line
		}
	}
	s.mu.Unlock()
	if !strings.Contains(last, publish.SumsName) {
		t.Errorf("the last file is %s, want %s", last, publish.SumsName)
	}
	sent := s.requests("PUT ")
	if r := push(o(s)); counts(r) != "0 up, 7 same, 0 gone" || s.requests("PUT ") != sent {
		t.Errorf("second push: %s", counts(r))
	}

	files := everyday()
	files["README.md"] = "# safety\n" // as large as before
	dir = dataset(t, files)
	if r := push(o(s)); counts(r) != "2 up, 4 same, 0 gone" {
		t.Errorf("third push: %s", counts(r))
	}
	prune := o(s)
	prune.Delete = true
	if r := push(prune); counts(r) != "0 up, 6 same, 1 gone" {
		t.Errorf("push with -delete: %s", counts(r))
	}
	s.holds(t, dir)
	if _, err := Run(t.Context(), dir, "s3://bucket", prune); err == nil || !strings.Contains(err.Error(), "empty the whole bucket") {
		t.Errorf("-delete without a prefix: %v", err)
	}
}

func TestS3Faults(t *testing.T) {
	dir, o := large(t)
	matches := map[string]func(*http.Request) bool{
		"looking":  func(r *http.Request) bool { return r.Method == "HEAD" },
		"a file":   func(r *http.Request) bool { return r.Method == "PUT" && r.URL.RawQuery == "x-id=PutObject" },
		"begin":    func(r *http.Request) bool { return r.Method == "POST" && r.URL.Query().Has("uploads") },
		"a part":   func(r *http.Request) bool { return r.Method == "PUT" && r.URL.Query().Has("partNumber") },
		"together": func(r *http.Request) bool { return r.Method == "POST" && r.URL.Query().Has("uploadId") },
	}
	for name, match := range matches {
		for _, status := range []int{1, 429, 500, 503} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				t.Parallel()
				s := startS3(t)
				s.fail(status, 0, 2, false, match)
				r, err := Run(t.Context(), dir, place, o(s))
				if err != nil {
					t.Fatal(err)
				}
				if r.Retries == 0 && status != 1 { // what was cut the standard library may ask again itself
					t.Error("nothing was made again")
				}
				s.holds(t, dir)
			})
		}
	}
}

// TestS3Resume cuts a push off in the middle of a large file, when two of its
// parts are there.
func TestS3Resume(t *testing.T) {
	s := startS3(t)
	dir, o := large(t)
	var two sync.WaitGroup
	two.Add(2)
	number := func(r *http.Request) string { return r.URL.Query().Get("partNumber") }
	once := map[string]func(){"1": sync.OnceFunc(two.Done), "2": sync.OnceFunc(two.Done)}
	s.after = func(r *http.Request) {
		if done := once[number(r)]; done != nil {
			done()
		}
	}
	s.before = func(r *http.Request) {
		if number(r) == "3" {
			two.Wait()
		}
	}
	s.fail(http.StatusForbidden, 0, 100, false, func(r *http.Request) bool { return number(r) == "3" })
	if _, err := Run(t.Context(), dir, place, o(s)); err == nil {
		t.Fatal("it went through")
	}
	if s.requests(publish.SumsName) != 0 {
		t.Error("the list of checksums went before the files")
	}
	first, second := s.requests("partNumber=1&"), s.requests("partNumber=2&")
	s.fail(0, 0, 0, false, func(*http.Request) bool { return false })
	if _, err := Run(t.Context(), dir, place, o(s)); err != nil {
		t.Fatal(err)
	}
	s.holds(t, dir)
	if s.requests("partNumber=1&") != first || s.requests("partNumber=2&") != second || first != 1 || second != 1 {
		t.Errorf("parts that were there were sent again")
	}
}

// TestS3ResumeChanged goes on with an upload of what has changed since.
func TestS3ResumeChanged(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"the first part": func(b []byte) []byte { b[0]++; return b },
		"the last part":  func(b []byte) []byte { b[len(b)-1]++; return b },
		"longer":         func(b []byte) []byte { return append(b, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startS3(t)
			dir, o := large(t)
			s.fail(http.StatusForbidden, 0, 100, false, func(r *http.Request) bool {
				return r.Method == "PUT" && r.URL.Query().Get("partNumber") == "5"
			})
			if _, err := Run(t.Context(), dir, place, o(s)); err == nil {
				t.Fatal("it went through")
			}
			s.fail(0, 0, 0, false, func(*http.Request) bool { return false })
			content, err := os.ReadFile(filepath.Join(dir, "data", "large.parquet"))
			if err != nil {
				t.Fatal(err)
			}
			files := everyday()
			files["data/large.parquet"] = string(change(content))
			dir = dataset(t, files)
			if _, err := Run(t.Context(), dir, place, o(s)); err != nil {
				t.Fatal(err)
			}
			s.holds(t, dir)
			sent := s.requests("PUT ")
			if r, err := Run(t.Context(), dir, place, o(s)); err != nil || counts(r) != "0 up, 7 same, 0 gone" || s.requests("PUT ") != sent {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

func TestS3Says(t *testing.T) {
	s := startS3(t)
	dir := dataset(t, everyday())
	tests := []struct{ name, target, lacks, want string }{
		{"no bucket", "s3://another/x", "", "make another first"},
		{"no key", place, "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		{"no secret", place, "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
	}
	for _, tt := range tests {
		o := options(s.URL)
		all := o.Getenv
		o.Getenv = func(name string) string {
			if name == tt.lacks {
				return ""
			}
			return all(name)
		}
		_, err := Run(t.Context(), dir, tt.target, o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "awssecret") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
