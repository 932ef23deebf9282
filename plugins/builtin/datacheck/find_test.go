package datacheck

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Links to files are followed, as is a link that is named, but none from a
// folder to another: those can make a circle.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"data/train.jsonl": pair("a", "One."), "blobs/x": pair("b", "Two.")})
	for link, to := range map[string]string{
		"named": "data", "data/test.jsonl": "../blobs/x", "data/up": "..", "data/self.jsonl": ".", "data/gone.jsonl": "nowhere", "data/dev.jsonl": os.DevNull,
	} {
		if err := os.Symlink(to, filepath.Join(dir, filepath.FromSlash(link))); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"data", "named"} {
		problems, totals, err := check(t, dir, "axolotl_dpo", path)
		if problems != "" || totals.Files != 2 || totals.Rows != 2 || err != nil {
			t.Errorf("%s: %q, %+v, %v", path, problems, totals, err)
		}
	}
	if _, _, err := check(t, dir, "axolotl_dpo", "data/dev.jsonl"); err == nil || !strings.Contains(err.Error(), "is no file: pipes and devices are not read") {
		t.Error(err)
	}
}

// Wherever a compressed file is damaged, that is a problem with the file: it
// does not end the check of others.
func TestDamaged(t *testing.T) {
	rows := strings.Repeat(pair("a", "One.")+"\n", 50)
	for ending, whole := range map[string]string{".gz": gz(t, rows), ".zst": zst(t, rows)} {
		for at := range len(whole) {
			damaged := bytes.Clone([]byte(whole))
			damaged[at] ^= 0x40
			dir := t.TempDir()
			write(t, dir, map[string]string{"a.jsonl" + ending: string(damaged), "b.jsonl": pair("b", "Two.")})
			problems, totals, err := check(t, dir, "axolotl_dpo")
			if err != nil || totals.Files != 2 || totals.Rows == 0 {
				t.Errorf("%s, byte %d: %q, %+v, %v", ending, at, problems, totals, err)
			}
		}
	}
}

// An autosafe.json of another kind is a problem that people understand.
func TestForeignCard(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.jsonl": pair("a", "One."), cardName: "[]"})
	if problems, _, err := check(t, dir, "axolotl_dpo"); err != nil || problems != cardName+":0:0: [] is not what autosafe writes\n" {
		t.Errorf("%q, %v", problems, err)
	}
}
