package llm

import (
	"math"
	"time"
)

// What an endpoint that is not known yet gets: a few requests at once and then
// startPace a second, so that a refusal can come back before many more are
// out. After startFree requests without one the pace grows with their number.
const (
	startShare = 4   // the limit starts at the declared one by this,
	wideShare  = 2   // or by this where that is at least
	wide       = 256 // since the pace alone takes long to fill so many places,
	startLeast = 4   // but not below this,
	growth     = 3   // and each good answer adds this
	startBurst = 8   // requests
	startPace  = 640 // requests a second
	startFree  = 60  // requests
)

// How refusals are met.
const (
	paceCut   = 0.95                   // of what was served of late is the new pace
	leastPace = 1.0 / 120              // requests a second
	limitCut  = 0.5                    // of the limit is left, at least
	recut     = 300 * time.Millisecond // from one cut to the next, if few are refused
	manyTimes = 3                      // refusals are many
	manyCut   = 0.7                    // of a limit is left if many above it are refused
	fineLimit = 8                      // requests in flight, from which a limit can be turned by little
	fewOf     = 100                    // requests, of which one refusal says little
	mostShare = 0.6                    // of requests refused: hardly any is taken
	firstHold = 100 * time.Millisecond // without Retry-After; then longer each time
	holdsGrow = 1.5
	lastHold  = 10 * time.Second
	trusted   = 2 * time.Second       // a Retry-After from there on is taken as it is
	lateness  = 10 * time.Millisecond // of timers, that is caught up with
	window    = time.Second           // over which the served are counted
	enough    = 5                     // answers, to know what fits
)

// adaptive finds out how many calls of one model an endpoint takes: how many
// at a time, and how many a second. It is told of every attempt, asked before
// each, and knows no time but what it is given, counted from any origin.
//
// The limit starts at a part of what is declared and grows with good answers
// until the first sign of trouble. From there on two knobs, the limit and the
// pace, are cut where a refusal shows them to be too high, and grow again: to
// where they were, and after a while faster and faster (see knob). Refusals by
// an endpoint that takes most requests are the price of knowing its limit, and
// hold nobody back. When it takes hardly any, nothing is sent for as long as it
// asks.
type adaptive struct {
	most  int  // declared
	slow  bool // slow start: there was no trouble yet
	limit knob // requests in flight
	pace  knob // requests a second; its value is 0 until refusals have taught one

	begun bool
	sent  int64         // so many attempts so far
	last  time.Duration // when one was sent
	next  time.Duration // the pace lets the next one out then
	held  time.Duration // nothing is sent before
	holds int           // in a row, with nothing taken between
	still int           // likewise, with no answer between, old ones included

	served meter
	during period // since all were last held back
	since  sample // of attempts after the last cut,
	mark   int64  // which are those with a greater number
	fits   fits   // of those
	cut    cut    // the last one

	noise  noise
	looked time.Duration // when noise was last told of a second
	crowd  crowd

	doubted knob // the limit before a row of deep cuts, if nothing was taken since
}

// cut is what there was to know when the limit or the pace was cut.
type cut struct {
	at     time.Duration
	period period        // that ended then
	pace   float64       // before; 0: none
	since  sample        // the cut before
	after  time.Duration // likewise
	paced  bool          // the pace was cut
}

// sample counts attempts and the refused among them.
type sample struct{ sent, refused float64 }

// fits is what is known to have been taken since the last cut.
type fits struct{ n, most int }

// period is a time in which requests were sent.
type period struct {
	from, until time.Duration
	taken       float64 // requests that were not refused
}

// attempt is what adaptive must know again of a request when it ends.
type attempt struct {
	n       int64
	at      time.Duration
	byPace  bool // the pace had held it back
	byLimit bool // it took the last place of the limit
	beside  int  // in flight when it was sent
}

// binds says whether the limit was all used, and can be turned by little: then
// to turn it is to turn the load, whether the endpoint counts the requests in
// flight or those of a second. A low limit has steps that are too coarse for that.
func (t attempt) binds() bool { return t.byLimit && t.beside >= fineLimit }

func newAdaptive(most int) *adaptive {
	a := &adaptive{slow: true}
	a.setMost(most)
	a.limit.value = a.start()
	return a
}

// start is the limit while nothing is known.
func (a *adaptive) start() float64 {
	share := startShare
	if a.most >= wide {
		share = wideShare
	}
	return float64(min(a.most, max(startLeast, a.most/share)))
}

// setMost sets what is declared.
func (a *adaptive) setMost(most int) {
	a.most = max(1, most)
	a.limit.value = min(a.limit.value, float64(a.most))
}

