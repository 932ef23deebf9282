package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"

	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/lockfile"
)

// Request is what Init is asked for.
type Request struct {
	Plugins  []spec.PluginRequirement
	Lock     *lockfile.File // as it is; nil: there is none
	Dir      string         // folder of plugins to install below
	Shared   []string       // further folders in which a plugin may be
	Upgrade  bool           // take the newest version, whatever is locked
	ReadOnly bool           // the lock file must stay as it is
}

// Result is what came of it.
type Result struct {
	Lock    *lockfile.File
	Plugins []Plugin // in order of source
	Removed []string // sources that were locked and are not required any more
}

// Plugin is what became of one required plugin.
type Plugin struct {
	Source     string   `json:"source"`
	Names      []string `json:"names"` // in the recipe
	Version    string   `json:"version,omitempty"`
	Was        string   `json:"was,omitempty"` // the version that was locked, if that was another
	Status     Status   `json:"status"`
	From       string   `json:"from,omitempty"` // the place that it was got from now
	SigningKey string   `json:"signing_key,omitempty"`
	FirstUse   bool     `json:"first_use,omitempty"` // the key is trusted from now on
	Platforms  []string `json:"platforms,omitempty"`
	Grants     []Grant  `json:"grants"`
	Notes      []string `json:"notes,omitempty"`
}

// Status says what was done for a plugin.
type Status string

// What is done for a plugin.
const (
	Installed  Status = "installed"
	Present    Status = "present"    // it was there
	Overridden Status = "overridden" // by dev_overrides: nothing was done
)

// Grant is what a recipe grants a plugin under one of its names.
type Grant struct {
	Name    string   `json:"name"`
	Network []string `json:"network,omitempty"`
	Read    []string `json:"read,omitempty"`
	Env     []string `json:"env,omitempty"`
	// Added and Gone are what differs from the lock file, such as "network
	// api.example.com:443".
	Added []string `json:"added,omitempty"`
	Gone  []string `json:"gone,omitempty"`
}

// wanted is all that a recipe says of one source.
type wanted struct {
	source  string
	names   []string
	texts   []string // constraints
	allowed version.Constraints
	key     string
	grants  map[string]lockfile.Grant
}

// gather puts the requirements together by source.
func gather(reqs []spec.PluginRequirement) ([]*wanted, error) {
	bySource := map[string]*wanted{}
	for _, req := range reqs {
		if err := lockfile.CheckSource(req.Source); err != nil {
			return nil, err
		}
		w := bySource[req.Source]
		if w == nil {
			w = &wanted{source: req.Source, grants: map[string]lockfile.Grant{}}
			bySource[req.Source] = w
		}
		w.names = append(w.names, req.Name)
		if req.Version != "" && !slices.Contains(w.texts, req.Version) {
			w.texts = append(w.texts, req.Version)
		}
		if w.key != "" && req.SigningKey != "" && w.key != req.SigningKey {
			return nil, fmt.Errorf("%s is required with two signing keys; keep one", req.Source)
		}
		w.key = cmp.Or(w.key, req.SigningKey)
		if g := lockfile.Grant(req.Grant); !g.IsZero() {
			w.grants[req.Name] = g
		}
	}
	var list []*wanted
	for _, w := range bySource {
		slices.Sort(w.texts)
		var err error
		if w.allowed, err = constraintsOf(w.texts); err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *wanted) int { return cmp.Compare(a.source, b.source) })
	return list, nil
}

func (w *wanted) constraints() string { return strings.Join(w.texts, ", ") }

// Init installs what a recipe requires, for this platform, and says what the
// lock file must hold, for all. It does not write the lock file.
func (in *Installer) Init(ctx context.Context, req Request) (*Result, error) {
	list, err := gather(req.Plugins)
	if err != nil {
		return nil, err
	}
	result := &Result{Lock: &lockfile.File{}}
	var errs []error
	for _, w := range list {
		var old lockfile.Plugin
		if req.Lock != nil {
			old, _ = req.Lock.Plugin(w.source)
		}
		if _, ok := in.opts.Config.Overrides[w.source]; ok {
			if old.Version != "" {
				result.Lock.Set(old)
			}
			result.Plugins = append(result.Plugins, Plugin{Source: w.source, Names: w.names, Status: Overridden, Grants: grantsOf(w, old)})
			continue
		}
		p, locked, err := in.install(ctx, req, w, old)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		result.Lock.Set(locked)
		result.Plugins = append(result.Plugins, p)
	}
	if req.Lock != nil {
		for _, p := range req.Lock.Plugins {
			if !slices.ContainsFunc(list, func(w *wanted) bool { return w.source == p.Source }) {
				result.Removed = append(result.Removed, p.Source)
			}
		}
	}
	return result, errors.Join(errs...)
}

