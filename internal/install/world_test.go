package install

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aead.dev/minisign"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/lockfile"
)

const (
	acme  = "github.com/acme/autosafe-plugin-acme"
	here  = "linux_amd64" // the platform of all tests
	there = "darwin_arm64"
)

// files are the files of a release, or what a server has, by name.
type files map[string][]byte

// making says how a release is made.
type making struct {
	form      string   // ending of its archives; "" for bare binaries
	platforms []string // here and there, if there are none
	protocols []int    // in a manifest; nil: there is none
	key       *minisign.PrivateKey
	public    bool // the key comes with the release
	bareSums  bool // the list has the binaries in archives too
}

// content is the binary of a version.
func content(source, version, platform string) []byte {
	return []byte("the binary of " + source + " " + version + " for " + platform)
}

// make makes a release.
func (m making) make(t *testing.T, source, version string) files {
	t.Helper()
	if len(m.platforms) == 0 {
		m.platforms = []string{here, there, "windows_amd64"}
	}
	f := files{}
	var extra []string
	for _, platform := range m.platforms {
		name, code := lockfile.BinaryName(source, platform), content(source, version, platform)
		stem := lockfile.Program(source) + "_" + version + "_" + platform
		bare := stem + strings.TrimPrefix(name, lockfile.Program(source))
		switch m.form {
		case "":
			f[bare] = code
		case ".zip":
			f[stem+m.form] = zipped(t, entry{name: "README"}, entry{name: name, data: code})
		default:
			f[stem+m.form] = tarred(t, entry{name: "README"}, entry{name: name, data: code})
		}
		if m.bareSums {
			extra = append(extra, sha256Of(code)+"  "+bare)
		}
	}
	if m.protocols != nil {
		f[manifestFile], _ = json.Marshal(map[string]any{"protocols": m.protocols})
	}
	f.sum(extra...)
	if m.key != nil {
		f.sign(t, *m.key, m.public)
	}
	return f
}

// sum makes the list of sums.
func (f files) sum(extra ...string) {
	delete(f, sumsFile)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if name != signatureFile && name != keyFile {
			fmt.Fprintf(&b, "%s  %s\n", sha256Of(f[name]), name)
		}
	}
	f[sumsFile] = []byte(b.String() + strings.Join(append(extra, ""), "\n"))
}

func (f files) sign(t *testing.T, key minisign.PrivateKey, public bool) {
	t.Helper()
	f[signatureFile] = minisign.Sign(key, f[sumsFile])
	if public {
		text, err := key.Public().(minisign.PublicKey).MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		f[keyFile] = text
	}
}

// newKey makes a key pair; the second value is the public key as a recipe has it.
func newKey(t *testing.T) (*minisign.PrivateKey, string) {
	t.Helper()
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &private, lastLine(public.String())
}

// entry is an entry of an archive: a regular file unless it says otherwise.
type entry struct {
	name string
	data []byte
	link string
	mode int64
	kind byte
}

func tarred(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.data)), Mode: 0o755, Typeflag: tar.TypeReg, Linkname: e.link}
		if e.kind != 0 {
			h.Typeflag = e.kind
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(0o755 | os.FileMode(e.mode))
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// world is all that has been released, by source and version.
type world map[string]map[string]files

func (w world) add(source, version string, f files) {
	if w[source] == nil {
		w[source] = map[string]files{}
	}
	w[source][version] = f
}

// server serves files, and counts what it is asked for.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	files files
	asked []string
	// first is asked before the files; true: it has answered.
	first func(http.ResponseWriter, *http.Request) bool
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

func serve(t *testing.T, f files) *server {
	t.Helper()
	s := &server{files: f}
	s.Server = httptest.NewServer(s)
	s.Config.ErrorLog = quietLog()
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path)
	b, ok := s.files[strings.TrimPrefix(r.URL.Path, "/")]
	first := s.first
	s.mu.Unlock()
	switch {
	case first != nil && first(w, r):
	case !ok:
		http.NotFound(w, r)
	default:
		_, _ = w.Write(b)
	}
}

