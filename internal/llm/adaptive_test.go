package llm

import (
	"testing"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// These are measured by a clock of their own, with pseudo-random delays of a
// fixed seed: what they count does not depend on the machine.

const simSeeds = 4

// An endpoint without limits is used up, the start included.
func TestAdaptiveFillsTheEndpoint(t *testing.T) {
	for _, tt := range []struct {
		declared, calls int
		latency         latency
		most            time.Duration
	}{
		{50, 500, latency{50 * time.Millisecond, 0}, 620 * time.Millisecond},
		{512, 20000, latency{200 * time.Millisecond, 0}, 8220 * time.Millisecond}, // 95 %
		{512, 20000, latency{200 * time.Millisecond, 0.5}, 9 * time.Second},
		{1, 20, latency{50 * time.Millisecond, 0}, 1050 * time.Millisecond},
	} {
		for seed := range uint64(simSeeds) {
			s := newSim(tt.declared, freeServer{tt.latency}, seed)
			s.run(tt.calls, 0)
			if s.done > tt.most || s.a.allowed() != tt.declared {
				t.Errorf("%d wide, %v, seed %d: %v, want %v; the limit is %d", tt.declared, tt.latency, seed, s.done, tt.most, s.a.allowed())
			}
		}
	}
}

// An endpoint that takes 50 requests a second is asked for them, and refuses
// few, however many calls are allowed.
func TestAdaptiveFindsARate(t *testing.T) {
	const calls = 500
	for _, tt := range []struct {
		kind    string
		burst   float64
		after   time.Duration
		late    bool // refusals take as long as answers
		most    time.Duration
		refused int
	}{
		{"bucket", 0, time.Second, false, 12 * time.Second, 49},
		{"window", 0, time.Second, false, 12 * time.Second, 49},
		{"sliding", 0, time.Second, false, 12 * time.Second, 49},
		{"bucket", 0, 0, false, 12 * time.Second, 49},
		{"window", 0, 0, false, 12 * time.Second, 49},
		{"sliding", 0, 0, false, 12 * time.Second, 49},
		{"bucket", 10, time.Second, false, 13 * time.Second, 49},
		{"bucket", 1, time.Second, false, 20 * time.Second, 49},
		{"bucket", 0, time.Second, true, 12 * time.Second, 150},
		{"window", 0, time.Second, true, 14 * time.Second, 200},
	} {
		for _, declared := range []int{50, 64, 512} {
			for seed := range uint64(simSeeds) {
				server := &rateServer{latency: latency{50 * time.Millisecond, 0}, kind: tt.kind, burst: tt.burst, rate: steady(50), after: tt.after, late: tt.late}
				s := newSim(declared, server, seed)
				s.run(calls, time.Minute)
				if s.answered != calls || s.done > tt.most || s.refused > tt.refused {
					t.Errorf("%+v, %d wide, seed %d: %d answers in %v, %d refusals", tt, declared, seed, s.answered, s.done, s.refused)
				}
			}
		}
	}
}

// A rate that halves and doubles is followed.
func TestAdaptiveFollowsARate(t *testing.T) {
	for _, kind := range []string{"bucket", "window", "sliding"} {
		for _, after := range []time.Duration{0, time.Second} {
			for _, rate := range []float64{20, 50, 100, 400} {
				server := &rateServer{latency: latency{50 * time.Millisecond, 0.5}, kind: kind, rate: halving(rate), after: after}
				s := newSim(64, server, 1)
				s.run(1e6, time.Minute)
				least := 0.85
				if kind == "sliding" {
					least = 0.8 // what is served in a burst is missing for a second
				}
				share := float64(s.answered) / (0.75 * 60 * rate)
				if share < least || s.refused > s.answered/8+100 {
					t.Errorf("%s of %v, after %v: %.3f of what it takes, %d refused", kind, rate, after, share, s.refused)
				}
			}
		}
	}
}

// So is a number of requests that are taken at a time.
func TestAdaptiveFollowsARoom(t *testing.T) {
	for _, latency := range []latency{{50 * time.Millisecond, 0}, {200 * time.Millisecond, 0.5}, {2 * time.Second, 0.8}} {
		for _, after := range []time.Duration{0, time.Second} {
			for _, room := range []float64{4, 20, 48} {
				for name, size := range map[string]func(time.Duration) float64{"steady": steady(room), "halving": halving(room)} {
					s := newSim(64, &roomServer{latency: latency, room: size, after: after}, 1)
					s.run(1e6, time.Minute)
					most := 60 / latency.base.Seconds() * room
					if name == "halving" {
						most *= 0.75
					}
					if share := float64(s.answered) / most; share < 0.8 || s.refused > 150 {
						t.Errorf("%s room for %v, %v, after %v: %.3f of what it takes, %d refused", name, room, latency, after, share, s.refused)
					}
				}
			}
		}
	}
}

// The same on a machine that is slow to send and to hear, where an endpoint has
// fewer requests in flight than are out: what it takes is used up by most.
func TestAdaptiveFollowsARoomSlowly(t *testing.T) {
	for _, took := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond} {
		for _, after := range []time.Duration{0, time.Second} {
			for _, room := range []float64{20, 100, 400} {
				for _, begins := range []time.Duration{0, 10 * time.Second} {
					size := func(now time.Duration) float64 { return halving(room)(now + begins) }
					s := newSim(512, &roomServer{latency: latency{took, 0.1}, room: size, after: after}, 1)
					s.late = 2 * time.Millisecond
					s.run(1e6, time.Minute)
					share := float64(s.answered) / (60 / took.Seconds() * room * 0.75)
					least := 0.7
					if took == 500*time.Millisecond {
						least = 0.85
					}
					if share < least || s.refused > s.answered/8+100 {
						t.Errorf("room for %v, %v, after %v, from %v: %.3f of what it takes, %d refused of %d", room, took, after, begins, share, s.refused, s.answered)
					}
				}
			}
		}
	}
}

