package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec/lockfile"
)

const (
	acmeSource = "example.com/acme/autosafe-plugin-acme"
	acmeName   = "autosafe-plugin-acme"
	lockName   = "autosafe.lock.hcl"
)

var thisPlatform = runtime.GOOS + "_" + runtime.GOARCH

// released is a mirror with two releases of the plugin: 1.0.0, really built,
// and 0.9.0, which is never started. Both have a package for a platform that is
// not this one.
func released(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	built := filepath.Join(t.TempDir(), acmeName)
	out, err := exec.Command("go", "build", "-tags", "version1", "-ldflags", "-s -w", "-o", built, "./testdata/plugin").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	release(t, dir, "1.0.0", []byte(readFile(t, built)))
	release(t, dir, "0.9.0", []byte("#!/bin/sh\nexit 9\n"))
	writeTo(t, filepath.Join(dir, acmeSource, "index.json"), `{"format":1,"versions":{"1.0.0":{},"0.9.0":{}}}`)
	return dir
}

// release writes the files of a release, as somebody makes them by hand.
func release(t *testing.T, dir, version string, code []byte) {
	t.Helper()
	sums := ""
	for platform, content := range map[string]string{thisPlatform: string(code), "plan9_386": "for plan9 " + version} {
		name := acmeName + "_" + version + "_" + platform
		sums += hashText(content) + "  " + name + "\n"
		writeTo(t, filepath.Join(dir, acmeSource, version, name), content)
	}
	writeTo(t, filepath.Join(dir, acmeSource, version, "SHA256SUMS"), sums)
}

