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
	Kind     string // steps, rows, calls, blobs, files, describe
	Records  int    // keys that have a value
	Segments int
	Bytes    int64 // of segments and indexes on disk
}

// Stats counts what the store holds. It loads every index.
func (s *Store) Stats() (Stats, error) {
	var st Stats
	for _, k := range kinds() {
		l := s.logs[k]
		if err := l.ready(); err != nil {
			return Stats{}, err
		}
		if _, err := l.refresh(); err != nil {
			return Stats{}, err
		}
		ks := KindStats{Kind: k.String()}
		l.mu.RLock()
		ks.Records = l.index.count
		l.mu.RUnlock()
		names, err := os.ReadDir(l.dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Stats{}, readError(l.dir, err)
		}
		for _, n := range names {
			if fi, err := n.Info(); err == nil && fi.Mode().IsRegular() {
				ks.Bytes += fi.Size()
			}
			if _, ok := segmentID(n.Name()); ok {
				ks.Segments++
			}
		}
		st.Kinds = append(st.Kinds, ks)
	}
	return st, nil
}
