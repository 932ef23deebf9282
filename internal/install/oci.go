package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// oci is an OCI registry. A source's repository has the source's own path below
// the prefix, a version is a tag, and its manifest lists the release's files,
// each as a layer with its name, as oras push makes it. So a client fetches just
// the files that it needs, for whatever platform.
type oci struct {
	prefix string // host and path
	client *auth.Client
	limits Limits

	mu        sync.Mutex
	manifests map[string]*ocispec.Manifest // by repository and tag: registries count how often they are asked for one
}

func newOCI(prefix string, client *http.Client, userAgent string, limits Limits) *oci {
	c := &auth.Client{Client: client, Header: http.Header{"User-Agent": {userAgent}}, Cache: auth.NewCache()}
	if store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{}); err == nil {
		c.Credential = credentials.Credential(store)
	}
	return &oci{prefix: strings.TrimSuffix(prefix, "/"), client: c, limits: limits, manifests: map[string]*ocispec.Manifest{}}
}

func (o *oci) repository(source string) (*remote.Repository, error) {
	if strings.ToLower(source) != source {
		return nil, fmt.Errorf("%s cannot be in an OCI registry, whose names have no capital letters", source)
	}
	repo, err := remote.NewRepository(o.prefix + "/" + source)
	if err != nil {
		return nil, err
	}
	repo.Client, repo.TagListMaxPages, repo.MaxMetadataBytes = o.client, maxPages, maxIndex
	host, _, _ := strings.Cut(repo.Reference.Registry, ":")
	if strings.HasPrefix(repo.Reference.Registry, "[::1]") {
		host = "::1"
	}
	repo.PlainHTTP = isLoopback(host)
	return repo, nil
}

// tagOf is the tag of a version: a tag has no plus sign.
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }

func (o *oci) versions(ctx context.Context, source string) ([]offer, error) {
	repo, err := o.repository(source)
	if err != nil {
		return nil, err
	}
	var list []offer
	err = again(ctx, o.limits, func() error {
		ctx, cancel := context.WithTimeout(ctx, o.limits.Small)
		defer cancel()
		list = nil
		return ociError(repo.Tags(ctx, "", func(tags []string) error {
			for _, tag := range tags {
				if v, ok := semver(strings.Replace(tag, "_", "+", 1)); ok {
					list = append(list, offer{version: v, tag: tag})
				}
			}
			return nil
		}))
	})
	return newestFirst(list), err
}

func (o *oci) open(ctx context.Context, source string, of offer, file string) (io.ReadCloser, error) {
	repo, err := o.repository(source)
	if err != nil {
		return nil, err
	}
	m, err := o.manifest(ctx, repo, of.tag)
	if err != nil {
		return nil, err
	}
	for _, layer := range m.Layers {
		if layer.Annotations[ocispec.AnnotationTitle] == file {
			body, err := repo.Blobs().Fetch(ctx, layer)
			return body, ociError(err)
		}
	}
	return nil, fmt.Errorf("%s:%s has no file %s: %w", repo.Reference.Repository, of.tag, file, fs.ErrNotExist)
}

// manifest gives the manifest of a tag.
func (o *oci) manifest(ctx context.Context, repo *remote.Repository, tag string) (*ocispec.Manifest, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := repo.Reference.Repository + ":" + tag
	if m := o.manifests[name]; m != nil {
		return m, nil
	}
	_, body, err := repo.FetchReference(ctx, tag)
	if err != nil {
		return nil, ociError(err)
	}
	src, err := io.ReadAll(io.LimitReader(body, maxIndex))
	_ = body.Close()
	if err != nil {
		return nil, ociError(err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(src, &m); err != nil {
		return nil, fmt.Errorf("the manifest of %s: %w", name, err)
	}
	o.manifests[name] = &m
	return &m, nil
}

// ociError tells what is not there, and what may pass.
func ociError(err error) error {
	var resp *errcode.ErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errdef.ErrNotFound):
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return errors.New("the registry wants a login. Log in with oras login or docker login")
	case errors.As(err, &resp):
		says := fmt.Errorf("%s%s: the registry says %d %s", resp.URL.Host, resp.URL.Path, resp.StatusCode, http.StatusText(resp.StatusCode))
		switch code := resp.StatusCode; {
		case code == http.StatusNotFound:
			return fmt.Errorf("%w: %w", fs.ErrNotExist, says)
		case code == http.StatusUnauthorized || code == http.StatusForbidden:
			return fmt.Errorf("%w. Log in with oras login or docker login, if it wants that", says)
		case code >= 500 || code == http.StatusTooManyRequests:
			return transient{error: says}
		}
		return says
	case errors.As(err, new(permanent)):
		return err
	}
	var wrapped *url.Error // its text has the whole URL, which may hold a signature
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return transient{error: err}
}
