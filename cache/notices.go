package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// notice is a file for people or for other programs.
type notice struct{ name, text string }

func notices() []notice {
	return []notice{{"CACHEDIR.TAG", cacheDirTag}, {"README", readme}}
}

// verifyNotices checks the files beside the records.
func (s *Store) verifyNotices(r *Report) error {
	for _, n := range notices() {
		path := filepath.Join(s.dir, n.name)
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // made by whoever opens the folder to write
		}
		if err != nil {
			return readError(path, err)
		}
		r.Bytes += int64(len(b))
		if string(b) == n.text {
			continue
		}
		at := 0
		for at < len(b) && at < len(n.text) && b[at] == n.text[at] {
			at++
		}
		r.Damage = append(r.Damage, Damage{
			Kind: n.name, File: path, Offset: int64(at), Length: int64(max(len(b), len(n.text)) - at),
			What: "it is not what autosafe wrote", Means: "nothing is lost: no record is in it", Harmless: true,
		})
	}
	return nil
}

// repairNotices writes anew what verifyNotices finds fault with.
func (s *Store) repairNotices() error {
	var err error
	for _, n := range notices() {
		path := filepath.Join(s.dir, n.name)
		if b, rerr := os.ReadFile(path); rerr == nil && string(b) != n.text {
			err = errors.Join(err, writeError(path, writeFileAtomic(path, []byte(n.text))))
		}
	}
	return err
}
