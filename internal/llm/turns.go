package llm

import (
	"container/list"
	"slices"
)

// turns is a line of waiting calls. The deepest step goes first, so that rows
// are finished before others are begun; steps of equal depth take turns, and
// the calls of a step go in the order they came. Each operation costs as much
// however many wait.
type turns struct {
	levels []*level // the deepest first; none is empty
	n      int
}

// level is the steps of one depth that have calls waiting.
type level struct {
	depth int
	steps []*lineup
	next  int // whose turn it is
}

// lineup is the waiting calls of a step.
type lineup struct {
	step  string
	calls *list.List // of *waiter
}

// add puts a call into its step's line: at its end or, if it waits again, at
// the head.
func (t *turns) add(w *waiter, head bool) {
	i, ok := slices.BinarySearchFunc(t.levels, w.depth, func(l *level, depth int) int { return depth - l.depth })
	if !ok {
		t.levels = slices.Insert(t.levels, i, &level{depth: w.depth})
	}
	l := t.levels[i]
	at := slices.IndexFunc(l.steps, func(s *lineup) bool { return s.step == w.step })
	if at < 0 { // its turn is after that of all others
		at = l.next
		l.steps = slices.Insert(l.steps, at, &lineup{w.step, list.New()})
		if len(l.steps) > 1 {
			l.next++
		}
	}
	if head {
		w.spot = l.steps[at].calls.PushFront(w)
	} else {
		w.spot = l.steps[at].calls.PushBack(w)
	}
	t.n++
}

// head is the call whose turn it is; nil if none waits.
func (t *turns) head() *waiter {
	if t.n == 0 {
		return nil
	}
	l := t.levels[0]
	w, _ := l.steps[l.next].calls.Front().Value.(*waiter)
	return w
}

// serve takes out the call whose turn it is; the next step has the next one.
func (t *turns) serve(w *waiter) {
	l := t.levels[0]
	left := l.steps[l.next].calls.Len() - 1
	t.remove(w)
	if left > 0 {
		l.next = (l.next + 1) % len(l.steps)
	}
}

// remove takes a call out.
func (t *turns) remove(w *waiter) {
	i := slices.IndexFunc(t.levels, func(l *level) bool { return l.depth == w.depth })
	l := t.levels[i]
	at := slices.IndexFunc(l.steps, func(s *lineup) bool { return s.step == w.step })
	calls := l.steps[at].calls
	calls.Remove(w.spot)
	w.spot = nil
	t.n--
	if calls.Len() > 0 {
		return
	}
	l.steps = slices.Delete(l.steps, at, at+1)
	if len(l.steps) == 0 {
		t.levels = slices.Delete(t.levels, i, i+1)
		return
	}
	if at < l.next {
		l.next--
	}
	l.next %= len(l.steps)
}

// all are the waiting calls.
func (t *turns) all() []*waiter {
	var all []*waiter
	for _, l := range t.levels {
		for _, s := range l.steps {
			for e := s.calls.Front(); e != nil; e = e.Next() {
				if w, ok := e.Value.(*waiter); ok {
					all = append(all, w)
				}
			}
		}
	}
	return all
}
