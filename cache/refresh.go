package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// look is what a refresh found.
type look struct {
	changed bool
	err     error
}

// refresh takes in what other processes have added. It costs a stat of the
// folder and of each segment that can still grow, and reports whether there
// was anything. Of many who ask at a time, one looks for all who came before
// it began.
func (l *log) refresh() (changed bool, err error) {
	before := l.looks.Load()
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	if l.looks.Load() > before {
		return l.look.changed, l.look.err // one that began after this one came
	}
	l.looks.Add(1)
	defer func() { l.look = look{changed, err} }()
	for range maxRetries {
		more, moved, err := l.refreshOnce()
		changed = changed || more
		if err != nil || !moved {
			return changed, err
		}
		// A collection removed what the folder's list named. What took its
		// place stands in a newer list.
		l.dirTime = time.Time{}
	}
	return changed, nil
}

// refreshOnce is one try. It reports whether a segment vanished meanwhile.
func (l *log) refreshOnce() (changed, moved bool, err error) {
	fresh, lost, err := l.list()
	if err != nil {
		return false, false, readError(l.dir, err)
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
	if len(fresh) == 0 && len(lost) == 0 && len(grown) == 0 && !first {
		return false, false, nil
	}
	heal, moved, err := l.takeIn(fresh, lost, grown)
	for _, seg := range heal {
		l.healSidecar(seg)
	}
	if first && err == nil && !moved {
		l.buryOrphans()
	}
	return true, moved, err
}

// takeIn indexes new segments and the new ends of known ones. It returns the
// segments whose sidecars are poor, and whether one of them all is gone.
func (l *log) takeIn(fresh []uint64, lost, grown []*segment) (heal []*segment, moved bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, false, ErrClosed
	}
	for _, seg := range lost {
		seg.gone = true
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
		switch {
		case errors.Is(err, fs.ErrNotExist):
			seg.gone, l.moved = true, true
		case err != nil:
			return heal, false, readError(seg.path, err)
		case poor:
			heal = append(heal, seg)
		}
	}
	l.loaded = true
	moved, l.moved = l.moved, false
	return heal, moved, nil
}

// reload makes the index again from all segments that are there if the one at
// p shared records with another, so that these may be found there. It reports
// whether it did.
func (l *log) reload(p place) (done bool, err error) {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	l.mu.Lock()
	seg := l.segs[p.seg]
	if !seg.twin {
		l.mu.Unlock()
		return false, nil
	}
	seg.twin = false
	var there []*segment
	for _, seg := range l.segs {
		if !seg.gone && !seg.own {
			seg.covered = 0
			there = append(there, seg)
		}
	}
	l.mu.Unlock()
	_, moved, err := l.takeIn(nil, nil, there)
	if moved {
		l.dirTime = time.Time{}
	}
	return true, err
}

// list returns the ids of segments not seen before, and the segments that are
// not in the folder any more. It does not read the folder again unless its
// time has changed or is so young that it could change without showing.
func (l *log) list() (fresh []uint64, lost []*segment, err error) {
	fi, err := os.Stat(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	const settled = 200 * time.Millisecond
	if fi.ModTime().Equal(l.dirTime) && l.listedAt.Sub(l.dirTime) > settled {
		return nil, nil, nil
	}
	now := time.Now()
	ids, err := l.steadyList()
	if err != nil {
		return nil, nil, err
	}
	l.dirTime, l.listedAt = fi.ModTime(), now
	l.mu.RLock()
	defer l.mu.RUnlock()
	there := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		there[id] = true
		if l.byID[id] == nil {
			fresh = append(fresh, id)
		}
	}
	for _, seg := range l.segs {
		if !there[seg.id] && !seg.own && !seg.gone {
			lost = append(lost, seg)
		}
	}
	return fresh, lost, nil
}

// steadyList lists the segments. Reading a folder is not one step: of a
// segment and the one that takes its place, a list may show neither. So it is
// made again if a collection went on meanwhile.
func (l *log) steadyList() (ids []uint64, err error) {
	for range maxRetries {
		before := collections(l.root())
		if ids, err = listSegments(l.dir); err != nil || collections(l.root()) == before {
			break
		}
	}
	return ids, err
}

// hasGrown reports whether a segment has a part that is not indexed, or is
// gone. mu is held for reading.
func (l *log) hasGrown(seg *segment) bool {
	full := seg.covered >= l.env.segmentSize && seg.covered == seg.seen || seg.seen > maxSegment
	if seg.own || seg.gone || full {
		return false
	}
	fi, err := os.Stat(seg.path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if fi.Size() != seg.seen {
		return true
	}
	// A torn end may be replaced by a record of the same length.
	return seg.covered < seg.seen && time.Since(seg.seenAt) > time.Second
}

// catchUp indexes what a segment has beyond seg.covered. It reports whether
// the sidecar made it scan much; the error is fs.ErrNotExist if the segment is
// gone. mu is held.
func (l *log) catchUp(seg *segment) (poor bool, err error) {
	var listed []entry
	clean, fresh := true, seg.covered == 0
	if fresh { // before the size is read: it is never ahead of the segment
		listed, clean = readSidecar(sidecarPath(seg.path), seg.id, anySize)
	}
	fi, err := os.Stat(seg.path)
	if err != nil {
		return false, err
	}
	size := fi.Size()
	seg.seen, seg.seenAt = size, time.Now()
	size = min(size, maxSegment)
	if fresh {
		entries, lost := fitting(listed, size)
		seg.missing = lost
		l.insert(seg, entries)
		seg.covered = segmentHeader
		if n := len(entries); n > 0 {
			seg.covered = entries[n-1].end()
		}
		seg.synced = seg.covered
		const much = 1 << 20
		poor = len(lost) > 0 || size > segmentHeader && (!clean || size-seg.covered > much)
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

// healSidecar rewrites a poor sidecar, unless a writer is about to, and tells
// what is lost. refreshing is held.
func (l *log) healSidecar(seg *segment) {
	if l.env.readOnly {
		l.tellMissing(seg)
		return
	}
	f, err := os.OpenFile(seg.path, os.O_RDWR, 0)
	if err != nil {
		l.tellMissing(seg)
		return
	}
	defer f.Close()
	unlock, ok, err := lockSegment(f, seg.path)
	if err != nil || !ok {
		return // who has it mends it, and tells
	}
	defer unlock()
	// Without it, the next process scans as this one did.
	_, _, _ = l.mend(f, seg)
}
