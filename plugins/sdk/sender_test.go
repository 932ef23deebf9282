package sdk

import (
	"context"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
)

// TestSenderWaitsForCompany: a result waits for others only while others can
// come. What would wait here for a day does not wait.
func TestSenderWaitsForCompany(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name     string
		inFlight int64 // tasks at work
		there    int   // results that stand behind the first
		comes    int   // results that come while it waits
		wait     time.Duration
		want     int // size of the batch
	}{
		{"alone", 0, 0, 0, day, 1},
		{"with those that are there", 0, 2, 0, day, 3},
		{"after a pause", 1, 0, 0, 0, 1},
		{"after a pause, with those that are there", 1, 2, 0, -time.Second, 3},
		{"for what comes", 1, 0, 2, day, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &sender{ctx: context.Background(), results: make(chan *pluginpb.Result), closing: make(chan struct{})}
			if tt.comes == 0 {
				s.results = make(chan *pluginpb.Result, tt.there)
			}
			s.inFlight.Store(tt.inFlight)
			put := func(n int) {
				for range n {
					s.results <- &pluginpb.Result{}
				}
			}
			if tt.comes == 0 {
				put(tt.there)
			} else {
				go func() { // the channel has no buffer: both are taken before the end
					put(tt.comes)
					close(s.closing)
				}()
			}
			if batch, held := s.collect(&pluginpb.Result{}, tt.wait, plainBatch()); len(batch) != tt.want || held != nil {
				t.Errorf("a batch of %d, held back %v; want %d", len(batch), held, tt.want)
			}
		})
	}
	t.Run("called off", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &sender{ctx: ctx, results: make(chan *pluginpb.Result), closing: make(chan struct{})}
		s.inFlight.Store(1)
		cancel()
		if batch, _ := s.collect(&pluginpb.Result{}, day, plainBatch()); len(batch) != 1 {
			t.Errorf("a batch of %d", len(batch))
		}
	})
}
