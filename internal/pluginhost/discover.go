package pluginhost

import (
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

	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/lockfile"
)

// found is a plugin's binary on disk, and what it must be.
type found struct {
	path    string
	version *version.Version // as it must say; nil: any that the recipe allows
	digest  string           // as it must have; "": any
	// override: somebody works on it, and its version does not matter.
	override bool
}

// locate looks for a plugin's binary: where the user's overrides say; or just
// the version that is locked; or, where nothing is locked, a binary beside no
// version, which somebody put there by hand.
func (h *Host) locate(req spec.PluginRequirement) (found, error) {
	if err := lockfile.CheckSource(req.Source); err != nil {
		return found{}, err
	}
	allowed, err := constraints(req.Version)
	if err != nil {
		return found{}, err
	}
	if dir, ok := h.opts.Overrides[req.Source]; ok {
		return overridden(req, dir)
	}
	if h.opts.Lock != nil {
		return h.locateLocked(req, allowed)
	}
	for _, dir := range h.opts.Dirs {
		if plain := filepath.Join(dir, lockfile.LocalName(req.Name)); executable(plain) {
			return found{path: plain}, nil
		}
	}
	return found{}, h.notFound(req)
}

func constraints(text string) (version.Constraints, error) {
	if text == "" {
		return nil, nil
	}
	c, err := version.NewConstraint(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a version constraint", text)
	}
	return c, nil
}

// overridden finds the binary that stands for a plugin's installed one.
func overridden(req spec.PluginRequirement, dir string) (found, error) {
	names := []string{lockfile.BinaryName(req.Source, lockfile.Platform()), lockfile.LocalName(req.Name)}
	for _, name := range names {
		if path := filepath.Join(dir, name); executable(path) {
			return found{path: path, override: true}, nil
		}
	}
	return found{}, fmt.Errorf("dev_overrides says that %s is in %s, and there is no program %s there. Build it there, or take the override out",
		req.Source, dir, names[0])
}

// locateLocked finds the binary of the version that is locked, and holds the
// lock file to the recipe. That the binary has the right digest is seen later.
func (h *Host) locateLocked(req spec.PluginRequirement, allowed version.Constraints) (found, error) {
	locked, ok := h.opts.Lock.Plugin(req.Source)
	if !ok {
		return found{}, fmt.Errorf("%s does not lock the plugin %q (%s); it locks %s. Run autosafe init",
			lockfile.Name, req.Name, req.Source, sourcesOf(h.opts.Lock))
	}
	v, err := version.NewSemver(locked.Version)
	if err != nil || v.String() != locked.Version {
		return found{}, fmt.Errorf("%s says that %s has the version %q, which is none: the file was edited. Take it back from version control, or remove it and run autosafe init",
			lockfile.Name, req.Source, locked.Version)
	}
	if allowed != nil && !allowed.Check(v) {
		return found{}, fmt.Errorf("%s locks %s %s, and the recipe requires %s. Run autosafe init", lockfile.Name, req.Source, v, req.Version)
	}
	if err := h.agreeWithLock(req, locked); err != nil {
		return found{}, err
	}
	digest := locked.Hashes[lockfile.Platform()]
	if digest == "" {
		return found{}, fmt.Errorf("%s locks %s %s for %s, and not for %s, which this is. Run autosafe plugins lock -platform %s, if the release has it",
			lockfile.Name, req.Source, v, listed(locked.Platforms()), lockfile.Platform(), lockfile.Platform())
	}
	for _, dir := range h.opts.Dirs {
		path := lockfile.Path(dir, req.Source, locked.Version, lockfile.Platform())
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return found{}, err
		case !executable(path):
			return found{}, fmt.Errorf("the plugin %q (%s %s) is at %s, and that (%s) is no executable file. Run autosafe init to install it again",
				req.Name, req.Source, v, path, info.Mode())
		}
		return found{path: path, version: v, digest: digest}, nil
	}
	return found{}, h.notInstalled(req, locked)
}

// agreeWithLock holds the lock file to the recipe, and to this autosafe.
func (h *Host) agreeWithLock(req spec.PluginRequirement, locked lockfile.Plugin) error {
	if locked.Protocol != transport.Major {
		return fmt.Errorf("%s locks %s %s, which speaks plugin protocol %d; this autosafe speaks %d. Run autosafe init, or use another autosafe",
			lockfile.Name, req.Source, locked.Version, locked.Protocol, transport.Major)
	}
	if req.SigningKey != "" && req.SigningKey != locked.SigningKey {
		was := "is not signed"
		if locked.SigningKey != "" {
			was = "is signed by " + locked.SigningKey
		}
		return fmt.Errorf("the recipe has %s signed by %s, and what %s locks %s. Run autosafe init, which checks the signature",
			req.Source, req.SigningKey, lockfile.Name, was)
	}
	now, was := lockfile.Grant(req.Grant), locked.Grants[req.Name]
	var differ []string
	for _, what := range now.Beyond(was) {
		differ = append(differ, what+" is not in the lock file")
	}
	for _, what := range was.Beyond(now) {
		differ = append(differ, what+" is not in the recipe")
	}
	if len(differ) > 0 {
		return fmt.Errorf("the recipe grants the plugin %q other things than %s says: %s. Run autosafe init to see and accept what it may reach",
			req.Name, lockfile.Name, strings.Join(differ, ", "))
	}
	return nil
}

