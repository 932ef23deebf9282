package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// A step's output is a flow: an append-only sequence of rows that any number
// of readers follow at their own pace, each from the first row, while it is
// still being written. Rows lie in chunks; a full chunk goes to the cache as
// one blob and may then leave memory. So memory does not grow with rows, a
// slow reader holds up nobody but, where it is the only one, the writer (room),
// and a finished flow is already stored.
//
// A flow that only passes rows on (a filter) stores no rows of its own: its
// segments select rows of other flows' chunks.
type flow struct {
	store *cache.Store

	mu       sync.Mutex
	changed  sync.Cond // rows were added or taken, or the flow ended
	segments []*segment
	rows     int64
	digest   hash.Hash // over the digests of the rows
	done     bool
	err      error         // why it ended early
	known    *cache.Digest // of a flow that was opened, not written
	aborted  bool

	// room bounds how far the writer may be ahead of the one reader; 0 is
	// no bound. It is set only where that cannot deadlock: a single reader
	// that reads from nothing else.
	room  int64
	taken int64

	recent []*chunk // chunks that still hold their rows, oldest first
}

const (
	chunkRows  = 256
	chunkBytes = 512 << 10
	// chunksInMemory bounds the rows that a flow keeps after they were
	// stored, for readers that follow closely.
	chunksInMemory = 16
	// linearRoom is how many rows a writer may be ahead of its only reader.
	linearRoom = 4096
)

// chunk is up to chunkRows rows that are stored as one blob.
type chunk struct {
	mu     sync.Mutex
	rows   []row.Row // nil once evicted
	n      int
	bytes  int
	sealed bool
	digest cache.Digest // of the blob, once sealed
}

// segment is a run of rows of one chunk: all of them, or those selected.
type segment struct {
	chunk *chunk
	all   bool
	index []uint32 // in order; unused with all
}

// ref is where a row lies.
type ref struct {
	chunk *chunk
	index uint32
}

// item is a row and where it lies.
type item struct {
	row row.Row
	ref ref
}

// errAborted is given to the writer of a flow that nobody wants any more.
var errAborted = errors.New("aborted")

func newFlow(store *cache.Store) *flow {
	f := &flow{store: store, digest: sha256.New()}
	f.changed.L = &f.mu
	return f
}

// append adds rows of the flow's own.
func (f *flow) append(rows []row.Row) error {
	for _, r := range rows {
		if err := f.appendRow(r); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed.Broadcast()
	return f.wait()
}

// wait holds the writer until the reader has caught up. f.mu is held.
func (f *flow) wait() error {
	for f.room > 0 && f.rows-f.taken > f.room && !f.aborted {
		f.changed.Wait()
	}
	if f.aborted {
		return errAborted
	}
	return nil
}

func (f *flow) appendRow(r row.Row) error {
	digest := r.Digest()
	f.mu.Lock()
	last := f.lastChunk()
	if last == nil {
		last = &chunk{}
		f.segments = append(f.segments, &segment{chunk: last, all: true})
		f.recent = append(f.recent, last)
	}
	f.digest.Write(digest[:])
	f.rows++
	f.mu.Unlock()

	last.mu.Lock()
	last.rows = append(last.rows, r)
	last.n++
	last.bytes += r.Size()
	full := last.n >= chunkRows || last.bytes >= chunkBytes
	last.mu.Unlock()
	if full {
		return f.seal(last)
	}
	return nil
}

// lastChunk returns the chunk that is being filled. f.mu is held.
func (f *flow) lastChunk() *chunk {
	if n := len(f.segments); n > 0 && f.segments[n-1].all && !f.segments[n-1].chunk.sealed {
		return f.segments[n-1].chunk
	}
	return nil
}

// seal stores a chunk and lets the oldest ones in memory go.
func (f *flow) seal(c *chunk) error {
	digest, err := f.store.PutBlob(encodeChunk(c.rows))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c.mu.Lock()
	c.digest, c.sealed = digest, true
	c.mu.Unlock()
	for len(f.recent) > chunksInMemory {
		f.recent[0].evict()
		f.recent = f.recent[1:]
	}
	return nil
}

func (c *chunk) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed {
		c.rows = nil
	}
}

// pass adds rows that lie in chunks of other flows.
func (f *flow) pass(items []item) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, it := range items {
		digest := it.row.Digest()
		f.digest.Write(digest[:])
		f.rows++
		if n := len(f.segments); n == 0 || f.segments[n-1].chunk != it.ref.chunk {
			f.segments = append(f.segments, &segment{chunk: it.ref.chunk})
		}
		last := f.segments[len(f.segments)-1]
		last.index = append(last.index, it.ref.index)
	}
	f.changed.Broadcast()
	return f.wait()
}

// finish ends the flow, for good if err is nil.
func (f *flow) finish(err error) error {
	f.mu.Lock()
	last := f.lastChunk()
	f.mu.Unlock()
	if err == nil && last != nil {
		err = f.seal(last)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done, f.err = true, err
	f.changed.Broadcast()
	return err
}

// abort tells the writer that nobody reads on.
func (f *flow) abort() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aborted = true
	f.changed.Broadcast()
}

// sum is the ordered digest of the rows. The flow must be finished.
func (f *flow) sum() cache.Digest {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known != nil {
		return *f.known
	}
	return cache.Digest(f.digest.Sum(nil))
}

