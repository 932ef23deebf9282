package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/autosafe/autosafe/spec/lockfile"
)

// Options say how plugins are got.
type Options struct {
	Config    *Config
	Protocol  int                 // the major version of the plugin protocol that is spoken
	Platform  string              // of this machine; by default lockfile.Platform()
	Getenv    func(string) string // for tokens
	UserAgent string
	Limits    Limits
	Transport http.RoundTripper // by default that of the standard library
	// Notify is told what takes long.
	Notify func(summary, detail string)
}

// Installer gets plugins.
type Installer struct {
	opts   Options
	places []*site
}

// site is a place that can be asked.
type site struct {
	place
	origin
}

// New makes an Installer. It asks nobody.
func New(opts Options) (*Installer, error) {
	if opts.Platform == "" {
		opts.Platform = lockfile.Platform()
	}
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	if opts.Notify == nil {
		opts.Notify = func(string, string) {}
	}
	if opts.Transport == nil {
		opts.Transport = http.DefaultTransport
	}
	opts.Limits = opts.Limits.filled()
	in := &Installer{opts: opts}
	for _, p := range opts.Config.places {
		o, err := in.origin(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		in.places = append(in.places, &site{p, o})
	}
	return in, nil
}

func (in *Installer) origin(p place) (origin, error) {
	w := newWeb(in.opts.Transport, in.opts.UserAgent)
	token := ""
	if p.tokenEnv != "" {
		token = in.opts.Getenv(p.tokenEnv)
	}
	switch p.kind {
	case filesystemPlace:
		return &folder{p.at}, nil
	case ociPlace:
		return newOCI(p.at, w.client, in.opts.UserAgent, in.opts.Limits), nil
	case releasesPlace:
		api, err := parseURL(p.api)
		if err != nil {
			return nil, err
		}
		site, err := parseURL("https://" + p.at)
		if err == nil && api.Scheme == "http" { // a test, or a forge on this machine
			site.Scheme, site.Host = api.Scheme, api.Host
		}
		return &releases{web: w, host: p.at, site: site, api: api, token: token, limits: in.opts.Limits}, err
	}
	base, err := parseURL(p.at)
	return &static{web: w, base: base, token: token, limits: in.opts.Limits, mirror: p.kind == networkPlace}, err
}

// offers asks the places in order for the versions of a source. The first one
// that knows the source is the one that counts: otherwise whoever can put a
// higher number into a place further down could replace a plugin.
func (in *Installer) offers(ctx context.Context, source string) (*site, []offer, error) {
	var asked []string
	for _, s := range in.places {
		if !s.has(source) {
			continue
		}
		list, err := s.versions(ctx, source)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(list) == 0 {
			asked = append(asked, s.String())
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("the versions of %s cannot be had from %s: %w", source, s, err)
		}
		return s, list, nil
	}
	if len(asked) == 0 {
		return nil, nil, fmt.Errorf("no place is configured for %s. Name one in ~/.autosafe/config.hcl: plugin_installation { registry \"https://plugins.example.com\" {} }", source)
	}
	return nil, nil, fmt.Errorf("%s has no releases in %s. Is the source spelt right, and are they public?", source, strings.Join(asked, ", "))
}

// open verifies one version of a source.
func (in *Installer) open(ctx context.Context, s *site, source string, o offer, key string) (*release, error) {
	r := &release{
		source: source, version: o.version.String(), origin: s.origin, offer: o, place: s.String(), limits: in.opts.Limits,
	}
	return r, r.verify(ctx, key)
}

// tempPrefix begins the names of files that are being downloaded.
const tempPrefix = ".download-"

// keepTemp is how long what an interrupted run left is left alone: another run
// may be at it.
const keepTemp = 24 * time.Hour

// makeDir makes the folder of a binary, and clears away what was left there.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if strings.HasPrefix(e.Name(), tempPrefix) && err == nil && time.Since(info.ModTime()) > keepTemp {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return err
}

// put installs a release's binary for this platform below a folder. It must
// have the digest that is wanted, unless that is "".
func (in *Installer) put(ctx context.Context, r *release, root, want string) (digest string, err error) {
	to := lockfile.Path(root, r.source, r.version, in.opts.Platform)
	if err := makeDir(filepath.Dir(to)); err != nil {
		return "", err
	}
	in.opts.Notify("Installing "+r.source+" "+r.version, "from "+r.place)
	path, digest, err := r.binary(ctx, filepath.Dir(to), in.opts.Platform)
	if err != nil {
		return "", err
	}
	defer os.Remove(path)
	if want != "" && digest != want {
		return "", r.notLocked(in.opts.Platform, digest, want)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if err := syncFile(path); err != nil {
		return "", err
	}
	if err := os.Rename(path, to); err != nil {
		return "", err
	}
	return digest, lockfile.Receipt{Size: info.Size(), SHA256: digest, From: r.place}.Write(to)
}

// notLocked refuses a release that is not the one that was locked.
func (r *release) notLocked(platform, got, want string) error {
	return fmt.Errorf("%s %s for %s from %s has the SHA-256 %s, and %s expects %s. The release was replaced, the place tampered with, or the lock file edited: "+
		"find out which. If the new release is right, remove the plugin from %s and run autosafe init",
		r.source, r.version, platform, r.place, got, lockfile.Name, want, lockfile.Name)
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// maxPlatforms bounds for how many platforms a release is locked. Go knows half
// as many.
const maxPlatforms = 100

// hashes are the digests of the binaries of platforms, by platform. Where the
// list has only those of archives, the archives are fetched: a digest that
// nobody has seen the binary of is in no lock file.
func (in *Installer) hashes(ctx context.Context, r *release, platforms []string) (map[string]string, error) {
	if len(platforms) > maxPlatforms {
		return nil, fmt.Errorf("%s of %s %s in %s lists %d platforms, which cannot be right", sumsFile, r.source, r.version, r.place, len(platforms))
	}
	hashes := map[string]string{}
	var dir string
	for _, platform := range platforms {
		p, ok := r.packageFor(platform)
		if !ok {
			return nil, r.noPackage(platform)
		}
		if p.binary != "" {
			hashes[platform] = p.binary
			continue
		}
		if dir == "" {
			var err error
			if dir, err = os.MkdirTemp("", "autosafe-install-"); err != nil {
				return nil, err
			}
			defer os.RemoveAll(dir)
		}
		in.opts.Notify("Reading "+p.file, "from "+r.place+", for the lock file")
		path, digest, err := r.binary(ctx, dir, platform)
		if errors.Is(err, fs.ErrNotExist) && platform != in.opts.Platform {
			r.notes = append(r.notes, fmt.Sprintf("%s is not in %s, so that nothing is locked for %s", p.file, r.place, platform))
			continue
		}
		if err != nil {
			return nil, err
		}
		os.Remove(path)
		hashes[platform] = digest
	}
	return hashes, nil
}
