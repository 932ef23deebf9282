package install

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/autosafe/autosafe/spec/lockfile"
)

// AddPlatforms adds the hashes of platforms to what is locked, from the
// releases of the locked versions; without platforms, of all that a release has.
// It changes nothing else, and says what it added, by source.
func (in *Installer) AddPlatforms(ctx context.Context, lock *lockfile.File, platforms []string) (*lockfile.File, map[string][]string, error) {
	out, added := &lockfile.File{}, map[string][]string{}
	for _, old := range lock.Plugins {
		s, o, err := in.locked(ctx, old)
		if err != nil {
			return nil, nil, err
		}
		r, err := in.open(ctx, s, old.Source, o, old.SigningKey)
		if err != nil {
			return nil, nil, err
		}
		list := platforms
		if len(list) == 0 {
			list = r.platforms()
		}
		hashes, err := in.hashes(ctx, r, list)
		if err != nil {
			return nil, nil, err
		}
		if err := r.agrees(hashes, old); err != nil {
			return nil, nil, err
		}
		if err := in.related(ctx, r, hashes, old); err != nil {
			return nil, nil, err
		}
		now := old
		now.Hashes = map[string]string{}
		for _, from := range []map[string]string{hashes, old.Hashes} {
			for platform, hash := range from {
				now.Hashes[platform] = hash
			}
		}
		for _, platform := range now.Platforms() {
			if old.Hashes[platform] == "" {
				added[old.Source] = append(added[old.Source], platform)
			}
		}
		out.Set(now)
	}
	return out, added, nil
}

// related holds a release to at least one platform that is locked already: a
// place that offers another release under the same version must not be able to
// add to it.
func (in *Installer) related(ctx context.Context, r *release, hashes map[string]string, old lockfile.Plugin) error {
	for _, platform := range old.Platforms() {
		if hashes[platform] == old.Hashes[platform] {
			return nil
		}
	}
	for _, platform := range old.Platforms() {
		if _, ok := r.packageFor(platform); !ok {
			continue
		}
		known, err := in.hashes(ctx, r, []string{platform})
		if err != nil {
			return err
		}
		return r.agrees(known, old)
	}
	return fmt.Errorf("%s %s in %s has no package for any platform that %s knows, so that it cannot be told whether it is the same release",
		r.source, r.version, r.place, lockfile.Name)
}

// Mirrored is what a mirror got of one plugin.
type Mirrored struct {
	Source    string   `json:"source"`
	Version   string   `json:"version"`
	Platforms []string `json:"platforms"`
	Bytes     int64    `json:"bytes"`
}

// Mirror copies the releases of what is locked to a folder, for the platforms
// that are named, or for all that are locked. The folder serves as a filesystem
// mirror, and behind a web server as a network mirror.
func (in *Installer) Mirror(ctx context.Context, lock *lockfile.File, dir string, platforms []string) ([]Mirrored, error) {
	var list []Mirrored
	for _, old := range lock.Plugins {
		s, o, err := in.locked(ctx, old)
		if err != nil {
			return list, err
		}
		r, err := in.open(ctx, s, old.Source, o, old.SigningKey)
		if err != nil {
			return list, err
		}
		wanted := platforms
		if len(wanted) == 0 {
			wanted = old.Platforms()
		}
		m, err := in.mirror(ctx, r, old, dir, wanted)
		if err != nil {
			return list, err
		}
		list = append(list, m)
	}
	return list, nil
}

func (in *Installer) mirror(ctx context.Context, r *release, old lockfile.Plugin, dir string, platforms []string) (Mirrored, error) {
	m := Mirrored{Source: r.source, Version: r.version, Platforms: platforms}
	base := filepath.Join(dir, filepath.FromSlash(r.source))
	to := filepath.Join(base, r.version)
	if err := makeDir(to); err != nil {
		return m, err
	}
	files := []string{}
	for _, platform := range platforms {
		p, ok := r.packageFor(platform)
		if !ok {
			return m, r.noPackage(platform)
		}
		want := old.Hashes[platform]
		if want == "" {
			return m, fmt.Errorf("%s has no hash of %s %s for %s. Run autosafe plugins lock -platform %s first", lockfile.Name, r.source, r.version, platform, platform)
		}
		if p.binary != "" && p.binary != want {
			return m, r.notLocked(platform, p.binary, want)
		}
		if p.binary == "" {
			path, digest, err := r.binary(ctx, to, platform)
			if err != nil {
				return m, err
			}
			os.Remove(path)
			if digest != want {
				return m, r.notLocked(platform, digest, want)
			}
		}
		files = append(files, p.file)
	}
	if _, ok := r.sums[manifestFile]; ok {
		files = append(files, manifestFile)
	}
	for _, file := range files {
		size, err := in.copyTo(ctx, r, to, file)
		if err != nil {
			return m, err
		}
		m.Bytes += size
	}
	for _, file := range []string{keyFile, signatureFile, sumsFile} { // the list last: without it there is no release
		src, err := r.small(ctx, file, maxSums)
		if errors.Is(err, fs.ErrNotExist) && file != sumsFile {
			continue
		}
		if err == nil {
			err = writeWhole(filepath.Join(to, file), src)
		}
		if err != nil {
			return m, err
		}
	}
	return m, addToIndex(base, r)
}

// copyTo copies a package of a release, unless it is there.
func (in *Installer) copyTo(ctx context.Context, r *release, dir, file string) (int64, error) {
	to := filepath.Join(dir, file)
	if src, err := os.Open(to); err != nil || !sameSum(src, r.sums[file]) {
		in.opts.Notify("Copying "+file, "from "+r.place)
		path, err := r.fetch(ctx, dir, file)
		if err != nil {
			return 0, err
		}
		defer os.Remove(path)
		if err := errors.Join(os.Chmod(path, 0o644), syncFile(path)); err != nil {
			return 0, err
		}
		if err := os.Rename(path, to); err != nil {
			return 0, err
		}
	}
	info, err := os.Stat(to)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// sameSum says whether an open file has a digest, and closes it.
func sameSum(f *os.File, want string) bool {
	defer f.Close()
	got, err := sumReader(f)
	return err == nil && got == want
}

// addToIndex adds a version to the list of a mirror.
func addToIndex(base string, r *release) error {
	path := filepath.Join(base, indexName)
	x := &index{Format: indexFormat, Versions: map[string]indexVersion{}}
	src, err := readBounded(path)
	if err == nil {
		x, err = readIndex(src)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, err)
	}
	if x.Versions == nil {
		x.Versions = map[string]indexVersion{}
	}
	x.Versions[r.version] = indexVersion{Protocols: r.protocols}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(x); err != nil {
		return err
	}
	return writeWhole(path, b.Bytes())
}

// writeWhole writes a file whole or not at all.
func writeWhole(path string, src []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), tempPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(src)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