// manifest stores a description of a finished flow: which chunks hold its rows.
func (f *flow) manifest() (cache.Digest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b []byte
	b = binary.AppendUvarint(b, uint64(len(f.segments)))
	for _, s := range f.segments {
		b = append(b, s.chunk.digest[:]...)
		b = binary.AppendUvarint(b, uint64(s.chunk.n))
		if s.all || len(s.index) == s.chunk.n && ascending(s.index) {
			b = binary.AppendUvarint(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(s.index)))
		for _, i := range s.index {
			b = binary.AppendUvarint(b, uint64(i))
		}
	}
	return f.store.PutBlob(b)
}

func ascending(index []uint32) bool {
	for i, v := range index {
		if int(v) != i {
			return false
		}
	}
	return true
}

// openFlow gives the finished flow that a manifest describes. Its chunks are
// read when a reader comes to them.
func openFlow(store *cache.Store, manifest cache.Digest, rows int64) (*flow, error) {
	b, err := store.Blob(manifest)
	if err != nil {
		return nil, err
	}
	d := decoder{b: b}
	f := newFlow(store)
	f.done, f.rows = true, rows
	var total int64
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		c := &chunk{sealed: true}
		copy(c.digest[:], d.take(len(c.digest)))
		c.n = int(d.uvarint())
		s := &segment{chunk: c}
		selected := d.uvarint()
		s.all = selected == 0
		for ; selected > 0 && d.err == nil; selected-- {
			s.index = append(s.index, uint32(d.uvarint()))
		}
		total += int64(s.len())
		f.segments = append(f.segments, s)
	}
	if d.err != nil || len(d.b) > 0 || total != rows {
		return nil, fmt.Errorf("manifest %s: %w", manifest, errMalformed)
	}
	return f, nil
}

// len is the number of rows so far. A chunk that is still being filled grows.
func (s *segment) len() int {
	if !s.all {
		return len(s.index)
	}
	s.chunk.mu.Lock()
	defer s.chunk.mu.Unlock()
	return s.chunk.n
}

// load returns the chunk's rows, from memory or from the cache.
func (c *chunk) load(store *cache.Store) ([]row.Row, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows != nil || !c.sealed {
		return c.rows[:len(c.rows):len(c.rows)], nil
	}
	b, err := store.Blob(c.digest)
	if err != nil {
		return nil, &damagedError{fmt.Errorf("rows %s: %w", c.digest, err)}
	}
	rows, err := decodeChunk(b)
	if err == nil && len(rows) != c.n {
		err = errMalformed
	}
	if err != nil {
		return nil, &damagedError{fmt.Errorf("rows %s: %w", c.digest, err)}
	}
	return rows, nil
}

// damagedError says that the cache lost rows which a record promised. The
// build starts over without that record.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return "the cache is damaged: " + e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

func encodeChunk(rows []row.Row) []byte {
	size := 8
	for _, r := range rows {
		size += r.Size() + 4
	}
	b := binary.AppendUvarint(make([]byte, 0, size), uint64(len(rows)))
	var scratch []byte
	for _, r := range rows {
		scratch = r.Append(scratch[:0])
		b = binary.AppendUvarint(b, uint64(len(scratch)))
		b = append(b, scratch...)
	}
	return b
}

func decodeChunk(b []byte) ([]row.Row, error) {
	d := decoder{b: b}
	n := d.uvarint()
	rows := make([]row.Row, 0, min(n, chunkRows))
	for ; n > 0 && d.err == nil; n-- {
		r, err := row.FromCanonical(d.take(int(d.uvarint())))
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, d.err
}

// reader follows a flow, or several one after the other.
type reader struct {
	flows []*flow
	seg   int // next segment and row in flows[0]
	pos   int
}

// next returns some more rows, waiting for them. At the end it returns none.
func (r *reader) next() ([]item, error) {
	for len(r.flows) > 0 {
		f := r.flows[0]
		items, more, err := r.read(f)
		if err != nil || len(items) > 0 {
			return items, err
		}
		if !more {
			r.flows, r.seg, r.pos = r.flows[1:], 0, 0
		}
	}
	return nil, nil
}

// read waits until the flow has rows to give, or has ended.
func (r *reader) read(f *flow) (items []item, more bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if r.seg < len(f.segments) {
			s := f.segments[r.seg]
			if n := s.len(); r.pos < n {
				index := s.index
				f.mu.Unlock()
				items, err = s.items(f.store, index, r.pos, n)
				f.mu.Lock()
				r.pos = n
				if f.room > 0 {
					f.taken += int64(len(items))
					f.changed.Broadcast()
				}
				return items, true, err
			}
			if r.seg+1 < len(f.segments) {
				r.seg, r.pos = r.seg+1, 0
				continue
			}
		}
		if f.done {
			return nil, false, f.err
		}
		f.changed.Wait()
	}
}

// items gives rows from up to n of a segment.
func (s *segment) items(store *cache.Store, index []uint32, from, n int) ([]item, error) {
	rows, err := s.chunk.load(store)
	if err != nil {
		return nil, err
	}
	items := make([]item, 0, n-from)
	for i := from; i < n; i++ {
		at := uint32(i)
		if !s.all {
			at = index[i]
		}
		if int(at) >= len(rows) {
			return nil, &damagedError{errMalformed}
		}
		items = append(items, item{rows[at], ref{s.chunk, at}})
	}
	return items, nil
}
