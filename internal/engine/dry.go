package engine

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/autosafe/autosafe/cache"
)

// dryRun is what a plan has in place of runs and of writing to the cache. Its
// steps are looked up and their tasks dispatched as in a build; a task that
// would have to run has no outcome instead.
type dryRun struct {
	scratch scratch
	missing map[shortKey]struct{}   // tasks that a build would run
	made    map[cache.Digest]string // steps that it would record, by key
	lost    map[cache.Digest]bool   // records whose rows cannot be read
	diff    *taskDiff               // of the step at hand, if its input is to be compared
}

// shortKey is a key cut to half: 2^64 tasks until two meet.
type shortKey [16]byte

func shorten(k cache.Digest) shortKey { return shortKey(k[:16]) }

// blobs is where the rows of this build's flows lie.
func (b *build) blobs() blobStore {
	if b.dry != nil {
		return &b.dry.scratch
	}
	return b.opts.Store
}

// miss counts a task that the cache does not know. Of equal ones the first
// runs, and the others have its outcome.
func (d *dryRun) miss(st *stepState, k cache.Digest) {
	short := shorten(k)
	_, again := d.missing[short]
	d.missing[short] = struct{}{}
	st.count(func(p *progress) {
		p.unknown++
		if again {
			p.rowsHit++
			p.equal++
		} else {
			p.rowsMiss++
		}
	})
}

// scratch holds the rows that a plan makes, in a temporary file. What the
// cache has it reads from there.
type scratch struct {
	store *cache.Store

	mu   sync.Mutex
	file *os.File // nil until something is put
	size int64
	at   map[cache.Digest]extent
}

type extent struct {
	offset int64
	length int
}

// PutBlob writes to the file.
func (s *scratch) PutBlob(b []byte) (cache.Digest, error) {
	d := cache.Sum(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.at[d]; ok {
		return d, nil
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "autosafe-plan-")
		if err != nil {
			return d, fmt.Errorf("scratch file: %w: TMPDIR says where it goes", err)
		}
		// Where the system allows it the file has no name from now on, and
		// nothing is left of it however the process ends.
		_ = os.Remove(f.Name())
		s.file, s.at = f, map[cache.Digest]extent{}
	}
	if _, err := s.file.WriteAt(b, s.size); err != nil {
		return d, fmt.Errorf("scratch file: %w: TMPDIR says where it goes", err)
	}
	s.at[d] = extent{s.size, len(b)}
	s.size += int64(len(b))
	return d, nil
}

// Blob reads from the file, or else from the cache.
func (s *scratch) Blob(d cache.Digest) ([]byte, error) {
	s.mu.Lock()
	at, ok := s.at[d]
	file := s.file
	s.mu.Unlock()
	if !ok {
		return s.store.Blob(d)
	}
	b := make([]byte, at.length)
	if _, err := file.ReadAt(b, at.offset); err != nil {
		return nil, fmt.Errorf("scratch file: %w", err)
	}
	return b, nil
}

// HasBlob says whether the file, or else the cache, holds a blob whole.
func (s *scratch) HasBlob(d cache.Digest) bool {
	s.mu.Lock()
	_, ok := s.at[d]
	s.mu.Unlock()
	return ok || s.store.HasBlob(d)
}

// close removes the file.
func (s *scratch) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if rerr := os.Remove(s.file.Name()); !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}
