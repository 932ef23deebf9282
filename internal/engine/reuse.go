package engine

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
)

// What the rows of a step came to is remembered row by row, and beside that
// for whole chunks of its input, under the chunk's digest. So where one row
// of many changed, the others need not be looked up, merged and hashed again.
// It is a shortcut and nothing else: what is lost of it costs time, as then
// each row of the chunk is looked up.

// The tags of its keys.
const (
	chunkTag = "autosafe.chunk/1"
	epochTag = "autosafe.epoch/1"
)

// leastReused is how many rows a chunk has for which this pays.
const leastReused = 64

// reuse finds and keeps what became of chunks.
type reuse struct {
	step  *rowStep
	begin sync.Once
	keys  rowKeys
	ready bool
	err   error
	anew  []byte // of a refresh: the number of the rows that it makes
}

// key is what is remembered of a span under; ok is false unless the span is
// a chunk as a whole. It may wait until the chunk is stored.
func (r *reuse) key(s span) (k cache.Digest, ok bool, err error) {
	if !s.segment.all || s.from > 0 || s.n < leastReused {
		return k, false, nil
	}
	d, ok := s.flow.stored(s.segment.chunk, s.n)
	if !ok {
		return k, false, nil
	}
	r.begin.Do(r.open)
	if r.err != nil || !r.ready {
		return k, false, r.err
	}
	return r.keys.key(d, 0), true, nil
}

// open makes the part of the keys that all chunks of the step share. Among it
// is a number that stands for all rows of the step's configuration as they
// were last made: where they are made anew, or where the number is lost, no
// chunk of before is found.
func (r *reuse) open() {
	s := r.step
	k := epochKey(s.st.base)
	epoch, err := s.opts.Store.Get(cache.Steps, k)
	switch {
	case r.anew != nil:
		epoch = r.anew
	case err == nil && len(epoch) > 0:
	case err != nil && !errors.Is(err, cache.ErrNotFound):
		r.err = err
		return
	case s.dry != nil: // which may not write
		return
	default:
		epoch = newEpoch()
		if r.err = s.opts.Store.Put(cache.Steps, k, epoch); r.err != nil {
			return
		}
	}
	// Rows that another process made anew before it gave the number out count.
	if r.err = s.opts.Store.Refresh(cache.Rows); r.err != nil {
		return
	}
	list := key.New(chunkTag)
	list.AddString("base", cache.Digest(s.st.base.Digest()).String())
	list.Add("epoch", epoch)
	list.AddInt("samples", int64(s.st.Role.Samples))
	list.AddString("column", s.st.Role.BlockColumn)
	r.keys, r.ready = rowKeys{list.Encode()}, true
}

// forget makes all that is remembered of chunks unknown, before rows are made
// anew: on disk before the first of them can be. What the refresh remembers has
// a number of its own that none but it knows until renew: another process that
// works on the same cache meanwhile still finds rows of before, and what it
// remembers of them must not be found after.
func (r *reuse) forget() error {
	r.anew = newEpoch()
	store, k := r.step.opts.Store, epochKey(r.step.st.base)
	_, err := store.Get(cache.Steps, k)
	if errors.Is(err, cache.ErrNotFound) {
		return nil // there is nothing
	}
	if err != nil {
		return err
	}
	return store.PutDurable(cache.Steps, k, newEpoch())
}

// renew lets what a refresh remembered of chunks be found, once all rows are
// made anew, and other processes can see them.
func (r *reuse) renew() error {
	if r.anew == nil {
		return nil
	}
	if err := r.step.opts.Store.Sync(); err != nil {
		return err
	}
	return r.step.opts.Store.PutDurable(cache.Steps, epochKey(r.step.st.base), r.anew)
}

func newEpoch() []byte { return binary.BigEndian.AppendUint64(nil, rand.Uint64()) }

// epochKey is where the number stands for the rows of a configuration.
func epochKey(base key.List) cache.Digest {
	list := key.New(epochTag)
	list.AddString("base", cache.Digest(base.Digest()).String())
	return list.Digest()
}

// find gives what became of the rows of a chunk; nil if that is not known, or
// if the rows are gone.
func (r *reuse) find(k cache.Digest, rows int) (*chunkRecord, error) {
	if r.step.st.refresh {
		return nil, nil
	}
	b, err := r.step.opts.Store.Get(cache.Steps, k)
	if errors.Is(err, cache.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rec, err := decodeChunkRecord(b)
	if err != nil || len(rec.tasks) != rows*r.step.samples {
		return nil, nil
	}
	for _, c := range rec.chunks {
		if !r.step.blobs().HasBlob(c.digest) {
			return nil, nil
		}
	}
	return rec, nil
}

// chunkRecord is what became of the rows of a chunk. None of them failed.
type chunkRecord struct {
	tasks   []TaskTrace
	dropped map[string]int64 // by reason
	chunks  []*chunk         // that hold what the tasks gave, and nothing else
	digests [][32]byte       // of these rows
}

func (r *chunkRecord) encode() []byte {
	size := 64 + len(r.tasks)*34 + len(r.chunks)*36 + len(r.digests)*32
	b := binary.AppendUvarint(make([]byte, 0, size), uint64(len(r.tasks)))
	for _, t := range r.tasks {
		b = binary.AppendUvarint(append(b, t.Key[:]...), uint64(t.Rows))
	}
	b = binary.AppendUvarint(b, uint64(len(r.dropped)))
	for _, reason := range slices.Sorted(maps.Keys(r.dropped)) {
		b = binary.AppendUvarint(appendBytes(b, []byte(reason)), uint64(r.dropped[reason]))
	}
	b = binary.AppendUvarint(b, uint64(len(r.chunks)))
	for _, c := range r.chunks {
		b = binary.AppendUvarint(append(b, c.digest[:]...), uint64(c.n))
	}
	for i := range r.digests {
		b = append(b, r.digests[i][:]...)
	}
	return b
}

func decodeChunkRecord(b []byte) (*chunkRecord, error) {
	d := decoder{b: b}
	r := &chunkRecord{dropped: map[string]int64{}}
	var given, held int
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		t := TaskTrace{}
		copy(t.Key[:], d.take(len(t.Key)))
		t.Rows = d.count()
		given += t.Rows
		r.tasks = append(r.tasks, t)
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		reason := string(d.take(d.count()))
		r.dropped[reason] = int64(d.count())
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		c := &chunk{full: true, sealed: true}
		copy(c.digest[:], d.take(len(c.digest)))
		c.n = d.count()
		held += c.n
		r.chunks = append(r.chunks, c)
	}
	if d.err != nil || given != held || len(d.b) != held*len([32]byte{}) {
		return nil, errMalformed
	}
	r.digests = make([][32]byte, held)
	for i := range r.digests {
		copy(r.digests[i][:], d.take(32))
	}
	return r, nil
}

// stored says whether all rows that the tasks gave are.
func (r *chunkRecord) stored() bool {
	for _, c := range r.chunks {
		if _, ok := c.storedAs(c.n); !ok {
			return false
		}
	}
	return true
}

// count is a number of things of which there cannot be very many.
func (d *decoder) count() int {
	const most = 1 << 30
	n := d.uvarint()
	if n > most {
		d.err, d.b = errMalformed, nil
		return 0
	}
	return int(n)
}

// chunkTasks are the tasks of a chunk of a step's input.
type chunkTasks struct {
	key   cache.Digest // what becomes of them is remembered under
	tasks int
}
