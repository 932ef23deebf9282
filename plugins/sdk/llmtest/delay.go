package llmtest

import (
	"math"
	"math/rand/v2"
	"time"
)

// Delay draws how long an answer takes. What it draws from depends on
// Options.Seed and the request's number.
type Delay func(*rand.Rand) time.Duration

// Between delays by low to high, all of it equally likely.
func Between(low, high time.Duration) Delay {
	return func(rng *rand.Rand) time.Duration {
		return low + time.Duration(rng.Float64()*float64(high-low))
	}
}

// LongTail delays by about the median mostly, and at times by much more: by
// the log-normal distribution. A spread of 0.5 has one answer in a hundred
// take three times the median, one of 1 ten times.
func LongTail(median time.Duration, spread float64) Delay {
	return func(rng *rand.Rand) time.Duration {
		return time.Duration(float64(median) * math.Exp(spread*rng.NormFloat64()))
	}
}

// The random numbers of a request: what they are for, so that a change of one
// leaves the others as they are.
const (
	forFault = iota
	forDelay
)

// draws is a random source that depends on the seed and a request's number.
func (s *Server) draws(n, what int) *rand.Rand {
	return rand.New(rand.NewPCG(s.opts.Seed, uint64(n)<<2|uint64(what)))
}
