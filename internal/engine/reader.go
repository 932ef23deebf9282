package engine

import (
	"iter"
	"sync/atomic"
	"time"

	"github.com/autosafe/autosafe/internal/row"
)

// reader follows a flow, or several one after the other.
type reader struct {
	flows []*flow
	at    int // the flow, segment and row that come next
	seg   int
	pos   int

	// patience is how long the first rows of a chunk wait for the others.
	patience time.Duration

	stopped atomic.Bool
}

// chunkPatience lets a step whose input comes quickly take it in whole chunks.
// One whose input comes slowly is held up by no more than this.
const chunkPatience = 20 * time.Millisecond

// span is some rows of a segment, not yet loaded.
type span struct {
	flow    *flow
	segment *segment
	index   []uint8
	from, n int
	at      int // the place of its first row in the input, where that is asked for
}

// next returns some more rows, waiting for them. At the end it returns none.
func (r *reader) next() ([]item, error) {
	s, ok, err := r.span()
	if err != nil || !ok {
		return nil, err
	}
	return s.load()
}

// span is next that leaves loading the rows to the caller, who may do it
// beside reading on. ok is false at the end.
func (r *reader) span() (s span, ok bool, err error) {
	for r.at < len(r.flows) {
		s, ok, err := r.read(r.flows[r.at])
		if err != nil || ok {
			return s, ok, err
		}
		r.at, r.seg, r.pos = r.at+1, 0, 0
	}
	return span{}, false, nil
}

// read waits until the flow has rows to give, or has ended.
func (r *reader) read(f *flow) (s span, ok bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.open(); err != nil {
		return s, false, err
	}
	var company companion
	defer company.stop()
	for {
		if r.stopped.Load() {
			return s, false, errStopped
		}
		if r.seg < len(f.segments) {
			seg := f.segments[r.seg]
			if n := seg.len(); r.pos < n {
				if r.pos == 0 && r.patience > 0 && f.filling(seg) && company.awaited(f, r.patience) {
					continue
				}
				s = span{flow: f, segment: seg, index: seg.index, from: r.pos, n: n}
				r.pos = n
				if f.room > 0 {
					f.taken += int64(s.n - s.from)
					f.changed.Broadcast()
				}
				return s, true, nil
			}
			if r.seg+1 < len(f.segments) {
				r.seg, r.pos = r.seg+1, 0
				continue
			}
		}
		if f.done {
			return s, false, f.err
		}
		f.changed.Wait()
	}
}

// companion is the waiting of rows for others.
type companion struct {
	until time.Time
	timer *time.Timer
}

// awaited waits for a change of the flow, which is locked, or for the end of
// the patience; false if that has come before.
func (c *companion) awaited(f *flow, patience time.Duration) bool {
	if c.timer == nil {
		c.until = time.Now().Add(patience)
		c.timer = time.AfterFunc(patience, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.changed.Broadcast()
		})
	}
	if !time.Now().Before(c.until) {
		return false
	}
	f.changed.Wait()
	return true
}

func (c *companion) stop() {
	if c.timer != nil {
		c.timer.Stop()
	}
}

// stop makes a span that waits, in another goroutine, give up.
func (r *reader) stop() {
	r.stopped.Store(true)
	for _, f := range r.flows {
		f.mu.Lock()
		f.changed.Broadcast()
		f.mu.Unlock()
	}
}

// load gives the rows.
func (s span) load() ([]item, error) {
	return s.segment.items(s.flow.store, s.index, s.from, s.n)
}

// texts gives the rows as canonical text.
func (s span) texts() ([][]byte, error) {
	all, err := s.segment.chunk.texts(s.flow.store)
	if err != nil {
		return nil, err
	}
	if s.segment.all {
		return all[s.from:s.n], nil
	}
	texts := make([][]byte, 0, s.n-s.from)
	for _, at := range s.index[s.from:s.n] {
		if int(at) >= len(all) {
			return nil, &damagedError{errMalformed}
		}
		texts = append(texts, all[at])
	}
	return texts, nil
}

// items gives rows from up to n of a segment.
func (s *segment) items(store blobStore, index []uint8, from, n int) ([]item, error) {
	rows, err := s.chunk.load(store)
	if err != nil {
		return nil, err
	}
	items := make([]item, 0, n-from)
	for i := from; i < n; i++ {
		at := uint32(i)
		if !s.all {
			at = uint32(index[i])
		}
		if int(at) >= len(rows) {
			return nil, &damagedError{errMalformed}
		}
		items = append(items, item{row: rows[at], ref: ref{s.chunk, at}})
	}
	return items, nil
}

// all gives every row that is left.
func (r *reader) all() iter.Seq2[row.Row, error] {
	return func(yield func(row.Row, error) bool) {
		for {
			items, err := r.next()
			if err != nil {
				yield(row.Row{}, err)
				return
			}
			if len(items) == 0 {
				return
			}
			for _, it := range items {
				if !yield(it.row, nil) {
					return
				}
			}
		}
	}
}
