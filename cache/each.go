package cache

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// Each calls f with the newest value of each key, in no order that means
// anything. Withdrawn records, which have an empty value, and damaged ones
// are left out. Each stops with the first error of f. F may use the store;
// what is put meanwhile may be seen or not.
func (s *Store) Each(k Kind, f func(key Digest, value []byte) error) error {
	return s.EachPut(k, nil, func(key Digest, _ time.Time, value []byte) error { return f(key, value) })
}

// EachPut is Each with the time of each put. Where want is set, the values of
// keys that it does not want are not looked at, and f is not called.
func (s *Store) EachPut(k Kind, want func(key Digest, put time.Time) bool, f func(key Digest, put time.Time, value []byte) error) error {
	if err := s.Refresh(k); err != nil {
		return err
	}
	l := s.logs[k]
	for _, st := range l.stretches() {
		h, v, err := l.next(st.fold, want)
		switch {
		case errors.Is(err, ErrNotFound), errors.Is(err, errUnwanted), err == nil && len(v) == 0 && k != Blobs:
			continue
		case err != nil:
			return err
		}
		if err := f(h.key, h.time(), v); err != nil {
			return err
		}
	}
	return nil
}

// PutAt is when the value of key was put, if it is there.
func (s *Store) PutAt(k Kind, key Digest) (at time.Time, ok bool) {
	l, err := s.log(k)
	if err != nil || l.ready() != nil {
		return time.Time{}, false
	}
	h, _, ok := l.has(key)
	return h.time(), ok
}

// time is when the record was put.
func (h *header) time() time.Time { return time.Unix(0, int64(h.seq)) }

// errUnwanted says that a record was passed over.
var errUnwanted = errors.New("not wanted")

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

// next returns the header and value of the newest record with the fold, if
// that is wanted.
func (l *log) next(f fold, want func(Digest, time.Time) bool) (head header, v []byte, err error) {
	err = l.follow(func() (place, error) {
		rec, h, p, err := l.fetchFold(f)
		if errors.Is(err, errDamaged) {
			return p, l.discard(f, "a record", p, err.Error())
		}
		if err == nil && want != nil && !want(h.key, h.time()) {
			return p, errUnwanted
		}
		if err == nil {
			head = h
			v, err = l.value(rec, &h, p)
		}
		return p, err
	})
	return head, v, err
}
