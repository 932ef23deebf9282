package llmtest

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Limit is what the server takes. What comes beyond that is refused at once
// with 429, and does not count against the limit.
type Limit struct {
	// PerSecond is how many requests are taken a second; 0 is any number.
	PerSecond float64
	// Burst is how many are taken at once after a pause: 0 is those of one
	// second.
	Burst int
	// Window, if set, is in place of that: the requests of so much time may
	// all come at once, and there are new ones when the next window begins.
	Window time.Duration
	// Concurrency is how many requests may be open at a time; 0 is any number.
	Concurrency int

	// NoRetryAfter leaves a refused client in the dark about when to come
	// back. Else Retry-After says it, in whole seconds, rounded up.
	NoRetryAfter bool
	// Headers adds OpenAI's x-ratelimit-limit-requests, -remaining-requests
	// and -reset-requests to every response.
	Headers bool

	// For is how long this limit holds, before the next one of the list does.
	// After the last comes the first again. 0 is for good.
	For time.Duration
}

// burst is how many requests a full bucket, or a new window, has room for.
func (l *Limit) burst() float64 {
	switch {
	case l.Window > 0:
		return max(1, math.Floor(l.PerSecond*l.Window.Seconds()))
	case l.Burst > 0:
		return float64(l.Burst)
	}
	return max(1, l.PerSecond)
}

// limiter holds requests to limits. Its user sees to it that one goroutine at
// a time does.
type limiter struct {
	limits []Limit
	began  time.Time // when the first request came
	last   *Limit    // that held for the request before
	room   float64   // for so many requests
	at     time.Time // as of then; with a window, when that began
	open   int
}

// pass is what a limiter says to a request.
type pass struct {
	limit *Limit // that holds; nil: none
	ok    bool
	room  int           // for so many more
	wait  time.Duration // until there is room for one, or for all where there is
}

// enter lets a request in or refuses it. One that is let in must leave.
func (l *limiter) enter(now time.Time) pass {
	if len(l.limits) == 0 {
		return pass{ok: true}
	}
	limit := l.now(now)
	p := pass{limit: limit, ok: true}
	if limit.PerSecond > 0 {
		l.fill(limit, now)
		p.ok = l.room >= 1
	}
	l.last = limit
	if p.ok && limit.Concurrency > 0 && l.open >= limit.Concurrency {
		p.ok = false
		p.wait = time.Second // nobody knows
	}
	if p.ok {
		l.open++
	}
	if limit.PerSecond > 0 {
		if p.ok {
			l.room--
		}
		p.room = int(max(0, l.room))
		p.wait = max(p.wait, l.untilRoom(limit, p.ok, now))
	}
	return p
}

// leave ends a request that was let in.
func (l *limiter) leave() {
	if len(l.limits) > 0 {
		l.open--
	}
}

// now is the limit that holds at a time.
func (l *limiter) now(now time.Time) *Limit {
	if l.began.IsZero() {
		l.began = now
	}
	var round time.Duration
	for i := range l.limits {
		if l.limits[i].For <= 0 {
			round = math.MaxInt64 // it never begins anew
			break
		}
		round += l.limits[i].For
	}
	past := now.Sub(l.began) % round
	for i := range l.limits {
		if past -= l.limits[i].For; past < 0 || l.limits[i].For <= 0 {
			return &l.limits[i]
		}
	}
	return &l.limits[0]
}

// fill makes the room that time has brought: by the limit that held until
// now, for the limit that holds.
func (l *limiter) fill(limit *Limit, now time.Time) {
	if l.last == nil || l.last.PerSecond <= 0 {
		l.room, l.at = limit.burst(), now
		return
	}
	if limit.Window <= 0 {
		l.room = min(limit.burst(), l.room+now.Sub(l.at).Seconds()*l.last.PerSecond)
		l.at = now
		return
	}
	if n := now.Sub(l.at) / limit.Window; n > 0 {
		l.at = l.at.Add(n * limit.Window)
		l.room = limit.burst()
	}
	l.room = min(l.room, limit.burst())
}

// untilRoom is how long it takes until there is room for one request, or, if
// there is, for all that a pause brings.
func (l *limiter) untilRoom(limit *Limit, ok bool, now time.Time) time.Duration {
	if limit.Window > 0 {
		return limit.Window - now.Sub(l.at)
	}
	want := 1.0
	if ok {
		want = limit.burst()
	}
	return time.Duration((want - l.room) / limit.PerSecond * float64(time.Second))
}

// headers tells a client of the limit.
func (p *pass) headers(h http.Header) {
	if p.limit == nil {
		return
	}
	if p.limit.Headers && p.limit.PerSecond > 0 {
		h.Set("X-Ratelimit-Limit-Requests", strconv.Itoa(int(p.limit.burst())))
		h.Set("X-Ratelimit-Remaining-Requests", strconv.Itoa(p.room))
		h.Set("X-Ratelimit-Reset-Requests", p.wait.Round(time.Millisecond).String())
	}
	if !p.ok && !p.limit.NoRetryAfter {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(p.wait.Seconds())))))
	}
}
