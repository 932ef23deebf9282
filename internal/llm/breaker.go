package llm

import (
	"cmp"
	"math"
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
	tellProbes     = 3               // in vain, and the user is told
)

const (
	// doubt is the part of an outage, as 1 by this, after which calls that had
	// failed before it began are taken to have made it.
	doubt = 10
	// busySpared is how often a call may be refused with 503 before that is
	// taken for a failure of its own: an endpoint with too much to do refuses
	// whoever comes.
	busySpared = 10
)

// fault is whose doing a failure is, as far as it tells itself.
type fault int

const (
	faultNone     fault = iota // the endpoint does its work
	faultSuspect               // the endpoint's, or that of this request
	faultEndpoint              // the endpoint's, unless it answers other requests
	faultLink                  // nothing was reached: no request's
)

// breaker holds calls back from an endpoint that is down: one at a time asks
// whether it is up again. Times are counted from any origin.
//
// A gateway that says 502, 503 or 504 may be down, or may fail at this one
// request each time, and its words are the same. What tells the two apart is
// what becomes of the other calls:
//
//  1. If another call was answered since this one was sent, or since it failed
//     last, the endpoint is up and the failure is the call's own. It costs a
//     retry, and says nothing against the endpoint. The call is a suspect from
//     then on.
//  2. If nobody was answered, the failure is the endpoint's. It costs nothing,
//     and a few in a row open the breaker.
//  3. While it is open the waiting calls ask in turns, those first that are no
//     suspects and those that have asked least, so that one that the endpoint
//     can answer comes up. Any answer closes the breaker. Who asks in vain loses
//     nothing, until the endpoint's outage is over and all calls end.
//  4. Suspects may be all that is left, with nobody who could be answered. So
//     if a tenth of the outage has passed, and nobody has failed in it but
//     suspects, the breaker closes and their failures cost retries. One failing
//     call that is no suspect is enough to speak for an outage, and so is an
//     address that cannot be reached, which is never a request's doing.
//
// So no call is lost in an outage that is waited for, other than suspects of
// which the endpoint had nobody to compare with for a tenth of it. And a request
// at which the endpoint fails is sent a bounded number of times: at most once a
// round of those that wait without an answer to anybody, and retries + 1 times
// else.
//
// Failures that a request is to blame for more often (500, no answer in time, an
// answer that breaks off) also cost a retry where nobody was answered: of every
// call that fails before the breaker opens, and of the one that asks while it is
// open.
type breaker struct {
	open    bool
	probing bool          // the one is out
	at      time.Duration // the next one goes then
	wait    time.Duration // from the one before
	since   time.Duration // it is down
	told    bool          // that it is down
	probes  int           // that went

	strikes, sure int  // failures in a row; those that are surely the endpoint's
	unreached     bool // one of them never came to the endpoint
	// callers have failed since the last answer to anybody; true: as suspects.
	callers map[*waiter]bool
}

// conduct is how an endpoint has met a call.
type conduct struct {
	mark    int64 // the endpoint's answers when the call was first sent, or failed last
	suspect bool  // the call failed though others were answered
	busy    int   // times it was refused
	probes  int   // times it asked whether the endpoint is up
}

// conductAt is how an endpoint has met the call, which it got when the endpoint
// had given so many answers.
func (w *waiter) conductAt(d *door, answers int64) *conduct {
	c := w.conduct[d]
	if c == nil {
		if w.conduct == nil {
			w.conduct = map[*door]*conduct{}
		}
		c = &conduct{mark: answers}
		w.conduct[d] = c
	}
	return c
}

// failed notes a failure of a call at the endpoint, and says whether it is the
// call's own since others were answered.
func (c *conduct) failed(answers int64, refused bool) (own bool) {
	own = answers > c.mark
	c.mark = answers
	c.suspect = c.suspect || own
	if refused {
		c.busy++
	}
	return own
}

// answered notes that the endpoint did its work, well or not.
func (b *breaker) answered() { *b = breaker{} }

// failed notes a failure that may be the endpoint's. after is what the endpoint
// asks to be left alone for.
func (b *breaker) failed(now time.Duration, w *waiter, suspect bool, f fault, probe bool, after time.Duration) {
	if b.callers == nil {
		b.callers = map[*waiter]bool{}
		b.since = now
	}
	b.callers[w] = suspect
	b.unreached = b.unreached || f == faultLink
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
	b.strikes++
	if f >= faultEndpoint {
		b.sure++
	}
	if b.sure < sureStrikes && (b.strikes < suspectStrikes || len(b.callers) < suspectCalls) {
		return
	}
	b.open, b.wait = true, firstProbe
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

// doubtful says whether nobody has failed but suspects.
func (b *breaker) doubtful() bool {
	if b.callers == nil || b.unreached {
		return false
	}
	for _, suspect := range b.callers {
		if !suspect {
			return false
		}
	}
	return true
}

// probe is the call that asks next whether an endpoint is up; nil if none
// waits. Of those that have asked least it is now one from here in the line and
// now one from there: calls that the endpoint fails at may stand together.
func (q *queue) probe(d *door) *waiter {
	var least []*waiter
	for _, w := range q.turns.all() {
		if len(least) > 0 {
			switch order := w.askOrder(least[0], d); {
			case order > 0:
				continue
			case order < 0:
				least = least[:0]
			}
		}
		least = append(least, w)
	}
	if len(least) == 0 {
		return nil
	}
	_, part := math.Modf(float64(d.breaker.probes) * math.Phi)
	return least[int(part*float64(len(least)))]
}

// askOrder is negative if a call is to ask before another one whether the
// endpoint is up.
func (w *waiter) askOrder(o *waiter, d *door) int {
	rank := func(w *waiter) (suspect, probes int) {
		c := w.conduct[d]
		if c == nil {
			return 0, 0
		}
		if c.suspect {
			suspect = 1
		}
		return suspect, c.probes
	}
	ws, wp := rank(w)
	os, op := rank(o)
	return cmp.Or(cmp.Compare(ws, os), cmp.Compare(wp, op))
}

// forget has a call that ended without an answer no longer speak for or against
// its endpoints.
func (p *pool) forget(q *queue, w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range q.outlets {
		delete(s.e.door.breaker.callers, w)
	}
}
