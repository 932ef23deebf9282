// Package hubtest is a server for tests that speaks as much of the Hugging Face
// Hub's protocol as pushing a dataset takes: repositories, branches, commits of
// many files at once, and large file storage with URLs that are signed, in one
// piece and in parts. It checks every hash and size that a client claims, takes
// no token where the Hub takes none, and fails when and how it is told to.
//
// It was written from the Hub's two public clients and is tried with one of
// them; the Hub itself was never asked. It does not do what the Hub does beside:
// Xet storage, pull requests, quotas, scans.
package hubtest

import (
	"crypto/sha1" // git's names
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Options say how the server behaves.
type Options struct {
	Token string // that may write
	// Chunk is the size from which files come in parts, and that of a part; 0:
	// all come in one piece.
	Chunk int64
	// Small is the size up to which texts go into commits; 0 is 10 MB.
	Small int64
	// Page is how many files a page of a list has; 0 is 1000.
	Page   int
	Faults []Fault
}

// Fault makes requests fail that would not.
type Fault struct {
	Match func(*http.Request) bool
	// Skip lets so many requests that match through, Times fails so many; 0 is
	// one.
	Skip, Times int
	// Status is answered; 0 cuts the connection.
	Status     int
	RetryAfter string
	// Late has the request done before it fails.
	Late bool
}

// Server is a running server.
type Server struct {
	opts    Options
	hub     *httptest.Server
	storage *httptest.Server // of large files, another host

	mu      sync.Mutex
	repos   map[string]*repo
	objects map[string][]byte         // by SHA-256
	uploads map[string]map[int][]byte // parts, by the object's SHA-256
	faults  []int                     // how often each matched
	log     []string
}

type repo struct {
	branches map[string][]commit // the last one is the head
}

type commit struct {
	id    string
	files map[string]file
}

type file struct {
	content []byte
	lfs     string // SHA-256; "" for files in commits
}

// Start starts a server.
func Start(opts Options) *Server {
	if opts.Small == 0 {
		opts.Small = 10 << 20
	}
	if opts.Page == 0 {
		opts.Page = 1000
	}
	s := &Server{
		opts: opts, repos: map[string]*repo{}, objects: map[string][]byte{},
		uploads: map[string]map[int][]byte{}, faults: make([]int, len(opts.Faults)),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/repos/create", s.create)
	mux.HandleFunc("GET /api/datasets/{org}/{name}/revision/{rev}", s.revision)
	mux.HandleFunc("GET /api/datasets/{org}/{name}/tree/{rev}", s.tree)
	mux.HandleFunc("POST /api/datasets/{org}/{name}/branch/{rev}", s.branch)
	mux.HandleFunc("POST /api/datasets/{org}/{name}/preupload/{rev}", s.preupload)
	mux.HandleFunc("POST /api/datasets/{org}/{name}/commit/{rev}", s.commit)
	mux.HandleFunc("POST /datasets/{org}/{name}/info/lfs/objects/batch", s.batch)
	mux.HandleFunc("POST /datasets/{org}/{name}/info/lfs/objects/verify", s.verify)
	mux.HandleFunc("POST /api/complete_multipart", s.complete)
	store := http.NewServeMux()
	store.HandleFunc("PUT /objects/{oid}", s.putObject)
	store.HandleFunc("PUT /parts/{oid}/{n}", s.putPart)
	// Both are known before either serves: their answers name them.
	s.storage = httptest.NewUnstartedServer(s.failing(signed(store)))
	s.hub = httptest.NewUnstartedServer(s.failing(s.known(mux)))
	s.storage.Start()
	s.hub.Start()
	return s
}

// Close ends the server.
func (s *Server) Close() {
	s.hub.Close()
	s.storage.Close()
}

// URL is the endpoint.
func (s *Server) URL() string { return s.hub.URL }

// Log lists the requests: method and path.
func (s *Server) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Files gives the content of a branch, as somebody who downloads it has it.
func (s *Server) Files(name, branch string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	if r := s.repos[name]; r != nil && len(r.branches[branch]) > 0 {
		for path, f := range r.head(branch).files {
			all[path] = string(f.content)
		}
	}
	return all
}

// Commits is the number of commits of a branch, the first, empty one among them.
func (s *Server) Commits(name, branch string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.repos[name]; r != nil {
		return len(r.branches[branch])
	}
	return 0
}

// Put commits a file as somebody else would.
func (s *Server) Put(name, branch, path, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[name]
	files := maps.Clone(r.head(branch).files)
	files[path] = file{content: []byte(content)}
	r.add(branch, files)
}

func (r *repo) head(branch string) commit {
	list := r.branches[branch]
	return list[len(list)-1]
}

func (r *repo) add(branch string, files map[string]file) string {
	h := sha1.New() // #nosec G401
	fmt.Fprintln(h, branch, len(r.branches[branch]))
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintln(h, path, blobName(files[path].content))
	}
	id := hex.EncodeToString(h.Sum(nil))
	r.branches[branch] = append(r.branches[branch], commit{id, files})
	return id
}

// find is the commit that a revision names: a branch, or its id.
func (r *repo) find(rev string) (commit, bool) {
	if list := r.branches[rev]; len(list) > 0 {
		return list[len(list)-1], true
	}
	for _, list := range r.branches {
		for _, c := range list {
			if c.id == rev {
				return c, true
			}
		}
	}
	return commit{}, false
}

func blobName(content []byte) string {
	h := sha1.New() // #nosec G401
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

func sum(b []byte) string {
	d := sha256.Sum256(b)
	return hex.EncodeToString(d[:])
}

// failing lets requests through that no fault is for. What the Hub calls
// ORG/NAME.git is one element of a path to the standard library's router.
func (s *Server) failing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, ".git/info/", "/info/", 1)
		f := s.fault(r)
		if f != nil && f.Late {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		switch {
		case f == nil:
			next.ServeHTTP(w, r)
		case f.Status == 0:
			if !f.Late { // it takes some of the body first
				_, _ = io.CopyN(io.Discard, r.Body, 64<<10)
			}
			panic(http.ErrAbortHandler)
		default:
			if f.RetryAfter != "" {
				w.Header().Set("Retry-After", f.RetryAfter)
			}
			problem(w, f.Status, "", "so it was told")
		}
	})
}

