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

// errStopping: the build is stopping, and nothing new is begun.
var errStopping = errors.New("the build is stopping")

// realClock sleeps in real time, until the context ends or stopping closes.
func realClock(stopping <-chan struct{}) clock {
	return clock{now: time.Now, sleep: func(ctx context.Context, d time.Duration) error {
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
