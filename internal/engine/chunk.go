package engine

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// chunk is up to chunkRows rows that are stored as one blob.
type chunk struct {
	mu     sync.Mutex
	rows   []row.Row // nil once evicted
	n      int
	bytes  int
	full   bool // takes no more rows; guarded by the flow's mu
	sealed bool
	digest cache.Digest // of the blob, once sealed
}

// evict lets a chunk's rows go; false if they are not stored yet.
func (c *chunk) evict() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed {
		c.rows = nil
	}
	return c.sealed
}

// storedAs gives the digest of a chunk of n rows, if it is stored.
func (c *chunk) storedAs(n int) (cache.Digest, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.digest, c.sealed && c.n == n
}

// rowsSoFar is how many rows the chunk has. One that is being filled grows.
func (c *chunk) rowsSoFar() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// texts returns the chunk's rows as canonical text, without taking them apart.
func (c *chunk) texts(store blobStore) ([][]byte, error) {
	c.mu.Lock()
	rows, sealed := c.rows, c.sealed
	c.mu.Unlock()
	if rows == nil && sealed {
		return c.fetch(store)
	}
	texts := make([][]byte, len(rows))
	for i, r := range rows {
		texts[i] = r.Bytes()
	}
	return texts, nil
}

// fetch reads the chunk from the cache.
func (c *chunk) fetch(store blobStore) ([][]byte, error) {
	b, err := store.Blob(c.digest)
	if err != nil {
		return nil, &damagedError{fmt.Errorf("rows %s: %w", c.digest, err)}
	}
	texts, err := splitChunk(b)
	if err == nil && len(texts) != c.n {
		err = errMalformed
	}
	if err != nil {
		return nil, &damagedError{fmt.Errorf("rows %s: %w", c.digest, err)}
	}
	return texts, nil
}

// load returns the chunk's rows, from memory or from the cache.
func (c *chunk) load(store blobStore) ([]row.Row, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows != nil || !c.sealed {
		return c.rows[:len(c.rows):len(c.rows)], nil
	}
	texts, err := c.fetch(store)
	if err != nil {
		return nil, err
	}
	rows := make([]row.Row, len(texts))
	var p row.Parser
	for i, text := range texts {
		if rows[i], err = p.FromCanonical(text); err != nil {
			return nil, &damagedError{fmt.Errorf("rows %s: %w", c.digest, err)}
		}
	}
	return rows, nil
}

// encodeChunk appends rows to b.
func encodeChunk(b []byte, rows []row.Row) []byte {
	size := 8
	for _, r := range rows {
		size += r.Size() + 4
	}
	b = binary.AppendUvarint(slices.Grow(b, size), uint64(len(rows)))
	for _, r := range rows {
		b = appendBytes(b, r.Bytes())
	}
	return b
}

// splitChunk gives the texts of a chunk's rows, which are parts of b.
func splitChunk(b []byte) ([][]byte, error) {
	d := decoder{b: b}
	n := d.uvarint()
	texts := make([][]byte, 0, min(n, chunkRows))
	for ; n > 0 && d.err == nil; n-- {
		texts = append(texts, d.take(int(d.uvarint())))
	}
	return texts, d.err
}
