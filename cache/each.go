package cache

import (
	"cmp"
	"errors"
	"slices"
)

// Each calls f with the newest value of each key, in no order that means
// anything. Withdrawn records, which have an empty value, and damaged ones
// are left out. Each stops with the first error of f. F may use the store;
// what is put meanwhile may be seen or not.
func (s *Store) Each(k Kind, f func(key Digest, value []byte) error) error {
	if err := s.Refresh(k); err != nil {
		return err
	}
	l := s.logs[k]
	for _, st := range l.stretches() {
		key, v, err := l.next(st.fold)
		switch {
		case errors.Is(err, ErrNotFound) || err == nil && len(v) == 0 && k != Blobs:
			continue
		case err != nil:
			return err
		}
		if err := f(key, v); err != nil {
			return err
		}
	}
	return nil
}

// stretches lists what the index holds, in the order of the disk.
func (l *log) stretches() []stretch {
	var all []stretch
	l.mu.RLock()
	l.index.each(func(f fold, p place) {
		if !l.withdrawn(p.n) {
			all = append(all, stretch{f, p})
		}
	})
	l.mu.RUnlock()
	slices.SortFunc(all, func(a, b stretch) int {
		return cmp.Or(cmp.Compare(a.at.seg, b.at.seg), cmp.Compare(a.at.off, b.at.off))
	})
	return all
}

// next returns the key and value of the newest record with the fold.
func (l *log) next(f fold) (key Digest, v []byte, err error) {
	err = l.follow(func() (place, error) {
		rec, h, p, err := l.fetchFold(f)
		if errors.Is(err, errDamaged) {
			return p, l.discard(f, "a record", p, err.Error())
		}
		if err == nil {
			key = h.key
			v, err = l.value(rec, &h, p)
		}
		return p, err
	})
	return key, v, err
}
