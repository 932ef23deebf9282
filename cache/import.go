package cache

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// ImportReport is the outcome of Import.
type ImportReport struct {
	Records int64 // whole records in the bundle
	Added   int64 // of which these were put into the store
	Same    int64 // the store had them
	Local   int64 // the store had another value, which it kept
	Damaged int64 // stretches of the bundle that are no whole records
	Bytes   int64 // of the bundle, read
}

// ErrBundle says that a bundle is damaged, cut, or no bundle.
var ErrBundle = errors.New("the bundle is damaged")

// Import takes in the records of a bundle that Export wrote, and makes them
// durable. Each is verified. Where the store has another value under a key,
// the store's call stays, as what was answered first, and of other records
// the later one. Importing a bundle twice changes nothing. Of a bundle that
// is cut or damaged, all whole records are taken in, and the error, which is
// ErrBundle, says so.
func (s *Store) Import(ctx context.Context, r io.Reader) (ImportReport, error) {
	if s.env.readOnly {
		return ImportReport{}, readOnlyError(s.dir)
	}
	m := &importer{s: s, sum: sha256.New()}
	m.r = bufio.NewReaderSize(r, bufferSize)
	err := m.bundle(ctx)
	if m.stream != nil {
		m.stream.Close()
	}
	m.report.Bytes = m.at
	if serr := s.Sync(); serr != nil {
		return m.report, errors.Join(serr, err)
	}
	if errors.Is(err, ErrBundle) && m.report.Records > 0 {
		err = fmt.Errorf("%w; %d whole records were taken in", err, m.report.Records)
	}
	return m.report, err
}

// importer reads one bundle.
type importer struct {
	s      *Store
	r      *bufio.Reader
	at     int64
	sum    hash.Hash
	stream *zstd.Decoder
	report ImportReport
	first  string // the first damage
}

// bundle reads to the end.
func (m *importer) bundle(ctx context.Context) error {
	head, err := m.r.Peek(bundleHeader + headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cache: read the bundle: %w", err)
	}
	if err := m.head(head); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := m.next(ctx)
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	switch {
	case m.report.Damaged == 1:
		return fmt.Errorf("cache: %w: a stretch of it is not what was written, %s", ErrBundle, m.first)
	case m.report.Damaged > 1:
		return fmt.Errorf("cache: %w: %d stretches of it are not what was written, the first %s", ErrBundle, m.report.Damaged, m.first)
	}
	return nil
}

// head checks the front of the bundle, which starts b. If it alone is damaged,
// a record follows all the same; a bundle of another version has others.
func (m *importer) head(b []byte) error {
	if !bytes.HasPrefix(b, bundleHead()) {
		b = append(b, make([]byte, bundleHeader)...)
		_, follows := parseHeader(b[bundleHeader:], bundleID, bundleHeader)
		switch {
		case follows:
			m.harm("its header")
		case string(b[:8]) == bundleMagic:
			return fmt.Errorf("cache: %w, or of version %d, which this autosafe cannot read: update it, or export the bundle again",
				ErrBundle, binary.LittleEndian.Uint16(b[8:]))
		default:
			return fmt.Errorf("cache: %w, or is none: it does not begin as a bundle does", ErrBundle)
		}
	}
	_, err := m.take(bundleHeader)
	return err
}

// harm notes damage.
func (m *importer) harm(what string) {
	if m.report.Damaged++; m.report.Damaged == 1 {
		m.first = what
	}
}

// take reads n bytes. It does not trust n: memory grows with what comes.
func (m *importer) take(n int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(n, bufferSize)))
	got, err := io.CopyN(&b, m.r, n)
	m.sum.Write(b.Bytes())
	m.at += got
	if err != nil && !errors.Is(err, io.EOF) {
		return b.Bytes(), fmt.Errorf("cache: read the bundle: %w", err)
	}
	if got < n {
		return b.Bytes(), m.cut()
	}
	return b.Bytes(), nil
}

// cut says that the bundle has no end.
func (m *importer) cut() error {
	return fmt.Errorf("cache: %w: it ends too early, after %d bytes: copy or export it again", ErrBundle, m.at)
}

// next reads a record or the end; done says that it was the end.
func (m *importer) next(ctx context.Context) (done bool, err error) {
	b, err := m.r.Peek(headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("cache: read the bundle: %w", err)
	}
	if bytes.HasPrefix(b, []byte(bundleEndMagic)) && len(b) >= bundleEnd {
		return m.end(b)
	}
	if h, ok := parseHeader(b, bundleID, m.at); ok && h.stored <= maxBundled && h.raw <= maxBundled {
		rec, err := m.take(h.size())
		if err != nil {
			return false, err
		}
		return false, m.record(rec, &h)
	}
	if len(b) == 0 {
		return false, m.cut()
	}
	return false, m.resync(ctx)
}

