package llm

import (
	"cmp"
	"container/list"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// pool gives calls their turn. It knows every endpoint and model that is
// called, what they have in flight, and who waits for them. A place that
// becomes free wakes one call; nobody else is woken, and no goroutine stands
// by.
type pool struct {
	clock    *clock
	stopping <-chan struct{}
	notify   func(summary, detail string) // nil: nobody listens

	mu      sync.Mutex
	began   time.Time // times below are counted from then
	outlets []*outlet
	queues  []*queue
	paused  bool
	turn    int64         // counts the places given
	alarm   time.Duration // when places may be given without another event; never: not known
	unset   func()        // calls the alarm off
	news    [][2]string   // to be told once mu is free
}

// never is later than all that happens.
const never = time.Duration(math.MaxInt64)

// queue is the calls that the same outlets can answer.
type queue struct {
	outlets []*outlet
	credit  []int     // of each outlet, see choose
	moved   []*waiter // calls that a outlet has failed and another may take at once
	turns   turns
	served  int64 // when it had its turn
}

// waiter is a call that waits for a place.
type waiter struct {
	step    string
	depth   int
	in      int       // tokens of the request, about
	tried   []*outlet // have failed the call, one after the other
	conduct map[*door]*conduct
	queued  bool          // it waits
	spot    *list.Element // in the turns, if it waits there
	granted chan place
}

// place is the right to send one request, or why there is none.
type place struct {
	outlet  *outlet
	attempt attempt
	probe   bool  // of an endpoint that is down
	answers int64 // the endpoint has given so far
	use     use
	err     *Error
}

func newPool(c *clock, opts Options) *pool {
	return &pool{clock: c, stopping: opts.Stopping, notify: opts.Notify, alarm: never, unset: func() {}}
}

// now is called with mu held.
func (p *pool) now() time.Duration {
	t := p.clock.now()
	if p.began.IsZero() {
		p.began = t
	}
	return t.Sub(p.began)
}

// unlock frees mu and tells what there is to tell.
func (p *pool) unlock() {
	news := p.news
	p.news = nil
	p.mu.Unlock()
	if p.notify == nil {
		return
	}
	for _, n := range news {
		p.notify(n[0], n[1])
	}
}

func (p *pool) tell(summary, detail string) { p.news = append(p.news, [2]string{summary, detail}) }

// queueFor is where calls of a model wait that these endpoints serve.
func (p *pool) queueFor(m *spec.Model, endpoints []*endpoint) *queue {
	p.mu.Lock()
	defer p.mu.Unlock()
	outlets := make([]*outlet, 0, len(endpoints))
	for _, e := range endpoints {
		if s := p.outletFor(e, m); !slices.Contains(outlets, s) {
			outlets = append(outlets, s)
		}
	}
	for _, q := range p.queues {
		if slices.Equal(q.outlets, outlets) {
			return q
		}
	}
	for _, e := range endpoints {
		for _, o := range endpoints {
			if o != e && !slices.Contains(e.door.peers, o.door) {
				e.door.peers = append(e.door.peers, o.door)
			}
		}
	}
	q := &queue{outlets: outlets, credit: make([]int, len(outlets))}
	p.queues = append(p.queues, q)
	return q
}

func (p *pool) outletFor(e *endpoint, m *spec.Model) *outlet {
	i := slices.IndexFunc(p.outlets, func(s *outlet) bool { return s.e == e && s.id == m.ID })
	if i < 0 {
		i = len(p.outlets)
		p.outlets = append(p.outlets, &outlet{e: e, id: m.ID, flow: newAdaptive(e.door.most)})
	}
	s := p.outlets[i]
	if !slices.Contains(s.names, m.Name) {
		s.names = append(s.names, m.Name)
	}
	return s
}

// enter waits for a place. Who gets one must end it.
func (p *pool) enter(ctx context.Context, q *queue, w *waiter, head bool) (place, error) {
	select {
	case <-p.stopping: // even if there is a place
		return place{}, interrupted(errStopping)
	default:
	}
	p.mu.Lock()
	if gone := q.gone(); gone != nil {
		p.unlock()
		return place{}, gone.unsent()
	}
	q.add(w, head)
	p.dispatch()
	p.unlock()
	var why error
	select {
	case got := <-w.granted:
		if got.err != nil {
			return place{}, got.err
		}
		return got, nil
	case <-ctx.Done():
		why = ctx.Err()
	case <-p.stopping:
		why = errStopping
	}
	p.mu.Lock()
	defer p.unlock()
	if w.queued {
		q.remove(w)
		return place{}, interrupted(why)
	}
	if got := <-w.granted; got.err == nil { // it came at the same time
		p.settle(got, w, outcome{kind: unsent})
		p.leave(got)
	}
	return place{}, interrupted(why)
}

// end notes what became of a request and gives its place back.
func (p *pool) end(got place, w *waiter, o outcome) verdict {
	p.mu.Lock()
	defer p.unlock()
	v := p.settle(got, w, o)
	p.leave(got)
	return v
}

// answered is end for an answer that is yet to be stored, which done must be
// called after. Storing takes time in which the endpoint could do something:
// where many calls are allowed at a time, a few may be stored beside those that
// are in flight. So however a process ends, no more answers are lost than so
// many calls.
func (p *pool) answered(got place, w *waiter, o outcome) (done func()) {
	p.mu.Lock()
	defer p.unlock()
	p.settle(got, w, o)
	d := got.outlet.e.door
	if d.storing < d.beside() {
		d.storing++
		p.leave(got)
		return func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			d.storing--
		}
	}
	return func() {
		p.mu.Lock()
		defer p.unlock()
		p.leave(got)
	}
}

