package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// CollectOptions say what Collect keeps.
type CollectOptions struct {
	// Keep is asked for each record that is whole and the newest of its key.
	// Nil keeps them all: then only what no read can return goes. It is
	// called from one goroutine and may use the store.
	Keep func(k Kind, key Digest) bool
	// Kinds are the kinds to collect; none means all.
	Kinds []Kind
	// Before protects what builds have just put and nothing refers to yet:
	// records of that time or later stay, whatever Keep says. The zero time
	// is the start of Collect. Where builds may be running, it should be
	// further back than the longest of them takes, and an hour at least: a
	// put whose value was stored within the hour is spared.
	Before time.Time
	// DryRun changes nothing, and reports what would go.
	DryRun bool

	deep bool // unpack each record: for Repair
}

// CollectReport is the outcome of Collect.
type CollectReport struct {
	Kinds []KindCollection
}

// KindCollection is what Collect did to one kind.
type KindCollection struct {
	Kind      string
	Kept      int64 // records that are left and have a value
	Dropped   int64 // records that Keep did not want
	Dead      int64 // records that were superseded, withdrawn or damaged
	Freed     int64 // bytes of both, and of what could not be read
	Rewritten int   // segments of which a part was kept
	Removed   int   // segments of which nothing was kept
	Busy      int   // segments left alone because somebody writes to them
}

