package lockfile

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

var update = flag.Bool("update", false, "write the golden files anew")

func example() *File {
	f := &File{}
	f.Set(Plugin{
		Source: "github.com/acme/autosafe-plugin-acme", Version: "1.2.3", Constraints: "~> 1.2", Protocol: 1,
		SigningKey: "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
		Hashes:     map[string]string{"linux_amd64": strings.Repeat("9b", 32), "darwin_arm64": strings.Repeat("5f", 32), "windows_amd64": strings.Repeat("00", 32)},
		Grants: map[string]Grant{
			"acme":  {Network: []string{"api.example.com:443", "example.org:80"}, Read: []string{"data/", "with \"quotes\" and ${x} and %{y}\n\u202e"}},
			"other": {Env: []string{"ACME_TOKEN"}},
		},
	})
	f.Set(Plugin{Source: "example.com/a/b", Version: "0.1.0-rc.1+build.5", Protocol: 1, Hashes: map[string]string{"linux_arm64": strings.Repeat("ab", 32)}})
	return f
}

func TestGolden(t *testing.T) {
	for name, f := range map[string]*File{"example": example(), "empty": {}} {
		got, golden := f.Bytes(), filepath.Join("testdata", name+".lock.hcl")
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if formatted := hclwrite.Format(got); string(formatted) != string(got) {
			t.Errorf("%s: autosafe fmt would write it otherwise:\n%s", name, cmp.Diff(string(got), string(formatted)))
		}
		back, err := Parse(got)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again := back.Bytes(); string(again) != string(got) {
			t.Errorf("%s: read and written again: %s", name, cmp.Diff(string(got), string(again)))
		}
		sameAsHCL(t, got, back)
	}
}

// sameAsHCL reads the text with the HCL library, too.
func sameAsHCL(t *testing.T, src []byte, want *File) {
	t.Helper()
	parsed, diags := hclsyntax.ParseConfig(src, Name, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var got struct {
		Plugins []struct {
			Source      string            `hcl:"source,label"`
			Version     string            `hcl:"version"`
			Constraints string            `hcl:"constraints,optional"`
			Protocol    int               `hcl:"protocol"`
			SigningKey  string            `hcl:"signing_key,optional"`
			Hashes      map[string]string `hcl:"hashes"`
			Grants      []struct {
				Name    string   `hcl:"name,label"`
				Network []string `hcl:"network,optional"`
				Read    []string `hcl:"read,optional"`
				Env     []string `hcl:"env,optional"`
			} `hcl:"grant,block"`
		} `hcl:"plugin,block"`
	}
	if diags := gohcl.DecodeBody(parsed.Body, nil, &got); diags.HasErrors() {
		t.Fatal(diags)
	}
	f := &File{}
	for _, p := range got.Plugins {
		q := Plugin{Source: p.Source, Version: p.Version, Constraints: p.Constraints, Protocol: p.Protocol, SigningKey: p.SigningKey, Hashes: map[string]string{}, Grants: map[string]Grant{}}
		for platform, hash := range p.Hashes {
			q.Hashes[platform] = strings.TrimPrefix(hash, scheme)
		}
		for _, g := range p.Grants {
			q.Grants[g.Name] = Grant{Network: g.Network, Read: g.Read, Env: g.Env}
		}
		f.Plugins = append(f.Plugins, q)
	}
	if diff := cmp.Diff(string(want.Bytes()), string(f.Bytes())); diff != "" {
		t.Errorf("HCL reads it otherwise: %s", diff)
	}
}

// TestEdited edits the file in ways that would not change what HCL reads, or
// would.
func TestEdited(t *testing.T) {
	text := string(example().Bytes())
	tests := []struct {
		name, old, new string
		line           string
	}{
		{"a space", "protocol    = 1", "protocol = 1", "line 14"},
		{"a comment", "  hashes = {", "  # by hand\n  hashes = {", "line 6"},
		{"another order", "darwin_arm64", "zarwin_arm64", "line 17"},
		{"upper case", "sha256:9b", "sha256:9B", "line 18"},
		{"a short hash", "sha256:9b9b", "sha256:9b", "line 18"},
		{"another scheme", "sha256:9b", "md5:9b", "line 18"},
		{"an unknown attribute", "protocol    = 1", "protokol    = 1", "line 14"},
		{"an unknown block", "grant \"acme\" {", "permit \"acme\" {", "line 21"},
		{"no number", "protocol    = 1", "protocol    = one", "line 14"},
		{"a merge", "plugin \"github.com", "<<<<<<< HEAD\nplugin \"github.com", "line 11"},
		{"cut short", "  grant \"other\" {\n    env = [\"ACME_TOKEN\"]\n  }\n}\n", "", "line"},
		{"a source that leads away", "github.com/acme/autosafe-plugin-acme", "../../etc/acme", "line"},
		{"no header", "# Maintained", "# Written", "line 1"},
		{"text behind it", "env = [\"ACME_TOKEN\"]\n  }\n}\n", "env = [\"ACME_TOKEN\"]\n  }\n}\nx = 1\n", "line 29"},
		{"a list in another form", "[\"ACME_TOKEN\"]", "[\"ACME_TOKEN\",]", "line 26"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			edited := strings.Replace(text, tt.old, tt.new, 1)
			if edited == text {
				t.Fatalf("%q is not in the file", tt.old)
			}
			_, err := Parse([]byte(edited))
			if err == nil || !strings.Contains(err.Error(), tt.line) || !strings.Contains(err.Error(), "Take the file back from version control") {
				t.Errorf("error %v, want one of %s", err, tt.line)
			}
		})
	}
}