// allowed is how many attempts may be in flight.
func (a *adaptive) allowed() int { return max(1, min(a.most, int(a.limit.value+1e-6))) }

// wait is how long the next attempt must wait for the pace, or because the
// endpoint asked to be left alone. Whether there is room for it is another
// question.
func (a *adaptive) wait(now time.Duration) time.Duration {
	return max(0, a.next-now, a.held-now)
}

// perSecond is the pace.
func (a *adaptive) perSecond() float64 {
	if a.pace.value > 0 {
		return a.pace.value
	}
	n := float64(a.sent)
	return startPace * max(1, n/startFree*2)
}

// send notes an attempt; so many were in flight before it.
func (a *adaptive) send(now time.Duration, inFlight int) attempt {
	if !a.begun {
		a.begun, a.during.from = true, now
		a.next = now - time.Duration(startBurst*float64(time.Second)/startPace)
		a.last = now
	}
	pace := a.perSecond()
	gap := time.Duration(float64(time.Second) / pace)
	t := attempt{n: a.sent + 1, at: now, beside: inFlight}
	t.byPace = now-a.next < max(2*gap, lateness/2)
	t.byLimit = inFlight+1 >= a.allowed()
	if used := min(now-a.last, window/4+gap).Seconds(); t.byPace && a.pace.value > 0 {
		a.pace.grow(used)
	} else if !t.byPace && t.byLimit && !a.slow && !a.crowd.unsure() {
		a.limit.grow(used)
		a.limit.value = min(a.limit.value, float64(a.most))
	}
	behind := lateness
	if a.pace.value == 0 && a.sent < startBurst {
		behind = window
	}
	a.next = max(a.next, now-behind) + gap
	a.last = now
	if now-a.looked >= window {
		a.noise.learn(a.since)
		if a.noise.share > 0 {
			a.mark, a.since = a.sent, sample{}
		}
		a.looked = now
	}
	a.sent++
	a.since.sent++
	a.during.taken++
	a.served.add(now, 1)
	return t
}

// answered notes a good answer that took so long.
func (a *adaptive) answered(t attempt, now, took time.Duration) {
	a.still = 0
	if t.n > a.mark {
		a.holds, a.doubted = 0, knob{}
		a.fits.n++
		a.fits.most = max(a.fits.most, t.beside)
	}
	if a.slow {
		a.limit.value = min(a.limit.value+growth, float64(a.most))
	}
	if a.crowd.answered(t, now, took, &a.limit) {
		a.slow = false
		a.limit.value = min(a.limit.value, float64(a.most))
		a.crowd.skipTo(a.sent)
	}
}

// advised notes for how many requests a second the endpoint says to have room,
// now that little is left; 0 if it does not say.
func (a *adaptive) advised(now time.Duration, rate float64) {
	if rate = max(rate, 0); rate == 0 || a.pace.value > 0 && rate >= a.pace.value {
		return
	}
	a.pace.cut(rate, rate)
	a.next = max(a.next, a.last+time.Duration(float64(time.Second)/rate))
}

// unsent takes back an attempt that was not made.
func (a *adaptive) unsent(t attempt) {
	a.served.add(t.at, -1)
	if t.at >= a.during.from {
		a.during.taken--
	}
	if t.n > a.mark {
		a.since.sent--
	}
}

// restart begins anew with few at a time, as after the endpoint was down.
func (a *adaptive) restart() {
	if a.pace.value == 0 {
		a.limit.value = a.start()
		a.slow = true
	}
}

// refused notes an attempt that the endpoint had no room for, and asked to try
// again after so long (0: it did not say). inFlight are those still out.
func (a *adaptive) refused(t attempt, now, after time.Duration, inFlight int) {
	a.served.add(t.at, -1)
	if t.at >= a.during.from {
		a.during.taken--
	} else {
		a.cut.period.taken--
	}
	if t.n <= a.mark {
		if a.cut.paced && a.pace.age == 0 {
			a.setPace() // what was taken for served was not
			a.noise.load = min(a.noise.load, a.pace.value)
		}
		return
	}
	a.since.refused++
	few := a.since.refused >= mostShare*a.since.sent && (a.since.refused >= manyTimes || a.holds > 0)
	switch {
	case few && t.binds() && inFlight > 0 && a.pace.value > 0:
		a.cutDeep(now)
	case few && a.pace.value > 0:
		a.holdBack(t, now, after, inFlight)
	case !a.noise.exceeded(a.since):
	case a.pace.settling() && !t.binds() && a.since.refused <= 1 && a.since.sent >= fewOf:
	case a.pace.value == 0: // the first
		before := knobs{a.pace, a.limit}
		a.slow = false
		a.cutLimit(inFlight)
		a.held = max(a.held, now+min(after, maxBackoff))
		a.noteCut(now)
		a.setPace()
		a.noise.begin(now, knobs{a.pace, a.limit}, before)
	case a.since.refused >= manyTimes || now-a.cut.at >= recut:
		a.cutOne(t, now)
	}
}

