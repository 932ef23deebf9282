package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The layout of a record; all numbers are little-endian.
//
//	 0  magic   4 bytes
//	 4  flags   1 byte: 1 = value is compressed with zstd
//	 5  kind    1 byte
//	 6  zero    2 bytes
//	 8  stored  uint32: bytes of value as stored
//	12  raw     uint32: bytes of value
//	16  seq     uint64: of two records with one key, the higher is the later
//	24  key     32 bytes
//	56  sum     16 bytes: SHA-256 of bytes 4-16, key and stored value, cut
//	72  check   8 bytes: SHA-256 of segment id, offset and bytes 0-72, cut
//	80  value
//
// A CRC would miss one damage in 4 billion, and the store promises that a
// wrong answer is never given; SHA-256 costs 1 µs per KiB, far less than zstd.
// The check makes the length trustworthy, so that damage in a value does not
// lose the records after it. As it binds the record to its place, a record
// that is found while searching for the next whole one cannot be a copy
// within a value (somebody may well cache a cache).
const (
	headerSize   = 80
	offFlags     = 4
	offKind      = 5
	offStored    = 8
	offRaw       = 12
	offSeq       = 16
	offKey       = 24
	offSum       = 56
	offCheck     = 72
	flagZstd     = 1
	maxValue     = 1 << 30
	rawThreshold = 96 // values below this many bytes are not worth compressing
)

// recordMagic starts each record. It is no valid UTF-8, hence not in text.
func recordMagic() []byte { return []byte{0xF5, 'a', 'r', 0xFF} }

// header is the decoded front of a record.
type header struct {
	flags  byte
	kind   Kind
	stored uint32
	raw    uint32
	seq    uint64
	key    Digest
	sum    [16]byte
}

// size is the length of the whole record.
func (h *header) size() int64 { return headerSize + int64(h.stored) }

// parseHeader decodes the header at the start of b, which stands at off in
// the segment with the given id. It reports false unless every bit is as it
// was written.
func parseHeader(b []byte, id uint64, off int64) (header, bool) {
	if len(b) < headerSize || !bytes.Equal(b[:4], recordMagic()) {
		return header{}, false
	}
	want := placeCheck(b, id, off)
	if !bytes.Equal(b[offCheck:headerSize], want[:]) {
		return header{}, false
	}
	h := header{
		flags:  b[offFlags],
		kind:   Kind(b[offKind]),
		stored: binary.LittleEndian.Uint32(b[offStored:]),
		raw:    binary.LittleEndian.Uint32(b[offRaw:]),
		seq:    binary.LittleEndian.Uint64(b[offSeq:]),
		key:    Digest(b[offKey:]),
		sum:    [16]byte(b[offSum:]),
	}
	return h, h.stored <= maxValue && h.raw <= maxValue
}

// placeCheck is the check of the header in b at a place.
func placeCheck(b []byte, id uint64, off int64) [8]byte {
	var in [16 + offCheck]byte
	binary.LittleEndian.PutUint64(in[0:], id)
	binary.LittleEndian.PutUint64(in[8:], uint64(off))
	copy(in[16:], b[:offCheck])
	sum := sha256.Sum256(in[:])
	return [8]byte(sum[:])
}

// valueSum is the sum of a record, given its header bytes and stored value.
func valueSum(rec []byte) [16]byte {
	h := sha256.New()
	h.Write(rec[offFlags:offSeq])
	h.Write(rec[offKey:offSum])
	h.Write(rec[headerSize:])
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return [16]byte(sum[:])
}

// whole reports whether rec, with header h, has the value that was written.
func whole(rec []byte, h *header) bool {
	return int64(len(rec)) == h.size() && valueSum(rec) == h.sum
}

// seal completes an encoded record for the place where it will stand.
func seal(rec []byte, id uint64, off int64, seq uint64) {
	binary.LittleEndian.PutUint64(rec[offSeq:], seq)
	check := placeCheck(rec, id, off)
	copy(rec[offCheck:headerSize], check[:])
}

// codec encodes and decodes values. Its parts are made when first needed, so
// that a build with nothing to do does not pay for them.
type codec struct {
	encoder func() (*zstd.Encoder, error)
	decoder func() (*zstd.Decoder, error)
	scratch sync.Pool // *[]byte
}

func newCodec() *codec {
	return &codec{
		encoder: sync.OnceValues(func() (*zstd.Encoder, error) {
			// Most values are smaller than the window, and each encoder keeps one.
			return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
				zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(512<<10))
		}),
		decoder: sync.OnceValues(func() (*zstd.Decoder, error) {
			return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxValue))
		}),
		scratch: sync.Pool{New: func() any { return new([]byte) }},
	}
}

// encode makes a record that lacks only what seal adds. The caller hands it
// back with release.
func (c *codec) encode(kind Kind, key Digest, value []byte) (*[]byte, error) {
	if len(value) > maxValue {
		return nil, fmt.Errorf("value of %d bytes is too large for the cache: the limit is %d", len(value), maxValue)
	}
	buf := c.scratch.Get().(*[]byte)
	rec := append((*buf)[:0], make([]byte, headerSize)...)
	flags := byte(0)
	if len(value) >= rawThreshold {
		enc, err := c.encoder()
		if err != nil {
			return nil, err
		}
		rec = enc.EncodeAll(value, rec)
		if len(rec)-headerSize < len(value)-len(value)/16 {
			flags = flagZstd
		}
	}
	if flags == 0 {
		rec = append(rec[:headerSize], value...)
	}
	copy(rec, recordMagic())
	rec[offFlags], rec[offKind] = flags, byte(kind)
	binary.LittleEndian.PutUint32(rec[offStored:], uint32(len(rec)-headerSize))
	binary.LittleEndian.PutUint32(rec[offRaw:], uint32(len(value)))
	copy(rec[offKey:], key[:])
	sum := valueSum(rec)
	copy(rec[offSum:], sum[:])
	*buf = rec
	return buf, nil
}

// release gives an encoded record's memory back, unless it is huge.
func (c *codec) release(rec *[]byte) {
	if cap(*rec) <= 1<<20 {
		c.scratch.Put(rec)
	}
}

var errValue = errors.New("value does not match its record")

// decode returns the value of rec, whose header is h. It does not check sums.
func (c *codec) decode(rec []byte, h *header) ([]byte, error) {
	stored := rec[headerSize:]
	if h.flags&flagZstd == 0 {
		if len(stored) != int(h.raw) {
			return nil, errValue
		}
		return append(make([]byte, 0, len(stored)), stored...), nil
	}
	dec, err := c.decoder()
	if err != nil {
		return nil, err
	}
	value, err := dec.DecodeAll(stored, make([]byte, 0, h.raw))
	if err != nil {
		return nil, err
	}
	if len(value) != int(h.raw) {
		return nil, errValue
	}
	return value, nil
}