func (s *Server) fault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, r.Method+" "+r.URL.Path)
	for i := range s.opts.Faults {
		f := &s.opts.Faults[i]
		if !f.Match(r) {
			continue
		}
		s.faults[i]++
		if n := s.faults[i] - f.Skip; n > 0 && n <= max(1, f.Times) {
			return f
		}
	}
	return nil
}

// signed lets in whoever has a URL that the server gave out, and nobody who
// brings a token too: presigned URLs of S3 refuse those.
func signed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "":
			http.Error(w, "only one way to say who one is", http.StatusBadRequest)
		case r.URL.Query().Get("signature") != signature(r.URL.Path):
			http.Error(w, "not signed", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// signature stands in for what makes a URL secret.
func signature(path string) string { return sum([]byte("secret of the storage " + path)) }

func (s *Server) sign(path string) string {
	return s.storage.URL + path + "?signature=" + signature(path)
}

func problem(w http.ResponseWriter, status int, name, text string) {
	if name != "" {
		w.Header().Set("X-Error-Code", name)
		w.Header().Set("X-Error-Message", text)
	}
	answer(w, status, map[string]string{"error": text})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // whoever asked may be gone
}

// known refuses those who bring a token that is none, also where everybody may
// read.
func (s *Server) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token != "" && token != "Bearer "+s.opts.Token {
			problem(w, http.StatusUnauthorized, "", "Invalid credentials in Authorization header")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// writes says whether a request may write, and answers those that may not.
func (s *Server) writes(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Authorization") == "Bearer "+s.opts.Token {
		return true
	}
	problem(w, http.StatusUnauthorized, "", "Invalid username or password.")
	return false
}

// repo finds the repository of a request, with s.mu held, and answers where
// there is none.
func (s *Server) repo(w http.ResponseWriter, r *http.Request) (*repo, bool) {
	got := s.repos[r.PathValue("org")+"/"+r.PathValue("name")]
	if got == nil {
		problem(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
	}
	return got, got != nil
}

// read reads a body as JSON, and answers what is none.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(r.Body).Decode(into)
	if err != nil {
		problem(w, http.StatusBadRequest, "", err.Error())
	}
	return err == nil
}

// link is a page's address behind this one.
func (s *Server) link(r *http.Request, from int) string {
	q := url.Values{"recursive": {"true"}, "cursor": {strconv.Itoa(from)}}
	return "<" + s.hub.URL + r.URL.Path + "?" + q.Encode() + `>; rel="next"`
}
