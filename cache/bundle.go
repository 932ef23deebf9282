package cache

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// A bundle carries records from one cache to another; all numbers are
// little-endian.
//
//	magic 8 bytes, version uint16, zero 6
//	records, as in a segment: the check binds each to its offset
//	end: magic 8 bytes, records uint64, SHA-256 of all bytes before it
//
// The end tells a whole bundle from one that was cut. What comes before it is
// checked record by record, so that damage costs what it hits, no more.
const (
	bundleMagic    = "asafebdl"
	bundleVersion  = 1
	bundleHeader   = 16
	bundleEndMagic = "asafeend"
	bundleEnd      = 8 + 8 + sha256.Size
	bundleID       = 0x656c646e7562 // stands for the id of a segment
	// maxBundled bounds a record in a bundle, stored and unpacked: what comes
	// from elsewhere must not fill the memory.
	maxBundled = 128 << 20
)

// bundleHead is the front of a bundle.
func bundleHead() []byte {
	b := make([]byte, bundleHeader)
	copy(b, bundleMagic)
	binary.LittleEndian.PutUint16(b[8:], bundleVersion)
	return b
}

// bundleEndOf is the end of a bundle of n records whose bytes went into h.
func bundleEndOf(n int64, h hash.Hash) []byte {
	b := append(make([]byte, 0, bundleEnd), bundleEndMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(n))
	return h.Sum(b)
}

// Export writes the records that refs names to w, as a bundle for Import, and
// returns how many. A record that is named twice may be written twice. If some
// are not in the store, the bundle is completed without them, and the error
// says so and is ErrNotFound. Memos of files and descriptions of
// plugins stay out: they are of this machine.
func (s *Store) Export(ctx context.Context, w io.Writer, refs func(yield func(Kind, Digest) bool)) (n int64, err error) {
	out := bufio.NewWriterSize(w, bufferSize)
	e := exporter{s: s, sum: sha256.New()}
	e.w = io.MultiWriter(out, e.sum)
	if err := e.write(bundleHead()); err != nil {
		return 0, err
	}
	refs(func(k Kind, key Digest) bool {
		if err = ctx.Err(); err == nil {
			err = e.record(k, key)
		}
		return err == nil
	})
	if err != nil {
		return e.n, err
	}
	if _, err := out.Write(bundleEndOf(e.n, e.sum)); err != nil {
		return e.n, exportError(err)
	}
	if err := out.Flush(); err != nil {
		return e.n, exportError(err)
	}
	if e.missing > 0 {
		return e.n, fmt.Errorf("cache: the bundle lacks %d records, the first is %s: %w", e.missing, e.first, ErrNotFound)
	}
	return e.n, nil
}

// ExportFile is Export to a file, which has its name once it is whole and
// lacks nothing, and not before. What a killed export leaves beside it the
// next one overwrites.
func (s *Store) ExportFile(ctx context.Context, path string, refs func(yield func(Kind, Digest) bool)) (n int64, err error) {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600) // as private as the cache
	if err != nil {
		return 0, exportError(err)
	}
	defer f.Close()
	unlock, ok, err := lockSegment(f, part)
	if err != nil {
		return 0, exportError(err)
	}
	if !ok {
		return 0, fmt.Errorf("cache: another process exports to %s: wait for it, or choose another file", path)
	}
	defer unlock()
	if n, err = s.exportTo(ctx, f, refs); err == nil {
		if err = os.Rename(part, path); err == nil {
			err = syncDir(filepath.Dir(path))
		}
		err = exportError(err)
	}
	if err != nil {
		_ = os.Remove(part)
	}
	return n, err
}

// exportTo replaces the content of an open file.
func (s *Store) exportTo(ctx context.Context, f *os.File, refs func(yield func(Kind, Digest) bool)) (n int64, err error) {
	if err := f.Truncate(0); err != nil {
		return 0, exportError(err)
	}
	at := int64(0)
	n, err = s.Export(ctx, writerFunc(func(b []byte) (int, error) {
		if err := s.env.write(f, b, at); err != nil {
			return 0, err
		}
		at += int64(len(b))
		return len(b), nil
	}), refs)
	if err == nil {
		err = exportError(s.env.sync(f))
	}
	return n, err
}

func exportError(err error) error {
	if err == nil {
		return nil
	}
	if isDiskFull(err) {
		return fmt.Errorf("cache: no room to write the bundle (free some disk space, or write it elsewhere): %w", err)
	}
	return fmt.Errorf("cache: write the bundle: %w", err)
}

// exporter writes one bundle.
type exporter struct {
	s       *Store
	w       io.Writer
	sum     hash.Hash
	at      int64
	n       int64
	missing int64
	first   string
}

func (e *exporter) write(b []byte) error {
	if _, err := e.w.Write(b); err != nil {
		return exportError(err)
	}
	e.at += int64(len(b))
	return nil
}

// record adds a record to the bundle.
func (e *exporter) record(k Kind, key Digest) error {
	l, err := e.s.anyLog(k)
	if err != nil {
		return err
	}
	if k.local() {
		return fmt.Errorf("cache: records of kind %s are of this machine, and cannot be exported", k)
	}
	rec, h, err := l.raw(key)
	if errors.Is(err, ErrNotFound) {
		if e.missing++; e.missing == 1 {
			e.first = k.String() + " " + key.String()
		}
		return nil
	}
	if err != nil {
		return err
	}
	if h.stored > maxBundled || h.raw > maxBundled {
		return fmt.Errorf("cache: %s %s has %d bytes, too many for a bundle: the limit is %d", k, key, h.raw, maxBundled)
	}
	seal(rec, bundleID, e.at, h.seq)
	e.n++
	return e.write(rec)
}

// raw returns the newest record of key as it is stored. A withdrawn one is
// not found.
func (l *log) raw(key Digest) ([]byte, header, error) {
	// Reads it as others do, follows collections, and checks all of it.
	v, err := l.get(key)
	if err != nil {
		return nil, header{}, err
	}
	if len(v) == 0 && l.kind != Blobs {
		return nil, header{}, ErrNotFound
	}
	rec, h, _, err := l.fetch(key)
	if err == nil && whole(rec, &h) {
		return rec, h, nil
	}
	// A collection took it away between the two: store it as it was read.
	if errors.Is(err, ErrClosed) {
		return nil, header{}, err
	}
	fresh, err := l.codec.encode(l.kind, key, v)
	if err != nil {
		return nil, header{}, err
	}
	rec = append([]byte(nil), *fresh...)
	l.codec.release(fresh)
	seal(rec, bundleID, 0, 0)
	h, _ = parseHeader(rec, bundleID, 0)
	return rec, h, nil
}
