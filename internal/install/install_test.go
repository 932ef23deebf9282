package install

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/lockfile"
)

// TestPlaces installs from every kind of place, in every form of package.
func TestPlaces(t *testing.T) {
	for _, form := range []string{"", ".tar.gz", ".zip"} {
		w := world{}
		for _, version := range []string{"1.0.0", "1.2.0", "1.10.0", "2.0.0", "2.1.0-rc.1", "1.11.0-rc.1"} {
			w.add(acme, version, making{form: form}.make(t, acme, version))
		}
		mirror, releases, oci := serve(t, mirrorFiles(w)), forge(t, w), pushed(t, w)
		elsewhere := serve(t, mirrorFiles(w))
		list := `{"format":1,"versions":{`
		for version := range w[acme] {
			list += fmt.Sprintf(`%q:{"protocols":[1],"url":"%s/%s/%s"},`, version, elsewhere.URL, acme, version)
		}
		registry := serve(t, files{"v1/" + acme + "/index.json": []byte(strings.TrimSuffix(list, ",") + "}}")})
		withIndex, byHand := t.TempDir(), t.TempDir()
		writeFiles(t, withIndex, mirrorFiles(w))
		handMade := mirrorFiles(w)
		delete(handMade, acme+"/index.json")
		writeFiles(t, byHand, handMade)
		for name, place := range map[string]string{
			"network mirror":          fmt.Sprintf("network_mirror %q {}", mirror.URL),
			"registry":                fmt.Sprintf("registry %q {}", registry.URL+"/v1"),
			"releases":                fmt.Sprintf("releases \"github.com\" {\n api = %q\n}", releases.URL),
			"oci":                     fmt.Sprintf("oci %q {}", strings.TrimPrefix(oci.URL, "http://")+"/plugins"),
			"filesystem mirror":       fmt.Sprintf("filesystem_mirror %q {}", withIndex),
			"filesystem without list": fmt.Sprintf("filesystem_mirror %q {}", byHand),
		} {
			t.Run(name+form, func(t *testing.T) {
				testPlace(t, installerOf(t, "plugin_installation {\n"+place+"\n}\n"))
			})
		}
	}
}

