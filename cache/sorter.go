package cache

import "context"

// sorter decides for each record of one segment whether it is kept.
type sorter struct {
	c   *compactor
	src *source

	keep     []stretch
	unwanted []verdict
	garbage  bool           // something goes
	here     map[fold]int32 // records that are not the newest, in this segment
	dropped  int64
	dead     int64
	freed    int64
}

// stretch is a record in a segment.
type stretch struct {
	fold fold
	at   place
}

// verdict is a newest record that nobody needs.
type verdict struct {
	stretch
	dead   bool // withdrawn or damaged, not just unwanted
	hidden bool // its header is damaged
}

// sort goes through the segment.
func (s *sorter) sort(ctx context.Context) error {
	l, seg := s.c.l, s.src.seg
	l.mu.RLock()
	end := seg.covered
	l.mu.RUnlock()
	// What damaged headers hide, the sidecar may know.
	entries, _ := readSidecar(sidecarPath(seg.path), seg.id, end)
	s.garbage = end <= segmentHeader
	sc := newScanner(s.src.f, seg.id, segmentHeader, end)
	for i := 0; ; i++ {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		sp, ok := sc.next()
		if !ok {
			break
		}
		for len(entries) > 0 && entries[0].end() <= sp.off+sp.n {
			if sp.gap && entries[0].flags&entryGap == 0 {
				s.lost(&entries[0])
			}
			entries = entries[1:]
		}
		if sp.gap {
			s.garbage = true
			s.freed += sp.n
			continue
		}
		s.record(&sp)
	}
	if sc.err != nil {
		return readError(seg.path, sc.err)
	}
	s.settle()
	return nil
}

// lost notes an entry whose record cannot be read.
func (s *sorter) lost(e *entry) {
	st := stretch{fold: e.fold, at: place{seg: s.src.seg.num, off: e.off, n: e.n}}
	if s.newest(st) {
		s.unwanted = append(s.unwanted, verdict{stretch: st, dead: true, hidden: true})
		return
	}
	s.here[st.fold]++
	s.dead++
}

// record decides about a record, as far as it can before all of the segment
// is seen.
func (s *sorter) record(sp *span) {
	st := stretch{fold: foldKey(&sp.head.key), at: place{seg: s.src.seg.num, off: uint32(sp.off), n: uint32(sp.n)}}
	if !s.newest(st) {
		s.garbage = true
		s.here[st.fold]++
		s.dead++
		s.freed += sp.n
		return
	}
	dead, wanted := s.judge(sp)
	if wanted {
		s.keep = append(s.keep, st)
		return
	}
	s.unwanted = append(s.unwanted, verdict{stretch: st, dead: dead})
}

func (s *sorter) newest(st stretch) bool {
	l := s.c.l
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.newest(st.fold, s.src.seg, st.at.off)
}

// judge says of the newest record of a key whether it stays, and if not,
// whether no read could return it anyway.
func (s *sorter) judge(sp *span) (dead, wanted bool) {
	l, o := s.c.l, s.c.opts
	switch {
	case !sp.whole || o.deep && l.flaw(sp) != "":
		return true, false
	case sp.head.seq >= uint64(o.Before.UnixNano()):
		return false, true
	case l.withdrawn(uint32(sp.n)):
		return true, false
	}
	return false, o.Keep == nil || o.Keep(l.kind, sp.head.key)
}

// withdrawn reports whether a record of n bytes has an empty value, which
// stands for none. Blobs may be empty.
func (l *log) withdrawn(n uint32) bool { return l.kind != Blobs && n == headerSize }

// shadows reports whether an older record of the key stands in another
// segment, and would show if this one went.
func (s *sorter) shadows(f fold) bool { return s.c.older[f]-s.here[f] > 0 }

// settle lets unwanted records go, but for those that shadow others.
func (s *sorter) settle() {
	for _, v := range s.unwanted {
		if s.shadows(v.fold) && !s.c.opts.DryRun {
			s.c.again = true
			if v.hidden { // cannot be copied either
				s.garbage = false
				return
			}
			s.keep = append(s.keep, v.stretch)
			continue
		}
		if v.dead {
			s.dead++
		} else {
			s.dropped++
		}
		if !v.hidden {
			s.freed += int64(v.at.n)
		}
		s.garbage = true
		s.src.dropped = append(s.src.dropped, v.stretch)
	}
}
