package engine

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// errMalformed is for stored data that cannot be read. It is treated like
// data that is not there.
var errMalformed = errors.New("malformed")

// stepRecord is what the cache holds under a step's key.
type stepRecord struct {
	Rows     int64            `json:"rows"`
	RowsIn   int64            `json:"rows_in"`
	Digest   cache.Digest     `json:"digest"`   // of the rows, in order
	Manifest cache.Digest     `json:"manifest"` // blob: where they lie
	Tasks    int64            `json:"tasks"`
	Dropped  []countRecord    `json:"dropped,omitempty"` // by reason, or by position of the operation
	Failed   map[string]int64 `json:"failed,omitempty"`  // by code; only failures that are remembered
	Parts    cache.Digest     `json:"parts"`             // blob: the key's parts
	// Trace are blobs that say what became of each task, or which rows were
	// dropped where (trace.go).
	Trace []cache.Digest `json:"trace,omitempty"`
	// From is, of a source that was cut off, the digest of the rows of the
	// whole source as far as the cache knew it.
	From *cache.Digest `json:"from,omitempty"`
	// Again says that some rows failed in a way that may pass. Such a record
	// can be shown, but it is no hit: the next build asks for these rows again.
	Again bool `json:"again,omitempty"`
}

// countRecord is a number of dropped rows. Op is the position of the distill
// operation that dropped them, from 1, whose name may change.
type countRecord struct {
	Reason string `json:"reason,omitempty"`
	Op     int    `json:"op,omitempty"`
	N      int64  `json:"n"`
}

func (r *stepRecord) failed() int64 {
	var n int64
	for _, c := range r.Failed {
		n += c
	}
	return n
}

// outputRecord is what the cache holds under an output's key.
type outputRecord struct {
	Files   []fileRecord     `json:"files"`
	Rows    int64            `json:"rows"`
	Splits  map[string]int64 `json:"splits"`
	Skipped map[string]int64 `json:"skipped,omitempty"`
	// Calls are blobs with the keys of the model calls made for it (trace.go).
	Calls []cache.Digest `json:"calls,omitempty"`
}

type fileRecord struct {
	Path      string       `json:"path"` // relative to the output's folder
	Digest    cache.Digest `json:"sha256"`
	Size      int64        `json:"size"`
	Rows      int64        `json:"rows"`
	MediaType string       `json:"media_type,omitempty"`
}

// getRecord reads a JSON record; false if there is none that can be read.
func getRecord[T any](store *cache.Store, k cache.Digest) (*T, bool, error) {
	b, err := store.Get(cache.Steps, k)
	if errors.Is(err, cache.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	var r T
	if len(b) == 0 || json.Unmarshal(b, &r) != nil { // empty: withdrawn
		return nil, false, nil
	}
	return &r, true, nil
}

func putRecord(store *cache.Store, k cache.Digest, record any) error {
	b, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return store.Put(cache.Steps, k, b)
}

// withdraw makes a record a miss, after what it promised turned out lost.
func withdraw(store *cache.Store, k cache.Digest) error {
	return store.Put(cache.Steps, k, nil)
}

// rowRecord is what the cache holds under a row's key: the columns written,
// or why there are none.
type rowRecord struct {
	rows    []row.Row
	dropped string
	err     *RowError
	calls   []string
	mark    uint64 // of the refresh that made it anew, see refreshRecord
}

func (r *rowRecord) encode() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(r.rows)))
	for _, r := range r.rows {
		b = appendBytes(b, r.Bytes())
	}
	b = appendBytes(b, []byte(r.dropped))
	b = binary.AppendUvarint(b, uint64(len(r.calls)))
	for _, c := range r.calls {
		b = appendBytes(b, []byte(c))
	}
	if r.err == nil && r.mark == 0 {
		return b, nil
	}
	var text []byte
	if r.err != nil {
		var err error
		if text, err = json.Marshal(r.err); err != nil {
			return nil, err
		}
	}
	b = appendBytes(b, text)
	if r.mark != 0 {
		b = binary.BigEndian.AppendUint64(b, r.mark)
	}
	return b, nil
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func decodeRowRecord(b []byte) (*rowRecord, error) {
	d := decoder{b: b}
	r := &rowRecord{}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		written, err := row.FromCanonical(d.take(int(d.uvarint())))
		if err != nil {
			return nil, fmt.Errorf("row record: %w", errMalformed)
		}
		r.rows = append(r.rows, written)
	}
	r.dropped = string(d.take(int(d.uvarint())))
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		r.calls = append(r.calls, string(d.take(int(d.uvarint()))))
	}
	if d.err != nil || len(d.b) == 0 {
		return r, d.err
	}
	if text := d.take(int(d.uvarint())); len(text) > 0 {
		r.err = &RowError{}
		if err := json.Unmarshal(text, r.err); err != nil {
			return nil, fmt.Errorf("row record: %w", errMalformed)
		}
	}
	if len(d.b) > 0 {
		if mark := d.take(8); d.err == nil {
			r.mark = binary.BigEndian.Uint64(mark)
		}
	}
	return r, d.err
}

// decoder reads length-framed data and remembers the first thing wrong.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.err, d.b = errMalformed, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.err, d.b = errMalformed, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.err, d.b = errMalformed, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}
