package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Report is the outcome of Verify.
type Report struct {
	Records int64 // whole records that were read
	Bytes   int64 // bytes that were read
	Damage  []Damage
}

// Damage is one place that is not as it was written.
type Damage struct {
	Kind   string // folder of the kind: calls, rows, …
	File   string // path
	Offset int64  // of the damaged stretch in File
	Length int64  // bytes
	What   string // what is wrong there
	Means  string // what it costs
	// Harmless says that nothing is lost: an index, which is made again from
	// its segment, or a record of which there is a newer, whole one.
	Harmless bool
	Repaired bool // by Repair: it is there no more
}

// Verify reads every byte of the store and checks it. It changes nothing.
// The error is of ctx or of reading; damage is in the report alone.
func (s *Store) Verify(ctx context.Context) (Report, error) {
	var r Report
	if !s.env.readOnly {
		if err := s.Sync(); err != nil {
			return r, err
		}
	}
	for _, k := range kinds() {
		l := s.logs[k]
		if err := l.ready(); err != nil {
			return r, err
		}
		if _, err := l.refresh(); err != nil {
			return r, err
		}
		ids, err := listSegments(l.dir)
		if err != nil {
			return r, readError(l.dir, err)
		}
		for _, id := range ids {
			if err := l.verifySegment(ctx, id, &r); err != nil {
				return r, err
			}
		}
	}
	return r, verifyCollections(filepath.Join(s.dir, formatDir), &r)
}

// verifySegment checks a segment and its sidecar.
func (l *log) verifySegment(ctx context.Context, id uint64, r *Report) error {
	path := filepath.Join(l.dir, segmentName(id))
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return readError(path, err)
	}
	defer f.Close()
	// A segment that is being written looks torn for a moment.
	var part Report
	for try := 0; ; try++ {
		part = Report{}
		torn, err := l.verifyRecords(ctx, f, path, id, &part)
		if err != nil {
			return err
		}
		if !torn || try == 3 {
			break
		}
		select {
		case <-time.After(l.env.patience):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.Records += part.Records
	r.Bytes += part.Bytes
	r.Damage = append(r.Damage, part.Damage...)
	return nil
}

// verifyRecords checks one segment and its sidecar. It reports whether the
// end of either is damaged.
func (l *log) verifyRecords(ctx context.Context, f *os.File, path string, id uint64, r *Report) (torn bool, err error) {
	// The sidecar first: it is never ahead of the segment.
	sidecar, err := os.ReadFile(sidecarPath(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, readError(sidecarPath(path), err)
	}
	fi, err := f.Stat()
	if err != nil {
		return false, readError(path, err)
	}
	size := fi.Size()
	r.Bytes += size
	add := func(off, n int64, what, means string, harmless bool) {
		r.Damage = append(r.Damage, Damage{Kind: l.kind.String(), File: path, Offset: off, Length: n, What: what, Means: means, Harmless: harmless})
	}
	head := make([]byte, segmentHeader)
	if n, _ := f.ReadAt(head, 0); n < segmentHeader || string(head) != string(segmentHead(l.kind, id)) {
		add(0, min(size, segmentHeader), "the segment's header is damaged", "nothing is lost: it will be written again", true)
	}
	bounds := map[int64]int64{} // offset to end of every stretch
	sc := newScanner(f, id, segmentHeader, size)
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		sp, ok := sc.next()
		if !ok {
			break
		}
		bounds[sp.off] = sp.off + sp.n
		torn = true
		switch why := l.flaw(&sp); {
		case sp.gap:
			add(sp.off, sp.n, "no record can be read here", l.kind.lostMeans(), false)
		case why != "":
			healed := l.newer(sp.head.key, id, sp.off)
			means := l.kind.lostMeans()
			if healed {
				means = "nothing is lost: there is a newer record"
			}
			add(sp.off, sp.n, "record of "+sp.head.key.String()+": "+why, means, healed)
		default:
			torn = false
			r.Records++
		}
	}
	if sc.err != nil {
		add(sc.pos, size-sc.pos, "cannot be read: "+sc.err.Error(), l.kind.lostMeans(), false)
	}
	if sidecar != nil {
		torn = l.verifySidecar(path, id, size, sidecar, bounds, r) || torn
	}
	return torn, nil
}

// flaw says what is wrong with the record in sp; "" if nothing is.
func (l *log) flaw(sp *span) string {
	if sp.gap {
		return ""
	}
	if !sp.whole {
		return "its value is not what was written"
	}
	v, err := l.codec.decode(sp.rec, &sp.head)
	switch {
	case err != nil:
		return err.Error()
	case sp.head.kind != l.kind:
		return "it is of kind " + sp.head.kind.String()
	case l.kind == Blobs && Sum(v) != sp.head.key:
		return "its content does not match its digest"
	}
	return ""
}

// newer reports whether key has a whole record elsewhere than at off in id.
func (l *log) newer(key Digest, id uint64, off int64) bool {
	f := foldKey(&key)
	l.mu.RLock()
	p, ok := l.index.get(f)
	same := ok && l.segs[p.seg].id == id && int64(p.off) == off
	l.mu.RUnlock()
	if !ok || same {
		return false
	}
	_, _, whole := l.has(key)
	return whole
}

// verifySidecar checks the sidecar b against the stretches of its segment and
// reports whether it is damaged. One that is merely behind its segment is as
// it should be.
func (l *log) verifySidecar(path string, id uint64, size int64, b []byte, bounds map[int64]int64, r *Report) bool {
	r.Bytes += int64(len(b))
	entries, clean := parseSidecar(b, id, size)
	bad := len(entries)
	for i, e := range entries {
		if bounds[int64(e.off)] != e.end() {
			bad, clean = i, false
			break
		}
	}
	if clean {
		return false
	}
	off := int64(0)
	if len(b) >= sidecarHeader && string(b[:sidecarHeader]) == string(sidecarHead(id)) {
		off = int64(sidecarHeader + bad*entrySize)
	}
	r.Damage = append(r.Damage, Damage{
		Kind: l.kind.String(), File: sidecarPath(path), Offset: off, Length: int64(len(b)) - off,
		What:  fmt.Sprintf("the index does not match its segment from entry %d on", bad),
		Means: "nothing is lost: the index will be made again from the segment", Harmless: true,
	})
	return true
}
