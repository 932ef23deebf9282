package push

import (
	"cmp"
	"context"
	"crypto/sha1" // git's names of blobs, which nobody's safety rests on
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/verify"
)

// publicHub is the endpoint where nothing else is said.
const publicHub = "https://huggingface.co"

// hub is a dataset repository of a server that speaks the Hub's protocol: files
// that are new or changed go one by one into its large file storage, under
// their SHA-256, or, small texts, into the commit itself; the commit then has
// all of them at once, or none.
type hub struct {
	*web
	opts     *Options
	endpoint *url.URL
	repo     string // ORG/NAME
	rev      string
	token    string
}

func newHub(rest string, o *Options, r *Report) (*hub, error) {
	path, rev, ok := strings.Cut(rest, "@")
	if !ok {
		rev = "main"
	}
	path = strings.TrimPrefix(path, "datasets/")
	org, name, _ := strings.Cut(path, "/")
	if !hubName(org) || !hubName(name) || !revision(rev) {
		return nil, fmt.Errorf("%q is no dataset repository: write hf://datasets/ORG/NAME, and behind it @BRANCH if it is another than main", "hf://"+rest)
	}
	h := &hub{opts: o, repo: path, rev: rev, token: o.Getenv("HF_TOKEN")}
	text := cmp.Or(o.Endpoint, o.Getenv("HF_ENDPOINT"), publicHub)
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the endpoint is no URL such as " + publicHub + "; it takes no user and no password")
	}
	if err := protected(u); err != nil {
		return nil, fmt.Errorf("the endpoint: %w", err)
	}
	h.endpoint = u
	h.web = newWeb(o, h.token, r.retried)
	if h.token == "" && !o.DryRun {
		return nil, credentialsError{errors.New("there is no token: put one that may write into the environment variable HF_TOKEN")}
	}
	return h, nil
}

// hubName says whether the Hub would take a name.
func hubName(s string) bool {
	bad := s == "" || len(s) > 96 || strings.Contains(s, "..") || strings.Contains(s, "--") || strings.Trim(s, "-.") != s
	for _, r := range s {
		bad = bad || !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._", r))
	}
	return !bad
}

func revision(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsAny(s, " ~^:?*[\\@#%\x7f") && !strings.Contains(s, "..") && s == strings.ToValidUTF8(s, "") &&
		strings.IndexFunc(s, func(r rune) bool { return r < ' ' }) < 0
}

// api is the URL of a call about the repository.
func (h *hub) api(parts ...string) string {
	u := h.endpoint.String() + "/api/datasets/" + h.repo
	for _, p := range parts {
		u += "/" + url.PathEscape(p)
	}
	return u
}

// maxConflicts bounds how often a push is done again since somebody else has
// committed in between.
const maxConflicts = 4

func (h *hub) push(ctx context.Context, files []local, r *Report) error {
	r.URL = h.endpoint.String() + "/datasets/" + h.repo
	for n := 1; ; n++ {
		err := h.attempt(ctx, files, r)
		if !isStatus(err, http.StatusConflict, http.StatusPreconditionFailed) || n == maxConflicts {
			return err
		}
		r.retried()
	}
}

// retried counts a request that was made again. Files are sent at once.
func (r *Report) retried() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Retries++
}

// attempt compares what is there and commits what differs.
func (h *hub) attempt(ctx context.Context, files []local, r *Report) error {
	there, err := h.look(ctx, r)
	if err != nil {
		return err
	}
	r.Commit = there.head
	changed, err := h.compare(ctx, files, there, r)
	if err != nil || h.opts.DryRun || len(changed) == 0 && !slices.ContainsFunc(r.Files, func(c Change) bool { return c.Action == Delete }) {
		return err
	}
	large, small, err := h.modes(ctx, changed)
	if err != nil {
		return err
	}
	if err := h.uploadAll(ctx, large); err != nil {
		return err
	}
	if r.Commit, err = h.commit(ctx, there.head, small, large, r); err != nil {
		return err
	}
	return h.confirm(ctx, files, r.Commit)
}

// remote is what a revision of the repository has.
type remote struct {
	head  string // commit; "" if there is none
	files map[string]treeEntry
}

// treeEntry is a file as the Hub lists it.
type treeEntry struct {
	Type string `json:"type"`
	Path string `json:"path"`
	OID  string `json:"oid"` // of git
	Size int64  `json:"size"`
	LFS  *struct {
		OID  string `json:"oid"` // SHA-256
		Size int64  `json:"size"`
	} `json:"lfs"`
}

// look finds out what is there, and makes the repository and the branch where
// there is none.
func (h *hub) look(ctx context.Context, r *Report) (*remote, error) {
	head, err := h.head(ctx)
	var s *statusError
	switch {
	case !missing(err):
	case h.opts.DryRun:
		r.Created = true
		return &remote{}, nil
	case errors.As(err, &s) && s.name == "RevisionNotFound":
		if err = h.branch(ctx); err == nil {
			head, err = h.head(ctx)
		}
	default:
		if err = h.create(ctx, r); err == nil {
			head, err = h.head(ctx)
		}
	}
	if isStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
		return nil, fmt.Errorf("%w. HF_TOKEN must be a token that may write to %s", err, h.repo)
	}
	if err != nil {
		return nil, err
	}
	there, err := h.tree(ctx, head)
	return &remote{head, there}, err
}

// missing says whether an error means that there is no such repository, or none
// that one may see. Of those the Hub says 401, as of tokens that it does not
// know, which it names.
func missing(err error) bool {
	var s *statusError
	return isStatus(err, http.StatusNotFound) ||
		isStatus(err, http.StatusUnauthorized) && errors.As(err, &s) && !strings.Contains(s.says, "Invalid credentials")
}

