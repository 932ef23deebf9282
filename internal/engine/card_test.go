package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/autosafe/autosafe/cache"
)

// TestRemoveStale removes what an earlier build wrote and this one did not,
// and nothing that somebody has changed, put there, or led us outside to.
func TestRemoveStale(t *testing.T) {
	p := newPipe(t)
	dir := filepath.Join(p.dir, "dist")
	digest := func(path string) (cache.Digest, error) {
		d, _, err := p.store.FileDigest(path)
		return d, err
	}
	write := func(name, content string) {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"kept": "a", "gone": "a", "edited": "b", "theirs": "a", "../outside": "a"} {
		write(name, content)
	}
	old := &card{}
	for _, name := range []string{"kept", "gone", "edited", "missing", "../outside"} {
		old.Files = append(old.Files, fileRecord{Path: name, Digest: cache.Sum([]byte("a"))})
	}
	if err := removeStale(dir, old, &outputRecord{Files: []fileRecord{{Path: "kept"}}}, digest); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"kept": true, "gone": false, "edited": true, "theirs": true, "../outside": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
}
