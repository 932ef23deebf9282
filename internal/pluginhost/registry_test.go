package pluginhost

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

const acmeSource = "github.com/acme/autosafe-plugin-acme"

// versioned puts this binary where a version of a source belongs.
func versioned(t *testing.T, dir, source, version string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(source), version, runtime.GOOS+"_"+runtime.GOARCH, binaryName(source))
	link(t, path)
	return path
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

func TestLocate(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	v100 := versioned(t, second, acmeSource, "1.0.0")
	v1100 := versioned(t, second, acmeSource, "1.10.0")
	v120 := versioned(t, second, acmeSource, "1.2.0")
	versioned(t, second, acmeSource, "2.0.0-rc.1")
	plain := filepath.Join(first, binaryPrefix+"dev")
	link(t, plain)
	textOnly := filepath.Join(first, binaryPrefix+"text")
	if err := os.WriteFile(textOnly, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	h := newHost(t, func(o *Options) { o.Dirs = []string{first, second} })
	tests := []struct {
		name, source, version string
		want                  string
		problem               string
	}{
		{"acme", acmeSource, "", v1100, ""},
		{"acme", acmeSource, "~> 1.2.0", v120, ""},
		{"acme", acmeSource, "< 1.2", v100, ""},
		{"acme", acmeSource, "~> 3.0", "", "in none of the plugin folders"},
		{"acme", acmeSource, "newest", "", "not a version constraint"},
		{"dev", "github.com/acme/other", "~> 9.9", plain, ""},
		{"text", "github.com/acme/other", "", "", "not executable"},
		{"acme", "../../etc", "", "", "not a plugin source"},
		{"acme", "/etc", "", "", "not a plugin source"},
		{"acme", "", "", "", "not a plugin source"},
	}
	for _, tt := range tests {
		t.Run(tt.source+" "+tt.version, func(t *testing.T) {
			f, err := h.locate(spec.PluginRequirement{Name: tt.name, Source: tt.source, Version: tt.version})
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Fatalf("error %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil || f.path != tt.want {
				t.Errorf("%s, %v, want %s", f.path, err, tt.want)
			}
		})
	}
}

func TestRegistry(t *testing.T) {
	dir, cacheDir := t.TempDir(), t.TempDir()
	versioned(t, dir, acmeSource, "1.2.0")
	store := openStore(t, cacheDir)
	reqs := []spec.PluginRequirement{{Name: "acme", Source: acmeSource, Version: "~> 1.2"}}
	use := func() *Host {
		h := newHost(t, func(o *Options) { o.Dirs, o.Store = []string{dir}, store })
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
	h := newHost(t, func(o *Options) { o.Dirs, o.Store = []string{dir}, store })
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
	versioned(t, dir, "github.com/acme/autosafe-plugin-other", "1.2.0") // says that it is acme
	versioned(t, dir, acmeSource, "7.0.0")                              // says that it is 1.2.0
	link(t, filepath.Join(dir, binaryPrefix+"dev"))
	link(t, filepath.Join(dir, binaryPrefix+"echo"))
	link(t, filepath.Join(dir, binaryPrefix+"stillborn"))
	at := hcl.Range{Filename: "main.hcl", Start: hcl.Pos{Line: 3}}
	tests := []struct{ name, source, version, want string }{
		{"missing", "github.com/acme/missing", "~> 1.0", "in none of the plugin folders: " + dir},
		{"other", "github.com/acme/autosafe-plugin-other", "", "says that it is"},
		{"acme", acmeSource, "", "its folder says 7.0.0"},
		{"dev", acmeSource, "~> 2.0", "the recipe requires ~> 2.0"},
		{"stillborn", "github.com/acme/x", "", "no licence"},
		{"echo", acmeSource, "~> 1.2.0", "local name"}, // its unnamed component is "echo", as the built-in one
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, func(o *Options) { o.Dirs = []string{dir} })
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
