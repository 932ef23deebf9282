package install

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/autosafe/autosafe/spec/lockfile"
)

// Config is what the user's configuration file says of plugins.
type Config struct {
	// Overrides are folders with a plugin's binary, by source: they stand for
	// what is installed, while somebody works on the plugin.
	Overrides map[string]string
	places    []place
}

// place is a place where releases are, as it is configured.
type place struct {
	kind             string
	at               string // folder, URL, host and prefix, or host
	api              string // of releases
	tokenEnv         string
	include, exclude []string
}

// The kinds of places, as their blocks are called.
const (
	registryPlace   = "registry"
	releasesPlace   = "releases"
	filesystemPlace = "filesystem_mirror"
	networkPlace    = "network_mirror"
	ociPlace        = "oci"
)

// maxConfig bounds the configuration file.
const maxConfig = 1 << 20

// gitHub is the place that is asked where nothing is configured.
const gitHub = "github.com"

// DefaultConfig takes plugins of github.com from their releases.
func DefaultConfig() *Config {
	return &Config{places: []place{{kind: releasesPlace, at: gitHub, api: "https://api.github.com", tokenEnv: "GITHUB_TOKEN"}}}
}

// LoadConfig reads a configuration file. Where none is named, it is the file
// in the home folder, which need not be there.
func LoadConfig(named, home string) (*Config, error) {
	path := named
	if path == "" {
		if home == "" {
			return DefaultConfig(), nil
		}
		path = filepath.Join(home, ".autosafe", "config.hcl")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && named == "":
		return DefaultConfig(), nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no configuration file %s, which AUTOSAFE_CONFIG names", path)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxConfig:
		return nil, fmt.Errorf("%s is no configuration file: it is not a regular file of at most 1 MiB", path)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseConfig(path, src)
}

// ParseConfig reads the text of a configuration file. Relative paths in it
// start at its folder.
func ParseConfig(path string, src []byte) (*Config, error) {
	file, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	var raw struct {
		Overrides    map[string]string `hcl:"dev_overrides,optional"`
		Installation *struct {
			Body hcl.Body `hcl:",remain"`
		} `hcl:"plugin_installation,block"`
	}
	if diags := gohcl.DecodeBody(file.Body, nil, &raw); diags.HasErrors() {
		return nil, diags
	}
	c := DefaultConfig()
	c.Overrides = map[string]string{}
	for source, dir := range raw.Overrides {
		if err := lockfile.CheckSource(source); err != nil {
			return nil, fmt.Errorf("%s: dev_overrides: %w", path, err)
		}
		c.Overrides[source] = beside(path, dir)
	}
	if raw.Installation == nil {
		return c, nil
	}
	c.places = nil
	var schema hcl.BodySchema
	for _, kind := range []string{registryPlace, releasesPlace, filesystemPlace, networkPlace, ociPlace} {
		schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: kind, LabelNames: []string{"place"}})
	}
	content, diags := raw.Installation.Body.Content(&schema)
	if diags.HasErrors() {
		return nil, diags
	}
	for _, block := range content.Blocks {
		p, err := readPlace(path, block)
		if err != nil {
			return nil, err
		}
		c.places = append(c.places, p)
	}
	return c, nil
}

// beside makes a path absolute that a file names.
func beside(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), filepath.FromSlash(path))
}

func readPlace(path string, block *hcl.Block) (place, error) {
	var raw struct {
		API      string   `hcl:"api,optional"`
		TokenEnv string   `hcl:"token_env,optional"`
		Include  []string `hcl:"include,optional"`
		Exclude  []string `hcl:"exclude,optional"`
	}
	if diags := gohcl.DecodeBody(block.Body, nil, &raw); diags.HasErrors() {
		return place{}, diags
	}
	p := place{kind: block.Type, at: block.Labels[0], api: raw.API, tokenEnv: raw.TokenEnv, include: raw.Include, exclude: raw.Exclude}
	if err := p.check(path); err != nil {
		return place{}, fmt.Errorf("%s:%d: %s %q: %w", path, block.DefRange.Start.Line, p.kind, block.Labels[0], err)
	}
	return p, nil
}

// check fills in what is left out and says what is wrong.
func (p *place) check(file string) error {
	if p.api != "" && p.kind != releasesPlace {
		return errors.New("api is an argument of releases alone")
	}
	if p.tokenEnv != "" && (p.kind == filesystemPlace || p.kind == ociPlace) {
		return errors.New("it takes no token_env. A folder needs none, and an OCI registry takes what docker login or oras login left")
	}
	switch p.kind {
	case filesystemPlace:
		p.at = beside(file, p.at)
		return nil
	case ociPlace:
		if strings.Contains(p.at, "://") || strings.ContainsAny(p.at, "@?# ") || p.at == "" {
			return errors.New("write a host and a prefix, such as ghcr.io/acme/plugins")
		}
		return nil
	case releasesPlace:
		return p.checkReleases()
	}
	_, err := parseURL(p.at)
	return err
}

func (p *place) checkReleases() error {
	if strings.ContainsAny(p.at, "/@?# ") || p.at == "" {
		return errors.New("write the host that plugins' sources begin with, such as github.com")
	}
	if p.at == gitHub {
		def := DefaultConfig().places[0]
		if p.api == "" {
			p.api = def.api
		}
		if p.tokenEnv == "" {
			p.tokenEnv = def.tokenEnv
		}
	}
	if p.api == "" {
		return fmt.Errorf("say where its API is: api = \"https://%s/api/v3\" for GitHub Enterprise, \"https://%s/api/v1\" for Gitea and Forgejo", p.at, p.at)
	}
	_, err := parseURL(p.api)
	return err
}

// parseURL takes the URL of a server. Credentials in it would end up in
// messages, and without TLS anybody on the way could answer.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("write a URL such as https://plugins.example.com/autosafe")
	case u.User != nil:
		return nil, errors.New("a URL takes no user and no password. Name the environment variable with a token: token_env = \"PLUGINS_TOKEN\"")
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return nil, errors.New("the URL must begin with https://; http:// is for servers on this machine alone")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// isLoopback says whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// has says whether the place is asked for a source.
func (p *place) has(source string) bool {
	if p.kind == releasesPlace && !strings.HasPrefix(source, p.at+"/") {
		return false
	}
	matches := func(pattern string) bool {
		below, all := strings.CutSuffix(pattern, "*")
		return pattern == source || all && strings.HasPrefix(source, below)
	}
	if len(p.include) > 0 && !slices.ContainsFunc(p.include, matches) {
		return false
	}
	return !slices.ContainsFunc(p.exclude, matches)
}

// String names the place in messages.
func (p *place) String() string {
	switch p.kind {
	case filesystemPlace:
		return "the mirror " + p.at
	case networkPlace:
		return "the mirror " + p.at
	case ociPlace:
		return "the OCI registry " + p.at
	case releasesPlace:
		return "the releases on " + p.at
	}
	return "the registry " + p.at
}
