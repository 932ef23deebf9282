package llm

import (
	"time"

	"github.com/autosafe/autosafe/spec"
)

// DefaultConcurrency is how many calls a provider that declares no limit gets
// at a time.
const DefaultConcurrency = 64

// rates are the declared limits of an endpoint in time.
type rates struct {
	requests, tokens, input, output *bucket // nil: no limit
}

func newRates(l spec.Limits) rates {
	// Bursts are one second of requests, and ten of tokens, since one call
	// takes thousands at a time.
	return rates{
		perMinute(l.RequestsPerMinute, 60), perMinute(l.TokensPerMinute, 6),
		perMinute(l.InputTokensPerMinute, 6), perMinute(l.OutputTokensPerMinute, 6),
	}
}

// use is what a call takes of the rates.
type use struct{ in, out int }

// wait is how long a call must wait until the rates allow it.
func (r rates) wait(now time.Duration, u use) time.Duration {
	return max(r.requests.wait(now, 1), r.tokens.wait(now, u.in+u.out), r.input.wait(now, u.in), r.output.wait(now, u.out))
}

// take notes that a call is sent.
func (r rates) take(now time.Duration, u use) {
	r.requests.take(now, 1)
	r.settle(now, u)
}

// settle notes what a call has used beside what was noted before; it may be
// less, too.
func (r rates) settle(now time.Duration, u use) {
	r.tokens.take(now, u.in+u.out)
	r.input.take(now, u.in)
	r.output.take(now, u.out)
}

// bucket is a limit in time. It may be overdrawn: what was used is known only
// when it has been. The methods of nil allow everything.
type bucket struct {
	level, burst float64
	rate         float64 // a second
	at           time.Duration
}

// perMinute allows n a minute, and a part of that at once.
func perMinute(n, part int) *bucket {
	if n <= 0 {
		return nil
	}
	burst := max(1, float64(n/part))
	return &bucket{level: burst, burst: burst, rate: float64(n) / 60}
}

func (b *bucket) fill(now time.Duration) {
	b.level = min(b.burst, b.level+max(0, now-b.at).Seconds()*b.rate)
	b.at = max(b.at, now)
}

func (b *bucket) wait(now time.Duration, n int) time.Duration {
	if b == nil || n <= 0 {
		return 0
	}
	b.fill(now)
	// What is larger than the burst goes out alone rather than never.
	lacks := min(float64(n), b.burst) - b.level
	if lacks <= 1e-9 {
		return 0
	}
	return time.Duration(lacks/b.rate*float64(time.Second)) + 1
}

func (b *bucket) take(now time.Duration, n int) {
	if b == nil {
		return
	}
	b.fill(now)
	b.level = min(b.burst, b.level-float64(n))
}
