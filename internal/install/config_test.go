package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.hcl")
	c, err := ParseConfig(path, []byte(`
dev_overrides = {
  "github.com/acme/autosafe-plugin-acme" = "build"
  "example.com/x"                        = "/abs"
}
plugin_installation {
  filesystem_mirror "mirror" {
    include = ["example.com/*", "github.com/acme/autosafe-plugin-acme"]
    exclude = ["example.com/secret/*"]
  }
  registry "https://plugins.example.com/" {
    token_env = "TOKEN"
  }
  releases "github.com" {}
  releases "git.example.com" {
    api = "https://git.example.com/api/v1"
  }
  oci "ghcr.io/acme/plugins" {}
}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Overrides[acme] != filepath.Join(dir, "build") || c.Overrides["example.com/x"] != "/abs" {
		t.Errorf("%q", c.Overrides)
	}
	var names []string
	for _, p := range c.places {
		names = append(names, p.String())
	}
	want := "the mirror " + filepath.Join(dir, "mirror") + "; the registry https://plugins.example.com/; the releases on github.com; the releases on git.example.com; the OCI registry ghcr.io/acme/plugins"
	if got := strings.Join(names, "; "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if p := c.places[2]; p.api != "https://api.github.com" || p.tokenEnv != "GITHUB_TOKEN" {
		t.Errorf("%+v", p)
	}
	for source, asked := range map[string]string{
		acme: "11101", "example.com/x/y": "11001", "example.com/secret/z": "01001", "github.com/other/x": "01101", "git.example.com/a/b": "01011",
	} {
		got := ""
		for _, p := range c.places {
			got += map[bool]string{true: "1", false: "0"}[p.has(source)]
		}
		if got != asked {
			t.Errorf("%s: %s, want %s", source, got, asked)
		}
	}
}

func TestConfigProblems(t *testing.T) {
	for text, want := range map[string]string{
		`registry "http://plugins.example.com" {}`:                       "must begin with https://",
		`network_mirror "https://user:hunter2@plugins.example.com" {}`:   "takes no user and no password",
		`registry "https://plugins.example.com?token=x" {}`:              "write a URL such as",
		`registry "plugins" {}`:                                          "write a URL such as",
		`releases "git.example.com" {}`:                                  "say where its API is",
		`releases "https://github.com" {}`:                               "write the host",
		"releases \"git.example.com\" {\n api = \"ftp://x\"\n}":          "must begin with https://",
		`oci "https://ghcr.io/acme" {}`:                                  "write a host and a prefix",
		"oci \"ghcr.io/acme\" {\n token_env = \"X\"\n}":                  "oras login",
		"filesystem_mirror \"x\" {\n api = \"https://x\"\n}":             "api is an argument of releases alone",
		`carrier_pigeon "x" {}`:                                          "carrier_pigeon",
		"registry \"https://plugins.example.com\" {\n tokens = \"X\"\n}": "tokens",
	} {
		_, err := ParseConfig("config.hcl", []byte("plugin_installation {\n"+text+"\n}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		`dev_overrides = { "../x" = "y" }`: "is not a plugin source",
		`unknown = 1`:                      "unknown",
		`plugin_installation {`:            "config.hcl:1",
	} {
		if _, err := ParseConfig("config.hcl", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestLoadConfig(t *testing.T) {
	home := t.TempDir()
	for _, h := range []string{home, ""} {
		c, err := LoadConfig("", h)
		if err != nil || len(c.places) != 1 || c.places[0].at != gitHub {
			t.Errorf("without a file: %+v, %v", c, err)
		}
	}
	if _, err := LoadConfig(filepath.Join(home, "named.hcl"), home); err == nil || !strings.Contains(err.Error(), "which AUTOSAFE_CONFIG names") {
		t.Error("a file that is named and not there")
	}
	if _, err := LoadConfig(home, home); err == nil || !strings.Contains(err.Error(), "no configuration file") {
		t.Errorf("a folder: %v", err)
	}
	writeFiles(t, home, files{".autosafe/config.hcl": []byte("plugin_installation {}\n")})
	if c, err := LoadConfig("", home); err != nil || len(c.places) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.WriteFile(filepath.Join(home, "other.hcl"), []byte("plugin_installation {\n oci \"ghcr.io/x\" {}\n}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if c, err := LoadConfig(filepath.Join(home, "other.hcl"), home); err != nil || len(c.places) != 1 || c.places[0].kind != ociPlace {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestSums reads what sha256sum writes on other systems, too.
func TestSums(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	got, err := readSums([]byte(sum + "  a\r\n" + strings.ToUpper(sum) + " *b\n\n" + sum + "  ./c\n" + sum + "  d/e\n" + sum + "  ../f\n"))
	if err != nil || len(got) != 3 || got["a"] != sum || got["b"] != sum || got["c"] != sum {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"x", sum, sum + "  ", sum[1:] + "  a", strings.Repeat("x", 70000)} {
		if _, err := readSums([]byte(bad)); err == nil {
			t.Errorf("%.20q passes", bad)
		}
	}
}

func FuzzReaders(f *testing.F) {
	f.Add([]byte(strings.Repeat("ab", 32) + "  autosafe-plugin-acme_1.0.0_linux_amd64.tar.gz\n"))
	f.Add([]byte(`{"format":1,"versions":{"1.0.0":{"protocols":[1],"url":"https://x"}}}`))
	f.Add([]byte("plugin_installation {\n oci \"x\" {}\n}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if sums, err := readSums(src); err == nil {
			r := &release{source: acme, version: "1.0.0", sums: sums}
			for _, platform := range r.platforms() {
				if _, ok := r.packageFor(platform); !ok {
					t.Errorf("%s is listed and has no package", platform)
				}
			}
		}
		if x, err := readIndex(src); err == nil {
			x.offers()
		}
		if len(src) < 1000 { // the user's own file
			_, _ = ParseConfig("config.hcl", src)
		}
	})
}
