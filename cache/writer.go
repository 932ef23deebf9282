package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	bufferSize = 1 << 20 // bytes of records that wait in memory
	maxPending = 16384   // records that wait for the sidecar
	maxRetired = 4       // full segments that wait to be synced
)

// writer appends to one segment, whose lock it holds. Its fields are guarded
// by the log's wmu; those that readers use change under mu as well.
type writer struct {
	seg    *segment
	f      *os.File
	unlock func()

	written int64  // bytes in the file (also mu)
	buf     []byte // what follows them (also mu)

	entries []entry // of records that are not in the sidecar yet
	flushed int     // how many of them are in the file

	idx      *os.File // nil once it cannot be appended to
	idxEnd   int64
	failed   error // of a sync: what was to be durable may not be
	retiring bool
}

func (w *writer) end() int64 { return w.written + int64(len(w.buf)) }

// buffered returns a copy of the record at p if it is not in the file yet.
// The log's mu is held. It may be called on nil.
func (w *writer) buffered(p place) []byte {
	if w == nil || int64(p.off) < w.written {
		return nil
	}
	at := int64(p.off) - w.written
	if at+int64(p.n) > int64(len(w.buf)) {
		return nil
	}
	return append([]byte(nil), w.buf[at:at+int64(p.n)]...)
}

// put appends the encoded record of key. After it, get finds the record.
// It reports whether a commit is due, to bound what a crash makes the next
// process scan.
func (l *log) put(key Digest, rec []byte) (due bool, err error) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	w, err := l.writer()
	if err != nil {
		return false, err
	}
	if len(w.buf) >= bufferSize {
		if err := l.flush(w); err != nil {
			return false, err
		}
	}
	f, off := foldKey(&key), w.end()
	p := place{seg: w.seg.num, off: uint32(off), n: uint32(len(rec))}

	l.mu.Lock()
	defer l.mu.Unlock()
	seq := max(l.seq+1, uint64(time.Now().UnixNano()))
	if old, ok := l.index.get(f); ok {
		seq = max(seq, l.seqAt(old)+1) // also if the clock went back
	}
	l.seq = seq
	seal(rec, w.seg.id, off, seq)
	w.buf = append(w.buf, rec...)
	w.seg.covered = w.end()
	l.index.set(f, p)
	w.entries = append(w.entries, entry{fold: f, seq: seq, off: p.off, n: p.n})
	l.pending++
	return l.pending >= maxPending || len(l.retired) >= maxRetired, nil
}

// writer returns the writer to append with: a new one at first and when the
// segment is full. wmu is held.
func (l *log) writer() (*writer, error) {
	if l.closedNow() {
		return nil, ErrClosed
	}
	if l.env.readOnly {
		return nil, readOnlyError(l.dir)
	}
	if l.w != nil && l.w.end() < l.env.segmentSize {
		return l.w, nil
	}
	if l.w != nil {
		if err := l.flush(l.w); err != nil {
			return nil, err
		}
		l.w.retiring = true
		l.retired = append(l.retired, l.w)
		l.w = nil
	}
	w, err := l.acquire()
	if err != nil {
		return nil, writeError(l.dir, err)
	}
	l.w = w
	return w, nil
}

func (l *log) closedNow() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.closed
}

// acquire locks a segment with room that nobody writes to, or makes one.
// wmu is held.
func (l *log) acquire() (*writer, error) {
	if err := os.MkdirAll(l.dir, dirPerm); err != nil {
		return nil, err
	}
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	ids, err := listSegments(l.dir)
	if err != nil {
		return nil, err
	}
	removeLeftovers(l.dir)
	for _, id := range ids {
		w, err := l.reuse(id)
		if w != nil || err != nil {
			return w, err
		}
	}
	return l.create()
}

// removeLeftovers removes what processes that were killed left behind:
// temporary files. What is younger than an hour may be in the making.
func removeLeftovers(dir string) {
	names, _ := os.ReadDir(dir)
	for _, n := range names {
		if filepath.Ext(n.Name()) != tempExt {
			continue
		}
		if fi, err := n.Info(); err == nil && time.Since(fi.ModTime()) > time.Hour {
			_ = os.Remove(filepath.Join(dir, n.Name()))
		}
	}
}

// reuse locks the segment with the id if it has room and is free; else it
// returns nil.
func (l *log) reuse(id uint64) (*writer, error) {
	path := filepath.Join(l.dir, segmentName(id))
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() >= l.env.segmentSize {
		return nil, nil // gone, odd or full
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil // perhaps another user's: leave it
	}
	w, err := l.hold(f, id)
	if w == nil {
		_ = f.Close()
	}
	return w, err
}

