package engine

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestStaleWork: what a build that was killed left of an output is removed by
// the next one, and what another build works in is not.
func TestStaleWork(t *testing.T) {
	p := newPipe(t, rows(3)...)
	dist := filepath.Join(p.dir, "dist")
	alive, err := newWorkDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	killed, err := newWorkDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	must(os.WriteFile(filepath.Join(killed.files, "half.jsonl"), []byte("{"), 0o644))
	must(killed.lock.Close()) // as the system does
	// From before there were locks, and one that has none yet.
	old, fresh, foreign := filepath.Join(dist, ".autosafe-1"), filepath.Join(dist, ".autosafe-2"), filepath.Join(dist, ".autosafe-mine")
	for _, dir := range []string{old, fresh, foreign} {
		must(os.Mkdir(dir, 0o777))
	}
	before := time.Now().Add(-2 * unlockedAge)
	must(os.Chtimes(old, before, before))
	must(os.Chtimes(foreign, before, before))

	p.build(nil)
	for path, want := range map[string]bool{killed.path: false, old: false, alive.files: true, fresh: true, foreign: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
	alive.remove()
	if entries, err := os.ReadDir(dist); err != nil || len(entries) != 4 { // two folders, rows.jsonl and the card
		t.Errorf("%v, %v", entries, err)
	}
}

// TestWorkDirsAtOnce: builds that begin at once do not remove each other's.
func TestWorkDirsAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				w, err := newWorkDir(dir)
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(w.files, "x"), nil, 0o644); err != nil {
					t.Error(err)
				}
				w.remove()
			}
		})
	}
	wg.Wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
