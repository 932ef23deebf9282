package cache

// HasBlob says whether the store holds a blob, by the head of its record, for
// next to nothing however large the blob is. That its content is damaged is
// found by who reads it.
func (s *Store) HasBlob(d Digest) bool {
	l := s.logs[Blobs]
	if l.ready() != nil {
		return false
	}
	if l.hasHead(d) {
		return true
	}
	_, err := l.get(d) // another process may have put it, or moved it, by now
	return err == nil
}

// hasHead reports whether the head of key's record stands where it should.
func (l *log) hasHead(key Digest) bool {
	l.mu.RLock()
	p, ok := l.index.get(foldKey(&key))
	if !ok || l.closed {
		l.mu.RUnlock()
		return false
	}
	seg := l.segs[p.seg]
	rec := seg.w.buffered(p)
	l.mu.RUnlock()
	if rec == nil {
		var err error
		if rec, err = seg.readAt(int64(p.off), headerSize); err != nil {
			return false
		}
	}
	h, ok := parseHeader(rec, seg.id, int64(p.off))
	return ok && h.key == key && h.size() == int64(p.n)
}