// create makes a new segment.
func (l *log) create() (*writer, error) {
	for {
		id := newSegmentID()
		f, err := os.OpenFile(filepath.Join(l.dir, segmentName(id)), os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		w, err := l.hold(f, id)
		if err == nil && w != nil {
			err = errors.Join(syncDir(l.dir), syncDir(filepath.Dir(l.dir)))
		}
		if err != nil {
			if w != nil {
				w.unlock()
			}
			return nil, errors.Join(err, f.Close())
		}
		if w != nil {
			return w, nil
		}
		// Another process took it between the two steps; that is as good.
		_ = f.Close()
	}
}

// hold locks the open segment and makes a writer of it; nil if it is not
// free or cannot be read. refreshing is held.
func (l *log) hold(f *os.File, id uint64) (*writer, error) {
	unlock, ok, err := lockSegment(f, filepath.Join(l.dir, segmentName(id)))
	if err != nil || !ok {
		return nil, err
	}
	l.mu.Lock()
	seg := l.segmentFor(id)
	l.mu.Unlock()
	end, n, err := l.mend(f, seg)
	if err != nil || end >= l.env.segmentSize {
		unlock()
		if errors.Is(err, errUnreadable) {
			err = nil
		}
		return nil, err
	}
	w := &writer{seg: seg, f: f, unlock: unlock, written: end, idxEnd: int64(sidecarHeader + n*entrySize)}
	if w.idx, err = os.OpenFile(sidecarPath(seg.path), os.O_WRONLY, 0); err != nil {
		w.idx = nil // slower to open, no more
	}
	l.mu.Lock()
	seg.own, seg.w = true, w
	l.mu.Unlock()
	return w, nil
}

var errUnreadable = errors.New("the segment cannot be read")

// mend puts a locked segment in order: it indexes all its records, cuts a
// torn end, restores a damaged header, and rewrites a sidecar that is not
// complete. What is lost it tells first. It returns the end of the segment and
// the number of entries in the sidecar. refreshing is held.
func (l *log) mend(f *os.File, seg *segment) (end int64, n int, err error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	size := fi.Size()
	if size > maxSegment {
		return 0, 0, errUnreadable
	}
	listed, sound := readSidecar(sidecarPath(seg.path), seg.id, anySize)
	entries, lost := fitting(listed, size)
	from := int64(segmentHeader)
	if n := len(entries); n > 0 {
		from = entries[n-1].end()
	}
	tail, end, err := seg.scanTail(f, from, size)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	gone := l.tellCut(seg, lost, size-end, sound)
	entries = append(entries, tail...)
	if len(tail) > 0 { // the sidecar names only what is on disk
		if err := l.env.sync(f); err != nil {
			return 0, 0, err
		}
	}
	if !sound || len(tail)+len(lost) > 0 {
		if err := writeSidecar(sidecarPath(seg.path), seg.id, entries); err != nil {
			return 0, 0, err
		}
		l.noteLoss(gone)
	}
	if size > end {
		if err := f.Truncate(end); err != nil {
			return 0, 0, err
		}
	}
	if err := mendHead(f, l.kind, seg.id); err != nil {
		return 0, 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seg.missing = nil
	for i := range lost {
		l.index.drop(lost[i].fold, place{seg: seg.num, off: lost[i].off, n: lost[i].n})
	}
	known := 0
	for known < len(entries) && int64(entries[known].off) < seg.covered {
		known++
	}
	l.insert(seg, entries[known:])
	seg.covered, seg.seen, seg.seenAt = end, end, time.Now()
	return end, len(entries), nil
}

// mendHead writes the segment's header if it is not there.
func mendHead(f *os.File, kind Kind, id uint64) error {
	want, have := segmentHead(kind, id), make([]byte, segmentHeader)
	if n, _ := f.ReadAt(have, 0); n == segmentHeader && string(have) == string(want) {
		return nil
	}
	if _, err := f.WriteAt(want, 0); err != nil {
		return err
	}
	return f.Sync()
}

// flush writes the buffer to the file. If that fails, the records stay in
// memory, and the next flush tries again. wmu is held.
func (l *log) flush(w *writer) error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := l.env.write(w.f, w.buf, w.written); err != nil {
		_ = w.f.Truncate(w.written) // no half record, if it can be helped
		return writeError(w.seg.path, err)
	}
	l.mu.Lock()
	w.written += int64(len(w.buf))
	w.buf = w.buf[:0]
	if cap(w.buf) > 4*bufferSize {
		w.buf = nil
	}
	w.seg.seen = w.written
	l.mu.Unlock()
	w.flushed = len(w.entries)
	return nil
}

// close makes everything durable, lets the segments go and closes the files.
func (l *log) close() error {
	err := l.durable()
	l.committing.Lock()
	defer l.committing.Unlock()
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	closed, segs := l.closed, l.segs
	l.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	// Something may have been put since.
	for _, w := range append(l.retired, l.w) {
		if w == nil {
			continue
		}
		ferr := l.flush(w)
		err = errors.Join(err, ferr, l.sync(commitJob{w: w, entries: w.entries[:w.flushed], retire: true}))
	}
	l.w, l.retired, l.endErr = nil, nil, err
	for _, seg := range segs {
		err = errors.Join(err, seg.close())
	}
	return err
}