// count is how often paths were asked for that hold a text.
func (s *server) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, p := range s.asked {
		if strings.Contains(p, text) {
			n++
		}
	}
	return n
}

func indexOf(w world, source string) []byte {
	x := index{Format: indexFormat, Versions: map[string]indexVersion{}}
	for version := range w[source] {
		x.Versions[version] = indexVersion{}
	}
	b, _ := json.Marshal(x)
	return b
}

// mirrorFiles lays a world out as a mirror.
func mirrorFiles(w world) files {
	f := files{}
	for source, versions := range w {
		f[path.Join(source, indexName)] = indexOf(w, source)
		for version, list := range versions {
			for name, b := range list {
				f[path.Join(source, version, name)] = b
			}
		}
	}
	return f
}

// forge lays a world out as a forge has it.
func forge(t *testing.T, w world) *server {
	s := serve(t, files{})
	for source, versions := range w {
		repo := strings.TrimPrefix(source, "github.com/")
		list := []map[string]any{{"tag_name": "nightly"}, {"tag_name": "v9.9.9", "draft": true}}
		for version, have := range versions {
			assets := []map[string]string{}
			for name, b := range have {
				s.files[path.Join(repo, "releases", "download", "v"+version, name)] = b
				assets = append(assets, map[string]string{"name": name, "url": s.URL + "/assets/" + version + "/" + name})
				s.files["assets/"+version+"/"+name] = b
			}
			list = append(list, map[string]any{"tag_name": "v" + version, "assets": assets})
		}
		s.files["repos/"+repo+"/releases"], _ = json.Marshal(list)
	}
	return s
}

// pushed has an OCI registry hold a world, each file as a layer with its name.
func pushed(t *testing.T, w world) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	for source, versions := range w {
		for version, list := range versions {
			push(t, strings.TrimPrefix(s.URL, "http://")+"/plugins/"+source, version, list)
		}
	}
	return s
}

func push(t *testing.T, name, version string, list files) {
	t.Helper()
	ctx := context.Background()
	repo, err := remote.NewRepository(name)
	if err != nil {
		t.Fatal(err)
	}
	repo.PlainHTTP = true
	blob := func(kind string, b []byte) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: kind, Digest: digest.FromBytes(b), Size: int64(len(b))}
		if err := repo.Blobs().Push(ctx, d, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/vnd.autosafe.plugin.v1", Config: blob(ocispec.MediaTypeEmptyJSON, []byte("{}")),
	}
	for _, file := range slices.Sorted(maps.Keys(list)) {
		d := blob("application/octet-stream", list[file])
		d.Annotations = map[string]string{ocispec.AnnotationTitle: file}
		m.Layers = append(m.Layers, d)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	d := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
	if err := repo.PushReference(ctx, d, bytes.NewReader(b), tagOf(version)); err != nil {
		t.Fatal(err)
	}
}

// writeFiles writes files below a folder.
func writeFiles(t *testing.T, dir string, f files) {
	t.Helper()
	for name, b := range f {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// quick are limits under which nothing waits long, but that a loaded machine
// does not reach.
func quick() Limits {
	return Limits{Retry: time.Millisecond, Package: 1 << 20, Binary: 1 << 20}
}

// installerOf makes an Installer of a configuration's text.
func installerOf(t *testing.T, config string, change ...func(*Options)) *Installer {
	t.Helper()
	c, err := ParseConfig(filepath.Join(t.TempDir(), "config.hcl"), []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Config: c, Protocol: 1, Platform: here, UserAgent: "test", Limits: quick()}
	for _, f := range change {
		f(&opts)
	}
	in, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// fromMirror is the configuration of a mirror behind a server.
func fromMirror(s *server) string {
	return fmt.Sprintf("plugin_installation {\n  network_mirror %q {}\n}\n", s.URL)
}

func required(version, key string) []spec.PluginRequirement {
	return []spec.PluginRequirement{{Name: "acme", Source: acme, Version: version, SigningKey: key}}
}

// tempLeft lists temporary files below a folder.
func tempLeft(t *testing.T, dir string) (left []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(path), tempPrefix) {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}
