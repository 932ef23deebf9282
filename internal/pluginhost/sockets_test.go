package pluginhost

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec/schema"
)

// TestSockets: while a process runs, its folder is held; a host removes those
// that killed hosts left behind, and nothing else.
func TestSockets(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	mkdir := func(name string, files ...string) string {
		t.Helper()
		dir := filepath.Join(tmp, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, f), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	mkdir("plugin-dir1", socketsLock, "plugin123")
	held := holdSockets(mkdir("plugin-dir2", "plugin456"))
	defer held.remove()
	mkdir("plugin-dir3", "plugin789")                                                                  // of another program
	if err := os.WriteFile(filepath.Join(mkdir("plugin-dir6"), socketsLock), nil, 0o600); err != nil { // about to be locked
		t.Fatal(err)
	}
	mkdir("elsewhere", socketsLock)
	if err := os.WriteFile(filepath.Join(tmp, "plugin-dir4"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(tmp, "elsewhere"), filepath.Join(tmp, "plugin-dir5")); err != nil {
		t.Fatal(err)
	}
	before := []string{"elsewhere", "plugin-dir2", "plugin-dir3", "plugin-dir4", "plugin-dir5", "plugin-dir6"}

	h := newHost(t, nil)
	if out := runAll(t, h, specOf(schema.Simulator, "echo", "{}"), texts("a")); out.err != nil {
		t.Fatal(out.err)
	}
	running := slices.DeleteFunc(list(t, tmp), func(name string) bool { return slices.Contains(before, name) || name == "plugin-dir1" })
	if len(running) != 1 {
		t.Fatalf("the process has the folders %q", running)
	}
	f, err := os.OpenFile(filepath.Join(tmp, running[0], socketsLock), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok, err := cache.TryLock(f); ok || err != nil {
		t.Errorf("the folder of a running process is not held: %v, %v", ok, err)
	}
	sweepSockets(tmp)
	if !slices.Contains(list(t, tmp), running[0]) {
		t.Error("it was swept")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if left := list(t, tmp); !slices.Equal(left, before) {
		t.Errorf("left are %q, want %q", left, before)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What a process has made unreadable is removed too, and what its links lead to
// is left.
func TestRemoveAll(t *testing.T) {
	dir, other := filepath.Join(t.TempDir(), "work"), t.TempDir()
	locked := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(locked, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(locked, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(other, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{locked, filepath.Dir(locked)} {
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
	}
	removeAll(dir)
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the folder is still there")
	}
	if info, err := os.Stat(other); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("%v, %v", info, err)
	}
}
