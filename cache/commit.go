package cache

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"
)

// batch is a commit that callers wait for.
type batch struct {
	done    chan struct{}
	err     error
	callers int
}

// group lets callers who arrive while one sync is under way share the next.
type group struct {
	mu      sync.Mutex
	next    *batch
	running bool
	last    int // callers of the last commit; commitBatches' alone
}

// durable returns when everything put before it is on disk.
func (l *log) durable() error {
	g := &l.group
	g.mu.Lock()
	if g.next == nil {
		g.next = &batch{done: make(chan struct{})}
	}
	b := g.next
	b.callers++
	if !g.running {
		g.running = true
		go l.commitBatches()
	}
	g.mu.Unlock()
	<-b.done
	return b.err
}

// A commit costs the same for one caller as for many. So where the last one had
// company, the next waits a moment for more: that saves many a sync, and the
// waking of those who wait for each. An answer of a model takes far longer.
const (
	company     = 2
	commitDelay = 3 * time.Millisecond
)

// commitBatches commits until nobody waits.
func (l *log) commitBatches() {
	g := &l.group
	for {
		if g.last >= company {
			time.Sleep(commitDelay)
		}
		g.mu.Lock()
		b := g.next
		g.next = nil
		g.running = b != nil
		g.mu.Unlock()
		if b == nil {
			return
		}
		g.last = b.callers
		b.err = l.commit()
		close(b.done)
	}
}

// commitJob is what one writer has to make durable.
type commitJob struct {
	w       *writer
	entries []entry
	retire  bool
}

// commit writes and syncs all that was put.
func (l *log) commit() error {
	l.committing.Lock()
	defer l.committing.Unlock()
	l.wmu.Lock()
	writers, leaned, err := l.retired, l.leaned, l.endErr
	l.retired, l.leaned, l.pending = nil, nil, 0
	if l.w != nil {
		err = errors.Join(err, l.flush(l.w))
		writers = append(writers, l.w)
	}
	jobs := make([]commitJob, 0, len(writers))
	for _, w := range writers {
		jobs = append(jobs, commitJob{w: w, entries: w.entries[:w.flushed], retire: w.retiring})
		w.entries = append([]entry(nil), w.entries[w.flushed:]...)
		w.flushed = 0
	}
	l.wmu.Unlock()
	for _, j := range jobs {
		err = errors.Join(err, l.sync(j))
	}
	for seg := range leaned {
		f, ferr := seg.file()
		if errors.Is(ferr, fs.ErrNotExist) || errors.Is(ferr, os.ErrClosed) {
			continue // collected: what was kept of it was synced
		}
		if ferr == nil {
			ferr = l.env.sync(f)
		}
		err = errors.Join(err, writeError(seg.path, ferr))
	}
	return err
}

// spareFor is how young a record must be for an equal put to be spared. An
// older one is written again, so that its age tells a collection that it is
// in use: see CollectOptions.Before.
const spareFor = time.Hour

// spare reports whether a put can be spared because the record at p, with the
// given seq, has its value. If another process wrote that and has not synced
// it yet, the next commit will.
func (l *log) spare(p place, seq uint64) bool {
	if l.env.readOnly {
		return true
	}
	if time.Now().UnixNano()-int64(seq) > int64(spareFor) {
		return false
	}
	l.mu.RLock()
	seg := l.segs[p.seg]
	own, synced := seg.own, int64(p.off) < seg.synced
	l.mu.RUnlock()
	if own {
		return true
	}
	if _, err := os.Stat(seg.path); err != nil {
		return false // collected
	}
	if synced {
		return true
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if l.leaned == nil {
		l.leaned = map[*segment]bool{}
	}
	l.leaned[seg] = true
	return true
}

// sync makes one writer's records durable, then notes them in the sidecar.
func (l *log) sync(j commitJob) error {
	w := j.w
	if len(j.entries) > 0 && w.failed == nil {
		if err := l.env.sync(w.f); err != nil {
			// The system may have forgotten what it could not write, so that
			// a second sync would succeed for nothing.
			w.failed = writeError(w.seg.path, err)
			w.closeSidecar()
		}
		w.appendSidecar(j.entries)
	}
	if j.retire {
		l.letGo(w)
	}
	return w.failed
}

// letGo unlocks a writer's segment.
func (l *log) letGo(w *writer) {
	w.closeSidecar()
	l.mu.Lock()
	w.seg.own = false
	l.mu.Unlock()
	w.unlock()
	w.seg.adopt(w.f)
}

// adopt keeps an open file for reading, or closes it if there is one.
func (s *segment) adopt(f *os.File) {
	s.open.Lock()
	defer s.open.Unlock()
	if s.f == nil && !s.shut {
		s.f = f
	} else {
		_ = f.Close()
	}
}

// appendSidecar notes records that are on disk. A failure makes the next
// process scan them.
func (w *writer) appendSidecar(entries []entry) {
	if w.idx == nil {
		return
	}
	b := make([]byte, 0, len(entries)*entrySize)
	for i := range entries {
		b = entries[i].appendTo(b)
	}
	if _, err := w.idx.WriteAt(b, w.idxEnd); err != nil {
		w.closeSidecar()
		return
	}
	w.idxEnd += int64(len(b))
}

func (w *writer) closeSidecar() {
	if w.idx != nil {
		_ = w.idx.Close()
		w.idx = nil
	}
}