func testPlace(t *testing.T, in *Installer) {
	dir := t.TempDir()
	req := Request{Plugins: required("~> 1.0", ""), Dir: dir}
	result, err := in.Init(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	want := lockfile.Plugin{Source: acme, Version: "1.10.0", Constraints: "~> 1.0", Protocol: 1, Hashes: map[string]string{}, Grants: map[string]lockfile.Grant{}}
	for _, platform := range []string{here, there, "windows_amd64"} {
		want.Hashes[platform] = sha256Of(content(acme, "1.10.0", platform))
	}
	if diff := cmp.Diff(&lockfile.File{Plugins: []lockfile.Plugin{want}}, result.Lock); diff != "" {
		t.Fatal(diff)
	}
	if p := result.Plugins[0]; p.Status != Installed || p.Version != "1.10.0" || p.From == "" || len(p.Platforms) != 3 {
		t.Errorf("%+v", p)
	}
	bin := lockfile.Path(dir, acme, "1.10.0", here)
	if b, err := os.ReadFile(bin); err != nil || string(b) != string(content(acme, "1.10.0", here)) {
		t.Fatalf("%q, %v", b, err)
	}
	if info, err := os.Stat(bin); err != nil || info.Mode().Perm()&0o111 == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if left := tempLeft(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	// Again there is nothing to do; what was deleted or changed comes back.
	req.Lock = result.Lock
	for _, tt := range []struct {
		what string
		do   func() error
		want Status
	}{
		{"nothing", func() error { return nil }, Present},
		{"delete", func() error { return os.RemoveAll(filepath.Join(dir, "github.com")) }, Installed},
		{"edit", func() error { return os.WriteFile(bin, []byte("evil"), 0o755) }, Installed},
		{"no mode", func() error { return os.Chmod(bin, 0o644) }, Installed},
	} {
		if err := tt.do(); err != nil {
			t.Fatal(err)
		}
		again, err := in.Init(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", tt.what, err)
		}
		if again.Plugins[0].Status != tt.want || string(again.Lock.Bytes()) != string(req.Lock.Bytes()) {
			t.Errorf("%s: %+v", tt.what, again.Plugins[0])
		}
		if got, err := digestOf(bin); err != nil || got != want.Hashes[here] {
			t.Errorf("%s: %s, %v", tt.what, got, err)
		}
	}
	// Other constraints: a pre-release only by name.
	for constraint, version := range map[string]string{"": "2.0.0", "1.11.0-rc.1": "1.11.0-rc.1", "~> 1.2.0": "1.2.0", "< 1.2": "1.0.0"} {
		result, err := in.Init(t.Context(), Request{Plugins: required(constraint, ""), Dir: t.TempDir()})
		if err != nil || result.Plugins[0].Version != version {
			t.Errorf("%q: %+v, %v; want %s", constraint, result, err, version)
		}
	}
}

// TestStays: what is locked stays until an upgrade, and nobody is asked for what
// is there.
func TestStays(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	s := serve(t, mirrorFiles(w))
	in, dir := installerOf(t, fromMirror(s)), t.TempDir()
	first, err := in.Init(t.Context(), Request{Plugins: required("~> 1.0", ""), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w.add(acme, "1.1.0", making{}.make(t, acme, "1.1.0"))
	s.mu.Lock()
	s.files, s.asked = mirrorFiles(w), nil
	s.mu.Unlock()
	second, err := in.Init(t.Context(), Request{Plugins: required("~> 1.0", ""), Dir: dir, Lock: first.Lock})
	if err != nil || second.Plugins[0].Version != "1.0.0" || s.count("") != 0 {
		t.Errorf("%+v, %v, %d requests", second, err, s.count(""))
	}
	third, err := in.Init(t.Context(), Request{Plugins: required("~> 1.0", ""), Dir: dir, Lock: first.Lock, Upgrade: true})
	if err != nil || third.Plugins[0].Version != "1.1.0" || third.Plugins[0].Was != "1.0.0" {
		t.Errorf("%+v, %v", third, err)
	}
	// Each package is fetched once, although its platform is locked too.
	if n := s.count("1.1.0_" + here); n != 1 {
		t.Errorf("the package was fetched %d times", n)
	}
	// A constraint that the locked version does not fit has another taken.
	fourth, err := in.Init(t.Context(), Request{Plugins: required(">= 1.1", ""), Dir: dir, Lock: first.Lock})
	if err != nil || fourth.Plugins[0].Version != "1.1.0" {
		t.Errorf("%+v, %v", fourth, err)
	}
	gone, err := in.Init(t.Context(), Request{Dir: dir, Lock: first.Lock})
	if err != nil || !slices.Equal(gone.Removed, []string{acme}) || len(gone.Lock.Plugins) != 0 {
		t.Errorf("%+v, %v", gone, err)
	}
}

// TestReadOnly: with a lock file that must stay, what is locked is installed,
// and all else refused.
func TestReadOnly(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	in := installerOf(t, fromMirror(serve(t, mirrorFiles(w))))
	made, err := in.Init(t.Context(), Request{Plugins: required("~> 1.0", ""), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Init(t.Context(), Request{Plugins: required("~> 1.0", ""), Dir: t.TempDir(), Lock: made.Lock, ReadOnly: true}); err != nil {
		t.Error(err)
	}
	for name, req := range map[string]Request{
		"does not lock": {Plugins: required("~> 1.0", "")},
		"not enough":    {Plugins: required("~> 2.0", ""), Lock: made.Lock},
	} {
		req.Dir, req.ReadOnly = t.TempDir(), true
		if _, err := in.Init(t.Context(), req); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "-lockfile=readonly") {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := installerOf(t, fromMirror(serve(t, mirrorFiles(w))), func(o *Options) { o.Platform = "plan9_386" })
	if _, err := other.Init(t.Context(), Request{Plugins: required("~> 1.0", ""), Dir: t.TempDir(), Lock: made.Lock, ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "not enough") {
		t.Errorf("another platform: %v", err)
	}
}

// TestProtocols: versions of other protocols are passed over, and told of.
func TestProtocols(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	w.add(acme, "2.0.0", making{protocols: []int{1, 2}}.make(t, acme, "2.0.0"))
	w.add(acme, "3.0.0", making{protocols: []int{2}}.make(t, acme, "3.0.0"))
	f := mirrorFiles(w)
	f[acme+"/index.json"] = []byte(`{"format":1,"versions":{"1.0.0":{},"2.0.0":{},"3.0.0":{},"4.0.0":{"protocols":[3]}}}`)
	in := installerOf(t, fromMirror(serve(t, f)))
	result, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"4.0.0 was passed over: it speaks plugin protocol 3, and this autosafe 1",
		"3.0.0 was passed over: it speaks plugin protocol 2, and this autosafe 1",
	}
	if p := result.Plugins[0]; p.Version != "2.0.0" || !slices.Equal(p.Notes, want) {
		t.Errorf("%+v", p)
	}
	_, err = in.Init(t.Context(), Request{Plugins: required(">= 3.0", ""), Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "no version of "+acme+" can be used: 4.0.0 was passed over") {
		t.Error(err)
	}
	_, err = in.Init(t.Context(), Request{Plugins: required("~> 9.0", ""), Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "has no version of "+acme+" ~> 9.0; it has 4.0.0, 3.0.0, 2.0.0, 1.0.0") {
		t.Error(err)
	}
}

// TestGrants: what is granted is in the lock file, and changes are told.
func TestGrants(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	in, dir := installerOf(t, fromMirror(serve(t, mirrorFiles(w)))), t.TempDir()
	reqs := required("", "")
	reqs[0].Grant = spec.Grant{Network: []string{"a.example:443"}, Env: []string{"TOKEN"}}
	reqs = append(reqs, spec.PluginRequirement{Name: "second", Source: acme, Version: "~> 1.0", Grant: spec.Grant{Read: []string{"data"}}})
	first, err := in.Init(t.Context(), Request{Plugins: reqs, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Grant{
		{Name: "acme", Network: []string{"a.example:443"}, Env: []string{"TOKEN"}, Added: []string{"network a.example:443", "env TOKEN"}},
		{Name: "second", Read: []string{"data"}, Added: []string{"read data"}},
	}; cmp.Diff(want, first.Plugins[0].Grants) != "" {
		t.Error(cmp.Diff(want, first.Plugins[0].Grants))
	}
	reqs[0].Grant.Env, reqs[0].Grant.Network = nil, []string{"a.example:443", "b.example:443"}
	second, err := in.Init(t.Context(), Request{Plugins: reqs[:1], Dir: dir, Lock: first.Lock})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Grant{
		{Name: "acme", Network: []string{"a.example:443", "b.example:443"}, Added: []string{"network b.example:443"}, Gone: []string{"env TOKEN"}},
		{Name: "second", Gone: []string{"read data"}},
	}; cmp.Diff(want, second.Plugins[0].Grants) != "" {
		t.Error(cmp.Diff(want, second.Plugins[0].Grants))
	}
	locked, _ := second.Lock.Plugin(acme)
	if want := map[string]lockfile.Grant{"acme": {Network: []string{"a.example:443", "b.example:443"}}}; cmp.Diff(want, locked.Grants) != "" {
		t.Error(cmp.Diff(want, locked.Grants))
	}
}

// TestArchiveSums: where the list has the binaries too, no other platform's
// archive is fetched.
func TestArchiveSums(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{form: ".tar.gz", bareSums: true}.make(t, acme, "1.0.0"))
	s := serve(t, mirrorFiles(w))
	result, err := installerOf(t, fromMirror(s)).Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()})
	if err != nil || len(result.Lock.Plugins[0].Hashes) != 3 || s.count(".tar.gz") != 1 {
		t.Errorf("%+v, %v, %d archives", result, err, s.count(".tar.gz"))
	}
}

// TestShared: a binary in a further folder will do, if it is the right one.
func TestShared(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	s := serve(t, mirrorFiles(w))
	in, shared := installerOf(t, fromMirror(s)), t.TempDir()
	first, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: shared})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	second, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: dir, Shared: []string{t.TempDir(), shared}, Lock: first.Lock})
	if err != nil || second.Plugins[0].Status != Present || s.count("_"+here) != 1 {
		t.Errorf("%+v, %v", second, err)
	}
	if err := os.WriteFile(lockfile.Path(shared, acme, "1.0.0", here), []byte("other"), 0o755); err != nil {
		t.Fatal(err)
	}
	third, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: dir, Shared: []string{shared}, Lock: first.Lock})
	if err != nil || third.Plugins[0].Status != Installed {
		t.Errorf("%+v, %v", third, err)
	}
}

// TestFirstPlace: the first place that knows a source counts, and one that is
// down is not passed over.
func TestFirstPlace(t *testing.T) {
	old, newer := world{}, world{}
	old.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	newer.add(acme, "9.0.0", making{}.make(t, acme, "9.0.0"))
	a, b, empty := serve(t, mirrorFiles(old)), serve(t, mirrorFiles(newer)), serve(t, files{})
	config := fmt.Sprintf("plugin_installation {\n network_mirror %q {}\n network_mirror %q {\n exclude = [\"example.com/*\"]\n}\n network_mirror %q {}\n}", empty.URL, a.URL, b.URL)
	in := installerOf(t, config)
	result, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()})
	if err != nil || result.Plugins[0].Version != "1.0.0" || b.count("") != 0 || empty.count("") != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	a.Close()
	if _, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "cannot be had from the mirror "+a.URL) {
		t.Error(err)
	}
	other := []spec.PluginRequirement{{Name: "x", Source: "example.com/x"}}
	if _, err := installerOf(t, "plugin_installation {}").Init(t.Context(), Request{Plugins: other, Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no place is configured for example.com/x") {
		t.Error(err)
	}
	if _, err := installerOf(t, fromMirror(empty)).Init(t.Context(), Request{Plugins: other, Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "example.com/x has no releases in the mirror "+empty.URL) {
		t.Error(err)
	}
}

// TestMirrorGone has a mirror whose folder is not there, as of a disk that is
// not mounted: the next place does not stand in for it.
func TestMirrorGone(t *testing.T) {
	w := world{}
	w.add(acme, "9.0.0", making{}.make(t, acme, "9.0.0"))
	next := serve(t, mirrorFiles(w))
	file := filepath.Join(t.TempDir(), "file")
	writeFiles(t, filepath.Dir(file), files{"file": []byte("no folder")})
	for _, gone := range []string{filepath.Join(t.TempDir(), "gone"), file} {
		in := installerOf(t, fmt.Sprintf("plugin_installation {\n filesystem_mirror %q {}\n network_mirror %q {}\n}", gone, next.URL))
		_, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), "there is no folder "+gone) || next.count("") != 0 {
			t.Errorf("%v; the next place was asked %d times", err, next.count(""))
		}
	}
}

