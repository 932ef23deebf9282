package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Report is the outcome of Verify.
type Report struct {
	Records int64 // whole records that were read
	Bytes   int64 // bytes that were read
	Damage  []Damage
	Earlier []Loss // what was found to be lost, and healed, before
}

// Damage is one place that is not as it was written.
type Damage struct {
	Kind   string // folder of the kind: calls, rows, …
	File   string // path
	Offset int64  // of the damaged stretch in File
	Length int64  // bytes
	What   string // what is wrong there
	Means  string // what it costs
	// Lost is how many records are lost there, as far as can be told: 0 for
	// damage that is not harmless means that no index lists what was there.
	Lost int64
	// Harmless says that nothing is lost: an index, which is made again from
	// its segment, or a record of which there is a newer, whole one.
	Harmless bool
	Repaired bool // by Repair: it is there no more
}

// Verify reads every byte of the store and checks it. It changes nothing, and
// looks at the folder as it is: with eyes of its own, that heal nothing. The
// error is of ctx or of reading; damage is in the report alone.
func (s *Store) Verify(ctx context.Context) (Report, error) {
	var r Report
	if s.logs[Blobs].closedNow() {
		return r, ErrClosed
	}
	if !s.env.readOnly {
		if err := s.Sync(); err != nil {
			return r, err
		}
	}
	e := *s.env
	e.readOnly, e.damaged = true, nil
	if err := s.verifyNotices(&r); err != nil {
		return r, err
	}
	root := filepath.Join(s.dir, formatDir)
	for _, k := range kinds() {
		l := newLog(k, root, &e, s.codec)
		err := l.verify(ctx, &r)
		if err := errors.Join(err, l.close()); err != nil {
			return r, err
		}
	}
	return r, verifyCollections(root, &r)
}

// verify checks the segments of a kind and their sidecars.
func (l *log) verify(ctx context.Context, r *Report) error {
	if _, err := l.refresh(); err != nil {
		return err
	}
	ids, err := listSegments(l.dir)
	if err != nil {
		return readError(l.dir, err)
	}
	counted := map[fold]bool{}
	for _, id := range ids {
		if err := l.verifySegment(ctx, id, counted, r); err != nil {
			return err
		}
	}
	if err := l.verifyOrphans(ctx, counted, r); err != nil {
		return err
	}
	return l.verifyLosses(r)
}

// verifySegment checks a segment and its sidecar.
func (l *log) verifySegment(ctx context.Context, id uint64, counted map[fold]bool, r *Report) error {
	path := filepath.Join(l.dir, segmentName(id))
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return readError(path, err)
	}
	defer f.Close()
	// A segment that is being written looks torn for a moment.
	var c segmentCheck
	for try := 0; ; try++ {
		c = segmentCheck{l: l, path: path, id: id}
		torn, err := c.read(ctx, f)
		if err != nil {
			return err
		}
		if !torn || try == 3 {
			break
		}
		if err := l.pause(ctx); err != nil {
			return err
		}
	}
	c.weigh(counted)
	r.Records += c.report.Records
	r.Bytes += c.report.Bytes
	r.Damage = append(r.Damage, c.report.Damage...)
	return nil
}

// pause lets writers get on.
func (l *log) pause(ctx context.Context) error {
	select {
	case <-time.After(l.env.patience):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flaw says what is wrong with the record in sp; "" if nothing is.
func (l *log) flaw(sp *span) string {
	if sp.gap {
		return ""
	}
	if !sp.whole {
		return "its value is not what was written"
	}
	v, err := l.codec.decode(sp.rec, &sp.head)
	switch {
	case err != nil:
		return err.Error()
	case sp.head.kind != l.kind:
		return "it is of kind " + sp.head.kind.String()
	case l.kind == Blobs && Sum(v) != sp.head.key:
		return "its content does not match its digest"
	}
	return ""
}
