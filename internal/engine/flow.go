package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"runtime"
	"slices"
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
	store blobStore

	mu       sync.Mutex
	changed  sync.Cond // rows were added or taken, or the flow ended
	segments []*segment
	rows     int64
	digest   hash.Hash // over the digests of the rows
	done     bool
	err      error         // why it ended early
	known    *cache.Digest // of a flow that was opened, not written
	closed   *cache.Digest // the manifest of a flow that nobody has read yet
	aborted  bool

	// room bounds how far the writer may be ahead of the one reader; 0 is
	// no bound. It is set only where that cannot deadlock: a single reader
	// that reads from nothing else.
	room  int64
	taken int64

	recent []*chunk // chunks that still hold their rows, oldest first
	keep   int      // of recent, once they are stored

	sealing sync.WaitGroup // of full chunks that are being stored
	// buffers has one for each chunk that may be stored at the same time.
	buffers chan []byte
	sealErr error // the first
}

const (
	chunkRows  = 256
	chunkBytes = 512 << 10
	// chunksInMemory bounds the rows that a flow keeps after they were
	// stored, for readers that follow closely.
	chunksInMemory = 16
	// linearRoom is how many rows a writer may be ahead of its only reader.
	linearRoom = 4096
	// slowChunks and slowRoom are these bounds beside a step that calls models:
	// it takes its time with each row, and needs no large store of them. What it
	// has not read yet, what it reads and what is written must fit.
	slowChunks = 4
	slowRoom   = (slowChunks - 2) * chunkRows
)

// segment is a run of rows of one chunk: all of them, or those selected.
type segment struct {
	chunk *chunk
	all   bool
	index []uint8 // in order; unused with all. A byte will do for chunkRows
}

// blobStore is where chunks lie: the cache, or the scratch file of a plan.
type blobStore interface {
	PutBlob(b []byte) (cache.Digest, error)
	Blob(d cache.Digest) ([]byte, error)
	HasBlob(d cache.Digest) bool
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
	pos int64 // in the input of a distill step
}

// errAborted is given to the writer of a flow that nobody wants any more.
var errAborted = errors.New("aborted")

func newFlow(store blobStore) *flow {
	f := &flow{store: store, digest: sha256.New(), keep: chunksInMemory}
	f.changed.L = &f.mu
	return f
}

// append adds rows of the flow's own.
func (f *flow) append(rows []row.Row) error {
	return f.appendHashed(hashRows(rows))
}

// hashRows makes rows ready to be added.
func hashRows(rows []row.Row) []hashed {
	list := make([]hashed, len(rows))
	parallel(len(rows), func(i int) { list[i] = hashRow(rows[i]) })
	return list
}

// hashed is a row in one piece, with its digest.
type hashed struct {
	row    row.Row
	digest [32]byte
}

func hashRow(r row.Row) hashed {
	r = r.Whole()
	return hashed{r, r.Digest()}
}

// appendHashed is append. Chunks that become full are stored beside it.
func (f *flow) appendHashed(rows []hashed) error {
	var full []*chunk
	f.mu.Lock()
	for i := range rows {
		if c := f.add(&rows[i]); c.full {
			full = append(full, c)
		}
	}
	f.changed.Broadcast()
	f.mu.Unlock()
	for _, c := range full {
		f.seal(c)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealErr != nil {
		return f.sealErr
	}
	return f.wait()
}

// cut ends the chunk that is being filled: what follows lies in others. It gives
// the number of segments.
func (f *flow) cut() int {
	f.mu.Lock()
	c := f.lastChunk()
	if c != nil {
		c.full = true
	}
	n := len(f.segments)
	f.changed.Broadcast()
	f.mu.Unlock()
	if c != nil {
		f.seal(c)
	}
	return n
}

// between gives segments by their numbers.
func (f *flow) between(from, to int) []*segment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.segments[from:to:to]
}

// appendStored adds the rows of chunks that are stored, given their digests.
func (f *flow) appendStored(chunks []*chunk, digests [][32]byte) error {
	f.cut()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range chunks {
		f.segments = append(f.segments, &segment{chunk: c, all: true})
	}
	for i := range digests {
		f.digest.Write(digests[i][:])
	}
	f.rows += int64(len(digests))
	f.changed.Broadcast()
	return f.wait()
}

// stored gives the digest of a chunk that has n rows and takes no more, once
// it is stored; false if it never is, as when it took more after it was read.
func (f *flow) stored(c *chunk, n int) (cache.Digest, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if d, ok := c.storedAs(n); ok {
			return d, true
		}
		if !c.full || c.rowsSoFar() != n || f.done || f.sealErr != nil {
			return cache.Digest{}, false
		}
		f.changed.Wait()
	}
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

