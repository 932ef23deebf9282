package push

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Bounds of the Hub's calls.
const (
	perCall     = 100      // files in one
	sampleSize  = 512      // bytes of a file from which the Hub tells what it is
	maxSmall    = 64 << 20 // of a file that goes into a commit
	maxParts    = 10_000
	lfsType     = "application/vnd.git-lfs+json"
	lfsMode     = "lfs"
	regularMode = "regular"
)

// modes asks which files are large, and which go into the commit.
func (h *hub) modes(ctx context.Context, files []local) (large, small []local, err error) {
	type entry struct {
		Path   string `json:"path"`
		Size   int64  `json:"size"`
		Sample []byte `json:"sample"` // as base64
	}
	for chunk := range slices.Chunk(files, perCall) {
		var ask struct {
			Files []entry `json:"files"`
		}
		byPath := map[string]local{}
		for _, f := range chunk {
			sample, err := f.sample()
			if err != nil {
				return nil, nil, err
			}
			ask.Files = append(ask.Files, entry{f.Path, f.Size, sample})
			byPath[f.Path] = f
		}
		req, err := request{method: http.MethodPost, url: h.api("preupload", h.rev), what: "asking how files are sent", token: true}.jsonBody("application/json", ask)
		if err != nil {
			return nil, nil, err
		}
		got, err := h.do(ctx, req)
		if err != nil {
			return nil, nil, err
		}
		var answer struct {
			Files []struct {
				Path         string `json:"path"`
				UploadMode   string `json:"uploadMode"`
				ShouldIgnore bool   `json:"shouldIgnore"`
			} `json:"files"`
		}
		if err := json.Unmarshal(got.body, &answer); err != nil {
			return nil, nil, fmt.Errorf("asking how files are sent: %w", err)
		}
		for _, a := range answer.Files {
			f, ok := byPath[a.Path]
			delete(byPath, a.Path)
			switch {
			case !ok:
			case a.ShouldIgnore:
				return nil, nil, fmt.Errorf("a .gitignore in %s leaves out %s: take it out of there", h.repo, f.Path)
			case a.UploadMode == lfsMode:
				large = append(large, f)
			case a.UploadMode == regularMode && f.Size <= maxSmall:
				small = append(small, f)
			default:
				return nil, nil, fmt.Errorf("the server wants %s sent as %q, which is not known", f.Path, a.UploadMode)
			}
		}
		if len(byPath) > 0 {
			return nil, nil, errors.New("the server does not say how all files are to be sent")
		}
	}
	return large, small, nil
}

func (f local) sample() ([]byte, error) {
	file, _, err := f.folder.OpenFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, sampleSize))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return b, nil
}