// TestMirror makes a mirror, and installs from it without the server, from the
// folder and served.
func TestMirror(t *testing.T) {
	for _, form := range []string{"", ".tar.gz"} {
		key, public := newKey(t)
		w := world{}
		for _, version := range []string{"1.0.0", "1.1.0"} {
			w.add(acme, version, making{form: form, key: key, public: true, protocols: []int{1}}.make(t, acme, version))
		}
		s := serve(t, mirrorFiles(w))
		in, mirror := installerOf(t, fromMirror(s)), t.TempDir()
		var lock *lockfile.File
		for _, version := range []string{"1.0.0", "1.1.0"} {
			result, err := in.Init(t.Context(), Request{Plugins: required(version, ""), Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			lock = result.Lock
			for range 2 { // the second time there is nothing to copy
				list, err := in.Mirror(t.Context(), lock, mirror, nil)
				if err != nil || len(list) != 1 || list[0].Version != version || list[0].Bytes == 0 {
					t.Fatalf("%+v, %v", list, err)
				}
			}
		}
		s.Close()
		if form == "" {
			diff := cmp.Diff(slices.Sorted(maps.Keys(withoutIndex(mirrorFiles(w)))), slices.Sorted(maps.Keys(withoutIndex(readFiles(t, mirror)))))
			if diff != "" {
				t.Error(diff)
			}
		}
		served := serve(t, readFiles(t, mirror))
		for _, config := range []string{fromMirror(served), fmt.Sprintf("plugin_installation {\nfilesystem_mirror %q {}\n}", mirror)} {
			result, err := installerOf(t, config).Init(t.Context(), Request{Plugins: required("", public), Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := result.Lock.Plugin(acme); got.Version != "1.1.0" || cmp.Diff(lock.Plugins[0].Hashes, got.Hashes) != "" {
				t.Errorf("%+v", got)
			}
		}
	}
}

func withoutIndex(f files) files {
	delete(f, acme+"/"+indexName)
	return f
}

func readFiles(t *testing.T, dir string) files {
	t.Helper()
	f := files{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		rel, rerr := filepath.Rel(dir, name)
		if f[filepath.ToSlash(rel)] = b; rerr != nil {
			return rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPartialMirror: a mirror with one platform's packages still locks all
// where the list tells; where it does not, AddPlatforms does so later.
func TestPartialMirror(t *testing.T) {
	for _, form := range []string{"", ".zip"} {
		w := world{}
		w.add(acme, "1.0.0", making{form: form}.make(t, acme, "1.0.0"))
		s := serve(t, mirrorFiles(w))
		full := installerOf(t, fromMirror(s))
		all, err := full.Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		mirror := t.TempDir()
		if _, err := full.Mirror(t.Context(), all.Lock, mirror, []string{here}); err != nil {
			t.Fatal(err)
		}
		part, err := installerOf(t, fmt.Sprintf("plugin_installation {\nfilesystem_mirror %q {}\n}", mirror)).
			Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if form == "" {
			if diff := cmp.Diff(all.Lock, part.Lock); diff != "" {
				t.Error(diff)
			}
			continue
		}
		if p := part.Plugins[0]; !slices.Equal(p.Platforms, []string{here}) || len(p.Notes) != 2 || !strings.Contains(p.Notes[0], "nothing is locked for "+there) {
			t.Errorf("%+v", p)
		}
		if _, err := full.Mirror(t.Context(), part.Lock, t.TempDir(), []string{there}); err == nil || !strings.Contains(err.Error(), "autosafe plugins lock -platform "+there) {
			t.Error(err)
		}
		one, added, err := full.AddPlatforms(t.Context(), part.Lock, []string{there})
		if err != nil || !slices.Equal(added[acme], []string{there}) || len(one.Plugins[0].Hashes) != 2 {
			t.Errorf("%+v, %v, %v", one, added, err)
		}
		now, _, err := full.AddPlatforms(t.Context(), one, nil)
		if err != nil || cmp.Diff(all.Lock, now) != "" {
			t.Errorf("%s, %v", cmp.Diff(all.Lock, now), err)
		}
		if _, _, err := full.AddPlatforms(t.Context(), one, []string{"plan9_386"}); err == nil || !strings.Contains(err.Error(), "has no package for plan9_386; it has "+there) {
			t.Error(err)
		}
		// A release that is another one is not added to the lock.
		name := path.Join(acme, "1.0.0")
		other := mirrorFiles(world{acme: {"1.0.0": making{form: form}.make(t, acme, "1.0.0")}})
		stem := name + "/autosafe-plugin-acme_1.0.0_"
		other[stem+here+form] = zipped(t, entry{name: "autosafe-plugin-acme", data: []byte("other")})
		resum(other, name)
		if _, _, err := installerOf(t, fromMirror(serve(t, other))).AddPlatforms(t.Context(), part.Lock, []string{there}); err == nil || !strings.Contains(err.Error(), "autosafe.lock.hcl expects") {
			t.Error(err)
		}
	}
}

// resum makes the sums of a version in a mirror anew.
func resum(f files, folder string) {
	own := files{}
	for name, b := range f {
		if path.Dir(name) == folder {
			own[path.Base(name)] = b
		}
	}
	own.sum()
	f[folder+"/"+sumsFile] = own[sumsFile]
}
