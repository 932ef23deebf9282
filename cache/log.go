package cache

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
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
	moved  bool // a segment was found to be gone: the folder must be listed

	refreshing sync.Mutex // guards the times and look
	dirTime    time.Time  // mtime of dir when it was listed
	listedAt   time.Time
	looks      atomic.Int64 // refreshes that have begun
	look       look         // what the last one found

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

// errGone says that a segment was collected: what was kept of it stands in
// another by now.
var errGone = errors.New("the segment was collected")

// maxRetries bounds how often a look-up follows collections that run ahead.
const maxRetries = 16

// get returns the newest value of key.
func (l *log) get(key Digest) (v []byte, err error) {
	if err := l.ready(); err != nil {
		return nil, err
	}
	err = l.follow(func() (p place, err error) {
		v, _, p, err = l.lookup(key)
		return p, err
	})
	return v, err
}

// follow looks a record up, and again once the index is fresh if it is not
// there, or where it was collected from.
func (l *log) follow(look func() (place, error)) error {
	var last place
	for try := 0; ; try++ {
		p, err := look()
		gone := errors.Is(err, errGone)
		switch {
		case err == nil || !gone && (try > 0 || !errors.Is(err, ErrNotFound)):
			return err
		case try == maxRetries:
			return ErrNotFound
		case gone && try > 0 && p == last:
			// Nothing new has it. If it had a twin, that may.
			again, err := l.reload(p)
			if err != nil {
				return err
			}
			if !again {
				return ErrNotFound
			}
		default:
			// Also if this finds nothing new, another goroutine may have.
			if _, err := l.refresh(); err != nil {
				return err
			}
		}
		last = p
	}
}

// lookup is get with what is in the index. The error may be errGone.
func (l *log) lookup(key Digest) ([]byte, header, place, error) {
	rec, h, p, err := l.fetch(key)
	if err != nil {
		return nil, h, p, err
	}
	v, err := l.value(rec, &h, p)
	return v, h, p, err
}

// value is the value of the record rec, which was read at p.
func (l *log) value(rec []byte, h *header, p place) ([]byte, error) {
	if l.kind != Blobs && !whole(rec, h) {
		return nil, l.damaged(h.key, p, "its value is not what was written")
	}
	v, err := l.codec.decode(rec, h)
	if err != nil {
		return nil, l.damaged(h.key, p, err.Error())
	}
	// A blob's own digest covers all that the sum covers.
	if l.kind == Blobs && Sum(v) != h.key {
		return nil, l.damaged(h.key, p, "its content does not match its digest")
	}
	return v, nil
}

// has returns the header of key's record if it stands in the index, whole.
func (l *log) has(key Digest) (header, place, bool) {
	rec, h, p, err := l.fetch(key)
	if err != nil {
		return h, p, false
	}
	if !whole(rec, &h) {
		_ = l.damaged(key, p, "its value is not what was written")
		return h, p, false
	}
	return h, p, true
}

// fetch reads the record of key and checks its header.
func (l *log) fetch(key Digest) (rec []byte, h header, p place, err error) {
	f := foldKey(&key)
	rec, h, p, err = l.fetchFold(f)
	if err == nil && h.key != key { // another key with the same fold
		return nil, header{}, p, ErrNotFound
	}
	if errors.Is(err, errDamaged) {
		err = l.damaged(key, p, err.Error())
	}
	return rec, h, p, err
}

// errDamaged says that a record cannot be read.
var errDamaged = errors.New("it cannot be read")

// fetchFold is fetch for a key of which only the fold is known.
func (l *log) fetchFold(f fold) (rec []byte, h header, p place, err error) {
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
		if rec, err = seg.readAt(int64(p.off), int64(p.n)); err != nil {
			return nil, header{}, p, l.unread(seg, err)
		}
	}
	h, ok = parseHeader(rec, seg.id, int64(p.off))
	if !ok || h.size() != int64(len(rec)) || h.kind != l.kind {
		return nil, header{}, p, fmt.Errorf("%w: its header is not what was written", errDamaged)
	}
	return rec, h, p, nil
}

// unread says what it means that a segment could not be read.
func (l *log) unread(seg *segment, err error) error {
	if l.closedNow() {
		return ErrClosed
	}
	if errors.Is(err, os.ErrClosed) {
		return errGone // by this store
	}
	if _, serr := os.Stat(seg.path); errors.Is(serr, fs.ErrNotExist) {
		l.mu.Lock()
		seg.gone = true
		l.mu.Unlock()
		return errGone
	}
	if isTooManyOpen(err) {
		return readError(seg.path, err) // nothing is wrong with the record
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}

// damaged forgets a record that cannot be read, so that a later put writes it
// anew, and returns ErrNotFound.
func (l *log) damaged(key Digest, p place, why string) error {
	return l.discard(foldKey(&key), "record of "+key.String(), p, why)
}

func (l *log) discard(f fold, what string, p place, why string) error {
	l.mu.Lock()
	l.index.drop(f, p)
	path := l.segs[p.seg].path
	l.mu.Unlock()
	l.env.report(l.kind, fmt.Sprintf("%s at %d, %s is damaged: %s; %s", path, p.off, what, why, l.kind.lostMeans()))
	return ErrNotFound
}

// seqAt is the seq of the record at p; 0 if it cannot be told, or stands in a
// segment whose records are elsewhere by now. mu is held.
func (l *log) seqAt(p place) uint64 {
	seg := l.segs[p.seg]
	if seg.gone {
		return 0
	}
	rec := seg.w.buffered(p)
	if rec == nil {
		var err error
		if rec, err = seg.readAt(int64(p.off), headerSize); errors.Is(err, fs.ErrNotExist) {
			seg.gone, l.moved = true, true
		}
		if err != nil {
			return 0
		}
	}
	if h, ok := parseHeader(rec, seg.id, int64(p.off)); ok {
		return h.seq
	}
	// A damaged record must not uncover an older one.
	entries, _ := readSidecar(sidecarPath(seg.path), seg.id, seg.covered)
	i, ok := slices.BinarySearchFunc(entries, p.off, func(e entry, off uint32) int { return cmp.Compare(e.off, off) })
	if !ok {
		return 0
	}
	return entries[i].seq
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
			if old.seg == p.seg && old.off > p.off || old.seg != p.seg && l.later(old, seg, e.seq) {
				continue
			}
		}
		l.index.set(e.fold, p)
	}
}

// later reports whether the record at old is later than one of seg. Of two
// that are one record, on its way from a segment to another, it cannot tell
// which will stay. mu is held.
func (l *log) later(old place, seg *segment, seq uint64) bool {
	have := l.seqAt(old)
	if have == seq {
		l.segs[old.seg].twin, seg.twin = true, true
	}
	return have > seq
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
