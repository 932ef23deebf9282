package hubtest

import (
	"bufio"
	"crypto/md5" // the storage's ETags
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var ask struct{ Type, Name, Organization string }
	if !s.writes(w, r) || !read(w, r, &ask) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := ask.Organization + "/" + ask.Name
	switch {
	case ask.Type != "dataset" || ask.Name == "" || ask.Organization == "":
		problem(w, http.StatusBadRequest, "", "this server has datasets alone")
		return
	case s.repos[name] != nil:
		problem(w, http.StatusConflict, "", "You already created this dataset repo")
		return
	}
	made := &repo{map[string][]commit{}}
	made.add("main", map[string]file{".gitattributes": {content: []byte("*.parquet filter=lfs diff=lfs merge=lfs -text\n")}})
	s.repos[name] = made
	answer(w, http.StatusOK, map[string]string{"url": s.hub.URL + "/datasets/" + name, "id": name})
}

func (s *Server) branch(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, ok := s.repo(w, r)
	if !ok || !s.writes(w, r) {
		return
	}
	name := r.PathValue("rev")
	if len(got.branches[name]) > 0 {
		problem(w, http.StatusConflict, "", "Reference already exists")
		return
	}
	got.branches[name] = []commit{got.head("main")}
	answer(w, http.StatusOK, map[string]string{})
}

func (s *Server) revision(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.at(w, r); ok {
		answer(w, http.StatusOK, map[string]string{"sha": c.id})
	}
}

// at finds the commit of a request.
func (s *Server) at(w http.ResponseWriter, r *http.Request) (commit, bool) {
	got, ok := s.repo(w, r)
	if !ok {
		return commit{}, false
	}
	c, ok := got.find(r.PathValue("rev"))
	if !ok {
		problem(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+r.PathValue("rev"))
	}
	return c, ok
}

func (s *Server) tree(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.at(w, r)
	if !ok {
		return
	}
	var all []map[string]any
	folders := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if dir := path.Dir(name); dir != "." && !folders[dir] {
			folders[dir] = true
			all = append(all, map[string]any{"type": "directory", "path": dir, "oid": blobName([]byte(dir)), "size": 0})
		}
		f := c.files[name]
		entry := map[string]any{"type": "file", "path": name, "oid": blobName(f.content), "size": len(f.content)}
		if f.lfs != "" {
			pointer := fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", f.lfs, len(f.content))
			entry["oid"] = blobName([]byte(pointer))
			entry["lfs"] = map[string]any{"oid": f.lfs, "size": len(f.content), "pointerSize": len(pointer)}
		}
		all = append(all, entry)
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	from = max(0, min(from, len(all)))
	to := min(from+s.opts.Page, len(all))
	if to < len(all) {
		w.Header().Set("Link", s.link(r, to))
	}
	answer(w, http.StatusOK, all[from:to])
}

func (s *Server) preupload(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Files []struct {
			Path   string
			Size   int64
			Sample []byte
		}
	}
	if !s.writes(w, r) || !read(w, r, &ask) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.at(w, r); !ok {
		return
	}
	files := []map[string]any{}
	for _, f := range ask.Files {
		mode := "regular"
		if f.Size > s.opts.Small || strings.HasSuffix(f.Path, ".parquet") || !text(f.Sample) {
			mode = "lfs"
		}
		if int64(len(f.Sample)) != min(f.Size, 512) {
			problem(w, http.StatusBadRequest, "", "the sample of "+f.Path+" is not its beginning")
			return
		}
		files = append(files, map[string]any{"path": f.Path, "uploadMode": mode, "shouldIgnore": false})
	}
	answer(w, http.StatusOK, map[string]any{"files": files})
}

// text says whether the beginning of a file looks like text; its last letter
// may be cut.
func text(sample []byte) bool {
	for i := 0; i < 4 && len(sample) > 0 && !utf8.Valid(sample); i++ {
		sample = sample[:len(sample)-1]
	}
	return utf8.Valid(sample) && !slices.Contains(sample, 0)
}

// object is what clients say of a large file.
type object struct {
	OID  string `json:"oid"`
	Size int64  `json:"size"`
}

func (s *Server) batch(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Operation string
		Transfers []string
		HashAlgo  string `json:"hash_algo"`
		Objects   []object
	}
	if !s.writes(w, r) || !read(w, r, &ask) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.repo(w, r); !ok {
		return
	}
	if ask.Operation != "upload" || !slices.Contains([]string{"", "sha256", "sha_256"}, ask.HashAlgo) {
		problem(w, http.StatusUnprocessableEntity, "", "not what this server does")
		return
	}
	objects := []map[string]any{}
	for _, o := range ask.Objects {
		entry := map[string]any{"oid": o.OID, "size": o.Size}
		if s.objects[o.OID] == nil {
			verify := s.hub.URL + "/datasets/" + r.PathValue("org") + "/" + r.PathValue("name") + ".git/info/lfs/objects/verify"
			entry["authenticated"] = true
			entry["actions"] = map[string]any{"upload": s.upload(o, slices.Contains(ask.Transfers, "multipart")), "verify": map[string]any{"href": verify}}
		}
		objects = append(objects, entry)
	}
	transfer := "basic"
	if s.opts.Chunk > 0 && slices.Contains(ask.Transfers, "multipart") {
		transfer = "multipart"
	}
	w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
	_ = json.NewEncoder(w).Encode(map[string]any{"transfer": transfer, "objects": objects})
}

