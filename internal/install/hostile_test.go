package install

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/spec/lockfile"
)

const (
	version1 = acme + "/1.0.0/"
	bare1    = version1 + "autosafe-plugin-acme_1.0.0_" + here
	list1    = version1 + sumsFile
)

// TestTampered changes what a place serves. Nothing may be installed, and each
// message says what is wrong.
func TestTampered(t *testing.T) {
	key, public := newKey(t)
	otherKey, otherPublic := newKey(t)
	signed := making{key: key, public: true}
	tests := []struct {
		name   string
		make   making
		key    string // that the recipe requires
		locked bool   // the release is locked as it was
		change func(f files)
		want   string
	}{
		{"a binary", making{}, "", false, func(f files) { f[bare1] = []byte("evil") }, "is not what was released: its SHA-256 is"},
		{"a binary, cut short", making{}, "", false, func(f files) { f[bare1] = f[bare1][:10] }, "is not what was released"},
		{"a binary and its sum, locked", making{}, "", true, func(f files) {
			f[bare1] = []byte("evil")
			resum(f, acme+"/1.0.0")
		}, "and autosafe.lock.hcl expects " + sha256Of(content(acme, "1.0.0", here))},
		{"a binary and its sum, signed", signed, public, false, func(f files) {
			f[bare1] = []byte("evil")
			resum(f, acme+"/1.0.0")
		}, "does not fit its SHA256SUMS: the list was changed after it was signed"},
		{"an older release under a newer number", signed, public, false, func(f files) {
			for name, b := range f {
				if rest, ok := strings.CutPrefix(name, version1); ok {
					f[acme+"/1.0.1/"+rest] = b
				}
			}
			f[acme+"/index.json"] = []byte(`{"format":1,"versions":{"1.0.0":{},"1.0.1":{}}}`)
		}, "lists no package of this version; one is named like autosafe-plugin-acme_1.0.1_linux_amd64"},
		{"the list is gone", making{}, "", false, func(f files) { delete(f, list1) }, "has no SHA256SUMS, so that it cannot be verified"},
		{"the list is no list", making{}, "", false, func(f files) { f[list1] = []byte("<html>") }, "line 1 is not a SHA-256 and a file name"},
		{"two sums of a file", making{}, "", false, func(f files) {
			f[list1] = append(f[list1], []byte(strings.Repeat("0", 64)+"  autosafe-plugin-acme_1.0.0_"+here+"\n")...)
		}, "has another sum for autosafe-plugin-acme_1.0.0_linux_amd64"},
		{"unsigned, a key required", making{}, public, false, func(files) {}, "is not signed, and it must be signed by the key"},
		{"the signature is gone, locked with a key", signed, "", true, func(f files) {
			delete(f, version1+signatureFile)
		}, "is not signed, and it must be signed by the key"},
		{"signed by another key", making{key: otherKey}, public, false, func(files) {}, "and it must be signed by"},
		{"both the key and the signature are new, locked with a key", signed, "", true, func(f files) {
			own := files{sumsFile: f[list1]}
			own.sign(t, *otherKey, true)
			f[version1+signatureFile], f[version1+keyFile] = own[signatureFile], own[keyFile]
		}, "set signing_key to the new one"},
		{"the signature does not fit the key beside it", signed, "", false, func(f files) {
			f[list1] = append(f[list1], '\n')
		}, "does not fit its SHA256SUMS"},
		{"no signature", signed, public, false, func(f files) { f[version1+signatureFile] = []byte("x") }, "is not a minisign signature"},
		{"no key", signed, "", false, func(f files) { f[version1+keyFile] = []byte("x") }, "is not a minisign public key"},
		{"no package for this platform", making{platforms: []string{there}}, "", false, func(files) {}, "has no package for linux_amd64; it has darwin_arm64"},
		{"a manifest that was changed", making{protocols: []int{1}}, "", false, func(f files) {
			f[version1+manifestFile] = []byte(`{"protocols":[2]}`)
		}, "autosafe-plugin.json of " + acme + " 1.0.0"},
		{"the version is gone, locked", making{}, "", true, func(f files) {
			f[acme+"/index.json"] = []byte(`{"format":1,"versions":{"0.9.0":{}}}`)
		}, "autosafe.lock.hcl locks " + acme + " 1.0.0, and the mirror"},
		{"an index of another format", making{}, "", false, func(f files) {
			f[acme+"/index.json"] = []byte(`{"format":2}`)
		}, "has format 2; this autosafe reads 1"},
		{"no index", making{}, "", false, func(f files) { f[acme+"/index.json"] = []byte(`[`) }, "index.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world{}
			w.add(acme, "1.0.0", tt.make.make(t, acme, "1.0.0"))
			s := serve(t, mirrorFiles(w))
			in, dir := installerOf(t, fromMirror(s)), t.TempDir()
			req := Request{Plugins: required("", tt.key), Dir: dir}
			if tt.locked {
				result, err := in.Init(t.Context(), Request{Plugins: required("", tt.key), Dir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				req.Lock = result.Lock
			}
			tt.change(s.files)
			_, err := in.Init(t.Context(), req)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			installedNothing(t, dir)
		})
	}
	if otherPublic == public {
		t.Error("equal keys")
	}
}

// installedNothing holds for a folder with no program and nothing temporary.
func installedNothing(t *testing.T, dir string) {
	t.Helper()
	if left := readFiles(t, dir); len(left) > 0 {
		t.Errorf("something was installed, or left: %v", left)
	}
}

// TestTrust: a key that comes with a release is kept to from then on, and a key
// in the recipe goes before it.
func TestTrust(t *testing.T) {
	key, public := newKey(t)
	newer, newerPublic := newKey(t)
	w := world{}
	w.add(acme, "1.0.0", making{key: key, public: true}.make(t, acme, "1.0.0"))
	s := serve(t, mirrorFiles(w))
	in, dir := installerOf(t, fromMirror(s)), t.TempDir()
	first, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: dir})
	if err != nil || !first.Plugins[0].FirstUse || first.Lock.Plugins[0].SigningKey != public {
		t.Fatalf("%+v, %v", first, err)
	}
	// Set in the recipe, it is checked again, and no first use any more.
	second, err := in.Init(t.Context(), Request{Plugins: required("", public), Dir: dir})
	if err != nil || second.Plugins[0].FirstUse || second.Plugins[0].Status != Present {
		t.Fatalf("%+v, %v", second, err)
	}
	// A release by another key is refused until the recipe names that.
	w.add(acme, "1.1.0", making{key: newer, public: true}.make(t, acme, "1.1.0"))
	s.mu.Lock()
	s.files = mirrorFiles(w)
	s.mu.Unlock()
	up := Request{Plugins: required("", ""), Dir: dir, Lock: first.Lock, Upgrade: true}
	if _, err := in.Init(t.Context(), up); err == nil || !strings.Contains(err.Error(), "unless its publisher says that the key has changed") {
		t.Error(err)
	}
	up.Plugins = required("", newerPublic)
	third, err := in.Init(t.Context(), up)
	if err != nil || third.Plugins[0].Version != "1.1.0" || third.Lock.Plugins[0].SigningKey != newerPublic {
		t.Errorf("%+v, %v", third, err)
	}
	// The same key for a release that is locked without one has it checked.
	unsigned := *first.Lock
	unsigned.Plugins = []lockfile.Plugin{first.Lock.Plugins[0]}
	unsigned.Plugins[0].SigningKey = ""
	fourth, err := in.Init(t.Context(), Request{Plugins: required("1.0.0", public), Dir: dir, Lock: &unsigned})
	if err != nil || fourth.Plugins[0].Version != "1.0.0" || fourth.Lock.Plugins[0].SigningKey != public {
		t.Errorf("%+v, %v", fourth, err)
	}
	// Signed, but by no key that is known: told, and not refused.
	w.add(acme, "1.2.0", making{key: key}.make(t, acme, "1.2.0"))
	s.mu.Lock()
	s.files = mirrorFiles(w)
	s.mu.Unlock()
	fifth, err := in.Init(t.Context(), Request{Plugins: required("1.2.0", ""), Dir: dir})
	if err != nil || fifth.Lock.Plugins[0].SigningKey != "" || len(fifth.Plugins[0].Notes) != 1 || !strings.Contains(fifth.Plugins[0].Notes[0], "by which key") {
		t.Errorf("%+v, %v", fifth, err)
	}
}

