package llm

import (
	"math/rand/v2"
	"time"
)

// DefaultOutage is how long an endpoint that has answered before is waited
// for, where its provider does not say.
const DefaultOutage = 15 * time.Minute

// What takes an endpoint for down: failures in a row that are surely its own
// (no connection, a gateway that finds nobody), or ones that a request may be
// to blame for, of several calls.
const (
	sureStrikes    = 3
	suspectStrikes = 10
	suspectCalls   = 5
	firstProbe     = 500 * time.Millisecond // doubles
	lastProbe      = 30 * time.Second
	lastSuspect    = 5 * time.Second // where it may be the requests' doing
)

// fault is whose doing a failure is.
type fault int

const (
	faultNone     fault = iota // the endpoint does its work
	faultSuspect               // the endpoint's, or that of this request
	faultEndpoint              // the endpoint's
)

// breaker holds calls back from an endpoint that is down: one at a time asks
// whether it is up again. Times are counted from any origin.
type breaker struct {
	open    bool
	probing bool          // the one is out
	at      time.Duration // the next one goes then
	wait    time.Duration // from the one before
	since   time.Duration // it is down
	told    bool          // that it is down

	strikes, sure int // failures in a row; those that are surely the endpoint's
	callers       map[*waiter]struct{}
}

// answered notes that the endpoint did its work, well or not.
func (b *breaker) answered() { *b = breaker{} }

// failed notes a failure. after is what the endpoint asks to be left alone
// for.
func (b *breaker) failed(now time.Duration, w *waiter, f fault, probe bool, after time.Duration) {
	if b.open {
		if probe {
			most := lastProbe
			if f == faultSuspect {
				most = lastSuspect
			}
			b.wait = min(2*b.wait, most)
			b.again(now, after)
		}
		return
	}
	if b.callers == nil {
		b.callers = map[*waiter]struct{}{}
		b.since = now
	}
	b.callers[w] = struct{}{}
	b.strikes++
	if f == faultEndpoint {
		b.sure++
	}
	if b.sure < sureStrikes && (b.strikes < suspectStrikes || len(b.callers) < suspectCalls) {
		return
	}
	b.open, b.wait, b.callers = true, firstProbe, nil
	b.again(now, after)
}

// again sets when the next probe goes.
func (b *breaker) again(now, after time.Duration) {
	b.probing = false
	b.at = now + max(b.wait/2+rand.N(b.wait/2), min(after, maxBackoff))
}

// hold is how long nothing may be sent; never while a probe is out.
func (b *breaker) hold(now time.Duration) time.Duration {
	switch {
	case !b.open:
		return 0
	case b.probing:
		return never
	}
	return max(0, b.at-now)
}
