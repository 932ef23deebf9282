package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFileDigest(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "cache"), Options{})
	path := filepath.Join(dir, "file")
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	write := func(text string, mtime time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, mtime, mtime)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(text, why string) {
		t.Helper()
		d, n, err := s.FileDigest(path)
		if err != nil || d != Sum([]byte(text)) || n != int64(len(text)) {
			t.Fatalf("%s: %s, %d, %v", why, d, n, err)
		}
	}
	memos := func() int {
		t.Helper()
		st, err := s.Stats()
		if err != nil {
			t.Fatal(err)
		}
		return st.Kinds[4].Records
	}
	write("aaaa", time.Now())
	want("aaaa", "new file")
	if memos() != 0 {
		t.Fatal("a file just written was remembered")
	}
	now := time.Now()
	write("bbbb", now)
	want("bbbb", "same size, fresh")
	write("cccc", now)
	want("cccc", "same size, same fresh time")

	write("dddd", old)
	want("dddd", "old file")
	if memos() != 1 {
		t.Fatal("an old file was not remembered")
	}
	// The memo is used: with all that it looks at unchanged, it cannot know.
	write("eeee", old)
	want("dddd", "memo")
	write("eeeee", old)
	want("eeeee", "other size")
	write("fffff", old.Add(time.Second))
	want("fffff", "other time")
	other := filepath.Join(dir, "other")
	if err := errors.Join(os.WriteFile(other, []byte("ggggg"), 0o600), os.Chtimes(other, old.Add(time.Second), old.Add(time.Second)),
		os.Rename(other, path)); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || inode(fi) != 0 {
		want("ggggg", "other inode")
	}
	if _, _, err := s.FileDigest(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, _, err := s.FileDigest(dir); err == nil {
		t.Error("a folder was hashed")
	}
}