// TestRegistries has an OCI registry misbehave.
func TestRegistries(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	registry := pushed(t, w)
	tests := []struct {
		name, on string // for paths that hold this
		answer   http.HandlerFunc
		prefix   string
		want     string
	}{
		{"it wants a login", "/tags/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
		}, "plugins", "oras login"},
		{"it does not allow it", "/tags/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "plugins", "oras login"},
		{"it is down", "/tags/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "plugins", "the registry says 502 Bad Gateway"},
		{"it does not know the plugin", "nowhere", nil, "other", "has no releases in the OCI registry"},
		{"a manifest that is none", "/manifests/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = w.Write([]byte("<html>"))
		}, "plugins", "the manifest of plugins/" + acme + ":1.0.0"},
		{"another blob", "/blobs/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, "plugins", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, nil)
			s.first = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, tt.on) && tt.answer != nil {
					tt.answer(w, r)
				} else {
					registry.Config.Handler.ServeHTTP(w, r)
				}
				return true
			}
			dir := t.TempDir()
			in := installerOf(t, fmt.Sprintf("plugin_installation {\n oci %q {}\n}", strings.TrimPrefix(s.URL, "http://")+"/"+tt.prefix))
			_, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: dir})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			installedNothing(t, dir)
		})
	}
}

// TestManyPlatforms: a list of sums cannot have us fetch without an end.
func TestManyPlatforms(t *testing.T) {
	f := making{}.make(t, acme, "1.0.0")
	var extra []string
	for i := range maxPlatforms + 1 {
		extra = append(extra, strings.Repeat("ab", 32)+fmt.Sprintf("  autosafe-plugin-acme_1.0.0_linux_x%d.zip", i))
	}
	f.sum(extra...)
	w := world{}
	w.add(acme, "1.0.0", f)
	s := serve(t, mirrorFiles(w))
	_, err := installerOf(t, fromMirror(s)).Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "platforms, which cannot be right") || s.count(".zip") != 0 {
		t.Error(err)
	}
}

