package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// compactor collects one kind: it copies what is kept of segments to new
// ones, puts these in place, and removes the old ones in the order in which
// it went through them.
//
// A record that is not wanted must not go while an older one of its key
// stands elsewhere: that would show again. It stays, unseen by nobody, until
// the older one is gone. As old segments are removed in order, what was gone
// through before counts as gone.
type compactor struct {
	l      *log
	opts   *CollectOptions
	report KindCollection

	older map[fold]int32 // records that are not the newest, by key
	again bool           // something stayed that can go in the next pass
	tight bool           // nothing can be written: only remove

	out  *output
	done []*source // gone through; to be removed once out is in place
}

// source is a locked segment that goes.
type source struct {
	seg     *segment
	f       *os.File
	unlock  func()
	dropped []stretch // what the index must forget
	outcome KindCollection
}

// maxSources bounds the files that wait for one output.
const maxSources = 64

// pass goes through all segments once.
func (c *compactor) pass(ctx context.Context) (err error) {
	c.again = false
	found, err := c.survey(ctx)
	if err != nil {
		return err
	}
	defer c.letGo()
	for _, cand := range found {
		if err := c.one(ctx, cand.seg); err != nil {
			return err
		}
		if len(c.done) >= maxSources {
			if err := c.publish(); err != nil {
				return err
			}
		}
	}
	return c.publish()
}

// letGo drops what was not published.
func (c *compactor) letGo() {
	if c.out != nil {
		c.out.abort()
		c.out = nil
	}
	for _, src := range c.done {
		src.unlock()
		_ = src.f.Close()
	}
	c.done = nil
}

// one goes through one segment. One that can stay as it is stays.
func (c *compactor) one(ctx context.Context, seg *segment) error {
	l := c.l
	flag := os.O_RDWR
	if c.opts.DryRun {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(seg.path, flag, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return writeError(seg.path, err)
	}
	src := &source{seg: seg, f: f, unlock: func() {}}
	if !c.opts.DryRun {
		unlock, ok, err := lockSegment(f, seg.path)
		if err != nil || !ok {
			_ = f.Close()
			c.report.Busy++
			return writeError(seg.path, err)
		}
		src.unlock = unlock
		l.refreshing.Lock()
		_, _, err = l.mend(f, seg)
		l.refreshing.Unlock()
		if err != nil {
			src.unlock()
			_ = f.Close()
			if errors.Is(err, errUnreadable) {
				c.report.Busy++
				return nil
			}
			return writeError(seg.path, err)
		}
	}
	goes, err := c.source(ctx, src)
	if err != nil || !goes {
		src.unlock()
		_ = f.Close()
		return err
	}
	c.done = append(c.done, src)
	return nil
}

// source decides about a segment and copies what is kept of it. It reports
// whether the segment is to be removed.
func (c *compactor) source(ctx context.Context, src *source) (goes bool, err error) {
	s := sorter{c: c, src: src, here: map[fold]int32{}}
	if err := s.sort(ctx); err != nil {
		return false, err
	}
	if !s.garbage {
		return false, nil
	}
	src.outcome = KindCollection{Dropped: s.dropped, Dead: s.dead, Freed: s.freed, Rewritten: 1}
	if len(s.keep) == 0 {
		src.outcome.Rewritten, src.outcome.Removed = 0, 1
	}
	if c.opts.DryRun {
		c.count(&src.outcome)
		return false, nil
	}
	if c.tight && len(s.keep) > 0 {
		return false, nil
	}
	for f, n := range s.here {
		c.older[f] -= n
	}
	return true, c.copy(ctx, src, s.keep)
}

// count adds what became of one segment to the report.
func (c *compactor) count(one *KindCollection) {
	c.report.Dropped += one.Dropped
	c.report.Dead += one.Dead
	c.report.Freed += one.Freed
	c.report.Rewritten += one.Rewritten
	c.report.Removed += one.Removed
}

// copy appends records to the output.
func (c *compactor) copy(ctx context.Context, src *source, keep []stretch) error {
	var rec []byte
	for i, st := range keep {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if c.out != nil && c.out.full(c.l.env.segmentSize) {
			if err := c.publish(); err != nil {
				return err
			}
		}
		if c.out == nil {
			out, err := c.l.newOutput()
			if err != nil {
				return writeError(c.l.dir, err)
			}
			c.out = out
		}
		if cap(rec) < int(st.at.n) {
			rec = make([]byte, st.at.n)
		}
		rec = rec[:st.at.n]
		if _, err := src.f.ReadAt(rec, int64(st.at.off)); err != nil {
			return readError(src.seg.path, err)
		}
		h, ok := parseHeader(rec, src.seg.id, int64(st.at.off))
		if !ok || h.size() != int64(len(rec)) {
			return readError(src.seg.path, errDamaged)
		}
		if err := c.out.append(rec, &h, st); err != nil {
			return writeError(c.out.path(), err)
		}
	}
	return nil
}

// publish puts the output in place of the segments that were gone through,
// and removes these.
func (c *compactor) publish() error {
	l := c.l
	if out := c.out; out != nil {
		c.out = nil
		if err := l.install(out); err != nil {
			out.abort()
			return writeError(out.path(), err)
		}
	}
	if len(c.done) == 0 {
		return nil
	}
	if err := countCollection(l.root()); err != nil {
		return err
	}
	for len(c.done) > 0 {
		src := c.done[0]
		c.done = c.done[1:]
		err := l.remove(src)
		src.unlock()
		_ = src.f.Close()
		if err != nil {
			return writeError(src.seg.path, err)
		}
		c.count(&src.outcome)
	}
	return nil
}

// remove takes a segment away, of which all that is kept stands elsewhere.
func (l *log) remove(src *source) error {
	l.mu.Lock()
	for _, d := range src.dropped {
		l.index.drop(d.fold, d.at)
	}
	src.seg.gone = true
	l.mu.Unlock()
	_ = src.seg.close()
	// The sidecar first: one without its segment means that this was lost.
	for _, path := range []string{sidecarPath(src.seg.path), src.seg.path} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// Durable before a newer one of the same keys goes.
	return syncDir(l.dir)
}

func (l *log) root() string { return filepath.Dir(l.dir) }
