package engine

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestPipeline works in any order and gives the results in order.
func TestPipeline(t *testing.T) {
	const n = 500
	next := 0
	var got []int
	err := pipeline[int, int]{
		next: func() (int, bool, error) { next++; return next - 1, next <= n, nil },
		stop: func() { t.Error("stopped") },
		work: func(i int) (int, error) {
			if i%7 == 0 {
				time.Sleep(time.Millisecond)
			}
			return i * i, nil
		},
		done: func(v int) error { got = append(got, v); return nil },
	}.run()
	if err != nil || len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%v, %d results: %v", err, len(got), got)
	}
}

// TestPipelineFails has each of its parts fail: the first error in the order
// of the values is the one that is told, nothing after it is done, and a next
// that waits is let go.
func TestPipelineFails(t *testing.T) {
	errNext, errWork, errDone := errors.New("next"), errors.New("work"), errors.New("done")
	for _, c := range []struct {
		name             string
		next, work, done int // the value at which each fails
		want             error
		results          int
	}{
		{"next", 5, 99, 99, errNext, 5},
		{"work", 99, 5, 99, errWork, 5},
		{"done", 99, 99, 5, errDone, 5},
		{"work before next", 5, 3, 99, errWork, 3},
		{"done before work", 99, 6, 2, errDone, 2},
	} {
		stopped := make(chan struct{})
		next, results := -1, 0
		err := pipeline[int, int]{
			next: func() (int, bool, error) {
				if next++; next == c.next {
					return 0, false, errNext
				}
				if next == 20 { // as a step waits for its input
					<-stopped
					return 0, false, errStopped
				}
				return next, true, nil
			},
			stop: func() { close(stopped) },
			work: func(i int) (int, error) {
				if i == c.work {
					return 0, errWork
				}
				return i, nil
			},
			done: func(i int) error {
				if i == c.done {
					return errDone
				}
				results++
				return nil
			},
		}.run()
		if err != c.want || results != c.results {
			t.Errorf("%s: %v after %d results; want %v after %d", c.name, err, results, c.want, c.results)
		}
	}
}

// TestReaderStops lets a reader go that waits for rows.
func TestReaderStops(t *testing.T) {
	f := newFlow(nil)
	r := &reader{flows: []*flow{f}}
	ended := make(chan error)
	go func() {
		_, _, err := r.span()
		ended <- err
	}()
	r.stop()
	if err := <-ended; !errors.Is(err, errStopped) {
		t.Error(err)
	}
}