// TestNoWayBack: nothing goes back to an older version by itself.
func TestNoWayBack(t *testing.T) {
	w, older := world{}, world{}
	w.add(acme, "1.1.0", making{}.make(t, acme, "1.1.0"))
	older.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	made, err := installerOf(t, fromMirror(serve(t, mirrorFiles(w)))).Init(t.Context(), Request{Plugins: required("~> 1.0", ""), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	in := installerOf(t, fromMirror(serve(t, mirrorFiles(older))))
	req := Request{Plugins: required("~> 1.0", ""), Dir: t.TempDir(), Lock: made.Lock, Upgrade: true}
	if _, err := in.Init(t.Context(), req); err == nil || !strings.Contains(err.Error(), "nothing goes back to an older version by itself. If that is meant, require it: version = \"1.0.0\"") {
		t.Error(err)
	}
	req.Plugins = required("1.0.0", "")
	if result, err := in.Init(t.Context(), req); err != nil || result.Plugins[0].Version != "1.0.0" {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestArchives packs binaries in hostile ways.
func TestArchives(t *testing.T) {
	name, code := "autosafe-plugin-acme", []byte("code")
	var many []entry
	for i := range maxEntries + 1 {
		many = append(many, entry{name: fmt.Sprint("x", i)})
	}
	tests := []struct {
		name, form string
		packed     []byte
		want       string // "": it is installed
	}{
		{"plain", ".tar.gz", tarred(t, entry{name: name, data: code}), ""},
		{"with a dot", ".tar.gz", tarred(t, entry{name: "./" + name, data: code}), ""},
		{"beside a way out", ".tar.gz", tarred(t, entry{name: "../../" + name, data: []byte("evil")}, entry{name: "/etc/passwd", data: []byte("evil")}, entry{name: name, data: code}), ""},
		{"a way out alone", ".tar.gz", tarred(t, entry{name: "../" + name, data: code}), "it holds no " + name},
		{"in a folder", ".tar.gz", tarred(t, entry{name: "bin/" + name, data: code}), "it holds no " + name},
		{"a symbolic link", ".tar.gz", tarred(t, entry{name: name, link: "/bin/sh", kind: tar.TypeSymlink}), "is not a regular file"},
		{"a hard link", ".tar.gz", tarred(t, entry{name: name, link: "x", kind: tar.TypeLink}), "is not a regular file"},
		{"a device", ".tar.gz", tarred(t, entry{name: name, kind: tar.TypeChar}), "is not a regular file"},
		{"too large", ".tar.gz", tarred(t, entry{name: name, data: make([]byte, 1<<20+1)}), "larger than allowed"},
		{"many entries", ".tar.gz", tarred(t, many...), "more than 1000 entries"},
		{"a bomb before it", ".tar.gz", bomb(t), "larger than allowed"},
		{"no archive", ".tar.gz", []byte("x"), "it is not a .tar.gz archive"},
		{"a stream that breaks off", ".tar.gz", tarred(t, entry{name: name, data: code})[:30], "unexpected EOF"},
		{"plain zip", ".zip", zipped(t, entry{name: name, data: code}), ""},
		{"a way out in a zip", ".zip", zipped(t, entry{name: "../" + name, data: code}), "it holds no " + name},
		{"a link in a zip", ".zip", zipped(t, entry{name: name, data: []byte("/bin/sh"), mode: int64(os.ModeSymlink)}), "is not a regular file"},
		{"too large in a zip", ".zip", zipped(t, entry{name: name, data: make([]byte, 1<<20+1)}), "larger than allowed"},
		{"many entries in a zip", ".zip", zipped(t, many...), "more than 1000 entries"},
		{"no zip", ".zip", []byte("x"), "it is not a .zip archive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := files{"autosafe-plugin-acme_1.0.0_" + here + tt.form: tt.packed}
			f.sum()
			w := world{}
			w.add(acme, "1.0.0", f)
			dir := t.TempDir()
			_, err := installerOf(t, fromMirror(serve(t, mirrorFiles(w)))).Init(t.Context(), Request{Plugins: required("", ""), Dir: dir})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				installedNothing(t, dir)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			bin := lockfile.Path(dir, acme, "1.0.0", here)
			if b, err := os.ReadFile(bin); err != nil || string(b) != string(code) {
				t.Errorf("%q, %v", b, err)
			}
			if n := len(readFiles(t, dir)); n != 2 { // and the receipt
				t.Errorf("%d files", n)
			}
		})
	}
}

// bomb is an archive whose first entry unpacks to more than may be read.
func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	size := int64(maxOther + 2<<20)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Size: size, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for range size / int64(len(chunk)) {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestServers has servers misbehave.
func TestServers(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	endless := func(w http.ResponseWriter, _ *http.Request) bool {
		chunk := make([]byte, 64<<10)
		for {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
	}
	silent := func(w http.ResponseWriter, r *http.Request) bool {
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-stop:
		}
		return true
	}
	drip := func(w http.ResponseWriter, r *http.Request) bool {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte("x")); err != nil {
				break
			}
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
		return true
	}
	status := func(code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "secret of the server", code)
			return true
		}
	}
	tests := []struct {
		name, on string // for paths that end in this
		answer   func(http.ResponseWriter, *http.Request) bool
		limits   Limits
		want     string
		asked    int // -1: not every request need have arrived in time
	}{
		{"an endless list", "index.json", endless, Limits{}, "larger than allowed", 1},
		{"an endless package", here, endless, Limits{}, "larger than allowed", 1},
		{"a silent server", "index.json", silent, Limits{Stall: 30 * time.Millisecond}, "nothing came for 30ms", -1},
		{"a slow package", here, drip, Limits{File: 100 * time.Millisecond}, "it took longer than 100ms", -1},
		{"a slow list", "index.json", drip, Limits{Small: 100 * time.Millisecond}, "it took longer than 100ms", -1},
		{"an error that stays", here, status(503), Limits{}, "the server says 503 Service Unavailable", attempts},
		{"forbidden", "index.json", status(403), Limits{}, "token_env", 1},
		{"too many requests", "index.json", status(429), Limits{}, "GITHUB_TOKEN", attempts},
		{"a teapot", "index.json", status(418), Limits{}, "418", 1},
		{"redirected without TLS", here, func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://example.com/?signature=hunter2", http.StatusFound)
			return true
		}, Limits{}, "it redirects to http://example.com, which is not protected by TLS", 1},
		{"redirected for ever", here, func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
			return true
		}, Limits{}, "it redirects more than 5 times", maxRedirects + 1},
		{"a body that breaks off", here, func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("x"))
			return true
		}, Limits{}, "unexpected EOF", attempts},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world{}
			w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
			s := serve(t, mirrorFiles(w))
			s.first = func(w http.ResponseWriter, r *http.Request) bool {
				return strings.HasSuffix(r.URL.Path, tt.on) && tt.answer(w, r)
			}
			limits := quick()
			limits.Small, limits.File, limits.Stall = tt.limits.Small, tt.limits.File, tt.limits.Stall
			dir := t.TempDir()
			_, err := installerOf(t, fromMirror(s), func(o *Options) { o.Limits = limits }).Init(t.Context(), Request{Plugins: required("", ""), Dir: dir})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "secret of") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if n := s.count(tt.on); tt.asked >= 0 && n != tt.asked {
				t.Errorf("asked %d times, want %d", n, tt.asked)
			}
			installedNothing(t, dir)
		})
	}
}

