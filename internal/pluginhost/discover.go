package pluginhost

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/hashicorp/go-version"

	"github.com/autosafe/autosafe/spec"
)

// binaryPrefix begins the file name of every plugin.
const binaryPrefix = "autosafe-plugin-"

// found is a plugin's binary on disk.
type found struct {
	path    string
	version *version.Version // from the path; nil if the path has none
}

// locate looks for a plugin's binary: in each folder first as
// SOURCE/VERSION/OS_ARCH/autosafe-plugin-NAME, the newest version that the
// constraint allows, then as autosafe-plugin-LOCALNAME.
func (h *Host) locate(req spec.PluginRequirement) (found, error) {
	if err := checkSource(req.Source); err != nil {
		return found{}, err
	}
	allowed, err := constraints(req.Version)
	if err != nil {
		return found{}, err
	}
	for _, dir := range h.opts.Dirs {
		if f, ok := newest(dir, req.Source, allowed); ok {
			return f, nil
		}
		plain := filepath.Join(dir, binaryPrefix+req.Name+executableSuffix())
		if executable(plain) {
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

// checkSource keeps a source from leading out of the plugin folders.
func checkSource(source string) error {
	if !filepath.IsLocal(filepath.FromSlash(source)) || path.Clean(source) != source || strings.ContainsAny(source, "\\:\x00") {
		return fmt.Errorf("%q is not a plugin source; write one such as github.com/acme/autosafe-plugin-acme", source)
	}
	return nil
}

// newest finds the newest version of a source that is allowed.
func newest(dir, source string, allowed version.Constraints) (found, bool) {
	base := filepath.Join(dir, filepath.FromSlash(source))
	entries, err := os.ReadDir(base)
	if err != nil {
		return found{}, false
	}
	var best found
	for _, e := range entries {
		v, err := version.NewSemver(e.Name())
		if err != nil || !permits(allowed, v) || best.version != nil && !v.GreaterThan(best.version) {
			continue
		}
		bin := filepath.Join(base, e.Name(), runtime.GOOS+"_"+runtime.GOARCH, binaryName(source))
		if executable(bin) {
			best = found{path: bin, version: v}
		}
	}
	return best, best.version != nil
}

// permits says whether a version may be used. A prerelease must be asked for
// by name, as in every constraint.
func permits(allowed version.Constraints, v *version.Version) bool {
	if allowed == nil {
		return v.Prerelease() == ""
	}
	return allowed.Check(v)
}

// binaryName is the file name of a source's binary.
func binaryName(source string) string {
	return binaryPrefix + strings.TrimPrefix(path.Base(source), binaryPrefix) + executableSuffix()
}

func executableSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

func executable(file string) bool {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	return runtime.GOOS == "windows" || info.Mode()&0o111 != 0
}

// notFound says where the plugin was looked for and what to do.
func (h *Host) notFound(req spec.PluginRequirement) error {
	wanted := req.Source
	if req.Version != "" {
		wanted += " " + req.Version
	}
	if len(h.opts.Dirs) == 0 {
		return fmt.Errorf("the plugin %q (%s) cannot be found, as no plugin folder is set", req.Name, wanted)
	}
	for _, dir := range h.opts.Dirs {
		plain := filepath.Join(dir, binaryPrefix+req.Name+executableSuffix())
		if info, err := os.Stat(plain); err == nil && info.Mode().IsRegular() {
			return fmt.Errorf("the plugin %q (%s) is at %s, but that file is not executable. Run chmod +x on it", req.Name, wanted, plain)
		}
	}
	version := "VERSION"
	where := filepath.Join(h.opts.Dirs[0], filepath.FromSlash(req.Source), version, runtime.GOOS+"_"+runtime.GOARCH, binaryName(req.Source))
	return fmt.Errorf("the plugin %q (%s) is in none of the plugin folders: %s. Build it for %s/%s and put the binary at %s, or, while you work on it, at %s",
		req.Name, wanted, strings.Join(h.opts.Dirs, ", "), runtime.GOOS, runtime.GOARCH, where,
		filepath.Join(h.opts.Dirs[0], binaryPrefix+req.Name+executableSuffix()))
}
