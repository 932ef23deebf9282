package cache

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
)

// A sidecar (.idx) lists the records of its segment, so that opening a kind
// need not scan the segments. It is a hint: every entry has its own CRC, the
// entries must follow one another without a hole, and what they do not cover
// is scanned. Entries are appended only after the records that they name are
// on disk. A damaged sidecar thus costs time, never an answer.
//
//	header  magic 8 bytes, segment id 8 bytes
//	entry   fold 16, seq 8, off uint32, n uint32, flags uint32, CRC-32C 4
const (
	sidecarMagic  = "asafeidx"
	sidecarHeader = 16
	entrySize     = 40
	entryGap      = 1 // the stretch is damaged and holds no record
)

// entry is one line of a sidecar.
type entry struct {
	fold   fold
	seq    uint64
	off, n uint32
	flags  uint32
}

func (e *entry) end() int64 { return int64(e.off) + int64(e.n) }

func (e *entry) appendTo(b []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint64(b, e.fold.a)
	b = binary.LittleEndian.AppendUint64(b, e.fold.b)
	b = binary.LittleEndian.AppendUint64(b, e.seq)
	b = binary.LittleEndian.AppendUint32(b, e.off)
	b = binary.LittleEndian.AppendUint32(b, e.n)
	b = binary.LittleEndian.AppendUint32(b, e.flags)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli()))
}

func parseEntry(b []byte) (entry, bool) {
	e := entry{
		fold:  fold{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])},
		seq:   binary.LittleEndian.Uint64(b[16:]),
		off:   binary.LittleEndian.Uint32(b[24:]),
		n:     binary.LittleEndian.Uint32(b[28:]),
		flags: binary.LittleEndian.Uint32(b[32:]),
	}
	return e, binary.LittleEndian.Uint32(b[36:]) == crc32.Checksum(b[:36], castagnoli())
}

// castagnoli is the CRC-32C table; MakeTable makes it once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// sidecarHead is the header of the sidecar of segment id.
func sidecarHead(id uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte(sidecarMagic), id)
}

// parseSidecar returns the entries of the longest good front of b that fits
// a segment of size bytes, and whether that is the whole of b.
func parseSidecar(b []byte, id uint64, size int64) (entries []entry, clean bool) {
	if len(b) < sidecarHeader || !bytes.Equal(b[:sidecarHeader], sidecarHead(id)) {
		return nil, false
	}
	b = b[sidecarHeader:]
	entries = make([]entry, 0, len(b)/entrySize)
	at := int64(segmentHeader)
	for len(b) >= entrySize {
		e, ok := parseEntry(b)
		if !ok || int64(e.off) != at || e.end() > size || e.n == 0 || (e.flags == 0 && e.n < headerSize) {
			return entries, false
		}
		entries, at, b = append(entries, e), e.end(), b[entrySize:]
	}
	return entries, len(b) == 0
}

// writeSidecar replaces the sidecar at path.
func writeSidecar(path string, id uint64, entries []entry) error {
	b := make([]byte, 0, sidecarHeader+len(entries)*entrySize)
	b = append(b, sidecarHead(id)...)
	for i := range entries {
		b = entries[i].appendTo(b)
	}
	return writeFileAtomic(path, b)
}

// readSidecar reads the sidecar at path; one that is absent has no entries.
func readSidecar(path string, id uint64, size int64) (entries []entry, clean bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	return parseSidecar(b, id, size)
}
