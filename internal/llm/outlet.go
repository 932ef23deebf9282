package llm

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// outlet is a model at an endpoint. All but e and id is guarded by the pool.
type outlet struct {
	e     *endpoint
	id    string   // the endpoint's name for the model
	names []string // labels of the blocks that use it
	flow  *adaptive
	held  int    // by SetLimit; 0: not
	gone  *Error // nothing more is sent, and why
	said  string // messages of a request that would have shut it

	inFlight                  int
	answered, refused, failed int64
	output                    float64 // tokens of an answer, about
	recent                    recent
}

// door is what the pool keeps of an endpoint.
type door struct {
	most     int // requests in flight, as declared
	inFlight int
	storing  int // answers that are stored beside those in flight
	rates    rates
	breaker  breaker
	outage   time.Duration
	answers  int64   // it has given
	gone     *Error  // nothing more is sent, and why
	peers    []*door // of endpoints that serve the same models
}

func newDoor(p *spec.Provider) *door {
	d := &door{most: p.Limits.Concurrency, rates: newRates(p.Limits), outage: p.Outage}
	if d.most <= 0 {
		d.most = DefaultConcurrency
	}
	if d.outage <= 0 {
		d.outage = DefaultOutage
	}
	return d
}

// beside is how many answers may be stored beside the requests in flight. After
// a kill, what is in flight or being stored is asked again; holding the place
// until an answer is stored keeps that to the declared concurrency. A wide door
// would stand half open for it, so there up to a quarter more may be lost.
func (d *door) beside() int {
	if d.most < leastBeside {
		return 0
	}
	return d.most / 4
}

// leastBeside is the concurrency from which on answers are stored beside.
const leastBeside = 128

// why nothing more is sent; nil if it is.
func (s *outlet) why() *Error {
	if s.e.door.gone != nil {
		return s.e.door.gone
	}
	return s.gone
}

// wait is how long a call must wait here: 0 if there is room, never if that
// is no question of time.
func (s *outlet) wait(now time.Duration, w *waiter) time.Duration {
	d := s.e.door
	if s.inFlight >= s.flow.allowed() || d.inFlight >= max(d.most, s.held) {
		return never
	}
	return max(d.breaker.hold(now), s.flow.wait(now), d.rates.wait(now, use{w.in, int(s.output)}))
}

// outcome is what became of a request.
type outcome struct {
	kind  outcomeKind
	fault fault  // whose doing a failure is
	shuts shuts  // what is not to be asked any more
	why   *Error // likewise
	// hearsay, if set, are the messages of a request that why rests on alone.
	hearsay string
	after   time.Duration // the endpoint asks to be left alone for so long
	usage   Usage         // of answered
	took    time.Duration // likewise
	// pace and tokens are how many requests and tokens a second the endpoint
	// says to have room for; 0: it does not say.
	pace, tokens float64
}

type outcomeKind int

const (
	answered outcomeKind = iota
	refused              // there was no room for it
	failed               // there is no answer
	declined             // the endpoint does its work, and will not answer this
	dropped              // nobody wants the answer any more
	unsent               // it was not sent after all
)

// verdict is what a failure means for the call.
type verdict struct {
	excused bool // it costs no retry
	held    bool // the pool has the call wait until the endpoint is up
	back    bool // others are to be tried first
	alone   bool // what shuts the model is not believed
}

// settle notes what became of a request.
func (p *pool) settle(got place, w *waiter, o outcome) verdict {
	now, s, d := p.now(), got.outlet, got.outlet.e.door
	others := s.inFlight - 1
	switch o.kind {
	case answered:
		s.answered++
		s.recent.add(o.took)
		s.flow.answered(got.attempt, now, o.took)
		if o.tokens > 0 {
			each := max(1, float64(o.usage.InputTokens)+s.output)
			s.flow.advised(now, o.tokens/each)
		}
		s.flow.advised(now, o.pace)
		s.output += (float64(o.usage.OutputTokens) - s.output) / float64(min(s.answered, 32))
		d.rates.settle(now, use{o.usage.InputTokens - got.use.in, o.usage.OutputTokens - got.use.out})
		d.answers++
	case refused:
		s.refused++
		if o.fault == faultNone {
			s.flow.refused(got.attempt, now, o.after, others)
		}
	case failed, declined:
		s.failed++
	case unsent:
		s.flow.unsent(got.attempt)
	}
	if o.kind != answered {
		// Only answers are known to have used tokens; an endpoint that counts
		// more of them says so.
		d.rates.settle(now, use{-got.use.in, -got.use.out})
	}
	alone := false
	switch {
	case o.shuts == shutsEndpoint:
		p.shutDoor(s.e, o.why)
	case o.shuts == shutsModel && !s.believes(o):
		alone = true
	case o.shuts == shutsModel && s.gone == nil:
		s.gone = o.why
		p.afterShut(s.e, o.why)
	}
	v := p.settleBreaker(got, w, o, now)
	v.alone = alone
	if o.kind == refused && o.fault != faultNone && v.excused { // else it is the call's own doing
		s.flow.refused(got.attempt, now, o.after, others)
	}
	return v
}

