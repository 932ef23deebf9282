package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// log is the segments of one kind and their index.
//
// Locks are taken in the order committing, wmu, refreshing, mu.
type log struct {
	kind  Kind
	dir   string
	env   *env
	codec *codec

	mu     sync.RWMutex // guards the fields below and the writer's buffer
	loaded bool
	closed bool
	index  table
	segs   []*segment
	byID   map[uint64]*segment

	refreshing sync.Mutex // guards the two times
	dirTime    time.Time  // mtime of dir when it was listed
	listedAt   time.Time

	committing sync.Mutex // held while writers are synced

	wmu     sync.Mutex // guards the fields below, and appending
	w       *writer    // nil until the first write
	retired []*writer  // full, not yet synced
	seq     uint64
	pending int               // records since the last commit
	leaned  map[*segment]bool // of other processes, to be synced too
	endErr  error

	group group
}

func newLog(kind Kind, dir string, env *env, codec *codec) *log {
	return &log{kind: kind, dir: filepath.Join(dir, kind.String()), env: env, codec: codec, byID: map[uint64]*segment{}}
}

// ready loads the index on first use.
func (l *log) ready() error {
	l.mu.RLock()
	loaded, closed := l.loaded, l.closed
	l.mu.RUnlock()
	if closed {
		return ErrClosed
	}
	if loaded {
		return nil
	}
	_, err := l.refresh()
	return err
}

// get returns the newest value of key.
func (l *log) get(key Digest) ([]byte, error) {
	if err := l.ready(); err != nil {
		return nil, err
	}
	v, _, err := l.lookup(key)
	if !errors.Is(err, ErrNotFound) {
		return v, err
	}
	changed, err := l.refresh()
	if err != nil {
		return nil, err
	}
	if !changed {
		return nil, ErrNotFound
	}
	v, _, err = l.lookup(key)
	return v, err
}

// lookup is get with what is in the index.
func (l *log) lookup(key Digest) ([]byte, place, error) {
	rec, h, p, err := l.fetch(key)
	if err != nil {
		return nil, p, err
	}
	if l.kind != blobs && !whole(rec, &h) {
		return nil, p, l.damaged(key, p, "its value is not what was written")
	}
	v, err := l.codec.decode(rec, &h)
	if err != nil {
		return nil, p, l.damaged(key, p, err.Error())
	}
	// A blob's own digest covers all that the sum covers.
	if l.kind == blobs && Sum(v) != key {
		return nil, p, l.damaged(key, p, "its content does not match its digest")
	}
	return v, p, nil
}

// has reports whether key stands in the index with a whole record.
func (l *log) has(key Digest) (place, bool) {
	rec, h, p, err := l.fetch(key)
	if err != nil {
		return p, false
	}
	if !whole(rec, &h) {
		_ = l.damaged(key, p, "its value is not what was written")
		return p, false
	}
	return p, true
}

// fetch reads the record of key and checks its header.
func (l *log) fetch(key Digest) (rec []byte, h header, p place, err error) {
	f := foldKey(&key)
	l.mu.RLock()
	if l.closed {
		l.mu.RUnlock()
		return nil, header{}, place{}, ErrClosed
	}
	p, ok := l.index.get(f)
	if !ok {
		l.mu.RUnlock()
		return nil, header{}, place{}, ErrNotFound
	}
	seg := l.segs[p.seg]
	rec = seg.w.buffered(p)
	l.mu.RUnlock()

	if rec == nil {
		rec, err = seg.readAt(int64(p.off), int64(p.n))
		if errors.Is(err, os.ErrClosed) {
			return nil, header{}, place{}, ErrClosed
		}
		if err != nil {
			return nil, header{}, place{}, l.damaged(key, p, err.Error())
		}
	}
	h, ok = parseHeader(rec, seg.id, int64(p.off))
	switch {
	case !ok || h.size() != int64(len(rec)) || h.kind != l.kind:
		return nil, header{}, place{}, l.damaged(key, p, "its header is not what was written")
	case h.key != key: // another key with the same fold
		return nil, header{}, place{}, ErrNotFound
	}
	return rec, h, p, nil
}

// damaged forgets a record that cannot be read, so that a later put writes it
// anew, and returns ErrNotFound.
func (l *log) damaged(key Digest, p place, why string) error {
	f := foldKey(&key)
	l.mu.Lock()
	l.index.drop(f, p)
	path := l.segs[p.seg].path
	l.mu.Unlock()
	l.env.report(l.kind, fmt.Sprintf("%s at %d, record of %s is damaged: %s; %s", path, p.off, key, why, l.kind.lostMeans()))
	return ErrNotFound
}

// seqAt is the seq of the record at p; 0 if it cannot be read. mu is held.
func (l *log) seqAt(p place) uint64 {
	seg := l.segs[p.seg]
	rec := seg.w.buffered(p)
	if rec == nil {
		var err error
		if rec, err = seg.readAt(int64(p.off), headerSize); err != nil {
			return 0
		}
	}
	h, ok := parseHeader(rec, seg.id, int64(p.off))
	if !ok {
		return 0
	}
	return h.seq
}

// insert adds what a segment holds to the index: the later of two records of
// one key wins. mu is held.
func (l *log) insert(seg *segment, entries []entry) {
	for i := range entries {
		e := &entries[i]
		if e.flags&entryGap != 0 {
			continue
		}
		p := place{seg: seg.num, off: e.off, n: e.n}
		if old, ok := l.index.get(e.fold); ok {
			if old.seg == p.seg && old.off > p.off || old.seg != p.seg && l.seqAt(old) > e.seq {
				continue
			}
		}
		l.index.set(e.fold, p)
	}
}

