package llm

import (
	"context"
	"slices"

	"github.com/autosafe/autosafe/spec"
)

// route is where calls of a model wait, by all endpoints that serve it.
func (c *client) route(m *spec.Model) (*queue, error) {
	providers := m.Replicas
	if len(providers) == 0 {
		providers = []*spec.Provider{m.Provider}
	}
	endpoints := make([]*endpoint, 0, len(providers))
	for _, p := range providers {
		e, err := c.endpointFor(p)
		if err != nil {
			return nil, err
		}
		endpoints = append(endpoints, e)
	}
	return c.pool.queueFor(m, endpoints), nil
}

// ask asks until there is an answer, the failure is final or the retries are
// used up.
//
// A failure costs a retry only if it may be the call's own: breaker has the law
// of that. A 429 costs none if the endpoint went on answering others.
// Where a model has several endpoints, another one is asked at once; only when
// all have failed the call, it costs a retry and a wait.
func (c *client) ask(ctx context.Context, o order) (Answer, error) {
	q, err := c.route(o.model)
	if err != nil {
		return Answer{}, err
	}
	w := &waiter{step: o.step, depth: o.depth, in: estimate(len(o.body)), granted: make(chan place, 1)}
	defer func() {
		if w.conduct != nil {
			c.pool.forget(q, w)
		}
	}()
	used, seen, head := 0, c.pool.progress(q), false
	for attempt := 0; ; attempt++ {
		ans, t, err := c.attempt(ctx, q, w, o, attempt, head)
		switch {
		case err != nil:
			return Answer{}, err
		case t.f == nil:
			return ans, nil
		}
		f := t.f
		e := t.outlet.e
		if f.shuts != shutsNothing && c.pool.serves(q) {
			w.tried = nil
			continue
		}
		if !f.retry {
			return Answer{}, e.final(f, attempt)
		}
		e.tell(f)
		now := c.pool.progress(q)
		alive := f.busy && f.fault == faultNone && now != seen
		seen, head = now, !t.back
		if w.tried = append(w.tried, t.outlet); c.pool.open(q, w.tried) {
			continue // at another endpoint
		}
		w.tried = nil
		if !t.excused && !alive {
			used++
		}
		if used > o.model.Provider.Retries {
			return Answer{}, e.final(f, attempt)
		}
		if t.held && t.excused && !f.busy {
			continue // the pool holds it back
		}
		if err := c.clock.sleep(ctx, backoff(used, f.after)); err != nil {
			return Answer{}, interrupted(err)
		}
	}
}

// try is what came of an attempt that gave no answer.
type try struct {
	outlet *outlet
	f      *failure
	verdict
}

// attempt sends the request once. err is set if it was not to be sent, the
// context ended, or the answer could not be kept.
func (c *client) attempt(ctx context.Context, q *queue, w *waiter, o order, n int, head bool) (Answer, try, error) {
	got, err := c.pool.enter(ctx, q, w, head)
	if err != nil {
		return Answer{}, try{}, err
	}
	e := got.outlet.e
	// A call that waits for money waits with its place: so of all calls that
	// wait, only those whose turn it is ask for some.
	grant, err := c.budget.admit(ctx, o.model, len(o.body))
	if err == nil && o.ready != nil {
		err = o.ready()
	}
	if err != nil {
		grant.unanswered(false)
		c.pool.end(got, w, outcome{kind: unsent})
		return Answer{}, try{}, err
	}
	if n > 0 {
		o.tally.Retried.Add(1)
	}
	o.tally.InFlight.Add(1)
	defer o.tally.InFlight.Add(-1)

	sent := e.clock.now()
	ans, x, f, err := e.send(ctx, o)
	took := e.clock.now().Sub(sent)
	switch {
	case err != nil:
		grant.unanswered(true)
		c.pool.end(got, w, outcome{kind: dropped})
		return Answer{}, try{}, err
	case f != nil:
		grant.unanswered(f.lost)
		done := f.outcome()
		if f.shuts != shutsNothing {
			done.why = e.final(f, n)
		}
		v := c.pool.end(got, w, done)
		if v.alone {
			f.alone()
		}
		return Answer{}, try{got.outlet, f, v}, nil
	}
	grant.answered(ans.Usage)
	done := outcome{kind: answered, usage: ans.Usage, took: took}
	done.pace, done.tokens = room(x.header)
	stored := c.pool.answered(got, w, done)
	defer stored()
	return ans, try{}, o.keep(e.name, ans, took)
}

// progress counts the answers to calls of a queue.
func (p *pool) progress(q *queue) (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range q.outlets {
		n += s.answered
	}
	return n
}

// serves says whether an endpoint is left for the calls of a queue.
func (p *pool) serves(q *queue) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return q.gone() == nil
}

// open says whether a queue has a outlet left that was not tried and answers
// calls, as far as is known.
func (p *pool) open(q *queue, tried []*outlet) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(q.outlets, func(s *outlet) bool {
		return s.why() == nil && !s.e.door.breaker.open && !slices.Contains(tried, s)
	})
}
