package cache

import (
	"errors"
	"io/fs"
	"os"
)

// Stats are the sizes of a store.
type Stats struct {
	Kinds []KindStats
}

// KindStats are the sizes of one kind.
type KindStats struct {
	Kind     string // steps, rows, calls, blobs, files, describe, builds, batches
	Records  int    // keys that have a value
	Segments int
	Bytes    int64 // of segments and indexes on disk
	// Dead are the bytes of records that no read can return: superseded,
	// withdrawn or damaged. Collect frees them.
	Dead int64
	// Losses are what was found to be lost, and healed.
	Losses []Loss
}

// Stats counts what the store holds. It loads every index.
func (s *Store) Stats() (Stats, error) {
	var st Stats
	for _, k := range kinds() {
		ks, err := s.logs[k].stats()
		if err != nil {
			return Stats{}, err
		}
		st.Kinds = append(st.Kinds, ks)
	}
	return st, nil
}

func (l *log) stats() (KindStats, error) {
	ks := KindStats{Kind: l.kind.String()}
	if err := l.ready(); err != nil {
		return ks, err
	}
	if _, err := l.refresh(); err != nil {
		return ks, err
	}
	names, err := os.ReadDir(l.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ks, readError(l.dir, err)
	}
	for _, n := range names {
		if fi, err := n.Info(); err == nil && fi.Mode().IsRegular() {
			ks.Bytes += fi.Size()
		}
		if _, ok := segmentID(n.Name()); ok {
			ks.Segments++
		}
	}
	if ks.Losses, _, _, err = l.losses(); err != nil {
		return ks, err
	}
	records, live := l.live()
	ks.Records = int(records)
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, seg := range l.segs {
		if !seg.gone && seg.covered > segmentHeader {
			ks.Dead += seg.covered - segmentHeader
		}
	}
	ks.Dead -= live
	return ks, nil
}

// live counts the records that have a value, and their bytes.
func (l *log) live() (records, size int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	l.index.each(func(_ fold, p place) {
		if !l.withdrawn(p.n) && !l.segs[p.seg].gone {
			records++
			size += int64(p.n)
		}
	})
	return records, size
}
