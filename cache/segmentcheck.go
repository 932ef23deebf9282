package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// segmentCheck is Verify of one segment: what stands there, held against what
// its sidecar lists.
type segmentCheck struct {
	l      *log
	path   string
	id     uint64
	report Report

	size    int64
	spans   []checkedSpan // all of the segment, in order
	sidecar []byte        // nil if there is none
	listed  []entry
	sound   bool // the sidecar can be read to its end
	wrong   int  // the first entry that does not match the segment
}

// checkedSpan is a stretch of a segment and what was found there.
type checkedSpan struct {
	off, end int64
	fold     fold
	seq      uint64
	damage   int // in the report; -1 for a record that is whole
}

// read goes through the segment. It reports whether the end of it, or of its
// sidecar, looks as if somebody were writing there.
func (c *segmentCheck) read(ctx context.Context, f *os.File) (torn bool, err error) {
	// The sidecar first: it is never ahead of the segment.
	c.sidecar, err = os.ReadFile(sidecarPath(c.path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, readError(sidecarPath(c.path), err)
	}
	c.listed, c.sound = parseSidecar(c.sidecar, c.id, anySize)
	fi, err := f.Stat()
	if err != nil {
		return false, readError(c.path, err)
	}
	c.size = fi.Size()
	c.report.Bytes += c.size + int64(len(c.sidecar))
	head := make([]byte, segmentHeader)
	if n, _ := f.ReadAt(head, 0); n < segmentHeader || string(head) != string(segmentHead(c.l.kind, c.id)) {
		c.add(0, min(c.size, segmentHeader), "the segment's header is damaged", "nothing else is lost: it will be written again", true)
	}
	sc := newScanner(f, c.id, segmentHeader, c.size)
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		sp, ok := sc.next()
		if !ok {
			break
		}
		torn = c.span(&sp)
	}
	if sc.err != nil {
		c.add(sc.pos, c.size-sc.pos, "cannot be read: "+sc.err.Error(), c.l.kind.lostMeans(), false)
	}
	return torn || c.sidecar != nil && !c.sound, nil
}

func (c *segmentCheck) add(off, n int64, what, means string, harmless bool) {
	c.report.Damage = append(c.report.Damage, Damage{Kind: c.l.kind.String(), File: c.path, Offset: off, Length: n, What: what, Means: means, Harmless: harmless})
}

// span notes a stretch of the segment and reports whether it is damaged.
func (c *segmentCheck) span(sp *span) (damaged bool) {
	s := checkedSpan{off: sp.off, end: sp.off + sp.n, damage: len(c.report.Damage)}
	if !sp.gap {
		s.fold, s.seq = foldKey(&sp.head.key), sp.head.seq
	}
	switch why := c.l.flaw(sp); {
	case sp.gap:
		c.add(sp.off, sp.n, "no record can be read here", "", false)
	case why != "":
		c.add(sp.off, sp.n, "record of "+sp.head.key.String()+": "+why, "", false)
	default:
		s.damage = -1
		c.report.Records++
	}
	c.spans = append(c.spans, s)
	return s.damage >= 0
}

// weigh says what the damage costs: how many records the sidecar lists there
// that cannot be read from anywhere. Counted are the keys counted before.
func (c *segmentCheck) weigh(counted map[fold]bool) {
	at, vouched := 0, int64(segmentHeader)
	c.wrong = len(c.listed)
	gone := map[int][]entry{} // by damage; -1 for what the end lacked
	for i, e := range c.listed {
		vouched = e.end()
		for at < len(c.spans) && c.spans[at].end <= int64(e.off) {
			at++
		}
		if at == len(c.spans) {
			gone[-1] = append(gone[-1], e)
			continue
		}
		switch s := &c.spans[at]; {
		case s.damage >= 0:
			gone[s.damage] = append(gone[s.damage], e)
		case s.off != int64(e.off) || s.end != e.end() || s.fold != e.fold || s.seq != e.seq:
			c.wrong = min(c.wrong, i)
		}
	}
	spans := c.spans
	if vouched > c.size {
		end := gone[-1]
		from, at := c.size, len(c.report.Damage)
		if n := len(spans) - 1; n >= 0 && spans[n].damage >= 0 && spans[n].fold == (fold{}) {
			// What is left of a record there is of the same damage.
			from, at = spans[n].off, spans[n].damage
			end, spans = append(gone[at], end...), spans[:n]
		}
		c.addEnd(at, from, vouched, end, counted)
	}
	for i := range spans {
		if s := &spans[i]; s.damage >= 0 {
			c.weighSpan(s, gone[s.damage], s.end == c.size && s.off >= vouched, counted)
		}
	}
	if c.sidecar != nil && (!c.sound || c.wrong < len(c.listed)) {
		c.addSidecar()
	}
}