func (h *hub) head(ctx context.Context) (string, error) {
	got, err := h.do(ctx, request{method: http.MethodGet, url: h.api("revision", h.rev), what: "looking for " + h.repo, token: true})
	if err != nil {
		return "", err
	}
	var info struct{ SHA string }
	if err := json.Unmarshal(got.body, &info); err != nil || info.SHA == "" {
		return "", fmt.Errorf("the server at %s names no commit of %s: it does not speak the Hub's protocol", h.endpoint.Host, h.repo)
	}
	return info.SHA, nil
}

func (h *hub) create(ctx context.Context, r *Report) error {
	org, name, _ := strings.Cut(h.repo, "/")
	req, err := request{method: http.MethodPost, url: h.endpoint.String() + "/api/repos/create", what: "making the repository " + h.repo, token: true}.
		jsonBody("application/json", map[string]any{"type": "dataset", "organization": org, "name": name, "private": h.opts.Private})
	if err != nil {
		return err
	}
	if _, err = h.do(ctx, req); isStatus(err, http.StatusConflict) { // somebody was quicker
		err = nil
	}
	r.Created = err == nil
	if err == nil && h.rev != "main" {
		return h.branch(ctx)
	}
	return err
}

func (h *hub) branch(ctx context.Context) error {
	if strings.HasPrefix(h.rev, "refs/") {
		return fmt.Errorf("%s has no %s: only branches are made", h.repo, h.rev)
	}
	req, err := request{method: http.MethodPost, url: h.api("branch", h.rev), what: "making the branch " + h.rev, token: true}.
		jsonBody("application/json", map[string]any{})
	if err != nil {
		return err
	}
	if _, err = h.do(ctx, req); isStatus(err, http.StatusConflict) {
		err = nil
	}
	return err
}

// maxPages bounds how many pages a list of files has.
const maxPages = 1000

// tree lists the files of a commit.
func (h *hub) tree(ctx context.Context, commit string) (map[string]treeEntry, error) {
	files := map[string]treeEntry{}
	next := h.api("tree", commit) + "?recursive=true"
	for range maxPages {
		got, err := h.do(ctx, request{method: http.MethodGet, url: next, what: "listing the files of " + h.repo, token: true})
		if err != nil {
			return nil, err
		}
		var page []treeEntry
		if err := json.Unmarshal(got.body, &page); err != nil {
			return nil, fmt.Errorf("listing the files of %s: %w", h.repo, err)
		}
		for _, f := range page {
			if f.Type == "file" {
				files[f.Path] = f
			}
		}
		link := nextPage(got.header.Get("Link"))
		if link == "" {
			return files, nil
		}
		u, err := h.endpoint.Parse(link)
		if err != nil || u.Host != h.endpoint.Host || u.Scheme != h.endpoint.Scheme { // the token goes there
			return nil, fmt.Errorf("listing the files of %s: the next page is on another server", h.repo)
		}
		next = u.String()
	}
	return nil, fmt.Errorf("listing the files of %s: the list does not end", h.repo)
}

// nextPage reads a Link header.
func nextPage(header string) string {
	for _, link := range strings.Split(header, ",") {
		target, params, _ := strings.Cut(link, ";")
		target = strings.TrimSpace(target)
		if strings.Contains(params, `rel="next"`) && strings.HasPrefix(target, "<") && strings.HasSuffix(target, ">") {
			return target[1 : len(target)-1]
		}
	}
	return ""
}

// compare says what becomes of each file.
func (h *hub) compare(ctx context.Context, files []local, there *remote, r *Report) ([]local, error) {
	r.Files = r.Files[:0]
	var changed []local
	for _, f := range files {
		same, err := f.equals(ctx, there.files[f.Path])
		if err != nil {
			return nil, err
		}
		action := Same
		if !same {
			action = Upload
			changed = append(changed, f)
		}
		r.Files = append(r.Files, Change{f.File, action})
	}
	if !h.opts.Delete {
		return changed, nil
	}
	own := map[string]bool{".gitattributes": true} // the Hub's, which says what is large
	for _, f := range files {
		own[f.Path] = true
	}
	for name, f := range there.files {
		if !own[name] {
			r.Files = append(r.Files, Change{verify.File{Path: name, Size: f.Size}, Delete})
		}
	}
	return changed, nil
}

// equals says whether the file is what the Hub has under its name.
func (f local) equals(ctx context.Context, there treeEntry) (bool, error) {
	switch {
	case there.Path == "":
		return false, nil
	case there.LFS != nil:
		return there.LFS.OID == f.SHA256 && there.LFS.Size == f.Size, nil
	case there.Size != f.Size:
		return false, nil
	}
	oid, err := f.blobName(ctx)
	return oid == there.OID, err
}

// blobName is git's name of the file's content.
func (f local) blobName(ctx context.Context) (string, error) {
	h := sha1.New() // #nosec G401
	fmt.Fprintf(h, "blob %d\x00", f.Size)
	file, _, err := f.folder.OpenFile(f.Path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Path, err)
	}
	defer file.Close()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("%s: %w", f.Path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), ctx.Err()
}

// confirm holds what was committed to the folder.
func (h *hub) confirm(ctx context.Context, files []local, commit string) error {
	there, err := h.tree(ctx, commit)
	if err != nil {
		return fmt.Errorf("committed as %s, but not looked at: %w", commit, err)
	}
	for _, f := range files {
		if same, err := f.equals(ctx, there[f.Path]); err != nil || !same {
			return errors.Join(fmt.Errorf("committed as %s, but %s there is not the one of the folder: push again, or tell whoever runs the server", commit, f.Path), err)
		}
	}
	return nil
}
