package llm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// next takes the call whose turn it is.
func (t *turns) take() *waiter {
	w := t.head()
	if w != nil {
		t.serve(w)
	}
	return w
}

func TestTurns(t *testing.T) {
	var line turns
	for _, call := range strings.Fields("a0 a0 a0 b0 b0 c2 c2 d1 d1 e1") {
		line.add(&waiter{step: call[:1], depth: int(call[1] - '0')}, false)
	}
	line.add(&waiter{step: "b", depth: 0, in: 7}, true) // waits again
	var got []string
	for w := line.take(); w != nil; w = line.take() {
		name := w.step
		if w.in == 7 {
			name = "B"
		}
		got = append(got, name)
	}
	// The deepest first; of one depth in turns.
	if want := "c c d e d a B a b a b"; strings.Join(got, " ") != want {
		t.Errorf("order %q, want %q", strings.Join(got, " "), want)
	}
	if line.n != 0 || len(line.levels) != 0 || len(line.all()) != 0 {
		t.Errorf("left behind: %+v", line)
	}
}

// Whatever comes and goes, each call is given out once, no deeper one waits,
// the calls of a step keep their order, and no step has two turns while
// another of its depth has none.
func TestTurnsAtRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var line turns
	var waiting []*waiter
	n := 0
	since := map[string]int{} // turns of others since a step's last
	drop := func(w *waiter) { waiting = slices.DeleteFunc(waiting, func(o *waiter) bool { return o == w }) }
	for range 20000 {
		switch r := rng.IntN(10); {
		case r < 5:
			n++
			depth := rng.IntN(3)
			w := &waiter{step: fmt.Sprint("s", depth, rng.IntN(4)), depth: depth, in: n}
			if !slices.ContainsFunc(waiting, func(o *waiter) bool { return o.step == w.step }) {
				since[w.step] = 0
			}
			line.add(w, false)
			waiting = append(waiting, w)
		case r < 6 && len(waiting) > 0:
			w := waiting[rng.IntN(len(waiting))]
			line.remove(w)
			drop(w)
		case len(waiting) > 0:
			w := line.take()
			others := map[string]bool{}
			for _, o := range waiting {
				if o.depth > w.depth || o.step == w.step && o.in < w.in {
					t.Fatalf("call %d of depth %d has its turn before %d of depth %d", w.in, w.depth, o.in, o.depth)
				}
				if o.depth == w.depth && o.step != w.step {
					others[o.step] = true
				}
			}
			for s := range others {
				if since[s]++; since[s] > 3 {
					t.Fatalf("%s waits for its turn", s)
				}
			}
			since[w.step] = 0
			drop(w)
		}
		if line.n != len(waiting) || len(line.all()) != len(waiting) {
			t.Fatalf("%d wait, want %d", line.n, len(waiting))
		}
	}
}
