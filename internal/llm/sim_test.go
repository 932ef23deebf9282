package llm

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"
)

// simServer is a model of an endpoint: whether it takes a request that comes
// now, how long that or the refusal takes, and what Retry-After it gives.
type simServer interface {
	arrive(now time.Duration, rng *rand.Rand) (ok bool, takes, after time.Duration)
	leave(now time.Duration)
}

// simEvent is something that happens at a time.
type simEvent struct {
	at time.Duration
	n  int
	do func()
}

type simQueue []simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].n < q[j].n
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simEvent)) }
func (q *simQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

// sim runs calls against a server by the rules of an adaptive.
type sim struct {
	a        *adaptive
	server   simServer
	rng      *rand.Rand
	now      time.Duration
	events   simQueue
	n        int
	waiting  int // calls that may be sent
	open     int
	woken    time.Duration
	answered int
	refused  int
	done     time.Duration
	late     time.Duration // of timers and goroutines, on average
}

func (s *sim) at(d time.Duration, do func()) {
	s.n++
	heap.Push(&s.events, simEvent{s.now + max(0, d), s.n, do})
}

// jitter is how late timers and goroutines are.
func (s *sim) jitter() time.Duration {
	return time.Duration(s.rng.ExpFloat64() * float64(s.late))
}

func (s *sim) dispatch() {
	for s.waiting > 0 && s.open < s.a.allowed() {
		if w := s.a.wait(s.now); w > 0 {
			if s.woken <= s.now || s.woken > s.now+w {
				s.woken = s.now + w
				s.at(w+s.jitter(), s.dispatch)
			}
			return
		}
		s.waiting--
		s.send()
	}
}

func (s *sim) send() {
	t := s.a.send(s.now, s.open)
	s.open++
	s.at(s.jitter(), func() {
		ok, takes, after := s.server.arrive(s.now, s.rng)
		s.at(takes, func() {
			if ok {
				s.server.leave(s.now)
			}
			s.at(s.jitter()+s.jitter(), func() { s.end(t, ok, after) })
		})
	})
}

func (s *sim) end(t attempt, ok bool, after time.Duration) {
	s.open--
	if ok {
		s.answered++
		s.done = s.now
		s.a.answered(t, s.now, s.now-t.at)
		if r, ok := s.server.(*rateServer); ok && r.tells && r.room < 5 {
			s.a.advised(s.now, r.rate(s.now))
		}
	} else {
		s.refused++
		s.a.refused(t, s.now, after, s.open)
		wait := max(after, 250*time.Millisecond+time.Duration(s.rng.Int64N(int64(250*time.Millisecond))))
		s.at(wait, func() { s.waiting++; s.dispatch() })
	}
	s.dispatch()
}

// run makes so many calls, or as many as it can until the time is over.
func (s *sim) run(calls int, until time.Duration) {
	s.waiting = calls
	s.dispatch()
	s.resume(calls, until)
}

// resume goes on where run came to the end of its time.
func (s *sim) resume(calls int, until time.Duration) {
	for len(s.events) > 0 && s.answered < calls && (until == 0 || s.events[0].at <= until) {
		e := heap.Pop(&s.events).(simEvent)
		s.now = e.at
		e.do()
	}
}

func newSim(declared int, server simServer, seed uint64) *sim {
	return &sim{a: newAdaptive(declared), server: server, late: 200 * time.Microsecond, rng: rand.New(rand.NewPCG(seed, 1))}
}

// latency is how long answers take.
type latency struct {
	base time.Duration
	tail float64 // sigma of a log-normal; 0: all alike
}

func (l latency) draw(rng *rand.Rand) time.Duration {
	if l.tail == 0 {
		return l.base
	}
	return time.Duration(float64(l.base) * math.Exp(l.tail*rng.NormFloat64()-l.tail*l.tail/2))
}

// freeServer takes everything.
type freeServer struct{ latency }

func (f freeServer) arrive(_ time.Duration, rng *rand.Rand) (bool, time.Duration, time.Duration) {
	return true, f.draw(rng), 0
}
func (freeServer) leave(time.Duration) {}

// rateServer takes so many requests a second.
type rateServer struct {
	latency
	kind   string // bucket, window or sliding
	burst  float64
	rate   func(now time.Duration) float64
	after  time.Duration
	late   bool // refusals take as long as answers
	tells  bool // how much is left
	room   float64
	filled time.Duration
	past   []time.Duration
	begun  bool
}

func steady(r float64) func(time.Duration) float64 { return func(time.Duration) float64 { return r } }

// halving is r and half of it in turns of ten seconds.
func halving(r float64) func(time.Duration) float64 {
	return func(now time.Duration) float64 {
		if now/(10*time.Second)%2 == 1 {
			return r / 2
		}
		return r
	}
}

func (r *rateServer) arrive(now time.Duration, rng *rand.Rand) (bool, time.Duration, time.Duration) {
	rate := r.rate(now)
	ok := false
	switch r.kind {
	case "bucket":
		burst := r.burst
		if burst == 0 {
			burst = rate
		}
		if !r.begun {
			r.room = burst
		}
		r.room = min(burst, r.room+(now-r.filled).Seconds()*rate)
		r.filled = now
		if ok = r.room >= 1; ok {
			r.room--
		}
	case "window":
		if !r.begun || now-r.filled >= time.Second {
			if r.begun {
				r.filled += (now - r.filled) / time.Second * time.Second
			} else {
				r.filled = now - time.Duration(rng.Int64N(int64(time.Second)))
			}
			r.room = 0
		}
		if ok = r.room < rate; ok {
			r.room++
		}
	case "sliding":
		for len(r.past) > 0 && now-r.past[0] >= time.Second {
			r.past = r.past[1:]
		}
		if ok = float64(len(r.past)) < rate; ok {
			r.past = append(r.past, now)
		}
	}
	r.begun = true
	takes := r.draw(rng)
	if !ok && !r.late {
		takes = 500 * time.Microsecond
	}
	return ok, takes, r.after
}
func (*rateServer) leave(time.Duration) {}

// roomServer takes so many requests at a time.
type roomServer struct {
	latency
	room  func(now time.Duration) float64
	after time.Duration
	open  int
}

func (r *roomServer) arrive(now time.Duration, rng *rand.Rand) (bool, time.Duration, time.Duration) {
	if float64(r.open) >= r.room(now) {
		return false, 500 * time.Microsecond, r.after
	}
	r.open++
	return true, r.draw(rng), r.after
}
func (r *roomServer) leave(time.Duration) { r.open-- }

// workServer has so many workers and a line before them.
type workServer struct {
	latency
	workers int
	free    []time.Duration
}

func (w *workServer) arrive(now time.Duration, rng *rand.Rand) (bool, time.Duration, time.Duration) {
	if w.free == nil {
		w.free = make([]time.Duration, w.workers)
	}
	i := 0
	for j := range w.free {
		if w.free[j] < w.free[i] {
			i = j
		}
	}
	w.free[i] = max(w.free[i], now) + w.draw(rng)
	return true, w.free[i] - now, 0
}
func (*workServer) leave(time.Duration) {}

// moodyServer refuses some at random.
type moodyServer struct {
	latency
	share float64
	after time.Duration
}

func (m moodyServer) arrive(_ time.Duration, rng *rand.Rand) (bool, time.Duration, time.Duration) {
	if rng.Float64() < m.share {
		return false, time.Millisecond, m.after
	}
	return true, m.draw(rng), 0
}
func (moodyServer) leave(time.Duration) {}

// slowingServer takes everything, and from some time on so much longer.
type slowingServer struct {
	latency
	from  time.Duration
	times float64
}

func (s *slowingServer) arrive(now time.Duration, rng *rand.Rand) (bool, time.Duration, time.Duration) {
	d := s.draw(rng)
	if now > s.from {
		d = time.Duration(float64(d) * s.times)
	}
	return true, d, 0
}
func (*slowingServer) leave(time.Duration) {}
