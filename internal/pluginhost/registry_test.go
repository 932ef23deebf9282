package pluginhost

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/lockfile"
	"github.com/autosafe/autosafe/spec/schema"
)

const acmeSource = "github.com/acme/autosafe-plugin-acme"

// binaryPrefix begins the file name of every plugin.
const binaryPrefix = "autosafe-plugin-"

// versioned puts this binary where a version of a source belongs.
func versioned(t *testing.T, dir, source, version string) string {
	t.Helper()
	path := lockfile.Path(dir, source, version, lockfile.Platform())
	link(t, path)
	return path
}

// locking is a lock file of the versions that are installed in a folder.
func locking(t *testing.T, dir string, versions map[string]string) *lockfile.File {
	t.Helper()
	f := &lockfile.File{}
	for source, version := range versions {
		digest, err := hashFile(lockfile.Path(dir, source, version, lockfile.Platform()))
		if err != nil {
			t.Fatal(err)
		}
		f.Set(lockfile.Plugin{
			Source: source, Version: version, Protocol: 1,
			Hashes: map[string]string{lockfile.Platform(): digest, "plan9_386": strings.Repeat("ab", 32)},
		})
	}
	return f
}

func openStore(t *testing.T, dir string) *cache.Store {
	t.Helper()
	s, err := cache.Open(dir, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestRegistry(t *testing.T) {
	dir, cacheDir := t.TempDir(), t.TempDir()
	versioned(t, dir, acmeSource, "1.2.0")
	lock := locking(t, dir, map[string]string{acmeSource: "1.2.0"})
	store := openStore(t, cacheDir)
	reqs := []spec.PluginRequirement{{Name: "acme", Source: acmeSource, Version: "~> 1.2"}}
	use := func() *Host {
		h := newHost(t, func(o *Options) { o.Dirs, o.Lock, o.Store = []string{dir}, lock, store })
		reg, diags := h.Registry(reqs)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		labels := reg.Labels(schema.Simulator)
		if !slices.Contains(labels, "acme_echo") || !slices.Contains(labels, "acme") || !slices.Contains(labels, "echo") || !slices.IsSorted(labels) {
			t.Errorf("labels %q", labels)
		}
		c, ref, ok := reg.Component(schema.Simulator, "acme_echo")
		if !ok || c.Name != "echo" || ref.Name != "acme" || ref.Version != "1.2.0" || ref.Source != acmeSource || len(ref.Digest) != 64 {
			t.Fatalf("component %+v, %+v, %v", c, ref, ok)
		}
		if _, _, ok := reg.Component(schema.Judge, "acme_echo"); ok {
			t.Error("the component was found in another role")
		}
		diags2, err := reg.Validate(ref, schema.Simulator, "echo", []byte(`{"prefix":"bad"}`))
		if err != nil || len(diags2) != 1 || diags2[0].Summary != "Unknown prefix" || len(diags2[0].Path) != 1 {
			t.Errorf("validate: %+v, %v", diags2, err)
		}
		return h
	}
	if h := use(); h.Started() != 1 {
		t.Errorf("%d processes for the first look, want 1", h.Started())
	}
	// The component takes a secret, so that its checks are not remembered:
	// the description is, but the process is needed again.
	if h := use(); h.Started() != 1 {
		t.Errorf("%d processes for the second look, want 1 for the check", h.Started())
	}
	h := newHost(t, func(o *Options) { o.Dirs, o.Lock, o.Store = []string{dir}, lock, store })
	if _, diags := h.Registry(reqs); diags.HasErrors() || h.Started() != 0 {
		t.Errorf("%v, and %d processes for a plugin that is known", diags, h.Started())
	}
}

func TestBuiltinNeedsNoProcess(t *testing.T) {
	h := newHost(t, func(o *Options) { o.SelfPath = "" })
	reg, diags := h.Registry(nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	c, ref, ok := reg.Component(schema.Simulator, "echo")
	if !ok || c.BehaviorVersion != "1" || ref.Source != BuiltinSource || ref.Path != "" || ref.Digest != "" {
		t.Errorf("%+v %+v %v", c, ref, ok)
	}
	list, err := reg.Validate(ref, schema.Simulator, "echo", []byte(`{"limit":11}`))
	if err != nil || len(list) != 1 || h.Started() != 0 {
		t.Errorf("%+v, %v, %d processes", list, err, h.Started())
	}
}

func TestRegistryProblems(t *testing.T) {
	dir := t.TempDir()
	const other = "github.com/acme/autosafe-plugin-other"
	versioned(t, dir, other, "1.2.0")      // says that it is acme
	versioned(t, dir, acmeSource, "7.0.0") // says that it is 1.2.0
	lock := locking(t, dir, map[string]string{other: "1.2.0", acmeSource: "7.0.0"})
	link(t, filepath.Join(dir, binaryPrefix+"dev"))
	link(t, filepath.Join(dir, binaryPrefix+"echo"))
	link(t, filepath.Join(dir, binaryPrefix+"stillborn"))
	at := hcl.Range{Filename: "main.hcl", Start: hcl.Pos{Line: 3}}
	tests := []struct {
		name, source, version string
		lock                  *lockfile.File
		want                  string
	}{
		{"missing", "github.com/acme/missing", "~> 1.0", nil, "is not installed. Run autosafe init"},
		{"other", other, "", lock, "says that it is"},
		{"acme", acmeSource, "", lock, "it was released as 7.0.0"},
		{"dev", acmeSource, "~> 2.0", nil, "the recipe requires ~> 2.0"},
		{"stillborn", "github.com/acme/x", "", nil, "no licence"},
		{"echo", acmeSource, "~> 1.2.0", nil, "local name"}, // its unnamed component is "echo", as the built-in one
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, func(o *Options) { o.Dirs, o.Lock = []string{dir}, tt.lock })
			reg, diags := h.Registry([]spec.PluginRequirement{{Name: tt.name, Source: tt.source, Version: tt.version, Range: at}})
			if len(diags) != 1 || !strings.Contains(diags[0].Detail, tt.want) || diags[0].Subject == nil || diags[0].Subject.Start.Line != 3 {
				t.Errorf("diagnostics %v, want %q", diags, tt.want)
			}
			if _, _, ok := reg.Component(schema.Simulator, "environ"); !ok {
				t.Error("the built-in components are gone")
			}
		})
	}
}

// TestStoreHoldsNoConfig looks through the cache for a secret of a plugin's
// configuration.
func TestStoreHoldsNoConfig(t *testing.T) {
	dir, cacheDir := t.TempDir(), t.TempDir()
	ref := install(t, dir, "acme")
	store, err := cache.Open(cacheDir, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, func(o *Options) { o.Store = store })
	if _, err := h.validate(t.Context(), ref, schema.Simulator, "echo", []byte(`{"token":"hunter2"}`)); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(cacheDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("hunter2")) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte("plain\n{\"@level\":\"error\",\"@message\":\"m\",\"k\":1}\n\x1b[31m\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var log syncBuffer
		o := &output{log: &lineLog{out: &log}, name: "x"}
		for len(b) > 0 { // in pieces
			n := min(7, len(b))
			if _, err := o.Write(b[:n]); err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		for _, text := range []string{o.last(), log.String()} {
			if strings.ContainsAny(text, "\x1b\x07\x00\x7f\r") {
				t.Errorf("control characters came through: %q", text)
			}
		}
	})
}
