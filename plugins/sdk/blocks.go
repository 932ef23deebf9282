package sdk

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
)

// blocks cuts what a source sends into blocks that begin and end at the same
// rows in each run, names them by their content, and leaves those out that the
// host still has. So of a long source that changed in one row, one block
// crosses the wire.
type blocks struct {
	known map[[sha256.Size]byte]bool
	open  extent // what was sent of the block at hand; none of a whole one
}

// The bounds of a block, within those of a batch: the host keeps a block in
// chunks of its own, of which it should fill one.
const (
	blockRows  = transport.BatchRows
	blockBytes = 384 << 10
	// blockDelay is how long the rows of a block wait for others. A block of
	// which a part was sent before the rest came has no name.
	blockDelay = 20 * time.Millisecond
)

// newBlocks gives nil where the host knows no blocks.
func newBlocks(start *pluginpb.Blocks) *blocks {
	if start == nil {
		return nil
	}
	b := &blocks{known: make(map[[sha256.Size]byte]bool, len(start.GetKnown()))}
	for _, name := range start.GetKnown() {
		if len(name) == sha256.Size {
			b.known[[sha256.Size]byte(name)] = true
		}
	}
	return b
}

// collectBlock is collect for a source: a block, or a part of one.
func (s *sender) collectBlock(first *pluginpb.Result) (batch *pluginpb.ResultBatch, held *pluginpb.Result) {
	b := s.blocks
	if b.open.bytes+weight(first) > blockBytes {
		b.open = extent{} // the block ended before this row
	}
	begun := b.open.rows > 0
	room := extent{blockRows - b.open.rows, blockBytes - b.open.bytes}
	results, held := s.collect(first, blockDelay, room)
	size := 0
	for _, r := range results {
		size += weight(r)
	}
	batch = &pluginpb.ResultBatch{Results: results}
	if held == nil && len(results) < room.rows && size < room.bytes {
		b.open.rows += len(results)
		b.open.bytes += size
		return batch, nil
	}
	b.open = extent{}
	if begun {
		return batch, held
	}
	if name, ok := blockName(results); ok {
		batch.Block = name[:]
		if b.known[name] {
			batch.Results, batch.Same = nil, uint32(len(results))
		}
	}
	return batch, held
}

// blockName is the digest of rows; ok is false if one of them failed or was
// left out.
func blockName(results []*pluginpb.Result) (name [sha256.Size]byte, ok bool) {
	h := sha256.New()
	var head []byte
	for _, r := range results {
		if r.GetError() != nil || r.GetDropped() != "" {
			return name, false
		}
		head = binary.AppendUvarint(head[:0], uint64(len(r.GetRows())))
		h.Write(head)
		for _, row := range r.GetRows() {
			head = binary.AppendUvarint(head[:0], uint64(len(row)))
			h.Write(head)
			h.Write(row)
		}
	}
	h.Sum(name[:0])
	return name, true
}