// cutDeep cuts the limit where hardly anything is taken while much is in flight,
// as when an endpoint's room is halved. The next request goes out when so many
// have come back, which needs no timer and cannot become a storm. If it was not
// their number, holdBack undoes it.
func (a *adaptive) cutDeep(now time.Duration) {
	if a.doubted.value == 0 {
		a.doubted = a.limit
	}
	a.cutLimit(int(manyCut * a.limit.value))
	a.noteCut(now)
}

// holdBack has nothing sent for a while, since hardly anything is taken.
func (a *adaptive) holdBack(t attempt, now, after time.Duration, inFlight int) {
	a.noise.load = 0
	if a.doubted.value > 0 { // it was not their number after all
		a.limit, a.doubted = a.doubted, knob{}
		a.limit.value = min(a.limit.value, float64(a.most))
	}
	d := min(time.Duration(float64(firstHold)*math.Pow(holdsGrow, float64(a.holds))), lastHold)
	if after > trusted || after > 0 && after < d {
		d = after
	}
	a.held = max(a.held, now+min(max(d, after/4), maxBackoff))
	a.holds++
	if a.still++; a.still > 1 && inFlight > 0 {
		a.cutLimit(t.beside) // it has all that it can do
	}
	if a.since.sent > a.since.refused || a.holds == 1 {
		a.noteCut(now)
	} else { // the same trouble goes on
		a.mark, a.since = a.sent, sample{}
		a.cut.period.until = a.held
		a.during = period{from: a.held}
	}
	a.setPace()
}

// cutOne cuts the limit or the pace, whichever is to blame.
func (a *adaptive) cutOne(t attempt, now time.Duration) {
	if a.noise.cut(now, a.since, knobs{a.pace, a.limit}, t.binds()) {
		a.pace, a.limit = a.noise.before.pace, a.noise.before.limit
		a.limit.value = min(a.limit.value, float64(a.most))
		a.slow = a.pace.value == 0
		a.noteCut(now)
		return
	}
	// Where no request fits that has as many beside it, it is their number
	// that is too high, and not their pace.
	known := a.fits.n >= enough
	limit := t.binds() || known && (t.beside > a.fits.most || t.beside == a.fits.most && t.beside >= fineLimit) || !known && t.byLimit
	pace := !limit || !t.binds() && !known && a.limit.settling()
	if limit {
		a.cutLimit(t.beside)
	}
	a.noteCut(now)
	if pace {
		a.setPace()
	}
}

// noteCut notes what there is to know when something is cut.
func (a *adaptive) noteCut(now time.Duration) {
	a.cut = cut{at: now, period: a.during, pace: a.pace.value, since: a.since, after: now - a.cut.at}
	a.cut.period.until = now
	if a.held > now {
		a.cut.period.until = a.held
		a.during = period{from: a.held}
	}
	a.mark, a.since, a.fits = a.sent, sample{}, fits{}
}

// setPace sets the pace to a little less than was served before the last cut.
func (a *adaptive) setPace() {
	a.cut.paced = true
	c := a.cut
	rate := a.served.perSecond(c.at)
	// Where requests were sent for a moment only, the time that the endpoint
	// asked to wait belongs to them.
	if span := c.period.until - c.period.from; span < 2*window || c.period.until-c.at > trusted {
		rate = max(c.period.taken, 1) / max(span, window/5).Seconds()
	}
	if c.pace > 0 {
		rate = min(max(rate, c.pace/4), c.pace)
		if a.held <= c.at && c.since.refused >= manyTimes && c.after > 0 {
			taken := (c.since.sent - c.since.refused) / c.after.Seconds()
			rate = min(rate, max(taken, 0.75*rate)) // the last second saw a burst
		}
	}
	rate = max(rate, leastPace)
	a.pace.cut(rate, paceCut*rate)
	a.pace.unsure = c.pace == 0 && c.period.taken < 2*startBurst || c.pace > 2*rate && c.since.refused < manyTimes
	if a.held > a.last {
		a.next = a.held
	} else {
		a.next = a.last + time.Duration(float64(time.Second)/a.pace.value)
	}
}

// cutLimit cuts the limit to what was in flight.
func (a *adaptive) cutLimit(inFlight int) {
	to := max(1, limitCut*a.limit.value, min(float64(inFlight), a.limit.value))
	a.limit.cut(to, to)
	a.crowd.forget(a.sent)
}