// Where requests queue, no more are in flight than are of use; where answers
// only differ in length, all that may be.
func TestAdaptiveSeesAQueue(t *testing.T) {
	for _, latency := range []latency{{50 * time.Millisecond, 0}, {200 * time.Millisecond, 0.3}} {
		s := newSim(64, &workServer{latency: latency, workers: 8}, 1)
		least := 64
		for i := range 60 {
			s.at(time.Duration(i)*time.Second, func() { least = min(least, s.a.allowed()) })
		}
		s.run(1e6, time.Minute)
		if share := float64(s.answered) / (60 / latency.base.Seconds() * 8); share < 0.95 || least > 32 || least < 8 {
			t.Errorf("8 workers, %v: %.3f of what they do; the least limit is %d", latency, share, least)
		}
	}
	for _, tail := range []float64{0.5, 1, 1.5} {
		s := newSim(64, freeServer{latency{200 * time.Millisecond, tail}}, 1)
		s.run(1e6, time.Minute)
		if s.a.allowed() != 64 {
			t.Errorf("answers of varied length, %v: the limit is %d", tail, s.a.allowed())
		}
	}
}

// Answers that become longer for good are no queue.
func TestAdaptiveWithLongerAnswers(t *testing.T) {
	s := newSim(64, &slowingServer{latency{50 * time.Millisecond, 0.3}, 10 * time.Second, 10}, 1)
	s.run(1e6, time.Minute)
	if s.a.allowed() != 64 {
		t.Errorf("the limit is %d", s.a.allowed())
	}
}

// Refusals that do not depend on the load do not make an end of it.
func TestAdaptiveBearsNoise(t *testing.T) {
	for _, latency := range []latency{{50 * time.Millisecond, 0}, {200 * time.Millisecond, 0.5}} {
		for _, share := range []float64{0.01, 0.1} {
			for _, after := range []time.Duration{0, time.Second} {
				s := newSim(64, moodyServer{latency, share, after}, 1)
				s.run(1e6, time.Minute)
				if got := float64(s.answered) / (60 / latency.base.Seconds() * 64); got < 0.4 {
					t.Errorf("%v of %v refused, after %v: %.3f of what it takes", share, latency, after, got)
				}
			}
		}
	}
}

// An endpoint that refuses everything for a while is asked now and then, and
// used up again once it answers.
func TestAdaptiveRecovers(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 5 * time.Second} {
		down := func(now time.Duration) float64 {
			if now > 5*time.Second && now < 35*time.Second {
				return 0
			}
			return 200
		}
		s := newSim(64, &rateServer{latency: latency{50 * time.Millisecond, 0}, kind: "bucket", burst: 50, rate: down, after: after}, 1)
		s.run(1e6, 35*time.Second)
		if s.refused > 150 {
			t.Errorf("after %v: %d refusals", after, s.refused)
		}
		before := s.answered
		s.resume(1e6, 60*time.Second)
		if got := s.answered - before; got < 200*12 {
			t.Errorf("after %v: %d answers in the 25 s since it is back", after, got)
		}
	}
}

// What the endpoint says of its budget keeps it from refusing.
func TestAdaptiveIsAdvised(t *testing.T) {
	server := &rateServer{latency: latency{50 * time.Millisecond, 0}, kind: "bucket", rate: steady(50), after: time.Second, tells: true}
	s := newSim(64, server, 1)
	s.run(500, time.Minute)
	if s.refused > 5 || s.done > 11*time.Second {
		t.Errorf("%d refusals, %v", s.refused, s.done)
	}
}

func TestAdaptiveMost(t *testing.T) {
	a := newAdaptive(100)
	if a.allowed() != 25 {
		t.Errorf("starts with %d", a.allowed())
	}
	a.setMost(10)
	if a.allowed() != 10 {
		t.Errorf("%d with 10 declared", a.allowed())
	}
	a.setMost(200)
	for range 200 {
		x := a.send(0, 0)
		a.answered(x, time.Second, time.Second)
	}
	if a.allowed() != 200 {
		t.Errorf("%d after 200 answers", a.allowed())
	}
	a.restart()
	if a.allowed() != 50 {
		t.Errorf("starts anew with %d", a.allowed())
	}
	if a = newAdaptive(0); a.allowed() != 1 {
		t.Errorf("%d with none", a.allowed())
	}
}

func TestBuckets(t *testing.T) {
	r := newRates(spec.Limits{RequestsPerMinute: 120, TokensPerMinute: 600, OutputTokensPerMinute: 60})
	want := func(now time.Duration, u use, d time.Duration) {
		t.Helper()
		if got := r.wait(now, u); got < d || got > d+time.Millisecond {
			t.Errorf("at %v %+v waits %v, want %v", now, u, got, d)
		}
	}
	want(0, use{50, 5}, 0)
	r.take(0, use{50, 5})
	want(0, use{40, 5}, 0)
	want(0, use{50, 5}, time.Second) // 45 tokens are left
	r.settle(0, use{0, 15})          // a long answer
	want(0, use{0, 1}, 11*time.Second)
	r.settle(0, use{0, -15})
	want(0, use{0, 1}, 0)
	want(0, use{1000, 0}, 5500*time.Millisecond) // more than fits goes when it is full
	r.take(0, use{})
	r.take(0, use{})
	want(0, use{}, time.Second)
	var none rates
	if none.wait(0, use{1 << 40, 1}) != 0 {
		t.Error("no limit holds nobody back")
	}
}