// TestPassing: an error that passes does no harm.
func TestPassing(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	s := serve(t, mirrorFiles(w))
	var failed sync.Map
	s.first = func(w http.ResponseWriter, r *http.Request) bool {
		if _, did := failed.LoadOrStore(r.URL.Path, true); did {
			return false
		}
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("half of it"))
		return true
	}
	if _, err := installerOf(t, fromMirror(s)).Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()}); err != nil {
		t.Error(err)
	}
}

// TestTokens: a token goes to its own host, and not where that sends us.
func TestTokens(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	elsewhere := serve(t, mirrorFiles(w))
	var mu sync.Mutex
	seen := map[string]string{} // the token by kind of request, "none" without
	note := func(kind string, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[kind] = cmp.Or(r.Header.Get("Authorization"), "none")
	}
	wantSeen := func(want map[string]string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !maps.Equal(seen, want) {
			t.Errorf("%q, want %q", seen, want)
		}
		clear(seen)
	}
	elsewhere.first = func(_ http.ResponseWriter, r *http.Request) bool {
		note("elsewhere", r)
		return false
	}
	forge := forge(t, w)
	forge.first = func(w http.ResponseWriter, r *http.Request) bool {
		kind := strings.Split(r.URL.Path, "/")[1]
		note(kind, r)
		if kind == "assets" { // as a forge does with its storage
			http.Redirect(w, r, elsewhere.URL+"/"+acme+"/"+strings.TrimPrefix(r.URL.Path, "/assets/"), http.StatusFound)
		}
		return kind == "assets"
	}
	config := fmt.Sprintf("plugin_installation {\n releases \"github.com\" {\n api = %q\n token_env = \"FORGE\"\n}\n}", forge.URL)
	in := installerOf(t, config, func(o *Options) {
		o.Getenv = func(name string) string { return map[string]string{"FORGE": "hunter2"}[name] }
	})
	if _, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	wantSeen(map[string]string{"repos": "Bearer hunter2", "assets": "Bearer hunter2", "elsewhere": "none"})
	// Without one, files come from the site, which is asked for none.
	if _, err := installerOf(t, config).Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	wantSeen(map[string]string{"repos": "none", "acme": "none"})
	// No message has it.
	forge.Close()
	if _, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// TestTLS: a server is believed by its certificate, and none that is unknown.
func TestTLS(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	s := &server{files: mirrorFiles(w)}
	secure := httptest.NewTLSServer(s)
	secure.Config.ErrorLog = quietLog()
	defer secure.Close()
	config := fmt.Sprintf("plugin_installation {\n network_mirror %q {}\n}", secure.URL)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	known := func(o *Options) { o.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}} }
	if _, err := installerOf(t, config, known).Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()}); err != nil {
		t.Error(err)
	}
	if _, err := installerOf(t, config).Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	// From TLS to a server on this machine without it is a step down too.
	plain := serve(t, mirrorFiles(w))
	s.first = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, plain.URL+r.URL.Path, http.StatusFound)
		return true
	}
	if _, err := installerOf(t, config, known).Init(t.Context(), Request{Plugins: required("", ""), Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "not protected by TLS") || plain.count("") != 0 {
		t.Error(err)
	}
}

