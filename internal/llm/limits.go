package llm

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/autosafe/autosafe/spec"
)

// DefaultConcurrency is how many calls a provider that declares no limit gets
// at a time.
const DefaultConcurrency = 64

// clock is time, which tests replace.
type clock struct {
	now func() time.Time
	// sleep waits for d, or returns why it did not: the context's error, or
	// errStopping.
	sleep func(ctx context.Context, d time.Duration) error
}

// gate holds calls back until the declared limits allow them. One stands
// before each endpoint. It sees the start and the end of each attempt, which
// is also what an adaptive limit needs.
type gate struct {
	clock    clock
	stopping <-chan struct{}
	slots    chan struct{}
	requests *rate.Limiter // nil: no limit
	tokens   *rate.Limiter // nil: no limit

	mu     sync.Mutex
	paused time.Time // nothing is sent before this
}

func newGate(l spec.Limits, c clock, stopping <-chan struct{}) *gate {
	g := &gate{clock: c, stopping: stopping}
	slots := l.Concurrency
	if slots <= 0 {
		slots = DefaultConcurrency
	}
	g.slots = make(chan struct{}, slots)
	// Bursts are one second of requests, and ten of tokens, since one call
	// takes thousands at a time.
	g.requests = perMinute(l.RequestsPerMinute, 60)
	g.tokens = perMinute(l.TokensPerMinute, 6)
	return g
}

func perMinute(n, burstShare int) *rate.Limiter {
	if n <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(float64(n)/60), max(1, n/burstShare))
}

// enter waits for a slot and for the rates; a call that entered must leave.
// tokens is what the request is thought to cost before it is answered.
func (g *gate) enter(ctx context.Context, tokens int) error {
	select {
	case <-g.stopping: // even if a slot is free
		return errStopping
	default:
	}
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.stopping:
		return errStopping
	}
	err := g.reserve(ctx, g.requests, 1)
	if err == nil {
		err = g.reserve(ctx, g.tokens, tokens)
	}
	if err == nil {
		err = g.waitPause(ctx)
	}
	if err != nil {
		<-g.slots
	}
	return err
}

// leave gives the slot back. more is what the call cost beyond the tokens it
// entered with; it delays those that come next.
func (g *gate) leave(more int) {
	if g.tokens != nil && more > 0 {
		now := g.clock.now()
		for burst := g.tokens.Burst(); more > 0; more -= burst {
			g.tokens.ReserveN(now, min(more, burst))
		}
	}
	<-g.slots
}

func (g *gate) reserve(ctx context.Context, l *rate.Limiter, n int) error {
	if l == nil || n <= 0 {
		return nil
	}
	now := g.clock.now()
	// A request larger than the burst goes out alone rather than never.
	r := l.ReserveN(now, min(n, l.Burst()))
	if err := g.clock.sleep(ctx, r.DelayFrom(now)); err != nil {
		r.CancelAt(g.clock.now())
		return err
	}
	return nil
}

// pause holds every call to the endpoint back for d: when one call is told to
// slow down, all are.
func (g *gate) pause(d time.Duration) {
	until := g.clock.now().Add(d)
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.paused) {
		g.paused = until
	}
}

func (g *gate) waitPause(ctx context.Context) error {
	for {
		g.mu.Lock()
		d := g.paused.Sub(g.clock.now())
		g.mu.Unlock()
		if d <= 0 {
			return nil
		}
		// A little apart, so that they do not all come back at once.
		d += rand.N(100 * time.Millisecond)
		if err := g.clock.sleep(ctx, d); err != nil {
			return err
		}
	}
}