// segmentFor returns the segment with the id, known or new. mu is held.
func (l *log) segmentFor(id uint64) *segment {
	if seg := l.byID[id]; seg != nil {
		return seg
	}
	seg := &segment{id: id, num: uint32(len(l.segs)), path: filepath.Join(l.dir, segmentName(id))}
	l.segs = append(l.segs, seg)
	l.byID[id] = seg
	return seg
}

// refresh takes in what other processes have added. It costs a stat of the
// folder and of each segment that can still grow, and reports whether there
// was anything.
func (l *log) refresh() (changed bool, err error) {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	fresh, err := l.list()
	if err != nil {
		return false, readError(l.dir, err)
	}
	l.mu.RLock()
	first := !l.loaded
	var grown []*segment
	for _, seg := range l.segs {
		if l.hasGrown(seg) {
			grown = append(grown, seg)
		}
	}
	l.mu.RUnlock()
	if len(fresh) == 0 && len(grown) == 0 && !first {
		return false, nil
	}
	heal, err := l.takeIn(fresh, grown)
	for _, seg := range heal {
		l.healSidecar(seg)
	}
	return true, err
}

// takeIn indexes new segments and the new ends of known ones. It returns the
// segments whose sidecars are poor.
func (l *log) takeIn(fresh []uint64, grown []*segment) (heal []*segment, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	expect := int64(0)
	for _, id := range fresh {
		seg := l.segmentFor(id)
		grown = append(grown, seg)
		if fi, err := os.Stat(sidecarPath(seg.path)); err == nil {
			expect += fi.Size() / entrySize
		}
	}
	l.index.reserve(int(expect))
	for _, seg := range grown {
		poor, err := l.catchUp(seg)
		if err != nil {
			return heal, readError(seg.path, err)
		}
		if poor {
			heal = append(heal, seg)
		}
	}
	l.loaded = true
	return heal, nil
}

// list returns the ids of segments not seen before. It does not read the
// folder again unless its time has changed or is so young that it could
// change without showing.
func (l *log) list() ([]uint64, error) {
	fi, err := os.Stat(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	const settled = 200 * time.Millisecond
	if fi.ModTime().Equal(l.dirTime) && l.listedAt.Sub(l.dirTime) > settled {
		return nil, nil
	}
	now := time.Now()
	ids, err := listSegments(l.dir)
	if err != nil {
		return nil, err
	}
	l.dirTime, l.listedAt = fi.ModTime(), now
	l.mu.RLock()
	defer l.mu.RUnlock()
	fresh := ids[:0]
	for _, id := range ids {
		if l.byID[id] == nil {
			fresh = append(fresh, id)
		}
	}
	return fresh, nil
}

// hasGrown reports whether a segment has a part that is not indexed. mu is
// held for reading.
func (l *log) hasGrown(seg *segment) bool {
	full := seg.covered >= l.env.segmentSize && seg.covered == seg.seen || seg.seen > maxSegment
	if seg.own || full {
		return false
	}
	fi, err := os.Stat(seg.path)
	if err != nil {
		return false // removed: what is open stays readable
	}
	if fi.Size() != seg.seen {
		return true
	}
	// A torn end may be replaced by a record of the same length.
	return seg.covered < seg.seen && time.Since(seg.seenAt) > time.Second
}

// catchUp indexes what a segment has beyond seg.covered. It reports whether
// the sidecar made it scan much. mu is held.
func (l *log) catchUp(seg *segment) (poor bool, err error) {
	fi, err := os.Stat(seg.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	size := fi.Size()
	seg.seen, seg.seenAt = size, time.Now()
	size = min(size, maxSegment)
	if seg.covered == 0 {
		entries, clean := readSidecar(sidecarPath(seg.path), seg.id, size)
		l.insert(seg, entries)
		seg.covered = segmentHeader
		if n := len(entries); n > 0 {
			seg.covered = entries[n-1].end()
		}
		seg.synced = seg.covered
		const much = 1 << 20
		poor = size > segmentHeader && (!clean || size-seg.covered > much)
	}
	if size <= seg.covered {
		return poor, nil
	}
	f, err := seg.file()
	if err != nil {
		return poor, err
	}
	entries, covered, err := seg.scanTail(f, seg.covered, size)
	if err != nil {
		// The rest cannot be read: a miss, as any damage.
		l.env.report(l.kind, fmt.Sprintf("%s cannot be read from %d on: %v", seg.path, covered, err))
	}
	l.reportGaps(seg, entries)
	l.insert(seg, entries)
	seg.covered = covered
	return poor, nil
}

// reportGaps tells of damage between records.
func (l *log) reportGaps(seg *segment, entries []entry) {
	for _, e := range entries {
		if e.flags&entryGap != 0 {
			l.env.report(l.kind, fmt.Sprintf("%s at %d: %d bytes are damaged and were skipped; %s", seg.path, e.off, e.n, l.kind.lostMeans()))
		}
	}
}

// healSidecar rewrites a poor sidecar, unless a writer is about to.
// refreshing is held.
func (l *log) healSidecar(seg *segment) {
	if l.env.readOnly {
		return
	}
	f, err := os.OpenFile(seg.path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	unlock, ok, err := tryLock(f)
	if err != nil || !ok {
		return
	}
	defer unlock()
	// Without it, the next process scans as this one did.
	_, _, _ = l.mend(f, seg)
}