// upload says where a large file goes.
func (s *Server) upload(o object, multipart bool) map[string]any {
	if s.opts.Chunk == 0 || o.Size <= s.opts.Chunk || !multipart {
		return map[string]any{"href": s.sign("/objects/" + o.OID)}
	}
	header := map[string]string{"chunk_size": strconv.FormatInt(s.opts.Chunk, 10)}
	parts := int((o.Size + s.opts.Chunk - 1) / s.opts.Chunk)
	for n := 1; n <= parts; n++ {
		header[fmt.Sprintf("%0*d", len(strconv.Itoa(parts)), n)] = s.sign(fmt.Sprintf("/parts/%s/%d", o.OID, n))
	}
	return map[string]any{"href": s.hub.URL + "/api/complete_multipart?oid=" + o.OID, "header": header}
}

func (s *Server) putObject(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return // it was cut
	}
	if oid := r.PathValue("oid"); sum(b) != oid || r.ContentLength != int64(len(b)) {
		http.Error(w, "the content is not "+oid, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[r.PathValue("oid")] = b
}

func (s *Server) putPart(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	n, nerr := strconv.Atoi(r.PathValue("n"))
	if err != nil || nerr != nil || int64(len(b)) > s.opts.Chunk {
		http.Error(w, "not a part", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	oid := r.PathValue("oid")
	if s.uploads[oid] == nil {
		s.uploads[oid] = map[int][]byte{}
	}
	s.uploads[oid][n] = b
	w.Header().Set("ETag", etag(b))
}

func etag(b []byte) string {
	d := md5.Sum(b) // #nosec G401
	return `"` + hex.EncodeToString(d[:]) + `"`
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		OID   string
		Parts []struct {
			PartNumber int
			ETag       string
		}
	}
	if !read(w, r, &ask) { // as on the Hub, the URL is enough
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var whole []byte
	for i, p := range ask.Parts {
		b, ok := s.uploads[ask.OID][p.PartNumber]
		if !ok || p.PartNumber != i+1 || p.ETag != etag(b) {
			problem(w, http.StatusBadRequest, "", fmt.Sprintf("part %d is not there", p.PartNumber))
			return
		}
		whole = append(whole, b...)
	}
	if sum(whole) != ask.OID || r.URL.Query().Get("oid") != ask.OID {
		problem(w, http.StatusBadRequest, "", "the parts are not "+ask.OID)
		return
	}
	s.objects[ask.OID] = whole
	answer(w, http.StatusOK, map[string]string{})
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) {
	var o object
	if !s.writes(w, r) || !read(w, r, &o) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.objects[o.OID]; !ok || int64(len(b)) != o.Size {
		problem(w, http.StatusNotFound, "", "there is no such object")
		return
	}
	answer(w, http.StatusOK, map[string]string{})
}

// operation is a line of a commit.
type operation struct {
	Key   string
	Value struct {
		Summary, ParentCommit   string
		Path, Encoding, Content string
		Algo, OID               string
		Size                    *int64
	}
}

func (s *Server) commit(w http.ResponseWriter, r *http.Request) {
	if !s.writes(w, r) {
		return
	}
	if r.Header.Get("Content-Type") != "application/x-ndjson" {
		problem(w, http.StatusUnsupportedMediaType, "", "commits are JSON lines")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it was cut
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	got, ok := s.repo(w, r)
	rev := r.PathValue("rev")
	if !ok {
		return
	}
	if len(got.branches[rev]) == 0 {
		problem(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+rev)
		return
	}
	head := got.head(rev)
	files := maps.Clone(head.files)
	lines := bufio.NewScanner(strings.NewReader(string(body)))
	lines.Buffer(nil, len(body)+1)
	for n := 0; lines.Scan(); n++ {
		var op operation
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			problem(w, http.StatusBadRequest, "", err.Error())
			return
		}
		if n == 0 && (op.Key != "header" || op.Value.Summary == "") {
			problem(w, http.StatusBadRequest, "", "the first line is no header with a summary")
			return
		}
		if n == 0 && op.Value.ParentCommit != "" && op.Value.ParentCommit != head.id {
			problem(w, http.StatusPreconditionFailed, "", "A commit has happened since. Please refresh and try again.")
			return
		}
		if err := s.apply(op, files); n > 0 && err != nil {
			problem(w, http.StatusBadRequest, "", err.Error())
			return
		}
	}
	id := got.add(rev, files)
	answer(w, http.StatusOK, map[string]any{"success": true, "commitOid": id, "commitUrl": s.hub.URL + "/datasets/commit/" + id, "hookOutput": ""})
}

// apply does one operation of a commit on the files.
func (s *Server) apply(op operation, files map[string]file) error {
	v := op.Value
	switch op.Key {
	case "file":
		content := []byte(v.Content)
		if v.Encoding == "base64" {
			var err error
			if content, err = base64.StdEncoding.DecodeString(v.Content); err != nil {
				return err
			}
		}
		files[v.Path] = file{content: content}
	case "lfsFile":
		b, ok := s.objects[v.OID]
		if !ok || v.Algo != "sha256" || v.Size != nil && *v.Size != int64(len(b)) {
			return fmt.Errorf("your push was rejected because it contains files that were not uploaded: %s", v.Path)
		}
		files[v.Path] = file{b, v.OID}
	case "deletedFile":
		if _, ok := files[v.Path]; !ok {
			return fmt.Errorf("there is no %s", v.Path)
		}
		delete(files, v.Path)
	default:
		return fmt.Errorf("%q is no operation", op.Key)
	}
	return nil
}
