package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// racy is how old a file's mtime must be for its digest to be remembered.
// A file that is written twice within the grain of the file system's clock
// can have new content and the old time; 2 s is FAT's grain, the coarsest.
const racy = 2 * time.Second

// fileMemoSize is the size of a memo: size, mtime in ns, inode, digest.
const fileMemoSize = 3*8 + sha256.Size

// FileDigest returns the digest and size of the file's content. It remembers
// the digest, and does not read the file again while its size, mtime and
// inode are the same. The digest is not stored as a blob.
func (s *Store) FileDigest(path string) (Digest, int64, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Digest{}, 0, err
	}
	fi, err := os.Stat(abs)
	if err != nil {
		return Digest{}, 0, err
	}
	if !fi.Mode().IsRegular() {
		return Digest{}, 0, &fs.PathError{Op: "hash", Path: path, Err: errors.New("not a regular file")}
	}
	key := Sum([]byte("file\x00" + abs))
	memo, err := s.Get(Files, key)
	if err == nil && len(memo) == fileMemoSize && string(memo[:24]) == string(fileMemo(fi)) {
		return Digest(memo[24:]), fi.Size(), nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Digest{}, 0, err
	}
	return s.hashFile(abs, key)
}

// fileMemo is the front of a memo: what must be the same for it to be used.
func fileMemo(fi fs.FileInfo) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(fi.Size()))
	b = binary.LittleEndian.AppendUint64(b, uint64(fi.ModTime().UnixNano()))
	return binary.LittleEndian.AppendUint64(b, inode(fi))
}

// hashFile reads the file and remembers its digest if that can be trusted.
func (s *Store) hashFile(abs string, key Digest) (Digest, int64, error) {
	begun := time.Now()
	f, err := os.Open(abs)
	if err != nil {
		return Digest{}, 0, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return Digest{}, 0, err
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return Digest{}, 0, fmt.Errorf("hash file: %w", err)
	}
	d := Digest(h.Sum(nil))
	after, err := f.Stat()
	if err != nil {
		return Digest{}, 0, err
	}
	memo := fileMemo(before)
	steady := string(memo) == string(fileMemo(after)) && n == before.Size()
	if !steady || begun.Sub(before.ModTime()) < racy || s.env.readOnly {
		return d, n, nil
	}
	return d, n, s.Put(Files, key, append(memo, d[:]...))
}
