package spec

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGrants(t *testing.T) {
	required := "required_plugins {\n acme = { source = \"x/acme\" }\n bare = { source = \"x/bare\" }\n}\n"
	tests := []struct {
		name, text string
		want       Grant
		problem    string // part of it; "": none
	}{
		{"all", `grant "acme" {
  network = ["api.example.com:443", "[::1]:80"]
  read    = ["data/", "a.txt", "data/"]
  env     = ["ACME_TOKEN"]
}`, Grant{Network: []string{"[::1]:80", "api.example.com:443"}, Read: []string{"a.txt", "data/"}, Env: []string{"ACME_TOKEN"}}, ""},
		{"none", ``, Grant{}, ""},
		{"empty", `grant "acme" {}`, Grant{}, ""},
		{"twice", "grant \"acme\" {}\ngrant \"acme\" {}", Grant{}, "already granted"},
		{"unknown", `grant "acne" {}`, Grant{}, `Did you mean "acme"`},
		{"no label", `grant {}`, Grant{}, "plugin"},
		{"argument", "grant \"acme\" {\n  write = [\"x\"]\n}", Grant{}, "write"},
		{"no list", "grant \"acme\" {\n  read = \"x\"\n}", Grant{}, "list of strings"},
		{"not literal", "grant \"acme\" {\n  read = [var.x]\n}", Grant{}, "Variables not allowed"},
		{"no port", "grant \"acme\" {\n  network = [\"example.com\"]\n}", Grant{}, "host and a port"},
		{"any host", "grant \"acme\" {\n  network = [\"*:443\"]\n}", Grant{}, "host and a port"},
		{"port 0", "grant \"acme\" {\n  network = [\"a:0\"]\n}", Grant{}, "host and a port"},
		{"everything", "grant \"acme\" {\n  read = [\"/\"]\n}", Grant{}, "whole file system"},
		{"everything, written otherwise", "grant \"acme\" {\n  read = [\"/usr/..\"]\n}", Grant{}, "whole file system"},
		{"everything, from below", "grant \"acme\" {\n  read = [\"" + strings.Repeat("../", 64) + "\"]\n}", Grant{}, "whole file system"},
		{"everything, by a link", "grant \"acme\" {\n  read = [\"data/all\"]\n}", Grant{}, "whole file system"},
		{"missing", "grant \"acme\" {\n  read = [\"absent/\"]\n}", Grant{}, "starts at the recipe's folder"},
		{"environment", "grant \"acme\" {\n  env = [\"A=B\"]\n}", Grant{}, "environment variable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeRecipe(t, "autosafe {\n"+required+tt.text+"\n}\n")
			if err := errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o777), os.WriteFile(filepath.Join(dir, "a.txt"), nil, 0o666),
				os.Symlink("/", filepath.Join(dir, "data", "all"))); err != nil {
				t.Fatal(err)
			}
			src, diags := Parse(dir)
			if tt.problem != "" {
				if !strings.Contains(diags.Error(), tt.problem) {
					t.Errorf("%v, want %q", diags, tt.problem)
				}
				return
			}
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if d := cmp.Diff(tt.want, src.RequiredPlugins[0].Grant); d != "" || !src.RequiredPlugins[1].Grant.IsZero() {
				t.Error(d)
			}
		})
	}
}