// What git does on Windows is not a line that somebody edited.
func TestParseWindowsLines(t *testing.T) {
	_, err := Parse([]byte("# Maintained\r\n"))
	if err == nil || !strings.Contains(err.Error(), `"autosafe.lock.hcl text eol=lf"`) {
		t.Errorf("error %v, want one that says what to do", err)
	}
}

func TestReadWrite(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for i, want := range []bool{true, false} {
		if changed, err := Write(dir, example()); err != nil || changed != want {
			t.Errorf("write %d: %v, %v", i, changed, err)
		}
	}
	f, err := Read(dir)
	if err != nil || string(f.Bytes()) != string(example().Bytes()) {
		t.Errorf("%v, %v", f, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	if _, ok := f.Plugin("example.com/a/b"); !ok {
		t.Error("a plugin is not found")
	}
	if _, ok := f.Plugin("example.com/a/c"); ok {
		t.Error("a plugin is found that is not there")
	}
	bad := &File{Plugins: []Plugin{{Source: "../x", Version: "1.0.0", Hashes: map[string]string{}}}}
	if _, err := Write(dir, bad); err == nil {
		t.Error("what cannot be read was written")
	}
	if err := os.WriteFile(filepath.Join(dir, Name), make([]byte, maxSize+1), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file: %v", err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, Name)), os.Mkdir(filepath.Join(dir, Name), 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestLayout(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "/x", "../x", "a/../b", "a//b", "a/", `a\b`, "a:b", "a b", "a\x00", "a%2e", "ä", strings.Repeat("x", 300)} {
		if CheckSource(bad) == nil {
			t.Errorf("%q passes for a source", bad)
		}
	}
	for _, bad := range []string{"", "linux", "_", "linux_", "Linux_amd64", "linux_amd64/..", "a_b_c"} {
		if CheckPlatform(bad) == nil {
			t.Errorf("%q passes for a platform", bad)
		}
	}
	for _, tt := range [][3]string{
		{"github.com/acme/autosafe-plugin-acme", "linux_amd64", "autosafe-plugin-acme"},
		{"example.com/acme", "windows_arm64", "autosafe-plugin-acme.exe"},
	} {
		if err := CheckSource(tt[0]); err != nil {
			t.Error(err)
		}
		if got := BinaryName(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s on %s: %s", tt[0], tt[1], got)
		}
	}
	want := filepath.Join("root", "example.com", "acme", "1.0.0", "linux_amd64", "autosafe-plugin-acme")
	if got := Path("root", "example.com/acme", "1.0.0", "linux_amd64"); got != want {
		t.Errorf("path %s", got)
	}
}

func TestReceipt(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "x")
	if _, ok := ReadReceipt(bin); ok {
		t.Error("a receipt that is not there")
	}
	want := Receipt{Size: 5, SHA256: "ab", From: "the mirror x"}
	if err := want.Write(bin); err != nil {
		t.Fatal(err)
	}
	if got, ok := ReadReceipt(bin); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
}

func TestGrantBeyond(t *testing.T) {
	g := Grant{Network: []string{"a:1", "b:2"}, Read: []string{"x"}}
	h := Grant{Network: []string{"b:2"}, Env: []string{"E"}}
	if diff := cmp.Diff([]string{"network a:1", "read x"}, g.Beyond(h)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"env E"}, h.Beyond(g)); diff != "" {
		t.Error(diff)
	}
}

const ascii = "\n !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// FuzzParse: whatever is read is written as it was, and HCL reads the same.
func FuzzParse(f *testing.F) {
	f.Add(string(example().Bytes()))
	f.Add(header)
	f.Add(header + "\nplugin \"a\" {\n  version = \"1\"\n  protocol = 1\n  hashes = {\n  }\n}\n")
	f.Fuzz(func(t *testing.T, src string) {
		got, err := Parse([]byte(src))
		if err != nil {
			return
		}
		if string(got.Bytes()) != src {
			t.Fatalf("%q is written as %q", src, got.Bytes())
		}
		if strings.Trim(src, ascii) == "" { // HCL also normalises what is not ASCII
			sameAsHCL(t, []byte(src), got)
		}
	})
}
