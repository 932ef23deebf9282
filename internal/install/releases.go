package install

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
)

// releases are the releases of a forge: GitHub, GitHub Enterprise, Gitea,
// Forgejo.
type releases struct {
	web    *web
	host   string
	site   *url.URL // where files are downloaded
	api    *url.URL
	token  string // for the API's host alone
	limits Limits
}

// perPage is how many releases are asked for at a time.
const perPage = 100

// leastPage is fewer than any forge gives at a time when there are more.
const leastPage = 30

// repository is the path of a source's repository.
func (r *releases) repository(source string) (string, error) {
	path, _ := strings.CutPrefix(source, r.host+"/")
	if strings.Count(path, "/") != 1 {
		return "", fmt.Errorf("%s is no repository on %s; a source there has three parts, such as %s/acme/autosafe-plugin-acme", source, r.host, r.host)
	}
	return path, nil
}

// release is what the API says of a release.
type apiRelease struct {
	Tag    string `json:"tag_name"`
	Draft  bool   `json:"draft"`
	Assets []struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	} `json:"assets"`
}

func (r *releases) versions(ctx context.Context, source string) ([]offer, error) {
	path, err := r.repository(source)
	if err != nil {
		return nil, err
	}
	var list []offer
	for page := 1; page <= maxPages; page++ {
		u := r.api.JoinPath("repos", path, "releases")
		u.RawQuery = url.Values{"per_page": {strconv.Itoa(perPage)}, "limit": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(page)}}.Encode()
		src, err := small(ctx, r.limits, maxIndex, func(ctx context.Context) (io.ReadCloser, error) {
			return r.web.get(ctx, u, r.token, "application/json")
		})
		if err != nil {
			return nil, err
		}
		var found []apiRelease
		if err := json.Unmarshal(src, &found); err != nil {
			return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
		}
		for _, f := range found {
			if v, ok := semver(f.Tag); ok && !f.Draft {
				list = append(list, r.offer(offer{version: v, tag: f.Tag}, f))
			}
		}
		if len(found) < leastPage {
			break
		}
	}
	return newestFirst(list), nil
}

func (r *releases) offer(o offer, f apiRelease) offer {
	o.assets = map[string]string{}
	for _, a := range f.Assets {
		o.assets[a.Name] = a.URL
	}
	return o
}

// open takes a file from the site, or with a token from the API: the site of a
// private repository takes none.
func (r *releases) open(ctx context.Context, source string, o offer, file string) (io.ReadCloser, error) {
	path, err := r.repository(source)
	if err != nil {
		return nil, err
	}
	asset, listed := o.assets[file]
	if !listed && len(o.assets) > 0 {
		return nil, fmt.Errorf("%s %s: %s: %w", source, o.tag, file, fs.ErrNotExist)
	}
	if u, err := url.Parse(asset); err == nil && r.token != "" && u.Host == r.api.Host && u.Scheme == r.api.Scheme {
		return r.web.get(ctx, u, r.token, "application/octet-stream")
	}
	return r.web.get(ctx, r.site.JoinPath(path, "releases", "download", o.tag, file), "", "")
}