// lfsObject is what the large file storage says of a file.
type lfsObject struct {
	OID     string `json:"oid"`
	Size    int64  `json:"size"`
	Actions struct {
		Upload *lfsAction `json:"upload"`
		Verify *lfsAction `json:"verify"`
	} `json:"actions"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

type lfsAction struct {
	Href   string            `json:"href"`
	Header map[string]string `json:"header"`
}

// maxRounds bounds how often the storage is asked anew where to put files, as
// its URLs expire.
const maxRounds = 3

// uploadAll brings large files into the storage. Those that it has are not sent.
func (h *hub) uploadAll(ctx context.Context, files []local) error {
	for chunk := range slices.Chunk(files, perCall) {
		for n := 1; ; n++ {
			err := h.upload(ctx, chunk)
			if err == nil {
				break
			}
			if n == maxRounds || !isStatus(err, http.StatusForbidden, http.StatusBadRequest, http.StatusNotFound, http.StatusGone) {
				return err
			}
			h.retried()
		}
	}
	return nil
}

// upload asks where files go and sends them, a few at a time.
func (h *hub) upload(ctx context.Context, files []local) error {
	objects, err := h.batch(ctx, files)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, f := range files {
		o, ok := objects[f.SHA256]
		switch {
		case !ok:
			return fmt.Errorf("the server does not say where %s goes", f.Path)
		case o.Error != nil:
			return fmt.Errorf("the server does not take %s: %s (code %d)", f.Path, h.hide(o.Error.Message), o.Error.Code)
		case o.Actions.Upload == nil:
			continue // it is there
		}
		delete(objects, f.SHA256) // of two equal files one is sent
		objects[f.SHA256] = lfsObject{OID: o.OID}
		g.Go(func() error { return h.send(ctx, f, o) })
	}
	return g.Wait()
}

func (h *hub) hide(text string) string {
	if h.token == "" {
		return text
	}
	return strings.ReplaceAll(text, h.token, "(the token)")
}

// batch asks the storage about files.
func (h *hub) batch(ctx context.Context, files []local) (map[string]lfsObject, error) {
	type object struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	}
	ask := map[string]any{"operation": "upload", "transfers": []string{"basic", "multipart"}, "hash_algo": "sha256"}
	var objects []object
	for _, f := range files {
		if o := (object{f.SHA256, f.Size}); !slices.Contains(objects, o) {
			objects = append(objects, o)
		}
	}
	ask["objects"] = objects
	if !strings.HasPrefix(h.rev, "refs/") {
		ask["ref"] = map[string]string{"name": h.rev}
	}
	where := h.endpoint.String() + "/datasets/" + h.repo + ".git/info/lfs/objects/batch"
	req, err := request{method: http.MethodPost, url: where, what: "asking where large files go", token: true}.jsonBody(lfsType, ask)
	if err != nil {
		return nil, err
	}
	got, err := h.do(ctx, req)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Objects []lfsObject `json:"objects"`
	}
	if err := json.Unmarshal(got.body, &answer); err != nil {
		return nil, fmt.Errorf("asking where large files go: %w", err)
	}
	byOID := map[string]lfsObject{}
	for _, o := range answer.Objects {
		byOID[o.OID] = o
	}
	return byOID, nil
}

// send puts one file into the storage.
func (h *hub) send(ctx context.Context, f local, o lfsObject) error {
	h.opts.Notify(f.Path)
	file, _, err := f.folder.OpenFile(f.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	defer file.Close()
	up := o.Actions.Upload
	if size, ok := up.Header["chunk_size"]; ok {
		err = h.parts(ctx, f, file, up, size)
	} else {
		_, err = h.put(ctx, up.Href, "sending "+f.Path, up.Header, io.NewSectionReader(file, 0, f.Size))
	}
	if err != nil || o.Actions.Verify == nil {
		return err
	}
	req, err := request{method: http.MethodPost, url: o.Actions.Verify.Href, what: "having " + f.Path + " checked"}.
		jsonBody(lfsType, map[string]any{"oid": f.SHA256, "size": f.Size})
	if err != nil {
		return err
	}
	if req.token, err = h.trusted(req.url); err != nil {
		return err
	}
	for k, v := range o.Actions.Verify.Header {
		req.header[k] = v
	}
	_, err = h.do(ctx, req)
	return err
}

// trusted says whether a URL that the server gave is its own, which gets the
// token. Nothing is sent to one without TLS.
func (h *hub) trusted(text string) (bool, error) {
	u, err := url.Parse(text)
	if err == nil {
		err = protected(u)
	}
	if err != nil {
		return false, errors.New("the server names a place for files that is no URL with TLS")
	}
	return u.Host == h.endpoint.Host && u.Scheme == h.endpoint.Scheme, nil
}

// put sends bytes to a URL that the server gave, without the token: what such a
// URL needs stands in it.
func (h *hub) put(ctx context.Context, to, what string, header map[string]string, from *io.SectionReader) (*reply, error) {
	if _, err := h.trusted(to); err != nil {
		return nil, err
	}
	return h.do(ctx, request{
		method: http.MethodPut, url: to, what: what, header: header, size: from.Size(),
		body: func() io.Reader { return &fileReader{io.NewSectionReader(from, 0, from.Size())} },
	})
}

// fileReader marks the errors of a file, which come again.
type fileReader struct{ r io.Reader }

func (f *fileReader) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && err != io.EOF {
		err = &localError{err}
	}
	return n, err
}

// parts sends a file in as many parts as the server wants.
func (h *hub) parts(ctx context.Context, f local, file io.ReaderAt, up *lfsAction, chunkSize string) error {
	chunk, err := strconv.ParseInt(chunkSize, 10, 64)
	if err != nil || chunk <= 0 {
		return fmt.Errorf("the server wants %s in parts of %q bytes", f.Path, chunkSize)
	}
	n := (f.Size + chunk - 1) / chunk
	if n > maxParts {
		return fmt.Errorf("the server wants %s in %d parts", f.Path, n)
	}
	type part struct {
		Number int    `json:"partNumber"`
		ETag   string `json:"etag"`
	}
	done := make([]part, n)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range done {
		to, ok := partURL(up.Header, i+1)
		if !ok {
			return errors.Join(fmt.Errorf("the server does not say where part %d of %s goes", i+1, f.Path), g.Wait())
		}
		g.Go(func() error {
			at := int64(i) * chunk
			got, err := h.put(gctx, to, fmt.Sprintf("sending part %d of %s", i+1, f.Path), nil, io.NewSectionReader(file, at, min(chunk, f.Size-at)))
			if err != nil {
				return err
			}
			if done[i] = (part{i + 1, got.header.Get("ETag")}); done[i].ETag == "" {
				return fmt.Errorf("the server does not say what it made of part %d of %s", i+1, f.Path)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	req, err := request{method: http.MethodPost, url: up.Href, what: "putting together " + f.Path}.
		jsonBody(lfsType, map[string]any{"oid": f.SHA256, "parts": done})
	if err != nil {
		return err
	}
	if req.token, err = h.trusted(up.Href); err != nil {
		return err
	}
	_, err = h.do(ctx, req)
	return err
}

// partURL finds the URL of a part: servers write the numbers with and without
// zeros before them.
func partURL(header map[string]string, n int) (string, bool) {
	if to, ok := header[strconv.Itoa(n)]; ok {
		return to, true
	}
	for width := 2; width <= 6; width++ {
		if to, ok := header[fmt.Sprintf("%0*d", width, n)]; ok {
			return to, true
		}
	}
	return "", false
}

// commit makes the one commit that has all that changed.
func (h *hub) commit(ctx context.Context, parent string, small, large []local, r *Report) (string, error) {
	spool, err := os.CreateTemp("", "autosafe-push-")
	if err != nil {
		return "", err
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	if err := h.writeCommit(spool, parent, small, large, r); err != nil {
		return "", err
	}
	size, err := spool.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	got, err := h.do(ctx, request{
		method: http.MethodPost, url: h.api("commit", h.rev), what: "committing to " + h.repo, token: true,
		header: map[string]string{"Content-Type": "application/x-ndjson", "Accept": "application/json"},
		body:   func() io.Reader { return &fileReader{io.NewSectionReader(spool, 0, size)} }, size: size,
	})
	if err != nil {
		return "", err
	}
	var answer struct {
		CommitOID string `json:"commitOid"`
	}
	if err := json.Unmarshal(got.body, &answer); err != nil || answer.CommitOID == "" {
		return "", errors.New("the server does not name the commit that it made; push again to see whether it did")
	}
	return answer.CommitOID, nil
}

// writeCommit writes a commit as the Hub wants it: a line for what it is, and
// one for each file.
func (h *hub) writeCommit(to io.Writer, parent string, small, large []local, r *Report) error {
	out := bufio.NewWriter(to)
	enc := json.NewEncoder(out)
	line := func(key string, value map[string]any) error {
		return enc.Encode(map[string]any{"key": key, "value": value})
	}
	message := h.opts.Message
	if message == "" {
		message = "Publish with autosafe"
	}
	if err := line("header", map[string]any{"summary": message, "description": "", "parentCommit": parent}); err != nil {
		return err
	}
	for _, f := range small {
		h.opts.Notify(f.Path)
		b, err := f.folder.Read(f.Path, maxSmall)
		if err == nil && hexSum(b) != f.SHA256 {
			err = errChanged
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if err := line("file", map[string]any{"path": f.Path, "encoding": "base64", "content": base64.StdEncoding.EncodeToString(b)}); err != nil {
			return err
		}
	}
	for _, f := range large {
		if err := line("lfsFile", map[string]any{"path": f.Path, "algo": "sha256", "oid": f.SHA256, "size": f.Size}); err != nil {
			return err
		}
	}
	for _, c := range r.Files {
		if c.Action == Delete {
			if err := line("deletedFile", map[string]any{"path": c.Path}); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// errChanged is the error of files that somebody writes to meanwhile.
var errChanged = errors.New("it was changed while it was pushed: build, and push again")

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
