package llm

import (
	"testing"
	"time"
)

// Of what is sent, an endpoint refuses a bounded share: of the first ten
// seconds, in which its limit is found, so many requests, and of each minute
// from then on the shares that docs/models-and-endpoints.md names.
func TestAdaptiveRefusedShare(t *testing.T) {
	const first = 60
	check := func(server simServer, most float64) {
		t.Helper()
		s := newSim(512, server, 1)
		s.run(1e6, 10*time.Second)
		answered, refused := s.answered, s.refused
		s.resume(1e6, 70*time.Second)
		n := float64(s.refused - refused)
		if share := n / (n + float64(s.answered-answered)); refused > first || share > most {
			t.Errorf("%+v: %d of the first %d were refused, and then %.3f", server, refused, refused+answered, share)
		}
	}
	for _, takes := range []latency{{50 * time.Millisecond, 0.5}, {time.Second, 0.5}} {
		for _, after := range []time.Duration{0, time.Second} {
			for rate, most := range map[float64]float64{5: 0.3, 20: 0.15, 50: 0.08, 400: 0.02} {
				for _, kind := range []string{"bucket", "window", "sliding"} {
					check(&rateServer{latency: takes, kind: kind, rate: steady(rate), after: after}, most)
				}
			}
			for room, most := range map[float64]float64{4: 0.45, 20: 0.03, 48: 0.03} {
				check(&roomServer{latency: takes, room: steady(room), after: after}, most)
			}
		}
	}
}
