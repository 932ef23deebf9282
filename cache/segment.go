package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A segment's name is its id. Its header is for people and for checks of the
// whole file; reading records does without it, so that damage there costs
// nothing.
//
//	magic 8 bytes, version uint16, kind 1 byte, zero 5, id 8, zero 4, CRC-32C 4
const (
	segmentMagic   = "asafeseg"
	segmentVersion = 1
	segmentHeader  = 32
	segmentExt     = ".seg"
	sidecarExt     = ".idx"
	tempExt        = ".tmp"
	// maxSegment is what an offset can address: far more than any segment
	// grows to. What follows it in a file is not ours.
	maxSegment = math.MaxUint32

	// Access is governed by the cache folder alone, which is made private;
	// who opens it to others shares all that is in it.
	topPerm  = 0o700
	dirPerm  = 0o777
	filePerm = 0o666
)

// segment is one file of records, as this process knows it. Its fields are
// guarded by the log's mu, but for those that never change.
type segment struct {
	id   uint64
	num  uint32 // place in the log's list
	path string

	covered int64 // up to here its records are in the index; 0 = not loaded
	synced  int64 // up to here the sidecar vouches that it is on disk
	seen    int64 // size of the file when last looked at
	seenAt  time.Time
	own     bool    // this store holds the lock
	gone    bool    // collected: the file is not in the folder any more
	twin    bool    // shares records with another segment
	missing []entry // of the sidecar, that were lost, until that is told
	w       *writer // has or had the end of the segment in memory

	open sync.Mutex
	f    *os.File
	shut bool // f is not to be opened any more
}

// newSegmentID returns a number that no other segment has.
func newSegmentID() uint64 { return rand.Uint64() }

func segmentName(id uint64) string { return fmt.Sprintf("%016x%s", id, segmentExt) }

// segmentID is the id in a file's name; false for other files.
func segmentID(name string) (uint64, bool) {
	hex, ok := strings.CutSuffix(name, segmentExt)
	if !ok || len(hex) != 16 {
		return 0, false
	}
	id, err := strconv.ParseUint(hex, 16, 64)
	return id, err == nil && segmentName(id) == name
}

// sidecarPath is the path of the sidecar of the segment at path.
func sidecarPath(path string) string { return strings.TrimSuffix(path, segmentExt) + sidecarExt }

// segmentHead is the header of a segment.
func segmentHead(kind Kind, id uint64) []byte {
	b := make([]byte, segmentHeader)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint16(b[8:], segmentVersion)
	b[10] = byte(kind)
	binary.LittleEndian.PutUint64(b[16:], id)
	binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli()))
	return b
}

// lockSegment locks f, the open segment at path. It reports false if somebody
// has the lock, or if the segment was collected after it was opened: what is
// appended to it then would be lost.
func lockSegment(f *os.File, path string) (unlock func(), ok bool, err error) {
	unlock, ok, err = tryLock(f)
	if err != nil || !ok {
		return nil, false, err
	}
	opened, err := f.Stat()
	if err == nil {
		var there fs.FileInfo
		if there, err = os.Stat(path); err == nil && os.SameFile(opened, there) {
			return unlock, true, nil
		}
	}
	unlock()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return nil, false, err
}

// file opens the segment for reading, once.
func (s *segment) file() (*os.File, error) {
	s.open.Lock()
	defer s.open.Unlock()
	if s.f == nil {
		if s.shut {
			return nil, os.ErrClosed
		}
		f, err := os.Open(s.path)
		if err != nil {
			return nil, err
		}
		s.f = f
	}
	return s.f, nil
}

func (s *segment) close() error {
	s.open.Lock()
	defer s.open.Unlock()
	s.shut = true
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// readAt reads n bytes of the file at off.
func (s *segment) readAt(off, n int64) ([]byte, error) {
	f, err := s.file()
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		return nil, err
	}
	return b, nil
}

// scanTail lists what stands in the segment from off to size. What follows
// the last whole record is left out: it is torn, or still being written.
func (s *segment) scanTail(f *os.File, off, size int64) (entries []entry, covered int64, err error) {
	sc := newScanner(f, s.id, off, size)
	good := 0
	for {
		sp, ok := sc.next()
		if !ok {
			break
		}
		e := entry{off: uint32(sp.off), n: uint32(sp.n), flags: entryGap}
		if !sp.gap {
			// A damaged value keeps its place: it must not uncover an older
			// record of its key.
			e.fold, e.seq, e.flags = foldKey(&sp.head.key), sp.head.seq, 0
		}
		entries = append(entries, e)
		if sp.whole {
			good = len(entries)
		}
	}
	entries, covered = entries[:good], off
	if good > 0 {
		covered = entries[good-1].end()
	}
	return entries, covered, sc.err
}

// writeFileAtomic replaces the file at path by one with content b.
func writeFileAtomic(path string, b []byte) (err error) {
	temp := fmt.Sprintf("%s.%016x%s", path, rand.Uint64(), tempExt)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(b); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// listSegments returns the ids of the segments in dir; none if dir is absent.
func listSegments(dir string) ([]uint64, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []uint64
	for _, n := range names {
		if id, ok := segmentID(n.Name()); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
