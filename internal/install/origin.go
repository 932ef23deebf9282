package install

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"
)

// origin is a place where releases are.
type origin interface {
	// versions lists the versions of a source, fs.ErrNotExist where the place
	// does not know it.
	versions(ctx context.Context, source string) ([]offer, error)
	// open opens a file of a release, fs.ErrNotExist where it is not there.
	open(ctx context.Context, source string, o offer, file string) (io.ReadCloser, error)
}

// offer is a version that a place has.
type offer struct {
	version   *version.Version
	protocols []int             // of the plugin; nil: the place does not say
	tag       string            // of the release, if the place has tags
	base      string            // URL of the files, if they are elsewhere
	assets    map[string]string // URLs of the API by file, if the place lists them
}

// Bounds of what places list.
const (
	maxIndex = 4 << 20
	maxPages = 20
)

// semver reads a version that is written in full, with or without a v before it.
func semver(text string) (*version.Version, bool) {
	text = strings.TrimPrefix(text, "v")
	v, err := version.NewSemver(text)
	if err != nil || v.String() != text {
		return nil, false
	}
	return v, true
}

// indexName is the list of a source's versions, in registries and mirrors.
const indexName = "index.json"

// indexFormat is the version of the list's form.
const indexFormat = 1

// index is the list of a source's versions.
type index struct {
	Format   int                     `json:"format"`
	Versions map[string]indexVersion `json:"versions"`
}

type indexVersion struct {
	// Protocols are the major versions of the plugin protocol.
	Protocols []int `json:"protocols,omitempty"`
	// URL is where the release's files are, in registries alone. Without it
	// they are in a folder beside the index, named after the version.
	URL string `json:"url,omitempty"`
}

func readIndex(src []byte) (*index, error) {
	var x index
	if err := json.Unmarshal(src, &x); err != nil {
		return nil, fmt.Errorf("%s: %w", indexName, err)
	}
	if x.Format != indexFormat {
		return nil, fmt.Errorf("%s has format %d; this autosafe reads %d", indexName, x.Format, indexFormat)
	}
	return &x, nil
}

func (x *index) offers() []offer {
	var list []offer
	for text, v := range x.Versions {
		if parsed, ok := semver(text); ok {
			list = append(list, offer{version: parsed, protocols: v.Protocols, tag: text, base: v.URL})
		}
	}
	return newestFirst(list)
}

func newestFirst(list []offer) []offer {
	slices.SortFunc(list, func(a, b offer) int {
		return cmp.Or(b.version.Compare(a.version), cmp.Compare(b.tag, a.tag))
	})
	return list
}

// static is a registry or a mirror behind a web server that only serves files.
type static struct {
	web    *web
	base   *url.URL
	token  string
	limits Limits
	mirror bool // it has the files itself
}

func (s *static) versions(ctx context.Context, source string) ([]offer, error) {
	u := s.base.JoinPath(source, indexName)
	src, err := small(ctx, s.limits, maxIndex, func(ctx context.Context) (io.ReadCloser, error) {
		return s.web.get(ctx, u, s.token, "")
	})
	if err != nil {
		return nil, err
	}
	x, err := readIndex(src)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
	}
	list := x.offers()
	for i := range list {
		if s.mirror {
			list[i].base = ""
		}
		if list[i].base == "" {
			continue
		}
		u, err := parseURL(list[i].base)
		if err != nil {
			return nil, fmt.Errorf("%s: the url of %s: %w", s.base.Redacted(), list[i].tag, err)
		}
		list[i].base = u.String()
	}
	return list, nil
}

func (s *static) open(ctx context.Context, source string, o offer, file string) (io.ReadCloser, error) {
	if o.base == "" {
		return s.web.get(ctx, s.base.JoinPath(source, o.tag, file), s.token, "")
	}
	u, err := url.Parse(o.base)
	if err != nil {
		return nil, err
	}
	token := ""
	if u.Host == s.base.Host {
		token = s.token
	}
	return s.web.get(ctx, u.JoinPath(file), token, "")
}

// folder is a mirror in a folder.
type folder struct{ dir string }

func (f *folder) versions(_ context.Context, source string) ([]offer, error) {
	// A folder that is not there is not one that lacks the plugin: it is a disk
	// that is not mounted, and the next place must not stand in for it.
	if info, err := os.Stat(f.dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("there is no folder %s. Mount it, or change it in the configuration", f.dir)
	}
	base := filepath.Join(f.dir, filepath.FromSlash(source))
	src, err := readBounded(filepath.Join(base, indexName))
	if err == nil {
		x, err := readIndex(src)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", base, err)
		}
		return x.offers(), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries, err := os.ReadDir(base) // one that was put together by hand
	if err != nil {
		return nil, err
	}
	var list []offer
	for _, e := range entries {
		if v, ok := semver(e.Name()); ok && e.IsDir() {
			list = append(list, offer{version: v, tag: e.Name()})
		}
	}
	return newestFirst(list), nil
}

func readBounded(path string) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err == nil && len(src) > maxIndex {
		err = fmt.Errorf("%s: %w", path, errTooLarge)
	}
	return src, err
}

func (f *folder) open(_ context.Context, source string, o offer, file string) (io.ReadCloser, error) {
	return openRegular(filepath.Join(f.dir, filepath.FromSlash(source), o.tag, file))
}

func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path) // before it is opened: a pipe would have us wait
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.Open(path)
}