// install installs one plugin and says what is to be locked of it.
func (in *Installer) install(ctx context.Context, req Request, w *wanted, old lockfile.Plugin) (Plugin, lockfile.Plugin, error) {
	p := Plugin{Source: w.source, Names: w.names, Grants: grantsOf(w, old)}
	fits, err := in.fits(w, old)
	if err != nil {
		return p, old, err
	}
	locked := old
	if req.ReadOnly && !fits {
		return p, old, notReadOnly(w, old)
	}
	hash := old.Hashes[in.opts.Platform]
	if fits && !req.Upgrade && hash != "" && (w.key == "" || w.key == old.SigningKey) {
		p.Status, p.From, err = in.restore(ctx, req, old)
	} else {
		if req.ReadOnly {
			return p, old, notReadOnly(w, old)
		}
		locked, err = in.choose(ctx, req, w, old, fits, &p)
	}
	locked.Constraints, locked.Grants = w.constraints(), w.grants
	p.Version, p.SigningKey, p.Platforms = locked.Version, locked.SigningKey, locked.Platforms()
	if old.Version != locked.Version {
		p.Was = old.Version
	}
	return p, locked, err
}

// fits says whether what is locked can stay.
func (in *Installer) fits(w *wanted, old lockfile.Plugin) (bool, error) {
	if old.Version == "" {
		return false, nil
	}
	v, ok := semver(old.Version)
	if !ok {
		return false, fmt.Errorf("%s says that %s has the version %q, which is none. Take the file back from version control, or remove it", lockfile.Name, w.source, old.Version)
	}
	return permits(w.allowed, v) && old.Protocol == in.opts.Protocol, nil
}

func notReadOnly(w *wanted, old lockfile.Plugin) error {
	if old.Version == "" {
		return fmt.Errorf("%s does not lock %s, and -lockfile=readonly keeps it as it is. Run autosafe init without that, and keep the new lock file", lockfile.Name, w.source)
	}
	return fmt.Errorf("%s locks %s %s, which is not enough for this recipe, this platform or this autosafe, and -lockfile=readonly keeps it as it is. Run autosafe init without that, and keep the new lock file",
		lockfile.Name, w.source, old.Version)
}

// restore sees to it that the locked binary is there.
func (in *Installer) restore(ctx context.Context, req Request, old lockfile.Plugin) (Status, string, error) {
	want := old.Hashes[in.opts.Platform]
	for _, dir := range append([]string{req.Dir}, req.Shared...) { // as builds look for it
		got, err := digestOf(lockfile.Path(dir, old.Source, old.Version, in.opts.Platform))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return "", "", err
		case got == want:
			return Present, "", nil
		}
		in.opts.Notify("Replacing "+old.Source+" "+old.Version, "what is installed is not what is locked")
		break
	}
	s, o, err := in.locked(ctx, old)
	if err != nil {
		return "", "", err
	}
	r, err := in.open(ctx, s, old.Source, o, old.SigningKey)
	if err != nil {
		return "", "", err
	}
	_, err = in.put(ctx, r, req.Dir, want)
	return Installed, s.String(), err
}

// digestOf is the digest of a program, "" of what cannot be run.
func digestOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode()&0o111 == 0 {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return sumReader(f)
}

// locked finds the offer of the version that is locked.
func (in *Installer) locked(ctx context.Context, old lockfile.Plugin) (*site, offer, error) {
	s, list, err := in.offers(ctx, old.Source)
	if err != nil {
		return nil, offer{}, err
	}
	for _, o := range list {
		if o.version.String() == old.Version {
			return s, o, nil
		}
	}
	return nil, offer{}, fmt.Errorf("%s locks %s %s, and %s has %s. If that version was withdrawn, run autosafe init -upgrade",
		lockfile.Name, old.Source, old.Version, s, versionsOf(list))
}

// versionsOf names a few versions.
func versionsOf(list []offer) string {
	const most = 8
	var names []string
	for i, o := range list {
		if i == most {
			names = append(names, fmt.Sprintf("and %d older ones", len(list)-most))
			break
		}
		names = append(names, o.version.String())
	}
	return strings.Join(names, ", ")
}