func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func writeTo(t testing.TB, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// config is the user's configuration of a project.
func (p *project) config(text string) {
	writeTo(p.t, filepath.Join(filepath.Dir(p.cache), ".autosafe", "config.hcl"), "plugin_installation {\n"+text+"\n}\n")
}

// installed is where init puts a version of the plugin.
func (p *project) installed(version string) string {
	return filepath.Join(p.dir, ".autosafe", "plugins", acmeSource, version, thisPlatform, acmeName)
}

// must runs a command and fails the test if it fails.
func (p *project) must(args ...string) result {
	p.t.Helper()
	r := p.run(args...)
	if r.code != 0 {
		p.t.Fatalf("autosafe %s: exit %d\n%s%s", strings.Join(args, " "), r.code, tail(r.stdout), tail(r.stderr))
	}
	return r
}

// plain makes one line of wrapped text.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestInstall installs a plugin with the binary, as a user does, and then has
// somebody tamper with everything that can be tampered with: the binary, the
// lock file, the recipe and the mirror. Each is refused before anything is
// started, for the right reason, and init puts right what can be put right.
func TestInstall(t *testing.T) {
	t.Parallel()
	mirror := released(t)
	served := httptest.NewServer(http.FileServer(http.Dir(mirror)))
	defer served.Close()
	p := newProject(t, start(t, llmtest.Options{}), map[string]string{recipe: rephraseRecipe, "asks.jsonl": asks(3)})
	p.plain()
	p.config(fmt.Sprintf("network_mirror %q {}", served.URL))

	r := p.run("build", p.dir)
	if want := "is not installed. Run autosafe init"; r.code != 1 || !strings.Contains(plain(r.stderr), want) {
		t.Fatalf("before init: exit %d\n%s", r.code, r.stderr)
	}
	p.edit(recipe, `autosafe-plugin-acme" }`, `autosafe-plugin-acme", version = "0.9.0" }`)
	r = p.run("init", p.dir) // it is no plugin at all, which comes out when it is asked who it is
	if r.code != 1 || !strings.Contains(plain(r.stderr), "Unusable plugin") {
		t.Errorf("a release that does not start: exit %d\n%s", r.code, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(p.dir, lockName)); err == nil {
		t.Error("it was locked")
	}
	p.edit(recipe, `version = "0.9.0"`, `version = "~> 1.0"`)
	r = p.must("init", p.dir)
	for _, want := range []string{acmeSource + " 1.0.0: installed from the mirror " + served.URL, "plan9_386", "autosafe.lock.hcl was written"} {
		if !strings.Contains(plain(r.stdout), want) {
			t.Errorf("init does not say %q:\n%s", want, r.stdout)
		}
	}
	lock := p.read(lockName)
	if again := p.must("init", "-lockfile=readonly", p.dir); !strings.Contains(plain(again.stdout), "installed already") || p.read(lockName) != lock {
		t.Errorf("init again:\n%s", again.stdout)
	}
	p.mustBuild()
	wantSaid(t, p, "one: ")

	tamper(t, p)
	tamperMirror(t, p, mirror)
	offline(t, p, served)
	unnoticed(t, p)
}

// tampering is something that somebody does to an installed plugin.
type tampering struct {
	name   string
	change func()
	want   []string // that the build says
	init   string   // that init says; "": it puts it right
}

func tamper(t *testing.T, p *project) {
	bin, mark := p.installed("1.0.0"), filepath.Join(t.TempDir(), "started")
	evil := "#!/bin/sh\ntouch " + mark + "\n"
	code, older := readFile(t, bin), readFile(t, p.installed("0.9.0"))
	lock, text := p.read(lockName), p.read(recipe)
	hash, zeros := hashText(code), strings.Repeat("0", 64)
	overwrite := func(content string) func() {
		return func() {
			if err := errors.Join(os.Remove(bin), os.WriteFile(bin, []byte(content), 0o777)); err != nil {
				t.Fatal(err)
			}
		}
	}
	relock := func(old, new string) func() { return func() { p.edit(lockName, old, new) } }
	const notLocked = "is not what autosafe.lock.hcl locks: the SHA-256 of "
	list := []tampering{
		{"swap", overwrite(evil), []string{notLocked, hashText(evil), hash, "it was cut short, or replaced. It was not started. Run autosafe init to install the locked one again"}, ""},
		{"edit", overwrite(code + "x"), []string{notLocked, hashText(code + "x"), hash, "It was changed since it was installed"}, ""},
		{"truncate", overwrite(code[:len(code)/2]), []string{notLocked, hash, fmt.Sprintf("It has %d bytes, and %d were installed", len(code)/2, len(code))}, ""},
		{"empty", overwrite(""), []string{notLocked, hash, "The file is empty"}, ""},
		{"delete", func() { os.Remove(bin) }, []string{"is locked at " + acmeSource + " 1.0.0, and " + bin + " does not exist; what is installed is version 0.9.0. Run autosafe init to install it"}, ""},
		{"downgrade", overwrite(older), []string{notLocked, hashText(older), hash, "It is the binary of version 0.9.0"}, ""},
		{"the hash in the lock", relock(hash, zeros), []string{notLocked, hash, zeros, "so that the lock file is another one, or was edited"}, "and autosafe.lock.hcl expects " + zeros},
		{"the version in the lock", relock(`"1.0.0"`, `"1.0.5"`), []string{"is locked at " + acmeSource + " 1.0.5, and", "what is installed is version 0.9.0, 1.0.0"}, "autosafe.lock.hcl locks " + acmeSource + " 1.0.5, and the mirror"},
		{"an older version in the lock", relock(`"1.0.0"`, `"0.9.0"`), []string{"autosafe.lock.hcl locks " + acmeSource + " 0.9.0, and the recipe requires ~> 1.0. Run autosafe init"}, ""},
		{"the source in the lock", relock(acmeSource, "example.com/evil/autosafe-plugin-acme"), []string{"autosafe.lock.hcl does not lock the plugin \"acme\" (" + acmeSource + "); it locks example.com/evil/autosafe-plugin-acme. Run autosafe init"}, ""},
		{"the platform in the lock", func() { p.dropPlatform() }, []string{"for plan9_386, and not for " + thisPlatform + ", which this is. Run autosafe plugins lock -platform " + thisPlatform}, ""},
		{"the form of the lock", relock("  hashes = {", "  hashes={"), []string{lockName + ", line 7, is not as autosafe writes it"}, "line 7, is not as autosafe writes it"},
		{"the grants in the recipe", func() {
			p.edit(recipe, "provider \"openai\"", "autosafe {\n  grant \"acme\" {\n    network = [\"evil.example:443\"]\n  }\n}\n\nprovider \"openai\"")
		}, []string{"The recipe grants the plugin \"acme\" other things than autosafe.lock.hcl says: network evil.example:443 is not in the lock file. Run autosafe init"}, ""},
	}
	for _, tt := range list {
		tt.change()
		r := p.run("build", "-json", p.dir)
		for _, want := range tt.want {
			if said := problems(t, r); r.code != 1 || !strings.Contains(said, want) {
				t.Errorf("%s: exit %d, and it does not say %q: %s", tt.name, r.code, want, said)
			}
		}
		if strings.Contains(r.stdout, `"plugin_processes":1`) {
			t.Errorf("%s: a process was started", tt.name)
		}
		r = p.run("init", "-json", p.dir)
		if said := problems(t, r); tt.init == "" && r.code != 0 || tt.init != "" && (r.code != 1 || !strings.Contains(said, tt.init)) {
			t.Errorf("%s: init: exit %d, want %q: %s", tt.name, r.code, tt.init, said)
		}
		p.write(lockName, lock)
		p.write(recipe, text)
		p.mustBuild()
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("what was swapped in was started")
	}
}

// problems are the diagnostics that a command with -json ends with.
func problems(t *testing.T, r result) string {
	t.Helper()
	var b strings.Builder
	for _, line := range readRows(t, []byte(r.stdout)) {
		if line.text("type") == "diagnostic" {
			b.WriteString(line.text("detail") + "\n")
		}
	}
	return b.String()
}

// dropPlatform takes this platform out of the lock file, as if it had been
// written from a release without it.
func (p *project) dropPlatform() {
	lock, err := lockfile.Read(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	delete(lock.Plugins[0].Hashes, thisPlatform)
	if _, err := lockfile.Write(p.dir, lock); err != nil {
		p.t.Fatal(err)
	}
}

// tamperMirror has a mirror serve something else than was locked, to somebody
// who has the lock file and not the plugin, and to somebody who has neither.
func tamperMirror(t *testing.T, p *project, mirror string) {
	pack := filepath.Join(mirror, acmeSource, "1.0.0", acmeName+"_1.0.0_"+thisPlatform)
	sums := filepath.Join(mirror, acmeSource, "1.0.0", "SHA256SUMS")
	code, list := readFile(t, pack), readFile(t, sums)
	const evil = "#!/bin/sh\nexit 9\n"
	for _, tt := range []struct {
		name, pack, sums string
		locked           string
		fresh            string // without a lock file; "": it could not be told
	}{
		{"a package", evil, list, "is not what was released: its SHA-256 is " + hashText(evil), "is not what was released"},
		{"a package and its sum", evil, strings.ReplaceAll(list, hashText(code), hashText(evil)), "has the SHA-256 " + hashText(evil) + ", and autosafe.lock.hcl expects " + hashText(code), ""},
		{"an older release", evil, readFile(t, filepath.Join(mirror, acmeSource, "0.9.0", "SHA256SUMS")), "lists no package of this version", "lists no package of this version"},
	} {
		writeTo(t, pack, tt.pack)
		writeTo(t, sums, tt.sums)
		for _, locked := range []bool{true, false} {
			q, want := p.fork(t), tt.locked
			if err := os.RemoveAll(filepath.Join(q.dir, ".autosafe")); err != nil {
				t.Fatal(err)
			}
			q.config(readConfig(t, p))
			if !locked {
				want = tt.fresh
				os.Remove(filepath.Join(q.dir, lockName))
			}
			if want == "" {
				continue
			}
			r := q.run("init", "-json", q.dir)
			if said := problems(t, r); r.code != 1 || !strings.Contains(said, want) {
				t.Errorf("%s, locked %v: exit %d, want %q: %s", tt.name, locked, r.code, want, said)
			}
			if found, _ := filepath.Glob(filepath.Join(q.dir, ".autosafe", "plugins", acmeSource, "*", "*", "*")); len(found) > 0 {
				t.Errorf("%s: installed %q", tt.name, found)
			}
		}
	}
	writeTo(t, pack, code)
	writeTo(t, sums, list)
}

// readConfig is what is in a project's plugin_installation block.
func readConfig(t *testing.T, p *project) string {
	t.Helper()
	text := readFile(t, filepath.Join(filepath.Dir(p.cache), ".autosafe", "config.hcl"))
	return strings.TrimSuffix(strings.TrimPrefix(text, "plugin_installation {\n"), "\n}\n")
}

// offline makes a mirror, and installs from it where there is no network: the
// lock file is the same.
func offline(t *testing.T, p *project, served *httptest.Server) {
	to := filepath.Join(t.TempDir(), "mirror")
	r := p.must("plugins", "mirror", to, p.dir)
	if !strings.Contains(plain(r.stdout), acmeSource+" 1.0.0") {
		t.Errorf("mirror:\n%s", r.stdout)
	}
	served.Close()
	lock := p.read(lockName)
	q := p.fork(t)
	if err := errors.Join(os.RemoveAll(filepath.Join(q.dir, ".autosafe")), os.Remove(filepath.Join(q.dir, lockName))); err != nil {
		t.Fatal(err)
	}
	q.config(fmt.Sprintf("filesystem_mirror %q {}", to))
	r = q.must("init", "-json", q.dir)
	if q.read(lockName) != lock {
		t.Errorf("the lock file is another one:\n%s\nwant\n%s", q.read(lockName), lock)
	}
	var last struct {
		Type    string
		Changed bool
		Plugins []struct{ Source, Version, Status, From string }
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Type != "init" || !last.Changed ||
		len(last.Plugins) != 1 || last.Plugins[0].Status != "installed" || last.Plugins[0].From != "the mirror "+to {
		t.Errorf("%+v, %v", last, err)
	}
	if st := q.mustBuild().sum.step(t, "simulator.acme_rephrase.said"); st.Status != "hit" {
		t.Errorf("the rows were made anew: %+v", st)
	}
	r = q.must("plugins", "list", q.dir)
	for _, want := range []string{"acme ~> 1.0 1.0.0 yes " + acmeSource} {
		if !strings.Contains(plain(r.stdout), want) {
			t.Errorf("list does not say %q:\n%s", want, r.stdout)
		}
	}
}

// unnoticed changes an installed binary so that neither its size nor its time
// tells: it is looked at again before it is started.
func unnoticed(t *testing.T, p *project) {
	touch(p)
	bin := p.installed("1.0.0")
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(bin, long, long); err != nil {
		t.Fatal(err)
	}
	p.mustBuild()
	code := []byte(readFile(t, bin))
	code[len(code)-1] ^= 1
	if err := errors.Join(os.WriteFile(bin, code, 0o777), os.Chtimes(bin, long, long)); err != nil {
		t.Fatal(err)
	}
	p.edit("asks.jsonl", "number 1.", "number one.")
	r := p.run("build", p.dir)
	if r.code != 1 || !strings.Contains(plain(r.stderr), hashText(string(code))) {
		t.Errorf("exit %d\n%s", r.code, tail(r.stderr))
	}
}