func sourcesOf(lock *lockfile.File) string {
	var list []string
	for _, p := range lock.Plugins {
		list = append(list, p.Source)
	}
	return listed(list)
}

func listed(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

// notInstalled says that the locked version is nowhere, and what is there.
func (h *Host) notInstalled(req spec.PluginRequirement, locked lockfile.Plugin) error {
	text := fmt.Sprintf("the plugin %q is locked at %s %s, and %s does not exist", req.Name, req.Source, locked.Version,
		lockfile.Path(h.firstDir(), req.Source, locked.Version, lockfile.Platform()))
	var others, plain []string
	for _, dir := range h.opts.Dirs {
		others = append(others, slices.Sorted(maps.Keys(installed(dir, req.Source)))...)
		if path := filepath.Join(dir, lockfile.LocalName(req.Name)); executable(path) {
			plain = append(plain, path)
		}
	}
	if len(others) > 0 {
		text += "; what is installed is version " + strings.Join(others, ", ")
	}
	text += ". Run autosafe init to install it"
	if len(plain) > 0 {
		text += fmt.Sprintf(". To use %s instead, name its folder in dev_overrides of ~/.autosafe/config.hcl, or remove %s", plain[0], lockfile.Name)
	}
	return errors.New(text)
}

func (h *Host) firstDir() string {
	if len(h.opts.Dirs) == 0 {
		return ""
	}
	return h.opts.Dirs[0]
}

// installed gives the binaries of a source in a folder, for this platform, by
// version.
func installed(dir, source string) map[string]string {
	found := map[string]string{}
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(source)))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		path := lockfile.Path(dir, source, e.Name(), lockfile.Platform())
		if _, err := version.NewSemver(e.Name()); err == nil && executable(path) {
			found[e.Name()] = path
		}
	}
	return found
}

// notLocked says in which way a binary is not the one that is locked.
func (h *Host) notLocked(req spec.PluginRequirement, f found, got string) error {
	return fmt.Errorf("the plugin %q is not what %s locks: the SHA-256 of %s is %s, and that of %s %s is %s. %s. It was not started. Run autosafe init to install the locked one again",
		req.Name, lockfile.Name, f.path, got, req.Source, f.version, f.digest, h.whatItIs(req, f, got))
}

// whatItIs says what stands in the place of a locked binary, as far as that can
// be told without running it.
func (h *Host) whatItIs(req spec.PluginRequirement, f found, got string) string {
	for _, p := range h.opts.Lock.Plugins {
		for _, platform := range p.Platforms() {
			if p.Hashes[platform] == got {
				return fmt.Sprintf("It is the binary of %s %s for %s", p.Source, p.Version, platform)
			}
		}
	}
	for _, dir := range h.opts.Dirs {
		for version, path := range installed(dir, req.Source) {
			if digest, err := hashFile(path); path != f.path && err == nil && digest == got {
				return fmt.Sprintf("It is the binary of version %s", version)
			}
		}
	}
	info, err := os.Stat(f.path)
	if err == nil && info.Size() == 0 {
		return "The file is empty"
	}
	receipt, ok := lockfile.ReadReceipt(f.path)
	switch {
	case !ok:
		return "It was not installed by autosafe init"
	case err == nil && receipt.SHA256 == f.digest && info.Size() < receipt.Size:
		return fmt.Sprintf("It has %d bytes, and %d were installed: it was cut short, or replaced", info.Size(), receipt.Size)
	case receipt.SHA256 == f.digest:
		return "It was changed since it was installed"
	case receipt.SHA256 == got:
		return fmt.Sprintf("It is what was installed from %s, so that the lock file is another one, or was edited", cleanLine(receipt.From, maxReason))
	}
	return "It was replaced, or the lock file was"
}

func executable(file string) bool {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	return runtime.GOOS == "windows" || info.Mode()&0o111 != 0
}

// notFound says what to do about a plugin that is not there, where nothing is
// locked.
func (h *Host) notFound(req spec.PluginRequirement) error {
	wanted := req.Source
	if req.Version != "" {
		wanted += " " + req.Version
	}
	if len(h.opts.Dirs) == 0 {
		return fmt.Errorf("the plugin %q (%s) cannot be found, as no plugin folder is set", req.Name, wanted)
	}
	for _, dir := range h.opts.Dirs {
		plain := filepath.Join(dir, lockfile.LocalName(req.Name))
		if info, err := os.Stat(plain); err == nil && info.Mode().IsRegular() {
			return fmt.Errorf("the plugin %q (%s) is at %s, but that file is not executable. Run chmod +x on it", req.Name, wanted, plain)
		}
		if versions := slices.Sorted(maps.Keys(installed(dir, req.Source))); len(versions) > 0 {
			return fmt.Errorf("the plugin %q (%s) is installed in %s (%s), and there is no %s that says which binary to trust. Run autosafe init",
				req.Name, wanted, filepath.Join(dir, filepath.FromSlash(req.Source)), strings.Join(versions, ", "), lockfile.Name)
		}
	}
	return fmt.Errorf("the plugin %q (%s) is not installed. Run autosafe init. While you work on it, put the binary for %s/%s at %s",
		req.Name, wanted, runtime.GOOS, runtime.GOARCH, filepath.Join(h.opts.Dirs[0], lockfile.LocalName(req.Name)))
}
