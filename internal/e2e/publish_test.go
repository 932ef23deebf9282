package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPublish goes from nothing to a plugin that is published and installed:
// what release.sh of a new plugin makes is put into a mirror, and somebody else
// has init install it and builds a recipe with it.
func TestPublish(t *testing.T) {
	t.Parallel()
	const source = "example.com/acme/autosafe-plugin-made"
	author := newProject(t, nil, map[string]string{"keep": ""})
	env := stranger(t, author, true)
	for _, args := range [][]string{
		{author.bin, "plugins", "new", "-lang", "python", "-dir", "made", source, "threat_source", "judge"},
		{"sh", "made/release.sh"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = author.dir, env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	mirror := t.TempDir()
	copyDir(t, filepath.Join(mirror, source, "0.1.0"), filepath.Join(author.dir, "made", "dist"))
	writeTo(t, filepath.Join(mirror, source, "index.json"), `{"format":1,"versions":{"0.1.0":{}}}`)

	user := newProject(t, nil, map[string]string{recipe: readFile(t, filepath.Join(author.dir, "made", "recipe", recipe))})
	user.config(fmt.Sprintf("filesystem_mirror %q {}", mirror))
	if r := user.must("init", user.dir); !strings.Contains(plain(r.stdout), source+" 0.1.0: installed") {
		t.Errorf("init says\n%s", r.stdout)
	}
	lock := user.read(lockName)
	for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_arm64"} {
		if !strings.Contains(lock, platform) {
			t.Errorf("%s is not locked:\n%s", platform, lock)
		}
	}
	user.mustBuild()
	rows := readRows(t, []byte(readFile(t, filepath.Join(user.dist(), "rows", "train.jsonl"))))
	if len(rows) != 3 {
		t.Errorf("%d rows were built, want 3", len(rows))
	}
	if _, err := os.Stat(filepath.Join(user.dir, ".autosafe", "plugins", source, "0.1.0", thisPlatform)); err != nil {
		t.Error(err)
	}
}