// add puts a row into the last chunk, or into a new one. f.mu is held.
func (f *flow) add(r *hashed) *chunk {
	c := f.lastChunk()
	if c == nil {
		c = &chunk{}
		f.segments = append(f.segments, &segment{chunk: c, all: true})
		f.recent = append(f.recent, c)
	}
	f.digest.Write(r.digest[:])
	f.rows++
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, r.row)
	c.n++
	c.bytes += r.row.Size()
	c.full = c.n >= chunkRows || c.bytes >= chunkBytes
	return c
}

// filling says whether more rows may be added to the chunk of a segment. f.mu
// is held.
func (f *flow) filling(s *segment) bool { return !f.done && s.chunk == f.lastChunk() }

// lastChunk returns the chunk that is being filled. f.mu is held.
func (f *flow) lastChunk() *chunk {
	if n := len(f.segments); n > 0 && f.segments[n-1].all && !f.segments[n-1].chunk.full {
		return f.segments[n-1].chunk
	}
	return nil
}

// seal begins to store a full chunk. It waits while as many chunks as there
// are cores are being stored.
func (f *flow) seal(c *chunk) {
	if f.buffers == nil {
		n := runtime.GOMAXPROCS(0)
		f.buffers = make(chan []byte, n)
		for range n {
			f.buffers <- nil
		}
	}
	buffer := <-f.buffers
	f.sealing.Go(func() {
		buffer = encodeChunk(buffer[:0], c.rows)
		digest, err := f.store.PutBlob(buffer)
		f.buffers <- buffer
		f.sealed(c, digest, err)
	})
}

// sealed takes note that a chunk is stored, and lets the oldest ones in
// memory go.
func (f *flow) sealed(c *chunk, digest cache.Digest, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed.Broadcast()
	if err != nil {
		if f.sealErr == nil {
			f.sealErr = err
		}
		return
	}
	c.mu.Lock()
	c.digest, c.sealed = digest, true
	c.mu.Unlock()
	// Also those behind a chunk that is being stored still: that may wait for
	// the disk while many others are.
	old := max(0, len(f.recent)-f.keep)
	left := slices.DeleteFunc(f.recent[:old], (*chunk).evict)
	f.recent = append(left, f.recent[old:]...)
}

// pass adds rows that lie in chunks of other flows.
func (f *flow) pass(items []item) error {
	digests := make([][32]byte, len(items))
	parallel(len(items), func(i int) { digests[i] = items[i].row.Digest() })
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, it := range items {
		f.digest.Write(digests[i][:])
		f.rows++
		if n := len(f.segments); n == 0 || f.segments[n-1].chunk != it.ref.chunk {
			f.segments = append(f.segments, &segment{chunk: it.ref.chunk})
		}
		last := f.segments[len(f.segments)-1]
		last.index = append(last.index, uint8(it.ref.index))
	}
	f.changed.Broadcast()
	return f.wait()
}

// finish ends the flow, for good if err is nil.
func (f *flow) finish(err error) error {
	f.mu.Lock()
	last := f.lastChunk()
	if last != nil {
		last.full = true
	}
	f.mu.Unlock()
	if err == nil && last != nil {
		f.seal(last)
	}
	f.sealing.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		err = f.sealErr
	}
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

// unbound lets the writer go on without its reader.
func (f *flow) unbound() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room = 0
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
	if f.closed != nil {
		return *f.closed, nil
	}
	size := binary.MaxVarintLen64
	for _, s := range f.segments {
		size += len(s.chunk.digest) + 2*binary.MaxVarintLen64 + 2*len(s.index)
	}
	b := binary.AppendUvarint(make([]byte, 0, size), uint64(len(f.segments)))
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

func ascending(index []uint8) bool {
	for i, v := range index {
		if int(v) != i {
			return false
		}
	}
	return true
}

// openLater is openFlow for a flow that perhaps nobody reads: its manifest, which
// is as long as the rows are many, must be there, and is read by the first
// reader.
func openLater(store blobStore, manifest cache.Digest, rows int64) (*flow, error) {
	if !store.HasBlob(manifest) {
		return nil, fmt.Errorf("manifest %s: %w", manifest, cache.ErrNotFound)
	}
	f := newFlow(store)
	f.done, f.rows, f.closed = true, rows, &manifest
	return f, nil
}

// open reads the manifest of a flow that was left closed. The caller holds mu.
func (f *flow) open() error {
	if f.closed == nil {
		return nil
	}
	full, err := openFlow(f.store, *f.closed, f.rows)
	if err != nil {
		return &damagedError{err}
	}
	f.segments, f.closed = full.segments, nil
	return nil
}

// openFlow gives the finished flow that a manifest describes. Its chunks are
// read when a reader comes to them.
func openFlow(store blobStore, manifest cache.Digest, rows int64) (*flow, error) {
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
			at := d.uvarint()
			if at >= chunkRows {
				d.err = errMalformed
			}
			s.index = append(s.index, uint8(at))
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
	return s.chunk.rowsSoFar()
}

// damagedError says that the cache lost rows which a record promised. The
// build starts over without that record.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return "the cache is damaged: " + e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }
