package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// What follows lets others read what the cache remembers of a build: which
// tasks a step had, which calls they made, what became of each row.

// StepRecord is what the cache holds under a step's key.
type StepRecord = stepRecord

// OutputRecord is what the cache holds under an output's key.
type OutputRecord = outputRecord

// LoadStep reads the record of a step; false if there is none.
func LoadStep(store *cache.Store, key cache.Digest) (*StepRecord, bool, error) {
	return getRecord[stepRecord](store, key)
}

// LoadOutput reads the record of an output; false if there is none.
func LoadOutput(store *cache.Store, key cache.Digest) (*OutputRecord, bool, error) {
	return getRecord[outputRecord](store, key)
}

// TaskTrace is what became of one task of a component, in the order of the
// input: with n samples a row, tasks n*i to n*i+n-1 are those of input row i.
type TaskTrace struct {
	Key  cache.Digest // under which LoadTask finds its record
	Rows int          // it gave so many rows; 0 if it was dropped or failed
}

// TaskRecord is the outcome of a task.
type TaskRecord struct {
	Rows    []row.Row // the columns written
	Dropped string    // reason, if it was left out on purpose
	Err     *RowError
	Calls   []string // keys of the model calls made for it, in order; hex
}

// DropTrace is a row that a distill step left out.
type DropTrace struct {
	Position int64 // of the row in the step's input, from 0
	Op       int   // position of the operation, from 1; 0: its expression failed
}

// AllRows gives the rows of a recorded step, in order, a chunk at a time.
func (r *stepRecord) AllRows(store *cache.Store) iter.Seq2[row.Row, error] {
	return func(yield func(row.Row, error) bool) {
		f, err := openFlow(store, r.Manifest, r.Rows)
		if err != nil {
			yield(row.Row{}, err)
			return
		}
		in := &reader{flows: []*flow{f}}
		in.all()(yield)
	}
}

// AllTasks gives the tasks of a recorded step, in order; none for a source or
// a distill step, nor for a record that was made before tasks were traced.
func (r *stepRecord) AllTasks(store *cache.Store) iter.Seq2[TaskTrace, error] {
	return func(yield func(TaskTrace, error) bool) {
		var n int64
		for _, d := range r.Trace {
			entries, err := loadTrace(store, d, traceTasks)
			if err == errOtherTrace {
				return
			}
			for err == nil && len(entries.b) > 0 {
				t := TaskTrace{}
				copy(t.Key[:], entries.take(len(t.Key)))
				t.Rows = int(entries.uvarint())
				if err = entries.err; err == nil && t.Rows < 0 {
					err = errMalformed
				}
				if n++; err == nil && !yield(t, nil) {
					return
				}
			}
			if err != nil {
				yield(TaskTrace{}, fmt.Errorf("trace %s: %w", d, err))
				return
			}
		}
		if len(r.Trace) > 0 && n != r.Tasks {
			yield(TaskTrace{}, fmt.Errorf("trace of %d tasks has %d: %w", r.Tasks, n, errMalformed))
		}
	}
}

// AllDrops gives the rows that a recorded distill step left out, in the order
// in which they were.
func (r *stepRecord) AllDrops(store *cache.Store) iter.Seq2[DropTrace, error] {
	return func(yield func(DropTrace, error) bool) {
		var n int64
		for _, d := range r.Trace {
			entries, err := loadTrace(store, d, traceDrops)
			if err == errOtherTrace {
				return
			}
			var last int64
			for err == nil && len(entries.b) > 0 {
				op := int(entries.uvarint())
				last += entries.varint()
				if err = entries.err; err == nil && (last < 0 || op < 0) {
					err = errMalformed
				}
				if n++; err == nil && !yield(DropTrace{Position: last, Op: op}, nil) {
					return
				}
			}
			if err != nil {
				yield(DropTrace{}, fmt.Errorf("trace %s: %w", d, err))
				return
			}
		}
		want := r.failed()
		for _, c := range r.Dropped {
			want += c.N
		}
		if len(r.Trace) > 0 && n != want {
			yield(DropTrace{}, fmt.Errorf("trace of %d drops has %d: %w", want, n, errMalformed))
		}
	}
}

// AllBlobs gives the digests of all blobs that a record rests on: the list of
// the key's parts, the manifest, the chunks of rows and the trace. Some may be
// given twice.
func (r *stepRecord) AllBlobs(store *cache.Store) iter.Seq2[cache.Digest, error] {
	return func(yield func(cache.Digest, error) bool) {
		for _, d := range append([]cache.Digest{r.Parts, r.Manifest}, r.Trace...) {
			if !yield(d, nil) {
				return
			}
		}
		f, err := openFlow(store, r.Manifest, r.Rows)
		if err != nil {
			yield(cache.Digest{}, err)
			return
		}
		for _, s := range f.segments {
			if !yield(s.chunk.digest, nil) {
				return
			}
		}
	}
}

// AllCalls gives the keys of the model calls that an output made, in no order
// that means anything, some perhaps twice.
func (r *outputRecord) AllCalls(store *cache.Store) iter.Seq2[cache.Digest, error] {
	return func(yield func(cache.Digest, error) bool) {
		for _, d := range r.Calls {
			entries, err := loadTrace(store, d, traceCalls)
			for err == nil && len(entries.b) > 0 {
				var k cache.Digest
				copy(k[:], entries.take(len(k)))
				if err = entries.err; err == nil && !yield(k, nil) {
					return
				}
			}
			if err != nil {
				yield(cache.Digest{}, fmt.Errorf("trace %s: %w", d, err))
				return
			}
		}
	}
}

// LoadTask reads the outcome of a task; false if there is none. A task that
// failed in a way that may pass has none.
func LoadTask(store *cache.Store, key cache.Digest) (*TaskRecord, bool, error) {
	rec, err := getRow(store, key)
	if err != nil || rec == nil {
		return nil, false, err
	}
	return &TaskRecord{Rows: rec.rows, Dropped: rec.dropped, Err: rec.err, Calls: rec.calls}, true, nil
}

// TaskCalls gives the keys of the model calls that were made for a task, in
// order; false if its outcome is not stored. It does not look at its rows.
func TaskCalls(store *cache.Store, key cache.Digest) ([]cache.Digest, bool, error) {
	b, err := store.Get(cache.Rows, key)
	if errors.Is(err, cache.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	d := decoder{b: b}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		d.take(int(d.uvarint()))
	}
	d.take(int(d.uvarint())) // the reason of a drop
	var calls []cache.Digest
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		// What is no key is left out: a plugin may name anything.
		if k, err := cache.ParseDigest(string(d.take(int(d.uvarint())))); err == nil {
			calls = append(calls, k)
		}
	}
	return calls, d.err == nil, nil
}

// The kinds of trace blob: their first byte. What follows is entries to the
// end: of tasks a key and the number of rows; of drops the operation and the
// distance from the drop before; of calls a key.
const (
	traceTasks byte = 1
	traceDrops byte = 2
	traceCalls byte = 3
)

// traceEntries is how many entries a blob holds. What is not stored yet is in
// memory.
const traceEntries = 4096

// errOtherTrace says that a trace is of the other kind.
var errOtherTrace = errors.New("trace of another kind")

func loadTrace(store *cache.Store, d cache.Digest, kind byte) (*decoder, error) {
	b, err := store.Blob(d)
	switch {
	case err != nil:
		return nil, err
	case len(b) == 0 || b[0] < traceTasks || b[0] > traceCalls:
		return nil, errMalformed
	case b[0] != kind:
		return nil, errOtherTrace
	}
	return &decoder{b: b[1:]}, nil
}

// tracer collects the trace of a running step. A nil one collects nothing.
type tracer struct {
	store *cache.Store
	kind  byte
	buf   []byte
	n     int
	last  int64 // position of the last drop
	blobs []cache.Digest
	err   error // the first; told by finish
}

// task adds a task that gave so many rows.
func (t *tracer) task(key cache.Digest, rows int) {
	if t == nil {
		return
	}
	t.begin()
	t.buf = append(t.buf, key[:]...)
	t.buf = binary.AppendUvarint(t.buf, uint64(rows))
	t.added()
}

// drop adds a row that an operation left out.
func (t *tracer) drop(position int64, op int) {
	if t == nil {
		return
	}
	t.begin()
	t.buf = binary.AppendUvarint(t.buf, uint64(op))
	t.buf = binary.AppendVarint(t.buf, position-t.last)
	t.last = position
	t.added()
}

// calls adds the keys of model calls. What is none is left out: a plugin may
// name anything.
func (t *tracer) calls(keys []string) {
	for _, hex := range keys {
		if key, err := cache.ParseDigest(hex); err == nil && t != nil {
			t.begin()
			t.buf = append(t.buf, key[:]...)
			t.added()
		}
	}
}

func (t *tracer) begin() {
	if len(t.buf) == 0 {
		t.buf = append(t.buf, t.kind)
	}
}

func (t *tracer) added() {
	if t.n++; t.n >= traceEntries {
		t.flush()
	}
}

func (t *tracer) flush() {
	d, err := t.store.PutBlob(t.buf)
	if t.err == nil {
		t.err = err
	}
	t.blobs = append(t.blobs, d)
	t.buf, t.n, t.last = t.buf[:0], 0, 0
}

// finish stores what is left and gives the blobs.
func (t *tracer) finish() ([]cache.Digest, error) {
	if t == nil {
		return nil, nil
	}
	if t.n > 0 {
		t.flush()
	}
	return t.blobs, t.err
}
