package engine

import (
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// outcome is the answer to one task, from the cache or from a plugin, or to all
// tasks of a chunk.
type outcome struct {
	row    row.Row // the input row, whole
	sample int
	key    cache.Digest // of the task
	record *rowRecord
	chunk  *chunkTasks // that the task is one of; nil: of none

	known *chunkRecord // of all tasks of a chunk, in place of the above
}

// places is how many tasks the answer is to.
func (o *outcome) places() uint64 {
	if o.known != nil {
		return uint64(len(o.known.tasks))
	}
	return 1
}

// sequencer takes outcomes in any order and gives them in the order in which
// their places were reserved. At most limit places are open at once, so that
// one slow row cannot make everything behind it pile up in memory.
type sequencer struct {
	mu      sync.Mutex
	changed sync.Cond
	limit   uint64
	first   uint64 // the next place to be taken
	last    uint64 // the next place to be reserved
	ready   map[uint64]outcome
	closed  bool // no place will be reserved
	broken  bool // outcomes are missing and will not come
}

func newSequencer(limit int) *sequencer {
	s := &sequencer{limit: uint64(limit), ready: map[uint64]outcome{}}
	s.changed.L = &s.mu
	return s
}

// full says whether reserve would wait. Only the caller of reserve may rely
// on a no.
func (s *sequencer) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last-s.first >= s.limit
}

// reserve opens the next places, of which it gives the first, waiting for room
// for one. It fails once broken.
func (s *sequencer) reserve(places int) (seq uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.last-s.first >= s.limit && !s.broken {
		s.changed.Wait()
	}
	if s.broken {
		return 0, false
	}
	s.last += uint64(places)
	return s.last - uint64(places), true
}

func (s *sequencer) put(seq uint64, o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready[seq] = o
	if seq == s.first {
		s.changed.Broadcast()
	}
}

// placed is an outcome and its place.
type placed struct {
	seq     uint64
	outcome outcome
}

// putAll is put for many.
func (s *sequencer) putAll(list []placed) {
	if len(list) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		s.ready[p.seq] = p.outcome
		if p.seq == s.first {
			s.changed.Broadcast()
		}
	}
}

// close says that no further place will be reserved.
func (s *sequencer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.changed.Broadcast()
}

// abandon lets everybody go who waits for outcomes that will not come.
func (s *sequencer) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	s.changed.Broadcast()
}

// take waits for the next outcomes in order. It gives none at the end.
func (s *sequencer) take() []outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var out []outcome
		for {
			o, ok := s.ready[s.first]
			if !ok {
				break
			}
			delete(s.ready, s.first)
			s.first += o.places()
			out = append(out, o)
		}
		if len(out) > 0 {
			s.changed.Broadcast()
			return out
		}
		if s.broken || s.closed && s.first == s.last {
			return nil
		}
		s.changed.Wait()
	}
}