func (p *pool) leave(got place) {
	got.outlet.inFlight--
	got.outlet.e.door.inFlight--
	p.dispatch()
}

// dispatch gives out every place that there is, and sets the alarm for when
// there will be more. mu is held, as in all that follows.
func (p *pool) dispatch() {
	now := p.now()
	next := never
	for !p.paused {
		var q *queue
		var w *waiter
		var s *outlet
		next = never
		for _, other := range p.queues {
			who, where, at := other.ready(now)
			switch {
			case where == nil:
				next = min(next, at)
			case q != nil && where.e == s.e && s.e.door.breaker.open: // which may have one more
				if cmp.Or(who.askOrder(w, s.e.door), cmp.Compare(other.served, q.served)) < 0 {
					q, w, s = other, who, where
				}
			case q == nil, who.depth > w.depth, who.depth == w.depth && other.served < q.served:
				q, w, s = other, who, where
			}
		}
		if q == nil {
			break
		}
		p.grant(q, w, s, now)
	}
	p.setAlarm(now, next)
}

func (p *pool) grant(q *queue, w *waiter, s *outlet, now time.Duration) {
	q.serve(w)
	p.turn++
	q.served = p.turn
	q.pay(s)
	got := place{outlet: s, use: use{w.in, int(s.output)}, probe: s.e.door.breaker.open, answers: s.e.door.answers}
	if got.probe {
		s.e.door.breaker.probes++
		w.conductAt(s.e.door, got.answers).probes++
	}
	got.attempt = s.flow.send(now, s.inFlight)
	s.e.door.rates.take(now, got.use)
	s.e.door.breaker.probing = got.probe
	s.inFlight++
	s.e.door.inFlight++
	w.granted <- got
}

// setAlarm has dispatch called at a time.
func (p *pool) setAlarm(now, at time.Duration) {
	if at == p.alarm || at > p.alarm && p.alarm > now {
		return // it goes off soon enough, and is set anew then
	}
	p.unset()
	p.alarm, p.unset = at, func() {}
	if at != never {
		p.unset = p.clock.after(max(0, at-now), p.ring)
	}
}

func (p *pool) ring() {
	p.mu.Lock()
	defer p.unlock()
	p.alarm = never
	p.dispatch()
}

// close calls the alarm off. Nothing is to be sent any more.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unset()
	p.paused = true
}

// add has a call wait.
func (q *queue) add(w *waiter, head bool) {
	w.queued = true
	if len(w.tried) > 0 {
		q.moved = append(q.moved, w)
		return
	}
	q.turns.add(w, head)
}

// remove has a call wait no longer.
func (q *queue) remove(w *waiter) { q.takeOut(w, q.turns.remove) }

// serve is remove for a call that gets its place.
func (q *queue) serve(w *waiter) {
	if w != q.turns.head() {
		q.remove(w) // out of turn
		return
	}
	q.takeOut(w, q.turns.serve)
}

func (q *queue) takeOut(w *waiter, line func(*waiter)) {
	w.queued = false
	if w.spot == nil {
		q.moved = slices.DeleteFunc(q.moved, func(o *waiter) bool { return o == w })
		return
	}
	line(w)
}

// gone is why no outlet of the queue is left; nil if one is.
func (q *queue) gone() *Error {
	var why *Error
	for _, s := range q.outlets {
		if why = s.why(); why == nil {
			return nil
		}
	}
	return why
}

// fail ends the wait of all calls.
func (q *queue) fail(why *Error) {
	for _, w := range append(q.turns.all(), q.moved...) {
		q.remove(w)
		w.granted <- place{err: why.unsent()}
	}
}

// ready finds the call that is next and a outlet for it, or else when to look
// again.
func (q *queue) ready(now time.Duration) (*waiter, *outlet, time.Duration) {
	next := never
	for _, w := range q.moved {
		s, at := q.choose(now, w)
		if s != nil {
			return w, s, 0
		}
		next = min(next, at)
	}
	if w := q.turns.head(); w != nil {
		s, at := q.choose(now, w)
		if s != nil && s.e.door.breaker.open {
			w = q.probe(s.e.door)
			s, at = q.choose(now, w)
		}
		if s != nil {
			return w, s, 0
		}
		next = min(next, at)
	}
	return nil, nil, next
}

// choose picks a outlet for a call, of those that have room now: by their
// weights, in smooth turns. If none has, it says when one may.
//
// Every turn, each outlet earns its weight, and the one that is picked pays what
// all have earned together. A outlet without room goes on earning, up to a bound.
func (q *queue) choose(now time.Duration, w *waiter) (*outlet, time.Duration) {
	next := never
	best := -1
	for i, s := range q.outlets {
		if s.why() != nil || slices.Contains(w.tried, s) {
			continue
		}
		wait := s.wait(now, w)
		if wait > 0 {
			if wait != never {
				next = min(next, now+wait)
			}
			continue
		}
		if len(q.outlets) == 1 {
			return s, 0
		}
		if best < 0 || q.credit[i]+s.e.weight() > q.credit[best]+q.outlets[best].e.weight() {
			best = i
		}
	}
	if best < 0 {
		return nil, next
	}
	return q.outlets[best], 0
}

func (q *queue) pay(picked *outlet) {
	if len(q.outlets) == 1 {
		return
	}
	total := 0
	for i, s := range q.outlets {
		if s.why() == nil {
			total += s.e.weight()
			q.credit[i] += s.e.weight()
		}
	}
	for i, s := range q.outlets {
		if s == picked {
			q.credit[i] -= total
		}
		q.credit[i] = min(max(q.credit[i], -2*total), 2*total)
	}
}
