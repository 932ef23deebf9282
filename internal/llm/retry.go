package llm

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The wait before the n-th retry is between half of and all of
// firstBackoff·2ⁿ⁻¹, or what the endpoint asks for if that is longer; never
// more than maxBackoff.
const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 60 * time.Second
)

func backoff(n int, asked time.Duration) time.Duration {
	d := maxBackoff / 2
	if n < 7 {
		d = min(d, firstBackoff<<max(n-1, 0))
	}
	d = d/2 + rand.N(d/2)
	return min(max(d, asked), maxBackoff)
}

// clock is time, which tests replace.
type clock struct {
	now func() time.Time
	// sleep waits for d, or returns why it did not: the context's error, or
	// errStopping.
	sleep func(ctx context.Context, d time.Duration) error
	// within is a context that ends when d has passed, if not before.
	within func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
	// after calls f when d has passed, unless that is called off.
	after func(d time.Duration, f func()) (off func())
}

// errStopping: the build is stopping, and nothing new is begun.
var errStopping = errors.New("the build is stopping")

// realClock sleeps in real time, until the context ends or stopping closes.
func realClock(stopping <-chan struct{}) clock {
	after := func(d time.Duration, f func()) func() {
		t := time.AfterFunc(d, f)
		return func() { t.Stop() }
	}
	return clock{now: time.Now, after: after, within: context.WithTimeout, sleep: func(ctx context.Context, d time.Duration) error {
		if d <= 0 {
			return ctx.Err()
		}
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-stopping:
			return errStopping
		}
	}}
}

// retryAfter is how long the endpoint asks to be left alone, 0 if it does not
// say. Where a 429 says nothing but which budget ran out, it is the time until
// that budget is filled again.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		return seconds(ms / 1000)
	}
	if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		if s, err := strconv.ParseFloat(v, 64); err == nil {
			return seconds(s)
		}
		if t, err := http.ParseTime(v); err == nil {
			return max(0, t.Sub(now))
		}
	}
	var wait time.Duration
	for _, budget := range []string{"Requests", "Tokens"} {
		if h.Get("X-Ratelimit-Remaining-"+budget) != "0" {
			continue
		}
		if d, err := time.ParseDuration(h.Get("X-Ratelimit-Reset-" + budget)); err == nil {
			wait = max(wait, d)
		}
	}
	return wait
}

// seconds bounds what an endpoint may say; NaN and negative numbers are 0.
func seconds(s float64) time.Duration {
	if !(s > 0) {
		return 0
	}
	return time.Duration(min(s, maxBackoff.Seconds()) * float64(time.Second))
}

// room is how many requests and tokens a second an endpoint says to have room
// for, once little of its budget is left; 0 if there is more, or it does not
// say. It is the rate at which the budget is filled again.
func room(h http.Header) (requests, tokens float64) {
	rate := func(budget string) float64 {
		limit, err1 := strconv.ParseFloat(h.Get("X-Ratelimit-Limit-"+budget), 64)
		left, err2 := strconv.ParseFloat(h.Get("X-Ratelimit-Remaining-"+budget), 64)
		full, err3 := time.ParseDuration(h.Get("X-Ratelimit-Reset-" + budget))
		if err1 != nil || err2 != nil || err3 != nil || !(left <= limit/10) || !(limit > left) || full <= 0 {
			return 0
		}
		return min((limit-left)/full.Seconds(), 1e9)
	}
	return rate("Requests"), rate("Tokens")
}