// believes says whether a failure shuts the model. What the endpoint says of an
// argument that all requests have is not the model's doing if it has answered
// one, nor if only one request is known that it was said to: it may be that
// request's text that speaks.
func (s *outlet) believes(o outcome) bool {
	if o.hearsay == "" || s.gone != nil {
		return true
	}
	before := s.said
	s.said = o.hearsay
	return s.answered == 0 && before != "" && before != o.hearsay
}

// settleBreaker says whose doing a failure is; the law is that of breaker.
func (p *pool) settleBreaker(got place, w *waiter, o outcome, now time.Duration) verdict {
	e, d := got.outlet.e, got.outlet.e.door
	b := &d.breaker
	switch {
	case o.kind == dropped, o.kind == unsent:
		if got.probe {
			b.probing = false
		}
		return verdict{}
	case o.fault == faultNone:
		p.isUp(e)
		return verdict{}
	}
	c := w.conductAt(d, got.answers)
	own := c.failed(d.answers, o.kind == refused)
	busy := o.kind == refused && c.busy <= busySpared
	switch {
	case busy && (own || d.inFlight > 1) && !(got.probe && b.open):
		return verdict{excused: true, back: b.open} // it may be at work for others
	case d.answers == 0 && len(d.peers) == 0:
		return verdict{} // it is more likely wrong than down
	case own && !b.open:
		return verdict{}
	case c.suspect && !own && o.fault != faultLink && b.doubtful() && now >= b.since+d.outage/doubt:
		p.lift(e)
		return verdict{}
	}
	b.failed(now, w, c.suspect, o.fault, got.probe, o.after)
	sure := o.fault >= faultEndpoint
	if !b.open {
		return verdict{excused: sure && d.answers > 0, back: true}
	}
	p.await(got, now)
	if d.answers == 0 && !slices.ContainsFunc(d.peers, func(o *door) bool { return o.answers > 0 }) {
		return verdict{}
	}
	// A request that makes the endpoint fail must not be tried for ever.
	return verdict{excused: !got.probe || sure && (busy || !own), held: true, back: true}
}

// await has the calls of an endpoint that is down wait for it, or gives it up.
func (p *pool) await(got place, now time.Duration) {
	e, d := got.outlet.e, got.outlet.e.door
	b := &d.breaker
	if b.probes >= tellProbes && !b.told { // and not for a moment only
		b.told = true
		p.tell(fmt.Sprintf("%s does not answer any more; the build waits for it, up to %s", e.name, d.outage), "")
	}
	end := b.since + d.outage
	if now >= end {
		p.shutDoor(e, &Error{
			Code: CodeUnavailable, Transient: true, Fatal: true,
			Summary: fmt.Sprintf("%s has not answered for %s: when it does, the same command goes on from here", e.name, d.outage),
		})
		return
	}
	if b.doubtful() && now < b.since+d.outage/doubt {
		end = b.since + d.outage/doubt
	}
	b.at = min(b.at, end)
}

// lift has the calls that are left go on as if the endpoint were up: they are
// what it fails at.
func (p *pool) lift(e *endpoint) {
	b := &e.door.breaker
	if b.told {
		p.tell(e.name+" fails only at calls that failed before; they are given up after their retries", "")
	}
	b.open, b.probing, b.told = false, false, false
}

// isUp notes that an endpoint does its work.
func (p *pool) isUp(e *endpoint) {
	b := &e.door.breaker
	if b.told {
		p.tell(e.name+" answers again", "")
	}
	if b.open {
		for _, s := range p.outlets {
			if s.e == e {
				s.flow.restart()
			}
		}
	}
	b.answered()
}

// shutDoor has nothing more sent to an endpoint.
func (p *pool) shutDoor(e *endpoint, why *Error) {
	if e.door.gone == nil {
		e.door.gone = why
		p.afterShut(e, why)
	}
}

// afterShut ends the waits of calls that nobody can answer any more.
func (p *pool) afterShut(e *endpoint, why *Error) {
	others := false
	for _, q := range p.queues {
		if !slices.ContainsFunc(q.outlets, func(s *outlet) bool { return s.e == e }) {
			continue
		}
		gone := q.gone()
		others = others || gone == nil
		if gone != nil {
			q.fail(gone)
		}
	}
	if others {
		p.tell(why.Summary+"; other endpoints go on without it", why.Detail)
	}
}

// errUnsent: the call ended before it was sent.
var errUnsent = errors.New("the call was not sent")

// unsent is the error of a call that was not sent, for a reason that others
// have met.
func (e *Error) unsent() *Error {
	own := *e
	own.cause = errUnsent
	return &own
}

// recent are the times of the latest answers.
type recent struct {
	took [64]time.Duration
	n    int
}

func (r *recent) add(d time.Duration) {
	r.took[r.n%len(r.took)] = d
	r.n++
}

// median is 0 if there was no answer.
func (r *recent) median() time.Duration {
	took := slices.Sorted(slices.Values(r.took[:min(r.n, len(r.took))]))
	if len(took) == 0 {
		return 0
	}
	return took[len(took)/2]
}
