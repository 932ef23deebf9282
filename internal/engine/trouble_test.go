package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestRandomTrouble builds recipes of many rows while plugins die, rows fail
// and builds are interrupted, with and without -keep-going. Each build ends,
// and the one after all of it comes to what a build from nothing does.
func TestRandomTrouble(t *testing.T) {
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 99))
		g := newGraph(t, rng)
		var mu sync.Mutex // a source that was closed may still look at its rows
		rows := g.fake.rows
		g.fake.rows = func(address string) []string {
			mu.Lock()
			defer mu.Unlock()
			return rows(address)
		}
		for round := range 5 {
			mu.Lock()
			g.manyRows(rng)
			mu.Unlock()
			e := g.engine()
			allowed := []int{1000, 0, 3, -1}[rng.IntN(4)]
			for _, s := range e.opts.Recipe.Steps {
				s.MaxFailures = allowed
			}
			e.opts.KeepGoing = rng.IntN(2) == 0
			if rng.IntN(4) == 0 {
				stop := make(chan struct{})
				e.opts.Interrupt = stop
				time.AfterFunc(time.Duration(rng.IntN(40))*time.Millisecond, func() { close(stop) })
			}
			g.fake.dieAt = max(0, rng.IntN(6000)-3000)
			_, err := e.Build(context.Background())
			if err != nil && !errors.Is(err, ErrInterrupted) && !errors.Is(err, ErrTooManyFailures) && !errors.Is(err, errDied) {
				t.Errorf("seed %d, round %d: %v", seed, round, err)
			}
		}
		g.fake.dieAt = 0
		g.equalFresh(fmt.Sprint("seed ", seed), g.build())
	}
}

// manyRows has some sources give thousands of rows, equal ones among them.
func (g *graph) manyRows(rng *rand.Rand) {
	g.reshape(rng, 2+rng.IntN(len(g.nodes)-2))
	for _, n := range g.nodes {
		n.max = 100_000
		if n.kind != "source" || rng.IntN(2) == 0 {
			continue
		}
		n.rows = nil
		for range rng.IntN(6000) {
			n.rows = append(n.rows, fmt.Sprintf(`{"n":%d,"extra":%d}`, rng.IntN(5000), rng.IntN(2)))
		}
	}
}
