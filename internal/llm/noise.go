package llm

import (
	"math"
	"time"
)

// noise tells refusals that a lower load would not prevent from others. An
// endpoint with a limit refuses hardly anybody once the load is below it: so if
// cut after cut the load falls and the refused share does not, the refusals
// mean nothing, and the cuts are undone.
type noise struct {
	share float64 // of requests that are refused anyway

	load   float64 // the pace before a row of cuts; 0: there is none
	room   float64 // the limit, likewise
	since  time.Duration
	before knobs    // likewise
	seen   []sample // between the cuts
}

const (
	noiseMost = 0.4 // a larger share of refusals always means something
	noiseCuts = 6   // at least, in a row
	noiseTime = 10 * time.Second
)

// exceeded says whether there are more refusals than the noise explains.
func (n *noise) exceeded(s sample) bool {
	if n.share == 0 {
		return true
	}
	mean := n.share * s.sent
	return s.refused > 2*mean+3*math.Sqrt(mean)+1
}

// begin notes the first cut of a row.
func (n *noise) begin(now time.Duration, after, before knobs) {
	n.load, n.room, n.since, n.before, n.seen = after.pace.value, after.limit.value, now, before, n.seen[:0]
}

// cut notes a cut that is about to be made; it says whether those before it
// were made in vain. byLimit says that it is the limit that is too high, if either.
func (n *noise) cut(now time.Duration, s sample, k knobs, byLimit bool) bool {
	up := k.pace.value > 0.95*n.load
	if byLimit {
		up = k.limit.value > n.room
	}
	if n.load == 0 || up || now-n.since > noiseTime {
		n.begin(now, k, k)
		return false
	}
	n.seen = append(n.seen, s)
	if min(k.pace.value/n.load, k.limit.value/n.room) > 0.6 || len(n.seen) < noiseCuts {
		return false
	}
	var first, last sample
	for i, s := range n.seen {
		half := &first
		if i >= len(n.seen)/2 {
			half = &last
		}
		half.sent += s.sent
		half.refused += s.refused
	}
	share := (first.refused + last.refused) / max(first.sent+last.sent, 1)
	if last.refused < 3 {
		return false // too few to tell
	}
	if share > noiseMost || last.refused*first.sent < 0.7*first.refused*last.sent {
		n.begin(now, k, k)
		return false
	}
	n.share, n.load = share, 0
	return true
}

// learn takes into account what the last second has shown.
func (n *noise) learn(s sample) {
	if n.share > 0 && s.sent > 0 {
		if n.share += (min(s.refused/s.sent, n.share) - n.share) / 5; n.share < 0.002 {
			n.share = 0
		}
	}
}
