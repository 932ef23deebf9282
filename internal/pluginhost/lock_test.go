package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/lockfile"
)

// TestLocate: without a lock file only what lies beside no version is used.
func TestLocate(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	versioned(t, second, acmeSource, "1.0.0")
	versioned(t, second, acmeSource, "1.10.0")
	plain := filepath.Join(second, binaryPrefix+"dev")
	link(t, plain)
	for _, name := range []string{"text", "both"} {
		if err := os.WriteFile(filepath.Join(first, binaryPrefix+name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	link(t, filepath.Join(second, binaryPrefix+"both"))
	h := newHost(t, func(o *Options) { o.Dirs = []string{first, second} })
	tests := []struct {
		name, source, version string
		want                  string
		problem               string
	}{
		{"dev", "github.com/acme/other", "~> 9.9", plain, ""},
		{"both", "github.com/acme/other", "", filepath.Join(second, binaryPrefix+"both"), ""},
		{"acme", acmeSource, "", "", "is installed in " + filepath.Join(second, filepath.FromSlash(acmeSource)) + " (1.0.0, 1.10.0), and there is no autosafe.lock.hcl that says which binary to trust. Run autosafe init"},
		{"none", "github.com/acme/none", "~> 3.0", "", "is not installed. Run autosafe init. While you work on it, put the binary for"},
		{"acme", acmeSource, "newest", "", "not a version constraint"},
		{"text", "github.com/acme/other", "", "", "not executable. Run chmod +x on it"},
		{"acme", "../../etc", "", "", "not a plugin source"},
		{"acme", "/etc", "", "", "not a plugin source"},
		{"acme", "", "", "", "not a plugin source"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.source+" "+tt.version, func(t *testing.T) {
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

// TestFindLocked changes what is installed, or locked, in every way, and holds
// each message to what it must say.
func TestFindLocked(t *testing.T) {
	const other = "example.com/other"
	tests := []struct {
		name   string
		change func(t *testing.T, dir, bin string, lock *lockfile.Plugin, req *spec.PluginRequirement)
		want   []string // nil: it is found
	}{
		{"as it was", func(*testing.T, string, string, *lockfile.Plugin, *spec.PluginRequirement) {}, nil},
		{"deleted", func(t *testing.T, _, bin string, _ *lockfile.Plugin, _ *spec.PluginRequirement) {
			must(t, os.Remove(bin))
		}, []string{"is locked at " + acmeSource + " 1.2.0, and ", "does not exist; what is installed is version 1.1.0. Run autosafe init to install it"}},
		{"deleted, and one put there by hand", func(t *testing.T, dir, bin string, _ *lockfile.Plugin, _ *spec.PluginRequirement) {
			must(t, os.Remove(bin))
			must(t, os.WriteFile(filepath.Join(dir, binaryPrefix+"acme"), []byte("x"), 0o777))
		}, []string{"does not exist", "name its folder in dev_overrides"}},
		{"not to be run", func(t *testing.T, _, bin string, _ *lockfile.Plugin, _ *spec.PluginRequirement) {
			must(t, os.Chmod(bin, 0o644))
		}, []string{"is no executable file. Run autosafe init"}},
		{"a folder", func(t *testing.T, _, bin string, _ *lockfile.Plugin, _ *spec.PluginRequirement) {
			must(t, errors.Join(os.Remove(bin), os.Mkdir(bin, 0o777)))
		}, []string{"is no executable file"}},
		{"edited", rewrite("the binary of 1.2.1"), []string{"is not what autosafe.lock.hcl locks: the SHA-256 of", "It was changed since it was installed. It was not started. Run autosafe init"}},
		{"cut short", rewrite("the"), []string{"It has 3 bytes, and 19 were installed: it was cut short, or replaced"}},
		{"emptied", rewrite(""), []string{"The file is empty"}},
		{"an older version", rewrite("the binary of 1.1.0"), []string{"It is the binary of version 1.1.0"}},
		{"another plugin", rewrite("the other plugin"), []string{"It is the binary of " + other + " 3.0.0 for " + lockfile.Platform()}},
		{"another platform", rewrite("for plan9"), []string{"It is the binary of " + acmeSource + " 1.2.0 for plan9_386"}},
		{"no receipt", func(t *testing.T, dir, bin string, l *lockfile.Plugin, r *spec.PluginRequirement) {
			rewrite("evil")(t, dir, bin, l, r)
			must(t, os.Remove(filepath.Join(filepath.Dir(bin), ".install.json")))
		}, []string{"It was not installed by autosafe init"}},
		{"the hash in the lock file", func(_ *testing.T, _, _ string, l *lockfile.Plugin, _ *spec.PluginRequirement) {
			l.Hashes[lockfile.Platform()] = strings.Repeat("0", 64)
		}, []string{"and that of " + acmeSource + " 1.2.0 is " + strings.Repeat("0", 64), "It is what was installed from the mirror, so that the lock file is another one, or was edited"}},
		{"the version in the lock file", func(_ *testing.T, _, _ string, l *lockfile.Plugin, _ *spec.PluginRequirement) {
			l.Version = "1.2.7"
		}, []string{"is locked at " + acmeSource + " 1.2.7", "what is installed is version 1.1.0, 1.2.0"}},
		{"the version in the lock file, to an older one", func(_ *testing.T, _, _ string, l *lockfile.Plugin, _ *spec.PluginRequirement) {
			l.Version = "1.1.0"
		}, []string{"is not what autosafe.lock.hcl locks", "It was not installed by autosafe init"}},
		{"no version", func(_ *testing.T, _, _ string, l *lockfile.Plugin, _ *spec.PluginRequirement) {
			l.Version = "../../x"
		}, []string{"has the version \"../../x\", which is none: the file was edited"}},
		{"another source in the lock file", func(_ *testing.T, _, _ string, l *lockfile.Plugin, _ *spec.PluginRequirement) {
			l.Source = "github.com/evil/autosafe-plugin-acme"
		}, []string{"does not lock the plugin \"acme\" (" + acmeSource + "); it locks " + other + ", github.com/evil/autosafe-plugin-acme. Run autosafe init"}},
		{"without this platform", func(_ *testing.T, _, _ string, l *lockfile.Plugin, _ *spec.PluginRequirement) {
			delete(l.Hashes, lockfile.Platform())
		}, []string{"for plan9_386, and not for " + lockfile.Platform(), "Run autosafe plugins lock -platform " + lockfile.Platform()}},
		{"another constraint", func(_ *testing.T, _, _ string, _ *lockfile.Plugin, r *spec.PluginRequirement) {
			r.Version = "~> 2.0"
		}, []string{"locks " + acmeSource + " 1.2.0, and the recipe requires ~> 2.0. Run autosafe init"}},
		{"another protocol", func(_ *testing.T, _, _ string, l *lockfile.Plugin, _ *spec.PluginRequirement) {
			l.Protocol = 2
		}, []string{"speaks plugin protocol 2; this autosafe speaks 1"}},
		{"a key in the recipe", func(_ *testing.T, _, _ string, _ *lockfile.Plugin, r *spec.PluginRequirement) {
			r.SigningKey = "RWkey"
		}, []string{"signed by RWkey, and what autosafe.lock.hcl locks is not signed. Run autosafe init"}},
		{"another key in the recipe", func(_ *testing.T, _, _ string, l *lockfile.Plugin, r *spec.PluginRequirement) {
			r.SigningKey, l.SigningKey = "RWkey", "RWother"
		}, []string{"locks is signed by RWother"}},
		{"a grant more", func(_ *testing.T, _, _ string, _ *lockfile.Plugin, r *spec.PluginRequirement) {
			r.Grant.Network = []string{"a.example:443"}
		}, []string{"the recipe grants the plugin \"acme\" other things than autosafe.lock.hcl says: network a.example:443 is not in the lock file. Run autosafe init"}},
		{"a grant less", func(_ *testing.T, _, _ string, l *lockfile.Plugin, _ *spec.PluginRequirement) {
			l.Grants = map[string]lockfile.Grant{"acme": {Env: []string{"TOKEN"}}}
		}, []string{"env TOKEN is not in the recipe"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			bin := putText(t, dir, acmeSource, "1.2.0", "the binary of 1.2.0")
			putText(t, dir, acmeSource, "1.1.0", "the binary of 1.1.0")
			must(t, os.Remove(filepath.Join(filepath.Dir(lockfile.Path(dir, acmeSource, "1.1.0", lockfile.Platform())), ".install.json")))
			putText(t, dir, other, "3.0.0", "the other plugin")
			lock := locking(t, dir, map[string]string{acmeSource: "1.2.0", other: "3.0.0"})
			p, _ := lock.Plugin(acmeSource)
			p.Hashes["plan9_386"] = hashOf("for plan9")
			req := spec.PluginRequirement{Name: "acme", Source: acmeSource, Version: "~> 1.0"}
			tt.change(t, dir, bin, &p, &req)
			now := &lockfile.File{}
			o, _ := lock.Plugin(other)
			now.Set(o)
			now.Set(p)
			h := newHost(t, func(o *Options) { o.Dirs, o.Lock = []string{t.TempDir(), dir}, now })
			ref, err := h.Find(req)
			if tt.want == nil {
				if err != nil || ref.Path != bin || ref.Digest != p.Hashes[lockfile.Platform()] {
					t.Errorf("%+v, %v", ref, err)
				}
				return
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			if _, diags := h.Registry([]spec.PluginRequirement{req}); !diags.HasErrors() || h.Started() != 0 {
				t.Errorf("%v, and %d processes", diags, h.Started())
			}
		})
	}
}

func rewrite(text string) func(*testing.T, string, string, *lockfile.Plugin, *spec.PluginRequirement) {
	return func(t *testing.T, _, bin string, _ *lockfile.Plugin, _ *spec.PluginRequirement) {
		must(t, os.WriteFile(bin, []byte(text), 0o777))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// putText installs a text as a plugin's binary: it is never started.
func putText(t *testing.T, dir, source, version, text string) string {
	t.Helper()
	path := lockfile.Path(dir, source, version, lockfile.Platform())
	must(t, os.MkdirAll(filepath.Dir(path), 0o777))
	must(t, os.WriteFile(path, []byte(text), 0o777))
	must(t, lockfile.Receipt{Size: int64(len(text)), SHA256: hashOf(text), From: "the mirror"}.Write(path))
	return path
}

// TestOverrides: an override goes before everything, and its version does not
// matter; but it must be the plugin.
func TestOverrides(t *testing.T) {
	dir, empty := t.TempDir(), t.TempDir()
	bin := filepath.Join(dir, lockfile.BinaryName(acmeSource, lockfile.Platform()))
	link(t, bin)
	lock := &lockfile.File{}
	lock.Set(lockfile.Plugin{Source: acmeSource, Version: "9.0.0", Protocol: 1, Hashes: map[string]string{}})
	req := spec.PluginRequirement{Name: "acme", Source: acmeSource, Version: "~> 9.0"}
	h := newHost(t, func(o *Options) { o.Lock, o.Overrides = lock, map[string]string{acmeSource: dir} })
	if _, diags := h.Registry([]spec.PluginRequirement{req}); diags.HasErrors() {
		t.Error(diags)
	}
	if ref, err := h.Find(req); err != nil || ref.Path != bin {
		t.Errorf("%+v, %v", ref, err)
	}
	h = newHost(t, func(o *Options) { o.Overrides = map[string]string{acmeSource: empty, "example.com/x": dir} })
	if _, err := h.Find(req); err == nil || !strings.Contains(err.Error(), "dev_overrides says that "+acmeSource+" is in "+empty+", and there is no program autosafe-plugin-acme there") {
		t.Error(err)
	}
	wrong := spec.PluginRequirement{Name: "acme", Source: "example.com/x"}
	if _, diags := h.Registry([]spec.PluginRequirement{wrong}); !diags.HasErrors() || !strings.Contains(diags.Error(), "says that it is") {
		t.Error(diags)
	}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