// end checks the end of the bundle, which starts b.
func (m *importer) end(b []byte) (done bool, err error) {
	if !bytes.Equal(b[:bundleEnd], bundleEndOf(m.report.Records, m.sum)) && m.report.Damaged == 0 {
		m.harm("its end")
	}
	if _, err := m.take(bundleEnd); err != nil {
		return false, err
	}
	if _, err := m.r.Peek(1); !errors.Is(err, io.EOF) {
		m.harm(fmt.Sprintf("what follows its end at %d", m.at))
	}
	return true, nil
}

// resync goes on at the next place where a record with a right header, or the
// end, stands.
func (m *importer) resync(ctx context.Context) error {
	m.harm(fmt.Sprintf("at %d", m.at))
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		window, err := m.r.Peek(m.r.Size())
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cache: read the bundle: %w", err)
		}
		last := err != nil
		for i := 1; i < len(window); i++ {
			rest := window[i:]
			_, ok := parseHeader(rest, bundleID, m.at+int64(i))
			if ok || bytes.HasPrefix(rest, []byte(bundleEndMagic)) && len(rest) == bundleEnd && last {
				_, err := m.take(int64(i))
				return err
			}
		}
		// The next header may begin in the last bytes of the window.
		skip := len(window) - headerSize
		if last || skip <= 0 {
			_, err := m.take(int64(len(window)))
			return err
		}
		if _, err := m.take(int64(skip)); err != nil {
			return err
		}
	}
}

// record takes in one record.
func (m *importer) record(rec []byte, h *header) error {
	at := m.at - h.size()
	if !whole(rec, h) {
		m.harm(fmt.Sprintf("at %d, record of %s", at, h.key))
		return nil
	}
	l, err := m.s.anyLog(h.kind)
	if err != nil || h.kind.local() {
		m.harm(fmt.Sprintf("at %d, record of %s, which is of kind %s", at, h.key, h.kind))
		return nil
	}
	if !m.sound(rec, h) {
		m.harm(fmt.Sprintf("at %d, record of %s", at, h.key))
		return nil
	}
	m.report.Records++
	if err := l.ready(); err != nil {
		return err
	}
	if take, err := m.choose(l, rec, h); err != nil || !take {
		return err
	}
	due, err := l.put(h.key, rec)
	if err != nil {
		return err
	}
	if due {
		return l.durable()
	}
	return nil
}

// choose reports whether a record is to be put, or the store's own stays.
func (m *importer) choose(l *log, rec []byte, h *header) (take bool, err error) {
	_, err = l.get(h.key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	own, oh, p, err := l.fetch(h.key)
	switch {
	case err != nil || l.withdrawn(uint32(len(own))):
		m.report.Added++
		return true, nil
	case l.kind == Blobs || l.sameValue(own, &oh, rec, h):
		m.report.Same++
		return !l.spare(p, oh.seq), nil
	case l.kind == Calls || oh.seq >= h.seq:
		m.report.Local++
		return false, nil
	}
	m.report.Added++
	return true, nil
}

// sameValue reports whether two records have one value.
func (l *log) sameValue(a []byte, ah *header, b []byte, bh *header) bool {
	if ah.raw != bh.raw {
		return false
	}
	if ah.flags == bh.flags && bytes.Equal(a[headerSize:], b[headerSize:]) {
		return true
	}
	av, aerr := l.codec.decode(a, ah)
	bv, berr := l.codec.decode(b, bh)
	return aerr == nil && berr == nil && bytes.Equal(av, bv)
}

// sound reports whether a record unpacks to what its header says, without
// ever holding that in memory: a few bytes can unpack to very many.
func (m *importer) sound(rec []byte, h *header) bool {
	var value io.Reader = bytes.NewReader(rec[headerSize:])
	switch h.flags {
	case 0:
	case flagZstd:
		if m.stream == nil {
			const window = 16 << 20 // four times what is written
			var err error
			m.stream, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
			if err != nil {
				return false
			}
		}
		if m.stream.Reset(value) != nil {
			return false
		}
		value = m.stream
	default:
		return false
	}
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(value, int64(h.raw)+1))
	return err == nil && n == int64(h.raw) && (h.kind != Blobs || Digest(sum.Sum(nil)) == h.key)
}
