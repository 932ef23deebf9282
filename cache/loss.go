package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A sidecar names records that were on disk, so one that its segment does not
// hold is lost: unlike a torn end, which nobody was promised. What is lost is
// told before the sidecar is made anew, for then nothing shows it any more.

// anySize is the limit for parseSidecar that leaves in what a segment lacks.
const anySize = 1 << 62

// fitting divides the entries of a sidecar into those that a segment of size
// bytes can hold and those that it has lost.
func fitting(entries []entry, size int64) (there, lost []entry) {
	n := len(entries)
	for n > 0 && entries[n-1].end() > size {
		n--
	}
	return entries[:n:n], entries[n:]
}

// countLost counts the values that nobody can read any more because these
// records of segment id, in their order there, are gone. Seen are the keys
// that were counted before; it may be nil. The index must be complete.
func (l *log) countLost(id uint64, gone []entry, seen map[fold]bool) (n int64) {
	if seen == nil {
		seen = map[fold]bool{}
	}
	for i := len(gone) - 1; i >= 0; i-- {
		e := &gone[i]
		if e.flags&entryGap != 0 || seen[e.fold] || l.survives(id, e) {
			continue
		}
		seen[e.fold] = true
		if !l.withdrawn(e.n) {
			n++
		}
	}
	return n
}

// survives reports whether a copy of the record e of segment id, or a later
// one of its key, can be read elsewhere.
func (l *log) survives(id uint64, e *entry) bool {
	rec, h, p, err := l.fetchFold(e.fold)
	if err != nil || h.seq < e.seq || !whole(rec, &h) {
		return false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.segs[p.seg].id != id || p.off != e.off
}

// tellLost tells, and returns, how many records the segment has lost of its end.
func (l *log) tellLost(seg *segment, gone []entry) (n int64) {
	if len(gone) > 0 {
		n = l.countLost(seg.id, gone, nil)
		l.env.report(l.kind, seg.path+": "+endLost+": "+l.kind.lost(n))
	}
	return n
}

// What an index lists and its segment does not hold.
const (
	endLost     = "its end is gone, and its index still lists what stood there"
	segmentLost = "the file is gone, and only its index is left"
)

// tellMissing tells what is missing of a segment that cannot be mended.
func (l *log) tellMissing(seg *segment) {
	l.mu.Lock()
	missing := seg.missing
	seg.missing = nil
	l.mu.Unlock()
	l.tellLost(seg, missing)
}

// tellCut tells what will be cut off a segment's end, and returns how many
// records are known to be lost. Sound says that the sidecar is not damaged, so
// that it would list what was promised.
func (l *log) tellCut(seg *segment, lost []entry, cut int64, sound bool) (n int64) {
	switch {
	case len(lost) > 0:
		return l.tellLost(seg, lost)
	case cut > 0 && sound:
		l.env.report(l.kind, fmt.Sprintf("%s: %d bytes at the end were not completely written and were cut; nothing else is lost", seg.path, cut))
	case cut > 0:
		l.env.report(l.kind, fmt.Sprintf("%s: %d bytes at the end cannot be read and were cut; as its index is damaged too, how many records are lost with them cannot be told: %s",
			seg.path, cut, l.kind.lostMeans()))
	}
	return 0
}

// orphans lists the segments of which only the sidecar is there. That of a
// segment in the making is among them for a moment.
func (l *log) orphans() (ids []uint64) {
	names, _ := os.ReadDir(l.dir)
	there := map[string]bool{}
	for _, n := range names {
		there[n.Name()] = true
	}
	for _, n := range names {
		base, ok := strings.CutSuffix(n.Name(), sidecarExt)
		id, valid := segmentID(base + segmentExt)
		if !ok || !valid || there[base+segmentExt] {
			continue
		}
		// The list is not of one moment; of a segment that is collected, the
		// sidecar goes first.
		if _, err := os.Stat(filepath.Join(l.dir, base+segmentExt)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := os.Stat(filepath.Join(l.dir, n.Name())); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// buryOrphans tells what is lost with segments that are gone, and removes what
// is left of them. It leaves them to a collection that is under way: for all
// others, a segment is there before its sidecar. The index is complete.
func (l *log) buryOrphans() {
	ids := l.orphans()
	if len(ids) == 0 {
		return
	}
	if !l.env.readOnly {
		f, err := os.OpenFile(filepath.Join(l.root(), collectFile), os.O_RDWR|os.O_CREATE, filePerm)
		if err == nil {
			defer f.Close()
			unlock, ok, err := tryLock(f)
			if err != nil || !ok {
				return
			}
			defer unlock()
			ids = l.orphans()
		}
	}
	for _, id := range ids {
		l.buryOrphan(id)
	}
}

func (l *log) buryOrphan(id uint64) {
	path := filepath.Join(l.dir, segmentName(id))
	entries, _ := readSidecar(sidecarPath(path), id, anySize)
	// One of a collection that was killed lists what stands elsewhere.
	n := l.countLost(id, entries, nil)
	if n > 0 && slices.Contains(l.orphans(), id) {
		l.env.report(l.kind, path+": "+segmentLost+": "+l.kind.lost(n))
	}
	if !l.env.readOnly && os.Remove(sidecarPath(path)) == nil {
		l.noteLoss(n)
	}
}
