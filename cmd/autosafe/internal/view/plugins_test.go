package view

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/internal/install"
)

func doneInit() Init {
	return Init{
		Plugins: []install.Plugin{
			{
				Source: "github.com/acme/autosafe-plugin-acme", Names: []string{"acme", "also"}, Version: "1.2.0", Was: "1.1.0", Status: install.Installed,
				From: "the mirror /srv\x1b[2J", SigningKey: "RWkey", FirstUse: true, Platforms: []string{"darwin_arm64", "linux_amd64"},
				Grants: []install.Grant{
					{Name: "acme", Network: []string{"a.example:443", "b.example:443"}, Read: []string{"data"}, Added: []string{"network b.example:443"}, Gone: []string{"env TOKEN"}},
					{Name: "also", Env: []string{"X"}, Added: []string{"env X"}},
				},
				Notes: []string{"2.0.0 was passed over\u202e"},
			},
			{Source: "example.com/b", Names: []string{"b"}, Version: "1.0.0", Status: install.Present, Platforms: []string{"linux_amd64"}},
			{Source: "example.com/c", Names: []string{"c"}, Status: install.Overridden},
		},
		Removed: []string{"example.com/gone"}, Lock: "autosafe.lock.hcl", Changed: true,
	}
}

// TestInitialised: what a plugin may reach is plain to see, and what places
// say of themselves is cleaned.
func TestInitialised(t *testing.T) {
	var out strings.Builder
	New(Options{Stdout: &out, Stderr: &strings.Builder{}}).Initialised(doneInit())
	want := `github.com/acme/autosafe-plugin-acme 1.2.0: installed from the mirror /srv\x1b[2J, in place of 1.1.0
  Locked for darwin_arm64, linux_amd64
  Signed by RWkey. This key came with the release, and only what it signs is taken from now on. Compare it with what the publisher says, or write it into the recipe as signing_key
  acme may connect to a.example:443
  acme may connect to b.example:443 (new)
  acme may read data
  acme may not see the variable TOKEN any more
  also may see the variable X (new)
  Note: 2.0.0 was passed over\u202e

example.com/b 1.0.0: installed already
  Locked for linux_amd64
  Not signed, or by no key that is known: the lock file alone says what it must be
  Granted nothing beside its rows

example.com/c: overridden by dev_overrides; nothing was installed
  Granted nothing beside its rows

example.com/gone is not required any more, and not locked.
autosafe.lock.hcl was written. Keep it with the recipe.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	New(Options{Stdout: &out, Stderr: &strings.Builder{}, JSON: true}).Initialised(Init{Lock: "autosafe.lock.hcl"})
	if lines := strings.Split(out.String(), "\n"); lines[1] != `{"type":"init","plugins":[],"removed":[],"lock":"autosafe.lock.hcl","changed":false}` {
		t.Error(lines)
	}
}

func TestPluginReports(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		var out strings.Builder
		v := New(Options{Stdout: &out, Stderr: &strings.Builder{}, JSON: asJSON})
		v.PluginList([]ListedPlugin{
			{Name: "acme", Source: "example.com/acme", Required: "~> 1.0", Locked: "1.2.0", Path: "/x", SHA256: "ab", Network: []string{"a:1"}, Read: []string{"data"}, Env: []string{"E"}},
			{Name: "bare", Source: "example.com/bare", Problem: "It is \x1b[31mnot there."},
		})
		v.PluginList(nil)
		v.PluginsLocked(map[string][]string{"example.com/acme": {"darwin_arm64"}}, true)
		v.PluginsLocked(nil, false)
		v.Mirrored("m", []install.Mirrored{{Source: "example.com/acme", Version: "1.2.0", Platforms: []string{"linux_amd64"}, Bytes: 2048}})
		if asJSON {
			for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
				if !json.Valid([]byte(line)) || strings.Contains(line, "\x1b") {
					t.Errorf("%q", line)
				}
			}
			continue
		}
		want := `Name  Required  Locked  Installed  Source
acme    ~> 1.0   1.2.0        yes  example.com/acme
bare       any      no         no  example.com/bare
acme may connect to a:1
acme may read data
acme may see the variable E

bare: It is \x1b[31mnot there.
The recipe requires no plugins.
example.com/acme: locked for darwin_arm64 too
The lock file is as it was.
example.com/acme 1.2.0: 2.0 KiB for linux_amd64
The mirror is in m.
`
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	}
}