// Collect rewrites the segments that hold something that is not kept. Other
// processes may read and write meanwhile: what they have open they can go on
// reading, and what was kept they find in its new place. It may be killed at
// any moment. Collections of one folder follow one another.
func (s *Store) Collect(ctx context.Context, opts CollectOptions) (CollectReport, error) {
	var report CollectReport
	if s.env.readOnly && !opts.DryRun {
		return report, readOnlyError(s.dir)
	}
	switch now, first := time.Now(), time.Unix(0, 0); {
	case opts.Before.IsZero() || opts.Before.After(now):
		opts.Before = now
	case opts.Before.Before(first): // of which records know nothing
		opts.Before = first
	}
	if len(opts.Kinds) == 0 {
		opts.Kinds = kinds()
	}
	logs := make([]*log, len(opts.Kinds))
	for i, k := range opts.Kinds {
		var err error
		if logs[i], err = s.anyLog(k); err != nil {
			return report, err
		}
	}
	if !opts.DryRun {
		unlock, err := lockCollections(ctx, filepath.Join(s.dir, formatDir))
		if err != nil {
			return report, err
		}
		defer unlock()
	}
	for _, l := range logs {
		kc, err := l.collect(ctx, &opts)
		report.Kinds = append(report.Kinds, kc)
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// collectFile is the lock of collections. It grows by a byte whenever a new
// segment has taken the place of others that will be removed, so that who
// lists a folder sees from its size whether that happened meanwhile. The
// bytes are zero.
const collectFile = "collect"

// collections is the size of the collect file.
func collections(root string) int64 {
	fi, err := os.Stat(filepath.Join(root, collectFile))
	if err != nil {
		return 0
	}
	return fi.Size()
}

// countCollection lets the collect file grow.
func countCollection(root string) error {
	path := filepath.Join(root, collectFile)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(f.Truncate(collections(root)+1), f.Close())
	}
	return writeError(path, err)
}

// lockCollections waits until no other collection is under way.
func lockCollections(ctx context.Context, root string) (unlock func(), err error) {
	path := filepath.Join(root, collectFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, writeError(path, err)
	}
	for {
		unlock, ok, err := tryLock(f)
		if err != nil {
			_ = f.Close()
			return nil, writeError(path, err)
		}
		if ok {
			return func() { unlock(); _ = f.Close() }, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		}
	}
}

// collect collects one kind.
func (l *log) collect(ctx context.Context, opts *CollectOptions) (KindCollection, error) {
	c := &compactor{l: l, opts: opts, report: KindCollection{Kind: l.kind.String()}}
	if err := l.ready(); err != nil {
		return c.report, err
	}
	if !opts.DryRun {
		if err := l.putDown(); err != nil {
			return c.report, err
		}
		l.removeAborted()
	}
	// A record that stays because an older one of its key would show goes in
	// the next pass. Twice suffices unless writers get in the way.
	for passes := 0; passes < 3; passes++ {
		if _, err := l.refresh(); err != nil {
			return c.report, err
		}
		err := c.pass(ctx)
		if isDiskFull(err) && c.makeRoom(ctx) {
			passes-- // each time a segment less
			continue
		}
		if err != nil {
			return c.report, err
		}
		if !c.again || opts.DryRun {
			break
		}
	}
	if !opts.DryRun {
		l.removeAborted() // what belonged to segments that are gone now
	}
	records, _ := l.live()
	c.report.Kept = records
	if opts.DryRun {
		c.report.Kept -= c.report.Dropped
	}
	return c.report, nil
}

// makeRoom removes what can go without anything being written, and reports
// whether there was any.
func (c *compactor) makeRoom(ctx context.Context) bool {
	before := c.report.Removed
	c.tight = true
	err := c.pass(ctx)
	c.tight = false
	return err == nil && c.report.Removed > before
}

// putDown makes everything durable and lets this store's segments go, so that
// they can be collected. The next put takes one again.
func (l *log) putDown() error {
	l.wmu.Lock()
	if w := l.w; w != nil {
		if err := l.flush(w); err != nil {
			l.wmu.Unlock()
			return err
		}
		w.retiring = true
		l.retired, l.w = append(l.retired, w), nil
	}
	l.wmu.Unlock()
	return l.durable()
}

// removeAborted removes what a collection that was killed left: segments in
// the making, and sidecars without a segment. The lock of collections is held:
// for all others, a segment is there before its sidecar.
func (l *log) removeAborted() {
	names, _ := os.ReadDir(l.dir)
	for _, n := range names {
		id, ext, ok := strings.Cut(n.Name(), ".")
		if !ok {
			continue
		}
		_, err := os.Stat(filepath.Join(l.dir, id+segmentExt))
		orphan := errors.Is(err, fs.ErrNotExist) && strings.HasPrefix("."+ext, sidecarExt+".")
		if orphan || "."+ext == segmentExt+tempExt {
			_ = os.Remove(filepath.Join(l.dir, n.Name()))
		}
	}
	for _, id := range l.orphans() {
		l.buryOrphan(id)
	}
}

// candidate is a segment that a pass looks at.
type candidate struct {
	seg   *segment
	first uint64 // seq of its first record
}

// survey lists the segments, the oldest first, and counts for each key the
// records that are not its newest. It makes durable what others have written:
// an older record must not go before the newer one is safe.
func (c *compactor) survey(ctx context.Context) ([]candidate, error) {
	l := c.l
	l.mu.RLock()
	var found []candidate
	for _, seg := range l.segs {
		if !seg.gone {
			found = append(found, candidate{seg: seg})
		}
	}
	l.mu.RUnlock()
	c.older = map[fold]int32{}
	fallen := fallen{}
	for i := range found {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		seg := found[i].seg
		entries, err := l.entriesOf(seg)
		if err != nil {
			l.env.report(l.kind, fmt.Sprintf("%s cannot be read: %v", seg.path, err))
		}
		l.mu.RLock()
		synced := seg.covered <= seg.synced
		for j := range entries {
			e := &entries[j]
			if found[i].first == 0 {
				found[i].first = e.seq
			}
			if e.flags&entryGap == 0 && !l.newest(e.fold, seg, e.off) {
				c.older[e.fold]++
				if !l.known(e.fold) {
					fallen.add(seg, e)
				}
			}
		}
		l.mu.RUnlock()
		if !synced && !c.opts.DryRun {
			if err := l.syncSegment(seg); err != nil {
				return nil, err
			}
		}
	}
	l.mu.Lock()
	for f, e := range fallen {
		if !l.known(f) {
			l.index.set(f, e.at)
			c.older[f]--
		}
	}
	l.mu.Unlock()
	slices.SortFunc(found, func(a, b candidate) int { return cmp.Compare(a.first, b.first) })
	return found, nil
}

// known reports whether the index has a record of f that is there. mu is held.
func (l *log) known(f fold) bool {
	p, ok := l.index.get(f)
	return ok && !l.segs[p.seg].gone
}

// fallen are keys that the index has not: it has forgotten them because their
// newest records are damaged, which must not go before the older ones, or it
// has a place that another collection removed.
type fallen map[fold]fallenRecord

type fallenRecord struct {
	seq uint64
	at  place
}

// add notes the entry e of seg if it is the newest of its key so far.
func (m fallen) add(seg *segment, e *entry) {
	if m[e.fold].seq <= e.seq {
		m[e.fold] = fallenRecord{seq: e.seq, at: place{seg: seg.num, off: e.off, n: e.n}}
	}
}

// newest reports whether the record at off of seg is what the index has for
// f. mu is held.
func (l *log) newest(f fold, seg *segment, off uint32) bool {
	p, ok := l.index.get(f)
	return ok && p.seg == seg.num && p.off == off
}

// entriesOf lists the records of a segment as far as they are indexed.
func (l *log) entriesOf(seg *segment) ([]entry, error) {
	l.mu.RLock()
	covered := seg.covered
	l.mu.RUnlock()
	f, err := os.Open(seg.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, _ := readSidecar(sidecarPath(seg.path), seg.id, covered)
	from := int64(segmentHeader)
	if n := len(entries); n > 0 {
		from = entries[n-1].end()
	}
	tail, _, err := seg.scanTail(f, from, covered)
	return append(entries, tail...), err
}

// syncSegment makes durable what another process has written.
func (l *log) syncSegment(seg *segment) error {
	f, err := seg.file()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	if err == nil {
		err = l.env.sync(f)
	}
	return writeError(seg.path, err)
}
