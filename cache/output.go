package cache

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// output is a segment in the making. Until it is installed nobody sees it.
type output struct {
	log     *log
	id      uint64
	f       *os.File
	buf     *bufio.Writer
	written int64 // bytes in f
	end     int64 // with those in buf
	entries []entry
	from    []place // where each of them stood
}

// newOutput begins a segment.
func (l *log) newOutput() (*output, error) {
	id := newSegmentID()
	path := filepath.Join(l.dir, segmentName(id)+tempExt)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return nil, err
	}
	o := &output{log: l, id: id, f: f, end: segmentHeader}
	o.buf = bufio.NewWriterSize(writerFunc(o.write), bufferSize)
	if _, err := o.buf.Write(segmentHead(l.kind, id)); err != nil {
		o.abort()
		return nil, err
	}
	return o, nil
}

// writerFunc is a function as an io.Writer.
type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// write appends to the file.
func (o *output) write(b []byte) (int, error) {
	if err := o.log.env.write(o.f, b, o.written); err != nil {
		return 0, err
	}
	o.written += int64(len(b))
	return len(b), nil
}

func (o *output) path() string { return filepath.Join(o.log.dir, segmentName(o.id)) }

func (o *output) full(size int64) bool { return o.end >= size }

// append adds a record, whose bytes are sealed for their new place.
func (o *output) append(rec []byte, h *header, st stretch) error {
	seal(rec, o.id, o.end, h.seq)
	if _, err := o.buf.Write(rec); err != nil {
		return err
	}
	o.entries = append(o.entries, entry{fold: st.fold, seq: h.seq, off: uint32(o.end), n: uint32(len(rec))})
	o.from = append(o.from, st.at)
	o.end += int64(len(rec))
	return nil
}

// abort removes what was written.
func (o *output) abort() {
	_ = o.f.Close()
	_ = os.Remove(o.f.Name())
}

// install makes the segment durable, gives it its name, and lets the index
// point to it. Its sidecar comes first, so that nobody scans it.
func (l *log) install(o *output) error {
	if err := o.buf.Flush(); err != nil {
		return err
	}
	if err := errors.Join(l.env.sync(o.f), o.f.Close()); err != nil {
		return err
	}
	if err := writeSidecar(sidecarPath(o.path()), o.id, o.entries); err != nil {
		return err
	}
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	if err := os.Rename(o.f.Name(), o.path()); err != nil {
		_ = os.Remove(sidecarPath(o.path()))
		return err
	}
	if err := syncDir(l.dir); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seg := l.segmentFor(o.id)
	seg.covered, seg.synced, seg.seen, seg.seenAt = o.end, o.end, o.end, time.Now()
	for i := range o.entries {
		e := &o.entries[i]
		if p, ok := l.index.get(e.fold); ok && p == o.from[i] {
			l.index.set(e.fold, place{seg: seg.num, off: e.off, n: e.n})
		}
	}
	return nil
}