// addEnd reports, as the damage at a place in the report, that the segment does
// not reach as far as its sidecar.
func (c *segmentCheck) addEnd(at int, from, to int64, gone []entry, counted map[fold]bool) {
	if at == len(c.report.Damage) {
		c.add(0, 0, "", "", false)
	}
	n := c.l.countLost(c.id, gone, counted)
	d := &c.report.Damage[at]
	d.Offset, d.Length, d.What, d.Lost, d.Means, d.Harmless = from, to-from, endLost, n, c.l.kind.lost(n), n == 0
}

// weighSpan weighs one stretch, in which the sidecar lists what is gone. After
// says that it is the segment's end, behind all that the sidecar lists.
func (c *segmentCheck) weighSpan(s *checkedSpan, gone []entry, after bool, counted map[fold]bool) {
	d, k := &c.report.Damage[s.damage], c.l.kind
	isRecord := s.fold != fold{}
	if isRecord {
		gone = []entry{{fold: s.fold, seq: s.seq, off: uint32(s.off), n: uint32(s.end - s.off)}}
	}
	d.Lost = c.l.countLost(c.id, gone, counted)
	switch {
	case d.Lost > 0:
		d.Means = k.lost(d.Lost)
	case isRecord:
		d.Means, d.Harmless = k.lost(0), true
	case after && c.sound:
		d.What = "the end was not completely written, as when a process is killed"
		d.Means, d.Harmless = "nothing else is lost: it will be cut off", true
	case listsAll(gone, s):
		d.Means, d.Harmless = k.lost(0), true
	default:
		d.Means = "how many records are lost cannot be told, as no index lists them: " + k.lostMeans()
	}
}

// listsAll reports whether the entries, which follow one another, are records
// that fill the stretch.
func listsAll(entries []entry, s *checkedSpan) bool {
	for i := range entries {
		if entries[i].flags&entryGap != 0 {
			return false
		}
	}
	n := len(entries)
	return n > 0 && int64(entries[0].off) <= s.off && entries[n-1].end() >= s.end
}

// addSidecar reports a sidecar that is damaged. One that is merely behind its
// segment is as it should be.
func (c *segmentCheck) addSidecar() {
	off := int64(0)
	if len(c.sidecar) >= sidecarHeader && string(c.sidecar[:sidecarHeader]) == string(sidecarHead(c.id)) {
		off = int64(sidecarHeader + c.wrong*entrySize)
	}
	c.report.Damage = append(c.report.Damage, Damage{
		Kind: c.l.kind.String(), File: sidecarPath(c.path), Offset: off, Length: int64(len(c.sidecar)) - off,
		What:  fmt.Sprintf("the index does not match its segment from entry %d on", c.wrong),
		Means: "nothing is lost by that: the index will be made again from the segment", Harmless: true,
	})
}

// verifyOrphans reports segments of which only the sidecar is left.
func (l *log) verifyOrphans(ctx context.Context, counted map[fold]bool, r *Report) error {
	ids := l.orphans()
	if len(ids) == 0 {
		return nil
	}
	// It may be one in the making.
	if err := l.pause(ctx); err != nil {
		return err
	}
	if _, err := l.refresh(); err != nil {
		return err
	}
	for _, id := range l.orphans() {
		path := filepath.Join(l.dir, segmentName(id))
		entries, _ := readSidecar(sidecarPath(path), id, anySize)
		n := l.countLost(id, entries, counted)
		if n == 0 || !slices.Contains(l.orphans(), id) {
			continue // left by a collection that was killed: it stands elsewhere
		}
		r.Damage = append(r.Damage, Damage{
			Kind: l.kind.String(), File: path, Length: entries[len(entries)-1].end(), What: segmentLost, Means: l.kind.lost(n), Lost: n,
		})
	}
	return nil
}
