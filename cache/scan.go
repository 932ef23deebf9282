package cache

import (
	"bytes"
	"io"
)

// span is a stretch of a segment: a record, or bytes that are none.
type span struct {
	off, n int64
	gap    bool   // no record: its header is damaged, cut or absent
	head   header // of a record
	rec    []byte // the record's bytes, valid until the next call
	whole  bool   // the record's value is as it was written
}

// scanner walks the records of a segment. After damage it goes on at the next
// place where a header with a right check stands.
type scanner struct {
	r        io.ReaderAt
	id       uint64
	pos, end int64

	window []byte
	at     int64 // offset of window
	err    error // of reading; what follows is a gap
}

const scanWindow = 256 << 10

func newScanner(r io.ReaderAt, id uint64, from, end int64) *scanner {
	return &scanner{r: r, id: id, pos: from, end: end}
}

// next returns the stretch at the scanner's place; false at the end.
func (s *scanner) next() (span, bool) {
	if s.pos >= s.end {
		return span{}, false
	}
	start := s.pos
	if h, ok := s.headerAt(start); ok {
		rec := s.peek(start, h.size())
		if int64(len(rec)) == h.size() {
			s.pos += h.size()
			return span{off: start, n: h.size(), head: h, rec: rec, whole: whole(rec, &h)}, true
		}
	}
	s.pos = s.resync(start + 1)
	return span{off: start, n: s.pos - start, gap: true}, true
}

// headerAt decodes the header at off if it is right and its record fits.
func (s *scanner) headerAt(off int64) (header, bool) {
	h, ok := parseHeader(s.peek(off, headerSize), s.id, off)
	if !ok || off+h.size() > s.end {
		return header{}, false
	}
	return h, true
}

// resync finds the next record at or after off, or the end.
func (s *scanner) resync(off int64) int64 {
	magic := recordMagic()
	for off+headerSize <= s.end {
		b := s.peek(off, headerSize)
		if len(b) < headerSize {
			break
		}
		rest := s.window[off-s.at:]
		i := bytes.Index(rest, magic)
		if i < 0 {
			// The magic may begin in the last three bytes.
			off += int64(len(rest) - len(magic) + 1)
			continue
		}
		off += int64(i)
		if _, ok := s.headerAt(off); ok {
			return off
		}
		off++
	}
	return s.end
}

// peek returns n bytes at off, or fewer if the end or an error is nearer.
func (s *scanner) peek(off, n int64) []byte {
	n = min(n, s.end-off)
	if n <= 0 {
		return nil
	}
	if off < s.at || off+n > s.at+int64(len(s.window)) {
		s.fill(off, n)
	}
	have := s.at + int64(len(s.window)) - off
	return s.window[off-s.at:][:min(n, have)]
}

// fill reads at least n bytes at off into the window, if they can be read.
func (s *scanner) fill(off, n int64) {
	want := min(max(n, scanWindow), s.end-off)
	if int64(cap(s.window)) < want {
		s.window = make([]byte, want)
	}
	s.window, s.at = s.window[:want], off
	got, err := s.r.ReadAt(s.window, off)
	s.window = s.window[:got]
	if err != nil && err != io.EOF {
		s.err = err
	}
}
