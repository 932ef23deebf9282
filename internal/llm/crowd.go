package llm

import (
	"slices"
	"time"
)

// crowd finds out whether an endpoint has a queue: with more requests in
// flight its answers get slower, and no more of them come. It looks at rounds
// of answers, and in each at the time of the quick ones, since a queue delays
// all of them and a few long answers do not.
type crowd struct {
	took  []time.Duration // of the round's answers
	begun time.Duration
	size  int   // of the round
	skip  int64 // attempts up to this do not count
	full  int   // answers of the round to requests that took the last place

	quick time.Duration // what quick answers take where nothing queues
	rate  float64       // answers a second, the most that were seen of late

	rounds int // in a row, that were crowded

	// If the last round ended with a cut: what quick answers took before, and
	// what the limit was.
	before time.Duration
	limit  knob
	share  float64 // that the cut left of the limit
}

const (
	firstRound = 16  // answers, while nothing queues yet
	leastRound = 48  // of others
	crowded    = 2.5 // times what quick answers take with an empty queue
	spared     = 2   // times what they take is what a limit is cut to
	leastLeft  = 0.7 // of the limit
	forgets    = 0.95
	calmRounds = 30 // before more are tried again
)

// answered notes an answer, and turns the knob of the limit if a round of them
// shows that there is a queue. It says whether it did.
func (c *crowd) answered(t attempt, now, took time.Duration, limit *knob) bool {
	if t.n <= c.skip {
		return false // it was sent before the last cut
	}
	if len(c.took) == 0 {
		c.begun, c.full, c.size = now, 0, max(leastRound, int(limit.value))
		if c.quick == 0 {
			c.size = firstRound
		}
	}
	c.took = append(c.took, took)
	if t.byLimit {
		c.full++
	}
	if len(c.took) < c.size {
		return false
	}
	return c.over(now, limit)
}

// unsure says that the last cut has yet to prove itself.
func (c *crowd) unsure() bool { return c.before > 0 }

// skipTo has attempts up to number n not count: they were sent under another
// limit.
func (c *crowd) skipTo(n int64) { c.skip, c.took, c.rounds = n, c.took[:0], 0 }

// forget is skipTo where something else has turned the knob.
func (c *crowd) forget(n int64) {
	c.skipTo(n)
	c.before = 0
}

// over ends a round.
func (c *crowd) over(now time.Duration, limit *knob) bool {
	n := len(c.took)
	slices.Sort(c.took)
	quick := c.took[n/4]
	rate := float64(n-1) / max(now-c.begun, time.Millisecond).Seconds()
	busy := c.full > n/4
	c.took = c.took[:0]
	defer func() { c.rate = max(rate, forgets*c.rate) }()

	if c.before > 0 {
		// In a queue, fewer requests wait less. If they do not, the answers
		// are longer than they were, and the cut was for nothing.
		gain := float64(c.before-quick) / float64(c.before)
		c.before = 0
		if gain < (1-c.share)/2 {
			*limit, c.quick, c.rate = c.limit, quick, rate
			return true
		}
	}
	switch {
	case c.quick == 0:
		c.quick = quick
	case quick < c.quick: // by chance, perhaps
		c.quick -= (c.quick - quick) / 4
	default:
		c.quick += (min(quick, 2*c.quick) - c.quick) / 256
	}
	if !busy || float64(quick) < crowded*float64(c.quick) || rate > 1.1*c.rate {
		c.rounds = 0
		return false
	}
	if c.rounds++; c.rounds < 2 {
		return false // the queue may still be filling
	}
	to := max(startLeast, leastLeft*limit.value, spared*rate*c.quick.Seconds())
	if to >= limit.value {
		return false
	}
	c.before, c.limit, c.share = quick, *limit, to/limit.value
	limit.cut(to, to)
	limit.calm = max(calmN, calmRounds*(now-c.begun).Seconds())
	return true
}
