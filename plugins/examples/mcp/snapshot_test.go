package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// snapshot runs the command.
func snapshot(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = snapshotCommand(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tools.json")
	good := append([]string{"--"}, serverCommand(t, "good")...)
	code, stdout, stderr := snapshot(append([]string{"-out", file}, good...)...)
	if code != exitDone || stdout != "" || stderr != "5 tools of acme/shop 1.2.3\n" {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ = snapshot(good...); code != exitDone || stdout != string(text) {
		t.Errorf("exit %d, to standard output:\n%s", code, stdout)
	}
	// Over HTTP, with a token that the environment has.
	t.Setenv("SHOP_TOKEN", token)
	over := []string{"-url", demoHTTP(t).URL, "-header", "Authorization: Bearer ${SHOP_TOKEN}"}
	if code, stdout, stderr = snapshot(over...); code != exitDone || stdout != string(text) {
		t.Errorf("exit %d, over HTTP:\n%s%s", code, stdout, stderr)
	}
	if code, stdout, stderr = snapshot(append([]string{"-check", file}, over...)...); code != exitDone || stdout != "" {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	l, err := parseListing(text)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := l.text(); err != nil || !bytes.Equal(again, text) {
		t.Errorf("read and written, it is\n%s", again)
	}
	// A server that changed.
	changed := strings.NewReplacer(`"orders.list"`, `"orders.all"`, "Refund an order.", "Refund it.").Replace(string(text))
	if err := os.WriteFile(file, []byte(changed), 0o666); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ = snapshot(append([]string{"-check", file}, good...)...)
	if want := "new      orders.list\nchanged  orders.refund\ngone     orders.all\n"; code != exitDiffers || stdout != want {
		t.Errorf("exit %d: %s", code, stdout)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files in the folder, %v", len(entries), err)
	}
}

func TestSnapshotFaults(t *testing.T) {
	t.Setenv("SHOP_TOKEN", "tok-wrong")
	url := demoHTTP(t).URL
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "say where the server is"},
		{[]string{"-url", "http://a", "--", "b"}, exitUsage, "not both"},
		{[]string{"-out", "a", "-check", "b", "--", "c"}, exitUsage, "-check"},
		{[]string{"-timeout", "0", "--", "c"}, exitUsage, "above zero"},
		{[]string{"-timeuot", "1s", "--", "c"}, exitUsage, "-timeuot"},
		{[]string{"-header", "A: b", "--", "c"}, exitUsage, "-url"},
		{[]string{"-header", "A", "-url", "http://a"}, exitUsage, "NAME: VALUE"},
		{[]string{"-header", "A: $NOT_SET_HERE", "-url", "http://a"}, exitUsage, "NOT_SET_HERE is not set"},
		{[]string{"-header", "Authorization: Bearer $SHOP_TOKEN", "-url", url}, exitError, "while connecting to it"},
		{append([]string{"--"}, serverCommand(t, "dies")...), exitError, "exit status 7"},
		{append([]string{"-check", "no-such-file", "--"}, serverCommand(t, "good")...), exitError, "no-such-file"},
		{append([]string{"-out", "no-such-folder/a", "--"}, serverCommand(t, "good")...), exitError, "no-such-folder"},
	} {
		code, stdout, stderr := snapshot(c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) || stdout != "" {
			t.Errorf("%q: exit %d: %s%s", c.args, code, stdout, stderr)
		}
		if strings.Contains(stderr, "tok-wrong") {
			t.Errorf("%q shows a secret: %s", c.args, stderr)
		}
	}
	if code, stdout, _ := snapshot("-h"); code != exitDone || stdout != usage {
		t.Errorf("exit %d: %s", code, stdout)
	}
}

// TestHiddenSecrets looks for secrets in texts that are to be shown.
func TestHiddenSecrets(t *testing.T) {
	at := address{env: map[string]string{"A": "longer-one", "B": "1"}, headers: map[string]string{"Authorization": "Bearer tok-77"}}
	secrets := at.secrets()
	slices.Sort(secrets)
	if want := []string{"1", "Bearer tok-77", "longer-one", "tok-77"}; !slices.Equal(secrets, want) {
		t.Errorf("secrets %q", secrets)
	}
	if got := hidden("1 tok-77 of longer-one", secrets); got != "1 (secret) of (secret)" {
		t.Errorf("got %q", got)
	}
}

// TestReadme sees that the README names every argument.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	list, err := sdk.Describe(plugin())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		for _, a := range c.Config.Attributes {
			if !bytes.Contains(text, []byte("`"+a.Name+"`")) {
				t.Errorf("it does not name the argument %s of %s", a.Name, c.Name)
			}
		}
	}
}