// choose takes a version, verifies it, and installs it.
func (in *Installer) choose(ctx context.Context, req Request, w *wanted, old lockfile.Plugin, fits bool, p *Plugin) (lockfile.Plugin, error) {
	var s *site
	var list []offer
	var err error
	if fits && !req.Upgrade {
		var o offer
		s, o, err = in.locked(ctx, old)
		list = []offer{o}
	} else {
		s, list, err = in.offers(ctx, w.source)
	}
	if err != nil {
		return old, err
	}
	r, err := in.newest(ctx, s, list, w, cmp.Or(w.key, old.SigningKey), p)
	if err != nil {
		return old, err
	}
	if was, ok := semver(old.Version); ok && fits && r.offer.version.LessThan(was) {
		return old, fmt.Errorf("%s has %s of %s at best, and %s locks %s: nothing goes back to an older version by itself. If that is meant, require it: version = \"%s\"",
			s, r.version, w.source, lockfile.Name, old.Version, r.version)
	}
	was := lockfile.Plugin{}
	if r.version == old.Version {
		was = old
	}
	digest, status, err := in.ensure(ctx, r, req.Dir, was.Hashes[in.opts.Platform])
	if err != nil {
		return old, err
	}
	others := slices.DeleteFunc(r.platforms(), func(platform string) bool { return platform == in.opts.Platform })
	hashes, err := in.hashes(ctx, r, others)
	if err != nil {
		return old, err
	}
	hashes[in.opts.Platform] = digest
	if err := r.agrees(hashes, was); err != nil {
		return old, err
	}
	for platform, hash := range was.Hashes {
		hashes[platform] = hash
	}
	p.Status, p.From, p.FirstUse = status, s.String(), r.firstUse && r.key != old.SigningKey
	p.Notes = append(p.Notes, r.notes...)
	return lockfile.Plugin{
		Source: w.source, Version: r.version, Protocol: in.opts.Protocol, SigningKey: r.key, Hashes: hashes,
	}, nil
}

// ensure sees to it that a release's binary for this platform is there.
func (in *Installer) ensure(ctx context.Context, r *release, dir, locked string) (digest string, status Status, err error) {
	pack, ok := r.packageFor(in.opts.Platform)
	if !ok {
		return "", "", r.noPackage(in.opts.Platform)
	}
	if pack.binary != "" && locked != "" && pack.binary != locked {
		return "", "", r.notLocked(in.opts.Platform, pack.binary, locked)
	}
	want := cmp.Or(locked, pack.binary)
	got, err := digestOf(lockfile.Path(dir, r.source, r.version, in.opts.Platform))
	if err == nil && want != "" && got == want {
		return got, Present, nil
	}
	digest, err = in.put(ctx, r, dir, want)
	return digest, Installed, err
}

// newest verifies the newest version that fits. Those that do not are told of,
// so that nobody wonders.
func (in *Installer) newest(ctx context.Context, s *site, list []offer, w *wanted, key string, p *Plugin) (*release, error) {
	var passed []string
	for _, o := range list {
		if !permits(w.allowed, o.version) {
			continue
		}
		if speaks(o.protocols, in.opts.Protocol) {
			r, err := in.open(ctx, s, w.source, o, key)
			if err != nil {
				return nil, err
			}
			if speaks(r.protocols, in.opts.Protocol) {
				p.Notes = append(p.Notes, passed...)
				return r, nil
			}
			o.protocols = r.protocols
		}
		passed = append(passed, fmt.Sprintf("%s was passed over: it speaks plugin protocol %s, and this autosafe %d", o.version, numbers(o.protocols), in.opts.Protocol))
	}
	if len(passed) > 0 {
		return nil, fmt.Errorf("no version of %s can be used: %s", w.source, strings.Join(passed, "; "))
	}
	wish := w.constraints()
	if wish == "" {
		wish = "that is no pre-release"
	}
	return nil, fmt.Errorf("%s has no version of %s %s; it has %s", s, w.source, wish, versionsOf(list))
}

func numbers(list []int) string {
	var texts []string
	for _, n := range list {
		texts = append(texts, fmt.Sprint(n))
	}
	return strings.Join(texts, ", ")
}

// agrees holds a release to what was locked of the same version.
func (r *release) agrees(hashes map[string]string, old lockfile.Plugin) error {
	for _, platform := range old.Platforms() {
		if got, ok := hashes[platform]; ok && got != old.Hashes[platform] {
			return r.notLocked(platform, got, old.Hashes[platform])
		}
	}
	return nil
}

// grantsOf says what a recipe grants a plugin, and how that differs from what
// is locked.
func grantsOf(w *wanted, old lockfile.Plugin) []Grant {
	names := slices.Sorted(maps.Keys(w.grants))
	for name := range old.Grants {
		if _, ok := w.grants[name]; !ok {
			names = append(names, name)
		}
	}
	list := []Grant{}
	slices.Sort(names)
	for _, name := range names {
		now, was := w.grants[name], old.Grants[name]
		g := Grant{Name: name, Network: now.Network, Read: now.Read, Env: now.Env}
		g.Added, g.Gone = now.Beyond(was), was.Beyond(now)
		list = append(list, g)
	}
	return list
}

// PluginDir is where plugins are installed for a recipe.
func PluginDir(recipe string) string { return filepath.Join(recipe, ".autosafe", "plugins") }