// TestInterrupted: what an interrupted run leaves is cleared away a day later,
// and not while another may be at it.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, tempPrefix+"old"), filepath.Join(dir, tempPrefix+"young")
	writeFiles(t, dir, files{filepath.Base(old): nil, filepath.Base(young): nil})
	long := time.Now().Add(-2 * keepTemp)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	if err := makeDir(dir); err != nil {
		t.Fatal(err)
	}
	if left := tempLeft(t, dir); len(left) != 1 || left[0] != young {
		t.Errorf("%q", left)
	}
}

// TestCalledOff: what is called off in its middle leaves nothing, and goes on
// from there.
func TestCalledOff(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{}.make(t, acme, "1.0.0"))
	s := serve(t, mirrorFiles(w))
	ctx, cancel := context.WithCancel(t.Context())
	s.first = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, here) || ctx.Err() != nil {
			return false
		}
		_, _ = w.Write([]byte("half of it"))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
		return true
	}
	in, dir := installerOf(t, fromMirror(s)), t.TempDir()
	if _, err := in.Init(ctx, Request{Plugins: required("", ""), Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	installedNothing(t, dir)
	if _, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: dir}); err != nil {
		t.Error(err)
	}
}

// TestTogether: runs at once do not hurt each other.
func TestTogether(t *testing.T) {
	w := world{}
	w.add(acme, "1.0.0", making{form: ".tar.gz"}.make(t, acme, "1.0.0"))
	in, dir := installerOf(t, fromMirror(serve(t, mirrorFiles(w)))), t.TempDir()
	done := make(chan error)
	const runs = 8
	for range runs {
		go func() {
			_, err := in.Init(t.Context(), Request{Plugins: required("", ""), Dir: dir})
			done <- err
		}()
	}
	for range runs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got, err := digestOf(lockfile.Path(dir, acme, "1.0.0", here)); err != nil || got != sha256Of(content(acme, "1.0.0", here)) {
		t.Errorf("%s, %v", got, err)
	}
	if left := tempLeft(t, dir); len(left) > 0 {
		t.Errorf("%q", left)
	}
}

// FuzzUnpack: no archive writes more than it may, or has a name that counts.
func FuzzUnpack(f *testing.F) {
	name := "autosafe-plugin-acme"
	f.Add(tarred(f, entry{name: name, data: []byte("code")}))
	f.Add(zipped(f, entry{name: name, data: []byte("code")}))
	f.Fuzz(func(t *testing.T, packed []byte) {
		dir := t.TempDir()
		file := filepath.Join(dir, "packed")
		if err := os.WriteFile(file, packed, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, form := range archives() {
			var out bytes.Buffer
			if err := unpack(file, form, name, &bounded{&out, 100}); err == nil && out.Len() > 100 {
				t.Errorf("%d bytes", out.Len())
			}
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%d files, %v", len(entries), err)
		}
	})
}
